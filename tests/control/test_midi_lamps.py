"""Lamps: differences only, never against a hand, never more than the rate, whatever is wanted."""

from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.control.midi_address import Control
from instrument.control.midi_lamps import RATE, Lamps
from instrument.control.midi_profile import Lamp, Profile

LAW = settings(deadline=None, derandomize=True, max_examples=100)
TICK = 1 / RATE


def profile(count: int = 2) -> Profile:
    lamps = {f"cc/{n}": Lamp(Control("cc", n)) for n in range(count)}
    lamps["cc/99"] = Lamp(Control("cc", 99), follows=True)
    return Profile("desk", "Desk", ("Desk",), (), {}, lamps, {})


def test_everything_is_said_once_and_then_only_differences() -> None:
    lamps = Lamps(profile())
    assert lamps.due({"cc/1": 1.0}, 0.0) == [b"\xb0\x00\x00", b"\xb0\x01\x7f"]
    assert lamps.due({"cc/1": 0.9}, TICK) == []  # still lit
    assert lamps.due({"cc/0": 0.6}, 2 * TICK) == [b"\xb0\x00\x7f", b"\xb0\x01\x00"]
    assert lamps.due({"cc/0": 0.6}, 3 * TICK) == []


def test_a_motor_nobody_wants_stays() -> None:
    lamps = Lamps(profile(0))
    assert lamps.due({}, 0.0) == []
    assert lamps.due({"cc/99": 0.5}, TICK) == [b"\xb0\x63\x40"]
    assert lamps.due({}, 2 * TICK) == []


def test_a_lamp_waits_for_the_hand() -> None:
    lamps = Lamps(profile(1))
    lamps.due({}, 0.0)
    lamps.heard("cc/0", 1.0, 1.0)
    assert lamps.due({"cc/0": 1.0}, 1.049) == []
    assert lamps.due({"cc/0": 1.0}, 1.051) == [b"\xb0\x00\x7f"]


def test_a_motor_is_not_sent_back_what_a_hand_just_set() -> None:
    lamps = Lamps(profile(0))
    lamps.heard("cc/99", 64 / 127, 1.0)
    for number in range(60):  # two seconds later too
        assert lamps.due({"cc/99": 64 / 127}, 1.0 + number * TICK) == []


def test_a_motor_never_works_against_a_moving_hand() -> None:
    lamps = Lamps(profile(0))
    lamps.due({"cc/99": 0.0}, 0.0)
    for number in range(20):  # a slow hand: a message every 0.2 s
        time = 1.0 + number * 0.2
        lamps.heard("cc/99", number / 127, time)
        assert lamps.due({"cc/99": 0.9}, time + 0.19) == []
    assert lamps.due({"cc/99": 0.9}, 20.0) == [bytes((0xB0, 99, round(0.9 * 127)))]


def test_a_burst_is_spread_and_nobody_starves() -> None:
    lamps = Lamps(profile(90))
    first = lamps.due({}, 0.0)
    second = lamps.due({}, TICK)
    assert (len(first), len(second)) == (64, 26)
    seen: set[int] = set()
    for number in range(2, 6):  # all of them change all the time
        value = float(number % 2)
        seen |= {m[1] for m in lamps.due({f"cc/{n}": value for n in range(90)}, number * TICK)}
    assert len(seen) == 90


@LAW
@given(
    st.lists(st.dictionaries(st.sampled_from(["cc/0", "cc/1", "cc/99"]), st.floats()), max_size=40)
)
def test_whatever_is_wanted_a_lamp_gets_one_message_a_tick_and_ends_right(wishes) -> None:
    lamps = Lamps(profile())
    shown: dict[int, int] = {}
    wanted: dict[str, float] = {}
    for number, wanted in enumerate(wishes):
        messages = lamps.due(wanted, number * TICK)
        assert len({message[1] for message in messages}) == len(messages)
        shown |= {message[1]: message[2] for message in messages}
    for n in (0, 1):
        if wishes:
            value = wanted.get(f"cc/{n}", 0.0)
            assert shown[n] == (127 if value > 0.5 else 0)


def test_left_dark() -> None:
    assert Lamps(profile(2)).dark() == [b"\xb0\x00\x00", b"\xb0\x01\x00"]
