"""A TOML to begin with, for a network that came without one.

What a torch.export file says of its inputs and outputs is filled in; the rest is guessed, and
marked as such. Nothing is opened here.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from instrument.decoder.program_archive import Facts
from instrument.decoder.programs import ARCHITECTURE, TRUNCATION

_GUESSED = "guessed, for the file does not say: "


def template(network: Path, facts: Facts) -> str:
    """The text of ``NAME.toml`` for the file `network`, with a sentence for every key."""
    shape, guessed_shape = _latent_of(facts)
    (height, width), layout, guessed_size = _picture_of(facts)
    stem = _plain(network.stem)
    lines = [
        f"# How {_plain(network.name)} is played: save this as {stem}.toml beside it, and correct "
        "it.",
        'format = "model/1"',
        f'architecture = "{ARCHITECTURE}"',
        f'name = "{stem[:100]}"',
        f"size = [{height}, {width}]  # {guessed_size}height and width of its pictures in pixels",
        "range = [-1, 1]  # black and full light in what it gives: [-1, 1], [0, 1] or [0, 255]",
        'colour = "RGB"  # or "BGR"',
        f'layout = "{layout}"  # NCHW: colour before height and width; NHWC: after them',
        'licence = "unknown"',
        'note = ""',
        "",
        "[latent]",
        f"shape = {shape}  # {guessed_shape}[numbers], or [layers, numbers]",
        'space = "z"  # or "w"',
        f"radius = {math.sqrt(shape[-1]):.6g}  # the root of its numbers; no such line: z is free",
        "",
        *_inputs_of(facts),
    ]
    return "\n".join(lines)


def _latent_of(facts: Facts) -> tuple[list[int], str]:
    """The shape of z, if the first input is a batch of one or two more axes; else a guess."""
    axes = facts.inputs[0].shape[1:] if facts.inputs else ()
    known = [size for size in axes if size is not None and size > 0]
    if len(known) == len(axes) and len(known) in (1, 2):
        return known, ""
    return [512], _GUESSED


def _picture_of(facts: Facts) -> tuple[tuple[int, int], str, str]:
    """Height, width and layout, if the only output is a batch of pictures; else a guess."""
    shape = facts.outputs[0].shape if len(facts.outputs) == 1 else ()
    if len(shape) == 4:
        colour_last = shape[3] in (1, 3) and shape[1] not in (1, 3)
        height, width = shape[1:3] if colour_last else shape[2:4]
        if height is not None and width is not None:
            return (height, width), "NHWC" if colour_last else "NCHW", ""
    return (256, 256), "NCHW", _GUESSED


def _inputs_of(facts: Facts) -> list[str]:
    title = f'[inputs]  # what it takes beside z, by name: numbers, or "{TRUNCATION}"'
    more = [f"{_key(value.name)} = 0" for value in facts.inputs[1:]]
    return [title, *more] if more else [f"# {title}", f'# psi = "{TRUNCATION}"', "# label = 3"]


def _plain(text: str) -> str:
    """`text` without what would end a line of TOML."""
    return re.sub(r"[^\w .,()+@&-]", "_", text)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{_plain(name)}"'
