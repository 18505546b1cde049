"""How far two pictures lie apart to the eye: features whose Euclidean distance is a length.

`Perception` is what all who measure pictures ask for; `OwnPerception` is ours, of colours and edges
at several scales, and needs no download. It knows no model, no z and no file.

The unit is that of Oklab (Ottosson 2020): black and white lie 1 apart, 0.02 is just seen between
two even areas. Every feature is a mean or a root mean square, so one that a small change of the
picture moves is moved in proportion, and lengths along a path add up; squared distances, of which
LPIPS is one, do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.frame import U8
from instrument.latent.space import F32, F64

_GRID = 64  # cells a side: what is finer counts as texture, and is averaged
_CHUNK = 16  # pictures measured together at most: their grids stay in the processor's cache
_CHUNK_PIXELS = 1 << 22  # the same for large pictures, so that memory does not grow with them
_CELLS = 8  # a side, in which edges are gathered
# Shares of the squared distance. Each scale sees all of a change of colour, so that they sum to 1.
_LIGHT = 0.2  # the light alone, in 32 x 32
_COLOURS = ((16, 0.3), (8, 0.3), (4, 0.2))
# Edges come on top: how much contrast there is, in four directions, at two scales. They are small
# beside colours; so weighted they are a fifth of what parts two unrelated pictures.
_EDGES = ((64, 2.0), (32, 1.0))
_FAINT = 0.02  # a contrast that is just seen; below it less counts than in proportion
# Stray light of a screen in a room: without it Oklab's cube root tells one black from another.
_FLARE = 0.003
_CHROMA = 2.0  # Oklab's a and b are half as wide as what is seen (CSS Color 4, deltaEOK2)

_U32 = NDArray[np.uint32]


class Perception(Protocol):
    """Turns pictures into points that lie as far apart as the pictures look."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def features(self, pictures: U8) -> F32:
        """``F32[n, k]`` of ``U8[n, h, w, 3]``; the Euclidean distance of two is a length."""
        ...


