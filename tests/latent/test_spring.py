"""The spring: exact for any step, at home on both sides of critical damping."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.latent.spring import (
    ARRIVAL,
    Spring,
    SpringState,
    arrival_phase,
    position_after,
    step,
    step_matrix,
)

LAW = settings(deadline=None, derandomize=True, max_examples=300)
frequencies = st.floats(0.01, 30.0)
dampings = st.one_of(
    st.floats(0.05, 5.0),
    st.floats(-12.0, -3.0).map(lambda e: 1.0 - 10.0**e),
    st.floats(-12.0, -3.0).map(lambda e: 1.0 + 10.0**e),
    st.just(1.0),
)
springs = st.builds(Spring, frequencies, dampings)
seconds = st.one_of(st.floats(0.0, 100.0), st.floats(0.0, 0.1), st.sampled_from([0.0, 5e-324]))
numbers = st.floats(-100.0, 100.0)


def state_of(position: float, velocity: float) -> SpringState:
    return SpringState(np.array([position]), np.array([velocity]))


def omega_of(spring: Spring) -> float:
    return 2.0 * math.pi * spring.frequency


def exponential(zeta: float, phase: float) -> np.ndarray:
    """exp of [[0, 1], [-1, -2ζ]]·phase by scaling, Taylor's series and squaring, in long double."""
    halvings = max(0, math.ceil(math.log2(max(phase, 1e-9) * (1.0 + 2.0 * zeta))) + 3)
    a = np.array([[0, 1], [-1, -2 * np.longdouble(zeta)]], np.longdouble)
    a *= np.longdouble(phase) / 2**halvings
    total = term = np.eye(2, dtype=np.longdouble)
    for n in range(1, 25):
        term = term.dot(a) / n
        total = total + term
    for _ in range(halvings):
        total = total.dot(total)
    return total.astype(np.float64)


@LAW
@given(springs, numbers, numbers, numbers, seconds, st.floats(0.0, 1.0))
def test_two_steps_are_one(spring, position, way_per_phase, target, dt, part) -> None:
    omega = omega_of(spring)
    start = state_of(position, way_per_phase * omega)
    goal = np.array([target])
    for first in (0.5 * dt, part * dt):
        once = step(start, goal, spring, dt)
        twice = step(step(start, goal, spring, first), goal, spring, dt - first)
        size = 1e-9 * (abs(position - target) + abs(way_per_phase) + 1e-6 * abs(target) + 1e-12)
        assert abs(once.position - twice.position) <= size
        assert abs(once.velocity - twice.velocity) / omega <= size


@LAW
@given(dampings, st.floats(0.0, 40.0))
def test_the_closed_form_is_the_matrix_exponential(zeta, phase) -> None:
    spring = Spring(1.0 / (2.0 * math.pi), zeta)
    m = step_matrix(spring, phase)
    ours = np.array([[m.y_from_y, m.y_from_v], [m.v_from_y, m.v_from_v]])
    np.testing.assert_allclose(ours, exponential(zeta, phase), rtol=0, atol=1e-12)


@pytest.mark.parametrize("zeta", [0.05, 0.3, 0.999999, 1.0, 1.000001, 2.0, 5.0])
def test_runge_kutta_goes_the_same_way(zeta: float) -> None:
    spring, dt = Spring(0.7, zeta), 1e-4
    omega = omega_of(spring)

    def slope(y: np.ndarray) -> np.ndarray:
        return np.array([y[1], omega**2 * (3.0 - y[0]) - 2.0 * zeta * omega * y[1]])

    y = np.array([-1.0, 5.0])
    for _ in range(10_000):
        a = slope(y)
        b = slope(y + 0.5 * dt * a)
        c = slope(y + 0.5 * dt * b)
        d = slope(y + dt * c)
        y = y + dt / 6.0 * (a + 2 * b + 2 * c + d)
    ours = step(state_of(-1.0, 5.0), np.array([3.0]), spring, 1.0)
    assert abs(ours.position[0] - y[0]) < 1e-9
    assert abs(ours.velocity[0] - y[1]) < 1e-9


@LAW
@given(st.floats(-12.0, -3.0), st.sampled_from([-1.0, 1.0]), st.floats(0.0, 50.0))
def test_nothing_breaks_at_critical_damping(exponent, side, phase) -> None:
    off = 10.0**exponent
    here = step_matrix(Spring(1.0 / (2.0 * math.pi), 1.0), phase)
    there = step_matrix(Spring(1.0 / (2.0 * math.pi), 1.0 + side * off), phase)
    for name in ("y_from_y", "y_from_v", "v_from_y", "v_from_v"):
        assert abs(getattr(here, name) - getattr(there, name)) < 5.0 * off + 1e-12


