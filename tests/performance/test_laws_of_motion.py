"""What events do to z: against an independent integrator, and one law at a time."""

import math

import numpy as np
import pytest
from stages import (
    NAMES,
    bank_of_four,
    bare,
    event,
    frames,
    opposite_bank,
    performer_of,
    play,
)

from instrument.latent import geometry
from instrument.latent.space import LatentSpec
from instrument.latent.waypoints import Waypoint, WaypointBank
from instrument.performance.score import Cue, Score

CRITICAL = 4.743864518390577  # (1 + x)·e^-x = 0.05
FREQUENCY = (0.01, 30.0)
DAMPING = (0.05, 5.0)


def exponential(ends: tuple[float, float], position: float) -> float:
    return ends[0] * (ends[1] / ends[0]) ** position


def integrate(bank, events, radius, start, seconds, frequency, zeta) -> list[np.ndarray]:
    """x'' = ω²(T - x) - 2ζωx' by Runge-Kutta in steps of at most half a millisecond.

    Knows bank, events and starting values, and nothing of the instrument's own code.
    Gives z at every tenth of a second, projected.
    """
    places = {w.name: w.z.astype(np.float64) for w in bank}
    x, v, target = places[start].copy(), np.zeros(bank.spec.shape), places[start]
    omega = 2.0 * math.pi * frequency
    now, rows = 0.0, []

    def go_to(then: float) -> None:
        nonlocal x, v, now
        steps = max(1, math.ceil((then - now) / 0.0005))
        h = (then - now) / steps
        stiffness, friction = omega * omega, 2.0 * zeta * omega
        for _ in range(steps):
            a1 = stiffness * (target - x) - friction * v
            v2 = v + 0.5 * h * a1
            a2 = stiffness * (target - (x + 0.5 * h * v)) - friction * v2
            v3 = v + 0.5 * h * a2
            a3 = stiffness * (target - (x + 0.5 * h * v2)) - friction * v3
            v4 = v + h * a3
            a4 = stiffness * (target - (x + h * v3)) - friction * v4
            x = x + h / 6.0 * (v + 2.0 * v2 + 2.0 * v3 + v4)
            v = v + h / 6.0 * (a1 + 2.0 * a2 + 2.0 * a3 + a4)
        now = then

    left = list(events)
    for row in range(round(10 * seconds) + 1):
        while left and left[0].time <= row / 10:
            e = left.pop(0)
            go_to(e.time)
            if e.address.startswith("/waypoint/"):
                target = places[e.address.split("/")[2]]
            elif e.address == "/raw/spring/frequency":
                omega = 2.0 * math.pi * e.value
            elif e.address == "/spring/frequency":
                omega = 2.0 * math.pi * exponential(FREQUENCY, e.value)
            elif e.address == "/spring/damping_ratio":
                zeta = exponential(DAMPING, e.value)
            elif e.address == "/raw/spring/damping_ratio":
                zeta = e.value
            elif e.address == "/raw/glide/seconds":
                assert zeta == 1.0
                omega = CRITICAL / e.value
            else:
                raise AssertionError(e.address)
        go_to(row / 10)
        if radius is None:
            rows.append(x)
        else:
            rows.append(radius * x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True)))
    return rows


def glides(seed: int) -> list:
    """Ten seconds of glides and changes of the spring, at arbitrary times."""
    source = np.random.default_rng(seed)
    script = []
    for time in np.sort(source.uniform(0.0, 10.0, 40)).tolist():
        kind = source.integers(0, 6)
        if kind < 3:
            script.append(event(time, f"/waypoint/{NAMES[source.integers(4)]}/go"))
        elif kind == 3:
            script.append(event(time, "/raw/spring/frequency", float(source.uniform(0.1, 4.0))))
        elif kind == 4:
            script.append(event(time, "/spring/frequency", float(source.uniform(0.3, 0.7))))
        else:
            script.append(event(time, "/spring/damping_ratio", float(source.uniform(0.2, 0.9))))
    return script


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("spec", [LatentSpec.shell(16), LatentSpec((2, 8), "w")], ids=str)
def test_an_independent_integrator_finds_the_same_path(seed: int, spec: LatentSpec) -> None:
    bank, script = bank_of_four(spec), glides(seed)
    performer = bare(bank, spring__frequency=0.5, spring__damping_ratio=0.7)
    theirs = integrate(bank, script, spec.radius, "dawn", 10.0, 0.5, 0.7)
    ours = play(performer, frames(10, 10.0), script)
    for p, row in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(performer.z(p), row, rtol=0, atol=1e-4)


