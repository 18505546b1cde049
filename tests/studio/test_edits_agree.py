"""One edit, written down in every interchange format: all readers see the same pictures.

The edit is a list of clips and gaps on one track, some of them dissolved into one another around
their cut. What every frame must show is counted here, by hand.
"""

from fractions import Fraction
from pathlib import Path

import edit_oracle as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentimelineio import opentime, schema

from instrument.studio import edl, fcp7, fcpx, otio
from instrument.studio.edl_lines import timecode_of
from instrument.timebase import FrameRate

RATES = [FrameRate(30), FrameRate(30000, 1001), FrameRate(25), FrameRate(24000, 1001)]
BASES = {"proxyA": 0, "proxyB": 5000}


@st.composite
def edits(draw):
    """(name or None, first frame, frames, speed, half of the dissolve before it)."""
    parts = []
    for _ in range(draw(st.integers(1, 6))):
        name = draw(st.sampled_from(["proxyA", "proxyB", "proxyA", None]))
        half = draw(st.sampled_from([0, 0, 1, 3, 5]))
        if not parts or name is None or parts[-1][0] is None:
            half = 0
        speed = draw(st.sampled_from([1, 1, 1, 2, Fraction(1, 2)])) if name else 1
        first = draw(st.integers(12, 60)) if name else 0
        parts.append((name, first, draw(st.integers(12, 30)), Fraction(speed), half))
    if all(name is None for name, *_ in parts) or parts[-1][0] is None:
        parts.append(("proxyB", 20, 12, Fraction(1), 0))
    return parts


