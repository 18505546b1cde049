"""The rig on a backend that misbehaves: nothing raises, nothing crosses, everything comes back."""

import random
import threading

import pytest
from midi_fakes import DESK, FakeBackend, HandClock, eventually

from instrument.control.midi import MidiRig
from instrument.control.midi_arrivals import Arrivals, Line
from instrument.control.midi_listening import Listening
from instrument.control.midi_messages import Decoder, Reading
from instrument.control.midi_watch import Watch
from instrument.timebase import WallClock


class Stage:
    """A watch and its arrivals, stepped by hand."""

    def __init__(self, *sources: str) -> None:
        self.clock = HandClock()
        self.events: list = []
        self.clocked: list = []
        self.backend = FakeBackend()
        self.arrivals = Arrivals(
            self.clock, self.events.append, lambda *told: self.clocked.append(told)
        )
        self.watch = Watch([self.backend], (DESK,), self.arrivals)
        self.watch.listen(Listening.to(sources))

    def heard(self) -> list[tuple[str, float]]:
        while self.arrivals.drain():
            pass
        told = [(event.address, event.value) for event in self.events]
        self.events.clear()
        return told

    def states(self) -> dict[str, str]:
        return {row.slug or row.name: row.state for row in self.watch.rows()}


def test_a_knob_is_an_event_with_the_time_of_its_arrival() -> None:
    stage = Stage()
    stage.backend.plug("Keys", "usb 1")
    stage.watch.look()
    stage.clock.seconds = 5.25
    stage.backend.say("usb 1", 0xB0, 16, 127)
    stage.clock.seconds = 6.0
    stage.heard()
    stage.backend.say("usb 1", 0xB0, 16, 0)
    stage.arrivals.drain()
    (event,) = stage.events
    assert (event.address, event.value, event.time) == ("/midi/keys/cc/16", 0.0, 6.0)
    (row,) = stage.watch.rows()
    assert (row.slug, row.live, row.state) == ("keys", True, "live")
    assert (row.last, row.value, row.time) == ("/midi/keys/cc/16", 0.0, 6.0)


def test_every_device_is_generic_too_for_who_listens_to_that() -> None:
    stage = Stage("/midi/generic/cc/16")
    stage.backend.plug("Keys", "usb 1")
    stage.watch.look()
    stage.backend.say("usb 1", 0xB0, 16, 127)
    stage.backend.say("usb 1", 0xB0, 17, 127)
    assert sorted(stage.heard()) == [
        ("/midi/generic/cc/16", 1.0), ("/midi/keys/cc/16", 1.0), ("/midi/keys/cc/17", 1.0),
    ]  # fmt: skip


def test_an_encoder_says_the_sum_of_its_steps() -> None:
    stage = Stage("/midi/desk/cc/3")  # as a relative binding listens to it
    stage.backend.plug("Desk", "usb 1")
    stage.watch.look()
    for value in (1, 1, 127, 2):
        stage.backend.say("usb 1", 0xB0, 3, value)
    assert stage.heard() == [("/midi/desk/cc/3", 3.0)]


def test_what_a_preset_listens_to_may_change() -> None:
    stage = Stage()
    stage.backend.plug("Keys", "usb 1")
    stage.watch.look()
    stage.backend.say("usb 1", 0xB0, 1, 64)
    assert stage.heard() == [("/midi/keys/cc/1", 64 / 127)]
    stage.watch.listen(Listening.to(["/midi/keys/cc14/1"]))
    stage.backend.say("usb 1", 0xB0, 1, 64)
    stage.backend.say("usb 1", 0xB0, 33, 0)
    assert stage.heard() == [("/midi/keys/cc14/1", (64 << 7) / 16383)]


def test_what_is_played_on_the_screen_is_no_device_that_is_missing() -> None:
    stage = Stage()
    heard = ["/midi/virtual/cc/1", "/midi/generic/cc/2", "/midi/pads/note/36"]
    stage.watch.listen(Listening.to(heard))
    stage.watch.look()
    assert stage.states() == {"pads": "missing"}


