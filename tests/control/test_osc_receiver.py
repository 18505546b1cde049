"""The gate: who is heard, where an address leads, what of a flood is played."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from osc_stage import BUNDLE, KILLERS, PAD, TREE, element, number

from instrument import InstrumentError
from instrument.control.osc_access import Access
from instrument.control.osc_pending import ADDRESSES, Pending, Value
from instrument.control.osc_receiver import Receiver
from instrument.control.osc_routes import Routes
from instrument.control.osc_wire import message
from instrument.event import ControlEvent, event_from_line, event_to_line, is_address

HERE = ("127.0.0.1", 5000)
NOW, UTC = 100.0, 1_700_000_000.0


@pytest.fixture
def receiver() -> Receiver:
    return Receiver(Routes(TREE), Access())


def played(receiver: Receiver, *datagrams: bytes, sender=HERE) -> list[ControlEvent]:
    for datagram in datagrams:
        receiver.receive(datagram, sender, NOW, UTC)
    return [event for event, _ in receiver.take()[0]]


def pairs(events: list[ControlEvent]) -> list[tuple[str, float]]:
    return [(event.address, event.value) for event in events]


# --- who is heard


def test_by_itself_only_this_machine_is_heard() -> None:
    access = Access()
    assert (access.listen, access.local) == ("127.0.0.1", True)
    assert access.admits("127.0.0.1") and access.admits("::1")
    assert not access.admits("127.0.0.2") and not access.admits("192.168.1.4")


def test_networks_are_heard_when_they_are_named() -> None:
    access = Access("0.0.0.0", ["192.168.1.0/24", " 10.0.0.7 ", "fe80::/10"])
    assert not access.local
    for host in ("192.168.1.255", "10.0.0.7", "127.0.0.1", "fe80::1%eth0", "::ffff:192.168.1.9"):
        assert access.admits(host), host
    for host in ("192.168.2.1", "10.0.0.8", "::ffff:10.0.0.8", "", "x", "1.2.3.4.5"):
        assert not access.admits(host), host


def test_what_is_remembered_of_hosts_is_bounded() -> None:
    access = Access()
    for n in range(5000):
        access.admits(f"10.{n >> 8}.{n & 255}.1")
    assert len(access._known) <= 1024


@pytest.mark.parametrize(
    ("listen", "allow", "said"),
    [
        ("0.0.0.0", [], "--osc-allow"),
        ("192.168.1.4", [], "--osc-allow"),
        ("everywhere", ["10.0.0.0/8"], "no address to listen on"),
        ("127.0.0.1", ["10.0.0.0/99"], "no network"),
        ("127.0.0.1", ["studio"], "no network"),
    ],
)
def test_senseless_access_is_said_at_once(listen: str, allow: list[str], said: str) -> None:
    with pytest.raises(InstrumentError, match=said):
        Access(listen, allow)


def test_from_a_host_off_the_list_nothing_is_taken(receiver: Receiver) -> None:
    assert played(receiver, PAD, PAD, sender=("127.0.0.2", 5000)) == []
    assert receiver.heard == 0
    assert receiver.refused == {"host not on the list": 2}
    assert receiver.rows() == []
    assert "127.0.0.2" in receiver.notices()[0]


# --- where an address leads


@pytest.mark.parametrize(
    ("datagram", "events"),
    [
        (PAD, [("/pad/x", 0.25)]),
        (number(b"/pad/x", 1, b"i"), [("/pad/x", 1.0)]),
        (b"/pad/x\0\0,T\0\0", [("/pad/x", 1.0)]),
        (number(b"/pad/x", 7.0), [("/pad/x", 1.0)]),
        (number(b"/pad/x", -1e9), [("/pad/x", 0.0)]),
        (number(b"/raw/spring/frequency", 2.0), [("/raw/spring/frequency", 2.0)]),
        (number(b"/raw/spring/frequency", 1e6), [("/raw/spring/frequency", 100.0)]),
        (message("/waypoint/dawn/go", 1.0), [("/waypoint/dawn/go", 1.0)]),
        (message("/waypoint/dawn/go"), [("/waypoint/dawn/go", 1.0)]),
        (b"/take/record\0\0\0\0,I\0\0", [("/take/record", 1.0)]),
        (b"/take/record\0\0\0\0,N\0\0", [("/take/record", 1.0)]),
        (message("/take/record", 0.0), [("/take/record", 0.0)]),
        # Somebody else's addresses keep their values, whatever these are.
        (number(b"/slider", -40.0), [("/osc/slider", -40.0)]),
        (number(b"/midi/nanokontrol2/cc/16", 1.0), [("/osc/midi/nanokontrol2/cc/16", 1.0)]),
        (number(b"/raw/nothing", 1.0), [("/osc/raw/nothing", 1.0)]),
        (b"/xy\0,fsf\0\0\0\0" + struct.pack(">f", 1) + b"a\0\0\0" + struct.pack(">f", 2),
         [("/osc/xy/1", 1.0), ("/osc/xy/3", 2.0)]),
        (message("/bang"), [("/osc/bang", 1.0), ("/osc/bang", 0.0)]),
    ],
)  # fmt: skip
def test_an_address_leads_where_it_says(
    receiver: Receiver, datagram: bytes, events: list[tuple[str, float]]
) -> None:
    got = played(receiver, datagram)
    assert pairs(got) == events
    assert all(event.time == NOW for event in got)
    assert receiver.refused.total() == 0


@pytest.mark.parametrize(
    ("datagram", "why"),
    [
        (number(b"/model/share", 1.0), "a value that can only be read"),
        (message("/pad/x", 0.1, 0.2), "not one number"),
        (message("/pad/x", "loud"), "not one number"),
        (message("/take/record", "now"), "not one number"),
        (message("/slider", "?"), "no number at an address of somebody else's"),
        (number(b"/*", 1.0), "address"),
        (number(b"/pad/{x,y}", 1.0), "address"),
        (number(b"/pad/[x-y]", 1.0), "address"),
        (number(b"/pad/?", 1.0), "address"),
        (number(b"//pad", 1.0), "address"),
        (number(b"/pad/x/", 1.0), "address"),
        (number(b"/\xc3\xa4", 1.0), "address"),
        (number(b"/" + b"a" * 250, 1.0), "address"),
    ],
)
def test_what_cannot_be_played_is_counted(receiver: Receiver, datagram: bytes, why: str) -> None:
    assert played(receiver, datagram) == []
    assert receiver.refused == {why: 1}
    assert [why in notice for notice in receiver.notices()] == [True]
    assert receiver.notices() == []


@pytest.mark.parametrize("name", KILLERS)
def test_killers_leave_no_event(receiver: Receiver, name: str) -> None:
    assert played(receiver, KILLERS[name]) == []
    assert receiver.refused.total() == 1


@pytest.mark.parametrize(
    ("datagram", "kind"),
    [
        (message("/pad/x"), "value"),
        (message("/pad/x", "?"), "value"),
        (b"/pad/x\0\0", "value"),
        (b"/pad/x\0\0,N\0\0", "value"),
        (message("/raw/pad/x"), "raw"),
        (message("/model/share"), "value"),
        (message("/take/record", "?"), "trigger"),
        (message("/subscribe"), "subscribe"),
        (message("/unsubscribe"), "unsubscribe"),
    ],
)
def test_questions_are_no_events(receiver: Receiver, datagram: bytes, kind: str) -> None:
    receiver.receive(datagram, HERE, NOW, UTC)
    events, questions = receiver.take()
    assert events == []
    assert [(q.route.kind, q.sender, q.port) for q in questions] == [(kind, HERE, 0)]


@pytest.mark.parametrize(("port", "taken"), [(9000, 9000), (0, 0), (65536, 0), (-1, 0)])
def test_a_subscriber_may_name_its_port(receiver: Receiver, port: int, taken: int) -> None:
    receiver.receive(number(b"/subscribe", port, b"i"), HERE, NOW, UTC)
    assert receiver.take()[1][0].port == taken


def test_a_value_out_of_range_is_said_once(receiver: Receiver) -> None:
    played(receiver, number(b"/pad/x", 440.0), number(b"/pad/x", 440.0))
    assert receiver.notices() == ["OSC: /pad/x takes 0 to 1, 440 was clamped"]
    played(receiver, number(b"/pad/x", 440.0))
    assert receiver.notices() == []


@given(st.integers(0, 2**64 - 1))
def test_no_time_tag_makes_anybody_wait(tag: int) -> None:
    receiver = Receiver(Routes(TREE), Access())
    [event] = played(receiver, b"#bundle\0" + tag.to_bytes(8, "big") + element(PAD))
    assert NOW <= event.time <= NOW + 0.1


def test_a_time_tag_just_ahead_is_kept(receiver: Receiver) -> None:
    def tagged(ahead: float, value: float) -> bytes:
        tag = int((UTC + 2_208_988_800.0 + ahead) * 2**32)
        return b"#bundle\0" + tag.to_bytes(8, "big") + element(number(b"/pad/x", value))

    ramp = [tagged(0.01 * n, n / 16) for n in range(9)]
    events = played(receiver, *ramp)
    assert [event.value for event in events] == [n / 16 for n in range(9)]
    assert [event.time - NOW for event in events] == pytest.approx(
        [0.01 * n for n in range(9)], abs=1e-6
    )
    assert [e.time for e in played(receiver, tagged(3.0, 1.0), tagged(-3.0, 0.5))] == [NOW]


# --- what of a flood is played


def test_of_a_flood_the_last_value_of_each_address_is_played(receiver: Receiver) -> None:
    flood = [number(b"/pad/x", 0.4 * n / 5000) for n in range(5000)]
    flood += [number(b"/pad/y", 0.1), number(b"/pad/y", 0.2)]
    assert pairs(played(receiver, *flood)) == [
        ("/pad/x", pytest.approx(0.4, abs=1e-3)), ("/pad/y", pytest.approx(0.2)),
    ]  # fmt: skip
    assert receiver.take() == ([], [])


def test_a_press_is_never_lost_in_a_flood(receiver: Receiver) -> None:
    flood = [PAD] * 500 + [message("/take/record", 1.0), message("/take/record", 0.0)] + [PAD] * 500
    values = [v for a, v in pairs(played(receiver, *flood)) if a == "/take/record"]
    assert values == [1.0, 0.0]


def test_presses_bunched_by_the_network_all_arrive(receiver: Receiver) -> None:
    taps = [message("/waypoint/1/go", v) for v in (1.0, 0.0) * 4]
    assert [v for _, v in pairs(played(receiver, *taps))] == [1.0, 0.0] * 4


def test_a_machine_gun_is_bounded_and_ends_right(receiver: Receiver) -> None:
    taps = [message("/take/record", v) for v in (1.0, 0.0) * 1000] + [message("/take/record", 1.0)]
    values = [v for _, v in pairs(played(receiver, *taps))]
    assert len(values) <= 16 and values[-1] == 1.0


def test_what_waits_is_bounded(receiver: Receiver) -> None:
    many = [number(b"/foreign/%d" % n, 1.0) for n in range(ADDRESSES + 100)]
    assert len(played(receiver, *many)) == ADDRESSES
    assert receiver.refused == {"too many addresses at once": 100}
    for _ in range(1000):
        receiver.receive(message("/pad/x"), HERE, NOW, UTC)
    assert len(receiver.take()[1]) == 256
    many = [number(b"/foreign/%d" % n, 1.0) for n in range(20_000)]
    for datagram in many:
        receiver.receive(datagram, HERE, NOW, UTC)
    assert len(receiver._routes._foreign) <= 4096
    ahead = int((UTC + 2_208_988_800.0 + 0.05) * 2**32).to_bytes(8, "big")
    for _ in range(2000):
        receiver.receive(b"#bundle\0" + ahead + element(PAD), HERE, NOW, UTC)
    assert len([e for e, _ in receiver.take()[0] if e.time > NOW]) == 1024


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1)), max_size=60))
def test_every_address_ends_at_its_last_value(values: list[tuple[str, float]]) -> None:
    pending = Pending()
    for time, (name, value) in enumerate(values):
        assert pending.add(f"/{name}", Value(value, float(time), HERE))
    events = [event for event, _ in pending.take()]
    assert len(pending) == 0
    assert [e.time for e in events] == sorted(e.time for e in events)
    assert {e.address: e.value for e in events} == {f"/{n}": v for n, v in values}


def test_senders_are_remembered_and_bounded(receiver: Receiver) -> None:
    for port in range(200):
        receiver.receive(PAD, ("127.0.0.1", port), NOW + port, UTC)
    rows = receiver.rows()
    assert len(rows) == 64
    assert (rows[0].sender, rows[0].address, rows[0].value) == (("127.0.0.1", 199), "/pad/x", 0.25)
    assert [row.time for row in rows] == sorted((row.time for row in rows), reverse=True)
    receiver.receive(PAD, ("127.0.0.1", 199), NOW + 500, UTC)
    assert receiver.rows()[0].messages == 2


def test_whatever_comes_out_a_take_can_hold(receiver: Receiver) -> None:
    """20,000 mutations: every event has an address, is finite, in range, and can be written."""
    random.seed(7)
    seeds = [PAD, number(b"/raw/spring/frequency", 3.0, b"d"), number(b"/slider", 5, b"h"),
             BUNDLE + element(PAD) + element(number(b"/xy", 1.0)), *KILLERS.values()]  # fmt: skip
    played_events = 0
    for _ in range(20_000):
        data = bytearray(random.choice(seeds))
        for _ in range(random.randint(0, 3)):
            if data:
                data[random.randrange(len(data))] = random.randrange(256)
        receiver.receive(bytes(data), HERE, NOW, UTC)
        for event, _ in receiver.take()[0]:
            played_events += 1
            assert is_address(event.address)
            assert event_from_line(event_to_line(event)) == event
            if event.address == "/pad/x":
                assert 0.0 <= event.value <= 1.0
            if event.address == "/raw/spring/frequency":
                assert 0.01 <= event.value <= 100.0
    assert played_events > 1000
    assert len(receiver.notices()) <= 32