def counted(parts):
    """What every frame shows, as `edit_oracle.painted` says it."""
    starts, at = [], 0
    for _, _, length, _, _ in parts:
        starts.append(at)
        at += length
    shown = []
    for frame in range(at):
        here = max(n for n, start in enumerate(starts) if start <= frame)
        picture = {}
        mix = None  # the part that comes in over this frame, and its weight
        for n, (_, _, _, _, half) in enumerate(parts):
            if half and starts[n] - half <= frame < starts[n] + half:
                mix = (n, (frame - starts[n] + half) / (2 * half))
        layers = [(here, 1.0)] if mix is None else [(mix[0] - 1, 1 - mix[1]), mix]
        for n, weight in layers:
            name, first, _, speed, _ = parts[n]
            if name and weight:
                source = int((first + (frame - starts[n]) * speed + Fraction(1, 2)) // 1)
                key = BASES[name] + min(max(source, 0), 299)
                picture[key] = picture.get(key, 0.0) + weight
        shown.append(picture)
    return shown


def as_otio(parts, rate, path):
    real = rate.num / rate.den

    def span(start, length):
        return opentime.TimeRange(*(opentime.RationalTime(v, real) for v in (start, length)))

    track = schema.Track("V1", kind="Video")
    for name, first, length, speed, half in parts:
        if half:
            edge = opentime.RationalTime(half, real)
            track.append(schema.Transition("", "SMPTE_Dissolve", edge, edge))
        if name is None:
            track.append(schema.Gap(source_range=span(0, length)))
            continue
        clip = schema.Clip(name, schema.ExternalReference(f"{name}.mp4"), span(first, length))
        if speed != 1:
            clip.effects.append(schema.LinearTimeWarp(time_scalar=float(speed)))
        track.append(clip)
    timeline = schema.Timeline("t")
    timeline.tracks.append(track)
    path.write_text(timeline.to_json_string())
    return otio.read(path)


def as_fcp7(parts, rate, path):
    base = -(-rate.num // rate.den)
    ntsc = "TRUE" if rate.den > 1 else "FALSE"
    told = f"<rate><timebase>{base}</timebase><ntsc>{ntsc}</ntsc></rate>"
    items, at = [], 0
    for name, first, length, speed, half in parts:
        if half:
            items.append(
                f"<transitionitem><start>{at - half}</start><end>{at + half}</end></transitionitem>"
            )
        if name:
            # In and out in the footage would be as long as the clip where the speed is 1.
            last = first + int(length * speed)
            remap = (
                "<filter><effect><effectid>timeremap</effectid><parameter><parameterid>speed"
                f"</parameterid><value>{float(speed * 100)}</value></parameter></effect></filter>"
            )
            items.append(
                f"<clipitem><name>{name}</name>{told}<start>{at}</start><end>{at + length}</end>"
                f"<in>{first}</in><out>{last}</out><file id='{name}'><name>{name}.mp4</name></file>"
                f"{remap if speed != 1 else ''}</clipitem>"
            )
        at += length
    path.write_text(
        f"<xmeml><sequence><name>s</name>{told}<media><video><track>{''.join(items)}"
        "</track></video></media></sequence></xmeml>"
    )
    return fcp7.read(path)


def as_fcpx(parts, rate, path):
    def time(frames):
        exact = Fraction(frames) * rate.den / rate.num
        return f"{exact.numerator}/{exact.denominator}s"

    items, at = [], 0
    for name, first, length, speed, half in parts:
        if half:
            items.append(f'<transition offset="{time(at - half)}" duration="{time(2 * half)}"/>')
        if name is None:
            items.append(f'<gap offset="{time(at)}" duration="{time(length)}"/>')
        else:
            # The map's time axis is the clip's; it begins as far along it as the footage has run.
            start = Fraction(first) / speed
            points = ((0, 0), (1000, 1000 * speed))
            rows = "".join(f'<timept time="{time(t)}" value="{time(v)}"/>' for t, v in points)
            remap = f'<timeMap frameSampling="nearest-neighbor">{rows}</timeMap>'
            items.append(
                f'<asset-clip ref="{name}" offset="{time(at)}" start="{time(start)}" '
                f'duration="{time(length)}">{remap if speed != 1 else ""}</asset-clip>'
            )
        at += length
    assets = "".join(f'<asset id="{n}" src="{n}.mp4" format="f"/>' for n in BASES)
    path.write_text(
        f'<fcpxml version="1.10"><resources><format id="f" frameDuration="{time(1)}"/>{assets}'
        f'</resources><project name="p"><sequence format="f"><spine>{"".join(items)}</spine>'
        "</sequence></project></fcpxml>"
    )
    return fcpx.read(path)


def as_edl(parts, rate, path):
    """A dissolve of an EDL begins where its event does: half before the cut."""
    lines, at = ["TITLE: t"], 0
    for n, (name, first, length, speed, half) in enumerate(parts):
        after = parts[n + 1][4] if n + 1 < len(parts) else 0
        if name:
            begin, end = at - half, at + length - after
            source = first - int(half * speed)
            codes = (source, source + int((end - begin) * speed), begin + 90000, end + 90000)
            kind = f"D    {2 * half:03d}" if half else "C       "
            spelt = " ".join(timecode_of(code, rate) for code in codes)
            lines.append(f"{n + 1:03d}  {name}  V  {kind} {spelt}")
            if speed != 1:
                lines.append(f"M2   {name}  {float(speed * -(-rate.num // rate.den)):05.1f}")
            lines.append(f"* FROM CLIP NAME: {name}")
            lines.append(f"* TO CLIP NAME: {name}")
        at += length
    path.write_text("\n".join(lines))
    return edl.read(path, rate=rate)


def _same(seen, wanted):
    assert len(seen) == len(wanted)
    for frame, (a, b) in enumerate(zip(seen, wanted, strict=True)):
        assert a == pytest.approx(b), f"frame {frame}"


@pytest.mark.parametrize("write", [as_otio, as_fcp7, as_fcpx], ids=lambda f: f.__name__)
@settings(max_examples=60, deadline=None)
@given(parts=edits(), rate=st.sampled_from(RATES))
def test_every_reader_sees_what_was_written(tmp_path_factory, monkeypatch_rate, write, parts, rate):
    path = Path(tmp_path_factory.mktemp("agree")) / "e"
    with monkeypatch_rate(rate):
        made = write(parts, rate, path)
        assert made.rate == rate
        _same(oracle.painted(made), counted(parts))
        assert [r.verdict for r in made.remarks] == []


@settings(max_examples=60, deadline=None)
@given(parts=edits(), rate=st.sampled_from(RATES))
def test_and_so_does_the_one_of_edls(tmp_path_factory, monkeypatch_rate, parts, rate):
    # Half a frame of source cannot be written in timecode: no dissolve into what is slowed.
    parts = [(n, f, k, s, h if s.denominator == 1 else 0) for n, f, k, s, h in parts]
    # Its time counts from the first event, so a gap before all is not there.
    while parts[0][0] is None:
        parts = [(*parts[1][:4], 0), *parts[2:]]
    path = Path(tmp_path_factory.mktemp("agree")) / "e.edl"
    with monkeypatch_rate(rate):
        made = as_edl(parts, rate, path)
        _same(oracle.painted(made), counted(parts))


@pytest.fixture(scope="module")
def monkeypatch_rate():
    """The proxies at the rate of the edit, for as long as it is painted."""
    from contextlib import contextmanager

    from instrument.studio.retiming import Footage

    @contextmanager
    def at(rate):
        kept = dict(oracle.FOOTAGE)
        oracle.FOOTAGE |= {name: (base, Footage(rate, 300)) for name, base in BASES.items()}
        try:
            yield
        finally:
            oracle.FOOTAGE |= kept

    return at
