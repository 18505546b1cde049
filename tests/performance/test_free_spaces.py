"""Played in w, and in w for every layer: the laws of the shell hold where there is none."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import bank_of_four, bare, event, frames, performer_of, play
from test_performer import SECONDS, hostile_addresses, hostile_values, scripts, seen_at, times

from instrument.event import ControlEvent
from instrument.latent import geometry
from instrument.latent.space import LatentSpec

FLAT = LatentSpec((16,), "w", scale=2.5)
LAYERS = LatentSpec((6, 8), "w", scale=2.5)
SPECS = [FLAT, LAYERS]
PERFORMERS = {spec.shape: performer_of(bank_of_four(spec)) for spec in SPECS}
LAW = settings(deadline=None, derandomize=True, max_examples=25)


@pytest.fixture(params=SPECS, ids=str)
def spec(request):
    return request.param


@LAW
@given(st.sampled_from(SPECS), scripts)
def test_the_frame_rate_leaves_no_trace(spec, events) -> None:
    performer = PERFORMERS[spec.shape]
    common = [Fraction(i, 6) for i in range(10)]
    once = {}
    for instant in common:
        once |= seen_at(performer, [instant], events)
    for rate in (24, 60, 144):
        ours = seen_at(performer, [Fraction(i, rate) for i in range(rate * 3 // 2 + 1)], events)
        assert {instant: ours[instant] for instant in common} == once


@LAW
@given(
    st.sampled_from(SPECS),
    st.lists(st.tuples(times, hostile_addresses, hostile_values), max_size=30),
)
def test_whatever_arrives_everything_stays_finite(spec, drawn) -> None:
    performer = PERFORMERS[spec.shape]
    events = sorted((ControlEvent(a, v, t) for t, a, v in drawn), key=lambda e: e.time)
    for p in play(performer, frames(6, 2.0), events):
        assert np.isfinite(performer.z(p)).all()


@LAW
@given(scripts, st.floats(-20.0, 20.0))
def test_the_middle_may_lie_anywhere(events, away) -> None:
    """Everything moved by one vector flies the same path, moved: nothing refers to the origin."""
    bank = bank_of_four(LAYERS)
    moved = bank_of_four(LAYERS)
    for waypoint in moved:
        waypoint.z[...] += np.float32(away)
    here, there = performer_of(bank), performer_of(moved)
    instants = frames(8, SECONDS)
    pairs = zip(play(here, instants, events), play(there, instants, events), strict=True)
    for p, q in pairs:
        np.testing.assert_allclose(there.z(q) - away, here.z(p), rtol=0, atol=2e-3)


def test_the_pad_leads_along_straight_lines(spec) -> None:
    performer = bare(bank_of_four(spec), spring__damping_ratio=1.0)
    (p,) = play(performer, [60.0], [event(0.0, "/pad/x", 0.4), event(0.0, "/pad/y", 0.0)])
    weights = performer.pad.weights(np.array([0.4, 0.0]))
    wanted = sum(w * waypoint.z for w, waypoint in zip(weights, performer.bank, strict=True))
    np.testing.assert_allclose(performer.z(p), wanted, atol=1e-5)


def test_noise_moves_every_row_by_a_share_of_the_spread() -> None:
    spec = LatentSpec((4, 256), "w", scale=9.0)
    performer = performer_of(
        bank_of_four(spec), values={"/noise/strength": 12.0, "/noise/rate": 2.0}
    )
    home = performer.bank["dawn"].z.astype(np.float64)
    ways = [
        geometry.length(performer.z(p).astype(np.float64) - home)
        for p in play(performer, frames(4, 30.0))
    ]
    usual = np.sqrt(np.mean(np.square(ways), axis=0))  # one for each layer
    np.testing.assert_allclose(usual, math.radians(12.0) * 9.0, rtol=0.06)


def speeds(performer, p) -> np.ndarray:
    """How fast every row moves, per second, by a small step."""
    later = performer.advance(p, p.time + 1e-5)
    return geometry.length(later.flight.position(later.time) - p.flight.position(p.time)) / 1e-5


def test_a_flick_pushes_on_along_the_way(spec) -> None:
    performer = bare(bank_of_four(spec), flick__strength=90.0)
    added = math.radians(90.0) * spec.reach
    (at_rest,) = play(performer, [1.0], [event(1.0, "/performance/flick")])
    np.testing.assert_allclose(speeds(performer, at_rest), added, rtol=1e-3)
    glide = event(0.0, "/waypoint/2/go")
    (before,) = play(performer, [0.7], [glide])
    (after,) = play(performer, [0.7], [glide, event(0.7, "/performance/flick")])
    np.testing.assert_allclose(
        speeds(performer, after), speeds(performer, before) + added, rtol=1e-3
    )


def test_flicks_at_rest_go_in_different_directions() -> None:
    performer = bare(bank_of_four(FLAT))
    script = [event(1.0, "/performance/flick"), event(120.0, "/performance/flick")]
    ways = [
        performer.z(p).astype(np.float64) - performer.bank["dawn"].z
        for p in play(performer, [1.1, 120.1], script)
    ]
    assert geometry.angle(*ways) > 0.3


def test_the_origin_is_a_place_like_any_other(spec) -> None:
    bank = bank_of_four(spec)
    bank["iris"].z[...] = 0.0
    performer = bare(bank, spring__damping_ratio=1.0)
    rows = play(performer, frames(30, 40.0), [event(0.0, "/waypoint/iris/go")])
    z = np.array([performer.z(p) for p in rows], np.float64)
    np.testing.assert_allclose(z[-1], 0.0, atol=1e-6)
    steps = [float(np.abs(b - a).max()) for a, b in itertools.pairwise(z)]
    assert max(steps) < 0.2, "the way through the origin jumps"


def test_opposite_places_are_reached_straight(spec) -> None:
    bank = bank_of_four(spec)
    bank["iris"].z[...] = -bank["dawn"].z
    performer = bare(bank, spring__damping_ratio=1.0)
    start = bank["dawn"].z.astype(np.float64)
    for p in play(performer, frames(10, 10.0), [event(0.0, "/waypoint/iris/go")]):
        z = performer.z(p).astype(np.float64)
        share = float(np.sum(z * start) / np.sum(start * start))
        np.testing.assert_allclose(z, share * start, atol=1e-5)
