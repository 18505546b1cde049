"""What a render is, written down: everything its frames depend on, and how it is cut into chunks.

Two renders with equal manifests make equal frames, so one may go on where the other was ended, and
any number of machines may make chunks of the same film. This module knows no folders and decodes
nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from instrument import InstrumentError
from instrument.latent.arrays import taken
from instrument.latent.sequence import ZSequence, models_to_json
from instrument.studio.film import Size
from instrument.timebase import FrameRange, FrameRate

FORMAT = "render/1"
_BLOCK = 4096  # rows of z that are read together
_LONGEST = 600  # frames of a chunk
_PIXELS = 1 << 20  # of a frame, up to which chunks are as long as can be
_SHORTEST = 60
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """A render. `rows` of the source are the film's frames, `total` is how many the source has.

    `batch` rows are decoded together (another number changes single pixels by a level) and `chunk`
    frames are encoded together. `settings` is whatever else shapes the frames, `versions` what
    they are computed with.
    """

    rows: FrameRange
    total: int
    rate: FrameRate
    size: Size
    batch: int
    chunk: int
    settings: Mapping[str, Any]
    versions: Mapping[str, str]

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= 1024:
            raise InstrumentError(f"batch {self.batch}: must be 1 to 1024")
        if not 1 <= self.chunk <= _MOST or self.chunk % self.batch:
            raise InstrumentError(
                f"chunk {self.chunk}: must be a multiple of the batch, {self.batch}, up to {_MOST}"
            )

    @property
    def chunks(self) -> tuple[FrameRange, ...]:
        """The rows of every chunk, in order. All but the first begin at multiples of `chunk`."""
        first, stop = self.rows.start, self.rows.stop
        cuts = [first, *range((first // self.chunk + 1) * self.chunk, stop, self.chunk), stop]
        return tuple(FrameRange(a, b) for a, b in pairwise(cuts))

    def chunks_of(self, part: FrameRange) -> tuple[FrameRange, ...]:
        """The chunks that make up `part`. Raises InstrumentError where it cuts through one."""
        ends = {self.rows.start, *(chunk.stop for chunk in self.chunks)}
        if not {part.start, part.stop} <= ends or not len(part):
            raise InstrumentError(
                f"part {part.start}:{part.stop}: begins and ends where chunks do, at multiples of "
                f"{self.chunk} from {self.rows.start} to {self.rows.stop}"
            )
        return tuple(c for c in self.chunks if part.start <= c.start and c.stop <= part.stop)

    @property
    def sha256(self) -> str:
        """Identifies the render."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """What goes into the file. The reverse of `manifest_from_json`."""
        return {
            "format": FORMAT,
            "rows": [self.rows.start, self.rows.stop],
            "total": self.total,
            "rate": [self.rate.num, self.rate.den],
            "size": list(self.size),
            "batch": self.batch,
            "chunk": self.chunk,
            "settings": dict(self.settings),
            "versions": dict(self.versions),
        }

    def difference(self, other: Manifest) -> str | None:
        """The first thing in which two renders differ, in words; None where they are the same."""
        mine, theirs = _flat(self.to_json()), _flat(other.to_json())
        for key in sorted(mine.keys() | theirs.keys()):
            one, another = mine.get(key), theirs.get(key)
            if one != another:
                return f"{key} {_brief(one)}, here {_brief(another)}"
        return None


def manifest_from_json(fields: Any) -> Manifest:
    """Read a manifest. Raises InstrumentError with the key and what is allowed."""
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise InstrumentError(f'format: must be "{FORMAT}"')
    try:
        rows, rate, size = (_pair(fields, key) for key in ("rows", "rate", "size"))
        numbers = [fields[key] for key in ("total", "batch", "chunk")]
        if any(type(number) is not int for number in numbers):
            raise InstrumentError("total, batch and chunk: must be integers")
        settings, versions = fields["settings"], fields["versions"]
        if not isinstance(settings, dict) or not isinstance(versions, dict):
            raise InstrumentError("settings and versions: must be objects")
        total, batch, chunk = numbers
        if not 0 <= rows[0] < rows[1] <= total:
            raise InstrumentError(f"rows: must lie within 0 and total, {total}")
        return Manifest(
            FrameRange(*rows), total, FrameRate(*rate), size, batch, chunk, settings, versions
        )
    except KeyError as error:
        raise InstrumentError(f"{error.args[0]}: is missing") from None


def _pair(fields: dict[str, Any], key: str) -> tuple[int, int]:
    pair = fields[key]
    if not isinstance(pair, list) or len(pair) != 2 or any(type(n) is not int for n in pair):
        raise InstrumentError(f"{key}: must be two integers")
    return pair[0], pair[1]


def usual_chunk(size: Size, batch: int) -> int:
    """How many frames of `size` are encoded together unless somebody says: fewer of larger ones.

    A chunk is what is lost when a render is killed, and what Ctrl-C waits for.
    """
    pixels = size[0] * size[1]
    frames = max(_SHORTEST, min(_LONGEST, _LONGEST * _PIXELS // pixels))
    return max(1, frames // batch) * batch


def digest_of(sequence: ZSequence) -> str:
    """SHA-256 of what pictures are made of: rows, parameters, models. Wherever it was read from."""
    said = {
        "latent": sequence.spec.to_json(),
        "frames": len(sequence),
        "parameters": list(sequence.addresses),
        "models": models_to_json(sequence.models or (sequence.model,)),
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for start in range(0, len(sequence), _BLOCK):
        rows = slice(start, start + _BLOCK)
        digest.update(np.ascontiguousarray(taken(sequence.z, rows), "<f4").data)
        if sequence.addresses:
            parameters = taken(sequence.parameters, rows)
            digest.update(np.ascontiguousarray(parameters, "<f4").data)
    return digest.hexdigest()


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Settings and versions beside the rest: each is named by its own word."""
    inner = {**fields["settings"], **fields["versions"]}
    return {**{k: v for k, v in fields.items() if k not in ("settings", "versions")}, **inner}


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
