"""What keys and mouse say, as control events. Pure: knows GLFW's numbers but not GLFW.

Addresses: ``/key/b``, ``/key/shift+escape``, ``/key/f11`` (1 pressed, 0 released, no repeat);
``/mouse/x`` and ``/mouse/y`` (0..1 in the picture, y upwards, as on an XY pad);
``/mouse/left`` (1 pressed, 0 released); ``/mouse/wheel`` (steps, up is above 0). While the virtual
controller is shown, what the mouse does on it is said by the controller instead.
"""

from __future__ import annotations

from instrument.display.virtual_controller import VirtualController
from instrument.event import ControlEvent
from instrument.timebase import Clock

PRESS, RELEASE, REPEAT = 1, 0, 2  # GLFW's actions
MOVES_PER_POLL = 8  # a mouse of 8 kHz would else fill the record with what nobody sees

# GLFW's key numbers: ASCII for what prints, names of its header for the rest.
_NAMES = {
    32: "space", 39: "apostrophe", 44: "comma", 45: "minus", 46: "period", 47: "slash",
    59: "semicolon", 61: "equal", 91: "left_bracket", 92: "backslash", 93: "right_bracket",
    96: "grave", 161: "world_1", 162: "world_2", 256: "escape", 257: "enter", 258: "tab",
    259: "backspace", 260: "insert", 261: "delete", 262: "right", 263: "left", 264: "down",
    265: "up", 266: "page_up", 267: "page_down", 268: "home", 269: "end", 280: "caps_lock",
    281: "scroll_lock", 282: "num_lock", 283: "print_screen", 284: "pause", 330: "kp_decimal",
    331: "kp_divide", 332: "kp_multiply", 333: "kp_subtract", 334: "kp_add", 335: "kp_enter",
    336: "kp_equal", 340: "shift", 341: "ctrl", 342: "alt", 343: "super", 344: "shift",
    345: "ctrl", 346: "alt", 347: "super", 348: "menu",
}  # fmt: skip
_NAMES |= {code: chr(code).lower() for code in (*range(48, 58), *range(65, 91))}
_NAMES |= {289 + number: f"f{number}" for number in range(1, 26)}
_NAMES |= {320 + number: f"kp_{number}" for number in range(10)}
_MODIFIERS = {0x0002: "ctrl", 0x0004: "alt", 0x0001: "shift", 0x0008: "super"}
_IS_MODIFIER = range(340, 348)
_SHIFT = (340, 344)
_BUTTONS = ("left", "right", "middle")


def key_name(key: int, scancode: int, printed: str | None = None) -> str:
    """The word for a key: ``"b"``, ``"kp_3"``, ``"scan_201"`` for keys without a name.

    `printed` is the letter on the key in the performer's layout; where it is a plain letter it
    wins, so that ``/key/b`` is the key with a B on it. Other keys go by their place.
    """
    if printed and len(printed) == 1 and printed.isascii() and printed.isalpha():
        return printed.lower()
    return _NAMES.get(key, f"scan_{scancode}")


class Input:
    """Collects events between two polls; each is stamped with `clock` as it arrives."""

    def __init__(self, clock: Clock) -> None:
        self.controller: VirtualController | None = None
        self._clock = clock
        self._events: list[tuple[ControlEvent, bool]] = []  # and whether the next one overtakes it
        # Address a key was pressed under: its release bears it, whatever shift does meanwhile.
        self._held: dict[tuple[int, int], str] = {}
        self._pointer: tuple[float | None, float | None] = (None, None)

    def key(self, key: int, scancode: int, action: int, mods: int, printed: str | None) -> None:
        """A key went down or up; `mods` are GLFW's modifier bits."""
        if action == PRESS:
            words = [word for bit, word in _MODIFIERS.items() if mods & bit]
            if key in _IS_MODIFIER:
                words = []  # shift alone is shift, in whatever order two of them are pressed
            address = "/key/" + "+".join([*words, key_name(key, scancode, printed)])
            self._held[key, scancode] = address
            self._say(address, 1.0)
        elif action == RELEASE and (held := self._held.pop((key, scancode), None)):
            self._say(held, 0.0)

    def aim(self, x: float, y: float) -> bool:
        """The mouse is at pixel `x`, `y` of the framebuffer, y downwards; whether that is the
        virtual controller's affair and not the picture's."""
        if self.controller is None:
            return False
        taken = self.controller.pointer(x, y)
        self._pass_on(self.controller)
        return taken

    def pointer(self, x: float, y: float) -> None:
        """The mouse is at `x`, `y` of the picture, 0..1; beyond its edge it stays on it."""
        at = (min(1.0, max(0.0, x)), min(1.0, max(0.0, y)))
        for axis, now, before in zip("xy", at, self._pointer, strict=True):
            if now != before:
                self._say(f"/mouse/{axis}", now, passing=True)
        self._pointer = at

    def button(self, button: int, action: int) -> None:
        """A mouse button went down or up."""
        pressed = action == PRESS
        if self.controller is not None:
            taken = self.controller.button(button, pressed, self._shift)
            self._pass_on(self.controller)
            if taken:
                return
        name = _BUTTONS[button] if button < len(_BUTTONS) else f"button_{button + 1}"
        self._say(f"/mouse/{name}", 1.0 if pressed else 0.0)

    def wheel(self, steps: float, sideways: float = 0.0) -> None:
        """The wheel turned; a touchpad gives parts of a step."""
        if self.controller is not None:
            # With shift held, some systems make the wheel's steps sideways ones.
            turned = sideways if self._shift and not steps else steps
            taken = self.controller.wheel(turned, self._shift)
            self._pass_on(self.controller)
            if taken:
                return
        if steps:
            self._say("/mouse/wheel", steps)

    @property
    def _shift(self) -> bool:
        return any(key in _SHIFT for key, _ in self._held)

    def _pass_on(self, controller: VirtualController) -> None:
        now = self._clock.now()  # one move is one moment, at however many addresses
        for address, value, passing in controller.said():
            self._events.append((ControlEvent(address, value, now), passing))

    def _say(self, address: str, value: float, passing: bool = False) -> None:
        self._events.append((ControlEvent(address, value, self._clock.now()), passing))

    def take(self) -> list[ControlEvent]:
        """Everything since the last call, in order; of many moves the newest few an axis."""
        if self.controller is not None:
            self._pass_on(self.controller)  # hidden while a hand was on it, it has let go
        events, self._events = self._events, []
        moves: dict[str, int] = {}
        kept = []
        for event, passing in reversed(events):
            if passing:
                moves[event.address] = moves.get(event.address, 0) + 1
                if moves[event.address] > MOVES_PER_POLL:
                    continue
            kept.append(event)
        return kept[::-1]
