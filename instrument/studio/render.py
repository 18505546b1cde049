"""z-sequence → film: decode, finish, encode, frame i from row i and from nothing else.

Decoding runs in a thread of its own, a few pictures ahead of finishing and encoding, so that
a render takes as long as the slower of the two. Memory does not grow with the length.
"""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from instrument import InstrumentError
from instrument.decoder.protocol import Decoder, DecoderSpec
from instrument.latent.sequence import ModelReference, ZSequence
from instrument.studio.encode import open_film
from instrument.studio.film import FilmWriter, Pixels, Size
from instrument.studio.finishing import Fine, FineFrames, Finish, Frames, PlainFrames
from instrument.timebase import Clock, FrameRate, WallClock

OpenFilm = Callable[[Size, FrameRate], FilmWriter]

_AHEAD = 8  # pictures decoded before they are asked for: measured, more gains nothing


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a render is; `frames_a_second` is the average since it began."""

    done: int
    total: int
    frames_a_second: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class RenderReport:
    """What was rendered.

    `seconds` is how long the film lasts. The render took `wall_seconds`, of which the decoder
    was busy for `decode_seconds`, finishing and encoding for `encode_seconds`.
    """

    path: Path
    frames: int
    seconds: float
    size: Size
    rate: FrameRate
    model: ModelReference
    wall_seconds: float
    decode_seconds: float
    encode_seconds: float

    def to_json(self) -> dict[str, Any]:
        """The machine-readable summary."""
        return {
            "path": str(self.path),
            "frames": self.frames,
            "seconds": self.seconds,
            "size": list(self.size),
            "rate": [self.rate.num, self.rate.den],
            "model": {"name": self.model.name, "sha256": self.model.sha256},
            "wall_seconds": round(self.wall_seconds, 3),
            "decode_seconds": round(self.decode_seconds, 3),
            "encode_seconds": round(self.encode_seconds, 3),
        }


def render(
    sequence: ZSequence,
    decoder: Decoder,
    film: Path | OpenFilm,
    *,
    size: Size | None = None,
    finish: Finish | None = None,
    fine: Fine | None = None,
    batch: int = 1,
    progress: Callable[[Progress], None] | None = None,
    allow_other_model: bool = False,
) -> RenderReport:
    """Decode every row of `sequence` and write it to `film`, a path or what opens one.

    `size` is the film's (height, width), the decoder's own where it is None. `finish` makes a
    picture of that size from a decoded one and the frame's parameters; where there is `fine`, or
    the film holds more than 8 bits and there is no `finish`, frames are made the fine way instead
    (see `finishing`). `batch` rows are decoded together. Raises InstrumentError naming model or
    frame; whatever goes wrong, and Ctrl-C too, stops the decoder and leaves no half film.
    """
    check_model(sequence, decoder.spec, allow_other_model)
    if batch < 1:
        raise InstrumentError(f"batch {batch}: must be 1 or more")
    size = size or decoder.spec.size
    open_it = functools.partial(open_film, film) if isinstance(film, Path) else film
    clock = WallClock()
    begin = clock.now()
    with open_it(size, sequence.rate) as writer:
        frames: Frames = PlainFrames(sequence, decoder, finish)
        if fine or (writer.depth > 8 and not finish):
            frames = FineFrames(sequence, decoder, fine or Fine(), size, writer.depth, batch)
        ahead = _DecodeAhead(frames, len(sequence), decoder.spec.name, batch, clock)
        with contextlib.closing(ahead.pictures()) as pictures:
            encoding = _encode(frames, pictures, len(sequence), writer, progress)
        start = clock.now()
        writer.close()
        encoding += clock.now() - start
    return RenderReport(
        writer.path, writer.frames, writer.rate.time_of(writer.frames), size, sequence.rate,
        ModelReference(decoder.spec.name, decoder.spec.sha256),
        clock.now() - begin, ahead.decode_seconds, encoding,
    )  # fmt: skip


def _encode(
    frames: Frames,
    pictures: Iterator[Pixels],
    total: int,
    writer: FilmWriter,
    progress: Callable[[Progress], None] | None,
) -> float:
    """Write all pictures; returns the seconds that took, waiting for the decoder left out."""
    clock = WallClock()
    begin, busy = clock.now(), 0.0
    for index, picture in enumerate(pictures):
        start = clock.now()
        writer.write(frames.finish(picture, index))
        now = clock.now()
        busy += now - start
        if progress:
            progress(_progress(index + 1, total, now - begin))
    return busy


def check_model(sequence: ZSequence, spec: DecoderSpec, allow_other_model: bool = False) -> None:
    """Raise InstrumentError, naming both, unless `sequence` was made for the model `spec`.

    Another model of the same latent shape is let through with `allow_other_model`; a sequence
    of which nobody knows the model always is.
    """
    made_for = sequence.model.name or sequence.source or "the z-sequence"
    if len(sequence) == 0:
        raise InstrumentError(f"{sequence.source or made_for}: holds no frame")
    known = bool(sequence.model.sha256)
    if sequence.spec.shape != spec.latent.shape or (
        known and sequence.spec.space != spec.latent.space
    ):
        raise InstrumentError(
            f"z of {made_for} is {sequence.spec}, but {spec.name} takes {spec.latent}"
        )
    if known and sequence.model.sha256 != spec.sha256 and not allow_other_model:
        raise InstrumentError(
            f"z belongs to {made_for} ({sequence.model.sha256[:12]}), this is {spec.name} "
            f"({spec.sha256[:12]}); another model must be asked for explicitly"
        )


class _DecodeAhead:
    """Frames decoded in a thread, at most a few pictures before they are taken."""

    def __init__(self, frames: Frames, total: int, name: str, batch: int, clock: Clock) -> None:
        self._frames = frames
        self._total = total
        self._name = name
        self._batch = batch
        self._clock = clock
        self.decode_seconds = 0.0

    def pictures(self) -> Generator[Pixels, None, None]:
        """Every picture in order; closing the iterator stops the thread."""
        starts = iter(range(0, self._total, self._batch))
        pool = ThreadPoolExecutor(1, "decode")
        pending: deque[tuple[int, Future[Pixels]]] = deque()

        def submit(start: int) -> None:
            stop = min(start + self._batch, self._total)
            pending.append((start, pool.submit(self._decode, start, stop)))

        try:
            for start in islice(starts, max(2, _AHEAD // self._batch)):
                submit(start)
            while pending:
                start, future = pending.popleft()
                if error := future.exception():
                    raise self._failure(pool, start, error) from error
                for after in islice(starts, 1):
                    submit(after)
                yield from future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _decode(self, start: int, stop: int) -> Pixels:
        began = self._clock.now()
        pictures = self._frames.decode(start, stop)
        self.decode_seconds += self._clock.now() - began
        return pictures

    def _failure(self, pool: ThreadPoolExecutor, start: int, error: BaseException) -> BaseException:
        """What to raise for a batch that failed: row by row shows which frame it is."""
        if not isinstance(error, Exception):
            return error
        stop = min(start + self._batch, self._total)
        name = self._name
        if stop == start + 1:
            return InstrumentError(f"frame {start}: {name} failed ({_reason(error)})")
        for index in range(start, stop):
            if alone := pool.submit(self._decode, index, index + 1).exception():
                return InstrumentError(f"frame {index}: {name} failed ({_reason(alone)})")
        return InstrumentError(
            f"frames {start}:{stop}: {name} failed ({_reason(error)}), though each alone decodes; "
            f"try a batch below {self._batch}"
        )


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _progress(done: int, total: int, seconds: float) -> Progress:
    frames_a_second = done / max(seconds, 1e-9)
    return Progress(done, total, frames_a_second, (total - done) / frames_a_second)
