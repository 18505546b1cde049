"""``instrument bench-photon``: from a hand to light, without a hand and without a screen.

A test card paints the number it is given, and every event asks for the next number; so one pixel,
read back from what was drawn, says which events are seen. The screen is a framebuffer whose swap
returns at the refreshes of a clock, as a screen's does that is waited for; they come when they come
and not when a tick would like. A window's own way to a lamp or a liquid crystal is not in it.
"""

from __future__ import annotations

import json
import math
import random
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from instrument import InstrumentError
from instrument.cli.measured import Row, load_now, report_rows, row
from instrument.decoder.models import ModelManifest, read_manifest
from instrument.decoder.process import DecoderProcess
from instrument.display.offscreen import Offscreen
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

_WARM = 3.0  # s in which nothing is counted: processes start, ticks fall in step
_GAPS = (0.03, 0.07)  # s between two events, evenly spread: no two in step with a refresh
_UNIT = 1000  # what one event adds to the number that is painted; half of it is there to begin with
_REACH = 5.0  # of a direction
_MOST = 4900  # events: beyond, no number is left


@dataclass(slots=True)
class Sightings:
    """When things happened, in clock seconds; rows and numbers of events as they are met."""

    said: dict[int, float] = field(default_factory=dict)  # event → its own time
    asked: dict[int, tuple[float, int]] = field(default_factory=dict)  # row → when, newest event
    came: dict[int, float] = field(default_factory=dict)  # row → its picture was there
    swapped: dict[int, float] = field(default_factory=dict)  # event → a swap that shows it is over
    seen: dict[int, float] = field(default_factory=dict)  # event → a pixel says so
    newest: int = 0

    def look(self, number: int, swapped: float, now: float) -> None:
        """A pixel that was read at `now` shows event `number` and those before it."""
        while self.newest < number:
            self.newest += 1
            self.swapped[self.newest], self.seen[self.newest] = swapped, now


class _Card(DecoderProcess):
    """A decoder process that notes when it was asked and when it had answered."""

    def __init__(self, manifest: ModelManifest, clock: Clock, sightings: Sightings) -> None:
        super().__init__(manifest)
        self._now, self._sightings = clock.now, sightings

    def post(self, index: int, z: F32, parameters: Any) -> None:
        """Note what is asked, and ask."""
        self._sightings.asked[index] = self._now(), int(z[0]) // _UNIT
        super().post(index, z, parameters)

    def newest(self, after: int, timeout: float) -> Frame | None:
        """What there is, noted."""
        frame = super().newest(after, timeout)
        if frame is not None:
            self._sightings.came[frame.index] = self._now()
        return frame


