"""z-sequences: one latent position a frame. Row i *is* frame i of its proxy video.

``NAME.npy`` holds z as float32 ``[frames, *shape]``, ``NAME.json`` says what it is, and
``NAME.params.npy`` the parameters of every frame where they vary. A bare ``.npy`` is accepted.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from instrument import InstrumentError
from instrument.latent.space import F32, LatentSpec
from instrument.timebase import FrameRange, FrameRate

FORMAT = "z-sequence/1"
DEFAULT_RATE = FrameRate(30)
_SHELL_TOLERANCE = 0.05  # how far a mean length may lie from sqrt(d) and still count as a shell
_FINITE_CHUNK = 4096  # rows looked at together, so that an hour of z stays on disk


@dataclass(frozen=True, slots=True)
class ModelReference:
    """Which model a z belongs to; all empty where nobody knows."""

    name: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ZSequence:
    """`z F32[n, *shape]` and `parameters F32[n, P]` (native units), row i for frame i.

    `addresses` names the P columns; `source` says what made the sequence.
    """

    z: F32
    rate: FrameRate
    spec: LatentSpec
    model: ModelReference = ModelReference()
    parameters: F32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    addresses: tuple[str, ...] = ()
    seed: int | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if self.z.shape[1:] != self.spec.shape:
            raise InstrumentError(f"z rows of {self.z.shape[1:]} are no {self.spec}")
        if self.addresses and self.parameters.shape != (len(self.z), len(self.addresses)):
            raise InstrumentError(
                f"parameters {self.parameters.shape} do not go with {len(self.z)} frames "
                f"and {len(self.addresses)} addresses"
            )

    def __len__(self) -> int:
        return len(self.z)

    def column(self, address: str) -> F32 | None:
        """The values of one parameter, ``F32[n]``, or None where it was not recorded."""
        if address not in self.addresses:
            return None
        return self.parameters[:, self.addresses.index(address)]

    def cut(self, frames: FrameRange) -> ZSequence:
        """The rows of `frames`, without copying."""
        rows = slice(frames.start, frames.stop)
        parameters = self.parameters[rows] if self.addresses else self.parameters
        return replace(self, z=self.z[rows], parameters=parameters)

    def to_json(self) -> dict[str, Any]:
        """The sidecar. Its reverse is `load_sequence`."""
        return {
            "format": FORMAT,
            "rate": [self.rate.num, self.rate.den],
            "frames": len(self),
            "latent": self.spec.to_json(),
            "model": {"name": self.model.name, "sha256": self.model.sha256},
            "seed": self.seed,
            "parameters": list(self.addresses),
            "source": self.source,
        }


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only once it is whole and on the disk.

    Raises InstrumentError naming the file when the disk says no.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be written ({error.strerror})") from error


def sidecar_of(path: Path) -> Path:
    """``NAME.json`` of ``NAME.npy``."""
    return path.with_suffix(".json")


def parameters_of(path: Path) -> Path:
    """``NAME.params.npy`` of ``NAME.npy``."""
    return path.with_suffix(".params.npy")


def save_sequence(path: Path, sequence: ZSequence) -> None:
    """Write ``NAME.npy`` with its sidecar and parameters; the array last, so it is never alone."""
    if path.suffix != ".npy":
        raise InstrumentError(f"{path}: a z-sequence is named NAME.npy")
    if sequence.addresses:
        with write_atomically(parameters_of(path)) as file:
            np.save(file, np.ascontiguousarray(sequence.parameters, np.float32))
    with write_atomically(sidecar_of(path)) as file:
        file.write(json.dumps(sequence.to_json(), indent=1).encode() + b"\n")
    with write_atomically(path) as file:
        np.save(file, np.ascontiguousarray(sequence.z, np.float32))


def load_array(path: Path) -> F32:
    """Map a float array from the disk without running anything in it.

    Raises InstrumentError naming the file when it is no array of finite numbers.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such file") from None
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        reason = str(error).splitlines()[0] if str(error) else "damaged"
        if "allow_pickle" in str(error):
            reason = "holds Python objects, only numbers are opened"
        raise InstrumentError(f"{path}: not a .npy array of numbers ({reason})") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        kind = array.dtype if isinstance(array, np.ndarray) else "an archive"
        raise InstrumentError(f"{path}: holds {kind}, allowed are float32 and float64")
    if array.ndim < 1 or len(array) == 0:
        raise InstrumentError(f"{path}: shape {array.shape} holds no row")
    for start in range(0, len(array), _FINITE_CHUNK):
        finite = np.isfinite(array[start : start + _FINITE_CHUNK])
        if not finite.all():
            row = start + int(np.argwhere(~finite)[0][0])
            raise InstrumentError(f"{path}: row {row} is not finite (NaN or infinity)")
    return array if array.dtype == np.float32 else array.astype(np.float32)


