"""A surface without a screen: for tests, for servers, for a show that is only recorded."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Callable
from typing import Any, Self

import moderngl
import numpy as np

from instrument import InstrumentError
from instrument.display.gl_loader import finishing
from instrument.display.look import Area, Size
from instrument.display.virtual_controller import VirtualController
from instrument.event import ControlEvent
from instrument.frame import U8


class Offscreen:
    """A framebuffer of `size` (width, height) in a context of its own; a `Surface`."""

    def __init__(self, size: Size) -> None:
        if min(size) < 1:
            raise InstrumentError(f"size {size[0]}x{size[1]}: needs at least 1x1 pixels")
        self.picture_area: Area | None = None
        self.controller: VirtualController | None = None
        self._size = size
        self._ctx: moderngl.Context | None = None
        self._framebuffer: moderngl.Framebuffer | None = None
        self._finish: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        self._ctx = _context()
        self._framebuffer = self._ctx.simple_framebuffer(self._size, 4)
        self._framebuffer.use()
        self._finish = _finish_of(self._ctx)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._framebuffer is not None:
            self._framebuffer.release()
        if self._ctx is not None:
            self._ctx.release()
            _let_go()
        self._framebuffer = self._ctx = self._finish = None

    @property
    def ctx(self) -> moderngl.Context:
        """The OpenGL context."""
        assert self._ctx is not None, "an Offscreen is opened by `with`"
        return self._ctx

    @property
    def framebuffer(self) -> moderngl.Framebuffer:
        """What to draw to."""
        assert self._framebuffer is not None, "an Offscreen is opened by `with`"
        return self._framebuffer

    @property
    def framebuffer_size(self) -> Size:
        """(width, height) in pixels; never changes."""
        return self._size

    @property
    def closed(self) -> bool:
        """Nobody can close what nobody sees."""
        return False

    @property
    def waits_for_refresh(self) -> bool:
        """There is no screen that could be refreshed."""
        return False

    def poll(self) -> list[ControlEvent]:
        """No hands reach it."""
        return []

    def wait_until_drawn(self) -> None:
        """Wait until everything is drawn: else it would be waited for in the next upload."""
        assert self._finish is not None, "an Offscreen is opened by `with`"
        self._finish()

    def swap(self) -> float:
        """There is nobody to show it to: 0 seconds."""
        return 0.0

    def toggle_fullscreen(self) -> None:
        """There is no screen to fill."""

    def notices(self) -> list[str]:
        """Nothing ever happens to it."""
        return []

    def read(self) -> U8:
        """What was drawn: ``U8[h, w, 3]``, top row first."""
        width, height = self._size
        # RGBA, for reading three bytes a pixel costs drivers ten times as much.
        pixels = np.frombuffer(self.framebuffer.read(components=4), np.uint8)
        return np.ascontiguousarray(pixels.reshape(height, width, 4)[::-1, :, :3])


def _finish_of(ctx: moderngl.Context) -> Callable[[], None]:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            find = ctypes.CDLL("libEGL.so.1").eglGetProcAddress
            find.restype = ctypes.c_void_p
            if address := find(b"glFinish"):
                return finishing(address)
    return ctx.finish


def _let_go() -> None:
    """Take the context off this thread, which moderngl leaves on it: under X11 a window opened
    later in the same process would be refused its own."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libEGL.so.1").eglReleaseThread()


def _context() -> moderngl.Context:
    settings: dict[str, Any] = {"backend": "egl"} if sys.platform == "linux" else {}
    try:
        return moderngl.create_context(require=330, standalone=True, **settings)
    except Exception as error:  # the loaders raise nothing more special
        remedy = (
            "install the Debian packages libegl1 and libgl1-mesa-dri"
            if sys.platform == "linux"
            else "install the driver of the graphics card"
        )
        reason = " ".join(str(error).split())
        raise InstrumentError(f"no OpenGL 3.3 without a window ({reason}): {remedy}") from error
