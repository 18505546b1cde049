"""Pages of contact sheets: every picture once, in order, on the page where it belongs."""

import io

import numpy as np
import pytest
from PIL import Image

from instrument import InstrumentError
from instrument.studio.sheet_pages import (
    MOST_TILES,
    SheetPages,
    older_pages,
    page_names,
    tile_size,
)


def pages_of(count, tiles, size=(64, 64)):
    made = SheetPages(size, tiles)
    for index in range(count):
        made.add(np.full((*size, 3), index + 1, np.uint8), str(index))
    return [Image.open(io.BytesIO(page)) for page in made.pages()]


@pytest.mark.parametrize(
    ("count", "tiles", "expected"), [(1, 5, 1), (5, 5, 1), (6, 5, 2), (23, 5, 5), (3, 1, 3)]
)
def test_as_many_pages_as_it_takes(count, tiles, expected):
    assert len(pages_of(count, tiles)) == expected


def test_pictures_stand_in_order():
    seen = []
    for page in pages_of(23, 6):
        grey = np.asarray(page)[..., 0]
        wide = tile_size((64, 64))[1]
        values = np.unique(grey[:, :wide])  # a first column: later rows come after earlier ones
        seen += [int(v) for v in values if 0 < v < 16]
    assert seen == sorted(seen)
    everything = {int(v) for page in pages_of(15, 4) for v in np.unique(np.asarray(page)[..., 0])}
    assert set(range(1, 16)) <= everything


def test_all_full_pages_are_of_one_size_and_wide():
    pages = pages_of(40, 16)
    assert pages[0].size == pages[1].size
    assert pages[2].width == pages[0].width
    assert pages[2].height < pages[0].height
    assert pages[0].width > pages[0].height


def test_nothing_seen_is_no_page():
    assert SheetPages((8, 8)).pages() == []


@pytest.mark.parametrize("size", [(32, 64), (64, 32), (1, 500), (256, 256)])
def test_tiles_keep_proportions(size):
    tile = tile_size(size)
    assert max(tile) == 112
    assert tile[0] / tile[1] == pytest.approx(size[0] / size[1], rel=0.02) or min(tile) == 1


def test_names():
    assert page_names("walk.1", 1) == ["walk.1.png"]
    assert page_names("walk", 3) == ["walk.01.png", "walk.02.png", "walk.03.png"]
    assert page_names("walk", 120)[-1] == "walk.120.png"


def test_pages_of_an_earlier_survey_are_found_and_nothing_else(tmp_path):
    names = ["a.png", "a.01.png", "a.02.png", "a.115.png", "a.1.png", "a.clusters.png", "ab.01.png",
             "a.x1.png", "a.01.jpg", "b.png"]  # fmt: skip
    for name in names:
        (tmp_path / name).touch()
    found = [path.name for path in older_pages(tmp_path, "a", ["a.01.png"])]
    assert found == ["a.02.png", "a.115.png", "a.png"]


@pytest.mark.parametrize("tiles", [0, -1, MOST_TILES + 1])
def test_tiles_out_of_reach(tiles):
    with pytest.raises(InstrumentError, match="tiles"):
        SheetPages((8, 8), tiles)
