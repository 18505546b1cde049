"""How the virtual controller looks, as quads: plates, discs and letters. Knows no GL and no mouse.

White is what the hand set, amber what the instrument has: a fader's cap stands where the hand left
it, its amber column and mark where the value is; the lamps round an encoder and the light in a pad
are the instrument's too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from instrument.display.glyphs import GlyphSheet
from instrument.display.quads import (
    AMBER,
    BRIGHT,
    PLATE,
    QUAD,
    Quads,
    Tint,
    plate,
    plates,
)
from instrument.display.virtual_controller import VirtualController
from instrument.display.virtual_feedback import Standing
from instrument.display.virtual_labels import KEYS, header_of, labels_of, says_of
from instrument.display.virtual_layout import (
    BEND,
    ENCODERS,
    FADERS,
    PADS,
    PRESSURE,
    PROGRAMS,
    Layout,
)
from instrument.latent.space import F64

_WELL: Tint = (255, 255, 255, 20)
_SLOT: Tint = (0, 0, 0, 150)
_CAP: Tint = (205, 209, 216, 255)
_BODY: Tint = (52, 55, 60, 255)
_DARK_LAMP: Tint = (255, 255, 255, 38)
_COLUMN: Tint = (255, 190, 66, 150)
_PANEL: Tint = (*PLATE[:3], 216)  # so many small things ask for a calmer ground
_HOVER: Tint = (255, 255, 255, 16)
_LAMPS = 15  # round an encoder
_SWEEP = np.radians(135.0)  # to either side of the top
_STRIPS = np.array((*FADERS, BEND, PRESSURE))  # what has a cap
_RINGS = np.array(ENCODERS)
# Where keys, rings and caps stand in an array of all controls: cheaper than their indices.
_SLICES = (
    (slice(PADS.start, PADS.stop), slice(PROGRAMS.start, PROGRAMS.stop)),
    (slice(ENCODERS.start, ENCODERS.stop),),
    (slice(FADERS.start, FADERS.stop), slice(BEND, PRESSURE + 1)),
)
_TURN = np.linspace(-_SWEEP, _SWEEP, _LAMPS)


class Drawing:
    """The quads of a panel of one size. What has not changed since the last asking is kept."""

    def __init__(self, layout: Layout, sheet: GlyphSheet) -> None:
        self._layout, self._sheet = layout, sheet
        self._caps = _Caps(layout)
        self._keys: dict[str, tuple[object, ...]] = {}
        self._parts: dict[str, Quads] = {"ground": _ground(layout)}
        self._all = np.zeros(0, QUAD)
        self._lines: dict[tuple[str, float], list[str]] = {}  # how labels were broken

    def quads(self, controller: VirtualController) -> Quads:
        """Everything of `controller`, in the order to draw it; to be read before the next call."""
        layout, sheet, standing, held = (
            self._layout, self._sheet, controller.standing, controller.held,
        )  # fmt: skip
        state = (standing.hand, standing.wanted, held)
        keys, rings, caps = (
            tuple(part[some].tobytes() for part in state for some in slices) for slices in _SLICES
        )
        labels, over, says = standing.labels, controller.over, says_of(controller)
        self._part("keys", (keys, labels), lambda: _lit_keys(layout, standing, held))
        self._part("rings", rings, lambda: _encoders(layout, standing))
        self._part("caps", caps, lambda: self._caps.at(standing, held))
        self._part("over", (over,), lambda: _hover(layout, over))
        self._part("labels", (labels,), lambda: labels_of(layout, labels, sheet, self._lines))
        self._part("header", says, lambda: header_of(layout, *says, sheet))
        if not len(self._all):
            self._all = np.concatenate(list(self._parts.values()))
        return self._all

    def _part(self, name: str, key: tuple[object, ...], make: Callable[[], Quads]) -> None:
        """Have the quads of `name` made where `key` is another; they go where the old ones were."""
        if self._keys.get(name) == key:
            return
        self._keys[name], new = key, make()
        start = 0
        for other, quads in self._parts.items():
            if other == name:
                break
            start += len(quads)
        if len(self._all) and len(self._parts[name]) == len(new):
            self._all[start : start + len(new)] = new
        else:
            self._all = np.zeros(0, QUAD)
        self._parts[name] = new


def _ground(layout: Layout) -> Quads:
    """What lies below everything and never changes."""
    unit, boxes = layout.unit, layout.boxes
    slots = _slots(layout)
    wells = boxes[[*FADERS, *ENCODERS]] + np.array((0.15, 0.0, -0.3, 0.0)) * unit
    return np.concatenate([
        plate(*layout.panel, _PANEL, 0.42 * unit),
        plates(wells, _WELL, 0.35 * unit),
        plates(boxes[[BEND, PRESSURE]], _WELL, 0.35 * unit),
        plates(slots, _SLOT, 0.5 * slots[:, 2]),
    ])  # fmt: skip


def _hover(layout: Layout, over: int | None) -> Quads:
    return plates(layout.boxes[[] if over is None else [over]], _HOVER, 0.3 * layout.unit)


def _slots(layout: Layout) -> F64:
    """The slots that caps run in, (n, 4), in the order of `_STRIPS`."""
    boxes, unit = layout.boxes[_STRIPS], layout.unit
    slots: F64 = boxes.copy()
    slots[:, 2] = 0.3 * unit
    slots[:, 0] += 0.5 * (boxes[:, 2] - slots[:, 2])
    slots[:, 1] += 0.5 * layout.cap
    slots[:, 3] -= layout.cap
    return slots


class _Caps:
    """Amber columns up to the value, caps where the hand is, marks at the value."""

    def __init__(self, layout: Layout) -> None:
        unit, slots = layout.unit, _slots(layout)
        self._bottom, self._travel = slots[:, 1] + slots[:, 3], slots[:, 3]
        # The pitch is measured from its middle, everything else from below.
        self._start = np.where(_STRIPS == BEND, 0.5, 0.0)
        # Columns, caps, grooves in the caps, marks: (4, n, left top width height).
        self._rects = np.repeat(slots[None], 4, axis=0)
        middle = slots[:, 0] + 0.5 * slots[:, 2]
        sizes = ((1.5 * unit, layout.cap), (1.1 * unit, max(1.0, 0.08 * unit)))
        for rects, size in zip(self._rects[1:], (*sizes, (1.9 * unit, 0.16 * unit)), strict=True):
            rects[:, 0], rects[:, 2:] = np.rint(middle - 0.5 * size[0]), np.rint(size)
        self._mark = float(self._rects[3, 0, 3])
        count = len(slots)
        tints = np.repeat(np.array((_COLUMN, _CAP, (40, 42, 46, 255), AMBER)), count, axis=0)
        corners = np.repeat((0.5 * slots[0, 2], 0.2 * unit, 0.0, 0.08 * unit), count)
        self._quads = plates(self._rects, tints, corners)

    def at(self, standing: Standing, held: NDArray[np.bool_]) -> Quads:
        """As things stand; the same array every time."""
        rects, count = self._rects, len(self._bottom)
        wanted = standing.wanted[_STRIPS]
        known = np.isfinite(wanted)
        value = np.where(known, wanted, self._start)
        rects[0, :, 1] = self._bottom - np.maximum(value, self._start) * self._travel
        rects[0, :, 3] = np.abs(value - self._start) * self._travel
        at_hand = self._bottom - standing.hand[_STRIPS] * self._travel
        # On whole pixels, so that their edges are sharp.
        rects[1:3, :, 1] = np.rint(at_hand - 0.5 * rects[1:3, :, 3])
        rects[3, :, 1] = np.rint(self._bottom - value * self._travel - 0.5 * self._mark)
        rects[3, :, 3] = self._mark * known
        self._quads["rect"] = rects.reshape(-1, 4)
        self._quads["tint"][count : 2 * count] = np.where(held[_STRIPS, None], BRIGHT, _CAP)
        return self._quads


def _encoders(layout: Layout, standing: Standing) -> Quads:
    """A ring of lamps up to the value, and a dot on the knob for the hand."""
    boxes, radius = layout.boxes[_RINGS], layout.knob
    wanted, hand = standing.wanted[_RINGS], standing.hand[_RINGS]
    centres = boxes[:, :2] + 0.5 * boxes[:, 2:]
    lamps = centres[:, None] + 0.86 * radius * np.stack((np.sin(_TURN), -np.cos(_TURN)), axis=1)
    lit = np.linspace(0.0, 1.0, _LAMPS) <= wanted[:, None] + 1e-6  # nan lights none
    angle = _SWEEP * (2.0 * hand - 1.0)
    dots = centres + 0.42 * radius * np.stack((np.sin(angle), -np.cos(angle)), axis=1)
    return np.concatenate([
        _discs(centres, 0.66 * radius, _BODY),
        _discs(dots, 0.13 * radius, BRIGHT),
        _discs(lamps.reshape(-1, 2), 0.1 * radius,
               np.where(lit.reshape(-1, 1), AMBER, _DARK_LAMP)),
    ])  # fmt: skip


def _discs(centres: F64, radius: float, tints: Tint | NDArray[np.int_]) -> Quads:
    sides = np.broadcast_to(2.0 * radius, (len(centres), 2))
    return plates(np.column_stack((centres - radius, sides)), tints, radius)


def _lit_keys(layout: Layout, standing: Standing, held: NDArray[np.bool_]) -> Quads:
    """Pads and program buttons: grey, amber as far as they are lit, bright under a hand."""
    wanted = standing.wanted[KEYS]
    level = np.where(np.isfinite(wanted), wanted, 0.0)[:, None]
    bound = np.isfinite(wanted) | np.array([bool(standing.labels[key]) for key in KEYS])
    base = np.where(bound[:, None], (255, 255, 255, 40), (255, 255, 255, 16))
    tints = base + level * (np.array((205, 130, 22, 235)) - base)
    # Under a hand a key is opaque and has a white edge; the harder it is hit, the lighter it is.
    down = held[KEYS]
    strength = np.maximum(standing.hand[KEYS], 0.5 * held[KEYS])[down, None]
    tints[down, :3] = np.where(level[down] > 0.5, (205, 130, 22), 58.0 + 66.0 * strength)
    tints[down, 3] = 255.0
    boxes, edge = layout.boxes[KEYS], max(1.0, round(0.1 * layout.unit))
    edges = boxes[down] + np.array((-edge, -edge, 2.0 * edge, 2.0 * edge))
    return np.concatenate([
        plates(edges, BRIGHT, 0.3 * layout.unit + edge),
        plates(boxes, tints.astype(np.uint8), 0.3 * layout.unit),
    ])  # fmt: skip