def load_sequence(path: Path, rate: FrameRate | None = None) -> ZSequence:
    """Open ``NAME.npy``, memory-mapped; `rate` stands in where there is no sidecar.

    Raises InstrumentError naming file and key for whatever does not fit together.
    """
    z = load_array(path)
    sidecar = sidecar_of(path)
    if not sidecar.exists():
        if z.ndim not in (2, 3):
            raise InstrumentError(
                f"{path}: shape {z.shape}, allowed is [frames, d] or [frames, layers, d]"
            )
        return ZSequence(z, rate or DEFAULT_RATE, _guess_spec(z), source=path.name)
    fields = _read_sidecar(sidecar)
    try:
        spec = LatentSpec.from_json(fields.get("latent"))
        num, den = fields["rate"]
        if type(num) is not int or type(den) is not int:
            raise InstrumentError("rate: must be two integers, [num, den]")
        recorded = FrameRate(num, den)
    except InstrumentError as error:
        raise InstrumentError(f"{sidecar}: {error}") from error
    except (KeyError, TypeError, ValueError):
        raise InstrumentError(f"{sidecar}: rate: must be two integers, [num, den]") from None
    if fields.get("frames") != len(z) or z.shape[1:] != spec.shape:
        raise InstrumentError(
            f"{sidecar}: frames {fields.get('frames')} of {spec} do not go with {path.name} "
            f"of shape {list(z.shape)}"
        )
    parameters, addresses = _load_parameters(path, sidecar, fields)
    model = fields.get("model")
    model = model if isinstance(model, dict) else {}
    reference = ModelReference(str(model.get("name", "")), str(model.get("sha256", "")))
    seed = fields.get("seed") if type(fields.get("seed")) is int else None
    return ZSequence(
        z, recorded, spec, reference, parameters, addresses, seed, str(fields.get("source", ""))
    )


def _guess_spec(z: F32) -> LatentSpec:
    shape = z.shape[1:]
    radius = math.sqrt(shape[-1])
    lengths = np.linalg.norm(z[:_FINITE_CHUNK].astype(np.float64), axis=-1)
    on_shell = abs(float(lengths.mean()) / radius - 1.0) <= _SHELL_TOLERANCE
    return LatentSpec(shape, "z", radius if on_shell else None)


def _read_sidecar(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InstrumentError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise InstrumentError(f'{path}: format: must be "{FORMAT}"')
    return fields


def _load_parameters(
    path: Path, sidecar: Path, fields: dict[str, Any]
) -> tuple[F32, tuple[str, ...]]:
    addresses = fields.get("parameters") or []
    if not isinstance(addresses, list) or not all(isinstance(a, str) for a in addresses):
        raise InstrumentError(f"{sidecar}: parameters: must be a list of addresses")
    if not addresses:
        return np.zeros((0, 0), np.float32), ()
    parameters = load_array(parameters_of(path))
    if parameters.shape != (fields.get("frames"), len(addresses)):
        raise InstrumentError(
            f"{parameters_of(path)}: shape {list(parameters.shape)}, "
            f"{sidecar.name} says [{fields.get('frames')}, {len(addresses)}]"
        )
    return parameters, tuple(addresses)
