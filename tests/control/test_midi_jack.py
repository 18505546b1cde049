"""The rig on real JACK MIDI ports: played, shuffled, and its server killed under it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

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
        self.got: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.got.append(line.strip())

    def say(self, hexes: str) -> None:
        self.process.stdin.write(hexes + "\n")
        self.process.stdin.flush()

    def lit(self) -> bool:
        """One lamp is dark, and the motor is up."""
        return eventually(lambda: {"got b00100", "got b0027f"} <= set(self.got))

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
    if not shutil.which("jackd"):
        pytest.skip("jackd is not installed")
    for number in range(8):  # the same few names every time: what a killed run left is used again
        server = Server(f"midi-rig-{number}", tmp_path / "jackd.log")
        monkeypatch.setenv("JACK_DEFAULT_SERVER", server.name)
        if not server.listens():
            break
    yield server
    server.end()
    for left in Path("/dev/shm").glob(f"*{server.name}_*"):
        left.unlink(missing_ok=True)


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
        assert desk.lit()

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

        def heard_after(hexes: str, value: float) -> bool:
            """A busy JACK drops messages: said again until it is heard, as a knob turns on."""

            def said_and_heard() -> bool:
                desk.say(hexes)
                time.sleep(0.05)
                return bool(events) and events[-1].value == value

            return eventually(said_and_heard)

        events.clear()
        server.kill()
        desk.leave()
        assert eventually(lambda: not any(row.live for row in rig.rows()))
        assert "no JACK server" in {row.state for row in rig.rows()}
        assert events == []  # values hold
        server.start()
        desk = Device("Desk")
        assert eventually(lambda: any(row.live for row in rig.rows())), rig.rows()
        assert desk.lit()  # by now the ports are connected for good: JACK drops what comes before
        assert heard_after("b0017f", 1.0)

        server.kill()  # and up again before the rig can have looked
        desk.leave()
        server.start()
        desk = Device("Desk")
        assert desk.lit()
        assert heard_after("b0013f", 63 / 127), (rig.rows(), events)
        desk.leave()
        assert eventually(lambda: not rig.rows()[0].live)  # unplugged while the server runs
    assert any("gone" in notice for notice in rig.notices())
