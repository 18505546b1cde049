"""z-sequences: one latent position a frame. Row i *is* frame i of its proxy video.

``NAME.npy`` holds z as float32 ``[frames, *shape]``, ``NAME.json`` says what it is, and
``NAME.params.npy`` the parameters of every frame where they vary. A bare ``.npy`` is accepted.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from instrument import InstrumentError
from instrument.event import is_address
from instrument.latent.space import F32, LatentSpec
from instrument.timebase import FrameRange, FrameRate

FORMAT = "z-sequence/1"
DEFAULT_RATE = FrameRate(30)
_SHELL_TOLERANCE = 0.05  # how far a mean length may lie from sqrt(d) and still count as a shell
_FINITE_CHUNK = 4096  # rows looked at together, so that an hour of z stays on disk
# All that numpy's header parser was seen to raise on hostile files.
BAD_HEADER = (ValueError, TypeError, KeyError, EOFError, OverflowError, MemoryError,
              RecursionError, SyntaxError, tokenize.TokenError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelReference:
    """Which model a z belongs to; all empty where nobody knows."""

    name: str = ""
    sha256: str = ""


UNKNOWN_MODEL = ModelReference()


def models_to_json(models: tuple[ModelReference, ...]) -> list[dict[str, str]]:
    """A list of models for a file. The reverse of `models_from_json`."""
    return [{"name": model.name, "sha256": model.sha256} for model in models]


def models_from_json(fields: Any) -> tuple[ModelReference, ...]:
    """Read a list of models. Raises InstrumentError where it is none."""
    if not isinstance(fields, list) or not all(isinstance(model, dict) for model in fields):
        raise InstrumentError("models: must be a list of models, each with name and sha256")
    return tuple(_read_model(model) for model in fields)


@dataclass(frozen=True, slots=True, eq=False)
class ZSequence:
    """`z F32[n, *shape]` and `parameters F32[n, P]` (native units), row i for frame i.

    `addresses` names the P columns; `source` says what made the sequence. Where more than one
    model plays, `models` are those that ``/model/first`` and ``/model/second`` count from 1, and
    `model` is the one that plays first.
    """

    z: F32
    rate: FrameRate
    spec: LatentSpec
    model: ModelReference = UNKNOWN_MODEL
    parameters: F32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    addresses: tuple[str, ...] = ()
    seed: int | None = None
    source: str = ""
    models: tuple[ModelReference, ...] = ()

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
        several = {"models": models_to_json(self.models)} if self.models else {}
        return {
            "format": FORMAT,
            "rate": [self.rate.num, self.rate.den],
            "frames": len(self),
            "latent": self.spec.to_json(),
            "model": {"name": self.model.name, "sha256": self.model.sha256},
            "seed": self.seed,
            "parameters": list(self.addresses),
            "source": self.source,
            **several,
        }


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only once it is whole and on the disk.

    Raises InstrumentError naming the file when the disk says no.
    """
    if not path.name:
        raise InstrumentError(f"{path}: cannot be written (names no file)")
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
        raise InstrumentError(f"{path}: cannot be written ({error.strerror or error})") from error


def sidecar_of(path: Path) -> Path:
    """``NAME.json`` of ``NAME.npy``."""
    return path.with_suffix(".json")


def parameters_of(path: Path) -> Path:
    """``NAME.params.npy`` of ``NAME.npy``."""
    return path.with_suffix(".params.npy")


