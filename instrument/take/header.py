"""What a take is of. Knows nothing of files; the reader hands it JSON, the writer takes JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from instrument import InstrumentError
from instrument.event import is_address
from instrument.latent.sequence import ModelReference, models_from_json, models_to_json
from instrument.latent.space import LatentSpec
from instrument.take.layout import FORMAT, check_name, largest_chunk
from instrument.timebase import FrameRate

_KEYS = ("format", "name", "started", "rate", "latent", "addresses", "model", "seed", "models")
_MOST_ADDRESSES = 4096
_NOBODY = ModelReference()
_FASTEST = 10**9  # numerator and denominator of a rate


@dataclass(frozen=True, slots=True)
class TakeHeader:
    """Everything that stays the same while a take runs.

    `addresses` names the P columns of the parameters. `started` is the wall clock at time 0,
    ISO 8601, for people only: no time in a take is counted from it. `model` plays at time 0;
    where more than one can play, `models` are those that ``/model/first`` counts from 1.
    """

    name: str
    rate: FrameRate
    spec: LatentSpec
    addresses: tuple[str, ...] = ()
    model: ModelReference = _NOBODY
    seed: int = 0
    started: str = ""
    models: tuple[ModelReference, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "addresses", tuple(self.addresses))
        check_name(self.name)
        if len(self.addresses) > _MOST_ADDRESSES:
            raise InstrumentError(f"addresses: {len(self.addresses)}, at most {_MOST_ADDRESSES}")
        for address in self.addresses:
            if not is_address(address):
                raise InstrumentError(f"addresses: {address[:60]!r} must look like /model/gain")
        if len(set(self.addresses)) != len(self.addresses):
            raise InstrumentError("addresses: one of them stands there twice")

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, z and parameters together."""
        return 4 * (self.spec.size + len(self.addresses))

    @property
    def largest_chunk(self) -> int:
        """Bytes a chunk of this take can hold, unpacked."""
        return largest_chunk(self.row_bytes)

    def to_json(self) -> dict[str, Any]:
        """The object in ``take.json``. The reverse of `from_json`."""
        several = {"models": models_to_json(self.models)} if self.models else {}
        return {
            "format": FORMAT,
            "name": self.name,
            "started": self.started,
            "rate": [self.rate.num, self.rate.den],
            "latent": self.spec.to_json(),
            "addresses": list(self.addresses),
            "model": {"name": self.model.name, "sha256": self.model.sha256},
            "seed": self.seed,
            **several,
        }

    @classmethod
    def from_json(cls, fields: Any) -> TakeHeader:
        """Read the object in ``take.json``. Raises InstrumentError naming the key that is wrong."""
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise InstrumentError(f'format: must be "{FORMAT}"')
        for key in fields:
            if key not in _KEYS:
                raise InstrumentError(f"{str(key)[:60]}: unknown, allowed are {', '.join(_KEYS)}")
        model = fields.get("model")
        if not isinstance(model, dict) or set(model) != {"name", "sha256"}:
            raise InstrumentError("model: must hold exactly name and sha256")
        seed, addresses = fields.get("seed"), fields.get("addresses")
        if type(seed) is not int or abs(seed) >= 1 << 64:
            raise InstrumentError("seed: must be a whole number below 2^64")
        if not isinstance(addresses, list) or not all(isinstance(a, str) for a in addresses):
            raise InstrumentError("addresses: must be a list of addresses")
        return cls(
            name=_text(fields, "name"),
            rate=_rate(fields.get("rate")),
            spec=LatentSpec.from_json(fields.get("latent")),
            addresses=tuple(addresses),
            model=ModelReference(_text(model, "name", "model."), _text(model, "sha256", "model.")),
            seed=seed,
            started=_text(fields, "started"),
            models=models_from_json(fields.get("models", [])),
        )


def header_to_bytes(header: TakeHeader, attachments: tuple[str, ...]) -> bytes:
    """``take.json``: the header and the names of what is attached beside it."""
    return json.dumps({**header.to_json(), "attachments": list(attachments)}, indent=1).encode()


def header_from_bytes(body: bytes) -> tuple[TakeHeader, tuple[str, ...]]:
    """The reverse of `header_to_bytes`. Raises InstrumentError naming the key that is wrong."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InstrumentError("is not JSON") from error
    if not isinstance(fields, dict):
        raise InstrumentError("must be a JSON object")
    names = fields.pop("attachments", None)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InstrumentError("attachments: must be a list of names")
    return TakeHeader.from_json(fields), tuple(names)


def _text(fields: dict[str, Any], key: str, where: str = "") -> str:
    value = fields.get(key)
    if not isinstance(value, str) or len(value) > 255:
        raise InstrumentError(f"{where}{key}: must be text of at most 255 characters")
    return value


def _rate(value: Any) -> FrameRate:
    whole = isinstance(value, list) and len(value) == 2 and all(type(n) is int for n in value)
    if not whole or not all(0 < n <= _FASTEST for n in value):
        raise InstrumentError("rate: must be two whole numbers above 0, [num, den]")
    return FrameRate(*value)
