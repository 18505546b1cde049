"""The window on stage: where the picture appears and where keys and mouse are played.

Knows neither pictures nor what a key means: it hands out events and a framebuffer. GLFW is
imported only when a window is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import moderngl

from instrument import InstrumentError
from instrument.display.gl_loader import (
    Loader,
    create_window,
    finishing,
    one_picture_at_a_time,
)
from instrument.display.input import Input
from instrument.display.look import Area, Size
from instrument.display.monitors import (
    Monitor,
    choose,
    display_available,
    monitors,
    start_glfw,
    under,
)
from instrument.display.swap_watch import SwapWatch
from instrument.display.virtual_controller import VirtualController
from instrument.event import ControlEvent
from instrument.timebase import Clock, WallClock

__all__ = ["Monitor", "Window", "display_available", "monitors"]


class Window:
    """A window of `size` (width, height) with an OpenGL 3.3 core context; a `Surface`.

    `fullscreen` names a monitor by index (0 is the main one) or name and opens there; if it is
    missing the window stays a window and says so in `notices`. Events bear times of `clock`.
    """

    def __init__(
        self,
        size: Size = (1280, 720),
        title: str = "latent-instrument",
        *,
        clock: Clock,
        fullscreen: int | str | None = None,
        vsync: bool = True,
    ) -> None:
        if min(size) < 1:
            raise InstrumentError(f"size {size[0]}x{size[1]}: needs at least 1x1 pixels")
        self.picture_area: Area | None = None
        self._size = size
        self._title = title
        self._wanted = fullscreen
        self._vsync = vsync
        self._stopwatch = WallClock()  # a swap takes real seconds, whatever `clock` counts
        self._input = Input(clock)
        self._watch = SwapWatch()
        self._notices: list[str] = []
        self._filled: Monitor | None = None  # the monitor it fills
        self._missing: int | str | None = None  # the monitor to fill as soon as it is there
        self._monitors_changed = False
        self._windowed = (0, 0, *size)
        self._framebuffer_size: Size = (0, 0)
        self._iconified = False
        self._pointer_shown = True
        self._glfw: Any = None
        self._window: Any = None
        self._ctx: moderngl.Context | None = None
        self._finish: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        one_picture_at_a_time()
        self._glfw = start_glfw()
        self._glfw.poll_events()  # what was plugged since GLFW last looked
        self._window = create_window(self._glfw, self._size, self._title)
        self._glfw.make_context_current(self._window)
        loader: Any = Loader(self._glfw)
        try:
            self._ctx = moderngl.create_context(require=330, context=loader)
        except Exception as error:  # moderngl raises nothing more special
            self.__exit__()
            raise InstrumentError(f"no OpenGL 3.3 in the window: {error}") from error
        self._finish = finishing(loader.load("glFinish"))
        self._listen()
        self._framebuffer_size = self._glfw.get_framebuffer_size(self._window)
        self._pace()
        if self._wanted is not None:
            self._open_on(self._wanted)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._ctx is not None:
            self._ctx.release()
            self._ctx = None
        if self._window is not None:
            # Not None: the binding would call the 0 it turns that into.
            self._glfw.set_monitor_callback(lambda *_: None)
            # GLFW itself stays up until the process ends: it is cheap, and another window or
            # `monitors` may be using it.
            self._glfw.destroy_window(self._window)
            self._window = None

    def _listen(self) -> None:
        glfw, window, hands = self._glfw, self._window, self._input

        def key(_: Any, key: int, scancode: int, action: int, mods: int) -> None:
            hands.key(key, scancode, action, mods, glfw.get_key_name(key, scancode))

        glfw.set_key_callback(window, key)
        glfw.set_cursor_pos_callback(window, lambda _, x, y: self._pointer(x, y))
        glfw.set_mouse_button_callback(window, lambda _, b, action, mods: hands.button(b, action))
        glfw.set_scroll_callback(window, lambda _, x, y: hands.wheel(y, x))
        glfw.set_framebuffer_size_callback(window, lambda _, w, h: self._resized(w, h))
        glfw.set_window_iconify_callback(window, lambda _, now: self._minimised(bool(now)))
        glfw.set_window_focus_callback(window, lambda _, now: self._focused(bool(now)))
        glfw.set_monitor_callback(lambda *_: self._note_monitors())

    def _resized(self, width: int, height: int) -> None:
        self._framebuffer_size = (width, height)

    def _minimised(self, now: bool) -> None:
        self._iconified = now

    def _note_monitors(self) -> None:
        # Moving a window from within this callback is not allowed; `poll` does it.
        self._monitors_changed = True

    def _focused(self, now: bool) -> None:
        if now and self._watch.focus_came():
            self._pace()

    def _pointer(self, x: float, y: float) -> None:
        """`x`, `y` in the window's own units, y downwards, as GLFW gives them."""
        units = self._glfw.get_window_size(self._window)
        width, height = self._framebuffer_size
        if min(width, height, *units) < 1:
            return
        x, y = x * width / units[0], y * height / units[1]
        if self._input.aim(x, y):
            return
        area = self.picture_area or Area(0, 0, width, height)
        # From pixel centre to pixel centre, so that the outermost pixels are 0 and 1.
        across = (x - area.x) / max(1, area.width - 1)
        down = (y - area.y) / max(1, area.height - 1)
        self._input.pointer(across, 1.0 - down)

    def _pace(self) -> None:
        self._glfw.swap_interval(1 if self.waits_for_refresh else 0)

    @property
    def controller(self) -> VirtualController | None:
        """The virtual controller that takes what the mouse does on it."""
        return self._input.controller

    @controller.setter
    def controller(self, controller: VirtualController | None) -> None:
        self._input.controller = controller

    @property
    def ctx(self) -> moderngl.Context:
        """The OpenGL context, current while the window is open."""
        assert self._ctx is not None, "a Window is opened by `with`"
        return self._ctx

    @property
    def framebuffer(self) -> moderngl.Framebuffer:
        """What to draw to."""
        return self.ctx.screen

    @property
    def framebuffer_size(self) -> Size:
        """(width, height) in pixels; (0, 0) while minimised."""
        return (0, 0) if self._iconified else self._framebuffer_size

    @property
    def closed(self) -> bool:
        """Whether somebody closed the window."""
        return self._window is None or bool(self._glfw.window_should_close(self._window))

    @property
    def monitor(self) -> Monitor | None:
        """The monitor the window fills; None while it is a window."""
        return self._filled

    def notices(self) -> list[str]:
        """What the performer should know since the last asking."""
        notices, self._notices = self._notices, []
        return notices

    @property
    def waits_for_refresh(self) -> bool:
        """Whether a swap waits for the screen: not in a window that nobody sees."""
        return self._vsync and self._watch.waits

    def poll(self) -> list[ControlEvent]:
        """What hands did since the last poll, in order of time."""
        self._glfw.poll_events()
        if self._monitors_changed:
            self._monitors_changed = False
            self._follow_monitors()
        self._show_pointer()
        return self._input.take()

    def wait_until_drawn(self) -> None:
        """Wait until the driver has drawn everything, while other threads go on."""
        assert self._finish is not None, "a Window is opened by `with`"
        self._finish()

    def swap(self) -> float:
        """Show what was drawn; seconds it took, 0 while minimised."""
        if min(self.framebuffer_size) < 1:
            return 0.0  # some systems wait for ever for a window without a pixel
        begun = self._stopwatch.now()
        self._glfw.swap_buffers(self._window)
        # Some drivers take two or three pictures before they wait, each a refresh older than the
        # next. Only what is on the screen is done.
        self.wait_until_drawn()
        took = self._stopwatch.now() - begun
        if self._watch.took(took) and self._vsync:
            self._pace()
            self._notices.append(
                "the window seems covered: not waiting for the screen until it has the focus"
            )
        return took

    def toggle_fullscreen(self) -> None:
        """Fill the chosen monitor, or the one the window is on; or be a window again."""
        self._missing = None
        if self._filled is not None:
            self._be_window()
        elif self._wanted is not None:
            self._open_on(self._wanted)
        else:
            glfw, window = self._glfw, self._window
            here = under(monitors(), glfw.get_window_pos(window), glfw.get_window_size(window))
            if here is not None:
                self._fill(here)

    def _open_on(self, wanted: int | str) -> None:
        present = monitors()
        monitor = choose(present, wanted)
        if monitor is None:
            self._missing = wanted
            names = ", ".join(f"{m.index} {m.name}" for m in present) or "none"
            self._notices.append(f"no monitor {wanted}: shown in a window; there is {names}")
            return
        self._fill(monitor)

    def _fill(self, monitor: Monitor) -> None:
        glfw, window = self._glfw, self._window
        if self._filled is None:
            self._windowed = (*glfw.get_window_pos(window), *glfw.get_window_size(window))
        handle = glfw.get_monitors()[monitor.index]
        # The monitor's own mode: a projector that has to find a new one goes dark for seconds.
        rate = round(monitor.refresh) if monitor.refresh else glfw.DONT_CARE
        glfw.set_window_monitor(window, handle, 0, 0, *monitor.size, rate)
        self._filled, self._missing = monitor, None
        self._moved()

    def _be_window(self) -> None:
        glfw, window = self._glfw, self._window
        glfw.set_window_monitor(window, None, *self._windowed, glfw.DONT_CARE)
        self._filled = None
        self._moved()

    def _show_pointer(self) -> None:
        """No arrow over a picture that fills a screen, unless there is something to point at."""
        shown = self._filled is None or (self.controller is not None and self.controller.shown)
        if shown != self._pointer_shown:
            glfw = self._glfw
            mode = glfw.CURSOR_NORMAL if shown else glfw.CURSOR_HIDDEN
            glfw.set_input_mode(self._window, glfw.CURSOR, mode)
            self._pointer_shown = shown

    def _moved(self) -> None:
        self._show_pointer()
        self._framebuffer_size = self._glfw.get_framebuffer_size(self._window)
        self._pace()  # some drivers forget the swap interval with the monitor

    def _follow_monitors(self) -> None:
        """A projector was unplugged or came back: it alone may be filled, no other screen."""
        present = monitors()
        if self._filled is not None and choose(present, self._filled.name) is None:
            self._missing = gone = self._filled.name
            self._be_window()
            self._notices.append(f"monitor {gone} is gone: shown in a window until it is back")
        elif self._missing is not None and (found := choose(present, self._missing)):
            self._fill(found)
            self._notices.append(f"monitor {found.name} is there: filled")
