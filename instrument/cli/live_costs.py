"""What playing costs beside the model itself, as plain numbers: `decode_share` and `frame_cost`.

Everything that is compared runs in turn on one machine, the other way round in every second round.
The stage is the real one: a decoder process, the loop, a framebuffer nobody sees, and a take.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from instrument import InstrumentError
from instrument.cli.sources import Programme, assemble, bundled_script, open_take
from instrument.control.mirror import Reflection
from instrument.decoder.models import ModelManifest, read_manifest
from instrument.decoder.process import DecoderProcess
from instrument.decoder.protocol import DirectDecoder, PatientDecoder
from instrument.decoder.runtime import open_decoder
from instrument.display.offscreen import Offscreen
from instrument.display.presenter import Presenter
from instrument.event import read_events
from instrument.frame import Frame
from instrument.latent.space import F32
from instrument.live.decks import Decks
from instrument.live.loop import Loop, Show
from instrument.live.meters import Meters
from instrument.live.projection import Screen
from instrument.live.rig import NoRig
from instrument.live.tape import Tape
from instrument.performance.state import Performance
from instrument.timebase import FrameRate, WallClock

_AHEAD = 1.3  # times the decoder's own rate: so that rows never are what it waits for
_SMALL = (64, 64)  # of a framebuffer that is to cost nothing


class _Continued(DecoderProcess):
    """A decoder process that is asked by one loop after another, each of which counts from 0."""

    def __init__(self, manifest: ModelManifest) -> None:
        super().__init__(manifest, "cpu", 1)
        self._base = self._last = 0

    def begin(self) -> None:
        """Another loop asks."""
        self._base = self._last + 1

    def post(self, index: int, z: F32, parameters: Mapping[str, float]) -> None:
        """See `DecoderProcess.post`."""
        self._last = self._base + index
        super().post(self._last, z, parameters)

    def newest(self, after: int, timeout: float) -> Frame | None:
        """See `DecoderProcess.newest`."""
        frame = super().newest(max(self._base - 1, self._base + after), timeout)
        return frame and Frame(frame.index - self._base, frame.pixels, frame.decode_seconds)


class _Stopwatch(NoRig):
    """Sees the processor seconds of every tick: neither the start of a take nor its end."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None
        self.processor = self.stage = 0.0  # of this process: all threads, and the loop's own
        self.ticks = 0

    def follow(self, performance: Performance, reflection: Reflection, now: float) -> None:
        """A tick is on its way."""
        processor, stage = time.process_time(), time.thread_time()
        if self._first is None:
            self._first = processor, stage
            return
        self.processor, self.stage = processor - self._first[0], stage - self._first[1]
        self.ticks += 1


@dataclass(frozen=True, slots=True)
class _Played:
    """What one run of the loop says of itself; processor ms are of one tick."""

    meters: Meters
    processor: float
    stage: float


class _Stage:
    """One decoder and one framebuffer, to play on again and again."""

    def __init__(self, programme: Programme, decks: Decks, surface: Offscreen) -> None:
        self._programme, self._decks, self._surface = programme, decks, surface
        self._presenter = Presenter(surface.ctx)

    def play(self, seconds: float, rate: FrameRate, take: Path | None = None) -> _Played:
        """The bundled script, from its beginning; recorded into `take` if there is one."""
        programme = self._programme
        process = self._decks.process(1)
        assert isinstance(process, _Continued)
        process.begin()
        watch = _Stopwatch()
        show = Show(
            programme.performer, rate, WallClock(),
            Tape(lambda began: open_take(programme, take or Path(), began, patient=True)),
            script=read_events(bundled_script()), seconds=seconds, record=take is not None,
            screen=Screen(self._surface, self._presenter, self._decks), rig=watch,
        )  # fmt: skip
        loop = Loop(show)
        loop.run()
        each = 1e3 / watch.ticks
        return _Played(loop.meters, each * watch.processor, each * watch.stage)


@contextmanager
def _stage(
    programme: Programme, manifest: ModelManifest, size: tuple[int, int]
) -> Iterator[_Stage]:
    clock = WallClock()
    decks = Decks((manifest.name,), lambda _: _Continued(manifest), clock)
    with decks, Offscreen(size) as surface:
        while (news := decks.news(1)) is None:  # what is measured is playing, not starting
            clock.wait_until(clock.now() + 0.05)
        if news.word == "failed":
            raise InstrumentError(news.text)
        yield _Stage(programme, decks, surface)


def decode_share(model: str = "default", seconds: float = 2.0, rounds: int = 5) -> dict[str, Any]:
    """Pictures a second on stage, against those of the same decoder in a bare loop.

    Both on one thread of the processor. Rows come somewhat faster than pictures can, so that the
    decoder is what everything waits for. `share` is the median of the rounds; `goal` is .97.
    """
    programme = assemble(model if model == "default" else "default", [model], None, None)
    manifest = programme.manifest(1)
    paint = _bare(manifest)
    bare, live = list[float](), list[float]()
    usual = _rate(paint, 0.5 * seconds)
    rate = FrameRate(max(10, math.ceil(_AHEAD * usual)))
    with _stage(programme, manifest, _SMALL) as stage:
        stage.play(0.5 * seconds, rate)
        for number in range(rounds):
            works: list[Callable[[], None]] = [
                lambda: bare.append(_rate(paint, seconds)),
                lambda: live.append(_shown_rate(stage.play(seconds, rate).meters)),
            ]
            for work in works[:: 1 if number % 2 else -1]:
                work()
    shares = [one / other for one, other in zip(live, bare, strict=True)]
    return {
        "model": manifest.name, "rows_a_second": rate.num, "n": rounds,
        "bare": _quartiles(bare), "live": _quartiles(live), "share": _quartiles(shares),
        "goal": 0.97,
    }  # fmt: skip