class Ruler(Protocol):
    """Measures how far each picture lies from the next; these lengths add up along a path."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def between(self, pictures: U8) -> F64:
        """``F64[n - 1]`` of ``U8[n, h, w, 3]``."""
        ...


class FeatureRuler:
    """The distances of features."""

    def __init__(self, perception: Perception) -> None:
        self.name = perception.name
        self._perception = perception

    def between(self, pictures: U8) -> F64:
        """See `Ruler.between`."""
        return steps(self._perception.features(pictures))


class OwnPerception:
    """Oklab colours in grids of 32, 16, 8 and 4 cells a side, and the contrast of edges.

    Pictures of any size and proportions: the grid is laid over the whole picture.
    """

    name = "own"

    def features(self, pictures: U8) -> F32:
        """``F32[n, 2544]`` of ``U8[n, h, w, 3]``. Raises InstrumentError on anything else."""
        if pictures.ndim != 4 or pictures.shape[-1] != 3 or pictures.dtype != np.uint8:
            raise InstrumentError(
                f"pictures of {pictures.dtype}{list(pictures.shape)}: must be uint8[n, h, w, 3]"
            )
        if 0 in pictures.shape[1:3]:
            raise InstrumentError(f"pictures of {list(pictures.shape)}: hold no pixel")
        chunk = max(1, min(_CHUNK, _CHUNK_PIXELS // (pictures.shape[1] * pictures.shape[2])))
        blocks = [
            self._measure(pictures[start : start + chunk])
            for start in range(0, len(pictures), chunk)
        ]
        return np.concatenate(blocks) if blocks else np.zeros((0, length()), np.float32)

    def _measure(self, pictures: U8) -> F32:
        lab = _seen(linear(averaged(pictures, _GRID)))
        count = len(pictures)
        parts = [part.reshape(count, -1) for part in (*_colours(lab), *_edges(lab[..., 0]))]
        return np.concatenate(parts, axis=1)


def length() -> int:
    """How many features `OwnPerception` finds."""
    colours = sum(3 * side * side for side, _ in _COLOURS)
    return 32 * 32 + colours + 4 * _CELLS * _CELLS * len(_EDGES)


def steps(features: F32) -> F64:
    """The distances ``F64[n - 1]`` between neighbours of ``F32[n, k]``."""
    apart = np.diff(features, axis=0).astype(np.float64)
    return np.asarray(np.sqrt(np.sum(apart * apart, axis=1)))


def averaged(pictures: U8, side: int) -> F32:
    """sRGB ``F32[n, side, side, 3]`` in 0..1, averaged over cells of the picture.

    Levels are averaged, not the light: so an edge that crosses a cell changes it evenly.
    """
    rows = _gathered(pictures.astype(np.uint32), 1, side)
    cells = _gathered(rows, 2, side)
    scale = 255.0 * pictures.shape[1] * pictures.shape[2] / (side * side)
    return np.asarray(cells / scale, np.float32)


def linear(level: F32) -> F32:
    """The light of sRGB levels 0..1."""
    curve = ((np.maximum(level, 0.0) + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(level <= 0.04045, level / np.float32(12.92), curve)


def oklab(light: F32) -> F32:
    """Linear sRGB ``F32[..., 3]`` as Oklab: lightness, and green to red and blue to yellow."""
    red, green, blue = (light[..., channel] for channel in range(3))
    # Ottosson's matrices, written out: no BLAS, so the same sums on every processor.
    one = np.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    two = np.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    three = np.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return np.stack(
        (
            0.2104542553 * one + 0.7936177850 * two - 0.0040720468 * three,
            1.9779984951 * one - 2.4285922050 * two + 0.4505937099 * three,
            0.0259040371 * one + 0.7827717662 * two - 0.8086757660 * three,
        ),
        axis=-1,
    )


def _seen(light: F32) -> F32:
    """`light` as it looks on a screen: Oklab over a little stray light, black and white 1 apart."""
    darkest = math.cbrt(_FLARE / (1.0 + _FLARE))
    return oklab((light + np.float32(_FLARE)) / np.float32(1.0 + _FLARE)) / np.float32(
        1.0 - darkest
    )


def _colours(lab: F32) -> Iterator[F32]:
    """The light in 32 x 32, then colours in coarser grids."""
    light = _halved(lab[..., :1])
    yield light * np.float32(math.sqrt(_LIGHT) / 32)
    grid = lab * np.array([1.0, _CHROMA, _CHROMA], np.float32)
    for side, share in _COLOURS:
        while grid.shape[1] > side:
            grid = _halved(grid)
        yield grid * np.float32(math.sqrt(share) / side)


def _edges(light: F32) -> Iterator[F32]:
    """Root mean squares of the slope in four directions, ``F32[n, 8, 8, 4]`` at each scale."""
    for side, weight in _EDGES:
        while light.shape[1] > side:
            light = _halved(light[..., None])[..., 0]
        # Slopes between the centres of four cells, all four at one place.
        across = light[:, :, 1:] - light[:, :, :-1]
        down = light[:, 1:, :] - light[:, :-1, :]
        x = np.zeros_like(light)
        y = np.zeros_like(light)
        x[:, :-1, :-1] = 0.5 * (across[:, :-1] + across[:, 1:])
        y[:, :-1, :-1] = 0.5 * (down[:, :, :-1] + down[:, :, 1:])
        squares = np.stack((x * x, y * y, x * y), axis=-1)
        while squares.shape[1] > 2 * _CELLS:
            squares = _halved(squares)
        squares = _overlapping(squares)
        xx, yy, xy = (squares[..., i] for i in range(3))
        mean = 0.5 * (xx + yy)
        along = np.stack((xx, yy, mean + xy, mean - xy), axis=-1)
        contrast = np.sqrt(np.maximum(along, 0.0) + np.float32(_FAINT**2)) - np.float32(_FAINT)
        yield contrast * np.float32(math.sqrt(weight) / _CELLS)


def _halved(grid: F32) -> F32:
    """Means of 2 x 2 cells of ``F32[n, side, side, c]``."""
    rows = grid[:, 0::2] + grid[:, 1::2]
    return (rows[:, :, 0::2] + rows[:, :, 1::2]) * np.float32(0.25)


def _overlapping(grid: F32) -> F32:
    """Half as many cells a side, each 1 3 3 1 of four: what moves leaves none at once."""
    for axis in (1, 2):
        edges = [(0, 0)] * 4
        edges[axis] = (1, 1)
        wide = np.moveaxis(np.pad(grid, edges, mode="edge"), axis, 0)
        outer, inner = wide[0:-3:2] + wide[3::2], wide[1:-2:2] + wide[2:-1:2]
        grid = np.moveaxis((outer + np.float32(3) * inner) * np.float32(0.125), 0, axis)
    return grid


def _gathered(light: _U32 | F64, axis: int, side: int) -> _U32 | F64:
    """Sums of `light` over `side` equal parts of `axis`; exact where they are whole pixels."""
    pixels = light.shape[axis]
    wide, left_over = divmod(pixels, side)
    if left_over == 0 and light.dtype == np.uint32:
        moved = np.moveaxis(light, axis, 0)
        total = moved[0::wide].copy()
        for offset in range(1, wide):
            total += moved[offset::wide]
        return np.moveaxis(total, 0, axis)
    # Parts end within pixels: the running sum, read between two of them.
    running = np.cumsum(light, axis=axis, dtype=np.float64)
    running = np.concatenate((np.zeros_like(running.take([0], axis)), running), axis=axis)
    ends = np.arange(side + 1) * (pixels / side)
    below = np.minimum(ends.astype(np.intp), pixels - 1)
    shape = [1] * light.ndim
    shape[axis] = side + 1
    share = (ends - below).reshape(shape)
    read = (1.0 - share) * running.take(below, axis) + share * running.take(below + 1, axis)
    return np.asarray(np.diff(read, axis=axis))
