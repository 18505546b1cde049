"""``instrument play``: perform in a window, or without anybody looking."""

from __future__ import annotations

import datetime
import itertools
import logging
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import numpy as np
import typer

from instrument import InstrumentError
from instrument.cli.console import report, say
from instrument.cli.film_options import FilmWishes
from instrument.cli.on_screen import carriage, virtual_controller
from instrument.cli.ports import Wishes, osc_wish
from instrument.cli.render import render_film
from instrument.cli.rig import StageRig
from instrument.cli.sources import Programme, assemble, bundled_script, open_take, parse_size
from instrument.decoder.child import Prefers
from instrument.decoder.process import DecoderProcess
from instrument.decoder.protocol import Precision
from instrument.display.monitors import display_available
from instrument.display.presenter import Presenter
from instrument.display.window import Window
from instrument.event import ControlEvent, read_events
from instrument.frame import U8
from instrument.live.decks import Decks, Rehearsal
from instrument.live.loop import Loop, Show
from instrument.live.projection import Screen
from instrument.live.tape import Tape
from instrument.performance.state import Performance
from instrument.take.layout import RECORD
from instrument.take.recorder import TakeRecorder
from instrument.timebase import Clock, StepClock, WallClock

_DEMO_SECONDS = 10.0
_TAKES = "takes"
_HINT = (
    "Move the mouse.  Keys 1-9 fly to a waypoint, C shows a controller, R records, B fades out,"
    " Tab hides this."
)


