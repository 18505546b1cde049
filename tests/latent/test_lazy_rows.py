"""Rows made when they are asked for read as an array does, and only what is read is made."""

import mmap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.latent.arrays import let_go, load_array, taken
from instrument.latent.lazy_rows import LazyRows, lazy_doubles, lazy_rows

WHOLE = np.arange(60, dtype=np.float32).reshape(20, 3)


def lazy() -> tuple[LazyRows, list[int]]:
    made: list[int] = []

    def make(rows: np.ndarray) -> np.ndarray:
        made.extend(rows.tolist())
        return WHOLE[rows]

    return LazyRows(WHOLE.shape, make), made


bounds = st.none() | st.integers(-25, 25)
slices = st.builds(slice, bounds, bounds, st.none() | st.sampled_from([1, 2, 5, -1, -3]))
rows = slices | st.integers(-20, 19) | st.lists(st.integers(-20, 19)).map(
    lambda some: np.array(some, np.intp)
)  # fmt: skip


@given(rows, st.none() | st.integers(-3, 2) | slices)
def test_it_reads_as_the_array_does(key: object, column: object) -> None:
    one, _ = lazy()
    wanted = key if column is None else (key, column)
    assert np.array_equal(np.asarray(one[wanted]), WHOLE[wanted])


@given(slices, slices)
def test_a_view_of_a_view(first: slice, second: slice) -> None:
    one, _ = lazy()
    assert np.array_equal(np.asarray(one[first][second]), WHOLE[first][second])
    assert len(one[first]) == len(WHOLE[first])


@pytest.mark.parametrize("key", [20, -21, [3, 20]])
def test_no_such_row(key: object) -> None:
    with pytest.raises(IndexError):
        lazy()[0][key]


def test_only_what_is_read_is_made() -> None:
    one, made = lazy()
    assert (one.shape, one.ndim, one.dtype, len(one)) == ((20, 3), 2, np.float32, 20)
    part = one[5:15]
    assert made == []
    assert np.array_equal(part[2], WHOLE[7])
    assert made == [7]
    assert np.array_equal(part[np.arange(len(part)) > 7], WHOLE[13:15])
    assert made == [7, 13, 14]


def test_other_types() -> None:
    assert lazy_rows((20, 3), lambda wanted: WHOLE[wanted]).dtype == np.float32
    assert lazy_doubles((20, 3), lambda wanted: WHOLE[wanted]).dtype == np.float64
    assert np.asarray(lazy()[0], np.float64).dtype == np.float64


@pytest.mark.parametrize("key", [slice(3, 9), np.array([8, 2, 2]), np.array([], np.intp)])
def test_what_is_taken_is_a_copy(tmp_path: Path, key: object) -> None:
    np.save(tmp_path / "z.npy", WHOLE)
    mapped = load_array(tmp_path / "z.npy")
    for source in (WHOLE, mapped, lazy()[0]):
        copied = taken(source, key)
        assert np.array_equal(copied, WHOLE[key])
        copied[:] = 0
        assert np.array_equal(np.asarray(source), WHOLE)


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system has no such call")
def test_a_mapped_file_that_was_read_takes_no_memory(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.ones((1 << 14, 512), np.float32))  # 32 MB
    mapped = load_array(tmp_path / "z.npy")
    assert resident(tmp_path / "z.npy") < 1 << 20
    assert float(mapped.sum()) == 1 << 23
    assert resident(tmp_path / "z.npy") > 16 << 20  # else this shows nothing
    let_go(mapped[: 1 << 13])
    assert resident(tmp_path / "z.npy") <= 17 << 20
    for together in (1, 64):
        for start in range(0, 1 << 13, together):
            assert taken(mapped, slice(start, start + together)).all()
        assert resident(tmp_path / "z.npy") < 17 << 20
        let_go(mapped[1 << 13 :])
        assert resident(tmp_path / "z.npy") < 1 << 20


def resident(path: Path) -> int:
    """How many bytes of the file this process has in memory."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split()[0] and ":" not in line.split()[0]:
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            return int(line.split()[1]) << 10
    return 0
