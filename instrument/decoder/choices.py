"""What was found fastest before, remembered in the user's cache: a form and a thread count.

One small JSON file for each model on each processor with each torch. A file that is damaged, of
another version or not ours to read is as if there were none; one that cannot be written is a pity
and nothing more. Imports no torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import msgspec

from instrument import InstrumentError
from instrument.decoder.model_cache import cache_folder
from instrument.decoder.protocol import DecoderSpec
from instrument.latent.arrays import write_atomically

_VERSION = 2  # of the forms and of how they are measured: another, and all is measured anew
_LARGEST = 4096  # bytes


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The form by its name, and how many threads; `key` says what it was measured for."""

    key: str
    form: str
    threads: int


def choice_key(
    spec: DecoderSpec, device: str, torch_version: str, threads: int, forms: Sequence[str] = ()
) -> str:
    """All that a measurement hangs on: 32 hex digits. `threads` as asked for; 0: measured, too.

    `forms` are the names of those there are to choose from.
    """
    parts = (_VERSION, processor(), os.cpu_count(), device, torch_version, spec.sha256, spec.size,
             spec.latent.shape, threads, *forms)  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def processor() -> str:
    """What the processor calls itself, and what it can; as well as the system tells."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        told = [line for line in lines if line.startswith(("model name", "flags", "Features"))]
        if told:
            return "\n".join(sorted(set(told)))
    return f"{platform.machine()} {platform.processor()}"


def recall(key: str) -> Choice | None:
    """What was chosen for `key`, if that is known. The reverse of `remember`."""
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        with _file(key).open("rb") as file:
            choice = msgspec.json.decode(file.read(_LARGEST), type=Choice)
        if choice.key == key and 1 <= choice.threads <= 4096:
            return choice
    return None


def remember(choice: Choice) -> None:
    """Keep `choice` for the next start."""
    with contextlib.suppress(OSError, InstrumentError):
        file = _file(choice.key)
        file.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(file) as written:
            written.write(msgspec.json.encode(choice))


def _file(key: str) -> Path:
    return cache_folder().parent / "decoding" / f"{key}.json"
