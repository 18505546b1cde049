"""Controller profiles: what the knobs of a controller are called, and how its lamps are lit.

A profile is a TOML file in ``presets/controllers``; nothing in it can run. With it one writes
``/midi/nanokontrol2/slider.1`` where the device says ``/midi/nanokontrol2/cc/0``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from instrument import InstrumentError
from instrument.control.midi_address import (
    Control,
    Encoding,
    family,
    slug_of,
    split_source,
)
from instrument.control.midi_messages import encoded
from instrument.control.midi_values import FULL
from instrument.document import line_of, parse_toml, read_text
from instrument.resources import bundled

_SevenBits = Annotated[int, msgspec.Meta(ge=0, le=127)]
_Channel = Annotated[int, msgspec.Meta(ge=1, le=16)]
_Word = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9_+-]*\Z", max_length=40)]


class _Lamp(msgspec.Struct, forbid_unknown_fields=True):
    values: tuple[_SevenBits, ...] = (0, 127)
    follows: bool = False
    message: Literal["cc", "note"] | None = None
    channel: _Channel | None = None
    numbers: tuple[_SevenBits, ...] = ()


class _Control(msgspec.Struct, forbid_unknown_fields=True):
    name: _Word
    message: Literal["cc", "cc14", "note", "bend", "pressure"]
    numbers: tuple[_SevenBits, ...] = ()
    channel: _Channel = 1
    encoding: Encoding | None = None
    lamp: _Lamp | None = None


class _Profile(msgspec.Struct, forbid_unknown_fields=True):
    format: Literal["controller/1"]
    title: str
    control: tuple[_Control, ...]
    ports: tuple[str, ...] = ()
    other_ports: tuple[str, ...] = ()
    note: str = ""
    unverified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lamp:
    """What the device is sent to show a position: one of `values`, or, if it `follows`, the
    position itself (a motor fader, a ring of lights)."""

    control: Control
    values: tuple[int, ...] = (0, 127)
    follows: bool = False

    def message_at(self, position: float) -> bytes:
        """The message that shows `position`, 0..1."""
        position = min(max(position, 0.0), 1.0) if position == position else 0.0  # NaN: dark
        if self.follows:
            return encoded(self.control, round(position * self._largest))
        return encoded(self.control, self.values[round(position * (len(self.values) - 1))])

    @property
    def _largest(self) -> int:
        return FULL if self.control.kind == "bend" else 127


@dataclass(frozen=True, slots=True)
class Profile:
    """A controller: its slug, its ports' names, its controls by name, its lamps by control.

    `encoders` are its endless encoders. `unverified` says what nobody has held in hand.
    """

    slug: str
    title: str
    ports: tuple[str, ...]
    other_ports: tuple[str, ...]
    controls: dict[str, Control]
    lamps: dict[str, Lamp]
    encoders: dict[str, Encoding]
    unverified: tuple[str, ...] = ()

    def owns(self, port: str) -> bool:
        """Whether a port of this name is this controller's: its name contains one of `ports`."""
        return any(part in port for part in self.ports) and not any(
            part in port for part in self.other_ports
        )


def load_profiles(folder: Path | None = None) -> tuple[Profile, ...]:
    """Every profile in `folder`; without one, those the instrument brings along.

    Raises InstrumentError naming file, line and what is allowed.
    """
    folder = bundled("presets") / "controllers" if folder is None else folder
    return tuple(read_profile(path) for path in sorted(folder.glob("*.toml")))


def read_profile(path: Path) -> Profile:
    """The profile at `path`, whose name is the controller's slug. Raises InstrumentError."""
    text, where = read_text(path), str(path)
    fields = parse_toml(text, _Profile, where)
    if slug_of(path.stem) != path.stem:
        raise InstrumentError(f"{path}: the name must be lower-case letters, digits and hyphens")
    controls: dict[str, Control] = {}
    lamps: dict[str, Lamp] = {}
    encoders: dict[str, Encoding] = {}
    for number, row in enumerate(fields.control):
        try:
            found = _named(row)
            if twice := controls.keys() & found:
                raise InstrumentError(f"{min(twice)!r} stands there twice")
            controls |= found
            for control, lamp in zip(found.values(), _lamps(row), strict=bool(row.lamp)):
                lamps[str(control)] = lamp
        except InstrumentError as error:
            raise InstrumentError(
                f"{where}:{line_of(text, ['control', number])}: {error}"
            ) from error
        if row.encoding:
            encoders |= {str(control): row.encoding for control in found.values()}
    return Profile(
        path.stem, fields.title, fields.ports, fields.other_ports, controls, lamps, encoders,
        fields.unverified,
    )  # fmt: skip


def _named(row: _Control) -> dict[str, Control]:
    if row.message in ("bend", "pressure"):
        if row.numbers:
            raise InstrumentError(f"{row.name}: {row.message} has no numbers")
        return {row.name: Control(row.message, 0, row.channel)}
    if not row.numbers:
        raise InstrumentError(f"{row.name}: needs numbers, one a control")
    if row.message == "cc14" and max(row.numbers) > 31:
        raise InstrumentError(f"{row.name}: the numbers of cc14 go up to 31")
    if row.encoding and row.message != "cc":
        raise InstrumentError(f"{row.name}: only cc has an encoding")
    if len(row.numbers) == 1:
        return {row.name: Control(row.message, row.numbers[0], row.channel)}
    return {
        f"{row.name}.{order}": Control(row.message, number, row.channel)
        for order, number in enumerate(row.numbers, 1)
    }


def _lamps(row: _Control) -> list[Lamp]:
    if row.lamp is None:
        return []
    lamp, own = row.lamp, max(len(row.numbers), 1)
    if len(lamp.numbers) not in (0, own) or (lamp.values == () and not lamp.follows):
        raise InstrumentError(f"{row.name}: the lamps need a number for each of {own}, and values")
    kind = lamp.message or (row.message if row.message in ("note", "bend") else "cc")
    channel = lamp.channel or row.channel
    numbers = lamp.numbers or row.numbers or (0,)
    return [Lamp(Control(kind, n, channel), lamp.values, lamp.follows) for n in numbers]


def resolve(source: str, profiles: Iterable[Profile]) -> str:
    """`source` with numbers for names: ``/midi/midimix/fader.1`` → ``/midi/midimix/cc/19``.

    Sources that are not of MIDI stay as they are. Raises InstrumentError on a control that the
    device does not have, or that MIDI cannot say.
    """
    parts = split_source(source)
    if parts is None:
        return source
    device, said = parts
    known = {profile.slug: profile for profile in profiles}
    profile = known.get(family(device))
    if profile and said in profile.controls:
        return f"/midi/{device}/{profile.controls[said]}"
    try:
        return f"/midi/{device}/{Control.parse(said)}"
    except InstrumentError as error:
        if profile is None:
            others = ", ".join(sorted(known))
            raise InstrumentError(f"{error}; names of controls are known of {others}") from None
        near = difflib.get_close_matches(said, profile.controls, 3) or list(profile.controls)
        raise InstrumentError(
            f"{profile.title} has no control {said!r}: try {', '.join(near[:12])}, or numbers as"
            " in cc/16, note/36"
        ) from None
