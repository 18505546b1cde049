"""Foreign checkpoints from the stage's side: asked about, and turned into model folders.

The file itself is opened by a process of its own, `checkpoint_child`; here only its size and its
SHA-256 are read. A model folder is written beside its place, made durable and then renamed, so
that a folder that is there is whole. It knows no torch.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from instrument import InstrumentError
from instrument.decoder.architectures import (
    FastGANSettings,
    ProGANSettings,
    Settings,
    StyleGAN2Settings,
    StyleGAN3Settings,
    read_settings,
)
from instrument.decoder.child import describe_exit, environment
from instrument.decoder.models import MANIFEST, ModelManifest, read_manifest
from instrument.decoder.program_archive import Facts, IsProgramError
from instrument.decoder.series import Series

Tell = Callable[[str], None]
T = TypeVar("T")

_LARGEST_FILE = 16 << 30  # bytes
_LONGEST_ANSWER = 1 << 20  # bytes
_SECONDS = 20.0  # what reading may take, beside a share for the file's size
_BYTES_A_SECOND = 10 << 20


_KINDS: dict[str, type[Settings]] = {
    "stylegan2": StyleGAN2Settings,
    "stylegan3": StyleGAN3Settings,
    "progan": ProGANSettings,
    "fastgan": FastGANSettings,
}


class Description(msgspec.Struct, frozen=True):
    """What the reading process says of a checkpoint. `network` are its settings."""

    format: Annotated[str, msgspec.Meta(max_length=200)]
    architecture: Literal["stylegan2", "stylegan3", "progan", "fastgan"]
    network: dict[str, Any]
    parameters: Annotated[int, msgspec.Meta(ge=0)]
    notes: Annotated[list[str], msgspec.Meta(max_length=20)]
    licence: Annotated[str, msgspec.Meta(max_length=1000)]

    @property
    def settings(self) -> Settings:
        """`network`, checked. Raises InstrumentError."""
        return read_settings(_KINDS[self.architecture], self.network)


class _Refusal(msgspec.Struct, frozen=True):
    error: str
    program: Facts | None = None


def silent(_: str) -> None:
    """Tells nobody."""


def read_foreign(path: Path, out: Path | None = None) -> Description:
    """What the checkpoint `path` is; its weights into the new safetensors file `out`.

    Without `out` no weight is read. Raises InstrumentError, one line that names `path`;
    IsProgramError where it is no checkpoint but a network with its own code.
    """
    return ask_reader(path, Description, *(() if out is None else ("--out", str(out))))


def ask_reader(path: Path, kind: type[T], *options: str) -> T:
    """What the process that opens `path` answers, a `kind`.

    Raises InstrumentError naming `path` where the answer is a refusal, or none.
    """
    size = _size(path)
    command = [sys.executable, "-P", "-m", "instrument.decoder.checkpoint_child"]
    command += [str(path.resolve()), *options]
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    seconds = _SECONDS + size / _BYTES_A_SECOND
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment() | one_thread,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            answer = process.stdout.read(_LONGEST_ANSWER)
            code = process.wait(1.0)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            timer.cancel()
            process.kill()
    return _understood(path, kind, answer, code)


def _understood(path: Path, kind: type[T], answer: bytes, code: int | None) -> T:
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass  # then it is a refusal, or nothing at all
    try:
        refusal = msgspec.json.decode(answer, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InstrumentError(
            f"{path}: cannot be read; the process that tried {describe_exit(code)}"
        ) from None
    line = f"{path}: {' '.join(refusal.error.split())[:500]}"
    if refusal.program is not None:
        raise IsProgramError(
            f"{line}; it is played as it is, with a {path.with_suffix('.toml').name} beside it "
            f'that says how (architecture = "program"): instrument models inspect {path} prints '
            "one to begin with",
            refusal.program,
        )
    raise InstrumentError(line)


def _size(path: Path) -> int:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror})") from error
    if not path.is_file():
        raise InstrumentError(f"{path}: is no file")
    if size > _LARGEST_FILE:
        raise InstrumentError(f"{path}: larger than {_LARGEST_FILE >> 30} GiB")
    return size


def fingerprint(path: Path) -> str:
    """The SHA-256 of a file. Raises InstrumentError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror})") from error


def unchecked(_: ModelManifest) -> None:
    """Finds nothing wrong."""


def convert(
    series: Series, folder: Path, *, name: str = "", label: int = 0, tell: Tell = silent,
    check: Callable[[ModelManifest], None] = unchecked,
) -> ModelManifest:  # fmt: skip
    """Write the checkpoints of one run as the model `folder`, which must not exist yet.

    `label` is the class a conditional model shows; `check` may refuse what was made. Raises
    InstrumentError and then leaves nothing behind.
    """
    if folder.exists():
        raise InstrumentError(f"{folder}: is already there")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise InstrumentError(f"{folder}: cannot be written ({error.strerror})") from error
    try:
        _write_model(series, beside, name or series.name, label, tell)
        check(read_manifest(beside))
        beside.chmod(0o755)
        beside.rename(folder)
    except OSError as error:
        if not (folder / MANIFEST).is_file():
            raise InstrumentError(f"{folder}: cannot be written ({error.strerror})") from error
        # Another process converted the same meanwhile; its folder is as good as ours.
    except InstrumentError as error:
        raise InstrumentError(str(error).replace(str(beside), str(folder))) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return read_manifest(folder)


def _write_model(series: Series, folder: Path, name: str, label: int, tell: Tell) -> None:
    """Weights and manifest of `series` into `folder`."""
    snapshots: list[dict[str, object]] = []
    first: Description | None = None
    for number, (path, images) in enumerate(series.files):
        tell(f"reading {path.name} ({number + 1} of {len(series.files)})")
        file = (
            f"weights-{images:09d}.safetensors" if len(series.files) > 1 else "weights.safetensors"
        )
        found = read_foreign(path, folder / file)
        first = first or found
        _must_agree(series.files[0][0], first, path, found)
        snapshots.append({"file": file, "sha256": fingerprint(folder / file), "images": images})
    assert first is not None
    z_dim = first.settings.z_dim
    manifest = {
        "format": "model/1",
        "name": name[:100],
        "architecture": first.architecture,
        "latent": {"shape": [z_dim], "space": "z", "radius": math.sqrt(z_dim)},
        "size": [first.settings.size] * 2,
        "licence": first.licence,
        "note": "; ".join([first.format, *first.notes, *series.notes]),
        "source": series.source,
        "source_sha256": series_fingerprint(series),
        "label": label,
        "network": first.network,
        "snapshots": snapshots,
    }
    with (folder / MANIFEST).open("w", encoding="utf-8") as file_:
        file_.write(json.dumps(manifest, indent=1) + "\n")
        file_.flush()
        os.fsync(file_.fileno())


def _must_agree(first: Path, wanted: Description, path: Path, found: Description) -> None:
    if (wanted.architecture, wanted.network) == (found.architecture, found.network):
        return
    keys = [key for key in wanted.network if wanted.network[key] != found.network.get(key)]
    what = keys[0] if keys and wanted.architecture == found.architecture else "architecture"
    raise InstrumentError(
        f"{path}: is not of the same run as {first.name}: its {what} differs; "
        f"name only the files that belong together"
    )


def series_fingerprint(series: Series) -> str:
    """The SHA-256 of its file; of several files that of their SHA-256s, in order."""
    digests = [fingerprint(path) for path, _ in series.files]
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )
