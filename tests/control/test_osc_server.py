"""The UDP server, by real sockets."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from osc_stage import KILLERS, PAD, TREE, VALUES, mirror, number, udp, until
from pythonosc.udp_client import SimpleUDPClient

from instrument import InstrumentError
from instrument.control.osc import Osc, OscSettings
from instrument.control.osc_access import Access
from instrument.control.osc_server import OscServer
from instrument.control.osc_wire import message, read
from instrument.event import ControlEvent
from instrument.timebase import WallClock


class Stage:
    """A server on a port of its own, and what it put into the inbox."""

    def __init__(self, shown=None, access: Access | None = None, put=None, port: int = 0) -> None:
        self.events: list[ControlEvent] = []
        self.mirror = shown or mirror()
        put = put or self.events.append
        self.server = OscServer(TREE, self.mirror, put, WallClock(), port, access)

    def __enter__(self) -> Stage:
        self.server.start()
        self.to = ("127.0.0.1", self.server.port)
        return self

    def __exit__(self, *_) -> None:
        self.server.close()

    def last(self, address: str) -> float | None:
        return next((e.value for e in reversed(self.events) if e.address == address), None)


@pytest.fixture
def stage():
    with Stage() as stage:
        yield stage


def answers(one: socket.socket, datagrams: int = 1) -> dict[str, tuple]:
    found: dict[str, tuple] = {}
    for _ in range(datagrams):
        found |= {m.address.decode(): m.arguments for m in read(one.recv(65536), Counter())}
    return found


def is_silent(one: socket.socket, seconds: float = 0.15) -> bool:
    return not select.select([one], [], [], seconds)[0]


# --- in


def test_another_program_plays(stage: Stage) -> None:
    begun = time.perf_counter()
    client = SimpleUDPClient("127.0.0.1", stage.server.port)
    client.send_message("/pad/x", 0.75)
    client.send_message("/waypoint/dawn/go", 1)
    client.send_message("/slider", [0.5, 2.0])
    assert until(lambda: len(stage.events) == 4)
    assert [(e.address, e.value) for e in stage.events] == [
        ("/pad/x", 0.75), ("/waypoint/dawn/go", 1.0), ("/osc/slider/1", 0.5), ("/osc/slider/2", 2.0)
    ]  # fmt: skip
    times = [event.time for event in stage.events]
    assert begun <= times[0] and times == sorted(times) and times[-1] <= time.perf_counter()
    assert until(lambda: len(stage.server.rows()) == 1 and stage.server.heard == 3)
    [row] = stage.server.rows()
    assert (row.sender[0], row.address, row.messages) == ("127.0.0.1", "/osc/slider", 3)


def test_after_every_killer_it_still_plays(stage: Stage) -> None:
    with udp() as one:
        for datagram in KILLERS.values():
            one.sendto(datagram, stage.to)
        one.sendto(PAD, stage.to)
        assert until(lambda: stage.last("/pad/x") == 0.25)
    assert len(stage.events) == 1
    assert until(
        lambda: stage.server.refused and sum(stage.server.refused.values()) == len(KILLERS)
    )


def test_a_time_tag_in_the_future_holds_nothing_up(stage: Stage) -> None:
    future = b"#bundle\0" + b"\xff" * 8 + len(PAD).to_bytes(4, "big") + PAD
    with udp() as one:
        one.sendto(future, stage.to)
        one.sendto(number(b"/pad/y", 0.5), stage.to)
        assert until(lambda: len(stage.events) == 2)
    assert abs(stage.events[1].time - stage.events[0].time) < 1.0


def test_a_host_off_the_list_plays_nothing(stage: Stage) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux answers to all of 127.0.0.0/8")
    with udp("127.0.0.2") as stranger, udp() as friend:
        for _ in range(50):
            stranger.sendto(PAD, stage.to)
            stranger.sendto(message("/subscribe"), stage.to)
            stranger.sendto(message("/pad/x", "?"), stage.to)
        assert until(lambda: stage.server.refused.get("host not on the list") == 150)
        assert stage.server.heard == 0 and stage.events == [] and is_silent(stranger)
        friend.sendto(PAD, stage.to)
        assert until(lambda: stage.last("/pad/x") == 0.25)
    assert any("127.0.0.2" in notice for notice in stage.server.notices())


def test_a_host_that_is_named_plays() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux answers to all of 127.0.0.0/8")
    with Stage(access=Access(allow=["127.0.0.0/30"])) as stage, udp("127.0.0.2") as friend:
        friend.sendto(PAD, stage.to)
        assert until(lambda: stage.last("/pad/x") == 0.25)


def test_both_versions_of_ip_are_heard() -> None:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
            one.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Stage(access=Access("::", ["127.0.0.0/8"])) as stage, udp() as four:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as six:
            six.settimeout(10.0)
            six.sendto(number(b"/pad/y", 0.5), ("::1", stage.server.port))
            assert until(lambda: stage.last("/pad/y") == 0.5)
            six.sendto(message("/pad/y", "?"), ("::1", stage.server.port))
            assert answers(six) == {"/pad/y": (0.25,)}
        four.sendto(message("/pad/y", "?"), ("127.0.0.1", stage.server.port))
        assert answers(four) == {"/pad/y": (0.25,)}


def test_a_flood_leaves_the_last_values_and_every_press() -> None:
    put = []
    with Stage(put=put.append) as stage, udp() as one:
        sent = 0
        for n in range(20):  # 20 bursts of 800: bigger than a slice, smaller than the buffer
            for k in range(798):
                one.sendto(number(b"/pad/x" if k % 2 else b"/pad/y", n / 64), stage.to)
            one.sendto(message("/take/record", 1.0), stage.to)
            one.sendto(message("/take/record", 0.0), stage.to)
            sent += 800
            assert until(lambda sent=sent: stage.server.heard == sent)
        one.sendto(number(b"/pad/x", 0.5), stage.to)
        one.sendto(number(b"/pad/y", 0.125), stage.to)

        def last(address: str) -> float:
            return next((e.value for e in reversed(list(put)) if e.address == address), -1.0)

        assert until(lambda: (last("/pad/x"), last("/pad/y")) == (0.5, 0.125))
    presses = [e.value for e in put if e.address == "/take/record"]
    assert presses == [1.0, 0.0] * 20
    assert len(put) < sent / 3


def test_the_inbox_gets_one_value_of_an_address_a_delivery(stage: Stage) -> None:
    begun = time.perf_counter()
    with udp() as one:
        while (spent := time.perf_counter() - begun) < 0.3:
            one.sendto(number(b"/pad/x", 0.3 * spent), stage.to)
        assert until(lambda: stage.last("/pad/x") is not None)
    time.sleep(0.05)
    spent = time.perf_counter() - begun
    assert len(stage.events) <= spent / 0.002 + 2
    assert stage.server.heard > 3 * len(stage.events)


# --- out


def test_questions_are_answered() -> None:
    with Stage(mirror(VALUES, "/take/record")) as stage, udp() as one:
        for question, answer in (
            (message("/spring/frequency", "?"), ("/spring/frequency", 0.5)),
            (message("/spring/frequency"), ("/spring/frequency", 0.5)),
            (message("/raw/spring/frequency", "?"), ("/raw/spring/frequency", 1.0)),
            (message("/model/share", "?"), ("/model/share", 0.75)),
            (message("/take/record", "?"), ("/take/record", 1.0)),
            (message("/waypoint/1/go", "?"), ("/waypoint/1/go", 0.0)),
        ):
            one.sendto(question, stage.to)
            assert answers(one) == {answer[0]: (pytest.approx(answer[1]),)}
        one.sendto(message("/nothing/here", "?"), stage.to)
        assert is_silent(one)
    assert stage.events == []


def test_subscribers_are_told_what_changes(stage: Stage) -> None:
    with udp() as one, udp() as other:
        one.sendto(message("/subscribe"), stage.to)
        assert set(answers(one)) == {node.address for node in TREE}
        one.sendto(number(b"/subscribe", other.getsockname()[1], b"i"), stage.to)
        assert set(answers(other)) == {node.address for node in TREE}
        assert stage.server.subscribers == 2
        stage.mirror.write(mirror([0.5, 0.75, 1.0, 0.0, 0.75], "/take/record").read())
        expected = {"/pad/y": (0.75,), "/take/record": (1.0,)}
        assert answers(one) == expected and answers(other) == expected
        assert is_silent(one)
        one.sendto(message("/unsubscribe"), stage.to)
        assert until(lambda: stage.server.subscribers == 1)
        stage.mirror.write(mirror([0.5, 0.25, 1.0, 0.0, 0.75]).read())
        assert answers(other) == {"/pad/y": (0.25,), "/take/record": (0.0,)}
        assert is_silent(one)


def test_nobody_is_told_their_own_words() -> None:
    """The mirror follows every event at once, as the loop does a tick later."""
    values = VALUES.copy()
    shown = mirror(values)

    def put(event: ControlEvent) -> None:
        values[0] = event.value
        shown.write(mirror(values).read())

    with Stage(shown, put=put) as stage, udp() as one:
        one.sendto(message("/subscribe"), stage.to)
        answers(one)
        for n in range(30):
            one.sendto(number(b"/pad/x", n / 32), stage.to)
            time.sleep(0.01)
        assert until(lambda: values[0] == 29 / 32)
        assert is_silent(one, 0.3)
        values[0] = 0.125  # somebody else
        shown.write(mirror(values).read())
        assert answers(one) == {"/pad/x": (0.125,)}


def test_a_subscriber_that_is_gone_harms_nobody(stage: Stage) -> None:
    with udp() as gone:
        gone.sendto(message("/subscribe"), stage.to)
        answers(gone)
    with udp() as one:
        for n in range(5):
            stage.mirror.write(mirror(VALUES + n * 0.01).read())
            time.sleep(0.05)
        one.sendto(PAD, stage.to)
        assert until(lambda: stage.last("/pad/x") == 0.25)


# --- the port


def test_a_port_in_use_gives_the_next_and_says_so() -> None:
    with Stage() as first:
        wanted = first.server.port
        with Stage(port=wanted) as second:
            assert wanted < second.server.port <= wanted + 3
            [notice] = second.server.notices()
            assert notice == f"OSC: listening on port {second.server.port}"
            assert second.server.notices() == []


def four_in_a_row() -> list[socket.socket]:
    """Four neighbouring UDP ports, taken."""
    for start in range(20_000, 60_000, 97):
        taken: list[socket.socket] = []
        try:
            for port in range(start, start + 4):
                taken.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                taken[-1].bind(("127.0.0.1", port))
        except OSError:
            for one in taken:
                one.close()
        else:
            return taken
    raise AssertionError("no four free ports in a row")


def test_without_any_port_it_goes_on_and_comes_back() -> None:
    taken = four_in_a_row()
    first = taken[0].getsockname()[1]
    stage = Stage(port=first)
    with stage:
        assert stage.server.port is None
        assert "tried again" in stage.server.notices()[0]
        taken[2].close()
        assert until(lambda: stage.server.port == first + 2)
        assert stage.server.notices() == [f"OSC: listening on port {first + 2}"]
        with udp() as one:
            one.sendto(PAD, ("127.0.0.1", first + 2))
            assert until(lambda: stage.last("/pad/x") == 0.25)
    for one in taken:
        one.close()


def test_an_address_this_machine_lacks_is_a_notice() -> None:
    access = Access("192.0.2.1", ["192.0.2.0/24"])
    with Stage(access=access) as stage:
        assert stage.server.port is None
        assert "192.0.2.1" in stage.server.notices()[0]


@pytest.mark.parametrize("port", [-1, 65535, 70000])
def test_a_port_that_cannot_be_is_said_at_once(port: int) -> None:
    with pytest.raises(InstrumentError, match="allowed are"):
        Stage(port=port)


def test_a_process_that_is_killed_is_followed_by_another(stage: Stage) -> None:
    first, port = stage.server.pid, stage.server.port
    with udp() as one:
        one.sendto(PAD, stage.to)
        assert until(lambda: stage.last("/pad/x") == 0.25)
        os.kill(first, signal.SIGKILL)
        assert until(lambda: stage.server.port is None or stage.server.pid != first)
        assert until(lambda: stage.server.port is not None and stage.server.pid != first)
        one.sendto(number(b"/pad/x", 0.5), ("127.0.0.1", stage.server.port))
        assert until(lambda: stage.last("/pad/x") == 0.5)
        one.sendto(message("/pad/x", "?"), ("127.0.0.1", stage.server.port))
        assert answers(one) == {"/pad/x": (0.5,)}
    assert port  # any free one was asked for, so the new process may have another
    assert stage.server.notices()[0] == "OSC: stopped, is started again"


def test_a_process_that_hangs_does_not_hold_up_the_end() -> None:
    if sys.platform == "win32":
        pytest.skip("Windows cannot stop a process for a while")
    with Stage() as stage:
        os.kill(stage.server.pid, signal.SIGSTOP)
        pid = stage.server.pid
    assert not is_alive(pid)


def test_without_the_stage_the_process_ends() -> None:
    program = textwrap.dedent(
        f"""
        import sys, time
        sys.path[:0] = {sys.path!r}
        from osc_stage import TREE, mirror
        from instrument.control.osc_server import OscServer
        from instrument.timebase import WallClock
        server = OscServer(TREE, mirror(), print, WallClock(), 0)
        server.start()
        print(server.pid, flush=True)
        time.sleep(60)
        """
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as stage:
        assert stage.stdout is not None
        pid = int(stage.stdout.readline())
        assert is_alive(pid)
        stage.kill()
    assert until(lambda: not is_alive(pid))


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be buried by its parent does not."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_its_times_are_those_of_the_clock_it_is_given() -> None:
    class Ahead(WallClock):
        def now(self) -> float:
            return super().now() + 1000.0

    events: list[ControlEvent] = []
    server = OscServer(TREE, mirror(), events.append, Ahead(), 0)
    with server, udp() as one:
        begun = time.perf_counter()
        one.sendto(PAD, ("127.0.0.1", server.port))
        assert until(lambda: len(events) == 1)
        assert begun + 999.9 < events[0].time < time.perf_counter() + 1000.1


def test_it_ends_at_once_and_gives_the_port_back() -> None:
    with Stage() as stage:
        port = stage.server.port
    assert not any(thread.name == "osc" for thread in threading.enumerate())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", port))
    stage.server.close()
    stage.server.hand_over(PAD, "127.0.0.1")
    with pytest.raises(RuntimeError):
        stage.server.start()


def test_what_comes_another_way_is_played_too(stage: Stage) -> None:
    stage.server.hand_over(PAD, "127.0.0.1")
    assert until(lambda: stage.last("/pad/x") == 0.25)
    stage.server.hand_over(message("/pad/x", "?"), "127.0.0.1")
    stage.server.hand_over(number(b"/pad/x", 0.5), "127.0.0.1")
    assert until(lambda: stage.last("/pad/x") == 0.5)


# --- the whole


def test_the_device_has_both_servers_and_closes_them() -> None:
    events: list[ControlEvent] = []
    with Osc(TREE, mirror(), events.append, WallClock(), OscSettings(port=0)) as osc:
        assert osc.server.port and osc.query.port
        with udp() as one:
            one.sendto(PAD, ("127.0.0.1", osc.server.port))
            assert until(lambda: len(events) == 1)
        assert until(lambda: [row.address for row in osc.rows()] == ["/pad/x"])
        assert osc.notices() == []
    assert not [t for t in threading.enumerate() if t.name.startswith("osc")]


def test_listening_to_a_network_needs_its_name() -> None:
    with pytest.raises(InstrumentError, match="--osc-allow"):
        Osc(TREE, mirror(), list.append, WallClock(), OscSettings(listen="0.0.0.0"))


def test_it_loads_no_optional_library() -> None:
    look = "import sys, instrument.control.osc; print('zeroconf' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.strip()) == (0, "False"), ended.stderr
