"""Random edits for MLT, written as the editors write them, and rendered by the real `melt`."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import barcodes

from instrument.studio.retiming import Footage
from instrument.timebase import FrameRate

# name → first number, frames, rate
FOOTAGE = {
    "a.mp4": (0, 300, Fraction(30)),
    "b.mp4": (1000, 300, Fraction(30)),
    "c.mp4": (2000, 250, Fraction(25)),
    "d.mp4": (3000, 240, Fraction(24000, 1001)),
    "e.mp4": (4000, 400, Fraction(60)),
}
BARCODES = {
    name: (first, Footage(FrameRate(rate.numerator, rate.denominator), frames))
    for name, (first, frames, rate) in FOOTAGE.items()
}
RATES = [(30, 1), (25, 1), (24, 1), (60, 1), (50, 1), (30000, 1001), (24000, 1001)]
SPEEDS = "2 0.5 1.5 0.75 1.33 3.3 0.1 7 -1 -2 -0.5 -1.5 -0.25 -3.7 0.9 1.1 4.000000 -0.8".split()


def write_footage(folder: Path, names: tuple[str, ...] = tuple(FOOTAGE)) -> None:
    for name in names:
        first, frames, rate = FOOTAGE[name]
        barcodes.write(folder / name, frames, first, rate)


def properties(**values: object) -> str:
    named = ((key.replace("__", ":").replace("_DOT_", "."), value) for key, value in values.items())
    return "".join(f'<property name="{key}">{value}</property>' for key, value in named)


def clock(frame: int, rate: Fraction) -> str:
    """A frame as MLT writes it: whole hours and minutes are cut to frames one after the other."""
    hours = int(frame / rate / 3600)
    frame -= int(hours * 3600 * rate)
    minutes = int(frame / rate / 60)
    frame -= int(minutes * 60 * rate)
    return f"{hours:02}:{minutes:02}:{float(frame / rate):06.3f}"


@dataclass
class Writer:
    """A document as it grows: producers, playlists, and what was written last."""

    rng: random.Random
    rate: Fraction
    clock: bool  # times as a clock, as Kdenlive saves them
    names: tuple[str, ...]
    holds: bool = True
    producers: str = ""
    count: int = 0

    def time(self, frame: int) -> str:
        if not self.clock:
            return str(frame)
        return clock(frame, self.rate)

    def new(self, kind: str = "producer") -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def producer(self) -> tuple[str, int]:
        """Write a producer; its id and how many frames may be cut from it."""
        name = self.rng.choice(self.names)
        _, frames, rate = FOOTAGE[name]
        whole = int(frames * self.rate / rate)
        kind = self.rng.choices(["plain", "warp", "hold"], [6, 5, int(self.holds)])[0]
        made = self.new()
        if kind == "plain":
            # who is not validated is not asked for its length either: the document must say it
            known = self.rng.random() < 0.5
            said = properties(length=whole) if known else ""
            service = "avformat-novalidate" if known else "avformat"
            said += properties(resource=name, mlt_service=service)
            span = f' in="0" out="{whole - 1}"' if known else ""
            self.producers += f'<producer id="{made}"{span}>{said}</producer>\n'
            return made, whole
        if kind == "hold":
            frame = self.rng.randrange(whole)
            said = properties(resource=name, mlt_service="hold", frame=frame)
            self.producers += f'<producer id="{made}">{said}</producer>\n'
            return made, 200
        speed = self.rng.choice(SPEEDS)
        length = int(whole / abs(float(speed)))
        said = ""
        if self.rng.random() < 0.5:
            said = properties(length=length)
        said += properties(
            resource=f"{speed}:{name}", mlt_service="timewarp", warp_speed=speed, warp_resource=name
        )
        self.producers += f'<producer id="{made}">{said}</producer>\n'
        return made, length

    def entry(
        self, longest: int = 40, inside: str = "", frames: int | None = None
    ) -> tuple[str, int]:
        """An entry of a new producer; its text and its number of frames."""
        holds, self.holds = self.holds, self.holds and inside != "fades"
        made, length = self.producer()
        while length <= 1 or (frames is not None and length <= frames):
            made, length = self.producer()
        self.holds = holds
        frames = frames or self.rng.randint(1, min(longest, length - 1))
        start = self.rng.randint(0, length - frames - 1 if length - frames > 1 else 0)
        cut = f'in="{self.time(start)}" out="{self.time(start + frames - 1)}"'
        if inside == "fades":
            inside = self.fades(start, frames)
        elif inside == "alpha":
            length = self.rng.randint(3, frames - 12)
            said = properties(mlt_service="brightness", level=1, alpha=f"0=0;{length - 1}=1")
            span = f'in="{self.time(start)}" out="{self.time(start + length - 1)}"'
            inside = f"<filter {span}>{said}</filter>"
        elif inside == "freeze":
            inside = self.freeze(frames)
        return f'<entry producer="{made}" {cut}>{inside}</entry>\n', frames

    def fades(self, start: int, frames: int) -> str:
        made = ""
        for side in ("in", "out"):
            length = self.rng.randint(2, max(frames, 2))
            first = start if side == "in" else start + frames - length
            if first < 0 or frames < 4 or self.rng.random() < 0.4:
                continue
            low, high = ("0", "1") if side == "in" else ("1", "0")
            kind = self.rng.choice(["=", "=", "=", "|="])
            keys = f"{self.time(0)}{kind}{low};{self.time(length - 1)}={high}"
            if self.rng.random() < 0.3:
                middle = self.rng.randint(1, max(length - 2, 1))
                keys = f"0={low};{middle}=0.4;-1={high}" if middle < length - 1 else keys
            level = properties(level=keys)
            if self.rng.random() < 0.2:
                level = properties(start=low, end=high)
            made += (
                f'<filter in="{self.time(first)}" out="{self.time(first + length - 1)}">'
                f"{properties(mlt_service='brightness')}{level}</filter>"
            )
        return made

    def freeze(self, frames: int) -> str:
        side = self.rng.choice(["freeze_after", "freeze_before", ""])
        said = properties(mlt_service="freeze", frame=self.rng.randrange(frames))
        return f"<filter>{said}{properties(**{side: 1}) if side else ''}</filter>"

    def document(self, body: str, main: str) -> str:
        profile = (
            f'<profile description="p" width="{barcodes.WIDTH}" height="{barcodes.HEIGHT}" '
            'progressive="1" sample_aspect_num="1" sample_aspect_den="1" '
            f'display_aspect_num="{barcodes.WIDTH}" display_aspect_den="{barcodes.HEIGHT}" '
            f'frame_rate_num="{self.rate.numerator}" frame_rate_den="{self.rate.denominator}" '
            'colorspace="709"/>'
        )
        return (
            f'<?xml version="1.0" encoding="utf-8"?>\n<mlt LC_NUMERIC="C" producer="{main}">\n'
            f"{profile}\n{self.producers}{body}</mlt>\n"
        )


def playlist(writer: Writer, name: str, pieces: list[tuple[str, int] | int]) -> str:
    """Entries, and the lengths of blanks between them."""
    made = f'<playlist id="{name}">\n'
    for piece in pieces:
        if isinstance(piece, int):
            made += f'<blank length="{writer.time(piece)}"/>\n' if piece else ""
        else:
            made += piece[0]
    return made + "</playlist>\n"


def cuts(writer: Writer, inside: str = "") -> str:
    pieces: list[tuple[str, int] | int] = []
    for _ in range(writer.rng.randint(6, 14)):
        if writer.rng.random() < 0.2:
            pieces.append(writer.rng.randint(1, 12))
        pieces.append(writer.entry(inside=inside))
    pieces.append(writer.entry())
    body = playlist(writer, "main", pieces)
    return writer.document(body, "main")


def luma(writer: Writer, first: int, last: int, tracks: tuple[int, int], *, reverse: bool) -> str:
    said = properties(
        a_track=tracks[0],
        b_track=tracks[1],
        mlt_service="luma",
        reverse=int(reverse),
        resource="",
        alpha_over=1,
    )
    return f'<transition in="{writer.time(first)}" out="{writer.time(last)}">{said}</transition>\n'


def mixes(writer: Writer) -> str:
    """Two playlists that take turns, as Kdenlive writes the mixes of one track."""
    rng = writer.rng
    rows: list[list[tuple[str, int] | int]] = [[], []]
    ends = [0, 0]
    transitions, at, before = "", 0, 0
    for turn in range(rng.randint(4, 10)):
        row = turn % 2
        overlap = rng.randint(1, 12) if turn and before > 14 else 0
        if turn and not overlap:
            at += rng.choice([0, 0, 5])
        start = at - overlap
        if start < ends[row]:
            start = at = max(at, ends[row])
            overlap = 0
        entry = writer.entry(inside="", frames=rng.randint(26, 40))
        rows[row] += [start - ends[row], entry]
        if overlap:
            last = at - (0 if rng.random() < 0.6 else 1)
            transitions += luma(writer, start, max(last, start), (0, 1), reverse=row == 0)
        ends[row] = at = start + entry[1]
        before = entry[1]
    body = playlist(writer, "p0", rows[0]) + playlist(writer, "p1", rows[1])
    body += '<tractor id="main"><track producer="p0"/><track producer="p1"/>\n'
    return writer.document(body + transitions + "</tractor>\n", "main")


def tracks(writer: Writer) -> str:
    """Several playlists over one another, dissolves between them, one perhaps switched off."""
    rng = writer.rng
    count = rng.randint(2, 4)
    body, length = "", 0
    for row in range(count):
        pieces: list[tuple[str, int] | int] = []
        frames = 0
        for _ in range(rng.randint(2, 5)):
            blank = rng.randint(0, 20)
            entry = writer.entry()
            pieces += [blank, entry]
            frames += blank + entry[1]
        length = max(length, frames)
        body += playlist(writer, f"p{row}", pieces)
    body += '<tractor id="main">\n'
    for row in range(count):
        hide = f' hide="{rng.choice(["video", "both", "audio"])}"' if rng.random() < 0.2 else ""
        body += f'<track producer="p{row}"{hide}/>\n'
    at = 0
    for _ in range(rng.randint(0, 4)):
        first = at + rng.randint(0, 20)
        last = first + rng.randint(0, 15)
        above = rng.randint(1, count - 1)
        below = rng.randint(0, above - 1)
        body += luma(writer, first, last, (below, above), reverse=rng.random() < 0.2)
        at = last + 1
    return writer.document(body + "</tractor>\n", "main")


def remaps(writer: Writer) -> str:
    """Chains with a timeremap link."""
    rng = writer.rng
    pieces: list[tuple[str, int] | int] = []
    for _ in range(rng.randint(3, 6)):
        name = rng.choice(writer.names)
        _, frames, rate = FOOTAGE[name]
        whole = int(frames / rate * 1000) / 1000
        length = rng.randint(20, 90)
        keys, at = [], 0
        while at < length:
            kind = rng.choice(["=", "=", "=", "|="])
            keys.append(f"{writer.time(at)}{kind}{rng.randint(0, int(whole * 900)) / 1000:g}")
            at += rng.randint(3, 40)
        made = writer.new("chain")
        said = properties(resource=name, mlt_service="avformat")
        link = properties(mlt_service="timeremap", map=";".join(keys), image_mode="nearest")
        writer.producers += (
            f'<chain id="{made}" out="{length - 1}">{said}<link>{link}</link></chain>\n'
        )
        start = rng.randint(0, length // 3)
        last = rng.randint(start, length - 1)
        span = f'in="{writer.time(start)}" out="{writer.time(last)}"'
        pieces.append((f'<entry producer="{made}" {span}/>\n', last - start + 1))
    return writer.document(playlist(writer, "main", pieces), "main")


def over(track: int, *, rect: str = "", span: str = "", below: int = 0) -> str:
    """A qtblend, the transition that Kdenlive joins tracks with."""
    said = properties(a_track=below, b_track=track, compositing=0, distort=0, mlt_service="qtblend")
    if span:
        return f"<transition {span}>{said}{properties(rect=rect)}</transition>\n"
    return f"<transition>{said}{properties(always_active=1, internal_added=237)}</transition>\n"


def video_track(writer: Writer, name: str) -> tuple[str, int]:
    """A track of Kdenlive: a tractor of two playlists that take turns; its text and its length."""
    rng = writer.rng
    rows: list[list[tuple[str, int] | int]] = [[], []]
    ends, transitions, at, row, before = [0, 0], "", 0, 0, 0
    for _ in range(rng.randint(2, 6)):
        overlap = rng.randint(2, 10) if before > 24 and rng.random() < 0.5 else 0
        if not overlap:
            at += rng.choice([0, 0, 7])
        start = at - overlap
        if overlap:
            row = 1 - row
        if start < ends[row]:
            start, overlap = at, 0
        # where two clips take turns Kdenlive has no fade
        inside = "alpha" if not overlap and rng.random() < 0.4 else ""
        entry = writer.entry(inside=inside, frames=rng.randint(26, 40))
        rows[row] += [start - ends[row], entry]
        if overlap:
            transitions += luma(writer, start, at, (0, 1), reverse=row == 0)
        ends[row] = at = start + entry[1]
        before = entry[1]
    body = playlist(writer, f"{name}a", rows[0]) + playlist(writer, f"{name}b", rows[1])
    hide = "both" if rng.random() < 0.15 else "audio"
    body += f'<tractor id="{name}">{properties(kdenlive__track_name=name.upper())}'
    for part in "ab":
        body += f'<track hide="{hide}" producer="{name}{part}"/>'
    return body + transitions + "</tractor>\n", at


def project(writer: Writer) -> str:
    """A project as Kdenlive saves it, with two or three tracks and perhaps a composition."""
    rng = writer.rng
    writer.holds = False  # its first picture is lost on the way to Qt
    count = rng.randint(1, 3)
    made = [video_track(writer, f"v{row}") for row in range(count)]
    body = "".join(text for text, _ in made)
    longest = max(frames for _, frames in made)
    black = properties(length=2147483647, eof="continue", resource="black", mlt_service="color")
    bin_ = properties(kdenlive__docproperties_DOT_version="1.04", xml_retain=1)
    head = f'<playlist id="main_bin">{bin_}</playlist>\n'
    head += f'<producer id="black_track" in="0" out="{longest + 30000}">{black}</producer>\n'
    body += f'<tractor id="root" in="0" out="{longest + 30000}"><track producer="black_track"/>'
    body += "".join(f'<track producer="v{row}"/>' for row in range(count)) + "\n"
    if count > 1 and rng.random() < 0.7:
        first, last = 5, rng.randint(20, 60)
        span = f'in="{writer.time(first)}" out="{writer.time(last)}"'
        if rng.random() < 0.5:
            whole = f"0 0 {barcodes.WIDTH} {barcodes.HEIGHT}"
            rect = f"0={whole} 0.2;{last - first}={whole} 0.9"
            body += over(count, rect=rect, span=span, below=count - 1)
        else:
            body += luma(writer, first, last, (count - 1, count), reverse=rng.random() < 0.3)
    body += "".join(over(row) for row in range(1, count + 1))
    return writer.document(head + body + "</tractor>\n", "main_bin")


KINDS = {
    "cuts": cuts,
    "fades": lambda writer: cuts(writer, "fades"),
    "freezes": lambda writer: cuts(writer, "freeze"),
    "mixes": mixes,
    "tracks": tracks,
    "remaps": remaps,
    "projects": project,
}


def edit(kind: str, seed: int, names: tuple[str, ...] = tuple(FOOTAGE)) -> str:
    """The text of a random edit."""
    rng = random.Random(f"{kind} {seed}")
    rate = Fraction(*rng.choice(RATES))
    return KINDS[kind](Writer(rng, rate, rng.random() < 0.5, names))


def melt() -> str | None:
    """Where the real thing is, if it is installed."""
    return shutil.which("melt") or shutil.which("melt-7")


def run(command: list[str], folder: Path, seconds: float, **environment: str) -> int:
    """Run a program of others that may hang: it and all it started end with its time."""
    # a session of its own: what it starts can be ended with it, and nothing else
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, **environment},
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return -1
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def render(path: Path, frames: int, seconds: float = 60) -> list[tuple[dict[int, float], float]]:
    """The first `frames` frames of an edit as `melt` shows them."""
    program = melt()
    assert program is not None
    out = path.with_suffix(".mkv")
    span = ["in=0", f"out={frames - 1}"]
    sink = f"avformat:{out.name} vcodec=ffv1 pix_fmt=yuv420p an=1 real_time=-1".split()
    command = [program, path.name, *span, "-consumer", *sink, "-silent"]
    screen = {"QT_QPA_PLATFORM": "offscreen"}
    if "qtblend" in path.read_text(encoding="utf-8"):  # it paints with Qt, which wants a real one
        command, screen = ["xvfb-run", "-a", *command], {}
    for last in (False, True):  # one in fifty dies on its way out, its file unfinished
        out.unlink(missing_ok=True)
        ended = run(command, path.parent, seconds, **screen)
        if last or (ended == 0 and out.stat().st_size > 10_000):
            assert ended == 0, f"melt ended with {ended}"
            return barcodes.read(out)
    raise AssertionError
