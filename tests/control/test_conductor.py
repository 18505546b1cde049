"""Who leads, and what the performance hears of it: events that carry the beat across."""

import itertools
import math
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from clocks import beats_at, ticks_of

from instrument.control.pulse import Pulse
from instrument.control.tempo import Conductor
from instrument.event import ControlEvent, is_address
from instrument.timebase import StepClock

sys.path.insert(0, str(Path(__file__).parent.parent / "performance"))
from stages import bare


class Band:
    """A conductor before a performer, on a clock that is turned by hand."""

    def __init__(self, choice="auto", bpm: float = 120.0) -> None:
        self.clock, self.events = StepClock(), list[ControlEvent]()
        self.performer = bare(tempo__bpm=bpm)
        self.performance = self.performer.begin()
        self.conductor = Conductor(self.events.append, self.clock, self.standing, choice)
        self._played = 0

    def standing(self) -> float:
        """The bpm the performance has now: as the stage tells it, from its newest row."""
        return self.performer.value(self.performance, "/tempo/bpm")

    def go_to(self, time: float) -> float:
        """Let the performance come to `time`; its count of beats there."""
        self.clock.wait_until(time)
        frame = 1.0 / 60.0
        while (row := self.performance.time + frame) <= time:
            ready = sorted(self.events[self._played :], key=lambda event: event.time)
            due = [event for event in ready if event.time <= row]
            self.events[self._played :] = ready
            self._played += len(due)
            late = [ControlEvent(e.address, e.value, max(e.time, self.performance.time))
                    for e in due]  # fmt: skip
            self.performance = self.performer.advance(self.performance, row, late)
        return self.performer.beat_at(self.performance, time)

    def tick(self, time: float, port: str = "") -> None:
        self.go_to(time)
        self.conductor.midi("clock", time, port=port)

    def session(self, begin: float, seconds: float, bpm: float, beat: float = 0.0) -> None:
        """Link, twenty looks a second."""
        for time in np.arange(begin, begin + seconds, 0.05):
            self.go_to(float(time))
            beats = beat + (float(time) - begin) * bpm / 60.0
            self.conductor.link(Pulse(float(time), bpm, beats))

    def bpms(self) -> list[float]:
        return [e.value for e in self.events if e.address == "/raw/tempo/bpm"]


def test_a_midi_clock_carries_the_beat_into_the_performance() -> None:
    """From ticks that jitter by 5 ms and get lost to the beat that launches: 10 ms at most."""
    band = Band(bpm=100.0)
    arrived, due = ticks_of([(40, 120.0)], jitter=0.005, lost=0.1, seed=2)
    band.go_to(0.99)
    band.conductor.midi("start", 0.999)
    off = []
    for time in arrived.tolist():
        band.tick(time)
        true = beats_at(due, time)
        if true > 8.0:
            ours = band.performer.beat_at(band.performance, time)
            off.append(abs(math.remainder(ours - true, 4.0)) * 0.5)
    assert np.percentile(off, 99) < 0.010
    assert band.standing() == pytest.approx(120.0, abs=0.5)
    kinds = {e.address for e in band.events}
    assert kinds == {"/tempo/start", "/raw/tempo/bpm", "/tempo/align"}
    aligned = [e.time for e in band.events if e.address == "/tempo/align"]
    assert min(b - a for a, b in itertools.pairwise(aligned)) > 0.4  # about once a beat
    assert all(is_address(e.address) and math.isfinite(e.value) for e in band.events)


def test_an_even_clock_says_its_tempo_once() -> None:
    band = Band(bpm=120.0)
    arrived, _ = ticks_of([(30, 126.0)], jitter=5e-5)
    for time in arrived.tolist():
        band.tick(time)
    assert len(band.bpms()) <= 4
    assert band.bpms()[-1] == pytest.approx(126.0, abs=0.05)


def test_start_is_beat_0_of_the_performance() -> None:
    band = Band()
    arrived, due = ticks_of([(20, 120.0)])
    for number, time in enumerate(arrived.tolist()):
        if number == 203:
            band.go_to(time - 0.003)
            band.conductor.midi("start", time - 0.003)
        band.tick(time)
    at = float(arrived[-1])
    ours = band.go_to(at + 0.1)
    assert ours == pytest.approx((at + 0.1 - due[203]) * 2.0, abs=0.01)


def test_of_two_clocks_the_first_counts_until_it_is_silent() -> None:
    band = Band()
    one, _ = ticks_of([(12, 120.0)])
    other, _ = ticks_of([(30, 90.0)])
    both = sorted([*((t, "a") for t in one.tolist()), *((t + 0.004, "b") for t in other.tolist())])
    for time, port in both:
        band.tick(time, port)
        if time < one[-1]:
            assert all(abs(bpm - 120.0) < 0.1 for bpm in band.bpms())
    assert band.standing() == pytest.approx(90.0, abs=0.1)


# Ranges and glides.


