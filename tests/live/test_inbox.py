"""Events keep their order and their times, and never come before what is already recorded."""

import math

from hypothesis import given
from hypothesis import strategies as st

from instrument.event import ControlEvent
from instrument.live.inbox import Inbox, Script, in_performance_time

times = st.floats(0.0, 100.0)


def at(time: float, address: str = "/key/1") -> ControlEvent:
    return ControlEvent(address, 1.0, time)


@given(st.lists(times), times)
def test_what_is_due_comes_in_order_and_the_rest_stays(moments: list[float], until: float):
    inbox = Inbox()
    inbox.put_all([at(moment) for moment in moments])
    due = inbox.take_due(until)
    assert [event.time for event in due] == sorted(m for m in moments if m <= until)
    assert [e.time for e in inbox.take_due(math.inf)] == sorted(m for m in moments if m > until)


def test_events_of_one_time_keep_their_order():
    inbox = Inbox()
    for number in range(20):
        inbox.put(at(1.0, f"/key/{number}"))
    assert [e.address for e in inbox.take_due(1.0)] == [f"/key/{n}" for n in range(20)]


@given(st.lists(times, max_size=20).map(sorted), times)
def test_a_late_event_gets_the_first_moment_still_open(moments: list[float], row: float):
    open_from = math.nextafter(row, math.inf)
    events = in_performance_time([at(50.0 + m) for m in moments], 50.0, open_from, row + 1.0)
    assert all(row < event.time <= row + 1.0 for event in events)


def test_a_script_knows_what_it_has_still_to_say():
    script = Script([at(0.0, "/a"), at(1.0, "/b"), at(2.0, "/a")])
    assert script.says(["/c", "/b"]) and script.says(["/a"]) and not script.says(["/c"])
    script.take_due(1.0)
    assert script.says(["/a"]) and not script.says(["/b"]) and not script.says([])
    script.take_due(2.0)
    assert not script.says(["/a", "/b"])


def test_a_script_follows_when_time_begins_anew():
    script = Script([at(0.0), at(1.0), at(2.5)])
    assert [e.time for e in script.take_due(1.0)] == [0.0, 1.0]
    script.rebase(2.0)
    assert [e.time for e in script.take_due(0.5)] == [0.5]
    assert script.take_due(100.0) == []
