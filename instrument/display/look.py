"""What is done to a picture on its way to light, as values: no GL, no pixels.

Lengths are in pixels, origin in the upper left corner, as in the pictures themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Fit = Literal["fit", "fill"]
Size = tuple[int, int]  # (width, height)


@dataclass(frozen=True, slots=True)
class Look:
    """`gain` 0..1 fades, `blackout` 0..1 darkens, `fit` decides about other proportions.

    Gain and blackout multiply sRGB code values, so that a fade played here equals the fade an
    editor draws. ``"fit"`` shows the whole picture with black bars, ``"fill"`` crops it.
    """

    gain: float = 1.0
    blackout: float = 0.0
    fit: Fit = "fit"

    @property
    def level(self) -> float:
        """The factor on code values, 0..1; what is no number is dark."""
        return _unit(self.gain) * (1.0 - _unit(self.blackout))


def _unit(value: float) -> float:
    # This order of arguments turns nan into 0: max() keeps its first unless the second is more.
    return min(1.0, max(0.0, value))


class Area(NamedTuple):
    """Whole pixels of the target that show the picture."""

    x: int
    y: int
    width: int
    height: int


class Box(NamedTuple):
    """Part of the picture, in fractions of its pixels."""

    left: float
    top: float
    right: float
    bottom: float


class Placement(NamedTuple):
    """`source` of the picture goes to `area` of the target."""

    area: Area
    source: Box

    @property
    def step(self) -> tuple[float, float]:
        """Picture pixels per target pixel, along x and y: below 1 the picture grows."""
        return (
            (self.source.right - self.source.left) / self.area.width,
            (self.source.bottom - self.source.top) / self.area.height,
        )


def place(picture: Size, target: Size, fit: Fit) -> Placement:
    """Where `picture` goes in `target`, centred. Raises ValueError for an empty size."""
    (width, height), (across, down) = picture, target
    if min(width, height, across, down) < 1:
        raise ValueError(f"a picture of {width}x{height} cannot go to {across}x{down}")
    if fit == "fill":
        scale = max(across / width, down / height)
        # A crop larger than the picture can only be a rounding error.
        shown_w, shown_h = min(width, across / scale), min(height, down / scale)
        left, top = (width - shown_w) / 2, (height - shown_h) / 2
        return Placement(Area(0, 0, across, down), Box(left, top, left + shown_w, top + shown_h))
    scale = min(across / width, down / height)
    shown = max(1, round(width * scale)), max(1, round(height * scale))
    area = Area((across - shown[0]) // 2, (down - shown[1]) // 2, *shown)
    return Placement(area, Box(0.0, 0.0, float(width), float(height)))
