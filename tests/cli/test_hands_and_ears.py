"""A whole stage with hands and ears: real JACK MIDI, real UDP, a song; recorded, and played again
with none of them there."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import wave

import numpy as np
import pytest
from audio_tracks import RATE, clicks
from sound_servers import jack, jack_ports, wait_for

from instrument.cli import ports
from instrument.cli.sources import assemble
from instrument.event import ControlEvent, read_events
from instrument.performance.preset import preset_from_text
from instrument.take.reader import read_take
from instrument.take.replay import performer_of

PRESET = """format = "preset/1"
model = "procedural"
bank = "first-light"
home = "dawn"

[[binding]]
source = "/midi/generic/cc/20"
target = "/waypoint/2/go"

[[binding]]
source = "/midi/generic/cc/21"
target = "/spring/frequency"
mode = "pickup"

[[binding]]
source = "/osc/xy/1"
target = "/noise/strength"

[[lfo]]
name = "breath"
beats = 4

[[modulation]]
source = "/lfo/breath"
target = "/master/gain"
depth = -0.3

[[modulation]]
source = "/audio/in/low"
target = "/noise/rate"
depth = 0.4
release = 0.2

[tempo]
source = "audio"
"""
KNOB = """
import sys, rtmidi
out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, sys.argv[1]); out.open_virtual_port("out")
print("ready", flush=True)
for line in sys.stdin:
    out.send_message(bytes.fromhex(line))
"""


def osc(address: str, value: float) -> bytes:
    def padded(text: str) -> bytes:
        return text.encode() + b"\0" * (4 - len(text) % 4)

    return padded(address) + padded(",f") + struct.pack(">f", value)


def song(path, seconds: float):
    samples = (clicks(120.0, seconds).samples * 30_000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return path


@pytest.fixture(scope="module")
def evening(tmp_path_factory):
    """A take that MIDI, OSC and a song have had a hand in; the MIDI server died in the middle."""
    folder = tmp_path_factory.mktemp("evening")
    (folder / "mine.toml").write_text(PRESET)
    song(folder / "song.wav", 30.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with jack(folder) as server:
        stage = subprocess.Popen(
            [
                sys.executable, "-m", "instrument", "play", "mine.toml", "--headless",
                "--seconds", "600", "--take", "evening.take", "--osc-port", str(port),
                "--ear", "song.wav", "--json",
            ],
            cwd=folder, stdout=subprocess.PIPE, stderr=(folder / "said").open("wb"), text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)},
        )  # fmt: skip
        try:
            play_along(server, stage, port, folder)
        finally:
            stage.send_signal(signal.SIGINT)
            try:
                said = json.loads(stage.communicate(timeout=60)[0])
            finally:
                stage.kill()
    return folder / "evening.take", said, (folder / "said").read_text()


def play_along(server, stage, port: int, folder) -> None:
    record = folder / "evening.take" / "take.mcap"
    wait_for(lambda: record.exists() or stage.poll() is not None, 60, "the take")
    begun = time.monotonic()
    for name in ("Knob one", "Knob two"):
        with knob(name) as say:
            wait_for(lambda: any("latent-instrument" in p for p in jack_ports()), 30, "our client")
            time.sleep(2.0)
            for value in (0, 40, 90, 127):
                say(f"b015{value:02x}")
                time.sleep(0.1)
            for value in ("7f", "00"):  # pressed, and let go
                say(f"b014{value}")
                time.sleep(0.3)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hand:
            for value in (0.1, 0.7):
                hand.sendto(osc("/xy", value), ("127.0.0.1", port))
                hand.sendto(osc("/noise/rate", value), ("127.0.0.1", port))
                hand.sendto(osc("/waypoint/3/go", 1.0), ("127.0.0.1", port))
        if name == "Knob one":
            server.kill()
            time.sleep(1.0)
            server.start()
            wait_for(lambda: bool(jack_ports()), 15, "JACK again")
    time.sleep(max(0.0, begun + 12.0 - time.monotonic()))


class knob:  # noqa: N801
    """A MIDI device in a process of its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", KNOB, self.name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"
        return self.say

    def say(self, hexes: str) -> None:
        self.process.stdin.write(hexes + "\n")
        self.process.stdin.flush()

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)


