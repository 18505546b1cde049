"""The ear among threads: sources that stop, come back, stall and flood."""

import itertools
import math
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from audio_tracks import RATE, drums
from sound_servers import wait_for
from test_wave_file import riff

from instrument import InstrumentError
from instrument.control import audio
from instrument.control.audio import Ear
from instrument.control.audio_settings import AudioSettings
from instrument.control.device import Device
from instrument.control.sound_source import Absent, Block, FileSource, Opened, mix
from instrument.event import ControlEvent
from instrument.timebase import WallClock

TONE = (0.3 * np.sin(2 * np.pi * 440.0 * np.arange(RATE) / RATE)).astype(np.float32)


class Hand:
    """A source that says what a test tells it to."""

    def __init__(self) -> None:
        self.count = 0
        self.closed = False

    def start(self, receive) -> None:
        self.receive = receive

    def close(self) -> None:
        self.closed = True

    def open(self, rate: float = RATE) -> None:
        self.count = 0
        self.receive(Opened("hand", rate))

    def play(self, seconds: float, samples=TONE, arrived: float | None = None) -> None:
        for _ in range(int(seconds * RATE / 256)):
            start = self.count % (len(samples) - 256)
            self.count += 256
            came = self.origin + self.count / RATE if arrived is None else arrived
            self.receive(Block(samples[start : start + 256], self.count, came))

    origin = 0.0


class Heard(list):
    def __call__(self, event: ControlEvent) -> None:
        self.append(event)

    def last(self, name: str) -> float:
        return next((e.value for e in reversed(self) if e.address == f"/audio/in/{name}"), 0.0)


@pytest.fixture
def hand(monkeypatch):
    made = Hand()
    monkeypatch.setattr(audio, "Microphone", lambda *_: made)
    return made


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def ear(hand, heard):
    clock = WallClock()
    one = Ear("hand", heard, clock)
    hand.origin = clock.now()
    one.start()
    yield one
    one.close()


def state(ear: Ear) -> str:
    return ear.rows()[0].state


def test_an_ear_is_a_device(ear: Ear) -> None:
    device: Device = ear
    assert device.notices() == []
    assert state(ear) == "opening" and ear.meter().rms == -120.0


def test_times_are_those_of_the_sound(ear: Ear, hand: Hand, heard: Heard) -> None:
    hand.origin -= 5.0  # sounds of five seconds ago, all arriving now
    hand.open()
    hand.play(1.0)
    wait_for(lambda: heard.last("level") > 0.9, 5, "the tone")
    times = [e.time - hand.origin for e in heard]
    assert min(times) >= 0.0 and max(times) <= 1.0
    assert times[0] == pytest.approx(0.0107, abs=0.006)


def test_latency_of_the_cable_is_taken_off(hand: Hand, heard: Heard) -> None:
    ear = Ear("hand", heard, WallClock(), settings=AudioSettings(latency=0.5))
    ear.start()
    try:
        hand.open()
        hand.play(0.5)
        wait_for(lambda: bool(heard), 5, "the tone")
        assert heard[0].time == pytest.approx(-0.5, abs=0.02)
    finally:
        ear.close()


def test_a_lost_source_comes_to_rest_and_back(ear: Ear, hand: Hand, heard: Heard) -> None:
    hand.open()
    hand.play(1.0)
    wait_for(lambda: heard.last("level") > 0.9, 5, "the tone")
    wait_for(lambda: state(ear) == "missing", 5, "the loss")
    assert ear.notices() == ["audio: hand: it has fallen silent"]
    assert ear.meter().rms == -120.0
    wait_for(lambda: heard.last("level") == 0.0, 10, "rest")
    falling = [(e.time, e.value) for e in heard if e.address == "/audio/in/level"]
    begun = next(i for i, (_, value) in enumerate(falling) if value == max(v for _, v in falling))
    falling = [(t, v) for t, v in falling[begun + 1 :] if v]
    for (t0, v0), (t1, v1) in itertools.pairwise(falling):
        # tau 0.5 s, as a function of time however late the thread was
        assert v1 / v0 == pytest.approx(math.exp(-(t1 - t0) / 0.5), rel=0.02)
    assert len(falling) > 10
    hand.origin = WallClock().now()
    hand.open()
    hand.play(0.3)
    wait_for(lambda: state(ear) == "listening", 5, "the return")
    assert ear.notices() == ["audio: hand is back"]
    wait_for(lambda: heard.last("level") > 0.5, 5, "the tone again")


def test_a_trigger_is_let_go_when_the_source_is_lost(ear: Ear, hand: Hand, heard: Heard) -> None:
    track = drums(120.0, 2).samples.astype(np.float32)
    hand.open()
    hand.play(0.825, track)  # 25 ms into a hat
    hand.receive(Absent("gone"))
    wait_for(lambda: state(ear) == "missing", 5, "the loss")
    time.sleep(0.05)
    onsets = [e.value for e in heard if e.address == "/audio/in/onset"]
    assert onsets and onsets[-1] == 0.0


