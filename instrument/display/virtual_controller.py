"""The virtual controller: a MIDI controller on the screen, played with the mouse.

It says what a device named ``virtual`` would, so that everything that works with hardware works
with it: faders ``cc/0..7``, endless encoders ``cc/16..23`` that count steps on ``cc/24..31`` with
the right button or shift, pads ``note/36..51`` that are softer the lower they are hit, ``bend``,
``pressure`` and ``program/1..4``. Pure: no GL, no clock, no parameter; pixels are those of the
framebuffer, origin upper left, y down.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from instrument.display.look import Size
from instrument.display.virtual_feedback import DEVICE, GENERIC, Feedback, Standing
from instrument.display.virtual_layout import (
    BEND,
    CONTROLS,
    COUNT,
    ENCODERS,
    FADERS,
    PADS,
    PRESSURE,
    PROGRAMS,
    STEPPED,
    Layout,
    lay_out,
)

LEFT, RIGHT = 0, 1  # GLFW's mouse buttons
_NOTCH = 1.0 / 127.0  # what a step of the wheel is on a fader or an encoder
_TURN = 10.0  # units a hand draws an encoder from one end to the other
_STEP = 0.4  # units a hand draws an encoder for one step
_MOST_STEPS = 4096.0
_STEPS = frozenset(STEPPED.values())


class Said(NamedTuple):
    """What a control says; `passing` where what it says next makes this one needless."""

    address: str
    value: float
    passing: bool = False


class _Grab:
    """A mouse button holds a control: where that began, and the steps said since."""

    __slots__ = ("control", "stepping", "steps", "value", "x", "y")

    def __init__(self, control: int, at: tuple[float, float], value: float, stepping: bool) -> None:
        self.control, self.value, self.stepping = control, value, stepping
        self.x, self.y = at
        self.steps = 0


class VirtualController:
    """The panel's state. What `pointer`, `button` and `wheel` say True to is not the picture's.

    For whoever draws it: `standing` is how the controls stand, `held` which of them a hand is on,
    `over` the one the pointer is over; `version` changes with any of them.
    """

    def __init__(self, feedback: Feedback | None = None, heard: Iterable[str] = ()) -> None:
        """`heard` are the sources of the preset. What it hears of any device, as
        ``/midi/generic/cc/16``, it hears of this one too."""
        self.feedback = feedback or Feedback()
        self._addresses = _addresses(heard)
        self.layout: Layout | None = None
        self.shown = False
        self.version = 0
        self.standing = Standing()
        self.held = np.zeros(COUNT, bool)
        self.over: int | None = None
        self._grabs: dict[int, _Grab | None] = {}  # None: pressed where there is no control
        self._at = (-1.0, -1.0)
        self._said: list[Said] = []
        self._parts = np.zeros(COUNT)  # of a step, that wheels of touchpads leave over

    # What hands do.

    def pointer(self, x: float, y: float) -> bool:
        """The mouse is at pixel `x`, `y`; whether that is the panel's affair."""
        self._at = (x, y)
        over = self.layout.control_at(x, y) if self.shown and self.layout else None
        if over != self.over:
            self.over = over
            self.version += 1
        for grab in self._grabs.values():
            if grab is not None:
                self._drag(grab, x, y)
        return bool(self._grabs) or self._is_over()

    def button(self, button: int, pressed: bool, shift: bool = False) -> bool:
        """A mouse button went down or up; whether that is the panel's affair.

        A button let go is its affair where it was pressed, wherever the pointer is by then.
        """
        if not pressed:
            if button not in self._grabs:
                return False
            self._let_go(self._grabs.pop(button))
            return True
        self._let_go(self._grabs.pop(button, None))  # its release went somewhere else
        if not self._is_over():
            return False
        over = self.over
        free = over is not None and not self.held[over] and button in (LEFT, RIGHT)
        self._grabs[button] = None
        if free and over is not None:
            self._grabs[button] = self._grab(over, stepping=button == RIGHT or shift)
        return True

    def wheel(self, steps: float, shift: bool = False) -> bool:
        """The wheel turned, up is above 0; whether that is the panel's affair."""
        if not self._is_over():
            return False
        over = self.over
        if over is None or over not in (*FADERS, *ENCODERS) or not math.isfinite(steps):
            return True
        if over in ENCODERS and (shift or RIGHT in self._grabs):
            self._parts[over] += min(max(steps, -_MOST_STEPS), _MOST_STEPS)
            whole = math.trunc(self._parts[over])
            self._parts[over] -= whole
            self._step(over, whole)
        elif not self.held[over]:
            value = _unit(float(self.standing.hand[over]) + steps * _NOTCH)
            if value != self.standing.hand[over]:
                self._announce(over)
                self._set(over, value)
        return True

    def hide(self) -> None:
        """Be gone; whatever was held is let go."""
        for grab in self._grabs.values():
            self._let_go(grab)
        self._grabs = dict.fromkeys(self._grabs)  # their buttons are still down, and still ours
        self.shown, self.over = False, None
        self.version += 1

    def show(self) -> None:
        """Be there."""
        self.shown = True
        self.pointer(*self._at)
        self.version += 1

    def resize(self, size: Size) -> None:
        """Lie on a target of `size` (width, height). A hand on a control keeps it."""
        layout = lay_out(size)
        if layout != self.layout:
            self.layout = layout
            self.version += 1
            if layout is None:
                self.hide()

    @property
    def top(self) -> int | None:
        """How far down the picture is free of the panel, in pixels; None: all the way."""
        return int(self.layout.panel[1]) if self.shown and self.layout else None

    def said(self) -> list[Said]:
        """What hands have said since the last asking, in order."""
        said, self._said = self._said, []
        return said

    def look(self, now: float) -> None:
        """Show what the instrument wants shown, if it is time to ask at `now` seconds."""
        due = self.standing.is_due(now)
        if self.shown and due and self.standing.look(self.feedback, now, self.held):
            self.version += 1

    # What follows.

    def _is_over(self) -> bool:
        return self.shown and self.layout is not None and self.layout.holds(*self._at)

    def _grab(self, control: int, stepping: bool) -> _Grab:
        assert self.layout is not None
        y = self._at[1]
        stepping = stepping and control in ENCODERS
        if control in PROGRAMS:
            self._say(CONTROLS[control], 1.0)
        elif control in PADS:
            # As keys have them: 127 velocities, and no stroke is silent.
            velocity = max(1, round(127.0 * self.layout.height_at(control, y))) / 127.0
            self._set(control, velocity, passing=False)
        elif control in (BEND, PRESSURE):
            self._set(control, self.layout.height_at(control, y))
        elif not stepping:
            self._announce(control)
            if control in FADERS and not self._is_on_cap(control, y):
                self._set(control, self.layout.height_at(control, y))
        self.held[control] = True
        self.version += 1
        return _Grab(control, self._at, float(self.standing.hand[control]), stepping)

    def _is_on_cap(self, control: int, y: float) -> bool:
        assert self.layout is not None
        middle = self.layout.y_of(control, float(self.standing.hand[control]))
        return abs(y - middle) <= 0.5 * self.layout.cap

    def _drag(self, grab: _Grab, x: float, y: float) -> None:
        if self.layout is None or not math.isfinite(x + y):
            return
        control, unit = grab.control, self.layout.unit
        drawn = ((x - grab.x) + (grab.y - y)) / unit
        if grab.stepping:
            # Counted from where the hand began: whatever its way, the sum is where it is.
            steps = math.floor(min(max(drawn / _STEP, -_MOST_STEPS), _MOST_STEPS) + 0.5)
            self._step(control, steps - grab.steps)
            grab.steps = steps
        elif control in ENCODERS:
            self._set(control, grab.value + drawn / _TURN)
        elif control in FADERS:
            self._set(control, grab.value + (grab.y - y) / self.layout.travel(control))
        elif control in (BEND, PRESSURE):
            self._set(control, self.layout.height_at(control, y))

    def _let_go(self, grab: _Grab | None) -> None:
        if grab is None:
            return
        self.held[grab.control] = False
        self.version += 1
        if grab.control in PADS or grab.control == PRESSURE:
            self._set(grab.control, 0.0, passing=False)
        elif grab.control == BEND:
            self._set(grab.control, 0.5, passing=False)

    def _announce(self, control: int) -> None:
        """A control that stands at the value says so when a hand comes: it has met it already.
        However fast it is moved then, it steers from the first moment."""
        if self.standing.touch(control):
            self._say(CONTROLS[control], float(self.standing.hand[control]))

    def _set(self, control: int, value: float, passing: bool = True) -> None:
        value = _unit(value)
        if self.standing.put(control, value):
            self.version += 1
            self._say(CONTROLS[control], value, passing)

    def _step(self, control: int, steps: int) -> None:
        if steps:
            self.standing.touch(control)
            self._say(STEPPED[control], float(steps))

    def _say(self, control: str, value: float, passing: bool = False) -> None:
        self._said += [Said(address, value, passing) for address in self._addresses[control]]


def _addresses(heard: Iterable[str]) -> dict[str, list[str]]:
    """The addresses each control speaks at, its own first."""
    addresses = {control: [DEVICE + control] for control in (*CONTROLS, *_STEPS)}
    for source in sorted(set(heard)):
        if source.startswith((DEVICE, GENERIC)):
            control = "/".join(source.split("/")[3:])
            # A preset may say behind the number how steps are counted: here they are steps.
            bare = control.rpartition("/")[0]
            said = addresses.get(bare if bare in _STEPS else control, [])
            if source not in said:
                said.append(source)
    return addresses


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