def at(events: list[ControlEvent], address: str) -> list[ControlEvent]:
    return [event for event in events if event.address == address]


def test_all_of_them_were_heard_and_nothing_stopped(evening):
    take, said, words = evening
    events = read_events(take / "events.jsonl")
    assert "Traceback" not in words, words
    assert said["rows"] == said["ticks"] > 700
    assert any(e.address.startswith("/midi/knob-one") for e in events), words
    assert any(e.address.startswith("/midi/knob-two") for e in events), "not back after the kill"
    assert [round(e.value, 3) for e in at(events, "/osc/xy")] == [0.1, 0.7, 0.1, 0.7]
    assert len(at(events, "/waypoint/3/go")) >= 2
    assert len([e for e in at(events, "/audio/in/onset") if e.value > 0]) >= 20


def test_a_control_change_moves_z_within_a_tick(evening):
    take, *_ = evening
    record = read_take(take)
    presses = [e for e in at(list(record.events), "/midi/generic/cc/20") if e.value == 1.0]
    assert presses
    performer, _ = performer_of(record.attachments, "take")
    for press in presses:
        row = int(np.ceil(press.time * 60.0 - 1e-9))  # the first at or after it
        place = performer.bank.waypoints[1].z
        towards = [float(np.dot(record.z[r].ravel(), place.ravel())) for r in (row, row + 2)]
        before = float(np.dot(record.z[row - 1].ravel(), place.ravel()))
        assert before <= towards[0] < towards[1], "the row after the event does not move"


def test_a_metronome_of_120_is_played_at_120(evening):
    take, *_ = evening
    record = read_take(take)
    bpm = record.parameters[:, list(record.header.addresses).index("/tempo/bpm")]
    assert abs(float(np.median(bpm[-180:])) - 120.0) <= 0.5


def test_it_plays_again_bit_for_bit_with_nothing_there(evening, run):
    take, *_ = evening
    ran = run("takes", "verify", take, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["largest_difference"] == 0.0


# --- names of controls, and what a preset says of devices


def preset(tmp_path, text: str):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


BARE = 'format = "preset/1"\nmodel = "procedural"\nbank = "first-light"\nhome = "dawn"\n'


def test_a_control_may_be_called_by_name_and_a_take_knows_which_it_was(tmp_path, run):
    named = '[[binding]]\nsource = "/midi/nanokontrol2/slider.1"\ntarget = "/noise/strength"\n'
    path = preset(tmp_path, BARE + named)
    programme = assemble(str(path), None, None, None)
    assert "/midi/nanokontrol2/cc/0" in programme.performer.by_source
    script = tmp_path / "script.jsonl"
    script.write_text('{"time": 0.1, "address": "/midi/nanokontrol2/cc/0", "value": 0.5}\n')
    take = tmp_path / "a.take"
    words = ("--headless", "--clock", "steps", "--seconds", 1, "--script", script, "--take", take)
    assert run("play", path, *words).code == 0
    record = read_take(take)
    column = list(record.header.addresses).index("/noise/strength")
    assert record.parameters[-1, column] == 45.0
    assert json.loads(run("takes", "verify", take, "--json").out)["largest_difference"] == 0.0


@pytest.mark.parametrize(
    ("table", "line", "words"),
    [
        (
            '[[binding]]\nsource = "/midi/nanokontrol2/slyder.1"\ntarget = "/noise/rate"',
            6,
            "slider",
        ),
        ("[osc]\nport = 70000", 6, "port"),
        ('[audio]\nears = "two"', 6, "ears"),
        ('[tempo]\nsource = "drummer"', 6, "source"),
        ('[[modulation]]\nsource = "/audio/in/low"\ntarget = "/noise"\ndepth = 1.0', 7, "/noise"),
    ],
)
def test_a_mistake_about_devices_is_one_line(tmp_path, run, table, line, words):
    path = preset(tmp_path, BARE + table + "\n")
    ran = run("play", path, "--headless", "--seconds", 1)
    assert ran.code == 1
    assert f"mine.toml:{line}" in ran.error and words in ran.error


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("[audio]\ngate = 3.0", "gate"),
        ("[audio.low]\nlow = 100.0\nhigh = 90.0", "high"),
        ("[audio]\nchannels = [0]", "channels"),
    ],
)
def test_what_an_ear_cannot_be_told_is_one_line(said, words):
    fields = preset_from_text(BARE + said + "\n", "mine.toml").fields.audio
    with pytest.raises(ports.InstrumentError, match=words):
        ports.ear_settings(fields, "mine.toml")