def frame_cost(
    size: int = 512,
    rows: int = 60,
    decode: float = 0.004,
    seconds: float = 3.0,
    rounds: int = 5,
) -> dict[str, Any]:
    """What a frame takes beside decoder, driver and swap, ms; and what recording adds to it.

    A test card is painted at `size` × `size` in `decode` seconds, `rows` times a second, and shown
    at that size with all that is written over it; every tick must find the time for that. `stage`
    is the loop's own thread, waiting left out. `driver` is what the driver draws after all was
    handed over: where there is no graphics card, Mesa does that on the processor. `processor`
    counts every thread, Mesa's too. `recording` is what a take adds, of the processor and of the
    loop's thread, in per cent of a 60th of a second.
    """
    if not 16 <= size <= 8192 or not 0.0 <= decode <= 0.01 or seconds < 0.5 or rounds < 1:
        raise InstrumentError("size: 16 to 8192; decode: 0 to .01 s; seconds: from .5; rounds: 1")
    programme = assemble("default", None, None, None)
    rate = FrameRate(rows)
    played: dict[str, list[_Played]] = {"silent": [], "recorded": []}
    with tempfile.TemporaryDirectory() as folder:
        manifest = _card(Path(folder), programme, size, decode)
        with _stage(programme, manifest, (size, size)) as stage:
            stage.play(1.0, rate)
            for number in range(rounds):
                for name in list(played)[:: 1 if number % 2 else -1]:
                    take = Path(folder) / f"{number}.take" if name == "recorded" else None
                    played[name].append(stage.play(seconds, rate, take))
    silent = played["silent"]
    frame = 1000.0 / 60.0
    return {
        "size": size, "rows_a_second": rows, "n": rounds, "goal": 2.0 if size <= 512 else 4.0,
        "stage": _quartiles(1e3 * one.meters.overhead.percentile(50) for one in silent),
        "stage_p99": _quartiles(1e3 * one.meters.overhead.percentile(99) for one in silent),
        "driver": _quartiles(1e3 * one.meters.driver.percentile(50) for one in silent),
        "processor": _quartiles(one.processor for one in silent),
        "stage_processor": _quartiles(one.stage for one in silent),
        "recording": {
            "processor": 100.0 / frame * _added(played, lambda one: one.processor),
            "stage": 100.0 / frame * _added(played, lambda one: one.stage),
            "goal": 1.0,
        },
    }  # fmt: skip


def _added(played: Mapping[str, list[_Played]], cost: Callable[[_Played], float]) -> float:
    """What a recorded tick costs more than a silent one: the median of the rounds."""
    pairs = zip(played["recorded"], played["silent"], strict=True)
    return statistics.median(cost(one) - cost(other) for one, other in pairs)


def _bare(manifest: ModelManifest) -> Callable[[], None]:
    """Paints one picture after the other, as fast as the decoder can, into the same memory."""
    decoder = open_decoder(manifest, "cpu", 1, "fast")
    while isinstance(decoder, PatientDecoder) and decoder.idle():
        pass  # the stage's decoder recalls what is chosen here
    chance = np.random.Generator(np.random.Philox(0))
    z = chance.standard_normal((1, *manifest.latent.shape)).astype(np.float32)
    pixels = np.empty((*manifest.size, 4), np.uint8)
    if isinstance(decoder, DirectDecoder):
        into = decoder.decode_into
        return lambda: into(pixels, z, {})
    return lambda: pixels.__setitem__(np.s_[..., :3], decoder.decode(z, {})[0])


def _rate(paint: Callable[[], None], seconds: float) -> float:
    """Pictures a second, bare."""
    clock, count = WallClock(), 0
    paint()
    begun = clock.now()
    while (spent := clock.now() - begun) < seconds:
        paint()
        count += 1
    return count / spent


def _shown_rate(meters: Meters) -> float:
    """Pictures a second, on stage: from the first that was shown to the last."""
    holds = meters.holds.kept()
    if not holds.size:
        raise InstrumentError("fewer than two pictures were shown: measure for longer")
    return float(holds.size / holds.sum())


def _card(folder: Path, programme: Programme, size: int, decode: float) -> ModelManifest:
    latent = programme.bank.spec
    fields = {
        "format": "model/1", "name": "card", "architecture": "testcard", "size": [size, size],
        "latent": {"shape": list(latent.shape), "space": latent.space, "radius": latent.radius},
        "licence": "MIT", "delay": decode,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(fields), encoding="utf-8")
    return read_manifest(folder)


def _quartiles(values: Iterable[float]) -> dict[str, float]:
    found = np.array(list(values), np.float64)
    return {f"p{share}": float(np.percentile(found, share)) for share in (25, 50, 75)}
