"""One pass over a picture, along x or along y, by the program that suits its pace.

Three small programs, not one that chooses: a graphics card does not care, but where the processor
draws, what is not needed costs up to twice as much again as what is (measured).
"""

from __future__ import annotations

from typing import Literal

import moderngl

from instrument.display.look import Placement, Size
from instrument.display.program import load_program

_PROGRAMS = ("exact", "grown", "shrunk")


def program_for(pace: float, start: float) -> Literal["exact", "grown", "shrunk"]:
    """Which one: `pace` picture pixels per target pixel, from picture pixel `start` on."""
    if pace == 1.0 and start.is_integer():
        return "exact"
    return "grown" if pace <= 1.0 else "shrunk"


class Resampler:
    """Draws with `ctx`, which must be current, into whatever framebuffer is in use."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self._programs = {name: load_program(ctx, name, vertex="pass") for name in _PROGRAMS}
        self._triangles = {
            name: ctx.vertex_array(program, []) for name, program in self._programs.items()
        }

    def draw(
        self, picture: moderngl.Texture, axis: Literal[0, 1], placement: Placement, *,
        corner: Size = (0, 0), flip: int = 0, level: float = 1.0,
    ) -> None:  # fmt: skip
        """Fill the viewport, whose lower left corner is `corner`.

        `flip` is the height of an area whose row 0 is at the bottom, else 0; `level` a factor on
        code values.
        """
        start, pace = placement.source[axis], placement.step[axis]
        name = program_for(pace, start)
        program = self._programs[name]
        picture.use(0)
        program["axis"] = (1, 0) if axis == 0 else (0, 1)
        program["start"] = start
        program["corner"] = corner
        program["flip"] = flip
        program["level"] = level
        if name != "exact":
            program["pace"] = pace
        self._triangles[name].render(moderngl.TRIANGLES, vertices=3)

    def release(self) -> None:
        """Give everything back to the driver."""
        for name, program in self._programs.items():
            self._triangles[name].release()
            program.release()
