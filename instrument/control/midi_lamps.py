"""The lamps and motor faders of one device: what to send so that they show what they should.

Sends differences only, and nothing to a control that a hand is on. Pure: knows no port.
"""

from __future__ import annotations

from collections.abc import Mapping

from instrument.control.midi_profile import Profile

RATE = 30.0  # Hz, of looking for differences
_HAND_LAMP = 0.05  # s after a hand's last message in which nothing is sent to that control
_HAND_MOTOR = 0.3  # s; a slow hand on a fader sends less than every 50 ms
_AT_ONCE = 64  # messages; a hundred at once are more than JACK carries


class Lamps:
    """What each lamp of a device of this profile shows, as far as we know."""

    def __init__(self, profile: Profile) -> None:
        self._lamps = dict(profile.lamps)
        self._shown: dict[str, bytes] = {}
        self._touched: dict[str, float] = {}
        self._sent: dict[str, float] = {}

    def heard(self, control: str, value: float, time: float) -> None:
        """A hand has set `control` to `value`, 0..1, at `time` s; a motor fader stands there."""
        lamp = self._lamps.get(control)
        if lamp is not None:
            self._touched[control] = time
            if lamp.follows:
                self._shown[control] = lamp.message_at(value)

    def due(self, wanted: Mapping[str, float], time: float) -> list[bytes]:
        """What to send at `time` s, for `wanted` positions 0..1 by control.

        Lamps nobody wants are dark; motor faders nobody wants stay where they are.
        """
        changed = []
        for control, lamp in self._lamps.items():
            if control not in wanted and lamp.follows:
                continue
            hand = _HAND_MOTOR if lamp.follows else _HAND_LAMP
            if time - self._touched.get(control, -hand) < hand:
                continue
            message = lamp.message_at(wanted.get(control, 0.0))
            if self._shown.get(control) != message:
                changed.append((self._sent.get(control, float("-inf")), control, message))
        changed.sort(key=lambda one: one[0])  # what has waited longest comes first
        for _, control, message in changed[:_AT_ONCE]:
            self._shown[control] = message
            self._sent[control] = time
        return [message for _, _, message in changed[:_AT_ONCE]]

    def dark(self) -> list[bytes]:
        """What puts out every lamp, to leave a device with."""
        return [lamp.message_at(0.0) for lamp in self._lamps.values() if not lamp.follows]
