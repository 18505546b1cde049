"""Figures: what is drawn of long sequences, and that files come out the same."""

import builtins
import io
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from instrument import InstrumentError
from instrument.latent.sequence import ZSequence
from instrument.latent.space import LatentSpec
from instrument.studio.motion import Motion, heat_map, thinned
from instrument.studio.pace import Paced
from instrument.studio.plots import need_matplotlib, pace_figure, sequence_figure, snapshot_figure
from instrument.timebase import FrameRate

RATE = FrameRate(30)
NAN = float("nan")


def walk(n: int, spec: LatentSpec | None = None) -> ZSequence:
    spec = spec or LatentSpec.shell(8)
    steps = np.random.default_rng(0).standard_normal((n, *spec.shape))
    return ZSequence(np.cumsum(steps, axis=0).astype(np.float32), RATE, spec)


def paced(n: int = 30) -> Paced:
    steps = np.linspace(0.5, 1.5, n - 1)
    steps[n // 2] = NAN
    return Paced(
        np.linspace(0, n - 1, n), steps, np.ones(n - 1), np.ones(n - 1), False, (n // 2,), n
    )


def test_motion_is_that_of_every_row() -> None:
    sequence = walk(5000)
    motion = Motion.of(sequence, "walk")
    z = sequence.z.astype(np.float64)
    onward = np.diff(z, axis=0)
    cosine = (onward[:-1] * onward[1:]).sum(axis=1)
    cosine /= np.linalg.norm(onward[:-1], axis=1) * np.linalg.norm(onward[1:], axis=1)
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    turned = np.degrees(np.arccos(np.clip((unit[:-1] * unit[1:]).sum(axis=1), -1, 1)))
    assert motion.turns == pytest.approx(np.degrees(np.arccos(cosine)), abs=1e-6)
    assert motion.speed == pytest.approx(30 * turned, abs=1e-3)


@pytest.mark.parametrize("n", [1, 2, 3, 2049, 2050])
def test_any_length_has_a_motion(n) -> None:
    motion = Motion.of(walk(n), "walk")
    assert (len(motion.speed), len(motion.turns)) == (max(0, n - 1), max(0, n - 2))


def test_a_heat_map_keeps_what_is_short() -> None:
    z = walk(40).z
    assert heat_map(z).tolist() == z.T.tolist()


def test_a_heat_map_of_an_hour_is_means_over_time() -> None:
    z = np.repeat(np.arange(2400, dtype=np.float32)[:, None], 500, axis=1)
    heat = heat_map(z)
    assert heat.shape == (96, 1200)
    assert heat[0].tolist() == [2 * i + 0.5 for i in range(1200)]


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(0, 2**32 - 1))
def test_no_peak_is_lost(n, seed) -> None:
    values = np.random.default_rng(seed).standard_normal(n)
    drawn = thinned(values, np.arange(n) / 30, 100)
    assert len(drawn.at) <= max(100, min(n, 100))
    assert (drawn.most.max(), drawn.least.min()) == (values.max(), values.min())
    assert (drawn.least <= drawn.mean + 1e-12).all()
    assert (drawn.mean <= drawn.most + 1e-12).all()


def test_gaps_stay_gaps() -> None:
    values = np.ones(1000)
    values[100:200] = NAN
    drawn = thinned(values, np.arange(1000.0), 100)
    assert np.isnan(drawn.mean).sum() == np.isnan(drawn.most).sum() == 10


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_same_figure_is_the_same_file(kind) -> None:
    motions = [Motion.of(walk(40), "a"), Motion.of(walk(50), "b")]
    first, second = (sequence_figure(motions, kind=kind) for _ in range(2))
    assert first == second
    assert first[:4] == {"png": b"\x89PNG", "svg": b"<?xm", "pdf": b"%PDF"}[kind]


@pytest.mark.parametrize(
    "make",
    [
        lambda: pace_figure(paced(), RATE, "walk"),
        lambda: sequence_figure([Motion.of(walk(30), "a")]),
        lambda: sequence_figure([Motion.of(walk(30), "a")], [np.ones(29)]),
        lambda: sequence_figure([Motion.of(walk(1), "one row")]),
        lambda: sequence_figure([Motion.of(walk(9, LatentSpec((3, 8), "w", 2.0)), "layers")]),
        lambda: snapshot_figure(["0", "1"], np.eye(2), np.array([NAN, 1.0]), np.array([NAN, 0.0])),
        lambda: snapshot_figure(["0"], np.zeros((1, 1)), np.array([NAN]), np.array([NAN])),
    ],
)
def test_figures_are_drawn(make) -> None:
    picture = np.asarray(Image.open(io.BytesIO(make())).convert("RGB"))
    assert picture.std() > 5.0
    assert picture[0, 0].tolist() == [16, 16, 18]  # the ground


def test_a_still_pace_is_drawn() -> None:
    nothing = np.zeros(29)
    still = Paced(np.arange(30.0), nothing, nothing, nothing, True, (), 30)
    assert pace_figure(still, RATE, "still")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InstrumentError, match=r"allowed are \.png, \.svg, \.pdf"):
        sequence_figure([Motion.of(walk(9), "a")], kind="gif")


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch) -> None:
    real = builtins.__import__

    def absent(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InstrumentError, match=r"pip install latent-instrument\[plots\]"):
        need_matplotlib()
