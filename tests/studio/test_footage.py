"""Footage: what lies between rows, what is a way, and where it jumps."""

import json

import numpy as np
import pytest
from edit_fakes import RATE, SHELL, journey, numbered, samples, source_of

from instrument import InstrumentError
from instrument.latent.sequence import ZSequence, save_sequence
from instrument.latent.space import LatentSpec
from instrument.studio.footage import check_alike, open_source, snapped
from instrument.timebase import FrameRate


def of(z, spec=SHELL):
    return source_of(ZSequence(np.asarray(z, np.float32), RATE, spec))


@pytest.mark.parametrize(
    ("source", "way"),
    [
        (journey(200), True),
        (journey(20), True),
        (numbered(5), True),
        (samples(200), False),
        (samples(200, spec=LatentSpec.shell(512)), False),
        (samples(40, spec=LatentSpec.shell(3)), False),
        (of(np.repeat(samples(60).sequence.z, 4, axis=0)), False),  # curated: each four times
        (of(np.repeat(journey(60).sequence.z, 4, axis=0)), True),  # held: four frames each
        (of(np.concatenate([journey(50, n).sequence.z for n in range(6)])), True),
        (of(np.repeat(samples(1).sequence.z, 9, axis=0)), False),  # stands still
        (samples(1), False),
        (samples(2), False),
    ],
)
def test_a_way_is_told_from_a_set_of_samples(source, way):
    assert source.is_way() is way


def test_a_neighbourhood_is_a_set_of_samples_too():
    middle = samples(1).sequence.z[0].astype(float)
    near = middle + 0.3 * np.random.default_rng(1).normal(size=(80, 16))
    near *= 4.0 / np.linalg.norm(near, axis=1, keepdims=True)
    assert not of(near).is_way()


def test_jumps_are_where_a_way_was_cut():
    source = of(np.concatenate([journey(30, 1).sequence.z, journey(30, 2).sequence.z]))
    places = np.array([28.5, 29.0, 29.5, 30.0, 30.5])
    assert source.jumps(places).tolist() == [False, False, True, False, False]


def test_places_that_are_meant_to_be_whole_are():
    places = snapped(np.array([3.0000004, 2.9999996, 3.00001, 7.5, np.nan]))
    assert places[:4].tolist() == [3.0, 3.0, 3.00001, 7.5]
    assert np.isnan(places[4])


def test_the_last_row_is_reached():
    source = numbered(4)
    assert source.at(np.array([3.0, 2.75]))[:, 0].tolist() == [3, 2.75]


def test_a_rate_is_the_proxys_then_its_own_then_the_edits():
    source = numbered(4, rate=FrameRate(24))
    assert source.footage(FrameRate(50), FrameRate(25)).rate == FrameRate(50)
    assert source.footage(None, FrameRate(25)).rate == FrameRate(24)
    bare = type(source)(source.sequence, source.origin, "a", rated=False)
    assert bare.footage(None, FrameRate(25)).rate == FrameRate(25)


def test_a_bare_array_has_no_rate(tmp_path):
    save_sequence(tmp_path / "a.npy", numbered(4).sequence)
    assert open_source(tmp_path / "a.npy").rated
    (tmp_path / "a.json").unlink()
    assert not open_source(tmp_path / "a.npy").rated


@pytest.mark.parametrize("fault", ["missing", "text", "nan", "cut", "sidecar", "folder"])
def test_footage_that_cannot_be_read_names_its_file(tmp_path, fault):
    path = tmp_path / "a.npy"
    save_sequence(path, numbered(9).sequence)
    if fault == "missing":
        path.unlink()
    elif fault == "text":
        path.write_text("no array")
    elif fault == "nan":
        np.save(path, np.full((9, 4), np.nan, np.float32))
    elif fault == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    elif fault == "sidecar":
        path.with_suffix(".json").write_text(json.dumps({"format": "z-sequence/1"}))
    else:
        path.unlink()
        path.mkdir()
    with pytest.raises(InstrumentError, match=r"a\.(npy|json)") as caught:
        open_source(path)
    assert "\n" not in str(caught.value)


def test_alike_is_shape_and_shell():
    check_alike((samples(3), samples(4, 1)))
    check_alike(())
    with pytest.raises(InstrumentError, match=r"one edit is made of one latent space"):
        check_alike((samples(3), numbered(4)))