def test_unplugged_and_plugged_in_again_under_another_index() -> None:
    stage = Stage()
    stage.backend.plug("Keys", "usb 1")
    stage.backend.plug("Pads", "usb 2")
    stage.watch.look()
    assert stage.watch.notices() == ["keys is here", "pads is here"]
    stage.backend.unplug("usb 1")
    stage.watch.look()
    assert stage.states() == {"keys": "missing", "pads": "live"}
    assert stage.watch.notices() == ["keys is gone"]
    assert stage.heard() == []  # no event: whatever the knob had set holds
    stage.watch.look()
    assert stage.watch.notices() == []
    stage.backend.plug("Keys", "usb 1", life="2")
    stage.watch.look()
    stage.backend.say("usb 1", 0xB0, 1, 127)
    assert stage.heard() == [("/midi/keys/cc/1", 1.0)]
    assert stage.states() == {"keys": "live", "pads": "live"}


def test_plugged_in_again_between_two_looks() -> None:
    stage = Stage()
    stage.backend.plug("Keys", "usb 1")
    stage.watch.look()
    stage.backend.unplug("usb 1")  # with it goes the connection
    stage.backend.plug("Keys", "usb 1", life="2")
    stage.watch.look()
    stage.backend.say("usb 1", 0xB0, 1, 127)
    assert stage.heard() == [("/midi/keys/cc/1", 1.0)]


def test_two_alike_never_cross_through_fifty_shuffles() -> None:
    stage, rng = Stage(), random.Random(3)
    for key in ("usb 1", "usb 2"):
        stage.backend.plug("Desk", key)
    stage.watch.look()
    for _ in range(50):
        here = rng.sample(["usb 1", "usb 2"], rng.choice([0, 1, 2, 2, 2]))
        for key in ("usb 1", "usb 2"):
            if rng.random() < 0.5 or key not in here:
                stage.backend.unplug(key)
        rng.shuffle(stage.backend.plugged)
        rng.shuffle(stage.backend.outputs)
        for key in here:
            if key not in {port.key for port in stage.backend.plugged}:
                stage.backend.plug("Desk", key, life=str(rng.random()))
        stage.watch.look()
        stage.backend.sent.clear()
        for key in here:
            stage.backend.say(key, 0xB0, 7, int(key[-1]))
        slugs = {"usb 1": "desk", "usb 2": "desk.2"}
        assert dict(stage.heard()) == {f"/midi/{slugs[k]}/cc/7": int(k[-1]) / 127 for k in here}
        stage.clock.seconds += 1.0
        lit = rng.choice([0.0, 1.0])
        stage.watch.send_lamps({"/midi/desk/cc/1": lit, "/midi/desk.2/cc/1": 1.0 - lit}, 1e6)
        for key, message in stage.backend.sent:
            assert (message[2] == 127) == (lit == (1.0 if key == "usb 1" else 0.0))


def test_names_can_be_swapped_and_the_lamps_follow() -> None:
    stage = Stage()
    for key in ("usb 1", "usb 2"):
        stage.backend.plug("Desk", key)
    stage.watch.look()
    stage.watch.send_lamps({"/midi/desk/cc/1": 1.0}, 1.0)
    assert set(stage.backend.sent) == {("usb 1", b"\xb0\x01\x7f"), ("usb 2", b"\xb0\x01\x00")}
    stage.backend.sent.clear()
    assert stage.watch.swap("desk", "desk.2")
    stage.backend.say("usb 1", 0xB0, 7, 127)
    assert stage.heard() == [("/midi/desk.2/cc/7", 1.0)]
    stage.watch.send_lamps({"/midi/desk/cc/1": 1.0}, 2.0)
    assert set(stage.backend.sent) == {("usb 1", b"\xb0\x01\x00"), ("usb 2", b"\xb0\x01\x7f")}
    assert not stage.watch.swap("desk", "desk.3")


def test_what_the_preset_waits_for_is_a_grey_row() -> None:
    stage = Stage("/midi/desk/cc/1", "/midi/desk.2/cc/1", "/midi/generic/cc/1", "/key/a")
    assert stage.states() == {"desk": "missing", "desk.2": "missing"}
    stage.backend.plug("Desk", "usb 1")
    stage.watch.look()
    assert stage.states() == {"desk": "live", "desk.2": "missing"}
    assert [row.live for row in stage.watch.rows()] == [True, False]


