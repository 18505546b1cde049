"""z → frames of a film: decode, expose, lay out, cut to levels. One frame after another, or any.

`Frames` has two halves, so that a thread may decode while another finishes: `decode` gives one
picture a frame, `finish` makes of it what the film takes. Frame i depends on its number and on what
it is exposed to alone, never on who was asked for which frames before. There are two ways:

- *plain*: pictures of 256 levels, laid out as on stage, bit for bit.
- *fine*: pictures as the decoder has them, averaged in linear light over the shutter's samples
  and over the pixels of a supersampled one, laid out in bands, dithered to the film's levels.

What a presenter does to a picture is handed in. This module knows no encoder, and not where rows
come from: whoever makes frames, here or in another process, is handed them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from instrument.decoder.protocol import Decoder, decode_fine
from instrument.frame import U8
from instrument.latent.space import F32
from instrument.studio.film import Pixels, Size, dtype_of
from instrument.studio.light import reduced, to_code, to_levels, to_linear

Finish = Callable[[U8, Mapping[str, float]], U8]  # a decoded picture → a picture of the film

Stamp = Callable[[U8, int], U8]


class Presentation(Protocol):
    """What a presenter does to a picture, for pictures finer than 256 levels."""

    def level(self, values: Mapping[str, float]) -> float:
        """The factor on code values that the parameters of a frame ask for: fades."""
        ...

    def bands(self, picture: F32, level: float) -> Iterator[tuple[slice, F32]]:
        """``F32[h, w, 3]`` laid out for the film: rows of it and their ``F32[rows, w, 3]``."""
        ...


class Bare:
    """No presenter: the picture is the frame. A `Presentation`."""

    def level(self, values: Mapping[str, float]) -> float:
        """See `Presentation.level`."""
        return 1.0

    def bands(self, picture: F32, level: float) -> Iterator[tuple[slice, F32]]:
        """See `Presentation.bands`."""
        yield slice(0, len(picture)), picture


BARE = Bare()


@dataclass(frozen=True, slots=True)
class Fine:
    """How fine frames are made.

    A frame is the mean of `samples` pictures. The decoder's pictures are `supersample` times too
    large. `first` is the number of the first frame in the film that this is a part of: the dither
    goes by it. `stamp` marks a finished frame of 8 bits, given with its number.
    """

    presentation: Presentation = BARE
    samples: int = 1
    supersample: int = 1
    dither: bool = True
    first: int = 0
    stamp: Stamp | None = None


class Frames(Protocol):
    """The frames of a film, in two halves."""

    @property
    def samples(self) -> int:
        """How many rows make a frame."""
        ...

    def decode(self, z: F32, parameters: F32) -> Pixels:
        """A picture for each frame that ``z F32[k, *shape]`` and ``parameters F32[k, P]`` expose.

        k is samples times frames. One thread at a time. The pictures are the caller's to keep.
        """
        ...

    def finish(self, picture: Pixels, frame: int, parameters: F32) -> Pixels:
        """The frame, number `frame`, that `picture` becomes; `parameters` are its ``F32[P]``."""
        ...


class PlainFrames:
    """Frames of 256 levels; `finish` makes a picture of the film from a decoded one.

    `addresses` name the columns of what is handed in as parameters.
    """

    samples = 1

    def __init__(
        self, addresses: Sequence[str], decoder: Decoder, finish: Finish | None,
        stamp: Stamp | None = None,
    ) -> None:  # fmt: skip
        self._addresses = addresses
        self._decoder = decoder
        self._finish = finish
        self._stamp = stamp

    def decode(self, z: F32, parameters: F32) -> Pixels:
        """See `Frames.decode`; raises ValueError where the decoder gives something else."""
        pictures = self._decoder.decode(z, _columns(self._addresses, parameters))
        checked(pictures, (len(z), *self._decoder.spec.size, 3), np.dtype(np.uint8))
        return pictures.copy()  # a decoder may use its memory again for the next batch

    def finish(self, picture: Pixels, frame: int, parameters: F32) -> Pixels:
        """See `Frames.finish`."""
        if self._finish:
            picture = self._finish(picture, named(self._addresses, parameters))
        return self._stamp(picture, frame) if self._stamp else picture


class FineFrames:
    """Frames as fine as a film of `depth` bits and `size` (height, width) holds.

    `batch` z are decoded at a time, so that what an open shutter costs is time, and no memory.
    """

    def __init__(
        self, addresses: Sequence[str], decoder: Decoder, fine: Fine, size: Size, depth: int,
        batch: int,
    ) -> None:  # fmt: skip
        self._addresses = addresses
        self._decoder = decoder
        self._fine = fine
        self._size = size
        self._depth = depth
        self._batch = batch

    @property
    def samples(self) -> int:
        """See `Frames.samples`."""
        return self._fine.samples

    def decode(self, z: F32, parameters: F32) -> Pixels:
        """See `Frames.decode`: ``F32[n, h, w, 3]`` code values, exposed."""
        samples, by = self._fine.samples, self._fine.supersample
        if samples == by == 1:
            return self._pictures(z, parameters).copy()
        height, width = self._decoder.spec.size
        light = np.zeros((len(z) // samples, height // by, width // by, 3), np.float32)
        # In the order of time and one by one: a sum must not depend on the size of a batch.
        for begin in range(0, len(z), self._batch):
            rows = slice(begin, begin + self._batch)
            for row, picture in enumerate(self._pictures(z[rows], parameters[rows]), begin):
                level = self._level(parameters[row]) if samples > 1 else 1.0
                light[row // samples] += reduced(to_linear(picture * np.float32(level)), by)
        return to_code(light / np.float32(samples))

    def finish(self, picture: Pixels, frame: int, parameters: F32) -> Pixels:
        """See `Frames.finish`."""
        # What was averaged was faded before: a flash within one frame is seen as long as it was.
        level = self._level(parameters) if self._fine.samples == 1 else 1.0
        number = frame + self._fine.first if self._fine.dither else None
        finished = np.empty((*self._size, 3), dtype_of(self._depth))
        for rows, band in self._fine.presentation.bands(picture, level):
            exact = self._depth > 16
            finished[rows] = band if exact else to_levels(band, self._depth, number, rows.start)
        if self._fine.stamp and self._depth == 8:
            return self._fine.stamp(finished, frame)
        return finished

    def _pictures(self, z: F32, parameters: F32) -> F32:
        pictures = decode_fine(self._decoder, z, _columns(self._addresses, parameters))
        shape = (len(z), *self._decoder.spec.size, 3)
        checked(pictures, shape, np.dtype(np.float32))
        return pictures

    def _level(self, parameters: F32) -> float:
        return self._fine.presentation.level(named(self._addresses, parameters))


def named(addresses: Sequence[str], parameters: F32) -> dict[str, float]:
    """The parameters ``F32[P]`` of one row by their addresses."""
    return dict(zip(addresses, parameters.tolist(), strict=True))


def _columns(addresses: Sequence[str], parameters: F32) -> dict[str, F32]:
    """The parameters ``F32[n, P]`` of rows by their addresses, ``F32[n]`` each."""
    return {
        address: np.ascontiguousarray(parameters[:, column])
        for column, address in enumerate(addresses)
    }


def checked(pictures: Pixels, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    """Raise ValueError unless a decoder gave what it should."""
    if pictures.shape != shape or pictures.dtype != dtype:
        raise ValueError(
            f"gave {pictures.dtype}{list(pictures.shape)} instead of {dtype}{list(shape)}"
        )
