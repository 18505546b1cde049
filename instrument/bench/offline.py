"""(f) A film against the slower of its halves: render / max(decode, encode), in turn."""

from __future__ import annotations

import dataclasses
import statistics

import numpy as np

from instrument.bench.load import Background
from instrument.bench.rows import Effort, Row, row
from instrument.bench.stage import workspace
from instrument.bench.turns import in_turn, wall
from instrument.decoder.models import find_model
from instrument.decoder.runtime import open_decoder
from instrument.latent.sequence import ZSequence
from instrument.studio.encode import open_film
from instrument.studio.render import render
from instrument.timebase import FrameRate

_RATE = FrameRate(30)
_FRAMES = {256: 48, 512: 24, 1024: 12}
_TARGET = 1.05


def measure(effort: Effort) -> list[Row]:
    """A row for each size of picture."""
    sizes = _FRAMES if effort.full else {256: _FRAMES[256]}
    return [of_size(pixels, frames, effort.rounds) for pixels, frames in sizes.items()]


def of_size(pixels: int, frames: int, rounds: int) -> Row:
    """Films of the procedural model, H.264 of the usual quality."""
    model = dataclasses.replace(find_model("procedural"), size=(pixels, pixels))
    random = np.random.Generator(np.random.Philox(1))
    ends = random.standard_normal((2, *model.latent.shape))
    share = np.linspace(0, 1, frames)[:, None]
    z = ((1 - share) * ends[0] + share * ends[1]).astype(np.float32)  # neighbours look alike
    sequence, decoder = ZSequence(z, _RATE, model.latent), open_decoder(model)
    pictures = [decoder.decode(row[None], {})[0].copy() for row in z]

    def decode() -> None:
        for position in z:
            decoder.decode(position[None], {})

    with workspace() as folder:

        def encode() -> None:
            with open_film(folder / "bare.mp4", model.size, _RATE) as film:
                for picture in pictures:
                    film.write(picture)

        def whole() -> None:
            render(sequence, decoder, folder / "film.mp4")

        whole()
        with Background() as background:
            works = {"decode": wall(decode), "encode": wall(encode), "render": wall(whole)}
            taken = in_turn(works, rounds)
    shares = [
        whole / max(one, other)
        for whole, one, other in zip(taken["render"], taken["decode"], taken["encode"], strict=True)
    ]
    return row(
        f"film / max(decode, encode), {pixels} px", shares, "", target=_TARGET,
        background=background.cores, frames=frames,
        ms_a_frame={name: round(1e3 * statistics.median(seconds) / frames, 2)
                    for name, seconds in taken.items()},
    )  # fmt: skip
