"""Waypoints: places in latent space worth a name, and the banks they are kept in.

A bank is ``NAME.toml`` (who they are), ``NAME.npy`` (where they are, row i for waypoint i) and,
beside them, the folder ``NAME/`` with a picture ``<waypoint>.png`` of each.
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from PIL import Image

from instrument import InstrumentError
from instrument.document import parse_toml, read_text
from instrument.frame import U8
from instrument.latent import geometry
from instrument.latent.arrays import load_array, write_atomically
from instrument.latent.sequence import UNKNOWN_MODEL, ModelReference
from instrument.latent.space import F32, LatentSpec

# What numpy writes before an array of float32, and all that is read back from a take.
_ARRAY_HEADER = (
    rb"\x93NUMPY\x01\x00(..)\{'descr': '<f4', 'fortran_order': False, "
    rb"'shape': \(([0-9]{1,9}(?:, ?[0-9]{1,9}){0,2}),?\)"
)
_LARGEST_PICTURE = 4096  # pixels a side
# All that Pillow was seen to raise on damaged pictures.
_BAD_PICTURE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error,
                Image.DecompressionBombError)  # fmt: skip
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]{0,63}")  # one segment of an address, never a number


@dataclass(frozen=True, slots=True, eq=False)
class Waypoint:
    """`z F32[shape]` under a name; `snapshot` is the training snapshot it wants, if any."""

    name: str
    z: F32
    snapshot: float | None = None
    tags: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InstrumentError(
                f"waypoint name {self.name!r}: a letter, then letters, digits and _ . + -"
            )
        if self.snapshot is not None and not math.isfinite(self.snapshot):
            raise InstrumentError(f"{self.name}: snapshot {self.snapshot}: must be a finite number")


@dataclass(frozen=True, slots=True, eq=False)
class WaypointBank:
    """Waypoints of one latent space, in order: number N counts from 1.

    `pictures` maps names to ``U8[h, w, 3]``, for those that have one.
    """

    name: str
    spec: LatentSpec
    waypoints: tuple[Waypoint, ...]
    model: ModelReference = UNKNOWN_MODEL
    pictures: Mapping[str, U8] = field(default_factory=dict)
    _index: dict[str, int] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if not self.waypoints:
            raise InstrumentError(f"bank {self.name!r} holds no waypoint")
        names = set[str]()
        for number, waypoint in enumerate(self.waypoints):
            if waypoint.name in names:
                raise InstrumentError(f"bank {self.name!r} holds {waypoint.name!r} twice")
            names.add(waypoint.name)
            for word in (waypoint.name, str(number + 1)):
                self._index.setdefault(word, number)
        for waypoint in self.waypoints:
            if waypoint.z.shape != self.spec.shape:
                raise InstrumentError(
                    f"bank {self.name!r}: {waypoint.name} has shape {list(waypoint.z.shape)}, "
                    f"not {list(self.spec.shape)}"
                )
        for name in self.pictures:
            if name not in names:
                raise InstrumentError(f"bank {self.name!r}: a picture of {name!r}, not one of it")

    def __len__(self) -> int:
        return len(self.waypoints)

    def __iter__(self) -> Iterator[Waypoint]:
        return iter(self.waypoints)

    def __getitem__(self, name: str) -> Waypoint:
        return self.waypoints[self.index(name)]

    def index(self, name: str) -> int:
        """Where the waypoint `name` stands, from 0. A number given as text counts from 1."""
        index = self._index.get(name)
        if index is not None:
            return index
        names = ", ".join(waypoint.name for waypoint in self.waypoints)
        raise InstrumentError(f"bank {self.name!r} has no waypoint {name!r}, only {names}")

    def nearest(self, z: F32) -> Waypoint:
        """The waypoint nearest to `z F32[shape]`, in the mean over layers.

        On a shell by angle, in a free space by distance.
        """
        here = z.astype(np.float64)
        places = [waypoint.z.astype(np.float64) for waypoint in self]
        if self.spec.radius is None:
            ways = [float(np.mean(geometry.length(place - here))) for place in places]
        else:
            ways = [float(np.mean(geometry.angle(place, here))) for place in places]
        return self.waypoints[int(np.argmin(ways))]


class _WaypointFields(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    name: str
    tags: tuple[str, ...] = ()
    note: str = ""
    snapshot: float | None = None


class _LatentFields(msgspec.Struct, forbid_unknown_fields=True):
    shape: tuple[int, ...]
    space: Literal["z", "w"] = "z"
    radius: float | None = None
    scale: float | None = None


class _ModelFields(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""
    sha256: str = ""


class _BankFields(msgspec.Struct, forbid_unknown_fields=True):
    format: Literal["bank/1"]
    latent: _LatentFields
    waypoint: tuple[_WaypointFields, ...]
    model: _ModelFields = msgspec.field(default_factory=_ModelFields)


def load_bank(path: Path) -> WaypointBank:
    """The bank at ``NAME.toml``. Raises InstrumentError naming file, line and key."""
    text = read_text(path)
    bank = _assemble(text, load_array(path.with_suffix(".npy")), path.stem, str(path))
    return replace(bank, pictures=_load_pictures(path, bank))


def bank_to_bytes(bank: WaypointBank) -> tuple[bytes, bytes]:
    """(TOML, .npy) of a bank without its pictures: what a take carries along."""
    array = io.BytesIO()
    np.save(array, np.stack([waypoint.z for waypoint in bank]).astype(np.float32))
    return _to_toml(bank).encode(), array.getvalue()


def bank_from_bytes(toml: bytes, array: bytes, name: str) -> WaypointBank:
    """The reverse of `bank_to_bytes`."""
    header = re.match(_ARRAY_HEADER, array, re.DOTALL)
    shape = tuple(int(n) for n in header[2].split(b",") if n.strip()) if header else ()
    start = 10 + int.from_bytes(header[1], "little") if header else 0
    if not header or len(array) - start != 4 * math.prod(shape):
        raise InstrumentError(f"{name}: the bank in it is damaged (no array of float32)")
    z = np.frombuffer(array, "<f4", offset=start).reshape(shape)
    if not np.isfinite(z).all():
        raise InstrumentError(f"{name}: the bank in it is damaged (NaN or infinity)")
    try:
        text = toml.decode()
    except UnicodeDecodeError as error:
        raise InstrumentError(f"{name}: the bank in it is damaged ({error})") from error
    return _assemble(text, z, name, name)


def save_bank(path: Path, bank: WaypointBank) -> None:
    """Write ``NAME.toml``, ``NAME.npy`` and the pictures. The reverse of `load_bank`."""
    toml, array = bank_to_bytes(bank)
    folder = path.with_suffix("")
    if bank.pictures:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InstrumentError(f"{folder}: cannot be written ({error.strerror})") from error
    for name, pixels in bank.pictures.items():
        with write_atomically(folder / f"{name}.png") as file:
            Image.fromarray(pixels).save(file, "PNG", optimize=True)
    for target, content in ((path.with_suffix(".npy"), array), (path, toml)):
        with write_atomically(target) as file:
            file.write(content)


def _assemble(text: str, z: F32, name: str, where: str) -> WaypointBank:
    fields = parse_toml(text, _BankFields, where)
    try:
        latent = fields.latent
        spec = LatentSpec(latent.shape, latent.space, latent.radius, latent.scale)
        if z.shape != (len(fields.waypoint), *spec.shape):
            raise InstrumentError(
                f"{len(fields.waypoint)} waypoints of {spec}, but the array beside it has "
                f"shape {list(z.shape)}"
            )
        waypoints = tuple(
            Waypoint(w.name, np.array(row, np.float32), w.snapshot, w.tags, w.note)
            for w, row in zip(fields.waypoint, z, strict=True)
        )
        reference = ModelReference(fields.model.name, fields.model.sha256)
        return WaypointBank(name, spec, waypoints, reference)
    except InstrumentError as error:
        raise InstrumentError(f"{where}: {error}") from error


def _load_pictures(path: Path, bank: WaypointBank) -> dict[str, U8]:
    pictures: dict[str, U8] = {}
    for waypoint in bank:
        file = path.with_suffix("") / f"{waypoint.name}.png"
        if not file.exists():
            continue
        try:
            with Image.open(file, formats=["PNG"]) as image:
                if max(image.size) > _LARGEST_PICTURE:
                    raise ValueError(f"larger than {_LARGEST_PICTURE} pixels a side")
                pictures[waypoint.name] = np.asarray(image.convert("RGB"))
        except _BAD_PICTURE as error:
            raise InstrumentError(f"{file}: not a readable picture ({error})") from error
    return pictures


def _to_toml(bank: WaypointBank) -> str:
    spec = bank.spec
    known = {"radius": spec.radius, "scale": spec.scale}
    more = "".join(f", {key} = {float(n)!r}" for key, n in known.items() if n is not None)
    lines = [
        'format = "bank/1"',
        f"latent = {{ shape = {list(spec.shape)}, space = {_text(spec.space)}{more} }}",
        f"model = {{ name = {_text(bank.model.name)}, sha256 = {_text(bank.model.sha256)} }}",
    ]
    for waypoint in bank:
        lines += ["", "[[waypoint]]", f"name = {_text(waypoint.name)}"]
        if waypoint.tags:
            lines.append(f"tags = [{', '.join(map(_text, waypoint.tags))}]")
        if waypoint.note:
            lines.append(f"note = {_text(waypoint.note)}")
        if waypoint.snapshot is not None:
            lines.append(f"snapshot = {float(waypoint.snapshot)!r}")
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    # A JSON string is a TOML basic string, as long as nothing is written as surrogate pairs and
    # DEL, which only TOML forbids, is written as its number.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")