def test_an_independent_integrator_finds_the_same_glides_by_seconds() -> None:
    bank = bank_of_four(LatentSpec.shell(512))
    script = [
        event(0.4, "/waypoint/reef/go"),
        event(1.1, "/raw/glide/seconds", 0.8),
        event(1.7, "/waypoint/ember/go"),
        event(3.0, "/raw/glide/seconds", 3.0),
        event(3.0, "/waypoint/iris/go"),
        event(4.0, "/raw/spring/frequency", 0.9),
    ]
    performer = bare(bank, spring__frequency=0.4, spring__damping_ratio=1.0)
    theirs = integrate(bank, script, bank.spec.radius, "dawn", 5.0, 0.4, 1.0)
    for p, row in zip(play(performer, frames(10, 5.0), script), theirs, strict=True):
        np.testing.assert_allclose(performer.z(p), row, rtol=0, atol=1e-4)


# Glides.


def way_left(performer, p, name: str) -> float:
    """The share of the straight way from home to `name` that is still ahead."""
    start, goal = (performer.bank[n].z.astype(np.float64) for n in ("dawn", name))
    return float(geometry.length(p.flight.position(p.time) - goal) / geometry.length(start - goal))


@pytest.mark.parametrize("zeta", [0.1, 0.7, 1.0, 3.0])
@pytest.mark.parametrize("seconds", [0.5, 4.0])
def test_a_glide_of_seconds_arrives_after_those_seconds(zeta: float, seconds: float) -> None:
    performer = bare(spring__damping_ratio=zeta)
    script = [event(0.0, "/raw/glide/seconds", seconds), event(0.25, "/waypoint/2/go")]
    before, at = play(performer, [0.25 + 0.97 * seconds, 0.25 + seconds], script)
    assert way_left(performer, before, "iris") > 0.05
    assert way_left(performer, at, "iris") == pytest.approx(0.05, abs=1e-6)


def test_beats_follow_the_tempo() -> None:
    performer = bare(spring__damping_ratio=1.0)
    script = [
        event(0.0, "/raw/tempo/bpm", 90.0),
        event(0.0, "/raw/glide/beats", 3.0),  # 2 s
        event(0.0, "/waypoint/2/go"),
    ]
    (at,) = play(performer, [2.0], script)
    assert way_left(performer, at, "iris") == pytest.approx(0.05, abs=1e-6)
    script.insert(2, event(0.0, "/raw/tempo/bpm", 180.0))
    (at,) = play(performer, [1.0], script)
    assert way_left(performer, at, "iris") == pytest.approx(0.05, abs=1e-6)
    assert performer.value(at, "/glide/seconds") == pytest.approx(1.0)


WORDS = {
    "/raw/glide/seconds": (2.0, CRITICAL / (2.0 * 2.0 * math.pi)),
    "/raw/glide/beats": (1.0, CRITICAL / (0.5 * 2.0 * math.pi)),
    "/raw/spring/frequency": (3.3, 3.3),
}


