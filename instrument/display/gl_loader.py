"""OpenGL in a window of GLFW's: how one is made, how functions are found, and what drivers need."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any, Self

from instrument import InstrumentError
from instrument.display.look import Size


def one_picture_at_a_time() -> None:
    """Ask NVIDIA's driver, before it is loaded, for no queue and for waiting that sleeps."""
    for name, value in (("__GL_MaxFramesAllowed", "1"), ("__GL_YIELD", "USLEEP")):
        os.environ.setdefault(name, value)


def create_window(glfw: Any, size: Size, title: str) -> Any:
    """A window with an OpenGL 3.3 core context. Raises InstrumentError where there is none."""
    glfw.default_window_hints()
    for hint, value in (
        (glfw.CONTEXT_VERSION_MAJOR, 3),
        (glfw.CONTEXT_VERSION_MINOR, 3),
        (glfw.OPENGL_PROFILE, glfw.OPENGL_CORE_PROFILE),
        (glfw.OPENGL_FORWARD_COMPAT, True),  # macOS gives no core context without
        (glfw.DEPTH_BITS, 0),
        (glfw.STENCIL_BITS, 0),
        # A click on the operator's screen must not fold up the output on the other.
        (glfw.AUTO_ICONIFY, False),
    ):
        glfw.window_hint(hint, value)
    window = glfw.create_window(*size, title, None, None)
    if not window:
        raise InstrumentError(
            "no window with OpenGL 3.3: install the driver of the graphics card"
            " (Debian: libgl1-mesa-dri), or play without a window (--headless)"
        )
    return window


def finishing(address: int) -> Callable[[], None]:
    """``glFinish`` at `address`, called so that other threads go on meanwhile.

    moderngl's own holds the interpreter for as long as the driver takes: till the next refresh, if
    need be. Measured: no hand was heard, and no decoder, for all of that time.
    """
    call = (getattr(ctypes, "WINFUNCTYPE", None) or ctypes.CFUNCTYPE)(None)
    return call(address)


class Loader:
    """Hands moderngl GLFW's own way to find GL functions: right on X11, Wayland, macOS alike."""

    def __init__(self, glfw: Any) -> None:
        self._glfw = glfw

    def load(self, name: str) -> int:
        """The address of the function `name`."""
        return ctypes.cast(self._glfw.get_proc_address(name), ctypes.c_void_p).value or 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None: ...

    def release(self) -> None:
        """Nothing was taken."""
