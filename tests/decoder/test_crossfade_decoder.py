"""A film of several models: each row shows who played it, and decodes nobody else."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.decoder.crossfade import FIRST, SECOND, SHARE, CrossfadeDecoder, parts_of
from instrument.decoder.protocol import DecoderSpec
from instrument.latent.space import LatentSpec

SPEC = DecoderSpec("all", LatentSpec((3,)), (4, 6), "")


class Grey:
    """A picture is z[0] plus `offset`, everywhere; counts its rows. Always the same memory."""

    def __init__(self, offset: int) -> None:
        self.offset, self.rows, self.snapshots = offset, 0, []
        self.spec = DecoderSpec("grey", LatentSpec((3,)), (4, 6), "")
        self._memory = np.zeros((64, 4, 6, 3), np.uint8)

    def decode(self, z, parameters):
        self.rows += len(z)
        self.snapshots += parameters["/model/snapshot"].tolist()
        self._memory[: len(z)] = (z[:, 0] + self.offset)[:, None, None, None]
        return self._memory[: len(z)]


def columns(*rows: tuple[int, int, float]) -> dict[str, np.ndarray]:
    first, second, share = np.array(rows, np.float32).T
    return {FIRST: first, SECOND: second, SHARE: share}


def show(rows, decoders: Mapping[int, Grey] | None = None, place=lambda picture: picture):
    decoders = decoders or {1: Grey(0), 2: Grey(100), 3: Grey(200)}
    z = np.zeros((len(rows), 3), np.float32)
    z[:, 0] = np.arange(len(rows))
    snapshots = {"/model/snapshot": np.arange(len(rows), dtype=np.float32) * 10}
    decoder = CrossfadeDecoder(SPEC, decoders, place)
    return decoder.decode(z, columns(*rows) | snapshots), decoders


def test_every_row_by_its_model():
    pictures, decoders = show([(1, 0, 0.0), (1, 2, 0.0), (1, 2, 1.0), (3, 0, 0.9), (2, 0, 0.0)])
    assert pictures[:, 0, 0, 0].tolist() == [0, 1, 102, 203, 104]
    assert (pictures == pictures[:, :1, :1, :1]).all()
    assert [decoders[n].rows for n in (1, 2, 3)] == [2, 2, 1], "who is not seen is not decoded"
    assert decoders[2].snapshots == [20, 40], "each row with its own parameters"


def test_two_in_one_picture():
    pictures, _ = show([(1, 2, 0.5), (1, 2, 0.25), (2, 1, 0.25), (2, 1, 0.001), (1, 2, 0.999)])
    assert pictures[:, 0, 0, 0].tolist() == [50, 26, 77, 103, 104]


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.integers(0, 255), st.integers(0, 255), st.floats(0, 1, width=32))
def test_no_mix_leaves_its_two_ends(a, b, share):
    black = np.zeros((1, 3), np.float32)
    row = columns((1, 2, share)) | {"/model/snapshot": np.zeros(1, np.float32)}
    pixels = CrossfadeDecoder(SPEC, {1: Grey(a), 2: Grey(b)}, lambda p: p).decode(black, row)
    assert min(a, b) <= pixels.min() <= pixels.max() <= max(a, b)
    assert abs(int(pixels[0, 0, 0, 0]) - (a + share * (b - a))) <= 0.501


def test_a_share_that_leaves_all_to_the_first_is_none():
    alone, _ = show([(1, 0, 0.0)])
    nearly, _ = show([(1, 2, 1e-38)])
    assert np.array_equal(alone, nearly)
    assert set(parts_of(columns((1, 2, 1e-38)), 1)) == {1}


def test_a_batch_is_its_single_calls():
    rows = [(1, 2, share) for share in (0.0, 0.3, 1.0)] + [(3, 1, 0.7), (3, 0, 0.7)]
    together, _ = show(rows)
    for number, row in enumerate(rows):
        alone, _ = show([row] * (number + 1))
        assert np.array_equal(alone[number], together[number])


def test_without_columns_the_first_model_plays():
    z, snapshot = np.ones((2, 3), np.float32), {"/model/snapshot": np.zeros(2, np.float32)}
    assert (CrossfadeDecoder(SPEC, {1: Grey(6)}, lambda p: p).decode(z, snapshot) == 7).all()


def test_pictures_are_laid_out_before_they_are_mixed():
    pictures, _ = show([(1, 0, 0), (1, 2, 0.5)], place=lambda picture: picture // 2)
    assert pictures[:, 0, 0, 0].tolist() == [0, 25]


def test_parts_add_up_and_name_who_is_seen():
    parts = parts_of(columns((1, 2, 0.25), (2, 1, 0.25), (2, 2, 0.5), (1, 3, 0.0)), 4)
    assert {n: part.tolist() for n, part in parts.items()} == {
        1: [0.75, 0.25, 0, 1], 2: [0.25, 0.75, 1, 0]
    }  # fmt: skip


@pytest.mark.parametrize("row", [(0, 0, 0.0), (-1, 2, 0.5), (4, 0, 0.0), (1, 9, 0.5)])
def test_a_model_that_is_none(row):
    with pytest.raises(InstrumentError, match="model"):
        show([row])
