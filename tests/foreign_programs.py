"""Small networks as performers bring them: TorchScript and torch.export files, and their TOML."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

torch.set_num_threads(1)

LATENT, SIDE = 16, 8


class Net(nn.Module):
    """z [n, 16] → [n, 3, 8, 8] in -1..1."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(LATENT, 3 * SIDE * SIDE)
        with torch.no_grad():
            chance = torch.Generator().manual_seed(4)
            self.linear.weight.copy_(torch.randn(self.linear.weight.shape, generator=chance))
            self.linear.bias.copy_(torch.randn(self.linear.bias.shape, generator=chance))

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(0.2 * self.linear(z)).view(-1, 3, 8, 8)


def scripted(network: nn.Module) -> bytes:
    """The bytes of ``torch.jit.save``."""
    return _saved(lambda: torch.jit.script(network.eval()))


def traced(network: nn.Module, *examples: Tensor) -> bytes:
    """The same, of a trace: what it does with these examples it does with all."""
    return _saved(lambda: torch.jit.trace(network.eval(), examples))


def frozen(network: nn.Module) -> bytes:
    """The same, its weights made constants of its code."""
    return _saved(lambda: torch.jit.freeze(torch.jit.script(network.eval())))


@contextmanager
def quiet() -> Iterator[None]:
    """Without what torch says of torch.jit: that there will be an end to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _saved(make: Callable[[], Any]) -> bytes:
    buffer = io.BytesIO()
    with quiet():
        torch.jit.save(make(), buffer)
    return buffer.getvalue()


def exported(network: nn.Module, *examples: Any, any_batch: bool = False) -> bytes:
    """The bytes of ``torch.export.save``; `any_batch`: of the first input."""
    buffer = io.BytesIO()
    shapes: Any = None
    if any_batch:
        shapes = ({0: torch.export.Dim("batch")}, *[None] * (len(examples) - 1))
    with quiet():
        program = torch.export.export(network.eval(), examples, dynamic_shapes=shapes)
        torch.export.save(program, buffer)
    return buffer.getvalue()


def toml(inputs: str = "", latent: str = "", **keys: str) -> str:
    """The TOML of `Net`; `keys` replace or add lines, written as TOML writes values."""
    lines = {
        "format": '"model/1"',
        "architecture": '"program"',
        "name": '"net"',
        "size": f"[{SIDE}, {SIDE}]",
        "licence": '"MIT"',
    } | keys
    latent = latent or f"shape = [{LATENT}]\nradius = {math.sqrt(LATENT)}"
    top = "\n".join(f"{key} = {value}" for key, value in lines.items())
    return f"{top}\n\n[latent]\n{latent}\n\n[inputs]\n{inputs}\n"


def write(folder: Path, data: bytes, card: str = "", name: str = "net.pt") -> Path:
    """The network and, unless `card` is ``-``, its TOML beside it."""
    path = folder / name
    path.write_bytes(data)
    if card != "-":
        path.with_suffix(".toml").write_text(card or toml())
    return path


def edited(data: bytes, entry: str, old: bytes, new: bytes) -> bytes:
    """An archive with `old` replaced in the entries whose name ends in `entry`."""
    buffer, changed = io.BytesIO(), 0
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(buffer, "w") as after:
        for one in before.infolist():
            content = before.read(one)
            if one.filename.endswith(entry):
                changed += content.count(old)
                content = content.replace(old, new)
            after.writestr(one.filename, content)
    assert changed
    return buffer.getvalue()