@pytest.mark.parametrize(("bpm", "end"), [(999.0, 240.0), (20.0, 40.0), (1e9, 240.0)])
def test_a_peer_out_of_range_is_held_and_glided_to(bpm: float, end: float) -> None:
    band = Band()
    band.session(1.0, 8.0, bpm)
    steps = band.bpms()
    assert steps[-1] == pytest.approx(end, abs=0.02)
    times = [e.time for e in band.events if e.address == "/raw/tempo/bpm"]
    for (a, b), (s, t) in zip(
        itertools.pairwise([120.0, *steps]), itertools.pairwise([0.0, *times]), strict=True
    ):
        beats = (t - s) * a / 60.0
        assert abs(math.log(b / a)) <= math.log(1.2) * max(beats, 0.26) * 1.01
    # Nobody can play along with that: the beat is our own, and nothing pulls at it.
    assert [e for e in band.events if e.address == "/tempo/align"] == []
    assert sum("out of 40..240" in line for line in band.conductor.notices()) == 1
    assert band.conductor.notices() == []


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -3.0])
def test_what_is_no_tempo_is_not_taken(value: float) -> None:
    band = Band()
    band.conductor.link(Pulse(1.0, value, 0.0))
    band.conductor.link(Pulse(1.1, 120.0, math.nan))
    band.conductor.audio(value, 1.0, 1.0)
    assert band.events == []


def test_link_brings_the_bar() -> None:
    band = Band()
    band.session(1.0, 12.0, 133.0, beat=2.3)
    ours = band.go_to(13.0)
    theirs = 2.3 + 12.0 * 133.0 / 60.0
    assert math.remainder(ours - theirs, 4.0) == pytest.approx(0.0, abs=0.01)


# Who leads.


def heard(band: Band, begin: float, seconds: float, bpm: float) -> None:
    for time in np.arange(begin, begin + seconds, 0.1):
        band.go_to(float(time))
        band.conductor.audio(bpm, math.ceil(time * bpm / 60.0) * 60.0 / bpm, 0.9)


def test_what_is_heard_brings_tempo_and_beat_but_no_bar() -> None:
    band = Band()
    heard(band, 1.0, 12.0, 110.0)
    assert band.standing() == pytest.approx(110.0, abs=0.3)
    assert math.remainder(band.go_to(13.0) - 13.0 * 110.0 / 60.0, 1.0) == pytest.approx(
        0.0, abs=0.02
    )
    assert {e.address for e in band.events} == {"/raw/tempo/bpm", "/tempo/beat"}


def states(band: Band) -> dict[str, str]:
    return {row.name: row.state for row in band.conductor.rows()}


def test_link_before_midi_before_what_is_heard() -> None:
    band = Band()
    heard(band, 1.0, 4.0, 100.0)
    assert states(band) == {
        "Ableton Link": "silent", "MIDI clock": "silent", "what is heard": "leads",
    }  # fmt: skip
    arrived, _ = ticks_of([(8, 130.0)])
    for time in (arrived + 4.0).tolist():
        band.tick(time)
    assert band.standing() == pytest.approx(130.0, abs=0.1)
    band.session(9.0, 4.0, 90.0)
    assert band.standing() == pytest.approx(90.0, abs=0.1)
    said = band.conductor.notices()
    assert [line.split(",")[0] for line in said] == [
        "tempo: what is heard leads", "tempo: MIDI clock leads", "tempo: Ableton Link leads",
    ]  # fmt: skip
    band.go_to(20.0)
    assert band.conductor.notices() == ["tempo: Ableton Link is silent, going on alone"]
    assert set(states(band).values()) == {"silent"}
    assert band.standing() == pytest.approx(90.0, abs=0.1)  # held


def test_a_tap_stands_against_clocks_for_half_a_minute() -> None:
    band = Band()
    band.session(1.0, 3.0, 100.0)
    count = len(band.events)
    band.conductor.tapped(4.0)
    band.events.append(ControlEvent("/raw/tempo/bpm", 140.0, 4.0))  # what the taps came to
    band.session(4.0, 29.0, 100.0)
    assert len(band.events) == count + 1
    assert band.conductor.notices()[-1] == "tempo: tap leads"
    band.conductor.tapped(4.0 + 1e-9)  # the stage tells at every tick
    assert band.conductor.notices() == []
    assert band.standing() == 140.0
    band.session(33.5, 6.0, 100.0)
    assert len(band.events) > count + 1
    assert band.standing() == pytest.approx(100.0, abs=0.1)


def test_a_hand_on_the_tempo_is_led_back() -> None:
    band = Band()
    band.session(1.0, 3.0, 100.0)
    band.events.append(ControlEvent("/raw/tempo/bpm", 180.0, 4.0))
    band.session(4.0, 5.0, 100.0)
    assert band.standing() == pytest.approx(100.0, abs=0.1)


@pytest.mark.parametrize("choice", ["tap", "midi", "audio"])
def test_a_choice_is_a_choice(choice: str) -> None:
    band = Band(choice)
    band.session(1.0, 5.0, 100.0)
    assert band.events == []
    if choice == "midi":
        band.conductor.tapped(6.0)
        arrived, _ = ticks_of([(6, 90.0)])
        for time in (arrived + 5.5).tolist():
            band.tick(time)
        assert band.standing() == pytest.approx(90.0, abs=0.1)


def test_it_may_be_told_from_many_threads() -> None:
    events: list[ControlEvent] = []
    conductor = Conductor(events.append, StepClock(), lambda: 120.0)
    failed = []

    def link() -> None:
        try:
            for n in range(2000):
                conductor.link(Pulse(n * 0.01, 120.0 + n % 7, n * 0.02))
                conductor.rows(), conductor.notices()
        except RuntimeError as error:
            failed.append(error)

    def midi() -> None:
        try:
            for n in range(2000):
                conductor.midi("clock", n * 0.02)
                conductor.tapped(-100.0)
        except RuntimeError as error:
            failed.append(error)

    threads = [threading.Thread(target=one) for one in (link, midi, link)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert events
    conductor.close()
