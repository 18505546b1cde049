"""One pass over a picture, along x or along y, by the program that suits its pace.

Three small programs, not one that chooses: a graphics card does not care, but where the processor
draws, what is not needed costs up to twice as much again as what is (measured).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import moderngl

from instrument.display.look import Placement, Size
from instrument.display.program import load_program

_PROGRAMS = {"exact": "exact", "grown": "pass", "shrunk": "pass"}  # and their vertex shaders


def program_for(pace: float, start: float) -> Literal["exact", "grown", "shrunk"]:
    """Which one: `pace` picture pixels per target pixel, from picture pixel `start` on."""
    if pace == 1.0 and start.is_integer():
        return "exact"
    return "grown" if pace <= 1.0 else "shrunk"


@dataclass(frozen=True, slots=True)
class Pass:
    """What a program is told.

    The picture goes to a viewport of `extent` (width, height) whose lower left corner is `corner`,
    along `axis` (0: x) as `placement` says. `flip`: row 0 of the target is at its bottom. `level`
    is a factor on code values.
    """

    axis: Literal[0, 1]
    placement: Placement
    extent: Size
    corner: Size = (0, 0)
    flip: bool = False
    level: float = 1.0


class Resampler:
    """Draws with `ctx`, which must be current, into whatever framebuffer is in use."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self._programs = {
            name: load_program(ctx, name, vertex=vertex) for name, vertex in _PROGRAMS.items()
        }
        self._triangles = {
            name: ctx.vertex_array(program, []) for name, program in self._programs.items()
        }
        self._told: dict[str, Pass] = {}  # a program remembers; to tell it takes time

    def draw(self, picture: moderngl.Texture, said: Pass) -> None:
        """Fill the viewport. The nearest texel of `picture` must count."""
        start, pace = said.placement.source[said.axis], said.placement.step[said.axis]
        name = program_for(pace, start)
        if self._told.get(name) != said:
            (self._tell_exact if name == "exact" else self._tell)(self._programs[name], said)
            self._told[name] = said
        picture.use(0)
        self._triangles[name].render(moderngl.TRIANGLES, vertices=3)

    def _tell_exact(self, program: moderngl.Program, said: Pass) -> None:
        start = said.placement.source[said.axis]
        program["begin"] = (0.0, start) if said.axis else (start, 0.0)
        program["extent"] = said.extent
        program["flip"] = said.flip
        program["level"] = said.level

    def _tell(self, program: moderngl.Program, said: Pass) -> None:
        program["axis"] = (0, 1) if said.axis else (1, 0)
        program["start"] = said.placement.source[said.axis]
        program["pace"] = said.placement.step[said.axis]
        program["corner"] = said.corner
        program["flip"] = said.extent[1] if said.flip else 0
        program["level"] = said.level

    def release(self) -> None:
        """Give everything back to the driver."""
        for name, program in self._programs.items():
            self._triangles[name].release()
            program.release()