@pytest.mark.parametrize("last", WORDS)
def test_the_last_word_on_the_spring_wins(last: str) -> None:
    performer = bare(spring__damping_ratio=1.0)
    order = [*(word for word in WORDS if word != last), last]
    (p,) = play(performer, [1.0], [event(0.1, word, WORDS[word][0]) for word in order])
    assert p.flight.spring.frequency == pytest.approx(WORDS[last][1])
    assert performer.value(p, "/spring/frequency") == pytest.approx(WORDS[last][1])
    seconds = CRITICAL / (2.0 * math.pi * WORDS[last][1])
    assert performer.value(p, "/glide/seconds") == pytest.approx(seconds)
    # And it holds over a change of damping.
    (p,) = play(performer, [1.0], [event(0.1, last, WORDS[last][0]), *damp(0.2, 0.5)])
    if last == "/raw/spring/frequency":
        assert p.flight.spring.frequency == 3.3
    else:
        assert p.flight.spring.arrival_seconds == pytest.approx(seconds)


def damp(time: float, zeta: float) -> list:
    return [event(time, "/raw/spring/damping_ratio", zeta)]


@pytest.mark.parametrize("last", WORDS)
def test_the_last_word_wins_in_the_starting_values_and_after_panic(last: str) -> None:
    order = [*(word for word in WORDS if word != last), last]
    values = {word.removeprefix("/raw"): WORDS[word][0] for word in order}
    performer = performer_of(score=None, values={"/spring/damping_ratio": 1.0} | values)
    assert performer.begin().flight.spring.frequency == pytest.approx(WORDS[last][1])
    script = [event(0.1, "/spring/frequency", 0.1), event(0.2, "/performance/panic")]
    (p,) = play(performer, [1.0], script)
    assert p.flight.spring.frequency == pytest.approx(WORDS[last][1])


# Opposite waypoints.


@pytest.mark.parametrize("dims", [2, 3, 16, 512])
@pytest.mark.parametrize("zeta", [0.05, 0.5, 0.8, 1.0, 3.0])
def test_the_way_to_the_opposite_place_goes_around_the_origin(dims: int, zeta: float) -> None:
    bank = opposite_bank(dims)
    performer = bare(bank, spring__frequency=0.25, spring__damping_ratio=zeta)
    rows = play(performer, frames(60, 20.0), [event(0.5, "/waypoint/there/go")])
    z = np.array([performer.z(p) for p in rows], np.float64)
    np.testing.assert_allclose(geometry.length(z), bank.spec.radius, rtol=1e-5)
    nearest = min(float(geometry.length(p.flight.position(p.time))) for p in rows)
    assert nearest > 0.02 * bank.spec.radius
    turns = np.degrees(geometry.angle(z[1:], z[:-1]))
    assert turns.max() < 12.0
    if zeta >= 0.5:
        assert geometry.angle(z[-1], -z[0]) < 0.05


@pytest.mark.parametrize("dims", [2, 512])
@pytest.mark.parametrize("degrees", [161.0, 170.0, 179.0, 179.9999])
def test_nearly_opposite_places_are_passed_on_the_natural_side(dims: int, degrees: float) -> None:
    spec = LatentSpec.shell(dims)
    a, b = np.zeros(dims), np.zeros(dims)
    a[0] = spec.radius
    turn = math.radians(degrees)
    b[0], b[1] = spec.radius * math.cos(turn), spec.radius * math.sin(turn)
    waypoints = tuple(Waypoint(n, z.astype(np.float32)) for n, z in (("a", a), ("b", b)))
    performer = bare(WaypointBank("two", spec, waypoints), spring__frequency=0.25)
    rows = play(performer, frames(60, 6.0), [event(0.0, "/waypoint/b/go")])
    nearest = min(float(geometry.length(p.flight.position(p.time))) for p in rows)
    assert nearest > 0.1 * spec.radius


def test_asking_again_for_the_opposite_place_does_not_push_again() -> None:
    performer = bare(opposite_bank())
    once = play(performer, [2.0], [event(0.5, "/waypoint/there/go")])[0]
    script = [event(0.5, "/waypoint/there/go")] * 20
    often = play(performer, [2.0], script)[0]
    np.testing.assert_allclose(performer.z(often), performer.z(once), atol=1e-5)


# Hold, home, flick, panic.


