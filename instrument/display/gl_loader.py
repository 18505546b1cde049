"""How moderngl finds the functions of OpenGL in a window of GLFW's."""

from __future__ import annotations

import ctypes
from typing import Any, Self


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
