"""Which monitors there are, and which one a performer means.

GLFW is imported when somebody asks, never before: without a display it is not touched at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instrument import InstrumentError
from instrument.display.look import Size


@dataclass(frozen=True, slots=True)
class Monitor:
    """One screen of the desktop; lengths in the desktop's own units."""

    index: int  # 0 is the main one
    name: str
    size: Size
    position: tuple[int, int]
    refresh: float | None  # Hz; None where the system does not say (0 Hz in some X servers)


def display_available(
    environment: Mapping[str, str] | None = None, platform: str = sys.platform
) -> bool:
    """Whether a window can be hoped for, told without touching GLFW."""
    if platform in ("darwin", "win32"):
        return True
    environment = os.environ if environment is None else environment
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def start_glfw() -> Any:
    """GLFW, ready for use; may be called again. Raises InstrumentError when it cannot be."""
    if not display_available():
        raise InstrumentError(
            "no display: set DISPLAY or WAYLAND_DISPLAY, or play without a window (--headless)"
        )
    try:
        import glfw
    except ImportError as error:
        raise InstrumentError(f"the window library GLFW cannot be loaded: {error}") from error
    told: list[str] = []
    # GLFW reports here what it cannot do, like moving a window on Wayland; none of it may
    # become a warning on the console in the middle of a show.
    glfw.set_error_callback(lambda code, text: told.append(_text(text)))
    if not glfw.init():
        reason = told[-1] if told else "no reason given"
        raise InstrumentError(
            f"no window on display {os.environ.get('DISPLAY', '')!r} ({reason}):"
            " check DISPLAY, or play without a window (--headless)"
        )
    glfw.set_error_callback(_ignore)
    return glfw


def _ignore(code: int, text: object) -> None:
    """Every call whose failure matters is judged by what it returns."""


def _text(text: object) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def monitors() -> list[Monitor]:
    """The monitors of the desktop, the main one first. Raises InstrumentError: no display."""
    glfw = start_glfw()
    seen = [_monitor(glfw, index, handle) for index, handle in enumerate(glfw.get_monitors())]
    return [monitor for monitor in seen if monitor is not None]


def _monitor(glfw: Any, index: int, handle: Any) -> Monitor | None:
    try:
        mode = glfw.get_video_mode(handle)
    except ValueError:  # unplugged a moment ago: GLFW still lists it, and has no mode for it
        return None
    return Monitor(
        index=index,
        name=_text(glfw.get_monitor_name(handle)),
        size=(mode.size.width, mode.size.height),
        position=tuple(glfw.get_monitor_pos(handle)),
        refresh=float(mode.refresh_rate) if mode.refresh_rate else None,
    )


def choose(present: Sequence[Monitor], wanted: int | str) -> Monitor | None:
    """The monitor with this index or name, or with a name that holds it; None: not there.

    A text that is no name but a number is an index.
    """
    if isinstance(wanted, int):
        return next((m for m in present if m.index == wanted), None)
    folded = wanted.casefold().strip()
    for monitor in present:
        if monitor.name.casefold() == folded:
            return monitor
    if folded.isdecimal():
        return choose(present, int(folded))
    return next((m for m in present if folded and folded in m.name.casefold()), None)


def under(present: Sequence[Monitor], position: tuple[int, int], size: Size) -> Monitor | None:
    """The monitor that shows most of a window."""

    def shared(monitor: Monitor) -> int:
        spans = [
            min(position[i] + size[i], monitor.position[i] + monitor.size[i])
            - max(position[i], monitor.position[i])
            for i in (0, 1)
        ]
        return max(0, spans[0]) * max(0, spans[1])

    return max(present, key=shared, default=None)
