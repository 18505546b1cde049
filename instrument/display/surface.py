"""What one can draw to and be played from: a window, or a framebuffer nobody sees."""

from __future__ import annotations

from typing import Protocol, Self

import moderngl

from instrument.display.look import Area, Size
from instrument.display.virtual_controller import VirtualController
from instrument.event import ControlEvent


class Surface(Protocol):
    """`Window` and `Offscreen`, which are opened by ``with``."""

    #: Which pixels of the framebuffer show the picture: there the mouse is 0..1. None: all.
    picture_area: Area | None
    #: What takes the mouse where it is shown, and says what a hand does there. None: nothing.
    controller: VirtualController | None

    def __enter__(self) -> Self:
        """Open. Raises InstrumentError when there is no display, no OpenGL or no monitor."""
        ...

    def __exit__(self, *exception: object) -> None:
        """Close and give everything back."""
        ...

    @property
    def ctx(self) -> moderngl.Context:
        """The OpenGL 3.3 core context, current while the surface is open."""
        ...

    @property
    def framebuffer(self) -> moderngl.Framebuffer:
        """What to draw to."""
        ...

    @property
    def framebuffer_size(self) -> Size:
        """(width, height) in pixels; (0, 0) while minimised."""
        ...

    @property
    def closed(self) -> bool:
        """Whether somebody closed it."""
        ...

    @property
    def waits_for_refresh(self) -> bool:
        """Whether `swap` should return at a refresh of a screen."""
        ...

    def poll(self) -> list[ControlEvent]:
        """What hands did since the last poll, in order of time."""
        ...

    def wait_until_drawn(self) -> None:
        """Wait until the driver has drawn everything, while other threads go on."""
        ...

    def swap(self) -> float:
        """Show what was drawn; seconds it took."""
        ...

    def toggle_fullscreen(self) -> None:
        """Between window and full screen, if it can."""
        ...

    def notices(self) -> list[str]:
        """What the performer should know since the last asking: a monitor came, went, is not
        there."""
        ...
