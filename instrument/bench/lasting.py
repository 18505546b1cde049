"""(i) A long show on a clock of its own, as fast as it goes: what grows that should not.

The real loop, performer, recorder, decoder process and drawing; hands that never rest; a take
after the other. After every take memory, threads and files are counted at the same moment of it,
so that what grows within a take and goes with it is no leak.
"""

from __future__ import annotations

import itertools
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from instrument import InstrumentError
from instrument.bench.belongings import Belongings, belongings
from instrument.bench.load import Background
from instrument.bench.rows import Effort, Row, row
from instrument.bench.stage import (
    RATE,
    Size,
    card_of,
    hands,
    performer_of,
    screen_of,
    tape_of,
    workspace,
)
from instrument.bench.statistics import slope
from instrument.control.mirror import Reflection
from instrument.event import ControlEvent
from instrument.live.inbox import Inbox
from instrument.live.loop import Loop, Show
from instrument.live.rig import NoRig
from instrument.performance.state import Performance
from instrument.timebase import FrameRate, StepClock

_PIXELS = 64
_TAKE = 120.0  # s of performance
_WARM = 0.25  # of the show, in which caches fill
_MOST_SLOPE = 1.0  # MB an hour
_MIB = float(1 << 20)
_LEAST = 8  # takes
_ENDING = 60.0  # s a disk may need for a take


@dataclass(slots=True)
class Held:
    """What there was in the middle of every take, and when, in seconds of performance."""

    times: list[float] = field(default_factory=list)
    states: list[Belongings] = field(default_factory=list)
    rows: int = 0

    def mib_an_hour(self, who: str) -> float:
        """How memory of ``stage`` or ``children`` grows once all is warm."""
        first = round(_WARM * len(self.times))
        memory = [getattr(state, who) / _MIB for state in self.states[first:]]
        return 3600.0 * slope(self.times[first:], memory)

    def slopes(self, who: str) -> list[float]:
        """The same for each of up to four stretches of the show."""
        first = round(_WARM * len(self.times))
        memory = [getattr(state, who) / _MIB for state in self.states[first:]]
        times = self.times[first:]
        count = max(1, min(4, len(times) // 4))
        pieces = np.array_split(np.arange(len(times)), count)
        return [
            3600.0 * slope([times[i] for i in piece], [memory[i] for i in piece])
            for piece in pieces
        ]

    def more(self, what: str) -> list[int]:
        """How many threads, descriptors or processes there were beyond the first warm count."""
        first = round(_WARM * len(self.times))
        counts = [getattr(state, what) for state in self.states]
        return [count - counts[first] for count in counts[first:]]


class _Restless(NoRig):
    """Hands, a record button, and the one who counts: called in every tick."""

    def __init__(self, size: Size, inbox: Inbox, folder: Path, rate: FrameRate, take: int) -> None:
        self._size, self._inbox, self._folder, self._rate = size, inbox, folder, rate
        self._take, self._tick = take, 0
        self._names = itertools.count()
        self.held = Held()

    def new_folder(self) -> Path:
        """Where the next take goes; those before the last one are thrown away."""
        number = next(self._names)
        shutil.rmtree(self._folder / f"{number - 2}.take", ignore_errors=True)
        return self._folder / f"{number}.take"

    def follow(self, performance: Performance, reflection: Reflection, now: float) -> None:
        """Act, and count in the middle of a take."""
        self._tick += 1
        self._inbox.put_all(hands(self._size, self._tick, now))
        place = self._tick % self._take
        if place == self._take // 2:
            _let_takes_end()
            self.held.times.append(self._tick * self._rate.period)
            self.held.states.append(belongings())
        elif place in (0, 1):  # end the take, begin the next
            self._inbox.put(ControlEvent("/take/record", float(place), now))


def _let_takes_end() -> None:
    """Wait for the take before, which is brought to its end on a thread that ends with it."""
    for thread in threading.enumerate():
        if thread.name == "take ending":
            thread.join(_ENDING)


def measure(effort: Effort) -> list[Row]:
    """Memory's slope, and threads, files and processes that came. Linux."""
    seconds = 3600.0 * effort.hours
    take = min(_TAKE, seconds / _LEAST)
    with Background() as background:
        held = play(Size(), seconds, take)
    name, cores = f"{effort.hours:g} simulated hours: ", background.cores
    about: dict[str, Any] = {"takes": len(held.times), "rows": held.rows, "take_s": round(take, 1),
             "pixels": _PIXELS, "scale": f"{effort.hours:g} h"}  # fmt: skip
    rows = []
    for who, label in (("stage", "stage"), ("children", "decoder")):
        mib = [getattr(state, who) / _MIB for state in held.states]
        rows.append(
            row(f"{name}memory of the {label}", held.slopes(who), "MB/h",
                value=held.mib_an_hour(who), target=_MOST_SLOPE, background=cores,
                mib=[round(one, 1) for one in mib[:: max(1, len(mib) // 24)]], **about)
        )  # fmt: skip
    rows += [
        row(f"{name}{what} more than at first", held.more(what), "",
            value=max(held.more(what), key=abs), target=0, background=cores, **about)
        for what in ("threads", "descriptors", "processes")
    ]  # fmt: skip
    lost = RATE.frames_in(seconds) - held.rows
    rows.append(row(f"{name}rows that are in no take", [lost], "", target=2 * len(held.times),
                    background=cores, **about))  # fmt: skip
    return rows


def play(size: Size, seconds: float, take: float, pixels: int = _PIXELS) -> Held:
    """Play so many `seconds` of performance in takes of `take` seconds."""
    if not Path("/proc/self/statm").exists():
        raise InstrumentError("reads /proc, which only Linux has")
    clock, performer, inbox = StepClock(), performer_of(size), Inbox()
    with workspace() as folder:
        rig = _Restless(size, inbox, folder, RATE, max(4, RATE.frames_in(take)))
        card = card_of(folder / "card", pixels, 0.0, performer.spec)
        with screen_of(card, (pixels, pixels), clock) as screen:
            tape = tape_of(performer, RATE, rig.new_folder)
            show = Show(
                performer, RATE, clock, tape, inbox, rig=rig, screen=screen, seconds=seconds,
                record=True,
            )  # fmt: skip
            Loop(show).run()
        rig.held.rows = sum(summary.rows for summary in tape.summaries)
    return rig.held
