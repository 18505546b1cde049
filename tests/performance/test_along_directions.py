"""Directions in a performance: nothing at 0, exact in between, parameters like all others."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import BINDINGS, bank_of_four, event, frames, performer_of, play
from test_performer import SECONDS, scripts

from instrument import InstrumentError
from instrument.event import ControlEvent
from instrument.latent import geometry
from instrument.latent.directions import Directions
from instrument.latent.space import LatentSpec
from instrument.performance.mapping import Binding
from instrument.performance.preset import compose, preset_from_text

SPECS = [LatentSpec.shell(16), LatentSpec((16,), "w"), LatentSpec((3, 16), "w")]
LAW = settings(deadline=None, derandomize=True, max_examples=25)


def ways(spec, count=3, seed=4):
    rows = np.random.default_rng(seed).normal(size=(count, spec.shape[-1]))
    return Directions(rows.astype(np.float32), "sd")


PAIRS = {
    spec: (
        performer_of(bank_of_four(spec)),
        performer_of(bank_of_four(spec), directions=ways(spec)),
    )
    for spec in SPECS
}


@pytest.fixture(params=SPECS, ids=str)
def spec(request):
    return request.param


@LAW
@given(st.sampled_from(SPECS), scripts)
def test_at_zero_they_change_no_bit(spec, events) -> None:
    without, along = PAIRS[spec]
    instants = frames(8, SECONDS)
    shared = [along.space.index(address) for address in without.space.addresses]
    for p, q in zip(play(without, instants, events), play(along, instants, events), strict=True):
        assert along.z(q).tobytes() == without.z(p).tobytes()
        assert along.values(q)[shared].tobytes() == without.values(p).tobytes()


@LAW
@given(st.sampled_from(SPECS), scripts, st.lists(st.floats(-5.0, 5.0), min_size=3, max_size=3))
def test_they_are_added_to_whatever_is_read(spec, events, amounts) -> None:
    """The flight knows nothing of them: z is the old z, moved; on the shell it stays there."""
    without, along = PAIRS[spec]
    asked = [event(0.0, f"/raw/direction/{n}", a) for n, a in enumerate(amounts, start=1)]
    panicless = [e for e in events if "panic" not in e.address]
    (p,) = play(without, [SECONDS], panicless)
    (q,) = play(along, [SECONDS], [*asked, *panicless])
    assert q.flight.to_json() == p.flight.to_json()
    moved = along.directions.added(without.z(p).astype(np.float64), amounts, spec.radius)
    np.testing.assert_allclose(along.z(q), moved, rtol=0, atol=1e-5)
    if spec.radius is not None:
        assert geometry.length(along.z(q).astype(np.float64)) == pytest.approx(
            spec.radius, rel=1e-5
        )


def test_they_are_parameters_like_all_others(spec) -> None:
    bindings = (*BINDINGS, Binding("/knob/d", "/direction/2", smoothing=0.1))
    performer = performer_of(bank_of_four(spec), directions=ways(spec), bindings=bindings)
    parameter = performer.space.parameters[performer.space.index("/direction/2")]
    assert (parameter.low, parameter.high, parameter.default) == (-5.0, 5.0, 0.0)
    assert parameter.unit == "sd"
    script = [
        event(0.1, "/direction/1", 1.0), event(0.2, "/raw/direction/3", -2.5),
        event(0.5, "/knob/d", 0.9), event(2.0, "/performance/panic"),
    ]  # fmt: skip
    on, gliding, off = play(performer, [0.3, 0.6, 2.0], script)
    assert [performer.value(on, f"/direction/{n}") for n in (1, 2, 3)] == [5.0, 0.0, -2.5]
    passed = 5.0 * 0.8 * (1.0 - math.exp(-1.0))
    assert performer.value(gliding, "/direction/2") == pytest.approx(passed)
    assert [performer.value(off, f"/direction/{n}") for n in (1, 2, 3)] == [0.0, 0.0, 0.0]
    column = performer.space.index("/direction/2")
    assert performer.values(gliding)[column] == pytest.approx(passed)


@LAW
@given(st.sampled_from(SPECS), scripts, st.floats(0.0, SECONDS))
def test_the_frame_rate_leaves_no_trace(spec, events, at) -> None:
    performer = PAIRS[spec][1]
    mine = sorted([*events, event(at, "/direction/2", 0.8)], key=lambda e: e.time)
    (once,) = play(performer, [SECONDS], mine)
    often = play(performer, frames(60, SECONDS), mine)[-1]
    assert performer.z(once).tobytes() == performer.z(often).tobytes()


def test_a_preset_may_start_along_one() -> None:
    text = 'format = "preset/1"\nmodel = "m"\nbank = "b"\ndirections = "d.npy"\n'
    text += '[parameters]\n"/direction/2" = 1.5\n'
    spec = SPECS[1]
    preset = preset_from_text(text, "p.toml")
    assert preset.directions == ("d.npy", 10)
    performer = compose(preset, bank_of_four(spec), directions=ways(spec))
    begun = performer.begin()
    moved = performer.bank["dawn"].z + 1.5 * performer.directions.rows[1]
    np.testing.assert_allclose(performer.z(begun), moved, atol=1e-6)
    with pytest.raises(InstrumentError, match=r"p\.toml:6: no parameter '/direction/2'"):
        compose(preset, bank_of_four(spec), directions=ways(spec, count=1))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('directions = { file = "d.npy", count = 3 }', None),
        ('directions = { file = "d.npy", cuont = 3 }', "unknown key 'cuont', allowed are file, co"),
        ('directions = { file = "d.npy", count = 0 }', "directions.count: expected"),
        ('directions = { file = "d.npy", count = 65 }', "directions.count: expected"),
        ("directions = 3", "directions: expected"),
    ],
)
def test_how_a_preset_names_them(line: str, says: str | None) -> None:
    text = f'format = "preset/1"\nmodel = "m"\nbank = "b"\n{line}\n'
    if says is None:
        assert preset_from_text(text, "p").directions == ("d.npy", 3)
        return
    with pytest.raises(InstrumentError, match=says) as caught:
        preset_from_text(text, "p.toml")
    assert str(caught.value).startswith("p.toml:4: ")


def test_hostile_amounts_are_clamped() -> None:
    performer = PAIRS[SPECS[0]][1]
    for value in (math.nan, math.inf, -1e300, 1e12):
        for address in ("/direction/1", "/raw/direction/1"):
            (p,) = play(performer, [0.5], [ControlEvent(address, value, 0.1)])
            assert -5.0 <= performer.value(p, "/direction/1") <= 5.0
            assert np.isfinite(performer.z(p)).all()
