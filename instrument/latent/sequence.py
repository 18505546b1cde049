"""z-sequences: one latent position a frame. Row i *is* frame i of its proxy video.

``NAME.npy`` holds z as float32 ``[frames, *shape]``, ``NAME.json`` says what it is, and
``NAME.params.npy`` the parameters of every frame where they vary; ``NAME.trace.npy`` tells which
rows of other z-sequences it was made of. A bare ``.npy`` is accepted.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from instrument import InstrumentError
from instrument.event import is_address
from instrument.latent.arrays import load_array, taken, write_atomically
from instrument.latent.space import F32, LatentSpec
from instrument.latent.trace import Trace, load_trace, save_trace, trace_to_json
from instrument.timebase import FrameRange, FrameRate

FORMAT = "z-sequence/1"
DEFAULT_RATE = FrameRate(30)
_SHELL_TOLERANCE = 0.05  # how far a mean length may lie from sqrt(d) and still count as a shell
_GUESSED_FROM = 4096  # rows
_WRITTEN_TOGETHER = 4096


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

    `addresses` names the P columns; `source` says what made the sequence, and `trace` of what
    rows. Where more than one model plays, `models` are those that ``/model/first`` and
    ``/model/second`` count from 1, and `model` is the one that plays first.
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
    trace: Trace | None = None

    def __post_init__(self) -> None:
        if self.z.shape[1:] != self.spec.shape:
            raise InstrumentError(f"z rows of {self.z.shape[1:]} are no {self.spec}")
        if self.addresses and self.parameters.shape != (len(self.z), len(self.addresses)):
            raise InstrumentError(
                f"parameters {self.parameters.shape} do not go with {len(self.z)} frames "
                f"and {len(self.addresses)} addresses"
            )
        if self.trace is not None and len(self.trace) != len(self.z):
            raise InstrumentError(
                f"a trace of {len(self.trace)} rows does not go with {len(self.z)} frames"
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
        trace = self.trace.at(rows) if self.trace else None
        return replace(self, z=self.z[rows], parameters=parameters, trace=trace)

    def to_json(self) -> dict[str, Any]:
        """The sidecar, but for the trace. Its reverse is `load_sequence`."""
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


def sidecar_of(path: Path) -> Path:
    """``NAME.json`` of ``NAME.npy``."""
    return path.with_suffix(".json")


def parameters_of(path: Path) -> Path:
    """``NAME.params.npy`` of ``NAME.npy``."""
    return path.with_suffix(".params.npy")


def path_named(out: Path) -> Path:
    """``NAME.npy`` of ``NAME`` or ``NAME.npy``. Raises InstrumentError where it is neither."""
    path = out.with_name(f"{out.name.removesuffix('.npy')}.npy") if out.name else out
    check_name(path)
    return path


def check_name(path: Path) -> None:
    """Raise InstrumentError where a z-sequence cannot be called so."""
    if path.suffix != ".npy" or path.name.endswith((".params.npy", ".trace.npy")):
        raise InstrumentError(f"{path}: a z-sequence is named NAME.npy")


def save_sequence(path: Path, sequence: ZSequence) -> None:
    """Write ``NAME.npy`` with all that goes with it; the array last, so it is never alone."""
    check_name(path)
    if sequence.addresses:
        with write_atomically(parameters_of(path)) as file:
            _save(file, sequence.parameters)
    fields = sequence.to_json()
    if sequence.trace is not None:
        save_trace(path, sequence.trace)
        fields["trace"] = trace_to_json(sequence.trace, path.parent)
    with write_atomically(sidecar_of(path)) as file:
        file.write(json.dumps(fields, indent=1).encode() + b"\n")
    with write_atomically(path) as file:
        _save(file, sequence.z)


def _save(file: IO[bytes], rows: F32) -> None:
    """As numpy does it, but a few rows at a time: they may be made just now, or lie in a file."""
    header = {"descr": "<f4", "fortran_order": False, "shape": rows.shape}
    np.lib.format.write_array_header_1_0(file, header)
    for start in range(0, len(rows), _WRITTEN_TOGETHER):
        block = taken(rows, slice(start, start + _WRITTEN_TOGETHER))
        file.write(np.ascontiguousarray(block, "<f4").data)


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
        trace = load_trace(path, fields.get("trace"))
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
    try:
        return ZSequence(
            z, recorded, spec, reference, parameters, addresses, seed, source, models, trace
        )
    except InstrumentError as error:
        raise InstrumentError(f"{path}: {error}") from error


def _read_model(fields: Any) -> ModelReference:
    model = fields if isinstance(fields, dict) else {}
    return ModelReference(_text(model.get("name")), _text(model.get("sha256")))


def _text(value: Any) -> str:
    """`value` as one printable line, empty where it is no text."""
    return "".join(c for c in value if c.isprintable()) if isinstance(value, str) else ""


def _guess_spec(z: F32) -> LatentSpec:
    shape = z.shape[1:]
    radius = math.sqrt(shape[-1])
    lengths = np.linalg.norm(z[:_GUESSED_FROM].astype(np.float64), axis=-1)
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
