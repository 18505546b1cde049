"""What is written on the virtual controller: a label at every control, and a line above them."""

from __future__ import annotations

import numpy as np

from instrument.display.glyphs import GlyphSheet
from instrument.display.hud import wrap
from instrument.display.quads import AMBER, BRIGHT, DIM, Quads, Tint, letters
from instrument.display.virtual_controller import VirtualController
from instrument.display.virtual_layout import (
    BEND,
    CONTROLS,
    COUNT,
    PADS,
    PRESSURE,
    PROGRAMS,
    Layout,
)

KEYS = np.array((*PADS, *PROGRAMS))  # what has a light in it, and its label upon it
_HINT = "encoders: drag or wheel · with shift or the right button in steps"
_UNBOUND: Tint = (146, 151, 160, 255)
_NAMES = {BEND: "pitch", PRESSURE: "pressure"}
_NAMES |= {control: f"prog {number}" for number, control in enumerate(PROGRAMS, start=1)}


def label_pixels(layout: Layout) -> int:
    """Pixels per em of the labels: even, and never too small to be told apart."""
    return max(8, 2 * round(0.31 * layout.unit))


def header_of(layout: Layout, text: str, tint: Tint, hint: str, sheet: GlyphSheet) -> Quads:
    """The line above the controls: what is being learnt, or what the pointer is over."""
    left, top, width, height = layout.head
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


def says_of(controller: VirtualController) -> tuple[str, Tint, str]:
    """The header's text and its colour, and what stands at its end."""
    standing, over = controller.standing, controller.over
    if standing.armed:
        return f"learn {standing.armed}: move a control", AMBER, ""
    if over is None:
        return "virtual controller", DIM, _HINT
    said = [CONTROLS[over].replace("/", " "), *filter(None, [standing.labels[over]])]
    if over not in PROGRAMS:
        said.append(f"{standing.hand[over]:.2f}")
    return " · ".join(said), BRIGHT, _HINT


def labels_of(
    layout: Layout,
    labels: tuple[str, ...],
    sheet: GlyphSheet,
    known: dict[tuple[str, float], list[str]],
) -> Quads:
    """Every label in up to two lines, centred; of what nothing listens to its own name, dimmer."""
    places, leading = layout.labels, 1.2 * sheet.pixels
    texts: list[str] = []
    owners: list[int] = []
    lines: list[float] = []  # the line's place, counted from the label's middle
    for control in range(COUNT):
        name = _NAMES.get(control, CONTROLS[control].replace("/", " ").removeprefix("note "))
        key = (labels[control] or name, 0.94 * float(places[control, 2]))
        if key not in known:  # to break a label takes longer than all else here
            known[key] = _two_lines(*key, sheet)
        parts = known[key]
        texts += parts
        owners += [control] * len(parts)
        upon = control in KEYS
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