def play(
    preset: Annotated[
        str, typer.Argument(help="A preset's name, or a file NAME.toml.")
    ] = "default",
    model: Annotated[
        list[str] | None,
        typer.Option(help="Another model than the preset's first; again for its second …"),
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="z, w, or layers: w for every layer of a StyleGAN.")
    ] = None,
    take: Annotated[
        Path | None, typer.Option(help="Record from the start into this take, or folder of takes.")
    ] = None,
    size: Annotated[str, typer.Option(help="Window size, WIDTHxHEIGHT.")] = "960x960",
    rate: Annotated[str | None, typer.Option(help="Rows of z a second: 60, 30000/1001 …")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after so many seconds.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="No window, no pictures.")] = False,
    fullscreen: Annotated[
        str | None, typer.Option(help="Fill this monitor: its number or name.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="What the noise grows from.")] = None,
    script: Annotated[Path | None, typer.Option(help="Play the events of this .jsonl.")] = None,
    clock: Annotated[
        str, typer.Option(help="wall, or steps: as fast as possible, nothing decoded.")
    ] = "wall",
    osc_port: Annotated[
        int | None, typer.Option(help="Listen to OSC at this UDP port; 0: not at all.")
    ] = None,
    osc_listen: Annotated[
        str | None, typer.Option(help="Hear other machines too, at this address: 0.0.0.0.")
    ] = None,
    osc_allow: Annotated[
        list[str] | None, typer.Option(help="A network that is heard: 192.168.1.0/24; repeatable.")
    ] = None,
    ear: Annotated[
        str | None, typer.Option(help="Listen to this input, by name, or to a WAV file.")
    ] = None,
    compiling: Annotated[
        bool,
        typer.Option("--compile", help="Have the model compiled while it plays, once for all."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Perform. Without a display: the bundled script for ten seconds, and a film of it."""
    if clock not in ("wall", "steps"):
        raise InstrumentError(f"clock {clock!r}: allowed are wall and steps")
    if seconds is not None and not 0.0 < seconds <= 1e6:
        raise InstrumentError(f"seconds {seconds}: must be above 0")
    window_size = parse_size(size)
    programme = assemble(preset, model, seed, rate, space)
    for number, choice in enumerate(programme.models, start=1):
        if choice.trouble:
            say(f"model {number} cannot be played: {choice.trouble}")
    events = read_events(script) if script else []
    in_steps = clock == "steps"
    demo = not (headless or in_steps or display_available())
    if demo:
        say("No display here: playing the bundled script for 10 s, then rendering it.")
        events = events or read_events(bundled_script())
        seconds, take = seconds or _DEMO_SECONDS, take or Path(_TAKES)
    elif seconds is None and (headless or in_steps):
        seconds = _length_of(events)
    timing: Clock = StepClock() if in_steps else WallClock()
    shelf = _Shelf(take, Path(_TAKES))
    tape = Tape(lambda began: _open_take(programme, shelf, began, patient=in_steps))
    show = Show(
        programme.performer, programme.rate, timing, tape,
        script=events, seconds=seconds, record=take is not None,
        rehearsal=Rehearsal(programme.refuse),
    )  # fmt: skip
    wishes = Wishes(osc_wish(programme.preset, osc_port, osc_listen, osc_allow), ear)
    unseen = headless or demo or in_steps
    with ExitStack() as stack:
        rig = None
        if not (in_steps or demo):
            tell = say if unseen else None
            rig = stack.enter_context(StageRig(programme, show.inbox.put, timing, wishes, tell))
            show.rig = rig
        loop = (
            _play_in_window(
                show, programme, window_size, fullscreen, rig, "compiled" if compiling else "fast"
            )
            if rig is not None and not unseen
            else _play_unseen(show)
        )
    _finish(programme, loop, tape, demo, as_json)


def _play_unseen(show: Show) -> Loop:
    loop = Loop(show)
    with _stops(loop):
        loop.run()
    return loop


def _play_in_window(
    show: Show, programme: Programme, size: tuple[int, int], monitor: str | None, rig: StageRig,
    precision: Precision,
) -> Loop:  # fmt: skip
    fullscreen = int(monitor) if monitor and monitor.isdigit() else monitor
    controller, bringing = virtual_controller(rig, programme.performer), carriage()
    with ExitStack() as stack:
        # The decoder first: it loads while the window opens.
        decks = stack.enter_context(
            open_decks(programme, show.clock, bringing.prefers_card, precision)
        )
        window = stack.enter_context(
            Window(size, f"latent-instrument: {programme.bank.name}", clock=show.clock,
                   fullscreen=fullscreen)
        )  # fmt: skip
        show.screen = Screen(
            window, Presenter(window.ctx, bringing), decks, programme.preset.fit,
            _home_picture(programme), hud=fullscreen is None, hint=_HINT, controller=controller,
            carriage=bringing,
        )  # fmt: skip
        loop = Loop(show)
        with _stops(loop):
            loop.run()
        return loop


def open_decks(
    programme: Programme, clock: Clock, prefers_card: Prefers | None = None,
    precision: Precision = "fast",
) -> Decks:  # fmt: skip
    """The decks for the models of `programme`: one decoder process for each that is wanted."""

    def open_model(number: int) -> DecoderProcess:
        manifest = programme.manifest(number)
        return DecoderProcess(manifest, prefers_card=prefers_card, precision=precision)

    return Decks(programme.names, open_model, clock)


def _home_picture(programme: Programme) -> U8 | None:
    """What the home waypoint looks like, if the bank's pictures are of this very model."""
    pixels = programme.bank.pictures.get(programme.performer.home)
    if pixels is None or programme.bank.model.sha256 != programme.model.sha256:
        return None
    return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])


def _length_of(events: list[ControlEvent]) -> float:
    if not events:
        raise InstrumentError("--headless needs --seconds or a --script: nobody could stop it")
    return events[-1].time + 1.0


@dataclass(slots=True)
class _Shelf:
    """Where one take after the other goes.

    `wanted` is the first take itself where nothing is there yet, or an empty folder; a folder
    that holds other things gets a new take inside. Later takes stand beside the first.
    """

    wanted: Path | None
    folder: Path

    def next_folder(self) -> Path:
        """A folder that holds no take yet. Raises InstrumentError where `wanted` is one."""
        wanted, self.wanted = self.wanted, None
        if wanted is None:
            return self._new_name()
        if (wanted / RECORD).exists():
            raise InstrumentError(f"{wanted}: exists already, no take is written over")
        if wanted.name != _TAKES and (not wanted.is_dir() or not any(wanted.iterdir())):
            self.folder = wanted.parent
            return wanted
        self.folder = wanted
        return self._new_name()

    def _new_name(self) -> Path:
        stem = f"{_now():%Y-%m-%d_%H-%M-%S}"
        names = (f"{stem}{f'_{n}' if n else ''}.take" for n in itertools.count())
        return next(self.folder / name for name in names if not (self.folder / name).exists())


def _open_take(
    programme: Programme, shelf: _Shelf, began: Performance, patient: bool
) -> TakeRecorder:
    started = _now().isoformat(timespec="seconds")
    return open_take(programme, shelf.next_folder(), began, patient=patient, started=started)


def _now() -> datetime.datetime:
    return datetime.datetime.now().astimezone()


@contextmanager
def _stops(loop: Loop) -> Iterator[None]:
    """Ctrl-C, a log-off or a kill end the show as closing the window does: take saved, exit 0."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)

    def stop(number: int, frame: FrameType | None) -> None:
        loop.stop()

    numbers = [signal.SIGINT, signal.SIGTERM]
    numbers += [getattr(signal, name) for name in ("SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _finish(programme: Programme, loop: Loop, tape: Tape, demo: bool, as_json: bool) -> None:
    if tape.refused and not tape.summaries:
        raise InstrumentError(tape.refused)
    fields: dict[str, Any] = {
        "ticks": loop.meters.ticks,
        "on_time": round(loop.meters.on_time, 4),
        "pictures": loop.meters.shown,
        "longest_hold_s": round(loop.meters.longest_hold, 3),
        "hand_to_light_ms": round(1e3 * loop.meters.latency.percentile(50), 2),
        "overhead_ms": round(1e3 * loop.meters.overhead.percentile(50), 3),
        # Of the machine's own clock: a program that started us knows when it did.
        "clock_s": {
            "first_picture": loop.meters.first_picture,
            "first_decoded": loop.meters.first_decoded,
        },
        "takes": [str(summary.folder) for summary in tape.summaries],
        "rows": sum(summary.rows for summary in tape.summaries),
    }
    lines = [
        f"take   {s.folder}  ({s.rows} rows, {programme.rate.time_of(s.rows):.1f} s)"
        for s in tape.summaries
    ]
    errors = [s.error for s in tape.summaries if s.error]
    if demo:
        folder = tape.summaries[0].folder
        film = _beside(folder, "films")
        made = render_film(
            folder, film, wishes=FilmWishes((512, 512)), sheet=film.with_suffix(".png")
        )
        fields["film"], fields["sheet"] = str(made.path), str(film.with_suffix(".png"))
        lines += [f"film   {made.path}  ({made.frames} frames)", f"sheet  {fields['sheet']}"]
    report(fields, as_json, "\n".join(lines) or "played; nothing recorded (R, or --take, records)")
    if errors:
        raise InstrumentError("; ".join(errors))


def _beside(take: Path, folder: str) -> Path:
    stem = re.sub(r"\.take$", "", take.name)
    return take.parent.parent / folder / f"{stem}.mp4"
