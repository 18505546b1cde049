"""Room on the disk: what a film still takes is foretold once, and refused exactly."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.studio.disk_room import Forecast, check_room, free_at, in_words

OUT = Path("show/film.mp4")


def test_what_does_not_fit_is_refused_with_both_numbers() -> None:
    check_room(OUT, 4_000_000, lambda _: 4_000_000)
    with pytest.raises(InstrumentError, match=r"needs 4\.0 MB, 3\.9 MB are free; its chunks are"):
        check_room(OUT, 4_000_000, lambda _: 3_900_000)


def test_the_disk_is_asked_where_the_film_is_to_lie(tmp_path: Path) -> None:
    assert free_at(tmp_path / "film.mp4") > 0


@given(
    chunks=st.lists(st.integers(1, 10**9), min_size=1, max_size=20),
    kept=st.integers(0, 5), free=st.integers(0, 10**11), spare=st.booleans(),
)  # fmt: skip
def test_it_is_said_once_and_only_where_it_is_so(
    chunks: list[int], kept: int, free: int, spare: bool
) -> None:
    said: list[str] = []
    total = 10 * (len(chunks) + kept)
    forecast = Forecast(OUT, total, 10 * kept, said.append, spare=spare, free=lambda _: free)
    lacking = False
    for number, size in enumerate(chunks, 1):
        forecast.see(10, size)
        mean = sum(chunks[:number]) / number
        left = len(chunks) - number
        needed = mean * (left if spare else left + total / 10)
        lacking |= 3 <= number < total / 10 and int(needed) > free
    assert len(said) == int(lacking)
    assert all(word.startswith("film.mp4 will take about ") for word in said)


@pytest.mark.parametrize(
    ("length", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_550_000, "1.6 MB"), (2 * 10**9, "2.0 GB"),
     (3 * 10**12, "3.0 TB"), (10**16, "10000.0 TB")],
)  # fmt: skip
def test_bytes_in_words(length: int, words: str) -> None:
    assert in_words(length) == words