def test_a_port_that_refuses_is_said_once_and_tried_again() -> None:
    stage = Stage()
    stage.backend.plug("Keys", "usb 1")
    stage.backend.refusing = True
    for _ in range(3):
        stage.watch.look()
    assert stage.watch.notices() == ["keys does not open (busy)"]
    assert stage.states() == {"keys": "busy"}
    stage.backend.refusing = False
    stage.watch.look()
    assert stage.states() == {"keys": "live"}


def test_a_backend_that_fails_is_a_grey_row_and_comes_back() -> None:
    stage = Stage()
    stage.backend.plug("Keys", "usb 1")
    stage.watch.look()
    stage.backend.broken = "server not running"
    stage.watch.look()
    assert stage.states() == {"keys": "missing", "MIDI by FAKE": "server not running"}
    stage.backend.broken = ""
    stage.watch.look()
    assert stage.states() == {"keys": "live"}


def test_lamps_are_sent_again_after_plugging_in_and_after_a_failure() -> None:
    stage = Stage()
    stage.backend.plug("Desk", "usb 1")
    stage.watch.look()
    wanted = {"/midi/desk/cc/1": 1.0, "/midi/generic/cc/2": 1.0}
    everything = {("usb 1", b"\xb0\x01\x7f"), ("usb 1", b"\xb0\x02\x7f")}
    assert stage.watch.send_lamps(wanted, 1.0) == 2
    assert set(stage.backend.sent) == everything
    assert stage.watch.send_lamps(wanted, 2.0) == 0
    stage.backend.deaf = True
    assert stage.watch.send_lamps({}, 3.0) == 0  # no exception
    stage.backend.deaf = False
    stage.backend.sent.clear()
    stage.watch.look()
    stage.watch.send_lamps(wanted, 4.0)
    assert set(stage.backend.sent) == everything
    stage.backend.unplug("usb 1")
    stage.watch.look()
    stage.backend.plug("Desk", "usb 1", life="2")
    stage.backend.sent.clear()
    stage.watch.look()
    stage.watch.send_lamps(wanted, 5.0)
    assert set(stage.backend.sent) == everything


def test_a_loop_from_output_to_input_dies_out() -> None:
    """A port that echoes what it gets: at most one message a lamp and 33 ms, and then silence."""
    stage = Stage()
    stage.backend.plug("Desk", "usb 1")
    stage.backend.loopback = True
    stage.watch.look()
    value, sent = 0.0, []
    for tick in range(300):
        stage.clock.seconds = tick / 30.0
        if tick % 30 == 0 and tick < 150:  # somebody else moves the parameter
            value = 1.0 - value
        for address, heard in stage.heard():  # a binding that jumps to whatever it hears
            value = heard if address == "/midi/desk/cc/2" else value
        before = len(stage.backend.sent)
        stage.watch.send_lamps(
            {"/midi/desk/cc/1": value, "/midi/desk/cc/2": value}, stage.clock.seconds
        )
        sent.append(stage.backend.sent[before:])
    assert all(len({m[1][1] for m in one}) == len(one) for one in sent)
    assert sum(map(len, sent)) <= 2 * 2 * 5 + 2  # every move is said once, and echoed never
    assert sum(map(len, sent[200:])) == 0


def test_without_an_output_a_device_is_played_all_the_same() -> None:
    stage = Stage()
    stage.backend.plug("Desk", "usb 1", output=False)
    stage.watch.look()
    assert stage.watch.send_lamps({"/midi/desk/cc/1": 1.0}, 1.0) == 0
    stage.backend.say("usb 1", 0xB0, 1, 127)
    assert stage.heard() == [("/midi/desk/cc/1", 1.0)]


def test_one_clock_leads_and_is_told_with_its_times() -> None:
    stage = Stage()
    for key in ("usb 1", "usb 2"):
        stage.backend.plug("Keys", key)
    stage.watch.look()
    for number in range(4):
        stage.clock.seconds = number * 0.5
        stage.backend.say("usb 1", 0xF8)
        stage.clock.seconds += 0.25
        stage.backend.say("usb 2", 0xF8)
    stage.backend.say("usb 1", 0xF2, 16, 1)
    assert stage.heard() == []
    assert stage.clocked == [
        ("clock", 0.0, 0), ("clock", 0.5, 0), ("clock", 1.0, 0), ("clock", 1.5, 0),
        ("songpos", 1.75, 144),
    ]  # fmt: skip
    stage.clock.seconds = 10.0
    stage.backend.say("usb 2", 0xFA)  # the first has been silent
    stage.heard()
    assert stage.clocked[-1] == ("start", 10.0, 0)


