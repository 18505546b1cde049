"""A film beside its halves: what is measured is a film, and the figures say what was spent."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.bench.film_worker import bench_from_json, walk
from instrument.bench.filming import Costs, Filming, Spent
from instrument.bench.offline import at_size
from instrument.decoder.models import find_model
from instrument.studio.encode import count_frames, read_frames

NAMES = ("decode", "plain", "encode", "render", "parallel")
seconds = st.floats(0.01, 100.0)
shares = st.floats(0.0, 0.9)


@st.composite
def rounds(draw):
    found = []
    for _ in range(draw(st.integers(1, 5))):
        one = {name: Spent(draw(seconds), draw(seconds)) for name in NAMES}
        for film in ("render", "parallel"):
            tail = one[film].wall * draw(shares)
            one[film] = dataclasses.replace(one[film], tail=tail)
        found.append(one)
    return found


@given(rounds(), st.integers(1, 500), st.integers(1, 8))
def test_a_film_without_its_tail_is_never_dearer(found, frames, workers):
    costs = Costs(found, frames, workers)
    for one, overlap, parallel in zip(found, costs.overlaps, costs.parallels, strict=True):
        slower = max(one["decode"].wall, one["encode"].wall)
        assert overlap <= one["render"].wall / slower * (1.0 + 1e-12)
        assert parallel <= one["parallel"].wall / one["decode"].wall * (1.0 + 1e-12)
    assert costs.tail("render") >= 0.0 and costs.overhead > 0.0


@given(rounds(), st.integers(1, 8), st.floats(0.5, 4.0))
def test_a_machine_twice_as_slow_says_the_same(found, workers, factor):
    slower = [
        {name: Spent(*(factor * part for part in dataclasses.astuple(one)))
         for name, one in each.items()}
        for each in found
    ]  # fmt: skip
    here, there = Costs(found, 10, workers), Costs(slower, 10, workers)
    assert there.overlaps == pytest.approx(here.overlaps)
    assert there.parallels == pytest.approx(here.parallels)
    assert there.at_best == pytest.approx(here.at_best)
    assert there.overhead == pytest.approx(here.overhead)
    for name, ms in here.milliseconds.items():
        assert there.milliseconds[name] == pytest.approx(factor * ms)


def test_what_arithmetic_allows(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    spent = {name: Spent(1.0, 1.0) for name in NAMES} | {"encode": Spent(0.5, 0.5)}
    overlap, parallel = Costs([spent], 1, 2).at_best
    assert overlap == 1.0, "two cores do both halves side by side"
    assert parallel == 0.75, "one and a half seconds of work on two cores"
    spent["encode"] = Spent(1.0, 3.0)  # an encoder that fills more than a core
    assert Costs([spent], 1, 2).at_best == (2.0, 2.0)
    assert Costs([spent], 1, 2).all_in("render", "decode", "encode") == 1.0


def test_the_film_is_whole_and_every_process_ends(tmp_path):
    model = at_size(find_model("procedural"), 32, tmp_path)
    with Filming(model, 5, 2, tmp_path) as filming:
        pids = [pid for crew in filming._crews for pid in crew.pids]
        spent = filming.round(0)
        assert count_frames(tmp_path / "film.mp4") == count_frames(tmp_path / "bare.mp4") == 5
        pairs = zip(
            read_frames(tmp_path / "film.mp4"), read_frames(tmp_path / "bare.mp4"), strict=True
        )
        assert all((one == other).all() for one, other in pairs), "the same film as bare encoding"
    assert spent.keys() == set(NAMES) and len(pids) == 3
    assert all(one.wall > 0.0 for one in spent.values())
    assert spent["render"].tail > 0.0 and spent["decode"].tail == 0.0
    assert filming.start_up > 0.0
    assert [bare._process.returncode for bare in filming._bare] == [0, 0]


def test_what_cannot_begin_leaves_no_process_behind(tmp_path, monkeypatch):
    model = at_size(find_model("procedural"), 32, tmp_path)
    filming, begun = Filming(model, 2, 1, tmp_path), []

    def refused(*given):
        begun.extend(pid for crew in filming._crews for pid in crew.pids)
        raise OSError("no more processes")

    monkeypatch.setattr("instrument.bench.filming._Bare", refused)
    with pytest.raises(OSError, match="no more processes"):
        filming.__enter__()
    assert len(begun) == 2 and not any(crew.pids for crew in filming._crews)


def test_a_worker_paints_the_model_it_is_told(tmp_path):
    model = at_size(find_model("procedural"), 32, tmp_path)
    bench = bench_from_json({"model": str(model.folder)})
    assert bench.model.size == (32, 32) and bench.machine() == ("cpu", 1)
    rows = walk(model, 3)
    pictures = bench.open(1).decode(rows.z[:2], rows.z[:2, :0])
    assert pictures.shape == (2, 32, 32, 3) and pictures.std() > 0.0


@given(st.integers(2, 200))
def test_a_walk_goes_from_place_to_place(frames):
    model = find_model("procedural")
    rows = walk(model, frames)
    assert rows.z.shape == (frames, *model.latent.shape)
    again = walk(model, frames)
    assert (rows.z == again.z).all(), "the same for everybody"
