"""Manifests: what is the same render, and how it is cut."""

import json
from dataclasses import replace

import numpy as np
import pytest
from chunk_parts import manifest
from hypothesis import given
from hypothesis import strategies as st
from studio_fakes import indexed

from instrument import InstrumentError
from instrument.latent.sequence import ModelReference
from instrument.studio.render_manifest import digest_of, manifest_from_json, usual_chunk
from instrument.timebase import FrameRange, FrameRate


@given(st.integers(1, 500), st.integers(1, 9), st.integers(1, 20), st.data())
def test_chunks_cover_all_rows_once_and_lie_on_the_grid(
    total: int, batch: int, times: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, total - 1))
    stop = data.draw(st.integers(start + 1, total))
    made = manifest(total, FrameRange(start, stop), batch, batch * times)
    assert [row for chunk in made.chunks for row in chunk] == list(range(start, stop))
    assert all(len(chunk) for chunk in made.chunks)
    assert all(chunk.start % made.chunk == 0 for chunk in made.chunks[1:])


def test_a_manifest_comes_back_as_it_was() -> None:
    made = manifest(50, FrameRange(3, 44), 4, 20, blur=[180.0, 8], fit="fill")
    again = manifest_from_json(json.loads(json.dumps(made.to_json())))
    assert again.difference(made) is None
    assert again.sha256 == made.sha256


def test_the_difference_is_named() -> None:
    made = manifest(fit="fill")
    cases = {
        "size": replace(made, size=(64, 64)),
        "rate": replace(made, rate=FrameRate(25)),
        "batch": replace(made, batch=2),
        "chunk": replace(made, chunk=10),
        "fit": manifest(fit="fit"),
        "torch": replace(made, versions={"torch": "3"}),
    }
    for name, other in cases.items():
        assert (made.difference(other) or "").startswith(f"{name} "), name
        assert other.sha256 != made.sha256


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "x"}, "format"), ({"rows": [5]}, "rows"), ({"rows": [9, 3]}, "rows"),
        ({"rows": [0, 51]}, "rows"), ({"rate": "30"}, "rate"), ({"rate": [0, 1]}, "rate"),
        ({"batch": 0}, "batch"), ({"chunk": 1.5}, "integers"), ({"chunk": 0}, "chunk"),
        ({"settings": []}, "settings"), ({"size": [True, 2]}, "size"),
    ],
)  # fmt: skip
def test_what_is_no_manifest(change: dict[str, object], said: str) -> None:
    fields = {**manifest().to_json(), **change}
    with pytest.raises(InstrumentError, match=said):
        manifest_from_json(fields)
    for key in fields:
        left = {k: v for k, v in manifest().to_json().items() if k != key}
        with pytest.raises(InstrumentError, match=key):
            manifest_from_json(left)
    with pytest.raises(InstrumentError, match="format"):
        manifest_from_json(None)


def test_a_part_is_whole_chunks() -> None:
    made = manifest(50)  # chunks of 20
    assert made.chunks_of(FrameRange(20, 50)) == (FrameRange(20, 40), FrameRange(40, 50))
    for start, stop in ((0, 10), (5, 20), (20, 20), (10, 50)):
        with pytest.raises(InstrumentError, match="at multiples of 20 from 0 to 50"):
            made.chunks_of(FrameRange(start, stop))


def test_batches_never_cross_a_chunk() -> None:
    with pytest.raises(InstrumentError, match="multiple of the batch, 8"):
        manifest(batch=8, chunk=20)
    for size in ((64, 64), (1024, 1024), (2160, 3840), (8192, 8192)):
        for batch in (1, 3, 8, 700):
            assert usual_chunk(size, batch) % batch == 0
    assert usual_chunk((1024, 1024), 1) == 600
    assert usual_chunk((2160, 3840), 1) < 100


def test_a_digest_is_of_all_that_shapes_pictures() -> None:
    gain = np.ones((9, 1), np.float32)
    made = indexed(9, parameters=gain, addresses=("/master/gain",))
    z, other_gain = made.z.copy(), gain.copy()
    z[8, 3] = np.float32(1e-30)
    other_gain[8] = 0.5
    digests = {
        digest_of(one)
        for one in (
            made, replace(made, z=z), replace(made, parameters=other_gain),
            replace(made, addresses=("/model/mix",)), indexed(9), indexed(8),
            replace(made, model=ModelReference("x", "bb")),
        )
    }  # fmt: skip
    assert len(digests) == 7
    assert digest_of(replace(made, source="elsewhere")) == digest_of(made)
