"""Directions: what they do to a place, and every file they come in."""

import json
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.directions import (
    MOST,
    Directions,
    choose_directions,
    directions_from_bytes,
    load_directions,
)
from instrument.latent.space import LatentSpec

LAW = settings(deadline=None, derandomize=True, max_examples=60)
W, LAYERS, SHELL = LatentSpec((8,), "w"), LatentSpec((3, 8), "w"), LatentSpec.shell(8)
amounts = st.lists(st.floats(-5.0, 5.0), min_size=4, max_size=4)


def rows(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def place(spec, seed=2):
    z = np.random.default_rng(seed).normal(size=spec.shape)
    return z if spec.radius is None else geometry.project(z, spec.radius)


# --- what they do


@pytest.mark.parametrize("spec", [W, LAYERS, SHELL, LatentSpec((3, 8), "z", 8**0.5)], ids=str)
def test_nothing_asked_is_nothing_done(spec) -> None:
    directions, here = Directions(rows(4, 8)), place(spec)
    assert directions.added(here, [0.0, -0.0, 0.0, 0.0], spec.radius) is here
    assert Directions.none(spec).added(here, [], spec.radius) is here
    assert len(Directions.none(spec)) == 0 and len(directions.first(3)) == 3


@LAW
@given(st.sampled_from([W, LAYERS]), amounts)
def test_off_the_shell_they_are_added(spec, asked) -> None:
    directions, here = Directions(rows(4, 8)), place(spec)
    moved = directions.added(here, asked, None)
    assert moved.shape == spec.shape
    way = np.tensordot(asked, directions.rows.astype(np.float64), 1)
    np.testing.assert_allclose(moved - here, np.broadcast_to(way, spec.shape), atol=1e-9)
    back = directions.added(moved, [-a for a in asked], None)
    np.testing.assert_allclose(back, here, atol=1e-9)


@LAW
@given(amounts)
def test_every_layer_may_have_its_own_way(asked) -> None:
    directions, here = Directions(rows(4, 3, 8)), place(LAYERS)
    moved = directions.added(here, asked, None)
    for layer in range(3):
        alone = Directions(directions.rows[:, layer]).added(here[layer], asked, None)
        assert moved[layer].tobytes() == alone.tobytes()


@LAW
@given(amounts)
def test_on_the_shell_they_stay_on_it(asked) -> None:
    directions, here = Directions(rows(4, 8)), place(SHELL)
    moved = directions.added(here, asked, SHELL.radius)
    assert geometry.length(moved) == pytest.approx(SHELL.radius, rel=1e-12)
    flat = directions.added(here, asked, None)
    if geometry.length(flat) > 1e-6:
        assert geometry.angle(moved, flat) < 1e-9


def test_a_way_back_through_the_origin_is_still_a_place() -> None:
    here = place(SHELL)
    directions = Directions(here[None].astype(np.float32).astype(np.float32))
    moved = directions.added(directions.rows[0].astype(np.float64), [-1.0], SHELL.radius)
    assert np.isfinite(moved).all()
    assert geometry.length(moved) == pytest.approx(SHELL.radius)


# --- files


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_a_bare_array(tmp_path) -> None:
    table = rows(4, 8)
    np.save(tmp_path / "d.npy", table.astype(np.float64))
    for spec in (W, LAYERS, SHELL):
        found = load_directions(tmp_path / "d.npy", spec)
        assert (found.rows == table).all() and found.unit == ""
    np.save(tmp_path / "one.npy", table[0])
    assert load_directions(tmp_path / "one.npy", W).rows.shape == (1, 8)
    np.save(tmp_path / "wide.npy", rows(4, 3, 8))
    assert load_directions(tmp_path / "wide.npy", LAYERS).rows.shape == (4, 3, 8)


@pytest.mark.parametrize("kind", [np.savez, np.savez_compressed])
def test_the_components_of_ganspace(tmp_path, kind) -> None:
    """As its authors dump them: an axis for the batch, and deviations beside."""
    components, deviations = rows(5, 1, 8), np.array([3.0, 2.0, 1.0, 0.5, 0.1], np.float32)
    path = tmp_path / "stylegan2-cat_style_ipca_c5_n1000_w.npz"
    kind(
        path, act_comp=rows(5, 1, 99), act_mean=rows(1, 99), act_stdev=np.ones(5, np.float32),
        lat_comp=components, lat_mean=rows(1, 8), lat_stdev=deviations,
        var_ratio=np.ones(5, np.float32), random_stdevs=np.ones(5, np.float32),
    )  # fmt: skip
    found = load_directions(path, LAYERS)
    np.testing.assert_allclose(found.rows, components[:, 0] * deviations[:, None])
    assert found.unit == "sd"
    np.savez(path, act_comp=components, act_stdev=deviations, lat_comp=rows(5, 1, 99))
    found = load_directions(path, W)
    np.testing.assert_allclose(found.rows, components[:, 0] * deviations[:, None])


def test_the_columns_of_a_factorisation() -> None:
    table = rows(8, 8)
    found = choose_directions({"eigvec": table}, W, "factor.pt")
    assert (found.rows == table.T).all()


def test_an_archive_of_one_array_is_that_array(tmp_path) -> None:
    table = rows(4, 8)
    assert (load_directions(save(tmp_path / "a.npz", smile=table), W).rows == table).all()
    both = save(tmp_path / "b.npz", directions=table, other=rows(4, 8, seed=5), n=np.arange(3))
    assert (load_directions(both, W).rows == table).all()


def test_no_more_than_a_performance_can_carry() -> None:
    assert len(choose_directions({"x": rows(512, 8)}, W, "x")) == MOST


@pytest.mark.parametrize("shape", [(4, 8), (4, 3, 8)])
def test_bytes_and_back(shape) -> None:
    directions = Directions(rows(*shape))
    again = directions_from_bytes(directions.to_bytes(), LAYERS, "take")
    assert again.rows.tobytes() == directions.rows.tobytes()


@pytest.mark.parametrize(
    ("table", "spec", "words"),
    [
        (rows(4, 7), W, r"d.npy: holds no directions for w8, which are \[n, 8\] .*\[4, 7\]"),
        (rows(4, 3, 8), W, r"no directions for w8"),
        (rows(4, 2, 8), LAYERS, r"which are \[n, 8\], or \[n, 3, 8\]"),
        (np.full((2, 8), np.nan, np.float32), W, "row 0 is not finite"),
        (np.full((2, 8), 1e300), W, "not finite"),
        (np.ones((2, 8), np.int32), W, "int32, allowed are float32"),
        (np.zeros((0, 8), np.float32), W, "no list of rows"),
    ],
)
def test_arrays_that_are_no_directions(tmp_path, table, spec, words) -> None:
    np.save(tmp_path / "d.npy", table)
    with pytest.raises(InstrumentError, match=words) as caught:
        load_directions(tmp_path / "d.npy", spec)
    assert "\n" not in str(caught.value) and "d.npy" in str(caught.value)


def test_archives_that_hold_none(tmp_path) -> None:
    cases = {
        "two": (
            {"a": rows(4, 8), "b": rows(4, 8)},
            r"holds no directions .*a \[4, 8\], b \[4, 8\]",
        ),
        "whole": ({"directions": np.arange(8)}, "it holds nothing"),
        "nan": ({"directions": np.full((1, 8), np.nan)}, "not finite"),
        "objects": ({"directions": np.array([{}, {}], object)}, "it holds nothing|not a .npy"),
    }
    for name, (arrays, words) in cases.items():
        with pytest.raises(InstrumentError, match=words):
            load_directions(save(tmp_path / f"{name}.npz", **arrays), W)
    with pytest.raises(InstrumentError, match=r"none\.npz: no such file"):
        load_directions(tmp_path / "none.npz", W)
    for content in (b"", b"PK\x03\x04 no archive", pickle.dumps([1])):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(InstrumentError, match=r"bad\.npz: not a readable \.npz"):
            load_directions(tmp_path / "bad.npz", W)


def test_a_bomb_is_not_unpacked(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("directions.npy", bytes(200 << 20))
    with pytest.raises(InstrumentError, match="larger than 64 MiB"):
        load_directions(tmp_path / "bomb.npz", W)


def test_damaged_archives_are_one_line(tmp_path) -> None:
    path = save(tmp_path / "d.npz", directions=rows(40, 8), deviations=rows(40))
    whole = path.read_bytes()
    source = np.random.default_rng(1)
    for _ in range(200):
        torn = bytearray(whole[: source.integers(len(whole) + 1)])
        for _ in range(3):
            if torn:
                torn[source.integers(len(torn))] = source.integers(256)
        path.write_bytes(bytes(torn))
        try:
            found = load_directions(path, W)
        except InstrumentError as error:
            assert "\n" not in str(error) and "d.npz" in str(error)
        else:
            assert np.isfinite(found.rows).all()


def test_a_sidecar_says_which_space_they_are_of(tmp_path) -> None:
    np.save(tmp_path / "d.npy", rows(4, 8))
    fields = {"format": "directions/1", "latent": W.to_json()}
    (tmp_path / "d.json").write_text(json.dumps(fields))
    for spec in (W, LAYERS):
        assert len(load_directions(tmp_path / "d.npy", spec)) == 4
    with pytest.raises(InstrumentError, match="directions of w8, but z8 is played"):
        load_directions(tmp_path / "d.npy", SHELL)
    for wrong, words in (
        ("{", "not readable as JSON"),
        ("[]", 'format: must be "directions/1"'),
        (json.dumps(fields | {"format": "z-sequence/1"}), 'format: must be "directions/1"'),
        (json.dumps(fields | {"latent": {"shape": "x"}}), r"latent\.shape"),
    ):
        (tmp_path / "d.json").write_text(wrong)
        with pytest.raises(InstrumentError, match=words) as caught:
            load_directions(tmp_path / "d.npy", W)
        assert "d.json" in str(caught.value)
