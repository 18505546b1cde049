"""``instrument bench``: what the instrument itself costs, measured here and now."""

from __future__ import annotations

import os
import signal
import statistics
import sys
import tempfile
import threading
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import typer

from instrument.cli.measured import load_now, report_rows, row
from instrument.cli.play import open_decks
from instrument.cli.sources import assemble, bundled_script, open_take
from instrument.display.offscreen import Offscreen
from instrument.display.presenter import Presenter
from instrument.event import ControlEvent, read_events
from instrument.live.loop import Loop, Show
from instrument.live.meters import Meters
from instrument.live.projection import Screen
from instrument.live.tape import Tape
from instrument.performance.mapping import Binding
from instrument.performance.modulation import Modulation, Routing
from instrument.performance.modulators import Lfo, Shape
from instrument.performance.performer import Performer
from instrument.timebase import StepClock, WallClock

_ROUNDS = 2000
_BINDINGS = 50
_TARGETS = (
    "/noise/strength", "/noise/rate", "/master/gain", "/model/mix", "/model/truncation",
    "/flick/strength", "/tempo/bpm", "/display/blackout", "/glide/beats", "/spring/damping_ratio",
)  # fmt: skip


def bench(
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Also write the JSON here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure the performer, the tick and a minute of performance without pictures."""
    load = load_now()
    rows = [
        _performer_advance(),
        _performer_advance(_eight_lfos()),
        *_tick_overhead(),
        *_killed_decoder(),
        _minute_in_steps(),
    ]
    report_rows(rows, load, out, as_json)


def _eight_lfos() -> Modulation:
    """Eight oscillators on eight parameters, of which two shape the flight."""
    shapes = get_args(Shape)
    lfos = tuple(Lfo(f"n{n}", shapes[n % len(shapes)], rate=0.1 + 0.3 * n) for n in range(8))
    targets = ("/spring/frequency", "/display/freeze", *_TARGETS[:6])
    return Modulation(
        lfos,
        tuple(
            Routing(lfo.address, target, 0.2, bipolar=True, grace=0.0)
            for lfo, target in zip(lfos, targets, strict=True)
        ),
    )


def _performer_advance(modulation: Modulation | None = None) -> dict[str, Any]:
    """A frame of the performer: drift on, fifty bindings of which five move."""
    programme = assemble("default", None, None, None)
    bindings = tuple(
        Binding(f"/midi/bench/cc/{n}", _TARGETS[n % len(_TARGETS)], smoothing=0.0 if n % 2 else 0.1)
        for n in range(_BINDINGS)
    )
    performer = Performer(
        programme.bank,
        values={"/noise/strength": 8.0},
        bindings=bindings,
        pad=programme.performer.pad,
        modulation=modulation,
    )
    moved = f", {len(modulation.lfos)} LFOs" if modulation else ""
    performance = performer.begin()
    clock, times = WallClock(), []
    for frame in range(1, _ROUNDS + 1):
        now = frame / 60.0
        waypoint = ControlEvent(f"/waypoint/{frame // 120 % 8 + 1}/go", 1.0, now - 0.002)
        events = [waypoint] if frame % 120 == 0 else []
        events += [
            ControlEvent(f"/midi/bench/cc/{(frame * 5 + n) % _BINDINGS}", frame % 100 / 100, now)
            for n in range(5)
        ]
        begun = clock.now()
        performance = performer.advance(performance, now, events)
        performer.z(performance)
        times.append(clock.now() - begun)
    return row(
        f"performer, one frame, {performer.spec.size}-D, {_BINDINGS} bindings, drift{moved}",
        1e6 * statistics.median(times), 150.0, "µs",
        p99=round(1e6 * float(np.percentile(times, 99)), 1), frames=_ROUNDS,
    )  # fmt: skip


def _tick_overhead() -> list[dict[str, Any]]:
    """Everything of a tick but decode and swap, offscreen, while a take is written."""
    meters, _ = _offscreen_show(10.0)
    return [
        row(
            "tick without decode and swap, 256 px, recording",
            1e3 * meters.overhead.percentile(50), 2.0, "ms",
            p99=round(1e3 * meters.overhead.percentile(99), 3), ticks=meters.ticks,
            on_time=round(meters.on_time, 4), pictures=meters.shown,
        ),
    ]  # fmt: skip


def _killed_decoder() -> list[dict[str, Any]]:
    """The decoder is killed while it plays: how the ticks take it, and when pictures return."""
    meters, killed = _offscreen_show(15.0, kill_after=5.0)
    late = 100.0 * (1.0 - meters.on_time)
    return [
        row("decoder killed: ticks not on time", late, 1.0, "%", ticks=meters.ticks),
        row("decoder killed: seconds until pictures return", meters.longest_hold, 5.0, "s",
             killed=killed, pictures=meters.shown),
    ]  # fmt: skip


def _offscreen_show(seconds: float, kill_after: float | None = None) -> tuple[Meters, int]:
    """The bundled script on a framebuffer of 256 px, recorded; how many decoders were killed."""
    programme = assemble("default", None, None, None)
    clock, killed = WallClock(), list[int]()

    def kill() -> None:
        decoder = decks.process(1)
        if decoder is not None and decoder.pid is not None:
            os.kill(decoder.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
            killed.append(decoder.pid)

    with (
        tempfile.TemporaryDirectory() as folder,
        open_decks(programme, clock) as decks,
        Offscreen((256, 256)) as surface,
    ):
        while decks.news(1) is None:  # what is measured is playing, not starting
            clock.wait_until(clock.now() + 0.05)
        take = Path(folder) / "bench.take"
        show = Show(
            programme.performer, programme.rate, clock,
            Tape(lambda began: open_take(programme, take, began, patient=True)),
            script=read_events(bundled_script()), seconds=seconds, record=True,
            screen=Screen(surface, Presenter(surface.ctx), decks),
        )  # fmt: skip
        timer = threading.Timer(kill_after or 0.0, kill)
        if kill_after is not None:
            timer.start()
        loop = Loop(show)
        loop.run()
        timer.cancel()
    return loop.meters, len(killed)


def _minute_in_steps() -> dict[str, Any]:
    """Sixty seconds of performance with nothing decoded, written to a take."""
    programme = assemble("default", None, None, None)
    clock = WallClock()
    with tempfile.TemporaryDirectory() as folder:
        tape = Tape(
            lambda began: open_take(programme, Path(folder) / "bench.take", began, patient=True)
        )
        show = Show(
            programme.performer, programme.rate, StepClock(), tape,
            script=read_events(bundled_script()), seconds=60.0, record=True,
        )  # fmt: skip
        begun = clock.now()
        Loop(show).run()
        spent = clock.now() - begun
    return row("60 s of performance in steps, recorded", spent, 2.0, "s", rows=3600)
