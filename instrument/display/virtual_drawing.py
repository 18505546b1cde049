"""How the virtual controller looks, as quads: plates, discs and letters. Knows no GL and no mouse.

White is what the hand set, amber what the instrument has: a fader's cap stands where the hand left
it, its amber column and mark where the value is; the lamps round an encoder and the light in a pad
are the instrument's too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instrument.display.glyphs import GlyphSheet
from instrument.display.hud import wrap
from instrument.display.quads import AMBER, BRIGHT, DIM, PLATE, Quads, Tint, letters, plate, plates
from instrument.display.virtual_controller import VirtualController
from instrument.display.virtual_feedback import Standing
from instrument.display.virtual_layout import (
    BEND,
    CONTROLS,
    COUNT,
    ENCODERS,
    FADERS,
    PADS,
    PRESSURE,
    PROGRAMS,
    Layout,
)
from instrument.latent.space import F64

_HINT = "encoders: drag or wheel · with shift or the right button in steps"
_WELL: Tint = (255, 255, 255, 20)
_SLOT: Tint = (0, 0, 0, 150)
_BODY: Tint = (52, 55, 60, 255)
_DARK_LAMP: Tint = (255, 255, 255, 38)
_COLUMN: Tint = (255, 190, 66, 150)
_UNBOUND: Tint = (146, 151, 160, 255)
_PANEL: Tint = (*PLATE[:3], 216)  # so many small things ask for a calmer ground
_HOVER: Tint = (255, 255, 255, 16)
_LAMPS = 15  # round an encoder
_SWEEP = np.radians(135.0)  # to either side of the top
_STRIPS = (*FADERS, BEND, PRESSURE)  # what has a cap
_KEYS = (*PADS, *PROGRAMS)  # what has a light in it
_TURN = np.linspace(-_SWEEP, _SWEEP, _LAMPS)
_NAMES = {BEND: "pitch", PRESSURE: "pressure"}
_NAMES |= {control: f"prog {number}" for number, control in enumerate(PROGRAMS, start=1)}


def label_pixels(layout: Layout) -> int:
    """Pixels per em of the labels: even, and never too small to be told apart."""
    return max(8, 2 * round(0.31 * layout.unit))


def background(layout: Layout, labels: tuple[str, ...], sheet: GlyphSheet) -> tuple[Quads, Quads]:
    """What only labels change: what lies below everything, and the letters above it."""
    unit, boxes = layout.unit, layout.boxes
    slots = _slots(layout, list(_STRIPS))
    wells = boxes[[*FADERS, *ENCODERS]] + np.array((0.15, 0.0, -0.3, 0.0)) * unit
    below = [
        plate(*layout.panel, _PANEL, 0.42 * unit),
        plates(wells, _WELL, 0.35 * unit),
        plates(boxes[[BEND, PRESSURE]], _WELL, 0.35 * unit),
        plates(slots, _SLOT, 0.5 * slots[:, 2]),
    ]
    return np.concatenate(below), _labels(layout, labels, sheet)


def foreground(controller: VirtualController, layout: Layout) -> Quads:
    """What hands and the instrument move: caps, columns, lamps."""
    standing = controller.standing
    parts = [
        _lit_keys(layout, standing, controller.held),
        _encoders(layout, standing),
        _caps(layout, standing, controller.held),
    ]
    if controller.over is not None:
        parts.append(plates(layout.boxes[controller.over], _HOVER, 0.3 * layout.unit))
    return np.concatenate(parts)


def header(controller: VirtualController, layout: Layout, sheet: GlyphSheet) -> Quads:
    """The line above the controls: what is being learnt, or what the pointer is over."""
    left, top, width, height = layout.head
    text, tint = _says(controller)
    hint = "" if controller.standing.armed else _HINT
    setting = sheet.set([text, hint])
    ends_at = left + width
    apart = float(setting.widths.sum()) + 2.0 * sheet.pixels <= width
    starts = np.array((left, ends_at - setting.widths[1]), np.float32)
    quads = letters(
        sheet,
        setting.glyphs,
        x=setting.pens + starts[setting.texts],
        y=np.full(len(setting.glyphs), top + 0.5 * height + 0.45 * sheet.pixels, np.float32),
        tint=np.array((tint, _UNBOUND))[setting.texts],
    )
    fits = (setting.texts == 0) | apart
    shown: Quads = quads[fits & (quads["rect"][:, 0] + quads["rect"][:, 2] <= ends_at + 1)]
    return shown


def _says(controller: VirtualController) -> tuple[str, Tint]:
    standing, over = controller.standing, controller.over
    if standing.armed:
        return f"learn {standing.armed}: move a control", AMBER
    if over is None:
        return "virtual controller", DIM
    said = [CONTROLS[over].replace("/", " "), *filter(None, [standing.labels[over]])]
    if over not in PROGRAMS:
        said.append(f"{standing.hand[over]:.2f}")
    return " · ".join(said), BRIGHT


def _slots(layout: Layout, controls: list[int]) -> F64:
    """The slot a cap runs in, (n, 4)."""
    boxes, unit = layout.boxes[controls], layout.unit
    slots = boxes.copy()
    slots[:, 2] = 0.3 * unit
    slots[:, 0] += 0.5 * (boxes[:, 2] - slots[:, 2])
    slots[:, 1] += 0.5 * layout.cap
    slots[:, 3] -= layout.cap
    return slots


def _caps(layout: Layout, standing: Standing, held: NDArray[np.bool_]) -> Quads:
    """Amber columns up to the value, marks at it, and caps where the hand is."""
    controls, unit = list(_STRIPS), layout.unit
    slots = _slots(layout, controls)
    wanted, hand = standing.wanted[controls], standing.hand[controls]
    bottom = slots[:, 1] + slots[:, 3]
    known = np.isfinite(wanted)
    value = np.where(known, wanted, 0.0)
    # The pitch is measured from its middle, everything else from below.
    start = np.where(np.array(controls) == BEND, 0.5, 0.0)
    columns = slots.copy()
    columns[:, 1] = bottom - np.maximum(value, start) * slots[:, 3]
    columns[:, 3] = np.abs(value - start) * slots[:, 3]
    middle, width = slots[:, 0] + 0.5 * slots[:, 2], 1.9 * unit
    marks = _bars(middle, bottom - value * slots[:, 3], width, 0.16 * unit)
    caps = _bars(middle, bottom - hand * slots[:, 3], 1.5 * unit, layout.cap)
    grooves = _bars(middle, bottom - hand * slots[:, 3], 1.1 * unit, max(1.0, 0.08 * unit))
    tints = np.where(held[controls, None], BRIGHT, (205, 209, 216, 255))
    return np.concatenate([
        plates(columns[known], _COLUMN, 0.5 * slots[0, 2]),
        plates(caps, tints, 0.2 * unit),
        plates(grooves, (40, 42, 46, 255), 0.0),
        plates(marks[known], AMBER, 0.08 * unit),
    ])  # fmt: skip


def _bars(middle: F64, y: F64, width: float, height: float) -> F64:
    """Bars centred at (`middle`, `y`), (n, 4), on whole pixels so that their edges are sharp."""
    size = np.broadcast_to((width, height), (len(y), 2))
    bars: F64 = np.rint(np.column_stack((middle - 0.5 * width, y - 0.5 * height, size)))
    return bars


def _encoders(layout: Layout, standing: Standing) -> Quads:
    """A ring of lamps up to the value, and a dot on the knob for the hand."""
    boxes, radius = layout.boxes[list(ENCODERS)], layout.knob
    wanted, hand = standing.wanted[list(ENCODERS)], standing.hand[list(ENCODERS)]
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
    keys = list(_KEYS)
    wanted = standing.wanted[keys]
    level = np.where(np.isfinite(wanted), wanted, 0.0)[:, None]
    bound = np.isfinite(wanted) | np.array([bool(standing.labels[key]) for key in keys])
    base = np.where(bound[:, None], (255, 255, 255, 40), (255, 255, 255, 16))
    tints = base + level * (np.array((205, 130, 22, 235)) - base)
    # Under a hand a key is opaque and has a white edge; the harder it is hit, the lighter it is.
    down = held[keys]
    strength = np.maximum(standing.hand[keys], 0.5 * held[keys])[down, None]
    tints[down, :3] = np.where(level[down] > 0.5, (205, 130, 22), 58.0 + 66.0 * strength)
    tints[down, 3] = 255.0
    boxes, edge = layout.boxes[keys], max(1.0, round(0.1 * layout.unit))
    edges = boxes[down] + np.array((-edge, -edge, 2.0 * edge, 2.0 * edge))
    return np.concatenate([
        plates(edges, BRIGHT, 0.3 * layout.unit + edge),
        plates(boxes, tints.astype(np.uint8), 0.3 * layout.unit),
    ])  # fmt: skip


def _labels(layout: Layout, labels: tuple[str, ...], sheet: GlyphSheet) -> Quads:
    """Every label in up to two lines, centred; of what nothing listens to its own name, dimmer."""
    places, leading = layout.labels, 1.2 * sheet.pixels
    texts: list[str] = []
    owners: list[int] = []
    lines: list[float] = []  # the line's place, counted from the label's middle
    for control in range(COUNT):
        name = _NAMES.get(control, CONTROLS[control].replace("/", " ").removeprefix("note "))
        parts = _two_lines(labels[control] or name, 0.94 * float(places[control, 2]), sheet)
        texts += parts
        owners += [control] * len(parts)
        upon = control in _KEYS
        first = -0.5 * (len(parts) - 1) if upon else -0.5
        lines += [first + number for number in range(len(parts))]
    setting = sheet.set(texts)
    boxes = places[owners]
    starts = boxes[:, 0] + 0.5 * (boxes[:, 2] - setting.widths)
    baselines = boxes[:, 1] + 0.5 * boxes[:, 3] + 0.36 * sheet.pixels + leading * np.array(lines)
    bound = np.array([bool(labels[owner]) for owner in owners])
    tints = np.where(bound[:, None], BRIGHT, _UNBOUND)
    return letters(
        sheet,
        setting.glyphs,
        x=(setting.pens + np.rint(starts)[setting.texts]).astype(np.float32),
        y=np.rint(baselines)[setting.texts].astype(np.float32),
        tint=tints[setting.texts],
    )


def _two_lines(text: str, width: float, sheet: GlyphSheet) -> list[str]:
    """`text` broken between words into two lines at most. Where there is no room for all of it,
    what comes first goes: it is the group, which neighbours share."""
    words = text.split()
    lines = wrap(text, width, sheet)
    while len(words) > 1 and (len(lines) > 2 or sheet.set(lines).widths.max() > width):
        words = words[1:]
        lines = wrap(" ".join(words), width, sheet)
    return [_cut(line, width, sheet) for line in lines]


def _cut(line: str, width: float, sheet: GlyphSheet) -> str:
    if float(sheet.set([line]).widths[0]) <= width:
        return line
    while line and float(sheet.set([line + "…"]).widths[0]) > width:
        line = line[:-1]
    return line.rstrip() + "…"