class VirtualScreen(Offscreen):
    """A framebuffer with a refresh: a swap returns at the next one, and a pixel is looked at."""

    def __init__(
        self, size: tuple[int, int], refresh: float, clock: Clock, sightings: Sightings
    ) -> None:
        super().__init__(size)
        self._refresh, self._clock, self._sightings = refresh, clock, sightings
        self._first = clock.now()

    @property
    def waits_for_refresh(self) -> bool:
        """As a window's that somebody sees."""
        return True

    def swap(self) -> float:
        """Wait for the drawing, then for the refresh; then look."""
        begun = self._clock.now()
        super().swap()
        gone = (self._clock.now() - self._first) * self._refresh
        self._clock.wait_until(self._first + math.ceil(gone) / self._refresh)
        swapped = self._clock.now()
        middle = (self.framebuffer_size[0] // 2, self.framebuffer_size[1] // 2, 1, 1)
        red, green, blue = self.framebuffer.read(middle, components=3)
        number = (red << 16 | green << 8 | blue) // _UNIT
        self._sightings.look(number, swapped, self._clock.now())
        return swapped - begun


def bench_photon(
    seconds: Annotated[float, typer.Option(help="How long events are counted.")] = 20.0,
    refresh: Annotated[
        str, typer.Option(help="Refreshes of the screen, and rows, a second.")
    ] = "60",
    decode: Annotated[float, typer.Option(help="Milliseconds the card takes to paint.")] = 5.0,
    size: Annotated[int, typer.Option(help="Pixels along each side of picture and screen.")] = 512,
    seed: Annotated[int, typer.Option(help="Of the times of the events.")] = 1,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Also write the JSON here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure from an event's own time to a pixel that shows it, on a screen nobody sees."""
    rate = FrameRate.parse(refresh)
    if not 0.0 < seconds * 2.0 / sum(_GAPS) <= _MOST:
        raise InstrumentError(f"seconds {seconds:g}: above 0, and no more than 240")
    if not 0.0 <= decode <= 1000.0 or not 16 <= size <= 8192:
        raise InstrumentError("decode: 0 to 1000 ms; size: 16 to 8192 pixels")
    load = load_now()
    report_rows(photon_rows(seconds, rate, 1e-3 * decode, size, seed), load, out, as_json)


def photon_rows(seconds: float, rate: FrameRate, decode: float, size: int, seed: int) -> list[Row]:
    """Play with a card that takes `decode` seconds, and say what was seen."""
    clock, sightings = WallClock(), Sightings()
    with tempfile.TemporaryDirectory() as folder:
        manifest = _card(Path(folder), decode, size)
        decks = Decks(("card",), lambda _: _Card(manifest, clock, sightings), clock)
        with decks, VirtualScreen((size, size), float(rate.num / rate.den), clock,
                                  sightings) as surface:  # fmt: skip
            while decks.news(1) is None:
                clock.wait_until(clock.now() + 0.05)
            screen = Screen(surface, Presenter(surface.ctx), decks)
            show = Show(_performer(manifest), rate, clock, Tape(_no_take), screen=screen)
            loop = Loop(show)
            hand = threading.Thread(
                target=_play,
                args=(loop, show, sightings, seconds, random.Random(seed)),  # noqa: S311
            )
            hand.start()
            loop.run()
            hand.join()
    return _rows(sightings, loop, rate.period, decode, size)


def _card(folder: Path, delay: float, size: int) -> ModelManifest:
    fields = {
        "format": "model/1", "name": "card", "architecture": "testcard", "size": [size, size],
        "latent": {"shape": [4], "space": "w", "radius": None}, "licence": "MIT", "delay": delay,
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


def _play(
    loop: Loop, show: Show, sightings: Sightings, seconds: float, chance: random.Random
) -> None:
    """Be a hand: at moments nobody can foresee, the next number."""
    clock, number = show.clock, 0
    clock.wait_until(clock.now() + _WARM)
    over = clock.now() + seconds
    while clock.now() < over:
        clock.wait_until(clock.now() + chance.uniform(*_GAPS))
        number += 1
        amount = number * _REACH / _MOST
        sightings.said[number] = now = clock.now()
        show.inbox.put(ControlEvent("/raw/direction/1", amount, now))
    clock.wait_until(clock.now() + 0.3)
    loop.stop()


def _rows(sightings: Sightings, loop: Loop, period: float, decode: float, size: int) -> list[Row]:
    events = [number for number in sightings.said if number in sightings.seen]
    if not events:
        raise InstrumentError("not one event was seen")
    first = dict[int, int]()  # event → the first row that was asked for with it
    for index, (_, newest) in sightings.asked.items():
        first.setdefault(newest, index)
    asked = _ms(sightings.asked[first[n]][0] - sightings.said[n] for n in events if n in first)
    came = _ms(
        sightings.came[first[n]] - sightings.asked[first[n]][0]
        for n in events if n in first and first[n] in sightings.came
    )  # fmt: skip
    total = _ms(sightings.seen[n] - sightings.said[n] for n in events)
    light = _ms(sightings.seen[n] - sightings.asked[first[n]][0] for n in events if n in first)
    read = _ms(sightings.seen[n] - sightings.swapped[n] for n in events)
    lost = len(sightings.said) - len(events)
    goal, mean = 1e3 * (decode + period) + 2.0, 0.5e3 * period
    jitter = float(np.percentile(light, 99) - np.percentile(light, 50))
    overhead = loop.meters.overhead
    return [
        row("event to pixel, p99", np.percentile(total, 99), goal, "ms", **_spread(total),
            events=len(events), unseen=lost, on_time=round(loop.meters.on_time, 4)),
        row("event to pixel, p50", np.percentile(total, 50), goal - mean, "ms"),
        row("  event to z asked for, p99 (a period and less)", np.percentile(asked, 99),
            1e3 * period + 1.0, "ms", **_spread(asked)),
        row("  asked to picture there, p50 (decode and its way)", np.percentile(came, 50),
            1e3 * decode + 1.0, "ms", **_spread(came)),
        row("  z asked for to pixel, p99", np.percentile(light, 99), 1e3 * decode + 2.0, "ms",
            **_spread(light)),
        row("  the same, jitter (p99 - p50)", jitter, 3.0, "ms"),
        row("  swap to pixel read, p50", np.percentile(read, 50), 1.0, "ms"),
        row(f"tick without decode and swap, {size} px", 1e3 * overhead.percentile(50),
            2.0 if size <= 512 else 4.0, "ms", p99=round(1e3 * overhead.percentile(99), 3)),
    ]  # fmt: skip


def _ms(seconds: Any) -> F64:
    return 1e3 * np.array(list(seconds), np.float64)


def _spread(times: F64) -> dict[str, float]:
    shares = (50, 95, 99)
    return {f"p{share}": round(float(np.percentile(times, share)), 2) for share in shares}
