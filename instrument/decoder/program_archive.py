"""Networks that come as programs: which archives they are, and what those say of themselves.

Two kinds of zip archive hold a network together with the code that computes it: those of
``torch.jit.save`` (TorchScript) and of ``torch.export.save``. They are told apart by the names in
the zip's directory; of the second kind the description of inputs and outputs, which is JSON, is
read as well. Nothing of the program is opened here, and no torch is known.
"""

from __future__ import annotations

import zipfile
from typing import Annotated

import msgspec

from instrument import InstrumentError
from instrument.decoder.torch_file import ZIP_MAGIC, directory, stored

TORCHSCRIPT, EXPORT = "TorchScript", "torch.export"
_LARGEST_DESCRIPTION = 64 << 20  # bytes; a network of 4 000 operations has about 4 MiB
_DESCRIPTIONS = ("models/model.json", "serialized_exported_program.json")  # since 2.8, before


# Foreign text that may reach a terminal: not too long, and nothing that would steer it.
_Short = Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


class Value(msgspec.Struct, frozen=True):
    """An input or output; None in its shape is any size."""

    name: _Short
    shape: Annotated[tuple[int | None, ...], msgspec.Meta(max_length=64)]


class Facts(msgspec.Struct, frozen=True):
    """What an archive says of its program: of TorchScript no more than the kind."""

    kind: _Short
    torch: _Short = ""  # the version that wrote it
    device: _Short = ""  # where its first input must lie
    inputs: Annotated[tuple[Value, ...], msgspec.Meta(max_length=100)] = ()
    outputs: Annotated[tuple[Value, ...], msgspec.Meta(max_length=100)] = ()


class IsProgramError(InstrumentError):
    """A checkpoint was expected, and the file is a program. `facts` say which."""

    def __init__(self, message: str, facts: Facts) -> None:
        super().__init__(message)
        self.facts = facts


def program_in(data: memoryview) -> Facts | None:
    """What the program in a file of these bytes is; None where there is none.

    Raises InstrumentError on a damaged archive, and on code compiled for one machine.
    """
    if bytes(data[:4]) != ZIP_MAGIC:
        return None
    # Everything lies in one folder named like the file; before torch 2.8 not so an export.
    entries = {_inside(entry): entry for entry in directory(data)}
    if any(name.startswith("data/aotinductor/") for name in entries):
        raise InstrumentError(
            "holds machine code for one kind of machine (AOTInductor): "
            "give the network as torch.export.save or torch.jit.save writes it"
        )
    for name in _DESCRIPTIONS:
        if name in entries:
            return _described(data, entries[name])
    if "constants.pkl" in entries and "data.pkl" in entries:
        return Facts(TORCHSCRIPT)
    return None


def _inside(entry: zipfile.ZipInfo) -> str:
    folder, _, inside = entry.filename.partition("/")
    return inside or folder


# The part of torch's own format that is read: torch/_export/serde/schema.py.


class _Size(msgspec.Struct):
    as_int: int | None = None


class _Device(msgspec.Struct):
    type: str
    index: int | None = None


class _Tensor(msgspec.Struct):
    sizes: list[_Size]
    device: _Device


class _Named(msgspec.Struct):
    name: str


class _Argument(msgspec.Struct):
    as_tensor: _Named | None = None


class _OfUser(msgspec.Struct):
    arg: _Argument


class _Port(msgspec.Struct):
    user_input: _OfUser | None = None
    user_output: _OfUser | None = None


class _Signature(msgspec.Struct):
    input_specs: list[_Port]
    output_specs: list[_Port]


class _Graph(msgspec.Struct):
    tensor_values: dict[str, _Tensor]


class _Module(msgspec.Struct):
    graph: _Graph
    signature: _Signature


class _Program(msgspec.Struct):
    graph_module: _Module
    torch_version: str = ""


def parse_description(text: bytes | memoryview) -> Facts:
    """The facts in torch.export's JSON; no more than the kind where it is written otherwise."""
    try:
        program = msgspec.json.decode(text, type=_Program)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Facts(EXPORT)
    module = program.graph_module
    tensors = module.graph.tensor_values
    takes = [port.user_input for port in module.signature.input_specs]
    gives = [port.user_output for port in module.signature.output_specs]
    device = ""
    first = tensors.get(next(iter(_named(takes)), ""))
    if first is not None:
        place = first.device
        device = place.type if place.index is None else f"{place.type}:{place.index}"
    return Facts(
        EXPORT, _short(program.torch_version), _short(device),
        _ports(takes, tensors), _ports(gives, tensors),
    )  # fmt: skip


def _named(ports: list[_OfUser | None]) -> list[str]:
    return [port.arg.as_tensor.name for port in ports if port and port.arg.as_tensor]


def _ports(ports: list[_OfUser | None], tensors: dict[str, _Tensor]) -> tuple[Value, ...]:
    return tuple(
        Value(_short(name), tuple(size.as_int for size in tensors[name].sizes[:64]))
        for name in _named(ports)[:100]
        if name in tensors
    )


def _short(text: str) -> str:
    """What `_Short` takes."""
    return "".join(c for c in text[:100] if c.isprintable())


def _described(data: memoryview, entry: zipfile.ZipInfo) -> Facts:
    packed = entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size
    if packed or entry.file_size > _LARGEST_DESCRIPTION:
        return Facts(EXPORT)
    return parse_description(stored(data, entry))
