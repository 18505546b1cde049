"""Whether there is room on the disk for a film: its chunks lie beside it until it is whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from instrument import InstrumentError

_ENOUGH = 3  # chunks that tell how large the others will be

Free = Callable[[Path], int]  # bytes that are free where a file lies


def free_at(path: Path) -> int:
    """Bytes that are free on the disk on which the file at `path` is to lie."""
    return shutil.disk_usage(path.absolute().parent).free


def check_room(out: Path, needed: int, free: Free = free_at) -> None:
    """Raise InstrumentError unless `needed` bytes are free for the film at `out`."""
    there = free(out)
    if there < needed:
        raise InstrumentError(
            f"{out}: putting it together needs {in_words(needed)}, {in_words(there)} are free; "
            f"its chunks are kept, and the same command goes on from there (with --spare it takes "
            f"each away once it is in the film)"
        )


class Forecast:
    """Says once, as soon as chunks tell, that the disk will be full before the film is whole.

    The film at `out` has `frames`, of which `kept` were there before; `spare` takes chunks away
    while it is put together.
    """

    def __init__(
        self, out: Path, frames: int, kept: int, say: Callable[[str], None], *,
        spare: bool = False, free: Free = free_at,
    ) -> None:  # fmt: skip
        self._out = out
        self._total = frames
        self._kept = kept
        self._say = say
        self._spare = spare
        self._free = free
        self._chunks = self._frames = self._bytes = 0
        self._said = False

    def see(self, frames: int, size: int) -> None:
        """A chunk of `frames` frames is finished, and takes `size` bytes."""
        self._chunks += 1
        self._frames += frames
        self._bytes += size
        if self._said or self._chunks < _ENOUGH or self._frames >= self._total:
            return
        a_frame = self._bytes / self._frames
        left = max(0, self._total - self._kept - self._frames)
        needed = int(a_frame * (left if self._spare else left + self._total))
        there = self._free(self._out)
        if needed > there:
            self._said = True
            beside = "" if self._spare else ", its chunks and the film beside them"
            self._say(
                f"{self._out.name} will take about {in_words(needed)} more{beside}; "
                f"{in_words(there)} are free"
            )


def in_words(length: int) -> str:
    """`length` bytes, as people say it."""
    units = ("B", "kB", "MB", "GB", "TB")
    power = max(0, min(len(units) - 1, (len(str(length)) - 1) // 3))
    return f"{length / 1000**power:.{1 if power else 0}f} {units[power]}"
