"""How MIDI is written in addresses: ``/midi/DEVICE/cc/16``, ``/midi/DEVICE/ch/9/note/41``.

DEVICE is a slug; what follows is the control, which `Control` holds. Knows no port and no byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from instrument import InstrumentError

Encoding = Literal["twos-complement", "binary-offset", "sign-magnitude"]
ENCODINGS: tuple[Encoding, ...] = ("twos-complement", "binary-offset", "sign-magnitude")

# The largest number of each kind of control; None: the kind has no number.
LARGEST: dict[str, int | None] = {
    "cc": 127,
    "cc14": 31,  # the pair of CC n and CC n + 32
    "note": 127,
    "nrpn": 16383,
    "program": 127,
    "bend": None,
    "pressure": None,
}
_CONTROL = re.compile(
    r"(?:ch/(?P<channel>[0-9]{1,2})/)?(?P<kind>[a-z0-9]+)(?:/(?P<number>[0-9]{1,5}))?"
    r"(?:/(?P<tail>[a-z-]+))?"
)
_SAYABLE = (
    "cc/0..127, cc14/0..31, note/0..127, note/N/pressure, nrpn/0..16383, program/0..127, bend, "
    f"pressure, and cc/N/{'|'.join(ENCODINGS)}; each after ch/2..16/ on another channel"
)


@dataclass(frozen=True, slots=True)
class Control:
    """One control of a device: what stands behind ``/midi/DEVICE/``.

    `tail` is ``pressure`` behind a note (polyphonic aftertouch), or behind a control change the
    encoding its value is read in, where the control is an endless encoder.
    """

    kind: str
    number: int = 0
    channel: int = 1
    tail: str = ""

    def __str__(self) -> str:
        """The reverse of `parse`."""
        channel = "" if self.channel == 1 else f"ch/{self.channel}/"
        number = "" if LARGEST[self.kind] is None else f"/{self.number}"
        return f"{channel}{self.kind}{number}{'/' if self.tail else ''}{self.tail}"

    @property
    def bare(self) -> Control:
        """The same without its tail."""
        return replace(self, tail="")

    @classmethod
    def parse(cls, text: str) -> Control:
        """Read ``cc/16`` or ``ch/9/note/41``. Raises InstrumentError with what is allowed."""
        match = _CONTROL.fullmatch(text)
        control = _built(match) if match else None
        if control is None:
            raise InstrumentError(f"MIDI control {text!r}: allowed are {_SAYABLE}")
        return control


def _built(match: re.Match[str]) -> Control | None:
    kind, tail = match["kind"], match["tail"] or ""
    if kind not in LARGEST:
        return None
    largest, channel = LARGEST[kind], int(match["channel"] or 1)
    if (match["number"] is None) != (largest is None) or not 1 <= channel <= 16:
        return None
    number = int(match["number"] or 0)
    if largest is not None and number > largest:
        return None
    tails: tuple[str, ...] = {"note": ("pressure",), "cc": ENCODINGS}.get(kind, ())
    return Control(kind, number, channel, tail) if not tail or tail in tails else None


def split_source(source: str) -> tuple[str, str] | None:
    """``/midi/nanokontrol2/cc/16`` → ("nanokontrol2", "cc/16"); None: not an address of MIDI."""
    parts = source.split("/", 3)
    if len(parts) != 4 or parts[:2] != ["", "midi"] or not parts[2]:
        return None
    return parts[2], parts[3]


def slug_of(name: str) -> str:
    """A device's name as one step of an address: ``"Launchkey MK3"`` → ``"launchkey-mk3"``."""
    return re.sub(r"[^a-z0-9_+]+", "-", name.lower()).strip("-_+") or "port"


def family(device: str) -> str:
    """What a device is called before its order: ``nanokontrol2.2`` → ``nanokontrol2``."""
    return re.sub(r"\.[0-9]+$", "", device)
