"""What is told, to whom, how often."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from osc_stage import TREE, VALUES, mirror

from instrument.control.mirror import Reflection
from instrument.control.osc_feedback import (
    LEASE,
    MOST_SUBSCRIBERS,
    PERIOD,
    QUIET,
    Listener,
    Subscribers,
    told_by_osc,
)
from instrument.control.osc_wire import read

PARAMETERS = [node for node in TREE if node.kind == "parameter"]
HOST = ("10.0.0.7", 5000)


def told(listener: Listener, reflection: Reflection, now: float = 0.0) -> dict[str, float]:
    return {node.address: value for node, value in listener.news(reflection, now)}


def shown(*lit: str, **changes: float) -> Reflection:
    values = VALUES.copy()
    for name, value in changes.items():
        values[[n.address for n in PARAMETERS].index("/" + name.replace("_", "/"))] = value
    return Reflection(values, frozenset(lit))


# --- one listener


def test_first_everything_then_differences() -> None:
    listener = Listener(TREE)
    first = told(listener, shown("/take/record"))
    assert set(first) == {node.address for node in TREE}
    assert first["/spring/frequency"] == 1.0 and first["/take/record"] == 1.0
    assert first["/waypoint/1/go"] == 0.0
    assert told(listener, shown("/take/record")) == {}
    assert told(listener, shown("/take/record", pad_x=0.6)) == {"/pad/x": 0.6}
    assert told(listener, shown("/waypoint/1/go", pad_x=0.6)) == {
        "/take/record": 0.0, "/waypoint/1/go": 1.0,
    }  # fmt: skip


def test_nothing_is_told_before_anything_was_played() -> None:
    listener = Listener(PARAMETERS)
    assert told(listener, Reflection()) == {}
    assert len(told(listener, shown())) == len(PARAMETERS)


def test_what_is_not_finite_is_not_told() -> None:
    listener = Listener(TREE)
    told(listener, shown())
    assert told(listener, shown(pad_x=np.nan, pad_y=np.inf)) == {}
    assert told(listener, shown(pad_x=0.6)) == {"/pad/x": 0.6}


def test_what_it_has_just_set_is_not_told_and_a_correction_later_is() -> None:
    listener = Listener(TREE)
    told(listener, shown())
    listener.hush("/pad/x", 1.0)
    listener.knows("/pad/x", 0.9)
    assert told(listener, shown(pad_x=0.8), 1.0 + QUIET / 2) == {}
    assert told(listener, shown(pad_x=0.9), 1.0 + QUIET) == {}
    assert told(listener, shown(pad_x=0.5), 1.1) == {"/pad/x": 0.5}


def test_a_hushed_difference_is_told_when_it_stays() -> None:
    listener = Listener(TREE)
    told(listener, shown())
    listener.hush("/pad/x", 1.0)
    assert told(listener, shown(pad_x=0.9), 1.0) == {}
    assert told(listener, shown(pad_x=0.9), 1.0 + QUIET) == {"/pad/x": 0.9}


def test_what_is_forgotten_is_told_anew() -> None:
    listener = Listener(TREE)
    told(listener, shown())
    listener.forget("/pad/y")
    listener.forget("/take/record")
    listener.forget("/nothing")
    assert told(listener, shown()) == {"/pad/y": 0.25, "/take/record": 0.0}


def test_a_parameter_is_told_as_osc_has_it() -> None:
    frequency = TREE.find("/spring/frequency")
    assert frequency is not None
    assert told_by_osc(frequency, 1.0) == pytest.approx(0.5)


# --- subscribers


def heard_never(host: str, time: float) -> bool:
    return False


def addresses(packets: list[tuple[tuple[str, int], bytes]]) -> dict[tuple[str, int], list[str]]:
    found: dict[tuple[str, int], list[str]] = {}
    for target, packet in packets:
        found.setdefault(target, []).extend(m.address.decode() for m in read(packet, Counter()))
    return found


def test_subscribers_are_told_at_their_port_at_most_thirty_times_a_second() -> None:
    subscribers = Subscribers(TREE, heard_never)
    assert subscribers.report(mirror(), 0.0) == [] and subscribers.patience(0.0) is None
    assert subscribers.add(HOST, 0, 10.0) and subscribers.add(HOST, 9000, 10.0)
    everything = addresses(subscribers.report(mirror(), 10.0))
    assert set(everything) == {HOST, ("10.0.0.7", 9000)}
    assert sorted(everything[HOST]) == sorted(node.address for node in TREE)
    sent = 0
    for n in range(1000):  # a second, in which everything changes every millisecond
        sent += bool(subscribers.report(mirror(VALUES + n * 1e-3), 10.0 + n * 1e-3))
    assert 25 <= sent <= 30
    assert 0.0 <= subscribers.patience(11.0) <= PERIOD


def test_the_host_that_set_a_value_is_not_told_and_others_are() -> None:
    subscribers = Subscribers(TREE, heard_never)
    for host, port in ((HOST, 0), (HOST, 9000), (("10.0.0.8", 5000), 0)):
        subscribers.add(host, port, 0.0)
    subscribers.report(mirror(), 0.0)
    subscribers.heard(HOST, "/pad/x", 0.9, 1.0)
    changed = mirror(VALUES + np.array([0.4, 0, 0, 0, 0]))
    assert addresses(subscribers.report(changed, 1.04)) == {("10.0.0.8", 5000): ["/pad/x"]}
    # Half a tenth of a second later there is nothing to tell the programs that set it either.
    assert subscribers.report(changed, 1.2) == []


def test_a_lease_ends_unless_its_host_speaks() -> None:
    speaking = {"10.0.0.8"}
    subscribers = Subscribers(TREE, lambda host, time: host in speaking)
    subscribers.add(HOST, 0, 0.0)
    subscribers.add(("10.0.0.8", 5000), 0, 0.0)
    subscribers.report(mirror(), LEASE - 1)
    assert len(subscribers) == 2
    subscribers.report(mirror(), LEASE)
    assert len(subscribers) == 1
    speaking.clear()
    subscribers.report(mirror(), LEASE + 2)
    assert len(subscribers) == 0


def test_there_is_room_for_so_many_and_a_place_can_be_given_up() -> None:
    subscribers = Subscribers(TREE, heard_never)
    assert all(subscribers.add(HOST, 9000 + n, 0.0) for n in range(MOST_SUBSCRIBERS))
    assert not subscribers.add(HOST, 8000, 0.0)
    assert subscribers.add(HOST, 9000, 0.0)  # it has its place already
    subscribers.remove(HOST, 9000)
    subscribers.remove(HOST, 9000)
    assert subscribers.add(HOST, 8000, 0.0)
