"""``instrument bench-swap``: what models that come, go and are killed cost the show."""

from __future__ import annotations

import os
import signal
import statistics
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from instrument import InstrumentError
from instrument.bench.belongings import Belongings, belongings, children
from instrument.cli.measured import Row, load_now, report_rows, row
from instrument.cli.play import open_decks
from instrument.cli.sources import Programme, assemble, open_take
from instrument.display.offscreen import Offscreen
from instrument.display.presenter import Presenter
from instrument.event import ControlEvent
from instrument.latent.space import F64
from instrument.live.decks import Decks
from instrument.live.loop import Loop, Show
from instrument.live.projection import Screen
from instrument.live.tape import Tape
from instrument.performance.crossfade import Models
from instrument.take.reader import read_take
from instrument.take.replay import verify
from instrument.timebase import Clock, WallClock

_SIZE = (256, 256)
_PAUSE = 1.0  # s between what is done and what is measured
_STEADY = 5.0  # s of playing one model, to know what is normal
_SETTLING = 20.0  # s a process may take to be gone
_OPENING = 120.0  # s a model may take to come


def bench_swap(
    model: Annotated[
        list[str] | None, typer.Option(help="A model to swap; twice. They need one bank.")
    ] = None,
    swaps: Annotated[int, typer.Option(help="How many hot swaps; even.")] = 50,
    fade: Annotated[float, typer.Option(help="Seconds of each crossfade.")] = 0.5,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Also write the JSON here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Swap models while the show plays, kill them in the middle, and see what is left. Linux."""
    if not Path("/proc/self/statm").exists():
        raise InstrumentError("bench-swap reads /proc, which only Linux has")
    if swaps < 2 or swaps % 2 or not 0.0 <= fade <= 30.0:
        raise InstrumentError("swaps: an even number from 2 on; fade: 0 to 30 seconds")
    load = load_now()
    models = model or ["procedural", "default"]
    if len(models) != 2:
        raise InstrumentError("bench-swap needs two models, --model A --model B")
    programme = assemble("default", models, None, None)
    rows = [*_swapping(programme, swaps, fade), *_killing(programme, max(fade, 1.0))]
    report_rows(rows, load, out, as_json)


# --- a show that somebody else drives


@dataclass(slots=True)
class _Playing:
    """A show under way, driven from a thread of its own."""

    show: Show
    loop: Loop
    decks: Decks
    clock: Clock
    notes: dict[str, list[float]] = field(default_factory=dict)
    states: list[Belongings] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # how many holds there were, at some moments

    def say(self, address: str, value: float = 1.0) -> None:
        """Do what a hand does."""
        self.show.inbox.put(ControlEvent(address, value, self.clock.now()))

    def until(self, condition: Callable[[], object], seconds: float, what: str) -> float:
        """Wait for `condition`; the seconds that took. Raises InstrumentError after `seconds`."""
        begun = self.clock.now()
        while not condition():
            if self.clock.now() - begun > seconds:
                raise InstrumentError(f"{what}: not within {seconds:g} s")
            self.rest(0.005)
        return self.clock.now() - begun

    def rest(self, seconds: float) -> None:
        """Let it play."""
        self.clock.wait_until(self.clock.now() + seconds)

    def settle(self) -> None:
        """Wait until one process alone is left, and note what there is."""
        self.until(lambda: len(children()) == 1, _SETTLING, "one decoder left")
        self.rest(0.3)
        self.states.append(belongings())

    def mark(self) -> None:
        """Remember how many pictures were shown by now."""
        self.kept.append(self.loop.meters.holds.count)

    def holds(self, begin: int, end: int) -> F64:
        """For how long each picture stood between two marks, in seconds."""
        return self.loop.meters.holds.numbers[self.kept[begin] : self.kept[end]]

    def swap_to(self, number: int) -> None:
        """Load a model and wait until it plays alone."""
        self.say(f"/model/{number}/load")
        self.until(lambda: number in self.loop.models.wanted, 5.0, "the word")
        opened = self.until(lambda: self.loop.models.incoming == 0, _OPENING, "the model")
        self.notes.setdefault("opened", []).append(opened)
        self.until(lambda: self.loop.models == Models(number), 60.0, "the fade")


def _play(programme: Programme, fade: float, drive: Callable[[_Playing], None]) -> _Playing:
    """Play offscreen and record while `drive` has its way in a thread; then see what is left."""
    clock, failures = WallClock(), list[Exception]()
    at_first = belongings()

    def run() -> None:
        try:
            playing.until(lambda: playing.loop.meters.shown > 0, _OPENING, "a picture")
            drive(playing)
        except InstrumentError as error:
            failures.append(error)
        finally:
            playing.loop.stop()

    with (
        tempfile.TemporaryDirectory() as folder,
        open_decks(programme, clock) as decks,
        Offscreen(_SIZE) as surface,
    ):
        tape = Tape(lambda began: open_take(programme, Path(folder) / "t.take", began,
                                            patient=False))  # fmt: skip
        show = Show(
            programme.performer, programme.rate, clock, tape,
            script=[ControlEvent("/raw/model/fade", fade, 0.0)], record=True,
            screen=Screen(surface, Presenter(surface.ctx), decks),
        )  # fmt: skip
        playing = _Playing(show, Loop(show), decks, clock)
        driver = threading.Thread(target=run, name="driver")
        driver.start()
        playing.loop.run()
        driver.join()
        for failure in failures:
            raise failure
        record = read_take(Path(folder) / "t.take")
        replayed = verify(record, "the take")
        missing = playing.loop.meters.ticks - len(record) + tape.summaries[0].dropped.rows
        playing.notes["record"] = [replayed.largest, replayed.parameters, missing]
    left = sum(a - b for a, b in zip(belongings().counts, at_first.counts, strict=True))
    playing.notes["left"] = [left]
    return playing


# --- what is measured


def _swapping(programme: Programme, swaps: int, fade: float) -> list[Row]:
    def drive(playing: _Playing) -> None:
        for number in (1, 2):  # what is normal with each of them
            playing.rest(_PAUSE)
            playing.mark()
            playing.rest(_STEADY)
            playing.mark()
            playing.settle()
            playing.swap_to(3 - number)
        playing.settle()
        playing.mark()
        late, ticks = playing.loop.meters.late_ticks, playing.loop.meters.ticks
        for swap in range(swaps):
            playing.swap_to(2 - swap % 2)
            playing.rest(0.3)
        playing.settle()
        playing.mark()
        late, ticks = playing.loop.meters.late_ticks - late, playing.loop.meters.ticks - ticks
        playing.notes["late"] = [100.0 * late / ticks]

    return _swap_rows(_play(programme, fade, drive), programme, swaps, fade)


def _swap_rows(playing: _Playing, programme: Programme, swaps: int, fade: float) -> list[Row]:
    steady = [playing.holds(0, 1), playing.holds(2, 3)]
    normal = float(max(statistics.median(holds) for holds in steady))
    held = playing.holds(4, 5)
    before, after = playing.states[-2], playing.states[-1]
    opened, record = playing.notes["opened"], playing.notes["record"]
    more = sum(max(0, a - b) for a, b in zip(after.counts, before.counts, strict=True))
    names = " and ".join(programme.names)
    return [
        row(f"{swaps} swaps: longest hold beyond a normal one", 1e3 * (max(held) - normal), 100.0,
            "ms", models=names, fade_s=fade, normal_ms=round(1e3 * normal, 1),
            longest_when_steady_ms=round(1e3 * float(max(map(max, steady))), 1),
            over_100_ms=int((held - normal > 0.1).sum()), pictures=len(held),
            seconds_to_open=round(statistics.median(opened), 2),
            late_ticks_percent=round(playing.notes["late"][0], 2)),
        row(f"{swaps} swaps: longest tick beside decode and swap",
            1e3 * float(max(playing.loop.meters.overhead.kept())), 100.0, "ms",
            median=round(1e3 * playing.loop.meters.overhead.percentile(50), 3)),
        row(f"{swaps} swaps: memory of the stage, more than before",
            100.0 * (after.stage / before.stage - 1.0), 5.0, "%",
            mib=[round(state.stage / 2**20, 1) for state in playing.states]),
        row(f"{swaps} swaps: memory of the decoders, more than before",
            100.0 * (after.children / before.children - 1.0), 5.0, "%",
            mib=[round(state.children / 2**20, 1) for state in playing.states]),
        row(f"{swaps} swaps: threads, files, processes more than before", more, 0, "",
            before=before.counts, after=after.counts),
        row(f"{swaps} swaps: rows lost, or other than the replay", max(record), 0, ""),
        row(f"{swaps} swaps: left when all is over", playing.notes["left"][0], 0, ""),
    ]  # fmt: skip


def _killing(programme: Programme, fade: float) -> list[Row]:
    """Each of two decoders is killed in the middle of a swap, and in the middle of a mix."""
    rows = []
    for where in ("swap", "mix"):
        for victim in (1, 2):
            rows += _killed(programme, fade, where, victim)
    return rows


def _killed(programme: Programme, fade: float, where: str, victim: int) -> list[Row]:
    killed = list[int]()

    def drive(playing: _Playing) -> None:
        playing.rest(_PAUSE)
        playing.settle()
        playing.say("/model/mix", 0.5)
        playing.say("/model/2/load" if where == "swap" else "/model/2/join")
        playing.until(lambda: playing.loop.models.second == 2, _OPENING, "the model")
        playing.rest(0.5 * fade if where == "swap" else fade + 0.5)
        process = playing.decks.process(victim)
        if process is None or process.pid is None:
            raise InstrumentError("nobody to kill")
        killed.append(process.pid)
        playing.mark()
        os.kill(process.pid, signal.SIGKILL)
        if where == "mix" or victim == 2:
            playing.until(lambda: process.restarts > 0, _OPENING, "a new process")
            back = playing.until(lambda: process.state == "ready", _OPENING, "a new process")
            playing.notes["back"] = [back]
            playing.rest(_PAUSE)
        if where == "mix":
            playing.say("/model/2/load")
        playing.until(lambda: playing.loop.models == Models(2), 60.0, "the fade")
        playing.settle()
        playing.mark()

    playing = _play(programme, fade, drive)
    who = f"{where}: killed the {'first' if victim == 1 else 'second'}"
    gone = sum(str(pid) in children() for pid in killed)
    return [
        row(f"{who}, seconds until it plays", playing.notes.get("back", [0.0])[0], 30.0, "s",
            longest_hold_s=round(float(max(playing.holds(0, 1))), 3)),
        row(f"{who}, rows lost or left behind",
            max(*playing.notes["record"], playing.notes["left"][0], gone), 0, ""),
    ]  # fmt: skip
