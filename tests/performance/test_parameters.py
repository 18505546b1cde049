"""Parameters: the way to 0..1 and back, and nothing ever out of range."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.event import is_address
from instrument.performance.parameters import (
    Parameter,
    ParameterSpace,
    Trigger,
    instrument_parameters,
    instrument_triggers,
)

LAW = settings(deadline=None, derandomize=True, max_examples=200)
EVERY = instrument_parameters(snapshots=4, pad_axes=8)
parameters = st.one_of(
    st.sampled_from(EVERY),
    st.builds(
        lambda low, span, curve: Parameter("/a", low, low + span, low, "", curve),
        st.floats(0.01, 1e3),
        st.floats(0.01, 1e4),
        st.sampled_from(["linear", "exponential", "switch"]),
    ),
    st.builds(lambda low: Parameter("/a", low, low + 7.0, low), st.floats(-1e3, 1e3)),
)
anything = st.floats(allow_nan=False)


@LAW
@given(parameters, st.floats(0.0, 1.0))
def test_there_and_back(parameter, position) -> None:
    if parameter.curve == "switch":
        position = round(position)
    assert parameter.unmap(parameter.map(position)) == pytest.approx(position, abs=1e-9)


@LAW
@given(parameters, st.floats(0.0, 1.0))
def test_back_and_there(parameter, position) -> None:
    value = parameter.map(position)
    assert parameter.map(parameter.unmap(value)) == pytest.approx(value, rel=1e-9, abs=1e-9)


@LAW
@given(parameters, anything)
def test_always_in_range(parameter, number) -> None:
    for value in (parameter.map(number), parameter.clamp(number)):
        assert parameter.low <= value <= parameter.high
    assert 0.0 <= parameter.unmap(number) <= 1.0


@LAW
@given(parameters, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_is_more(parameter, a, b) -> None:
    a, b = sorted((a, b))
    assert parameter.map(a) <= parameter.map(b)


@pytest.mark.parametrize("parameter", EVERY, ids=lambda p: p.address)
def test_the_ends_are_the_ends(parameter: Parameter) -> None:
    assert parameter.map(0.0) == parameter.low
    assert parameter.map(1.0) == parameter.high
    assert is_address(parameter.address)


def test_a_switch_is_on_or_off() -> None:
    switch = Parameter("/a", 0.0, 1.0, 0.0, "", "switch")
    assert [switch.map(x) for x in (0.0, 0.49, 0.5, 1.0)] == [0.0, 0.0, 1.0, 1.0]
    assert [switch.clamp(x) for x in (-1.0, 0.49, 0.5, 9.0)] == [0.0, 0.0, 1.0, 1.0]


def test_equal_steps_of_an_exponential_are_equal_ratios() -> None:
    frequency = next(p for p in EVERY if p.address == "/spring/frequency")
    values = [frequency.map(i / 10) for i in range(11)]
    ratios = [b / a for a, b in itertools.pairwise(values)]
    assert max(ratios) == pytest.approx(min(ratios))


@pytest.mark.parametrize(
    ("low", "high", "default", "curve"),
    [
        (1.0, 1.0, 1.0, "linear"),
        (2.0, 1.0, 1.5, "linear"),
        (0.0, 1.0, 2.0, "linear"),
        (0.0, 1.0, math.nan, "linear"),
        (math.nan, 1.0, 1.0, "linear"),
        (0.0, 1.0, 1.0, "exponential"),
        (-1.0, 1.0, 1.0, "exponential"),
    ],
)
def test_ranges_no_parameter_has(low: float, high: float, default: float, curve: str) -> None:
    with pytest.raises(InstrumentError, match="/a"):
        Parameter("/a", low, high, default, "", curve)


def test_every_address_is_there_once() -> None:
    space = ParameterSpace(EVERY, instrument_triggers(("dawn", "reef")))
    assert len(set(space.addresses)) == len(space) == len(EVERY)
    for column, parameter in enumerate(space):
        assert space.index(parameter.address) == space.find(parameter.address) == column
        assert parameter.address in space
        assert space.defaults()[column] == parameter.default
    assert space.find("/nothing") is None
    with pytest.raises(InstrumentError, match="allowed are /spring/frequency, "):
        space.index("/nothing")
    for twice in ((EVERY[0], EVERY[0]), (EVERY[0],)):
        with pytest.raises(InstrumentError, match="declared twice"):
            ParameterSpace(twice, (Trigger("/spring/frequency", ""),))


def test_a_pad_of_too_many_axes() -> None:
    assert len(instrument_parameters(pad_axes=8)) == len(instrument_parameters(pad_axes=0)) + 8
    with pytest.raises(InstrumentError, match="9 axes"):
        instrument_parameters(pad_axes=9)
