"""Opens foreign programs, and finds out how they want to be called.

`open_script` and `open_export` are the only places that hand a file to torch which holds code:
TorchScript is code in a language of its own, and ``torch.export.load`` may unpickle, which can do
anything. Both must run in a decoder process (see `runtime.open_here`).

Both give an `Opened`: z ``F32[1, *latent.shape]`` and a truncation in, whatever the network gives
out. What cannot be opened or called is an InstrumentError, one line that does not name the file.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree

from instrument import InstrumentError
from instrument.decoder.program_archive import Facts
from instrument.decoder.programs import TRUNCATION, Constant
from instrument.latent.space import LatentSpec

_LONGEST = 200  # characters of a foreign error
Maker = Callable[[Constant], object]


@dataclass(frozen=True, slots=True)
class Opened:
    """A network on `device`, ready to be called with z and truncation."""

    device: torch.device
    call: Callable[[Tensor, float], object]


def reason(error: BaseException) -> str:
    """What a foreign error says, as one line: of TorchScript's traceback the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    said = lines[-1] if "TorchScript" in lines[0] else lines[0]
    said = "".join(c for c in said.removeprefix("RuntimeError: ") if c.isprintable())
    return f"{type(error).__name__}: {said[:_LONGEST]}"


# --- TorchScript


def open_script(data: bytes, inputs: Mapping[str, str | Constant], device: torch.device) -> Opened:
    """The network of a TorchScript archive."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit: we know
            load: Callable[..., Any] = torch.jit.load  # torch has no types for it
            module = load(io.BytesIO(data), map_location=device).eval()
        arguments = module.forward.schema.arguments[1:]
    except Exception as error:
        raise InstrumentError(
            f"TorchScript that torch {torch.__version__} cannot open ({reason(error)})"
        ) from error
    kinds = {argument.name: str(argument.type) for argument in arguments}
    _must_be_known(inputs, list(kinds))
    free = [a for a in arguments if a.name not in inputs and not a.has_default_value()]
    if not free or kinds[free[0].name] != "Tensor":
        raise InstrumentError(f"takes no z: its inputs are {_listed(kinds)}")
    if len(free) > 1:
        raise InstrumentError(f"its input {free[1].name} has no value: give it one in [inputs]")
    latent, dtype = free[0].name, _only_dtype(module)
    given, followed = _prepared(inputs, {n: _script_maker(n, kinds[n], device) for n in inputs})

    def call(z: Tensor, truncation: float) -> object:
        live = {name: make(truncation) for name, make in followed.items()}
        return module(**{latent: z.to(dtype)}, **given, **live)

    return Opened(device, call)


def _script_maker(name: str, kind: str, device: torch.device) -> Maker:
    """How a number, or a list, becomes an argument of TorchScript's type `kind`."""
    plain = kind.removeprefix("Optional[").removesuffix("]") if "Optional[" in kind else kind

    def make(value: Constant) -> object:
        if plain == "Tensor":
            return torch.tensor([value], device=device)  # [1, k] of a list, [1] of a number
        if plain in ("float", "number") and not isinstance(value, list):
            return float(value)
        if plain in ("int", "bool") and not isinstance(value, list | float):
            return int(value) if plain == "int" else bool(value)
        if plain in ("List[float]", "List[int]") and isinstance(value, list):
            if plain == "List[float]":
                return [float(number) for number in value]
            if all(isinstance(number, int) for number in value):
                return value
        raise InstrumentError(f"its input {name} is of type {kind}, and [inputs] says {value}")

    return make


def _only_dtype(module: torch.nn.Module) -> torch.dtype:
    """What z should be: the precision of the weights if they have one, else float32."""
    tensors = [*module.parameters(), *module.buffers()]
    found = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    return found.pop() if len(found) == 1 else torch.float32


# --- torch.export


def open_export(
    data: bytes, inputs: Mapping[str, str | Constant], latent: LatentSpec, facts: Facts
) -> Opened:
    """The network of an archive of torch.export; it stays on the device it was exported for."""
    program = _load_export(data, facts)
    names, ports = _ports(program)
    _must_be_known(inputs, names)
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    found = {name: values.get(port.name) for name, port in zip(names, ports, strict=True)}
    symbols = Tensor | torch.SymInt | torch.SymFloat | torch.SymBool
    free = [name for name in names if name not in inputs and isinstance(found[name], symbols)]
    if not free or not isinstance(found[free[0]], Tensor):
        raise InstrumentError(f"takes no z: its inputs are {', '.join(names) or 'none'}")
    if len(free) > 1:
        raise InstrumentError(f"its input {free[1]} has no value: give it one in [inputs]")
    z = found[free[0]]
    assert isinstance(z, Tensor)
    _must_take(z, latent, free[0])
    makers = {name: _export_maker(name, found[name]) for name in inputs}
    constants = {
        name: getattr(port, "value", None) for name, port in zip(names, ports, strict=True)
    }
    given, followed = _prepared(inputs, makers)
    module = program.module()
    dtype = z.dtype

    def call(z: Tensor, truncation: float) -> object:
        live = {name: make(truncation) for name, make in followed.items()}
        chosen = {**constants, **given, **live, free[0]: z.to(dtype)}
        positional, named = _pytree.tree_unflatten(
            [chosen[name] for name in names], program.call_spec.in_spec
        )
        return module(*positional, **named)

    return Opened(z.device, call)