def test_hold_stays_and_release_goes_on() -> None:
    performer = bare(spring__frequency=0.5, spring__damping_ratio=1.0)
    script = [
        event(0.0, "/waypoint/2/go"),
        event(0.4, "/performance/hold"),
        event(60.0, "/performance/hold", 0.0),
    ]
    at, later, end = play(performer, [0.4, 59.0, 120.0], script)
    np.testing.assert_allclose(performer.z(later), performer.z(at), atol=1e-5)
    np.testing.assert_allclose(performer.z(end), performer.bank["iris"].z, atol=1e-5)
    assert at.resumes is not None
    assert end.resumes is None


def test_hold_on_the_pad_resumes_on_the_pad() -> None:
    performer = bare()
    script = [event(0.0, "/pad/x", 0.3), event(0.5, "/performance/hold")]
    script += [event(40.0, "/performance/hold", 0.0)]
    (p,) = play(performer, [100.0], script)
    assert p.aim.kind == "pad"
    blend = performer.pad.blend(np.array([0.3, 0.5]))
    np.testing.assert_allclose(performer.z(p), blend, atol=1e-4)


def test_another_aim_ends_a_hold() -> None:
    performer = bare(spring__frequency=1.0)
    script = [event(0.0, "/waypoint/2/go"), event(0.4, "/performance/hold")]
    script += [event(1.0, "/performance/home"), event(2.0, "/performance/hold", 0.0)]
    (p,) = play(performer, [40.0], script)
    np.testing.assert_allclose(performer.z(p), performer.bank["dawn"].z, atol=1e-5)


def angular_velocity(performer, p) -> float:
    """Radians a second, by a small step."""
    later = performer.advance(p, p.time + 1e-5)
    here, there = p.flight.position(p.time), later.flight.position(later.time)
    return float(geometry.angle(here, there)) / 1e-5


@pytest.mark.parametrize("strength", [30.0, 360.0])
def test_a_flick_adds_its_angular_speed(strength: float) -> None:
    performer = bare(flick__strength=strength)
    (p,) = play(performer, [1.0], [event(1.0, "/performance/flick")])
    assert angular_velocity(performer, p) == pytest.approx(math.radians(strength), rel=1e-3)
    glide = event(0.0, "/waypoint/2/go")
    before, after = (
        play(performer, [0.7], script)[0]
        for script in ([glide], [glide, event(0.7, "/performance/flick")])
    )
    added = angular_velocity(performer, after) - angular_velocity(performer, before)
    assert added == pytest.approx(math.radians(strength), rel=1e-3)
    assert after.flight.position(0.7).tobytes() == before.flight.position(0.7).tobytes()


def test_flicks_at_rest_go_in_different_directions() -> None:
    performer = bare()
    script = [event(1.0, "/performance/flick"), event(60.0, "/performance/flick")]
    ways = [performer.z(p) - performer.bank["dawn"].z for p in play(performer, [1.1, 60.1], script)]
    assert geometry.angle(*(way.astype(np.float64) for way in ways)) > 0.3


def test_panic_restores_the_starting_values_and_goes_home() -> None:
    performer = performer_of()
    start = performer.values(performer.begin())
    script = [
        event(0.1, "/waypoint/3/go"),
        event(0.2, "/knob/1", 0.9),
        event(0.3, "/knob/5", 0.9),
        event(0.4, "/master/gain", 0.0),
        event(0.5, "/display/blackout", 1.0),
        event(0.6, "/score/play"),
        event(0.7, "/performance/hold"),
        event(0.8, "/performance/panic"),
    ]
    at, end = play(performer, [0.8, 100.0], script)
    assert (performer.values(at) == start).all()
    assert (performer.values(end) == start).all()
    assert (at.gliding, at.touches, at.score_since, at.resumes) == ({}, {}, None, None)
    home = performer.bank["dawn"].z.astype(np.float64)
    np.testing.assert_allclose(end.flight.position(end.time), home, atol=1e-4)


