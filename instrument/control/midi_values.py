"""What MIDI's numbers mean: 7 and 14 bits as 0..1, and the steps of an endless encoder. Pure.

Sources: MIDI 1.0 Detailed Specification (pitch bend; controllers 0 to 31 with their fine halves
32 to 63). The encodings of endless encoders are manufacturers' conventions, in no specification.
"""

from __future__ import annotations

from instrument.control.midi_address import Encoding

FULL = 16383  # the largest 14-bit number
_CENTRE = 8192  # of the pitch bend


def relative_steps(value: int, encoding: Encoding) -> int:
    """Signed steps, clockwise above 0, that an endless encoder says with a `value` in 0..127.

    ``twos-complement``: 1 is +1, 127 is -1. ``binary-offset``: 65 is +1, 63 is -1.
    ``sign-magnitude``: 1 is +1, 65 is -1; bit 6 is the sign.
    """
    if encoding == "twos-complement":
        return value if value < 64 else value - 128
    if encoding == "binary-offset":
        return value - 64
    return value if value < 64 else 64 - value


def bend_position(value: int) -> float:
    """A pitch bend in 0..16383 as 0..1; the wheel at rest, 8192, is exactly one half."""
    if value <= _CENTRE:
        return value / (2 * _CENTRE)
    return 0.5 + (value - _CENTRE) / (2 * (FULL - _CENTRE))


class FinePair:
    """A 14-bit number that comes in two halves, either of which may be lost.

    The coarse half acts at once: of all numbers that begin with it, the one nearest to the last
    is taken, so that a fader moved one way never steps back while the fine half is still under
    way. Whatever is lost, the number is within 127 of the true one, of 16383. A pair whose fine
    half has never come (many devices send 7 bits only) reaches both ends all the same.
    """

    __slots__ = ("_coarse", "_fine_comes", "number")

    def __init__(self) -> None:
        self.number = 0
        self._coarse: int | None = None
        self._fine_comes = False

    def coarse(self, value: int) -> float:
        """The upper 7 bits came: the position, 0..1."""
        self._coarse = value
        if self._fine_comes:
            self.number = min(max(self.number, value << 7), value << 7 | 127)
        else:
            self.number = value << 7 | value
        return self.number / FULL

    def fine(self, value: int) -> float | None:
        """The lower 7 bits came: the position, or None while the upper ones are unknown."""
        if self._coarse is None:
            return None
        self._fine_comes = True
        self.number = self._coarse << 7 | value
        return self.number / FULL

    def step(self, steps: int) -> float:
        """Data increment and decrement: `steps` of the upper 7 bits further."""
        self.number = min(max(self.number + steps * 128, 0), FULL)
        self._coarse = self.number >> 7
        return self.number / FULL