def test_an_ear_is_told_what_the_preset_says_and_nothing_else():
    said = '[audio]\ndevice = "desk"\nrelease = 0.5\n[audio.low]\nlow = 20.0\nhigh = 90.0\n'
    fields = preset_from_text(BARE + said, "mine.toml").fields.audio
    settings = ports.ear_settings(fields, "mine.toml")
    usual = ports.AudioSettings()
    assert (settings.release, settings.low.high, settings.low.attack) == (0.5, 90.0, 0.005)
    assert (settings.mid, settings.gate) == (usual.mid, usual.gate)


def test_only_who_wants_to_hear_opens_a_microphone():
    def ear(text: str, wish: str | None = None):
        given = preset_from_text(BARE + text, "mine.toml")
        return ports.open_ear(given, lambda event: None, object(), wish, NoBeat())

    assert ear("") is None
    assert ear("", "some desk") is not None
    assert ear('[audio]\ndevice = "desk"\n') is not None
    assert ear('[tempo]\nsource = "audio"\n') is not None
    heard = '[[binding]]\nsource = "/audio/in/onset"\ntarget = "/performance/flick"\n'
    assert ear(heard) is not None


class NoBeat:
    def audio(self, bpm: float, beat_time: float, confidence: float) -> None:
        raise AssertionError("nothing was heard")


def test_the_command_line_stands_before_the_preset():
    given = preset_from_text(BARE + '[osc]\nport = 9000\nallow = ["10.0.0.0/8"]\n', "mine.toml")
    assert ports.osc_wish(given, None, None, None).port == 9000
    wish = ports.osc_wish(given, 9001, "0.0.0.0", ["192.168.0.0/16"])
    assert (wish.port, wish.listen, wish.allow) == (9001, "0.0.0.0", ("192.168.0.0/16",))


def test_listening_to_the_world_needs_to_know_to_whom(run):
    ran = run("play", "procedural", "--headless", "--seconds", 1, "--osc-listen", "0.0.0.0")
    assert ran.code == 1 and "allow" in ran.error


# --- instrument devices


def test_devices_says_what_there_is_and_what_is_missing(run):
    ran = run("devices", "procedural", "--json")
    found = json.loads(ran.out)
    assert ran.code == 0 and {"midi", "inputs", "link", "discovery"} <= set(found)
    assert found["midi"], "not even a grey row"


def test_every_address_is_listed_and_a_layout_written(run, tmp_path):
    rows = json.loads(run("devices", "procedural", "--osc", "--json").out)["addresses"]
    programme = assemble("procedural", None, None, None)
    listed = {row["address"] for row in rows}
    assert set(programme.performer.space.addresses) <= listed
    assert {t.address for t in programme.performer.space.triggers} <= listed
    path = tmp_path / "mine.tosc"
    assert run("devices", "procedural", "--layout", path).code == 0 and path.stat().st_size > 500
    refused = run("devices", "procedural", "--layout", tmp_path / "no" / "mine.tosc")
    assert refused.code == 1 and "mine.tosc" in refused.error


def test_the_monitor_shows_what_arrives(run):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    talker = subprocess.Popen([sys.executable, "-c", TALKER, str(port)])
    try:
        words = ("--live", "--seconds", 4, "--osc-port", port, "--json")
        ran = run("devices", "procedural", *words)
    finally:
        talker.kill()
        talker.wait(10)
    found = json.loads(ran.out)["events"]
    assert found["/osc/fader"]["value"] == 0.25 and found["/osc/fader"]["count"] >= 1


TALKER = """
import socket, sys, time
hand = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    message = b"/fader\\0\\0,f\\0\\0" + bytes.fromhex("3e800000")
    hand.sendto(message, ("127.0.0.1", int(sys.argv[1])))
    time.sleep(0.1)
"""
