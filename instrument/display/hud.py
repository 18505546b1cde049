"""The small display over the picture: what it says and where each piece of it goes.

Pure: `layout` makes an array of rectangles, `HudPainter` draws it. Knows no performance; whoever
writes the lines does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from instrument.display.glyphs import GlyphSheet
from instrument.display.look import Size
from instrument.display.quads import (
    AMBER,
    BRIGHT,
    DIM,
    PLATE,
    QUAD,
    RED,
    Quads,
    letters,
    plate,
)

_MOST_MESSAGE_LINES = 4


@dataclass(frozen=True, slots=True)
class Hud:
    """What the performer reads on the picture.

    A tab in a line parts a dim label from its value; the values then stand in one column.
    `message` is shown at the bottom for as long as it is given.
    """

    lines: tuple[str, ...] = ()
    recording: bool = False
    message: str | None = None


def text_pixels(size: Size) -> int:
    """Pixels per em for a target of `size`: even, so that a window being drawn larger by hand
    needs a new glyph sheet only now and then."""
    return min(64, max(12, 2 * round(min(size) / 92)))


def layout(hud: Hud, size: Size, sheet: GlyphSheet) -> Quads:
    """Everything `hud` shows on a target of `size` (width, height), in the order to draw it."""
    parts = []
    if hud.lines:
        parts += _panel(hud.lines, size, sheet)
    if hud.recording:
        parts += _lamp(size, sheet)
    if hud.message:
        parts += _message(hud.message, size, sheet)
    return np.concatenate(parts) if parts else np.zeros(0, QUAD)


def _panel(lines: tuple[str, ...], size: Size, sheet: GlyphSheet) -> list[Quads]:
    em, margin = sheet.pixels, _margin(sheet)
    pad, leading = round(0.6 * em), round(1.38 * em)
    room = max(0, (size[1] - 2 * margin - 2 * pad) // leading)
    pairs = [line.partition("\t") for line in lines[:room]]
    if not pairs:
        return []
    setting = sheet.set([pair[0] for pair in pairs] + [pair[2] for pair in pairs])
    heads, values = setting.widths[: len(pairs)], setting.widths[len(pairs) :]
    parted = np.array([bool(pair[1]) for pair in pairs])
    column = np.float32(heads[parted].max(initial=0.0) + round(0.9 * em)) if parted.any() else 0
    widest = max(heads.max(), (values[parted] + column).max(initial=0.0))
    width = min(float(widest), size[0] - 2 * margin - 2 * pad)
    left, top = margin + pad, margin + pad
    baselines = top + _ascent(sheet) + leading * np.arange(len(pairs), dtype=np.float32)
    tints = np.array([DIM if split else BRIGHT for split in parted] + [BRIGHT] * len(pairs))
    text = letters(
        sheet,
        setting.glyphs,
        x=setting.pens + left + np.where(setting.texts < len(pairs), 0, column),
        y=baselines[setting.texts % len(pairs)],
        tint=tints[setting.texts],
    )
    height = 2 * pad + leading * (len(pairs) - 1) + _cap_to_descent(sheet)
    back = plate(margin, margin, width + 2 * pad, height, PLATE, 0.42 * em)
    # What does not fit ends at the plate's edge.
    fits = text["rect"][:, 0] + text["rect"][:, 2] <= left + width + 1
    return [back, text[fits]]


def _lamp(size: Size, sheet: GlyphSheet) -> list[Quads]:
    em, margin = sheet.pixels, _margin(sheet)
    setting = sheet.set(["REC"])
    disc, pad, gap = round(0.66 * em), round(0.5 * em), round(0.4 * em)
    height = 2 * pad + disc
    width = pad + disc + gap + float(setting.widths[0]) + round(0.65 * em)
    left = size[0] - margin - width
    middle = margin + height / 2
    baseline = round(middle + 0.355 * em)  # half the height of a capital below the middle
    return [
        plate(left, margin, width, height, PLATE, height / 2),
        plate(left + pad, middle - disc / 2, disc, disc, RED, disc / 2),
        letters(
            sheet,
            setting.glyphs,
            x=setting.pens + round(left + pad + disc + gap),
            y=np.full(len(setting.glyphs), baseline, np.float32),
            tint=np.array(BRIGHT),
        ),
    ]


def _message(message: str, size: Size, sheet: GlyphSheet) -> list[Quads]:
    em, margin = sheet.pixels, _margin(sheet)
    pad, leading, bar = round(0.6 * em), round(1.38 * em), max(2, round(0.2 * em))
    room = size[0] - 2 * margin - 3 * pad - bar
    setting = sheet.set(wrap(message, min(room, 46 * em), sheet))
    rows = len(setting.widths)
    width = min(float(setting.widths.max()), room) + 3 * pad + bar
    height = 2 * pad + leading * (rows - 1) + _cap_to_descent(sheet)
    left = round((size[0] - width) / 2)
    top = size[1] - margin - height
    baselines = top + pad + _ascent(sheet) + leading * np.arange(rows, dtype=np.float32)
    text = letters(
        sheet,
        setting.glyphs,
        x=setting.pens + left + bar + 2 * pad,
        y=baselines[setting.texts],
        tint=np.array(BRIGHT),
    )
    fits = text["rect"][:, 0] + text["rect"][:, 2] <= left + width
    return [
        plate(left, top, width, height, PLATE, 0.42 * em),
        plate(left + pad, top + pad, bar, height - 2 * pad, AMBER, bar / 2),
        text[fits],
    ]


def wrap(text: str, width: float, sheet: GlyphSheet) -> list[str]:
    """`text` in lines of at most `width` pixels, broken between words; the end of a text that
    is far too long is left out."""
    lines: list[str] = []
    reached = width + 1.0  # so that the first word opens the first line
    blank = float(sheet.set([" "]).widths[0])
    words = text.split()
    for word, long in zip(words, sheet.set(words).widths if words else (), strict=True):
        if reached + blank + long > width:
            if len(lines) == _MOST_MESSAGE_LINES:
                lines[-1] += "…"
                break
            lines.append(word)
            reached = float(long)
        else:
            lines[-1] += " " + word
            reached += blank + float(long)
    return lines or [""]


def _margin(sheet: GlyphSheet) -> int:
    return round(0.8 * sheet.pixels)


def _ascent(sheet: GlyphSheet) -> int:
    """From the top of a capital to the baseline."""
    return round(0.72 * sheet.pixels)


def _cap_to_descent(sheet: GlyphSheet) -> int:
    """A plate ends a little below the baseline, or text sits too high in it."""
    return round(0.80 * sheet.pixels)
