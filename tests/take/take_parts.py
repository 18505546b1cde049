"""Takes for tests: small ones recorded as the stage records them, and the means to harm them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from instrument.event import ControlEvent
from instrument.latent.sequence import ModelReference
from instrument.latent.space import F32, LatentSpec
from instrument.take.header import TakeHeader
from instrument.take.recorder import TakeRecorder
from instrument.timebase import FrameRate

CHUNK_ROWS = 30  # half a second at 60 frames a second
ADDRESSES = ("/model/truncation", "/master/gain", "/look/bloom/amount")
ATTACHMENTS = {"preset.toml": b"[spring]\nfrequency = 0.5\n", "bank.npy": bytes(range(200))}


@dataclass(frozen=True)
class Played:
    """What went into a take, to be compared with what comes out."""

    folder: Path
    header: TakeHeader
    z: F32
    parameters: F32
    events: tuple[ControlEvent, ...]

    @property
    def record(self) -> Path:
        return self.folder / "take.mcap"


def header_of(name: str = "dawn", shape: tuple[int, ...] = (16,), fps: int = 60) -> TakeHeader:
    model = ModelReference("folds", "ab" * 32)
    spec = LatentSpec(shape, "z", 4.0)
    return TakeHeader(
        name, FrameRate(fps), spec, ADDRESSES, model, seed=7, started="2026-03-01T21:00:00+01:00"
    )


def rows_of(header: TakeHeader, rows: int) -> tuple[F32, F32]:
    rng = np.random.default_rng(rows)
    z = rng.standard_normal((rows, *header.spec.shape)).astype(np.float32)
    return z, rng.random((rows, len(header.addresses))).astype(np.float32)


def play_take(root: Path, rows: int, header: TakeHeader | None = None, **more) -> Played:
    """Record `rows` rows with an event every seventh of them, as fast as the disk takes them."""
    header = header or header_of()
    z, parameters = rows_of(header, rows)
    folder = root / f"{header.name}.take"
    events = []
    with TakeRecorder(folder, header, ATTACHMENTS, patient=True, **more) as recorder:
        for row in range(rows):
            time = header.rate.time_of(row)
            recorder.row(row, time, z[row], parameters[row])
            if row % 7 == 0:
                events.append(ControlEvent("/osc/xy/1", float(np.sin(row) / 3), time + 1e-9 * row))
                recorder.event(events[-1])
    return Played(folder, header, z, parameters, tuple(events))


def assert_honest(record, played: Played) -> None:
    """Every row is right or named as a gap: none is silently wrong."""
    n = len(record)
    assert record.z.shape == (n, *played.header.spec.shape)
    assert n <= len(played.z)
    kept = record.present
    assert record.z[kept].tobytes() == played.z[:n][kept].tobytes()
    assert record.parameters[kept].tobytes() == played.parameters[:n][kept].tobytes()
    missing = np.zeros(n, bool)
    for start, stop in record.gaps:
        assert 0 <= start < stop <= n
        missing[start:stop] = True
    assert np.array_equal(missing, ~kept)
    for row in np.flatnonzero(missing):  # held from the last good row, or from the first
        before = np.flatnonzero(kept[:row])
        source = before[-1] if len(before) else np.flatnonzero(kept)[0]
        assert np.array_equal(record.z[row], played.z[source])
    events = set(played.events)
    assert all(event in events for event in record.events)
    if n < len(played.z) or missing.any() or len(record.events) < len(played.events):
        assert record.damage
