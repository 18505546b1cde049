"""(b) Pictures a second through the decoder process, against the same decoder in a bare loop."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from instrument import InstrumentError
from instrument.bench.load import Background, own_seconds
from instrument.bench.rows import Effort, Row, row
from instrument.bench.turns import in_turn, wall
from instrument.decoder.models import ModelManifest, find_model
from instrument.decoder.process import DecoderProcess
from instrument.decoder.protocol import DirectDecoder, PatientDecoder
from instrument.decoder.runtime import open_decoder
from instrument.latent.space import F32
from instrument.timebase import WallClock

_TARGET = 0.97
_THREADS = 1  # more of them wait for a busy neighbour
_ROW = 1.0 / 240.0  # s between two z while a picture is made
_PATIENCE = 60.0  # s for a picture


def measure(effort: Effort, model: str = "default", pictures: int = 12) -> list[Row]:
    """The ratio of both rates; each rate, and what a picture takes of a processor."""
    manifest = find_model(model)
    z = some_z(manifest, pictures)
    decoder, form = _tuned(manifest)
    with DecoderProcess(manifest, threads=_THREADS) as process:
        live = _Live(process, z)
        loops = {"bare": _Loop(_bare(decoder, z)), "live": _Loop(live, live.rest)}
        for loop in loops.values():
            loop()
            loop.used.clear()
        with Background() as background:
            seconds = in_turn(loops, max(3, effort.rounds))
    rates = {name: [pictures / s for s in taken] for name, taken in seconds.items()}
    shares = [live / bare for live, bare in zip(rates["live"], rates["bare"], strict=True)]
    about: dict[str, Any] = {
        "model": model, "size": list(manifest.size), "form": form, "threads": _THREADS,
    }  # fmt: skip
    cores = background.cores
    return [
        row("live decode rate / bare decoder loop", shares, "", better="higher", target=_TARGET,
            background=cores, **about),
        *(
            row(f"pictures a second, {name}", rates[name], "/s", better="higher",
                background=cores, **about,
                processor_ms=round(1e3 * statistics.median(loop.used) / pictures, 2))
            for name, loop in loops.items()
        ),
    ]  # fmt: skip


class _Loop:
    """Some work that says how long it took, and keeps what it used of all processors."""

    def __init__(self, work: Callable[[], None], rest: Callable[[], None] | None = None) -> None:
        self.work, self._rest = work, rest
        self.used: list[float] = []

    def __call__(self) -> float:
        begun = own_seconds()
        taken = wall(self.work)()
        self.used.append(own_seconds() - begun)
        if self._rest is not None:
            self._rest()
        return taken


def _bare(decoder: DirectDecoder, z: F32) -> Callable[[], None]:
    pixels = np.empty((*decoder.spec.size, 4), np.uint8)

    def loop() -> None:
        for position in z:
            decoder.decode_into(pixels, position[None], {})

    return loop


class _Live:
    """Rows come in step with a clock, more of them than pictures can: the newest is always there.

    So it is on stage wherever the model is slower than rows are.
    """

    def __init__(self, process: DecoderProcess, z: F32) -> None:
        self._process, self._z = process, z
        self._posted = self._last = 0
        self._clock = WallClock()

    def __call__(self) -> None:
        """As many pictures as there are z."""
        for _ in self._z:
            self._post()
            until = self._clock.now() + _PATIENCE
            while not self._took(_ROW):
                if self._clock.now() > until:
                    raise InstrumentError(f"no picture came: {self._process.message}")
                self._post()

    def rest(self) -> None:
        """Wait until nothing is decoded any more: what comes next has the machine to itself."""
        while self._last < self._posted:
            if not self._took(_PATIENCE):
                raise InstrumentError(f"no picture came: {self._process.message}")

    def _post(self) -> None:
        self._posted += 1
        self._process.post(self._posted, self._z[self._posted % len(self._z)], {})

    def _took(self, seconds: float) -> bool:
        """Wait so long for the next picture; whether it came."""
        frame = self._process.newest(self._last, seconds)
        self._last = self._last if frame is None else frame.index
        return frame is not None


def some_z(manifest: ModelManifest, count: int) -> F32:
    """``F32[count, *shape]``: positions of a model."""
    random = np.random.Generator(np.random.Philox(0))
    return random.standard_normal((count, *manifest.latent.shape)).astype(np.float32)


def _tuned(manifest: ModelManifest) -> tuple[DirectDecoder, str]:
    """The model as a decoder process opens it, in the form it plays once it has found out, and
    that form's name."""
    decoder = open_decoder(manifest, threads=_THREADS, precision="fast")
    if not isinstance(decoder, DirectDecoder):
        raise InstrumentError(f"{manifest.name}: does not write into the stage's memory")
    while isinstance(decoder, PatientDecoder) and decoder.idle():
        pass
    return decoder, str(getattr(getattr(decoder, "form", None), "name", "the only one"))