def test_sysex_and_rubbish_say_nothing() -> None:
    stage = Stage()
    stage.backend.plug("Keys", "usb 1")
    stage.watch.look()
    for message in ((0xF0, *([1] * 5000)), (), (0xB0,), (0xF7,), (0x10, 0x20), (0xB0, 1, 255)):
        stage.backend.say("usb 1", *message)
    assert stage.heard() == []


def test_a_flood_loses_no_release_and_ends_with_the_last_values() -> None:
    stage, rng = Stage(), random.Random(7)
    stage.backend.plug("Keys", "usb 1")
    stage.watch.look()
    values: dict[str, int] = {}
    notes: dict[str, int] = {}
    say = stage.arrivals
    line = Line("keys", Decoder(Reading(plain=frozenset({(0, n) for n in range(128)}))))
    for count in range(50_000):
        number, value = rng.randrange(128), rng.randrange(128)
        if count % 10:
            say.receive(line, (0xB0, number, value))
            values[f"/midi/keys/cc/{number}"] = value
        else:
            say.receive(line, (0x90, number, value & 1 and 100))
            notes[f"/midi/keys/note/{number}"] = value & 1 and 100
        if count % 400 == 0:
            say.drain()
    told = stage.heard()
    last = dict(told)
    assert {address: last[address] for address in values} == {
        address: value / 127 for address, value in values.items()
    }
    assert {note: last[note] for note in notes} == {n: v / 127 for n, v in notes.items()}
    assert sum(address in notes for address, _ in told) == 5_000  # of the keys, every one
    assert len(told) < 20_000


def test_it_plays_from_threads_of_its_own_and_ends_them() -> None:
    backend, events = FakeBackend(), []
    backend.plug("Desk", "usb 1")
    wanted = {"/midi/desk/cc/1": 1.0}
    with MidiRig(
        events.append, WallClock(), (DESK,), wanted=lambda: wanted, present=lambda: [backend]
    ) as rig:
        assert eventually(lambda: bool(backend.listeners))
        backend.say("usb 1", 0xB0, 7, 127)
        assert eventually(lambda: [event.address for event in events] == ["/midi/desk/cc/7"])
        assert eventually(lambda: ("usb 1", b"\xb0\x01\x7f") in backend.sent)
        backend.unplug("usb 1")
        assert eventually(lambda: not rig.rows()[0].live)
        backend.plug("Desk", "usb 1", life="2")
        assert eventually(lambda: rig.rows()[0].live)
        assert rig.notices() == ["desk is here", "desk is gone", "desk is here"]
        assert rig.messages == 1
        assert rig.dropped == 0
    assert backend.closed
    assert backend.listeners == {}
    assert backend.sent[-1] == ("usb 1", b"\xb0\x01\x00")  # left dark
    assert [t for t in threading.enumerate() if t.name.startswith("midi ")] == []


def test_without_any_midi_the_show_goes_on() -> None:
    def absent() -> list:
        raise OSError("python-rtmidi is not there")

    with MidiRig([].append, WallClock(), present=absent) as rig:
        rig.listen(["/midi/desk/cc/1"])
        assert rig.notices() == ["no MIDI: python-rtmidi is not there"]
        assert rig.notices() == []
        states = {row.slug or row.name: row.state for row in rig.rows()}
    assert states == {"desk": "missing", "MIDI": "python-rtmidi is not there"}


def test_an_import_that_fails_is_no_midi(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "rtmidi", None)
    with MidiRig([].append, WallClock()) as rig:
        (notice,) = rig.notices()
        assert notice.startswith("no MIDI: python-rtmidi is not there")


@pytest.mark.parametrize("count", [30_000])
def test_ports_that_outrun_the_rig_help_it_and_nothing_grows(count) -> None:
    events: list = []
    arrivals = Arrivals(WallClock(), events.append)
    line = Line("keys", Decoder(Reading()))
    for number in range(count):  # nobody drains
        arrivals.receive(line, (0xB0, number % 64, number % 128))
        assert len(arrivals._unread) <= 4097
    while arrivals.drain():
        pass
    assert arrivals.messages == count
    assert len(events) <= 64 * 3
