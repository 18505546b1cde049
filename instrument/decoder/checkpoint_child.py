"""The process that opens a foreign checkpoint, and can do nothing else.

Started by `conversion` and never by hand. Reading runs no foreign code by construction; this is
the second wall. What is needed is opened first: the file, and the one to be written. Then limits
are set on memory, time and size, files and sockets can no longer be had, and an audit hook ends
the process at the first attempt to open, import, start or connect anything. Its answer is one
line of JSON; weights go to a safetensors file. Neither torch nor a pickle module takes part.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import mmap
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgspec
import numpy as np

from instrument import InstrumentError
from instrument.decoder.architectures import (
    FastGANSettings,
    ProGANSettings,
    StyleGAN2Settings,
    StyleGAN3Settings,
    read_settings,
)
from instrument.decoder.checkpoint import Checkpoint, State
from instrument.decoder.checkpoint_arrays import read_arrays
from instrument.decoder.checkpoint_door import read_checkpoint
from instrument.decoder.program_archive import IsProgramError, parse_description

CAUGHT = 99  # the exit code after an attempt at something else than reading
_ROOM = 2 << 30  # bytes of address space beside the file itself
_SECONDS = 10  # of processor time beside a share for the file's size
_BYTES_A_SECOND = 10 << 20
_OWN_NETWORK = 0x10000000 | 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET
_FORBIDDEN = (
    "open", "import", "exec", "compile", "code.", "ctypes.", "ftplib.", "function.__new__", "http.",
    "imaplib.", "marshal.", "mmap.", "msvcrt.", "nntplib.", "os.", "pickle.", "poplib.", "pty.",
    "shutil.", "signal.", "smtplib.", "socket.", "sqlite3.", "subprocess.", "syslog.", "telnetlib.",
    "tempfile.", "urllib.", "webbrowser.", "winreg.", "_winapi.",
)  # fmt: skip


def main() -> int:
    """Read, answer, leave; 1 when there was no checkpoint to be had."""
    options = _options()
    gc.disable()  # it would walk a foreign graph again and again, and nothing is ever given back
    try:
        with options.source.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            if size == 0:
                raise InstrumentError("is empty")
            data = memoryview(mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ))
        out = options.out.open("xb", buffering=0) if options.out else None
    except (InstrumentError, OSError, ValueError) as error:
        return _answer({"error": _reason(error)})
    lock_up(size)
    try:
        return _answer(_tables(data, out) if options.arrays else _read(data, out))
    except IsProgramError as found:
        return _answer({"error": str(found), "program": msgspec.to_builtins(found.facts)})
    except InstrumentError as error:
        return _answer({"error": str(error)})
    except MemoryError:
        return _answer({"error": "needs more memory than a checkpoint may"})
    except OSError as error:
        return _answer({"error": f"the converted weights cannot be written ({error.strerror})"})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="instrument.decoder.checkpoint_child")
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--arrays", action="store_true")
    return parser.parse_args()


def lock_up(size: int) -> None:
    """From here on nothing but memory, and a file of `size` bytes that is already open."""
    # What libraries would import, or compile of our own annotations, only when they first need it.
    "".encode("cp437")
    np.random.default_rng(0).standard_normal((2, 2), np.float32).mean(axis=0)
    for kind in (StyleGAN2Settings, StyleGAN3Settings, ProGANSettings, FastGANSettings):
        with contextlib.suppress(InstrumentError):
            read_settings(kind, {})
    parse_description(b"{}")
    sys.excepthook = _tell
    _leave_the_network()
    with contextlib.suppress(ImportError):  # Windows has no such limits
        _limit(importlib.import_module("resource"), size)
    sys.addaudithook(_watch)


def _leave_the_network() -> None:
    """Where the system lets us, into a name space without any network (Linux, Python 3.12)."""
    if hasattr(os, "unshare"):
        with contextlib.suppress(OSError):
            os.unshare(_OWN_NETWORK)


def _limit(resource: Any, size: int) -> None:
    seconds = _SECONDS + size // _BYTES_A_SECOND
    limits = {
        "RLIMIT_AS": size + _ROOM,
        "RLIMIT_CPU": seconds,
        "RLIMIT_FSIZE": 2 * size + (1 << 20),
        "RLIMIT_NPROC": 0,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 0,  # what is open stays open; nothing, no socket either, can be added
    }
    for name, most in limits.items():
        # A system may not know one, or may refuse it because more is already in use.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            resource.setrlimit(getattr(resource, name), (most, most))


def _watch(event: str, _: tuple[object, ...]) -> None:
    """The audit hook: Python says what it is about to do."""
    if event.startswith(_FORBIDDEN):
        _answer({"error": f"tried to do more than be read ({event})"})
        os._exit(CAUGHT)


def _tell(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    """A fault of ours, as an answer: printing a traceback would open files."""
    _answer({"error": f"cannot be read ({kind.__name__}: {str(error)[:200]})"})


def _answer(fields: dict[str, Any]) -> int:
    """Say one line, and with which code to leave."""
    line = json.dumps(fields).encode() + b"\n"
    while line:
        line = line[os.write(1, line) :]
    return 1 if "error" in fields else 0


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror})"
    return str(error)


def _read(data: memoryview, out: BinaryIO | None) -> dict[str, Any]:
    """What the file holds; its weights into `out`."""
    checkpoint = read_checkpoint(data, whole_file=out is not None)
    if out is not None:
        write_weights(out, checkpoint.weights())
    return describe(checkpoint)


def _tables(data: memoryview, out: BinaryIO | None) -> dict[str, Any]:
    """Which arrays a file holds that is no checkpoint; the arrays into `out`."""
    arrays = read_arrays(data)
    if out is not None:
        write_weights(out, arrays)
    return {"arrays": list(arrays)}


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """The answer about a checkpoint that could be read."""
    return {
        "format": checkpoint.format,
        "architecture": checkpoint.architecture,
        "network": msgspec.to_builtins(checkpoint.settings),
        "parameters": checkpoint.parameters,
        "notes": list(checkpoint.notes),
        "licence": checkpoint.licence,
    }


def write_weights(out: BinaryIO, weights: State) -> None:
    """A safetensors file: length of the header, header, numbers in its order."""
    header: dict[str, Any] = {}
    at = 0
    for name, array in weights.items():
        header[name] = {
            "dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes],
        }  # fmt: skip
        at += array.nbytes
    line = json.dumps(header).encode()
    line += b" " * (-len(line) % 8)
    _write(out, len(line).to_bytes(8, "little") + line)
    for array in weights.values():
        _write(out, np.ascontiguousarray(array, "<f4").reshape(-1).view(np.uint8).data)
    os.fsync(out.fileno())


def _write(out: BinaryIO, content: bytes | memoryview) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[out.write(rest) :]


if __name__ == "__main__":
    os._exit(main())  # nothing is to be tidied up, and taking a foreign graph apart takes time
