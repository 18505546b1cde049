"""A take → arrays, events and a list of its damage: whatever the checksums vouch for.

Opens the record for reading only; `instrument.take.repair` is what writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instrument.event import ControlEvent
from instrument.latent.sequence import ZSequence, parameters_of
from instrument.latent.space import F32
from instrument.take.header import TakeHeader
from instrument.take.layout import SEQUENCE
from instrument.take.rows import Holder
from instrument.take.store import EventStore, RowStore
from instrument.take.stream import TakeStream


@dataclass(frozen=True, slots=True, eq=False)
class TakeRecord:
    """A take: `z F32[n, *shape]`, `parameters F32[n, P]`, `present bool[n]`.

    Row i is frame i. The rows and events of a long one lie on the disk (see `store`). Rows that
    are not `present` are held from the row before and listed in `gaps`; `damage` has one line for
    everything that is not as it was recorded.
    """

    path: Path
    header: TakeHeader
    attachments: Mapping[str, bytes]
    z: F32
    parameters: F32
    present: NDArray[np.bool_]
    events: Sequence[ControlEvent]
    gaps: tuple[tuple[int, int], ...]
    finished: bool
    damage: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.z)

    @property
    def sequence(self) -> ZSequence:
        """The take as a z-sequence, without copying."""
        return sequence_of(self.header, self.z, self.parameters)


def sequence_of(header: TakeHeader, z: F32, parameters: F32) -> ZSequence:
    """What `header` makes of rows: the same z-sequence whether in memory or on the disk."""
    return ZSequence(
        z, header.rate, header.spec, header.model, parameters, header.addresses, header.seed,
        f"take {header.name}", header.models,
    )  # fmt: skip


def read_take(path: Path) -> TakeRecord:
    """Read a take folder, or a ``take.mcap`` anywhere; a long one takes no more memory.

    Raises InstrumentError in one line when it is no take or its header is destroyed.
    """
    events = EventStore()
    with TakeStream(path) as stream:
        header, holder = stream.header, Holder()
        own = stream.path.with_name(SEQUENCE)
        z = RowStore(header.spec.shape, own)
        parameters = RowStore((len(header.addresses),), parameters_of(own))
        for passage in stream:
            events.add(passage.events)
            for run in passage.runs:
                for block in holder.add(run):
                    z.add(block.z)
                    parameters.add(block.parameters)
        for block in holder.end(stream.length):
            z.add(block.z)
            parameters.add(block.parameters)
        stream.verify_rest()
    rows = z.finish()
    return TakeRecord(
        stream.path, header, stream.attachments, rows, parameters.finish(),
        _present(len(rows), stream.gaps), events.finish(), stream.gaps, stream.finished,
        stream.damage,
    )  # fmt: skip


def _present(rows: int, gaps: tuple[tuple[int, int], ...]) -> NDArray[np.bool_]:
    if not gaps:
        return np.broadcast_to(np.True_, rows)  # takes no memory
    present = np.ones(rows, np.bool_)
    for start, stop in gaps:
        present[start:stop] = False
    return present
