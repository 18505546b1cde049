"""From a hand to light, without a hand: what `photon` measures, as plain numbers.

A test card paints the number it is given, and every event asks for the next number; so one pixel
of what is shown says which events are seen. The definition is that of the field: from an event's
own time to the moment at which a pixel that shows it can be read from the screen. Also run by its
path, so that the same measuring can be done with another state of the instrument.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import threading
from bisect import bisect
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from instrument import InstrumentError
from instrument.decoder.models import ModelManifest, read_manifest
from instrument.decoder.process import DecoderProcess
from instrument.display.presenter import Presenter
from instrument.event import ControlEvent
from instrument.frame import Frame
from instrument.latent.directions import Directions
from instrument.latent.space import F32, F64
from instrument.latent.waypoints import Waypoint, WaypointBank
from instrument.live.decks import Decks
from instrument.live.loop import Loop, Show
from instrument.live.projection import Screen
from instrument.live.tape import Tape
from instrument.performance.performer import Performer
from instrument.performance.state import Performance
from instrument.take.recorder import TakeRecorder
from instrument.timebase import Clock, FrameRate, WallClock

Which = Literal["window", "refreshing"]

OWN = 0.002  # s that an event may take beside a decode and a refresh
JITTER = 3.0  # ms from the usual to the late
_WARM = 6.0  # s in which nothing is counted: processes start, ticks fall in step
_GAPS = (0.03, 0.07)  # s between two events, evenly spread: no two in step with a refresh
_UNIT = 1000  # what one event adds to the number that is painted; half of it is there to begin with
_REACH = 5.0  # of a direction
_FEW = 8  # ways that say nothing
_MOST = 4900  # events: beyond, no number is left


@dataclass(frozen=True, slots=True)
class Wish:
    """`seconds` of events; rows, and refreshes of the screen, at `refresh` a second.

    The card takes `decode` seconds for a picture of `size` × `size`, which the screen has too.
    """

    screen: Which = "window"
    seconds: float = 20.0
    refresh: str = "60"
    decode: float = 0.005
    size: int = 256
    seed: int = 1

    def check(self) -> None:
        """Raises InstrumentError where something is out of range."""
        if self.screen not in ("window", "refreshing"):
            raise InstrumentError(f"screen {self.screen!r}: allowed are window and refreshing")
        if not 0.0 < self.seconds * 2.0 / sum(_GAPS) <= _MOST:
            raise InstrumentError(f"seconds {self.seconds:g}: above 0, and no more than 240")
        if not 0.0 <= self.decode <= 1.0 or not 16 <= self.size <= 8192:
            raise InstrumentError("decode: 0 to 1 s; size: 16 to 8192 pixels")


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What became of the events: every part of their way in ms, in the order of the events.

    `calm` has those in which no core stood still, where somebody could watch the cores and enough
    are left; `stalls` is how often one did.
    """

    events: int
    unseen: int
    on_time: float
    parts: dict[str, F64]
    calm: dict[str, F64] | None = None
    stalls: int | None = None

    def goal(self, wish: Wish) -> float:
        """What an event should take at most, ms."""
        period = FrameRate.parse(wish.refresh).period
        return float(np.median(self.parts["decode"])) + 1e3 * (period + OWN)


@dataclass(slots=True)
class _Notes:
    """When things happened, in clock seconds; rows and numbers of events as they are met."""

    said: dict[int, float] = field(default_factory=dict)  # event → its own time
    asked: dict[int, tuple[float, int]] = field(default_factory=dict)  # row → when, newest event
    came: dict[int, float] = field(default_factory=dict)  # row → its picture was there
    decodes: list[float] = field(default_factory=list)


class _Event:
    """When an event was said, its row asked for, its picture there, swapped and seen."""

    def __init__(
        self, number: int, notes: _Notes, row: int, lit: float, swaps: list[float]
    ) -> None:
        self.said, self.lit = notes.said[number], lit
        self.asked, self.came = notes.asked[row][0], notes.came.get(row)
        self.swap = swaps[max(0, bisect(swaps, lit) - 1)]


class _Card(DecoderProcess):
    """A decoder process that notes when it was asked and when it had answered."""

    def __init__(self, manifest: ModelManifest, clock: Clock, notes: _Notes) -> None:
        super().__init__(manifest)
        self._now, self._notes = clock.now, notes

    def post(self, index: int, z: F32, parameters: Any) -> None:
        """Note what is asked, and ask."""
        self._notes.asked[index] = self._now(), int(z[0]) // _UNIT
        super().post(index, z, parameters)

    def newest(self, after: int, timeout: float) -> Frame | None:
        """What there is, noted."""
        frame = super().newest(after, timeout)
        if frame is not None:
            self._notes.came[frame.index] = self._now()
            self._notes.decodes.append(frame.decode_seconds)
        return frame