def test_a_waypoint_brings_its_snapshot() -> None:
    bank = bank_of_four()
    first, second, *rest = bank.waypoints
    waypoints = (first, Waypoint("iris", second.z, 2.0), *rest)
    performer = performer_of(WaypointBank("s", bank.spec, waypoints), snapshots=4)
    (p,) = play(performer, [1.0], [event(0.5, "/waypoint/2/go")])
    assert performer.value(p, "/model/snapshot") == 2.0


def test_the_stage_is_asked_for_what_is_no_matter_of_z() -> None:
    performer = performer_of(score=Score((Cue(0.5, "/take/record", 0.0),)))
    script = [event(0.2, "/take/record"), event(0.2, "/score/play")]
    rows = play(performer, [0.1, 0.2, 0.3, 0.7, 0.8], script)
    asked = [p.requests for p in rows]
    assert asked == [(), (("/take/record", 1.0),), (), (("/take/record", 0.0),), ()]


# Other spaces.


def test_a_free_space_goes_straight() -> None:
    spec = LatentSpec((16,), "w")
    bank = bank_of_four(spec)
    performer = bare(bank, spring__damping_ratio=1.0)
    rows = play(performer, frames(30, 20.0), [event(0.0, "/waypoint/2/go")])
    a, b = (bank[n].z.astype(np.float64) for n in ("dawn", "iris"))
    for p in rows:
        z = performer.z(p).astype(np.float64)
        along = float(np.sum((z - a) * (b - a)) / np.sum((b - a) ** 2))
        assert 0.0 <= along <= 1.0 + 1e-6
        np.testing.assert_allclose(z, a + along * (b - a), atol=1e-5)
    np.testing.assert_allclose(performer.z(rows[-1]), b, atol=1e-5)


def test_every_layer_flies_as_if_alone() -> None:
    spec = LatentSpec((3, 16), "z", 4.0)
    bank = bank_of_four(spec)
    together = bare(bank)
    script = [event(0.1, "/waypoint/2/go"), event(0.6, "/pad/x", 0.2), event(1.0, "/waypoint/4/go")]
    rows = play(together, frames(30, 3.0), script)
    for layer in range(3):
        alone_spec = LatentSpec((16,), "z", 4.0)
        alone = WaypointBank("layer", alone_spec, tuple(Waypoint(w.name, w.z[layer]) for w in bank))
        performer = bare(alone)
        for p, q in zip(rows, play(performer, frames(30, 3.0), script), strict=True):
            np.testing.assert_allclose(together.z(p)[layer], performer.z(q), atol=1e-6)


def test_noise_of_strength_turns_z_by_about_that() -> None:
    performer = performer_of(
        bank_of_four(LatentSpec.shell(512)), values={"/noise/strength": 12.0, "/noise/rate": 2.0}
    )
    home = performer.bank["dawn"].z.astype(np.float64)
    angles = [
        math.degrees(float(geometry.angle(performer.z(p).astype(np.float64), home)))
        for p in play(performer, frames(4, 30.0))
    ]
    assert math.sqrt(np.mean(np.square(angles))) == pytest.approx(12.0, rel=0.05)


def test_the_noise_goes_on_smoothly_when_its_rate_changes() -> None:
    performer = performer_of(values={"/noise/strength": 20.0, "/noise/rate": 0.5})
    script = [event(0.5, "/raw/noise/rate", 3.0), event(0.8, "/raw/noise/rate", 0.1)]
    z = np.array([performer.z(p) for p in play(performer, frames(1000, 1.2), script)], np.float64)
    steps = geometry.angle(z[1:], z[:-1])
    assert steps.max() < 0.01


def test_another_seed_is_another_drift() -> None:
    rows = [
        performer.z(play(performer, [1.0])[0])
        for performer in (performer_of(seed=1), performer_of(seed=2), performer_of(seed=1))
    ]
    assert (rows[0] == rows[2]).all()
    assert (rows[0] != rows[1]).any()
