"""What a frame is exposed to: times spread over the open shutter, paths and never shortcuts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.latent.geometry import angle, slerp
from instrument.latent.sequence import ZSequence
from instrument.latent.space import LatentSpec
from instrument.latent.trace import Origin, Trace
from instrument.studio.shutter import BetweenRows, Exposure, Instant, Shutter
from instrument.timebase import FrameRate

DIMS = 16
RATE = FrameRate(25)


def journey(n: int = 20, **more: object) -> ZSequence:
    """A great circle at 6 degrees a frame, on the shell."""
    rng = np.random.default_rng(3)
    a, b = np.linalg.qr(rng.normal(size=(DIMS, 2)))[0].T * np.sqrt(DIMS)
    turn = np.radians(6) * np.arange(n)[:, None]
    z = (np.cos(turn) * a + np.sin(turn) * b).astype(np.float32)
    return ZSequence(z, RATE, LatentSpec.shell(DIMS), **more)  # type: ignore[arg-type]


@given(st.floats(0, 360), st.integers(1, 64))
def test_samples_lie_evenly_around_the_frame(opened: float, samples: int) -> None:
    offsets = Shutter(opened, samples).offsets
    assert len(offsets) == samples
    assert abs(offsets.mean()) < 1e-9
    share = opened / 360
    assert np.allclose(np.diff(offsets), share / samples)
    assert np.allclose(offsets[-1] - offsets[0], share * (samples - 1) / samples)


def test_times_are_exact_and_never_before_the_start() -> None:
    rate = FrameRate(30000, 1001)
    times = Shutter(180, 4).times(0, 12, rate)
    assert times[5:7] == Shutter(180, 4).times(5, 7, rate)
    assert len(times) == 12
    assert times[:2] == [0, 0]
    assert times == sorted(times)
    expected = [(2 + o) * 1001 / 30000 for o in (-0.1875, -0.0625, 0.0625, 0.1875)]
    assert times[8:] == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("bad", [(-1, 8), (361, 8), (float("nan"), 8), (180, 0), (180, 257)])
def test_shutters_nobody_has(bad: tuple[float, int]) -> None:
    with pytest.raises(InstrumentError, match="must be"):
        Shutter(*bad)


def test_an_instant_is_the_row() -> None:
    walk = journey()
    z, parameters = Instant(walk).rows(3, 7)
    assert np.array_equal(z, walk.z[3:7])
    assert parameters.shape == (4, 0)
    assert z.flags.writeable


def test_samples_lie_on_the_path() -> None:
    walk = journey()
    z, _ = BetweenRows(walk, Shutter(360, 5)).rows(4, 6)
    assert z.shape == (10, DIMS)
    place = (np.arange(4, 6)[:, None] + Shutter(360, 5).offsets).reshape(-1)
    turned = np.degrees(angle(walk.z[[0]].astype(float), z.astype(float)))
    assert turned == pytest.approx(6 * place, abs=1e-3)
    assert np.linalg.norm(z, axis=1) == pytest.approx(np.sqrt(DIMS), abs=1e-5)


@pytest.mark.parametrize("shutter", [Shutter(0, 3), Shutter(180, 1)])
def test_a_closed_shutter_is_the_row_itself(shutter: Shutter) -> None:
    walk = journey()
    z, _ = BetweenRows(walk, shutter).rows(0, 20)
    assert np.array_equal(z, np.repeat(walk.z, shutter.samples, axis=0))


def test_the_ends_are_held() -> None:
    walk = journey()
    z, _ = BetweenRows(walk, Shutter(360, 4)).rows(0, 20)
    assert np.array_equal(z[:2], walk.z[[0, 0]])
    assert np.array_equal(z[-2:], walk.z[[19, 19]])
    one = BetweenRows(journey(1), Shutter(360, 4)).rows(0, 1)[0]
    assert np.array_equal(one, np.repeat(walk.z[:1], 4, axis=0))


def test_nothing_runs_across_a_cut() -> None:
    walk = journey()
    z = np.concatenate([walk.z[:10], -walk.z[10:]])
    parameters = np.linspace(0, 1, 20, dtype=np.float32)[:, None]
    cut = replace(walk, z=z, parameters=parameters, addresses=("/master/gain",))
    seen, values = BetweenRows(cut, Shutter(360, 4)).rows(9, 11)
    assert np.array_equal(seen[2:4], z[[9, 9]])  # not on the way through the middle
    assert np.array_equal(seen[4:6], z[[10, 10]])
    assert np.array_equal(values[2:6, 0], parameters[[9, 9, 10, 10], 0])
    assert not np.array_equal(seen[0], z[9])  # away from the cut it moves
    smooth = BetweenRows(walk, Shutter(360, 4)).rows(9, 11)[0]
    assert not np.array_equal(smooth[2], walk.z[9])


def test_a_trace_tells_of_cuts_that_are_small() -> None:
    walk = journey(4)
    rows = np.array([[0, 5, -1, -1, 0], [0, 6, 1, 0, 0.5], [1, 1, -1, -1, 0], [2, 9, -1, -1, 0.0]])
    origins = tuple(Origin(f"{name}.npy", "", 20) for name in "abc")
    traced = replace(walk, trace=Trace(origins, rows))
    z = BetweenRows(traced, Shutter(360, 4)).rows(0, 4)[0].reshape(4, 4, DIMS)
    assert not np.array_equal(z[0, 3], walk.z[0])  # a dissolve begins: no cut
    assert not np.array_equal(z[1, 3], walk.z[1])  # and ends
    assert np.array_equal(z[2, 3], walk.z[2])  # another clip
    assert np.array_equal(z[3, 0], walk.z[3])


def test_a_free_space_is_crossed_straight() -> None:
    w = np.cumsum(np.full((5, 2, 8), 0.1, np.float32), axis=0) + 3
    free = ZSequence(w, RATE, LatentSpec((2, 8), "w"))
    z, _ = BetweenRows(free, Shutter(360, 2)).rows(2, 3)
    assert z == pytest.approx(np.stack([w[2] - 0.025, w[2] + 0.025]), abs=1e-6)


def test_layers_turn_each_on_its_own_circle() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(2, 3, 8))
    a[1] = a[0] + 0.1 * a[1]
    layers = ZSequence(a.astype(np.float32), RATE, LatentSpec((3, 8), "z", np.sqrt(8)))
    z, _ = BetweenRows(layers, Shutter(360, 1)).rows(0, 2)
    assert np.array_equal(z, a.astype(np.float32))
    z, _ = BetweenRows(layers, Shutter(360, 2)).rows(0, 1)
    assert z[1] == pytest.approx(slerp(a[0], a[1], np.full(3, 0.25)), abs=1e-5)


def test_switches_switch_and_fades_fade() -> None:
    addresses = ("/master/gain", "/model/first", "/model/second", "/model/share")
    rows = [[0.0, 1, 2, 0.8], [1.0, 1, 2, 0.9], [1.0, 2, 0, 0.0]]
    parameters = np.array(rows, np.float32)
    walk = replace(journey(3), parameters=parameters, addresses=addresses)
    _, values = BetweenRows(walk, Shutter(360, 2)).rows(0, 3)
    assert values[1] == pytest.approx([0.25, 1, 2, 0.825])
    assert values[2] == pytest.approx([0.75, 1, 2, 0.875])
    assert values[3] == pytest.approx([1, 1, 2, 0.9])  # never 0.675 of model 2
    assert values[4] == pytest.approx([1, 2, 0, 0])


@pytest.mark.parametrize("cut", [1, 3, 7])
def test_frames_do_not_depend_on_who_is_asked_when(cut: int) -> None:
    exposure: Exposure = BetweenRows(journey(), Shutter(300, 3))
    whole = exposure.rows(0, 20)[0]
    parts = [exposure.rows(a, min(a + cut, 20))[0] for a in range(0, 20, cut)]
    assert np.array_equal(np.concatenate(parts), whole)
