"""Networks compiled for one processor: torch writes C++ for the whole of a network's picture.

That takes a minute of a processor, so it is never waited for: `Warmup` has it done in a process of
its own while the model already plays, or a performer does it at home (`instrument models compile`).
What comes out lies in the user's cache, opens in a fraction of a second, needs no compiler any
more, and is one form among others (see `tuned`): it plays only where it is faster and looks the
same.

A network's weights are inputs of what is compiled, not part of it. So snapshots, which are blended
in place, and truncation need nothing to be compiled again, and one file serves every snapshot.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol, cast

import torch
from torch import Tensor, nn

from instrument import InstrumentError
from instrument.decoder.aot_program import LIBRARY, AotProgram, code_in
from instrument.decoder.child import decoding_environment
from instrument.decoder.choices import processor
from instrument.decoder.forms import Form
from instrument.decoder.model_cache import cache_folder
from instrument.decoder.models import ModelManifest
from instrument.decoder.protocol import DecoderSpec, Precision
from instrument.decoder.spaces import name_of
from instrument.latent.arrays import write_atomically
from instrument.resources import child_environment

_VERSION = 2  # of what is compiled: another, and all is compiled anew
# The number of threads is the decoder's to say, later and more than once.
_SETTINGS = {"cpp.dynamic_threads": True}

Paint = Callable[[Tensor, Tensor | None], Tensor]


class Painter(Protocol):
    """A network of which `paint` makes pictures: z ``[1, *shape]`` and truncation ``[1]``."""

    paint: Paint


def package_of(spec: DecoderSpec) -> Path:
    """Where what was compiled of a model, in its likeliest form, would lie on this machine."""
    parts = (_VERSION, processor(), platform.system(), torch.__version__, spec.sha256, spec.size,
             spec.latent.shape, spec.latent.space)  # fmt: skip
    key = hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
    return cache_folder().parent / "compiled" / f"{key}.pt2"


def with_compiled(
    manifest: ModelManifest, device: torch.device, precision: Precision, forms: list[Form]
) -> tuple[list[Form], Warmup | None]:
    """`forms`, and the compiled one where there is one; else, where it is wanted, who makes it."""
    compiled = replace(forms[-1], compiled=True)
    if precision == "source":
        return [compiled], None
    if device.type != "cpu" or precision == "full":
        return forms, None
    if package_of(manifest.spec).is_file():
        return [*forms, compiled], None
    return forms, Warmup(manifest, compiled) if precision == "compiled" else None


def compiler() -> str | None:
    """The C++ compiler that torch would call, or None."""
    named = os.environ.get("CXX")
    usual = ("cl",) if sys.platform == "win32" else ("g++", "clang++")
    return next(filter(None, map(shutil.which, (named,) if named else usual)), None)


def compile_into(path: Path, network: nn.Module, z: Tensor) -> None:
    """Compile the pictures of `network`, a `Painter`, for positions like `z`; `path` is written
    whole or not at all.

    Raises InstrumentError where there is no compiler, torch cannot compile it, or the disk says no.
    """
    if compiler() is None:
        raise InstrumentError(
            "no C++ compiler on this machine: install one (Debian and Ubuntu: g++), and try again"
        )
    state = {name: tensor.detach().clone() for name, tensor in _state(network).items()}
    psi = torch.full((1,), 0.5)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about itself
        made = Path(folder) / "made.pt2"
        try:
            with torch.no_grad():
                exported = torch.export.export(_Whole(network), (z, psi, state), strict=False)
                torch._inductor.aoti_compile_and_package(
                    exported, package_path=str(made), inductor_configs=_SETTINGS
                )
            code_in(made)
        except Exception as error:  # whatever a compiler may say, of classes without number
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise InstrumentError(f"cannot be compiled by torch ({reason})") from error
        with contextlib.suppress(OSError):  # what cannot be made cannot be written to either
            path.parent.mkdir(parents=True, exist_ok=True)
        with made.open("rb") as package, write_atomically(path) as file:
            shutil.copyfileobj(package, file)


class CompiledPaint:
    """What was compiled of `network`, instead of its own `paint`. Takes one z at a time.

    Raises InstrumentError where the file at `path` is none that can be opened here.
    """

    def __init__(self, path: Path, network: nn.Module) -> None:
        try:
            self._program = AotProgram(path)
        except Exception as error:  # a file that was cut, another torch's, another system's
            for file in (path, path.with_suffix(LIBRARY)):  # they would fail at every start
                with contextlib.suppress(OSError):
                    file.unlink(missing_ok=True)
            raise InstrumentError(f"{path}: not compiled for this machine ({error})") from error
        self._network = network
        self._tensors: list[Tensor] = []
        self._untruncated = torch.ones(1)

    def __call__(self, z: Tensor, psi: Tensor | None) -> Tensor:
        """See `Painter`."""
        # The first time, not before: by then the weights are where they stay.
        self._tensors = self._tensors or list(_state(self._network).values())
        return self._program([z, self._untruncated if psi is None else psi, *self._tensors])


def compile_apart(manifest: ModelManifest) -> None:
    """Have the likeliest form of a model compiled into its place, in a process of its own; wait.

    Raises InstrumentError with what it says.
    """
    _waited(compiling(manifest), f"{manifest.name}: compiling")


def compare_apart(manifest: ModelManifest) -> tuple[float, float, str]:
    """Seconds a picture of a model's safe form and of its fastest on one thread, in turn, in a
    process like those that decode on stage; the name of the fastest, which is remembered.

    Raises InstrumentError with what it says.
    """
    said = _waited(compiling(manifest, "compare"), f"{manifest.name}: comparing")
    before, after, form = json.loads(said)
    return float(before), float(after), str(form)


def _waited(command: list[str], what: str) -> str:
    """What a child of ours prints. Raises InstrumentError with what it says of its failure."""
    its_input, ours = os.pipe()  # it ends when we do: that closes its input
    try:
        ended = subprocess.run(
            command, stdin=its_input, capture_output=True, env=decoding_environment(), text=True,
            errors="replace",
        )  # fmt: skip
    finally:
        os.close(its_input)
        os.close(ours)
    if ended.returncode:
        said = ended.stderr.strip().splitlines()
        raise InstrumentError(said[-1] if said else f"{what} ended with {ended.returncode}")
    return ended.stdout


class Warmup:
    """Has a model compiled while it plays; asked now and then by whoever decodes, never waits.

    The process takes what nobody else wants of a processor, and ends with its parent.
    """

    def __init__(self, manifest: ModelManifest, form: Form) -> None:
        self.form = form
        self._manifest = manifest
        self._process: subprocess.Popen[bytes] | None = None

    def poll(self) -> bool | None:
        """Whether it is compiled, or cannot be; None while nobody knows. The first call begins."""
        if self._process is None:
            if compiler() is None:
                return False
            with contextlib.suppress(OSError):
                self._process = subprocess.Popen(
                    compiling(self._manifest, "gently"), stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=child_environment(),
                )  # fmt: skip
            return None if self._process is not None else False
        code = self._process.poll()
        return None if code is None else code == 0


def compiling(
    manifest: ModelManifest, how: Literal["soon", "gently", "compare"] = "soon"
) -> list[str]:
    """The command that compiles the likeliest form of a model into its place.

    `gently`: it takes what nobody else wants of a processor; `compare`: it compiles nothing, and
    compares what there is. It ends when its input does.
    """
    height, width = manifest.size
    told = [str(manifest.folder.absolute()), name_of(manifest.latent), str(height), str(width), how]
    return [sys.executable, "-P", "-m", "instrument.decoder.compile_child", *told]


class _Whole(nn.Module):
    """z, truncation and all tensors of a network → a picture: nothing is left inside."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._hidden = [network]  # in a list: else its tensors would be this module's, too

    def forward(self, z: Tensor, psi: Tensor, state: dict[str, Tensor]) -> Tensor:
        """See the class."""
        painted = _Painted(self._hidden[0])
        named = {f"network.{name}": tensor for name, tensor in state.items()}
        picture: Tensor = torch.func.functional_call(painted, named, (z, psi))
        return picture


class _Painted(nn.Module):
    """Calls `paint`, so that the network's tensors can be exchanged for that time."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor, psi: Tensor) -> Tensor:
        """See `Painter`."""
        return cast(Painter, self.network).paint(z, psi)


def _state(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}
