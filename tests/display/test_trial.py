"""Which way is the fastest: by turns, by medians, and not for next to nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.display.trial import FASTER, FEW, HOPELESS, ON_HOST, TRIES, Trial

ALL = (*ON_HOST, "card")


def play(trial, costs, pictures=60):
    """A show: pictures come where they are wanted; how each went, and whether it was timed."""
    went = []
    for _ in range(pictures):
        if "card" in trial and trial.wants("card"):
            way, timed = "card", trial.best is None
        else:
            way, timed = trial.host_way()
        if timed:
            trial.took(way, costs[way])
        went.append((way, timed))
    return went


@pytest.mark.parametrize("fastest", ALL)
def test_each_way_has_its_turn_and_then_the_fastest_plays(fastest):
    costs = dict.fromkeys(ALL, 0.0015) | {fastest: 0.001}
    trial = Trial(ALL, {}, None)
    went = play(trial, costs)
    turns = 3 * TRIES
    assert sorted(way for way, _ in went[:turns]) == sorted(TRIES * ALL)
    assert set(went[:3]) == {(way, True) for way in ALL}  # in turn, so that a busy moment hits all
    assert went[turns:] == [(fastest, False)] * (len(went) - turns)
    assert trial.best == fastest


@given(st.floats(1e-5, 1.0), st.floats(FASTER, 1.0))
def test_nothing_is_changed_for_next_to_nothing(plain, share):
    trial = Trial(ON_HOST, {}, None)
    play(trial, {"plain": plain, "buffers": plain * share})
    assert trial.best == "plain"


@given(st.sampled_from(ALL), st.floats(1.01, 50.0))
def test_what_is_hopeless_is_not_tried_to_the_end(slow, times):
    trial = Trial(ALL, {}, None)
    went = play(trial, dict.fromkeys(ALL, 0.001) | {slow: 0.001 * HOPELESS * times})
    assert [way for way, timed in went if timed].count(slow) == FEW
    assert trial.best in set(ALL) - {slow}


def test_one_good_picture_is_reason_enough_to_try_on():
    trial = Trial(ON_HOST, {}, None)
    for number in range(FEW):
        trial.took("plain", 0.001)
        trial.took("buffers", 0.0009 if number == 1 else 1.0)
    assert trial.best is None and trial.host_way() == ("plain", True)
    play(trial, {"plain": 0.001, "buffers": 0.0005})
    assert trial.best == "buffers"


def test_what_a_way_costs_before_it_begins_counts():
    costs = {"plain": 0.003, "buffers": 0.003, "card": 0.001}
    trial = Trial(ALL, {"plain": 0.001, "buffers": 0.001, "card": 0.004}, None)
    play(trial, costs)
    assert trial.best == "plain"
    trial = Trial(ALL, {"plain": 0.004, "buffers": 0.004, "card": 0.0}, None)
    play(trial, {way: 0.001 for way in ALL})
    assert trial.best == "card"


def test_one_slow_picture_decides_nothing():
    trial = Trial(ON_HOST, {}, None)
    for number in range(TRIES):
        trial.took("plain", 0.0015)
        trial.took("buffers", 5.0 if number == 0 else 0.001)
    assert trial.best == "buffers"


@pytest.mark.parametrize("known", ALL)
def test_what_is_known_plays_at_once_and_is_not_timed(known):
    trial = Trial(ALL, {}, known)
    assert trial.best == known and trial.wants(known)
    assert [way for way in ALL if trial.wants(way)] == [known]
    if known in ON_HOST:
        assert trial.host_way() == (known, False)


@pytest.mark.parametrize("known", ["card", "nonsense", None])
def test_what_is_not_there_cannot_be_known(known):
    assert Trial(ON_HOST, {}, known).best is None


def test_a_picture_on_the_host_goes_a_way_of_the_host_even_where_the_card_is_best():
    """Somebody looks at the pictures, or the decoder's process gave the card up."""
    trial = Trial(ALL, {}, "card")
    for _ in range(2 * TRIES):
        way, timed = trial.host_way()
        assert way in ON_HOST and timed
        trial.took(way, 0.001 if way == "buffers" else 0.0015)
    assert trial.host_way() == ("buffers", False)
    assert trial.best == "card"


def test_a_card_that_never_delivers_does_not_keep_the_others_on_trial():
    trial = Trial(ALL, {}, None)
    for _ in range(2 * TRIES):
        way, timed = trial.host_way()
        assert timed
        trial.took(way, 0.002)
    assert trial.host_way() == ("plain", False)
    assert trial.best is None and trial.wants("card")
