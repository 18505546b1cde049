"""What a preset listens to, and what that means for the messages of each device. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from instrument import InstrumentError
from instrument.control.midi_address import ENCODINGS, Control, Encoding, split_source
from instrument.control.midi_messages import Reading
from instrument.control.midi_profile import Profile

VIRTUAL = "virtual"  # the device that is played on the screen and has no port
GENERIC = "generic"  # the device that every device is too, for who listens to it


@dataclass(frozen=True, slots=True)
class Listening:
    """The controls that are listened to, by device; of sources that `resolve` has been through."""

    devices: dict[str, frozenset[Control]] = field(default_factory=dict)

    @classmethod
    def to(cls, sources: Iterable[str]) -> Listening:
        """To those of `sources` that are MIDI's; what is no control is left out."""
        devices: dict[str, set[Control]] = {}
        for source in sources:
            if parts := split_source(source):
                try:
                    devices.setdefault(parts[0], set()).add(Control.parse(parts[1]))
                except InstrumentError:
                    continue  # whoever composed the show has said so already
        return cls({device: frozenset(controls) for device, controls in devices.items()})

    @property
    def generic(self) -> frozenset[str]:
        """The controls, written like ``cc/16``, that count whichever device has them."""
        return frozenset(str(control) for control in self.devices.get(GENERIC, ()))

    def reading(self, slug: str, profile: Profile | None) -> Reading:
        """How to read the control changes of the device `slug`."""
        heard = self.devices.get(slug, frozenset()) | self.devices.get(GENERIC, frozenset())
        known = tuple(profile.controls.values()) if profile else ()
        relative: dict[tuple[int, int], tuple[tuple[str, Encoding], ...]] = {}
        for text, encoding in (profile.encoders if profile else {}).items():
            relative[_key(Control.parse(text))] = ((text, encoding),)
        declared = frozenset(relative)
        for control in sorted(heard, key=str):
            if control.tail in ENCODINGS:
                said = (str(control), control.tail)
                relative[_key(control)] = (*relative.get(_key(control), ()), said)
        return Reading(
            fine=frozenset(_key(c) for c in (*heard, *known) if c.kind == "cc14"),
            plain=frozenset(_key(c) for c in heard if c.kind == "cc" and not c.tail) - declared,
            relative=relative,
        )


def _key(control: Control) -> tuple[int, int]:
    return control.channel - 1, control.number
