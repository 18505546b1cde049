"""Who waits in vain too often, stops waiting for a while, and tries again."""

from hypothesis import given
from hypothesis import strategies as st

from instrument.live.patience import _FIRST, _REST, _TOO_OFTEN, Patience


def begun() -> Patience:
    """One that has seen the first ticks of a show."""
    patience = Patience()
    for _ in range(_FIRST):
        patience.waited(True)
    return patience


def test_while_ticks_fall_in_step_nothing_is_held_against_the_decoder():
    patience = Patience()
    for _ in range(_FIRST):
        patience.waited(False)
    assert patience.pays
    for _ in range(_TOO_OFTEN):
        patience.waited(False)
    assert patience.pays
    patience.waited(False)
    assert not patience.pays


@given(st.lists(st.booleans(), max_size=400))
def test_a_picture_that_is_late_now_and_then_is_waited_for(lates):
    """One in twenty-four at most, wherever they lie."""
    patience, since = begun(), 24
    for late in lates:
        late = late and since >= 24
        since = 0 if late else since + 1
        patience.waited(not late)
        assert patience.pays


def test_it_rests_and_then_tries_again_with_a_clean_slate():
    patience = begun()
    for _ in range(_TOO_OFTEN + 1):
        patience.waited(False)
    for _ in range(_REST):
        assert not patience.pays
        patience.went_without()
    assert patience.pays
    for _ in range(_TOO_OFTEN):
        patience.waited(False)
    assert patience.pays
    patience.went_without()
    assert patience.pays, "it never waits for less than nothing"
