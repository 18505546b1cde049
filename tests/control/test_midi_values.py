"""MIDI's numbers: bounds, centres, encoders, and 14 bits of which halves are lost."""

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.control.midi_address import ENCODINGS, Encoding
from instrument.control.midi_values import FULL, FinePair, bend_position, relative_steps

LAW = settings(deadline=None, derandomize=True, max_examples=200)
seven = st.integers(0, 127)
fourteen = st.integers(0, FULL)


def test_every_encoding_is_listed() -> None:
    assert get_args(Encoding) == ENCODINGS


@pytest.mark.parametrize(
    ("encoding", "says"),
    [
        ("twos-complement", {1: 1, 2: 2, 63: 63, 127: -1, 126: -2, 64: -64, 0: 0}),
        ("binary-offset", {65: 1, 66: 2, 127: 63, 63: -1, 62: -2, 0: -64, 64: 0}),
        ("sign-magnitude", {1: 1, 2: 2, 63: 63, 65: -1, 66: -2, 127: -63, 0: 0, 64: 0}),
    ],
)
def test_encoders_step_both_ways(encoding, says) -> None:
    assert {value: relative_steps(value, encoding) for value in says} == says


def test_a_bend_rests_at_one_half() -> None:
    assert (bend_position(0), bend_position(8192), bend_position(FULL)) == (0.0, 0.5, 1.0)


@LAW
@given(fourteen, fourteen)
def test_a_bend_keeps_order(one, other) -> None:
    assert (bend_position(one) < bend_position(other)) == (one < other)


def test_a_whole_pair_is_exact() -> None:
    pair = FinePair()
    for number in range(0, FULL + 1, 7):
        pair.coarse(number >> 7)
        assert pair.fine(number & 127) == number / FULL


def test_without_any_fine_half_both_ends_are_reached() -> None:
    pair = FinePair()
    positions = [pair.coarse(value) for value in range(128)]
    assert positions[0] == 0.0
    assert positions[-1] == 1.0
    assert positions == sorted(positions)
    assert max(abs(p - v / 127) for v, p in enumerate(positions)) < 1e-9


def test_a_fine_half_alone_says_nothing() -> None:
    assert FinePair().fine(3) is None


@LAW
@given(st.lists(st.tuples(fourteen, st.booleans()), min_size=1, max_size=60))
def test_lost_fine_halves_cost_less_than_a_128th(moves) -> None:
    pair = FinePair()
    for number, arrives in moves:
        position = pair.coarse(number >> 7)
        assert abs(position - number / FULL) < 1 / 128
        if arrives:
            assert pair.fine(number & 127) == number / FULL


@LAW
@given(st.lists(st.tuples(fourteen, st.booleans()), min_size=1, max_size=60), st.booleans())
def test_a_fader_moved_one_way_never_steps_back(moves, down) -> None:
    """Whichever fine halves are lost, once one has come."""
    pair = FinePair()
    moves = sorted(moves, reverse=down)
    pair.coarse(moves[0][0] >> 7)
    heard = [pair.fine(moves[0][0] & 127)]
    for number, arrives in moves[1:]:
        heard.append(pair.coarse(number >> 7))
        if arrives:
            heard.append(pair.fine(number & 127))
    assert heard == sorted(heard, reverse=down)


@LAW
@given(st.lists(st.one_of(seven.map(lambda v: ("c", v)), seven.map(lambda v: ("f", v)),
                          st.sampled_from([-1, 1]).map(lambda v: ("s", v)))))  # fmt: skip
def test_whatever_comes_in_whatever_order_stays_in_range(said) -> None:
    pair = FinePair()
    for kind, value in said:
        position = {"c": pair.coarse, "f": pair.fine, "s": pair.step}[kind](value)
        assert position is None or 0.0 <= position <= 1.0
