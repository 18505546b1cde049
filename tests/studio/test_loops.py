"""Loops: no seam, true orbits, and an hour in the memory of a second."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from journey_parts import RATE, SPEC, saved, survey

from instrument import InstrumentError
from instrument.latent.manner import Manner
from instrument.latent.retargeting import Retargeting
from instrument.latent.sequence import ZSequence, load_sequence
from instrument.latent.space import LatentSpec
from instrument.latent.steps import step_lengths, turns
from instrument.latent.trace import origin_of
from instrument.studio.keys import keys_of_rows
from instrument.studio.loops import loop_path, measured, write_loop
from instrument.timebase import FrameRate

MANNERS = [
    Manner(),
    Manner("spherical"),
    Manner(law=Retargeting(0.6, 0.15, timed=True)),
    Manner(noise=math.radians(8.0)),
    Manner("spherical", noise=math.radians(8.0), noise_rate=0.05, key_noise=0.1),
    Manner(hold=0.3),
]


WIDE = LatentSpec.shell(64)


def wide_survey(rows: int = 60, seed: int = 1) -> ZSequence:
    z = np.random.default_rng(seed).normal(size=(rows, 64)).astype(np.float32)
    return ZSequence(z * 8.0 / np.linalg.norm(z, axis=1, keepdims=True), RATE, WIDE)


def loop_in(folder, manner, seconds=9.0, rate=RATE, rows=(3, 8, 1, 7), seed=2, sequence=None):
    sequence = sequence or wide_survey()
    source = saved(folder, sequence)
    keys = keys_of_rows(sequence, list(rows))
    path, frames = loop_path(keys, sequence.spec, manner, seconds, rate, seed)
    write_loop(
        folder / "loop.npy", path, frames, keys, sequence, (origin_of(source),),
        rate=rate, seed=seed, source="a loop",
    )  # fmt: skip
    return load_sequence(folder / "loop.npy"), path, frames


@pytest.mark.parametrize("manner", MANNERS, ids=str)
def test_the_seam_is_within_what_the_loop_does_elsewhere(tmp_path, manner) -> None:
    """Its step and, where there are no corners by nature, its turn: within the loop's own p95."""
    loop, path, frames = loop_in(tmp_path, manner, 12.0)
    assert len(loop) == frames == 360
    round_twice = np.concatenate([loop.z, loop.z]).astype(float)
    steps, turned = step_lengths(round_twice, WIDE), turns(round_twice, WIDE)
    told = measured(path, frames, RATE, WIDE, keys_of_rows(wide_survey(), [3, 8, 1, 7]))
    assert told["seam_step_degrees"] == pytest.approx(math.degrees(steps[359]), abs=1e-3)
    assert told["step_p95_degrees"] == pytest.approx(
        math.degrees(np.percentile(steps[:360], 95)), abs=0.02
    )
    assert steps[359] <= (1.0 + 1e-6) * np.percentile(steps, 95)
    assert turned[358:360].max() <= (1.0 + 1e-6) * np.percentile(turned, 95)
    if manner == Manner():
        assert np.degrees(turned.max()) <= 10.0


def test_loops_of_all_frame_rates_begin_at_one_place() -> None:
    keys = keys_of_rows(wide_survey(), [3, 8, 1, 7])
    paths = [loop_path(keys, WIDE, Manner(), 12.0, FrameRate(rate), 1)[0] for rate in (24, 30, 60)]
    times = np.arange(0.0, 12.0, 0.5)
    assert (paths[0].at(times) == paths[1].at(times)).all()
    assert (paths[0].at(times) == paths[2].at(times)).all()


def test_the_seam_is_as_calm_as_the_rest() -> None:
    """Over many keys and seeds its step and turn are within the loop's own p95."""
    for seed in range(12):
        keys = keys_of_rows(wide_survey(60, seed), list(range(5 + seed)))
        path, frames = loop_path(keys, WIDE, Manner(), 3.0 * len(keys), RATE, seed)
        z = path.at(np.arange(-2, frames + 2) / 30)
        assert np.allclose(z[:4], z[-4:], atol=1e-9)
        told = measured(path, frames, RATE, WIDE, keys)
        assert told["seam_step_degrees"] <= told["step_p95_degrees"]
        assert told["seam_turn_degrees"] <= told["turn_p95_degrees"]
        assert told["sharpest_turn_degrees"] <= 10.0
        assert 0.5 < told["passes_keys_within_degrees"] < 12.0


def test_a_lap_is_a_whole_number_of_frames(tmp_path) -> None:
    rate = FrameRate(30000, 1001)
    loop, path, frames = loop_in(tmp_path, Manner(), 5.01, rate)
    assert frames == 150
    assert path.seconds == rate.time_of(150)
    assert loop.rate == rate


def test_rows_lead_back_and_parameters_go_round(tmp_path) -> None:
    sequence = survey(20, snapshots=True)
    loop, path, frames = loop_in(tmp_path, Manner("spherical"), sequence=sequence)
    assert loop.trace is not None
    assert loop.trace.rows[0, :4].tolist() == loop.trace.rows[-1, :4].tolist() == [0, 7, 0, 3]
    for row, visit in zip((3, 8, 1, 7), path.visits, strict=True):
        frame = round(visit * 30) % frames
        near = loop.trace.rows[frame]
        assert row in (near[1], near[3])
    assert set(loop.trace.rows[:, 1]) == {3, 8, 1, 7}
    snapshots = loop.column("/model/snapshot")
    assert snapshots is not None
    jumps = np.abs(np.diff(np.concatenate([snapshots, snapshots[:1]])))
    assert jumps.max() < 0.5


def test_the_same_seed_is_the_same_bytes(tmp_path) -> None:
    found = []
    for name, seed in (("a", 2), ("b", 2), ("c", 3)):
        (tmp_path / name).mkdir()
        loop_in(tmp_path / name, Manner(noise=0.1), seed=seed)
        found.append((tmp_path / name / "loop.npy").read_bytes())
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("manner", "rate"), [(Manner(), FrameRate(12)), (Manner("spherical"), RATE)], ids=str
)
def test_an_hour_takes_no_more_memory_than_ten_minutes(tmp_path, manner, rate) -> None:
    """Peaks of what Python and numpy hold, 64 numbers a row, 60 keys."""
    peaks = []
    for seconds in (600.0, 3600.0):
        tracemalloc.start()
        loop, _, frames = loop_in(tmp_path, manner, seconds, rate, rows=range(60))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(loop) == frames == rate.num * seconds
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 64e6


def test_a_loop_that_fails_leaves_what_was_there(tmp_path) -> None:
    loop_in(tmp_path, Manner())
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    sequence = wide_survey()
    keys = keys_of_rows(sequence, [1, 2, 3])
    path, frames = loop_path(keys, WIDE, Manner(), 3600.0, RATE, 1)

    def breaks(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_loop(
            tmp_path / "loop.npy", path, frames, keys, sequence, (), rate=RATE, seed=1,
            source="x", progress=breaks,
        )  # fmt: skip
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("seconds", "names"),
    [(0.0, "above 0"), (-3.0, "above 0"), (math.nan, "nan"), (math.inf, "inf"),
     (0.05, "fewer than 3 frames"), (1e9, "30 days")],
)  # fmt: skip
def test_loops_that_cannot_be(seconds, names) -> None:
    with pytest.raises(InstrumentError, match=names):
        loop_path(keys_of_rows(survey(9), [1, 2]), SPEC, Manner(), seconds, RATE, 1)
