"""The rig on real JACK MIDI ports: played, shuffled, and its server killed under it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from midi_fakes import DESK, eventually
from sound_servers import need

from instrument.control.midi import MidiRig
from instrument.control.midi_system import jack_server
from instrument.event import ControlEvent
from instrument.timebase import WallClock

fcntl = pytest.importorskip("fcntl", reason="jackd with a dummy driver is Linux's")
if sys.platform != "linux":
    pytest.skip("jackd with a dummy driver is Linux's", allow_module_level=True)

# A device in a process of its own: the port NAME:out says what it is told, NAMEback:in tells.
DEVICE = """
import sys, rtmidi
name = sys.argv[1]
out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name); out.open_virtual_port("out")
back = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name + "back"); back.open_virtual_port("in")
back.set_callback(lambda event, _: print("got", bytes(event[0]).hex(), flush=True))
print("ready", flush=True)
for line in sys.stdin:
    out.send_message(bytes.fromhex(line))
"""


class Device:
    def __init__(self, name: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DEVICE, name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"
        self.got: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.got.append(line.strip())

    def say(self, hexes: str) -> None:
        self.process.stdin.write(hexes + "\n")
        self.process.stdin.flush()

    def leave(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self.reader.join(10)
        self.process.stdin.close()
        self.process.stdout.close()


class Server:
    """A jackd of a name of its own, started and killed as told."""

    def __init__(self, name: str, log) -> None:
        self.name = name
        self.log = log
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        command = ["jackd", "-r", "-n", self.name, "-d", "dummy", "-r", "48000", "-p", "256"]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        assert eventually(self.listens), self.log.read_text(errors="replace")[-500:]

    def listens(self) -> bool:
        try:
            return bool(jack_server())
        except OSError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def end(self) -> None:
        """Leave properly: JACK keeps the names of eight servers, those of killed ones for ever."""
        if self.process is None:
            self.start()
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[Server]:
    pytest.importorskip("rtmidi", reason="python-rtmidi has no file for this Python")
    need("jackd")
    # The same few names every time, so that JACK's place of a killed run is used again.
    for number in range(8):
        claim = (Path(tempfile.gettempdir()) / f"midi-rig-{number}.lock").open("w")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another run of the tests
            claim.close()
            continue
        server = Server(f"midi-rig-{number}", tmp_path / "jackd.log")
        monkeypatch.setenv("JACK_DEFAULT_SERVER", server.name)
        break
    yield server
    server.end()
    for left in Path("/dev/shm").glob(f"*{server.name}_*"):
        left.unlink(missing_ok=True)
    claim.close()


class Show:
    """A rig, its events, and a motor fader that is wanted somewhere.

    A JACK that wakes late drops and doubles messages, so what must arrive is said again and again,
    as a knob goes on turning; a connection that is not there stays silent all the same.
    """

    def __init__(self) -> None:
        self.events: list[ControlEvent] = []
        self.wanted = {"/midi/desk/cc/2": 0.0}
        self.rig = MidiRig(self.events.append, WallClock(), (DESK,), wanted=lambda: self.wanted)

    def live(self) -> bool:
        return any(row.live for row in self.rig.rows())

    def hears(self, desk: Device, hexes: str, address: str, value: float) -> bool:
        def said_and_heard() -> bool:
            desk.say(hexes)
            time.sleep(0.05)
            return any(e.address == address and e.value == value for e in self.events)

        self.events.clear()
        return eventually(said_and_heard)

    def moves(self, desk: Device) -> bool:
        def told_and_there() -> bool:
            position = round(self.wanted["/midi/desk/cc/2"] * 127) + 1
            self.wanted = {"/midi/desk/cc/2": position / 127}
            return eventually(lambda: f"got b002{position:02x}" in desk.got, 1.0)

        return eventually(told_and_there)


def test_played_lit_killed_and_back(server) -> None:
    """One test, since every server takes a second to start."""
    show = Show()
    with show.rig as rig:
        rig.listen(["/midi/desk/cc/1"])
        assert eventually(lambda: "MIDI by JACK" in {row.name for row in rig.rows()})
        assert {row.slug: row.state for row in rig.rows()}["desk"] == "missing"

        server.start()
        desk = Device("Desk")
        assert eventually(show.live), rig.rows()
        assert show.moves(desk)
        before, clock = rig.messages, WallClock()
        begun = clock.now()
        for value in range(100):
            desk.say(f"b001{value:02x}")
            time.sleep(0.005)
        assert eventually(lambda: rig.messages >= before + 50)
        assert show.hears(desk, "b00164", "/midi/desk/cc/1", 100 / 127)
        assert all(begun <= event.time <= clock.now() for event in show.events)
        assert show.hears(desk, "902440", "/midi/desk/note/36", 64 / 127)
        assert show.hears(desk, "802440", "/midi/desk/note/36", 0.0)

        show.events.clear()
        server.kill()
        desk.leave()
        assert eventually(lambda: not show.live())
        assert "no JACK server" in {row.state for row in rig.rows()}
        assert show.events == []  # values hold
        server.start()
        desk = Device("Desk")
        assert eventually(show.live), rig.rows()
        assert show.hears(desk, "b0017f", "/midi/desk/cc/1", 1.0)
        assert show.moves(desk)

        server.kill()  # and up again before the rig can have looked
        desk.leave()
        server.start()
        desk = Device("Desk")
        assert show.hears(desk, "b0013f", "/midi/desk/cc/1", 63 / 127), rig.rows()
        assert show.moves(desk)
        desk.leave()
        assert eventually(lambda: not show.live())  # unplugged while the server runs
    assert any("gone" in notice for notice in rig.notices())
