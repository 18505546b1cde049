"""The same z through several snapshots: what is decoded, how it lies on a frame, what is said."""

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studio_fakes import Barcodes, barcode, indexed, read_barcode

from instrument import InstrumentError
from instrument.frame import U8
from instrument.latent.space import F32
from instrument.studio.perception import OwnPerception
from instrument.studio.snapshot_grid import Grid
from instrument.studio.snapshot_report import survival
from instrument.studio.snapshot_sweep import (
    SNAPSHOT,
    Judge,
    at_snapshot,
    features_of,
    tiles_through,
)


class Snapshots(Barcodes):
    """Says row + 1000 · snapshot."""

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        shown = z.copy()
        shown[:, 0] += 1000 * parameters[SNAPSHOT]
        return super().decode(shown, parameters)


def test_only_the_snapshot_is_another() -> None:
    plain = indexed(5)
    assert at_snapshot(plain, 3.0).addresses == (SNAPSHOT,)
    other = replace(
        plain, addresses=("/master/gain", SNAPSHOT),
        parameters=np.array([[0.5, 7.0]] * 5, np.float32),
    )  # fmt: skip
    changed = at_snapshot(other, 3.25)
    assert changed.parameters.tolist() == [[0.5, 3.25]] * 5
    assert other.parameters.tolist() == [[0.5, 7.0]] * 5
    added = at_snapshot(replace(other, addresses=("/master/gain", "/model/mix")), 2.0)
    assert added.addresses[-1] == SNAPSHOT
    assert added.parameters[0].tolist() == [0.5, 7.0, 2.0]
    assert changed.z is other.z


def test_every_tile_is_its_own_row_and_snapshot() -> None:
    sequence = indexed(43)
    through = [at_snapshot(sequence, s) for s in (0.0, 2.0, 5.0)]
    seen: dict[tuple[int, int], int] = {}

    def see(number: int, row: int, picture: U8) -> None:
        seen[number, row] = read_barcode(picture)

    found = list(tiles_through(through, range(43), Snapshots(), (64, 128), see))
    assert [[read_barcode(tile) for tile in tiles] for tiles in found] == [
        [row, row + 2000, row + 5000] for row in range(43)
    ]
    assert seen == {(n, row): row + 1000 * s for n, s in enumerate((0, 2, 5)) for row in range(43)}


def test_some_rows_only() -> None:
    through = [at_snapshot(indexed(9), 1.0)]
    found = list(tiles_through(through, [2, 7], Snapshots(), (32, 64)))
    assert [read_barcode(tiles[0]) for tiles in found] == [1002, 1007]


def test_a_long_film_is_gone_through_in_stretches(monkeypatch) -> None:
    monkeypatch.setattr("instrument.studio.snapshot_sweep._MOST_BYTES", 32 * 64 * 3 * 2 * 5)
    through = [at_snapshot(indexed(23), s) for s in (0.0, 1.0)]
    decoder = Snapshots()
    found = list(tiles_through(through, range(23), decoder, (32, 64)))
    assert [read_barcode(tiles[1]) for tiles in found] == [1000 + row for row in range(23)]
    assert max(decoder.batches) <= 5  # a stretch is no longer than memory allows


def test_the_judge_sees_what_would_be_decoded_alone() -> None:
    through = [at_snapshot(indexed(20), s) for s in (0.0, 4.0)]
    perception, rows = OwnPerception(), [0, 5, 19]
    judge = Judge(2, rows, perception)
    for _ in tiles_through(through, range(20), Snapshots(), (32, 64), judge.see):
        pass
    for found, sequence in zip(judge.features(), through, strict=True):
        alone = features_of(sequence, rows, Snapshots(), perception)
        assert found.tobytes() == alone.tobytes()


def test_a_decoder_that_fails_is_named() -> None:
    class Failing(Snapshots):
        def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
            raise ValueError("no")

    with pytest.raises(InstrumentError, match="rows 0 to 7: barcodes failed"):
        list(tiles_through([at_snapshot(indexed(20), 0.0)], range(20), Failing(), (32, 64)))


# --- frames


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40), st.integers(16, 200), st.integers(16, 200),
    st.one_of(st.none(), st.integers(1, 12)),
)  # fmt: skip
def test_tiles_lie_apart_and_whole(count, height, width, columns) -> None:
    grid = Grid([str(i) for i in range(count)], (height, width), columns)
    assert grid.size[0] % 2 == grid.size[1] % 2 == 0
    tiles = [np.full((height, width, 3), 20 + 5 * i, np.uint8) for i in range(count)]
    frame = grid.frame(tiles)
    assert frame.shape == (*grid.size, 3)
    for i in range(count):
        # No other pixel has this colour but by chance of a label's soft edges.
        assert (frame == 20 + 5 * i).all(axis=-1).sum() >= height * width