def _load_export(data: bytes, facts: Facts) -> torch.export.ExportedProgram:
    heard: list[BaseException] = []
    try:
        with warnings.catch_warnings(), _overheard("torch.export", heard):
            warnings.simplefilter("ignore")
            return torch.export.load(io.BytesIO(data))
    except Exception as error:
        cause = heard[-1] if heard else error
        written = f" written by torch {facts.torch}" if facts.torch else ""
        raise InstrumentError(
            f"a torch.export program{written}, which torch {torch.__version__} cannot open "
            f"({reason(cause)}); if the versions differ, export it again with this one"
        ) from error


@contextmanager
def _overheard(name: str, heard: list[BaseException]) -> Iterator[None]:
    """What goes wrong inside torch.export.load, which only logs it, pages long."""

    def listen(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1]:
            heard.append(record.exc_info[1])
        return False

    logger = logging.getLogger(name)
    logger.addFilter(listen)
    try:
        yield
    finally:
        logger.removeFilter(listen)


def _ports(program: torch.export.ExportedProgram) -> tuple[list[str], list[Any]]:
    """The names a caller knows the inputs by, in order, and what the program says of each."""
    kind = torch.export.graph_signature.InputKind.USER_INPUT
    ports = [spec.arg for spec in program.graph_signature.input_specs if spec.kind == kind]
    positional, named = _pytree.tree_unflatten(ports, program.call_spec.in_spec)
    flat = [*positional, *named.values()]
    if len(flat) != len(ports) or any(isinstance(one, list | tuple | dict) for one in flat):
        raise InstrumentError("takes lists of inputs: export it with plain tensors")
    return [*(port.name for port in positional), *named], ports


def _must_take(z: Tensor, latent: LatentSpec, name: str) -> None:
    """Raises InstrumentError unless `z`, as the program describes it, is one z or any number."""
    shape = [size if isinstance(size, int) else None for size in z.shape]
    wanted = [1, *latent.shape]
    if len(shape) == len(wanted) and shape[0] not in (1, None) and shape[1:] == wanted[1:]:
        raise InstrumentError(
            f"was exported for {shape[0]} z at once: export it for 1, or for any number"
        )
    fits = len(shape) == len(wanted) and all(
        have in (want, None) for have, want in zip(shape, wanted, strict=True)
    )
    if not fits:
        shown = ", ".join("any" if size is None else str(size) for size in shape)
        raise InstrumentError(f"its input {name} is [{shown}], latent.shape asks for {wanted}")


def _export_maker(name: str, described: object) -> Maker:
    """How a number, or a list, becomes the input that the program describes so."""

    def make(value: Constant) -> object:
        if isinstance(described, Tensor):
            shape = [size if isinstance(size, int) else 1 for size in described.shape]
            numbers = torch.tensor(value, dtype=described.dtype, device=described.device)
            if not isinstance(value, list):
                return numbers.expand(shape).clone()
            if numbers.numel() != torch.Size(shape).numel():
                raise InstrumentError(f"its input {name} is {shape}, [inputs] gives {len(value)}")
            return numbers.reshape(shape)
        if isinstance(described, torch.SymInt | torch.SymFloat | torch.SymBool):
            return value
        if described is None or value != described:
            raise InstrumentError(
                f"its input {name} was exported as a constant: export it as a tensor to choose it"
            )
        return described

    return make


# --- both


def _must_be_known(inputs: Mapping[str, object], names: Sequence[str]) -> None:
    for name in inputs:
        if name not in names:
            raise InstrumentError(f"has no input {name}; its inputs are {', '.join(names)}")


def _listed(kinds: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in kinds.items()) or "none"


def _prepared(
    inputs: Mapping[str, str | Constant], makers: Mapping[str, Maker]
) -> tuple[dict[str, object], dict[str, Maker]]:
    """The arguments that stay, made once, and how those that follow truncation are made."""
    given = {n: makers[n](value) for n, value in inputs.items() if not isinstance(value, str)}
    followed = {name: makers[name] for name, value in inputs.items() if value == TRUNCATION}
    for make in followed.values():
        make(1.0)  # what cannot follow is said now
    return given, followed
