"""What commands need that look at every picture of a z-sequence: its file, a decoder, a ruler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from instrument import InstrumentError
from instrument.cli.painters import open_painters
from instrument.cli.presented import Presented
from instrument.cli.progress import board
from instrument.cli.render import models_of
from instrument.decoder.protocol import Decoder
from instrument.latent.sequence import ZSequence, load_sequence
from instrument.latent.space import F64
from instrument.latent.trace import Origin, copied, origin_of
from instrument.studio.held import hold_frozen
from instrument.studio.perception import FeatureRuler, OwnPerception, Ruler


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """A z-sequence that is to be looked at: its file, and what is shown of it.

    Where the display was frozen rows are held: `rows F64[n]` are those of the file.
    """

    path: Path
    origin: Origin
    sequence: ZSequence
    rows: F64

    def open(self, model: str | None) -> Decoder:
        """A decoder for it. Raises InstrumentError."""
        playing = models_of(self.sequence, (model,) if model else (), self.path)
        height, width = max(manifest.size for manifest in playing.values())
        spec, sha256 = self.sequence.spec, self.sequence.model.sha256
        return open_painters(spec, sha256, playing, Presented((width, height)))


def open_footage(source: Path) -> Footage:
    """Read ``NAME.npy``, or the z-sequence of a take. Raises InstrumentError naming the file."""
    path = source / "z.npy" if source.is_dir() else source
    sequence, origin = load_sequence(path), origin_of(path)
    whole = replace(sequence, trace=copied(origin, np.arange(len(sequence))))
    shown = hold_frozen(whole)
    assert shown.trace is not None
    return Footage(path, origin, shown, shown.trace.rows[:, 1])


def ruler_of(distance: str) -> Ruler:
    """What measures pictures: own or lpips. Raises InstrumentError."""
    if distance == "own":
        return FeatureRuler(OwnPerception())
    if distance != "lpips":
        raise InstrumentError(f"distance {distance!r}: allowed are own and lpips")
    from instrument.decoder.lpips_distance import open_lpips  # torch: only when it is needed

    return open_lpips()


@contextmanager
def looking_bar(name: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar that is told what is being done, and how many pictures of how many."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
               TextColumn("{task.completed}/{task.total} pictures"),
               TimeRemainingColumn())  # fmt: skip
    with board(*columns) as shown:
        task = shown.add_task(name, total=None)

        def tell(what: str, done: int, total: int) -> None:
            shown.update(task, description=f"{what}: {name}", completed=done, total=total)

        yield tell
