"""Which checkpoints belong together: the snapshots of one training run, in order.

Training scripts number their files. Each of these patterns is one script's way; the number says
where in the training a snapshot stands.
"""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path

from instrument import InstrumentError

SUFFIXES = (".pkl", ".pt", ".pth", ".safetensors")
_MOST_FILES = 1000


@dataclass(frozen=True, slots=True)
class Series:
    """Files with their place in the training (images or iterations seen), earliest first."""

    name: str
    source: str
    files: tuple[tuple[Path, int], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Pattern:
    """How one training script names its files; `unit` is what its number counts."""

    script: str
    names: re.Pattern[str]
    unit: int = 1
    counted: str = "iterations"


_PATTERNS = (
    _Pattern("NVIDIA's", re.compile(r"network-snapshot-(?P<at>\d{1,9})\.pkl"), 1000, "images"),
    _Pattern(
        "pytorch_GAN_zoo's",
        re.compile(r"(?P<run>.+)_s(?P<scale>\d{1,2})_i(?P<at>\d{1,9})(-[0-9a-f]+)?\.pth?"),
    ),
    _Pattern("rosinality's", re.compile(r"(?P<at>\d{1,9})\.pt")),
    _Pattern("FastGAN's", re.compile(r"(?P<at>\d{1,9})\.pth")),
    _Pattern("FastGAN's (with everything)", re.compile(r"all_(?P<at>\d{1,9})\.pth")),
)


def find_series(text: str) -> Series | None:
    """The checkpoints that `text` names: a file, a pattern with ``*``, or a run's folder.

    None where it names a folder without any. Raises InstrumentError.
    """
    path = Path(text).expanduser()
    if path.is_file():
        return Series(path.stem, path.name, ((path, _number(path)),))
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in SUFFIXES]
        return _series(path.resolve().name, text, files) if files else None
    if glob.has_magic(text):
        # Path.glob takes no absolute pattern.
        matched = [Path(name) for name in sorted(glob.glob(str(path)))]  # noqa: PTH207
        files = [file for file in matched if file.suffix.lower() in SUFFIXES and file.is_file()]
        if not files:
            raise InstrumentError(f"{text}: matches no checkpoint ({', '.join(SUFFIXES)})")
        return _series(files[0].resolve().parent.name, text, files)
    return None


def _number(path: Path) -> int:
    """Where in its training the file stands, as far as its name says; else 0."""
    for pattern in _PATTERNS:
        if match := pattern.names.fullmatch(path.name):
            return int(match["at"]) * pattern.unit
    return 0


def _series(name: str, text: str, files: list[Path]) -> Series:
    if len(files) == 1:
        return Series(files[0].stem, files[0].name, ((files[0], _number(files[0])),))
    pattern = next(
        (p for p in _PATTERNS if sum(p.names.fullmatch(f.name) is not None for f in files) > 1),
        None,
    )
    if pattern is None:
        shown = ", ".join(file.name for file in files[:3])
        raise InstrumentError(
            f"{text}: holds {len(files)} checkpoints whose names do not say their order "
            f"({shown}, …): name one of them"
        )
    return _ordered(name, text, pattern, files)


def _ordered(name: str, text: str, pattern: _Pattern, files: list[Path]) -> Series:
    found = [(match, file) for file in files if (match := pattern.names.fullmatch(file.name))]
    notes = [f"its snapshots count {pattern.counted}"]
    if len(found) < len(files):
        notes.append(f"{len(files) - len(found)} files of other names were left out")
    runs = sorted({match.groupdict().get("run") or "" for match, _ in found})
    if len(runs) > 1:
        raise InstrumentError(
            f"{text}: holds several runs ({', '.join(runs[:4])}): name one, {runs[0]}_*"
        )
    largest = max(int(match.groupdict().get("scale") or 0) for match, _ in found)
    grown = [one for one in found if int(one[0].groupdict().get("scale") or 0) == largest]
    if len(grown) < len(found):
        notes.append(f"{len(found) - len(grown)} files of smaller scales were left out")
    numbered = sorted((int(match["at"]) * pattern.unit, file) for match, file in grown)
    if len(numbered) > _MOST_FILES:
        raise InstrumentError(f"{text}: {len(numbered)} snapshots, at most {_MOST_FILES}")
    if len({at for at, _ in numbered}) < len(numbered):
        raise InstrumentError(f"{text}: two snapshots have the same number")
    source = Path(text).name or name
    return Series(name, source, tuple((file, at) for at, file in numbered), tuple(notes))