@LAW
@given(frequencies, st.floats(1.0, 5.0), seconds)
def test_no_overshoot_from_rest(frequency, zeta, dt) -> None:
    moved = step(state_of(1.0, 0.0), np.array([0.0]), Spring(frequency, zeta), dt)
    assert 0.0 <= moved.position[0] <= 1.0
    assert moved.velocity[0] <= 0.0


@LAW
@given(springs, numbers, numbers, seconds)
def test_energy_never_grows(spring, position, way_per_phase, dt) -> None:
    omega = omega_of(spring)
    moved = step(state_of(position, way_per_phase * omega), np.array([0.0]), spring, dt)
    before = math.hypot(position, way_per_phase)
    after = math.hypot(moved.position[0], moved.velocity[0] / omega)
    assert after <= before * (1.0 + 1e-12) + 1e-300


@LAW
@given(springs, st.floats(1e3, 1e300))
def test_after_a_very_long_time_it_has_arrived(spring, dt) -> None:
    if spring.damping_ratio * omega_of(spring) * dt < 1e4:
        dt *= 1e4
    moved = step(state_of(1.0, 1.0), np.array([7.0]), spring, dt)
    assert moved.position[0] == pytest.approx(7.0, abs=1e-9)
    assert abs(moved.velocity[0]) < 1e-9


@LAW
@given(springs, numbers, numbers, numbers, seconds)
def test_position_after_is_the_position_of_step(spring, position, velocity, target, dt) -> None:
    start, goal = state_of(position, velocity), np.array([target])
    assert position_after(start, goal, spring, dt) == step(start, goal, spring, dt).position


def test_a_step_leaves_its_start_alone() -> None:
    start, goal = state_of(1.0, 2.0), np.array([3.0])
    step(start, goal, Spring(1.0, 0.5), 0.1)
    assert (start.position[0], start.velocity[0], goal[0]) == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("share", "phase"), [(0.5, 1.68), (0.25, 2.69), (0.1, 3.89), (0.05, 4.74), (0.01, 6.64)]
)
def test_arrival_under_critical_damping(share: float, phase: float) -> None:
    exact = arrival_phase(1.0, share)
    assert exact == pytest.approx(phase, abs=0.005)
    assert (1.0 + exact) * math.exp(-exact) == pytest.approx(share, rel=1e-12)


@LAW
@given(st.floats(0.1, 60.0), dampings)
def test_arriving_is_the_first_arrival(asked, zeta) -> None:
    spring = Spring.arriving(asked, zeta)
    left = [step_matrix(spring, asked * k / 50).y_from_y for k in range(50)]
    if spring.frequency in (1e-4, 30.0):
        return  # clamped
    assert min(left) > ARRIVAL
    assert step_matrix(spring, asked).y_from_y == pytest.approx(ARRIVAL, abs=1e-9)
    assert spring.arrival_seconds == pytest.approx(asked, rel=1e-12)


def test_a_glide_as_short_as_no_spring_can_is_clamped() -> None:
    assert Spring.arriving(1e-9, 1.0).frequency == 30.0
    assert Spring.arriving(1e9, 1.0).frequency == 1e-4


@pytest.mark.parametrize("frequency", [0.0, -1.0, 30.1, math.nan, math.inf, 9e-5])
def test_frequencies_no_spring_has(frequency: float) -> None:
    with pytest.raises(InstrumentError, match=r"0\.0001 to 30"):
        Spring(frequency, 1.0)


@pytest.mark.parametrize("zeta", [0.0, -1.0, 0.049, 5.1, math.nan, math.inf])
def test_dampings_no_spring_has(zeta: float) -> None:
    with pytest.raises(InstrumentError, match=r"0\.05 to 5"):
        Spring(1.0, zeta)


@pytest.mark.parametrize("asked", [0.0, -1.0, math.nan])
def test_a_glide_takes_time(asked: float) -> None:
    with pytest.raises(InstrumentError, match="longer than 0"):
        Spring.arriving(asked, 1.0)


def test_rows_move_on_their_own() -> None:
    source = np.random.default_rng(3)
    state = SpringState(source.normal(size=(3, 4)), source.normal(size=(3, 4)))
    goal = source.normal(size=(3, 4))
    spring = Spring(1.3, 0.4)
    together = step(state, goal, spring, 0.3)
    for row in range(3):
        alone = SpringState(state.position[row], state.velocity[row])
        moved = step(alone, goal[row], spring, 0.3)
        assert (moved.position == together.position[row]).all()
        assert (moved.velocity == together.velocity[row]).all()
