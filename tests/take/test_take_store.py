"""Where the rows of a take are kept: in memory, in its own file, or in one that nobody sees."""

import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from take_parts import header_of, play_take

from instrument import InstrumentError
from instrument.event import ControlEvent
from instrument.latent.arrays import taken
from instrument.take import store
from instrument.take.derive import derive
from instrument.take.reader import read_take
from instrument.take.store import EventStore, RowStore, Spool

EVENTS = tuple(ControlEvent(f"/osc/{k % 3}", k / 7, k / 60) for k in range(10_000))


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_IN_MEMORY", 1000)


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)


def rows_of(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


def added(own: Path, rows: np.ndarray, together: int = 7) -> np.ndarray:
    kept = RowStore((8,), own)
    for start in range(0, len(rows), together):
        kept.add(rows[start : start + together])
    return kept.finish()


def is_mapped(rows: np.ndarray, path: Path | None = None) -> bool:
    base = rows
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    if not isinstance(base, np.memmap):
        return False
    return path is None or base.filename == path


def test_few_rows_are_in_memory(tmp_path: Path, no_disk: None) -> None:
    rows = rows_of(50)
    np.save(tmp_path / "z.npy", rows)
    kept = added(tmp_path / "z.npy", rows)
    assert not is_mapped(kept)
    assert kept.tobytes() == rows.tobytes()
    assert added(tmp_path / "z.npy", rows[:0]).shape == (0, 8)


def test_many_rows_go_to_the_disk(tmp_path: Path, small_memory: None) -> None:
    rows = rows_of(200)
    kept = added(tmp_path / "none.npy", rows)
    assert is_mapped(kept)
    assert kept.tobytes() == rows.tobytes()


def test_rows_that_lie_there_are_mapped_and_not_copied(tmp_path: Path, small_memory: None) -> None:
    rows = rows_of(200)
    np.save(tmp_path / "z.npy", rows)
    kept = added(tmp_path / "z.npy", rows)
    assert is_mapped(kept, tmp_path / "z.npy")
    assert kept.tobytes() == rows.tobytes()
    assert added(tmp_path / "z.npy", rows[:150]).tobytes() == rows[:150].tobytes()


@pytest.mark.parametrize("wrong", [0, 10, 31, 32, 120, 199])
def test_a_file_that_holds_something_else_is_not_believed(
    tmp_path: Path, small_memory: None, wrong: int
) -> None:
    rows = rows_of(200)
    other = rows.copy()
    other[wrong, 3] = -other[wrong, 3] if wrong else -0.0
    rows[0, 3] = 0.0  # and -0.0 is not 0.0
    np.save(tmp_path / "z.npy", other)
    kept = added(tmp_path / "z.npy", rows)
    assert is_mapped(kept) and not is_mapped(kept, tmp_path / "z.npy")
    assert kept.tobytes() == rows.tobytes()


@pytest.mark.parametrize(
    "other", [np.zeros((200, 9), np.float32), np.zeros((100, 8), np.float32),
              np.zeros((200, 8)), np.zeros((200, 8), np.int32)],
)  # fmt: skip
def test_a_file_of_another_kind_is_not_believed(
    tmp_path: Path, small_memory: None, other: np.ndarray
) -> None:
    rows = np.zeros((200, 8), np.float32)
    np.save(tmp_path / "z.npy", other)
    kept = added(tmp_path / "z.npy", rows)
    assert not is_mapped(kept, tmp_path / "z.npy")
    assert kept.shape == (200, 8)
    (tmp_path / "z.npy").write_bytes(b"no array")
    assert added(tmp_path / "z.npy", rows).shape == (200, 8)


def test_a_full_disk_is_one_line(small_memory: None, no_disk: None) -> None:
    with pytest.raises(
        InstrumentError, match=r"cannot hold the rows of a long take \(No space left"
    ):
        Spool().write(np.zeros(2000, np.uint8))


@pytest.mark.parametrize("memory", [1 << 26, 1000])
def test_events_come_back(memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_IN_MEMORY", memory)
    kept = EventStore()
    for start in range(0, len(EVENTS), 77):
        kept.add(EVENTS[start : start + 77])
    events = kept.finish()
    assert events == EVENTS and len(events) == len(EVENTS)
    assert events[9000:2:-711] == EVENTS[9000:2:-711]
    assert events[-1] == EVENTS[-1] and events[4096] == EVENTS[4096]
    assert (events[5] in events, ControlEvent("/x", 0.0, 0.0) in events) == (True, False)
    with pytest.raises(IndexError):
        events[len(EVENTS)]
    assert EventStore().finish() == ()


@pytest.mark.parametrize("own", ["there", "gone", "changed"])
def test_a_long_take_is_the_same_wherever_it_lies(
    tmp_path: Path, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = play_take(tmp_path, 300, header_of(shape=(16,)))
    derive(played.folder)
    small = read_take(played.folder)
    monkeypatch.setattr(store, "_IN_MEMORY", 5000)
    if own == "gone":
        (played.folder / "z.npy").unlink()
    if own == "changed":
        changed = np.load(played.folder / "z.npy")
        changed[250] += 1
        np.save(played.folder / "z.npy", changed)
    long = read_take(played.folder)
    assert is_mapped(long.z, played.folder / "z.npy") == (own == "there")
    assert not is_mapped(small.z) and is_mapped(long.z)
    assert long.z.tobytes() == small.z.tobytes() == played.z.tobytes()
    assert long.parameters.tobytes() == small.parameters.tobytes()
    assert long.events == small.events == played.events
    assert np.array_equal(long.present, small.present)


def test_reading_a_take_takes_no_memory_for_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = play_take(tmp_path, 20_000, header_of(shape=(64,)))  # 5 MB of z, and then some
    derive(played.folder)
    peaks = []
    for memory in (1 << 16, 1 << 26):
        monkeypatch.setattr(store, "_IN_MEMORY", memory)
        tracemalloc.start()
        record = read_take(played.folder)
        for start in range(0, len(record), 100):
            taken(record.z, slice(start, start + 100))
        assert sum(1 for _ in record.events) == len(played.events)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        del record
    assert peaks[1] > played.z.nbytes  # else this shows nothing
    assert peaks[0] < peaks[1] - 0.9 * played.z.nbytes