def test_one_cause_is_said_once(ear: Ear, hand: Hand) -> None:
    for _ in range(5):
        hand.receive(Absent("no input is called hand; there are: none at all"))
    wait_for(lambda: state(ear) == "missing", 5, "it")
    time.sleep(0.05)
    assert len(ear.notices()) == 1
    assert "none at all" in ear.rows()[0].detail


def test_without_portaudio_it_is_grey_for_good(ear: Ear, hand: Hand) -> None:
    hand.receive(Absent("PortAudio is not installed", final=True))
    wait_for(lambda: state(ear) == "unavailable", 5, "it")
    assert ear.notices() == ["audio: hand: PortAudio is not installed"]


def test_another_rate_after_the_break(ear: Ear, hand: Hand, heard: Heard) -> None:
    hand.open()
    hand.play(0.3)
    hand.receive(Absent("gone"))
    hand.open(44_100.0)
    hand.play(0.3)
    wait_for(lambda: "44100 Hz" in ear.rows()[0].detail, 5, "the new rate")
    assert all(0.0 <= e.value <= 1.0 for e in heard)


def test_blocks_that_are_missing_are_counted_and_time_goes_on(
    ear: Ear, hand: Hand, heard: Heard
) -> None:
    hand.open()
    hand.play(0.2)
    hand.count += 256 * 100  # dropped on the way
    hand.play(0.2)
    hand.receive(Block(np.zeros(256, np.float32), hand.count + 256, hand.origin + 0.95, 7))
    wait_for(lambda: ear.overflows == 7, 5, "the blocks")
    assert max(e.time for e in heard) - hand.origin > 0.75
    assert "7 drops" in ear.rows()[0].detail


def test_a_flood_is_bounded(ear: Ear, hand: Hand, monkeypatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(ear, "_put", lambda event: gate.wait(10))
    hand.open()
    hand.play(4.0)
    wait_for(lambda: ear.dropped > 100, 5, "drops")
    assert len(ear._arrived) <= 512
    gate.set()
    wait_for(lambda: not ear._arrived, 20, "the rest")
    assert "drops" in ear.rows()[0].detail


def test_beats_are_told_with_the_clock_s_time(hand: Hand, heard: Heard) -> None:
    told = []
    ear = Ear("hand", heard, WallClock(), beat=lambda *beat: told.append(beat))
    ear.start()
    track = drums(120.0, 4)
    try:
        hand.origin = 1000.0
        hand.open()
        for _ in range(14):  # not all at once: the queue is bounded
            hand.play(0.5, track.samples.astype(np.float32))
            wait_for(lambda: not ear._arrived, 10, "half a second")
        bpm, at, confidence = told[-1]
        assert bpm == pytest.approx(120.0, abs=1.0) and confidence > 0.5
        assert abs((at - 1000.3 + 0.25) % 0.5 - 0.25) < 0.02
        hand.receive(Absent("gone"))
        wait_for(lambda: told[-1][2] == 0.0, 5, "the end")
    finally:
        ear.close()


def test_close_closes(ear: Ear, hand: Hand) -> None:
    ear.close()
    assert hand.closed and not any(t.name == "ear" for t in threading.enumerate())
    ear.close()  # twice is once


def test_mixing() -> None:
    samples = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert list(mix(samples, (1,))) == [0.0, 3.0]
    assert list(mix(samples, (1, 3))) == [1.0, 4.0]
    assert list(mix(samples, (2, 9))) == [1.0, 4.0]
    assert list(mix(samples, (8,))) == [1.0, 4.0]  # it has none of them: all


# --- a file


def write(path: Path, samples) -> Path:
    path.write_bytes(riff(3, 32, samples.astype("<f4").tobytes(), channels=1))
    return path


def test_a_file_is_played_in_its_own_time_and_again(tmp_path: Path, heard: Heard) -> None:
    path = write(tmp_path / "song.wav", TONE[: RATE // 4])
    clock = WallClock()
    ear = Ear(path, heard, clock)
    begun = clock.now()
    ear.start()
    try:
        wait_for(lambda: ear._counted > 0.6 * RATE, 10, "two rounds")
        assert clock.now() - begun > 0.55
        assert all(e.time <= clock.now() for e in heard)
        assert ear.rows()[0].name == "song.wav" and state(ear) == "listening"
    finally:
        ear.close()
    assert not any(t.name.startswith("ear") for t in threading.enumerate())


def test_a_file_that_cannot_be_read_is_an_error_at_once(tmp_path: Path, heard: Heard) -> None:
    with pytest.raises(InstrumentError, match="no such sound file"):
        Ear(tmp_path / "song.wav", heard, WallClock())
    with pytest.raises(InstrumentError, match=r"at least 0\.1 s"):
        FileSource(write(tmp_path / "blip.wav", TONE[:100]), (1,), WallClock())


def test_a_file_that_goes_away_is_a_notice(tmp_path: Path, heard: Heard) -> None:
    path = write(tmp_path / "song.wav", TONE[: RATE // 4])
    ear = Ear(path, heard, WallClock())
    path.unlink()
    ear.start()
    try:
        wait_for(lambda: state(ear) == "unavailable", 5, "it")
        assert "cannot be read" in ear.notices()[0]
    finally:
        ear.close()