def photon(wish: Wish) -> dict[str, Any]:
    """What `sight` saw, as percentiles in ms, and what they should be.

    `calm` has the same of what took place while the machine stood still at no time, or is None.
    `goal` is decode, one refresh and 2 ms, for `event_to_pixel` at p99; `jitter`, from z to pixel,
    and `swap_jitter` (p99 - p50) are to be `jitter_goal` at most. Raises what `sight` does.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    seen = sight(wish)
    parts = {name: _spread(times) for name, times in seen.parts.items()}
    calm = {name: _spread(times) for name, times in (seen.calm or {}).items()}
    steady = parts | calm
    jitters = [steady[name]["p99"] - steady[name]["p50"] for name in ("z_to_pixel", "swap_to_swap")]
    return {
        "screen": wish.screen, "load": load, "events": seen.events, "unseen": seen.unseen, **parts,
        "on_time": seen.on_time, "goal": seen.goal(wish), "jitter": jitters[0],
        "swap_jitter": jitters[1], "jitter_goal": JITTER, "calm": calm or None,
        "stalls": seen.stalls,
    }  # fmt: skip


def sight(wish: Wish) -> Sight:
    """Play with a card, and say what was seen when.

    Raises InstrumentError where there is no screen to measure on, or nothing was seen.
    """
    wish.check()
    rate, clock, notes = FrameRate.parse(wish.refresh), WallClock(), _Notes()
    watched, stalls = _beside("watched"), _beside("stalls").Stalls()
    sights = watched.Sights()
    where: AbstractContextManager[Any] = (
        watched.on_xvfb(wish.size, clock, sights) if wish.screen == "window"
        else watched.Refreshing(wish.size, rate.num / rate.den, clock, sights)
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        manifest = _card(Path(folder), wish)
        with Decks(("card",), lambda _: _Card(manifest, clock, notes), clock) as decks:
            while decks.news(1) is None:
                clock.wait_until(clock.now() + 0.05)
            with where as surface:
                screen = Screen(surface, Presenter(surface.ctx), decks)
                show = Show(_performer(manifest), rate, clock, Tape(_no_take), screen=screen)
                loop = Loop(show)
                hand = threading.Thread(target=_play, args=(loop, show, notes, wish))
                with stalls:
                    hand.start()
                    loop.run()
                    hand.join()
    return _seen(notes, sights.seen, sights.swaps, loop, stalls.spans)


def _beside(name: str) -> Any:
    """The module next to this one, whatever instrument is being measured."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _card(folder: Path, wish: Wish) -> ModelManifest:
    fields = {
        "format": "model/1", "name": "card", "architecture": "testcard",
        "size": [wish.size, wish.size], "latent": {"shape": [4], "space": "w", "radius": None},
        "licence": "MIT", "delay": wish.decode,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(fields), encoding="utf-8")
    return read_manifest(folder)


def _performer(manifest: ModelManifest) -> Performer:
    z, row = np.zeros(4, np.float32), np.zeros((1, 4), np.float32)
    z[0], row[0, 0] = 0.5 * _UNIT, _UNIT * _MOST / _REACH
    bank = WaypointBank("card", manifest.latent, (Waypoint("home", z),))
    return Performer(bank, directions=Directions(row))


def _no_take(began: Performance) -> TakeRecorder:
    raise InstrumentError("nothing is recorded here")


def _play(loop: Loop, show: Show, notes: _Notes, wish: Wish) -> None:
    """Be a hand: at moments nobody can foresee, the next number."""
    clock, number, chance = show.clock, 0, random.Random(wish.seed)  # noqa: S311
    clock.wait_until(clock.now() + _WARM)
    over = clock.now() + wish.seconds
    while clock.now() < over:
        clock.wait_until(clock.now() + chance.uniform(*_GAPS))
        number += 1
        amount = number * _REACH / _MOST
        notes.said[number] = now = clock.now()
        show.inbox.put(ControlEvent("/raw/direction/1", amount, now))
    clock.wait_until(clock.now() + 0.3)
    loop.stop()


def _seen(
    notes: _Notes,
    seen: list[tuple[float, int]],
    swaps: list[tuple[float, float]],
    loop: Loop,
    stalls: F64 | None = None,
) -> Sight:
    lit, newest = dict[int, float](), 0  # event → a pixel says so
    for when, colour in seen:
        while newest < min(colour // _UNIT, len(notes.said)):
            newest += 1
            lit[newest] = when
    first, newest = dict[int, int](), 0  # event → the first row that was asked for with it
    for index, (_, event) in notes.asked.items():
        first |= dict.fromkeys(range(newest + 1, event + 1), index)
        newest = max(newest, event)
    events = [number for number in notes.said if number in lit and number in first]
    if not events:
        raise InstrumentError("not one event was seen")
    begun = [begin for begin, _ in swaps]
    ways = _ways([_Event(n, notes, first[n], lit[n], begun) for n in events])
    ways["swap_to_swap"] = list(pairwise(begin for begin in begun if begin > notes.said[1]))
    parts = {name: 1e3 * np.diff(_spans(way), axis=1)[:, 0] for name, way in ways.items()}
    calm: dict[str, F64] | None = None
    if stalls is not None:
        touched = _beside("stalls").touched
        calm = {name: parts[name][~touched(_spans(way), stalls)] for name, way in ways.items()}
        if min(map(len, calm.values())) < _FEW:
            calm = None
    parts["decode"] = 1e3 * np.array(notes.decodes, np.float64)
    parts["overhead"] = 1e3 * np.array(loop.meters.overhead.kept(), np.float64)
    return Sight(
        len(events), len(notes.said) - len(events), loop.meters.on_time, parts, calm,
        None if stalls is None else len(stalls),
    )  # fmt: skip


def _ways(events: list[_Event]) -> dict[str, list[tuple[float, float]]]:
    """From when to when every part of the way of every event took."""
    return {
        "event_to_pixel": [(one.said, one.lit) for one in events],
        "event_to_z": [(one.said, one.asked) for one in events],
        "z_to_picture": [(one.asked, one.came) for one in events if one.came is not None],
        "z_to_pixel": [(one.asked, one.lit) for one in events],
        "swap_to_pixel": [(one.swap, one.lit) for one in events],
    }


def _spans(way: list[tuple[float, float]]) -> F64:
    return np.array(way, np.float64).reshape(-1, 2)


def _spread(times: F64) -> dict[str, float]:
    return {f"p{share}": float(np.percentile(times, share)) for share in (50, 95, 99)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(photon(Wish(**json.loads(sys.argv[1])))))
