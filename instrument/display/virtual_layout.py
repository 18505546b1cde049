"""Where the controls of the virtual controller lie, and how each is called in addresses.

Eight strips of an endless encoder above a fader, a pitch and a pressure strip, sixteen pads counted
from the lower left as drum machines do, and four program buttons. Lengths in pixels, origin upper
left, y down; the panel stands at the foot of the picture and never covers more than a third of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from instrument.display.look import Size
from instrument.latent.space import F64

FADERS, ENCODERS, PADS, PROGRAMS = range(0, 8), range(8, 16), range(16, 32), range(34, 38)
BEND, PRESSURE = 32, 33
COUNT = 38
# What each control says, written as behind ``/midi/virtual/``.
CONTROLS = (
    *(f"cc/{n}" for n in range(8)),
    *(f"cc/{n}" for n in range(16, 24)),
    *(f"note/{n}" for n in range(36, 52)),
    "bend",
    "pressure",
    *(f"program/{n}" for n in range(1, 5)),
)
# What an encoder says instead where it counts steps.
STEPPED = {index: f"cc/{24 + number}" for number, index in enumerate(ENCODERS)}

# In units, of which the panel is so many wide and high.
_WIDTH, _HEIGHT = 46.0, 14.3
_MARGIN = 0.8
_LARGEST = 0.33  # of the picture's height
_STRIP, _STRIPS_AT = 3.3, 0.7  # the width of a strip, and where the first begins
_HEAD, _TOP, _FOOT = 1.75, 2.0, 12.0  # the header's foot; where controls begin and end
_LABEL = 1.7  # the height of a label, of two lines
_ENCODER, _FADER_AT = 2.7, 6.75
_BEND_AT, _PRESSURE_AT, _SLIDE = 27.6, 30.2, 2.2
_PADS_AT, _PADS, _GAP = 32.95, 12.35, 0.22
_PROGRAM = 1.9

Box = tuple[float, float, float, float]  # left, top, width, height


@dataclass(frozen=True)
class Layout:
    """The panel on a target: `unit` pixels a unit, `panel` and the `boxes` F64[38, 4] of the
    controls as left, top, width, height. A box is what a hand can hit."""

    unit: float
    panel: Box

    @cached_property
    def boxes(self) -> F64:
        """One row a control, in the order of `CONTROLS`."""
        low, high = _TOP, _FOOT + 1.8
        boxes = [(_strip(n), _FADER_AT, _STRIP, _FOOT - _FADER_AT) for n in range(8)]
        boxes += [(_strip(n), low, _STRIP, _ENCODER) for n in range(8)]
        side = (_PADS - 3 * _GAP) / 4
        tall = (high - low - _PROGRAM - 4 * _GAP) / 4
        for n in range(16):
            row = 3 - n // 4
            left = _PADS_AT + (n % 4) * (side + _GAP)
            boxes.append((left, low + row * (tall + _GAP), side, tall))
        boxes += [(at, low, _SLIDE, _FOOT - low) for at in (_BEND_AT, _PRESSURE_AT)]
        for n in range(4):
            boxes.append((_PADS_AT + n * (side + _GAP), high - _PROGRAM, side, _PROGRAM))
        return np.array(boxes) * self.unit + (*self.panel[:2], 0.0, 0.0)

    @cached_property
    def labels(self) -> F64:
        """Where each control's label stands, F64[38, 4]: below it, or upon it where it is a pad."""
        labels = self.boxes.copy()
        below = [*FADERS, *ENCODERS, BEND, PRESSURE]
        labels[below, 1] += labels[below, 3] + 0.15 * self.unit
        labels[below, 3] = _LABEL * self.unit
        labels[[BEND, PRESSURE]] += np.array((-0.2, 0.0, 0.4, 0.0)) * self.unit
        return labels

    @property
    def head(self) -> Box:
        """The line above the controls."""
        left, top, width, _ = self.panel
        return (left + _STRIPS_AT * self.unit, top, width - 1.4 * self.unit, _HEAD * self.unit)

    @property
    def knob(self) -> float:
        """The radius of an encoder, its ring of lamps included."""
        return 0.48 * _ENCODER * self.unit

    @property
    def cap(self) -> float:
        """The height of a fader's cap: its middle is what stands at the value."""
        return 0.75 * self.unit

    def holds(self, x: float, y: float) -> bool:
        """Whether pixel (`x`, `y`) is the panel's."""
        left, top, width, height = self.panel
        return left <= x < left + width and top <= y < top + height

    def control_at(self, x: float, y: float) -> int | None:
        """Which control is there."""
        if not self.holds(x, y):
            return None
        for control, (left, top, right, bottom) in enumerate(self._edges):
            if left <= x < right and top <= y < bottom:
                return control
        return None

    @cached_property
    def _edges(self) -> list[Box]:
        """Left, top, right, bottom: the boxes as plain numbers, for every move of a mouse."""
        corners = np.hstack((self.boxes[:, :2], self.boxes[:, :2] + self.boxes[:, 2:]))
        return [(left, top, right, bottom) for left, top, right, bottom in corners.tolist()]

    def travel(self, control: int) -> float:
        """How far the middle of a cap can go."""
        return float(self.boxes[control, 3]) - self.cap

    def y_of(self, control: int, value: float) -> float:
        """Where the middle of the cap stands at `value`. The reverse of `height_at`."""
        _, top, _, height = self.boxes[control]
        return float(top + height - 0.5 * self.cap - value * self.travel(control))

    def height_at(self, control: int, y: float) -> float:
        """How high in its control `y` is, 0..1; beyond its ends it stays there.

        Of what has a cap, the cap's way counts, so that both ends can be reached.
        """
        _, top, _, height = self.boxes[control]
        if control in PADS:
            share = (top + height - y) / height
        else:
            share = (top + height - 0.5 * self.cap - y) / self.travel(control)
        return float(min(max(share, 0.0), 1.0))


def lay_out(size: Size) -> Layout | None:
    """The panel on a target of `size` (width, height); None where there is no room for one."""
    width, height = size
    unit = min(width / (_WIDTH + 2.0 * _MARGIN), _LARGEST * height / (_HEIGHT + _MARGIN))
    if unit < 1.0:
        return None
    wide, high = _WIDTH * unit, _HEIGHT * unit
    left, top = round((width - wide) / 2.0), round(height - high - _MARGIN * unit)
    return Layout(unit, (float(left), float(top), wide, high))


def _strip(number: int) -> float:
    return _STRIPS_AT + number * _STRIP
