"""The rig on real JACK MIDI ports: played, shuffled, and its server killed under it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from midi_fakes import DESK, eventually

from instrument.control.midi import MidiRig
from instrument.control.midi_system import jack_server
from instrument.timebase import WallClock

if sys.platform != "linux":
    pytest.skip("jackd with a dummy driver is Linux's", allow_module_level=True)

# A device of its own in a process of its own: the ports B:out (a knob that turns as told) and B:in.
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

    def say(self, hexes: str) -> None:
        self.process.stdin.write(hexes + "\n")
        self.process.stdin.flush()

    def got(self) -> str:
        return self.process.stdout.readline()

    def leave(self) -> None:
        self.process.kill()
        self.process.wait(10)
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


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[Server]:
    pytest.importorskip("rtmidi", reason="python-rtmidi has no file for this Python")
    if not shutil.which("jackd"):
        pytest.skip("jackd is not installed")
    server = Server(f"midi{os.getpid()}", tmp_path / "jackd.log")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", server.name)
    yield server
    server.kill()
    # What a killed server leaves behind, all of it with its name.
    for left in os.listdir("/dev/shm"):
        if server.name in left:
            os.unlink(f"/dev/shm/{left}")


def test_played_lit_killed_and_back(server) -> None:
    """One test, since every server takes a second to start."""
    clock, events = WallClock(), []
    with MidiRig(events.append, clock, (DESK,), wanted=lambda: {"/midi/desk/cc/2": 1.0}) as rig:
        rig.listen(["/midi/desk/cc/1"])
        states = {row.slug or row.name: row.state for row in rig.rows()}
        assert eventually(lambda: "MIDI by JACK" in {row.name for row in rig.rows()})
        assert states["desk"] == "missing"

        server.start()
        desk = Device("Desk")
        assert eventually(lambda: rig.rows()[0].live), rig.rows()
        assert {desk.got(), desk.got()} == {"got b00100\n", "got b0027f\n"}  # dark, and lit

        # every value once, apart enough for JACK's own ring to carry them
        before = clock.now()
        for value in range(100):
            desk.say(f"b001{value:02x}")
            time.sleep(0.005)
        after = clock.now()
        assert eventually(lambda: bool(events) and events[-1].value == 99 / 127)
        heard = [event for event in events if event.address == "/midi/desk/cc/1"]
        assert len(heard) >= 50  # a busy machine wakes JACK late and several come at once
        assert [e.value for e in heard] == sorted(e.value for e in heard)
        assert all(before <= event.time <= after + 5.0 for event in heard)
        desk.say("902440")
        desk.say("802440")
        assert eventually(lambda: [e.value for e in events[-2:]] == [64 / 127, 0.0])

        events.clear()
        server.kill()
        desk.leave()
        assert eventually(lambda: not any(row.live for row in rig.rows()))
        assert "no JACK server" in {row.state for row in rig.rows()}
        assert events == []  # values hold
        server.start()
        desk = Device("Desk")
        plugged = clock.now()
        assert eventually(lambda: any(row.live for row in rig.rows())), rig.rows()
        back = clock.now() - plugged
        desk.say("b0017f")
        assert eventually(lambda: bool(events))
        assert events[-1].value == 1.0
        print(f"back {back:.2f} s after its port")

        server.kill()  # and up again before the rig can have looked
        desk.leave()
        server.start()
        desk = Device("Desk")
        assert {desk.got(), desk.got()} == {"got b00100\n", "got b0027f\n"}
        desk.say("b0013f")
        assert eventually(lambda: events[-1].value == 63 / 127)
        desk.leave()
        assert eventually(lambda: not rig.rows()[0].live)  # unplugged while the server runs
    assert any("gone" in notice for notice in rig.notices())