def test_tiles_and_labels_are_where_they_belong() -> None:
    grid = Grid(["0", "1", "2", "3"], (32, 64), 2)
    frame = grid.frame([barcode(i) for i in range(4)])
    gap = 2
    below = frame.shape[0] // 2
    assert read_barcode(frame[gap : gap + 32, gap : gap + 64]) == 0
    assert read_barcode(frame[gap : gap + 32, 2 * gap + 64 : 2 * gap + 128]) == 1
    assert frame[gap + 33 : below].std() > 0.0  # a label


@pytest.mark.parametrize("labels", [[], ["x"] * 400])
def test_a_grid_that_cannot_be(labels) -> None:
    with pytest.raises(InstrumentError, match="grid"):
        Grid(labels, (640, 640))


# --- the report


def kinds(shift: float = 0.0, n: int = 30, seed: int = 0) -> F32:
    """Three islands of ten rows each, far apart."""
    points = np.random.default_rng(seed).standard_normal((n, 5)) * 0.05
    points[np.arange(n), np.arange(n) % 3] += 3.0
    return (points + shift).astype(np.float32)


def test_a_snapshot_that_shows_the_same_keeps_all() -> None:
    found = survival([4.0], kinds(), [kinds()])
    assert (found.kinds, found.flips[0], found.from_edit[0]) == (3, 0.0, 0.0)
    assert found.order[0] == pytest.approx(1.0)
    assert found.kept[0] == pytest.approx(1.0)


def test_flipped_rows_are_counted() -> None:
    edit, other = kinds(), kinds()
    other[[0, 1, 2]] = other[[1, 2, 0]]
    found = survival([0.0], edit, [other])
    assert found.flips[0] == pytest.approx(3 / 30)
    assert found.order[0] < 1.0


def test_distances_are_means_over_rows() -> None:
    edit = kinds()
    found = survival([0.0, 1.0], edit, [edit + np.float32(1.0), edit - np.float32(1.0)])
    assert found.from_edit == pytest.approx([5**0.5] * 2, rel=1e-5)
    assert found.apart == pytest.approx(np.array([[0, 1], [1, 0]]) * 2 * 5**0.5, rel=1e-5)


def test_order_is_spearmans() -> None:
    """Any growing change of all distances keeps it; a snapshot that forgets all loses it."""
    edit = np.cumsum(np.arange(12.0))[:, None].astype(np.float32)
    rng = np.random.default_rng(1)
    other = rng.standard_normal((12, 1)).astype(np.float32)
    found = survival([0.0, 1.0, 2.0], edit, [3 * edit, other, 0 * edit], kinds=2)
    assert found.order[0] == pytest.approx(1.0)
    assert abs(found.order[1]) < 0.5
    assert np.isnan(found.order[2])


def test_ties_share_their_ranks() -> None:
    a = np.array([[0.0], [1.0], [2.0]], np.float32)  # distances 1, 2, 1
    b = np.array([[0.0], [1.0], [3.0]], np.float32)  # 1, 3, 2
    found = survival([0.0], a, [b], kinds=1)
    # ranks .5 2 .5 and 0 2 1: Pearson of those is .8660
    assert found.order[0] == pytest.approx(0.8660, abs=1e-4)


def test_a_few_rows_have_no_kinds() -> None:
    found = survival([0.0], kinds(n=2), [kinds(n=2, seed=1)])
    assert (found.kinds, np.isnan(found.flips[0])) == (0, True)
    fields = found.to_json([None])
    assert fields["snapshots"][0]["label_flip_rate"] is None
    assert "-" in found.to_text()


def test_the_report_is_plain_json() -> None:
    found = survival([0.0, 2.5], kinds(), [kinds(), kinds(seed=2)])
    fields = json.loads(json.dumps(found.to_json([1000, None]), allow_nan=False))
    assert [s["snapshot"] for s in fields["snapshots"]] == [0.0, 2.5]
    assert "images" not in fields["snapshots"][1]
    assert all(0.0 <= s["kept"] <= 1.0 for s in fields["snapshots"])
    assert len(found.to_text().splitlines()) == 3
