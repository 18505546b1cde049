"""z-sequence → film: decode, finish, encode, frame i from row i and from nothing else.

For proxies and the like: one decoder, in this process, in a thread of its own, a few pictures ahead
of finishing and encoding (`chunks` makes films). Memory does not grow with the length.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from instrument import InstrumentError
from instrument.decoder.protocol import Decoder, DecoderSpec
from instrument.latent.sequence import ModelReference, ZSequence
from instrument.latent.space import F32
from instrument.studio.ahead import DecodeAhead, Finished
from instrument.studio.encode import open_film
from instrument.studio.film import FilmWriter, Pixels, Size
from instrument.studio.finishing import Fine, FineFrames, Finish, Frames, PlainFrames
from instrument.studio.samples import parameters_row
from instrument.studio.shutter import Exposure, Instant
from instrument.studio.workers import Here
from instrument.timebase import FrameRange, FrameRate, WallClock

OpenFilm = Callable[[Size, FrameRate], FilmWriter]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a render is; `frames_a_second` is the average since it began.

    `bytes` is what there is of the film on the disk, where somebody counts.
    """

    done: int
    total: int
    frames_a_second: float
    seconds_left: float
    bytes: int = 0

    @classmethod
    def after(cls, done: int, total: int, seconds: float, kept: int = 0, bytes_: int = 0) -> Self:
        """`done` of `total` frames are there, all but `kept` of them since `seconds`."""
        frames_a_second = (done - kept) / max(seconds, 1e-9)
        left = (total - done) / frames_a_second if frames_a_second else 0.0
        return cls(done, total, frames_a_second, left, bytes_)


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
    exposure: Exposure | None = None,
    batch: int = 1,
    progress: Callable[[Progress], None] | None = None,
    allow_other_model: bool = False,
) -> RenderReport:
    """Decode every row of `sequence` and write it to `film`, a path or what opens one.

    `size` is the film's (height, width), the decoder's own where it is None. `finish` makes a
    picture of that size from a decoded one and the frame's parameters; where there is `fine`, or
    the film holds more than 8 bits and there is no `finish`, frames are made the fine way instead
    (see `finishing`), exposed to `exposure` if not to their own rows. `batch` rows are decoded
    together. Raises InstrumentError naming model or frame; whatever goes wrong, and Ctrl-C too,
    stops the decoder and leaves no half film.
    """
    check_model(sequence, decoder.spec, allow_other_model)
    if batch < 1:
        raise InstrumentError(f"batch {batch}: must be 1 or more")
    size = size or decoder.spec.size
    open_it = functools.partial(open_film, film) if isinstance(film, Path) else film
    clock = WallClock()
    begin = clock.now()
    with open_it(size, sequence.rate) as writer:
        names = sequence.addresses
        frames: Frames = PlainFrames(names, decoder, finish)
        if fine or (writer.depth > 8 and not finish):
            frames = FineFrames(names, decoder, fine or Fine(), size, writer.depth, batch)
        here = Here(lambda: _Undone(frames), batch, hashed=False, clock=clock)
        exposed = exposure or Instant(sequence)
        ahead = DecodeAhead(exposed, here, len(sequence), decoder.spec.name, batch)
        rows = FrameRange(0, len(sequence))
        with contextlib.closing(ahead.frames([rows])) as pictures:
            encoding = _encode(frames, pictures, sequence, writer, progress)
        start = clock.now()
        writer.close()
        encoding += clock.now() - start
    return RenderReport(
        writer.path, writer.frames, writer.rate.time_of(writer.frames), size, sequence.rate,
        ModelReference(decoder.spec.name, decoder.spec.sha256),
        clock.now() - begin, ahead.decode_seconds, encoding,
    )  # fmt: skip


class _Undone:
    """`Frames` that are not finished yet: whoever writes them sees to that, in their order."""

    def __init__(self, frames: Frames) -> None:
        self.samples = frames.samples
        self.decode = frames.decode

    def finish(self, picture: Pixels, frame: int, parameters: F32) -> Pixels:
        """See `Frames.finish`."""
        return picture


def _encode(
    frames: Frames, pictures: Iterator[Finished], sequence: ZSequence, writer: FilmWriter,
    progress: Callable[[Progress], None] | None,
) -> float:  # fmt: skip
    """Write all pictures; returns the seconds that took, waiting for the decoder left out."""
    clock = WallClock()
    begin, busy = clock.now(), 0.0
    for index, picture, _ in pictures:
        start = clock.now()
        writer.write(frames.finish(picture, index, parameters_row(sequence, index)))
        now = clock.now()
        busy += now - start
        if progress:
            progress(Progress.after(index + 1, len(sequence), now - begin))
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