def save_sequence(path: Path, sequence: ZSequence) -> None:
    """Write ``NAME.npy`` with its sidecar and parameters; the array last, so it is never alone."""
    if path.suffix != ".npy" or path.name.endswith(".params.npy"):
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
        with path.open("rb") as file:
            shape, fortran, dtype = read_header(file)
            offset, length = file.tell(), os.fstat(file.fileno()).st_size
        if dtype.kind != "f":
            raise InstrumentError(f"{path}: holds {dtype}, allowed are float32 and float64")
        if not 1 <= len(shape) <= 3 or min(shape) < 1:
            raise InstrumentError(f"{path}: shape {_brief(shape)} is no list of rows of numbers")
        if math.prod(shape) * dtype.itemsize > length - offset:
            raise InstrumentError(f"{path}: cut short, shape {_brief(shape)} needs more bytes")
        array = np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such file") from None
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror or error})") from error
    except BAD_HEADER as error:
        raise InstrumentError(f"{path}: not a .npy array of numbers") from error
    single = array if dtype == np.float32 else _as_single(array)
    for start in range(0, len(single), _FINITE_CHUNK):
        finite = np.isfinite(single[start : start + _FINITE_CHUNK])
        if not finite.all():
            row = start + int(np.argwhere(~finite)[0][0])
            raise InstrumentError(f"{path}: row {row} is not finite (NaN or infinity)")
    return single


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and type of a ``.npy``. Raises what `BAD_HEADER` names."""
    # numpy's own loader multiplies the shape in 64 bits and guesses at pickles and archives
    # before it looks at the type; the header alone says all there is to refuse.
    readers = {(1, 0): np.lib.format.read_array_header_1_0,
               (2, 0): np.lib.format.read_array_header_2_0}  # fmt: skip
    shape, fortran, dtype = readers[np.lib.format.read_magic(file)](file)
    if any(type(n) is not int for n in shape):
        raise ValueError("shape must be integers")
    return shape, fortran, dtype


def _as_single(array: np.ndarray[Any, Any]) -> F32:
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        return array.astype(np.float32)


def _brief(shape: tuple[int, ...]) -> str:
    return str(list(shape[:4]))[:80]


def load_sequence(path: Path, rate: FrameRate | None = None) -> ZSequence:
    """Open ``NAME.npy``, memory-mapped; `rate` stands in where there is no sidecar.

    Raises InstrumentError naming file and key for whatever does not fit together.
    """
    z = load_array(path)
    if z.ndim not in (2, 3):
        raise InstrumentError(
            f"{path}: shape {list(z.shape)}, allowed is [frames, d] or [frames, layers, d]"
        )
    sidecar = sidecar_of(path)
    if not sidecar.exists():
        try:
            spec = _guess_spec(z)
        except InstrumentError as error:
            raise InstrumentError(f"{path}: {error}") from error
        return ZSequence(z, rate or DEFAULT_RATE, spec, source=path.name)
    fields = _read_sidecar(sidecar)
    try:
        spec = LatentSpec.from_json(fields.get("latent"))
        num, den = fields["rate"]
        if type(num) is not int or type(den) is not int:
            raise InstrumentError("rate: must be two integers, [num, den]")
        recorded = FrameRate(num, den)
        models = models_from_json(fields.get("models", []))
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
    reference = _read_model(fields.get("model"))
    seed = fields.get("seed") if type(fields.get("seed")) is int else None
    source = _text(fields.get("source"))
    return ZSequence(z, recorded, spec, reference, parameters, addresses, seed, source, models)


def _read_model(fields: Any) -> ModelReference:
    model = fields if isinstance(fields, dict) else {}
    return ModelReference(_text(model.get("name")), _text(model.get("sha256")))


def _text(value: Any) -> str:
    """`value` as one printable line, empty where it is no text."""
    return "".join(c for c in value if c.isprintable()) if isinstance(value, str) else ""


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
    if not isinstance(addresses, list) or not all(
        isinstance(a, str) and is_address(a) for a in addresses
    ):
        raise InstrumentError(f"{sidecar}: parameters: must be a list like /spring/frequency")
    if len(set(addresses)) < len(addresses):
        raise InstrumentError(f"{sidecar}: parameters: the same address stands there twice")
    if not addresses:
        return np.zeros((0, 0), np.float32), ()
    parameters = load_array(parameters_of(path))
    if parameters.shape != (fields.get("frames"), len(addresses)):
        raise InstrumentError(
            f"{parameters_of(path)}: shape {list(parameters.shape)}, "
            f"{sidecar.name} says [{fields.get('frames')}, {len(addresses)}]"
        )
    return parameters, tuple(addresses)
