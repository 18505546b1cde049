"""Contact sheets: every picture in its tile, labels below, and a tidy ground between."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from instrument import InstrumentError
from instrument.studio.sheet import contact_sheet, pick_rows, save_png, strip

GROUND = (16, 16, 18)


def flat(n: int, size: tuple[int, int] = (20, 32)) -> np.ndarray:
    pictures = np.empty((n, *size, 3), np.uint8)
    for index in range(n):
        pictures[index] = (40 + index * 7 % 200, 255 - index * 3 % 200, index % 256)
    return pictures


@given(st.integers(1, 10**6), st.integers(1, 200))
def test_rows_are_evenly_spaced(length: int, count: int) -> None:
    rows = pick_rows(length, count)
    assert len(rows) == min(length, count)
    assert len(set(rows)) == len(rows)
    assert all(0 <= row < length for row in rows)
    if count > 1:
        gaps = np.diff(rows)
        assert rows[0] == 0
        assert rows[-1] == length - 1
        assert length == 1 or gaps.max() - gaps.min() <= 1


def test_no_rows() -> None:
    assert pick_rows(0, 5) == pick_rows(5, 0) == []
    assert pick_rows(9, 1) == [4]


def test_every_picture_lies_in_its_tile() -> None:
    pictures = flat(11)
    sheet = np.asarray(contact_sheet(pictures, columns=4))
    gap = 2
    assert sheet.shape == (3 * 22 + gap, 4 * 34 + gap, 3)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, 4)
        top, left = gap + row * 22, gap + column * 34
        assert np.array_equal(sheet[top : top + 20, left : left + 32], picture)
    assert (sheet[-20:-2, -32:-2] == GROUND).all()  # the twelfth tile is empty
    assert (sheet[:, :gap] == GROUND).all()


def test_labels_are_below_and_legible() -> None:
    plain = np.asarray(contact_sheet(flat(6, (64, 96)), 3))
    sheet = np.asarray(contact_sheet(flat(6, (64, 96)), 3, [f"row {i}" for i in range(6)]))
    line = (sheet.shape[0] - plain.shape[0]) // 2
    assert line >= 9
    label = sheet[3 + 64 : 3 + 64 + line, 3 : 3 + 96].astype(int)
    assert label.max() > 150  # light on dark
    assert (np.abs(label - GROUND).max(axis=-1) < 8).mean() > 0.6


def test_long_labels_stay_in_their_tile() -> None:
    labels = ["a label much longer than its tile, with\nlines, ünïcode 中 and \x00", ""]
    sheet = np.asarray(contact_sheet(flat(2, (64, 64)), 2, labels))
    gap = 2
    assert (sheet[66:, gap + 64 : 2 * gap + 64] == GROUND).all()
    assert (sheet[66:, 2 * gap + 64 :] == GROUND).all()


def test_pictures_are_fitted_whole() -> None:
    wide = np.full((10, 40, 3), 200, np.uint8)
    sheet = np.asarray(contact_sheet([wide, wide], 2, size=(40, 40)))
    tile = sheet[2:42, 2:42]
    assert (tile[15:25] == 200).all()
    assert (tile[:14] == GROUND).all()


def test_thousands_of_tiles() -> None:
    sheet = contact_sheet(flat(3000, (8, 8)), labels=[str(i) for i in range(3000)])
    assert 0.5 < sheet.width / sheet.height < 2.0
    assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 200


def test_sheets_without_sense() -> None:
    with pytest.raises(InstrumentError, match="no picture"):
        contact_sheet(flat(0))
    with pytest.raises(InstrumentError, match="no picture"):
        strip([])
    with pytest.raises(InstrumentError, match="2 labels, 3 pictures"):
        contact_sheet(flat(3), labels=["a", "b"])
    with pytest.raises(InstrumentError, match="at most 32767"):
        contact_sheet(flat(2000), columns=2000)


def test_a_strip_has_no_gaps() -> None:
    sheet = np.asarray(strip(flat(5)))
    assert np.array_equal(sheet, np.concatenate(list(flat(5)), axis=1))
    assert strip(flat(5), (10, 16)).size == (80, 10)


def test_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    sheet = contact_sheet(flat(4))
    save_png(tmp_path / "sheet.png", sheet)
    with Image.open(tmp_path / "sheet.png") as again:
        assert np.array_equal(np.asarray(again), np.asarray(sheet))
    with pytest.raises(InstrumentError, match="cannot be written"):
        save_png(tmp_path / "none" / "sheet.png", sheet)
    assert [p.name for p in tmp_path.iterdir()] == ["sheet.png"]
