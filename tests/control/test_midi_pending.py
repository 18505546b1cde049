"""A flood shrinks to what matters, nothing that must arrive is lost, and nothing grows."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.control.midi_messages import NOTE, PROGRAM, STEPS, VALUE
from instrument.control.midi_pending import MOST, Pending

LAW = settings(deadline=None, derandomize=True, max_examples=200)


def emptied(pending: Pending, values: int = 32, keys: int = 256) -> list[tuple[str, float]]:
    told = []
    while pending:
        told += [(event.address, event.value) for event in pending.take(values, keys)]
    return told


def test_the_last_value_counts_and_has_its_own_time() -> None:
    pending = Pending()
    for number in range(100):
        pending.add(VALUE, "/midi/a/cc/1", number / 1000, float(number))
    (event,) = pending.take(32, 32)
    assert (event.value, event.time) == (0.099, 99.0)
    assert not pending


def test_a_press_within_one_drain_is_not_lost() -> None:
    pending = Pending()
    for value in (1.0, 0.0):
        pending.add(VALUE, "/midi/a/cc/1", value, 0.0)
    assert emptied(pending) == [("/midi/a/cc/1", 1.0), ("/midi/a/cc/1", 0.0)]


@LAW
@given(st.lists(st.floats(0.0, 1.0), min_size=1))
def test_however_often_it_crosses_the_middle_it_ends_where_it_is(values) -> None:
    pending = Pending()
    for value in values:
        pending.add(VALUE, "/midi/a/cc/1", value, 0.0)
    told = [value for _, value in emptied(pending)]
    assert told[-1] == values[-1]
    assert len(told) <= 3
    assert set(told) <= set(values)
    assert any(v >= 0.5 for v in told) == any(v >= 0.5 for v in values)


def test_steps_add_up() -> None:
    pending = Pending()
    for value in (1.0, 1.0, -3.0):
        pending.add(STEPS, "/midi/a/cc/1", value, 0.0)
    assert emptied(pending) == [("/midi/a/cc/1", -1.0)]


def test_notes_keep_their_order_and_all_of_them() -> None:
    pending = Pending()
    for value in (0.7, 0.0, 0.2, 0.0):
        pending.add(NOTE, "/midi/a/note/36", value, 0.0)
    assert [value for _, value in emptied(pending, keys=1)] == [0.7, 0.0, 0.2, 0.0]


def test_a_program_change_is_a_press_and_a_release() -> None:
    pending = Pending()
    for _ in range(2):
        pending.add(PROGRAM, "/midi/a/program/5", 1.0, 0.0)
    assert [value for _, value in emptied(pending)] == [1.0, 0.0, 1.0, 0.0]


def test_what_waited_longest_comes_first_and_nothing_starves() -> None:
    pending = Pending()
    seen: set[str] = set()
    for turn in range(10):
        for number in range(128):
            pending.add(VALUE, f"/midi/a/cc/{number}", 0.1, float(turn))
        seen |= {event.address for event in pending.take(32, 32)}
    assert len(seen) == 128


def test_told_in_order_of_time() -> None:
    pending = Pending()
    pending.add(NOTE, "/midi/a/note/1", 1.0, 3.0)
    pending.add(VALUE, "/midi/a/cc/1", 0.1, 1.0)
    pending.add(STEPS, "/midi/a/cc/2", 1.0, 2.0)
    assert [event.time for event in pending.take(32, 32)] == [1.0, 2.0, 3.0]


def test_a_flood_of_notes_never_costs_a_release() -> None:
    pending, rng = Pending(), random.Random(1)
    sounding: dict[str, float] = {}
    for _ in range(40_000):
        address = f"/midi/a/note/{rng.randrange(128)}"
        value = rng.choice([0.0, 0.5])
        pending.add(NOTE, address, value, 0.0)
        sounding[address] = value
    assert pending.dropped > 0
    told = emptied(pending)
    assert len(told) <= MOST + 128
    last = dict(told)
    assert all(last.get(address, 0.0) == 0.0 for address, value in sounding.items() if not value)


def test_a_flood_of_programs_ends_with_the_last_of_each_channel() -> None:
    pending = Pending()
    for number in range(20_000):
        pending.add(PROGRAM, f"/midi/a/program/{number % 128}", 1.0, 0.0)
        pending.add(PROGRAM, f"/midi/a/ch/2/program/{number % 100}", 1.0, 0.0)
    told = emptied(pending)
    assert len(told) <= MOST + 8
    pressed = [address for address, value in told if value]
    assert pressed[-2:] == [
        f"/midi/a/program/{19_999 % 128}",
        f"/midi/a/ch/2/program/{19_999 % 100}",
    ]


def test_a_flood_of_controls_is_bounded() -> None:
    pending = Pending()
    for number in range(50_000):
        pending.add(VALUE, f"/midi/a/nrpn/{number}", 0.1, 0.0)
        pending.add(STEPS, f"/midi/a/cc/{number}", 1.0, 0.0)
    assert pending.dropped == 2 * (50_000 - MOST)
    told = emptied(pending)
    assert len(told) == 2 * MOST
    assert ("/midi/a/nrpn/49999", 0.1) in told  # the oldest went
