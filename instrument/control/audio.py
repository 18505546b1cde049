"""The ear: what a microphone or a sound file makes happen, as control events.

Blocks come from a source in threads of its own into a bounded queue; one thread listens to them.
Nothing here waits for the stage, and the stage waits for nothing here.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from instrument.control.audio_settings import AudioSettings
from instrument.control.device import Put
from instrument.control.features import ADDRESS, ENVELOPES, STEP, Analysis
from instrument.control.loudness import Meter
from instrument.control.microphone import Microphone
from instrument.control.sample_clock import SampleClock
from instrument.control.sound_source import (
    Absent,
    Block,
    FileSource,
    Message,
    Opened,
    Source,
    mix,
)
from instrument.control.wave_file import open_wave
from instrument.event import ControlEvent
from instrument.timebase import Clock

State = Literal["opening", "listening", "missing", "unavailable"]
HearBeat = Callable[[float, float, float], None]

_QUEUE = 512  # blocks: more than two seconds
_SILENCE = 0.5  # s without a block: the source is lost
_DECAY = 0.5  # s: how envelopes come to rest then (a time constant)
_FADE_STEP = 0.02  # s between two words of a falling envelope
_FALLING = tuple(f"{ADDRESS}/{name}" for name in (*ENVELOPES, "loudness"))


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list of devices; what is not listening is grey."""

    name: str
    state: State
    detail: str


class Ear:
    """Listens to an input by name (empty: the default one) or to a WAV file, if that is a `Path`.

    `beat` is called from the ear's thread, ten times a second once there is a tempo, with bpm, the
    clock time of the next beat and confidence 0..1; with confidence 0 once when the source is lost.
    Raises InstrumentError if the file cannot be read. An input that is not there is no error.
    """

    def __init__(
        self,
        source: str | Path,
        put: Put,
        clock: Clock,
        beat: HearBeat | None = None,
        settings: AudioSettings | None = None,
    ) -> None:
        self._settings = settings = settings or AudioSettings()
        self._name = source.name if isinstance(source, Path) else source or "default input"
        self._put, self._clock, self._beat = put, clock, beat
        self._source: Source = (
            FileSource(source, settings.channels, clock)
            if isinstance(source, Path)
            else Microphone(source, settings.channels, clock)
        )
        self._arrived: deque[Message] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._notices: deque[str] = deque(maxlen=100)
        self._state: State = "opening"
        self._detail = ""
        self._analysis: Analysis | None = None
        self._samples = SampleClock(1.0)
        self._base = 0  # samples the analysis knew when this stream was opened
        self._counted = 0  # samples of this stream, with those that were lost on our way
        self._heard_at = 0.0  # clock time of the last block
        self._values: dict[str, float] = {}  # what was said last at each address
        self._falling_from: dict[str, float] | None = None
        self._fell_at = 0.0
        self.dropped = 0  # blocks that came while the queue was full
        self.overflows = 0  # times the device had to drop something
        self._overflowed = 0  # the same, when this stream was opened

    def start(self) -> None:
        """Begin to listen."""
        self._heard_at = self._clock.now()
        self._thread = threading.Thread(target=self._run, name="ear", daemon=True)
        self._thread.start()
        self._source.start(self._receive)

    def notices(self) -> list[str]:
        """What the performer should know since the last asking."""
        return [self._notices.popleft() for _ in range(len(self._notices))]

    def rows(self) -> list[Row]:
        """The source, for the list of devices."""
        detail = self._detail
        if self._state == "listening" and self._analysis is not None:
            meter, beat = self._analysis.meter(), self._analysis.beat
            detail = f"{self._analysis.rate:g} Hz, {meter.rms:.0f} dBFS"
            if beat is not None and beat.confidence > 0.0:
                detail += f", {beat.bpm:.1f} bpm ({beat.confidence:.0%})"
            if lost := self.dropped + self.overflows:
                detail += f", {lost} drops"
        return [Row(self._name, self._state, detail)]

    def meter(self) -> Meter:
        """How loud it is now, gate or no gate; silence while nothing is listened to."""
        if self._state != "listening" or self._analysis is None:
            return Meter()
        return self._analysis.meter()

    @property
    def lost(self) -> int:
        """Samples of this stream that never came, as the lateness of the others says."""
        return self._samples.lost

    def close(self) -> None:
        """Stop listening."""
        self._source.close()
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(1.0)

    def _receive(self, message: Message) -> None:
        with self._wake:
            if len(self._arrived) >= _QUEUE and isinstance(message, Block):
                self.dropped += 1  # the newest: the count says what is missing
                return
            self._arrived.append(message)
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._arrived and not self._closing:
                    self._wake.wait(_FADE_STEP if self._falling_from else 0.1)
                if self._closing:
                    return
                messages = list(self._arrived)
                self._arrived.clear()
            for message in messages:
                self._take(message)
            now = self._clock.now()
            if self._state == "listening" and now - self._heard_at > _SILENCE:
                self._lose("it has fallen silent")
            self._fall(now)

    def _take(self, message: Message) -> None:
        if isinstance(message, Opened):
            self._open(message)
        elif isinstance(message, Absent):
            self._lose(message.why, message.final)
        elif self._analysis is not None:
            self._hear(self._analysis, message)

    def _open(self, opened: Opened) -> None:
        known = self._analysis
        if known is None or known.rate != opened.rate:
            self._analysis = known = Analysis(opened.rate, self._settings)
        self._samples = SampleClock(opened.rate)
        self._counted, self._overflowed = 0, self.overflows
        self._detail = opened.name

    def _begin(self, analysis: Analysis) -> None:
        """The first block, of the first stream or after a time without."""
        if self._state != "opening":
            self._notice(f"audio: {self._name} is back")
        # Within one stream the counts say what is missing; between two, only the clock does.
        away = self._clock.now() - self._heard_at if analysis.samples and not self._counted else 0.0
        told = {at.rpartition("/")[2]: value for at, value in self._values.items()}
        analysis.resume(away, told)
        self._base = analysis.samples - self._counted - self._samples.lost
        self._state, self._falling_from = "listening", None

    def _hear(self, analysis: Analysis, block: Block) -> None:
        if self._state != "listening":
            self._begin(analysis)
        self._heard_at = self._clock.now()
        self.overflows = self._overflowed + block.overflows
        missing = block.count - len(block.samples) - self._counted
        self._counted = block.count
        missing += self._samples.arrived(block.count, block.arrived)
        if missing > 0:
            analysis.skip(missing)
        for event in analysis.feed(block.samples):
            self._say(ControlEvent(event.address, event.value, self._clock_time(event.time)))
        if analysis.beat_was_looked_at() and analysis.beat is not None and self._beat is not None:
            beat = analysis.beat
            self._beat(beat.bpm, self._clock_time(beat.time), beat.confidence)

    def _clock_time(self, seconds: float) -> float:
        """The clock's time of the analysis' `seconds`."""
        assert self._analysis is not None
        count = seconds * self._analysis.rate - self._base
        return self._samples.time_of(count) - self._settings.latency

    def _say(self, event: ControlEvent) -> None:
        self._values[event.address] = event.value
        self._put(event)

    def _lose(self, why: str, final: bool = False) -> None:
        was = self._state
        self._state, self._detail = ("unavailable" if final else "missing"), why
        if was == self._state:
            return
        self._notice(f"audio: {self._name}: {why}")
        now = self._clock.now()
        for address, value in list(self._values.items()):
            if value and address not in _FALLING and not address.endswith("/centroid"):
                self._say(ControlEvent(address, 0.0, now))  # a trigger that nobody would release
        if was == "listening":
            self._fell_at = now
            self._falling_from = {at: v for at, v in self._values.items() if at in _FALLING and v}
            beat = self._analysis.beat if self._analysis else None
            if beat is not None and self._beat is not None:
                self._beat(beat.bpm, self._clock_time(beat.time), 0.0)

    def _fall(self, now: float) -> None:
        """Envelopes of a lost source come to rest, as a function of time."""
        if self._falling_from is None or now - self._fell_at < 0.0:
            return
        left = math.exp(-(now - self._fell_at) / _DECAY)
        for address, begun in self._falling_from.items():
            value = begun * left if begun * left > STEP else 0.0
            before = self._values[address]
            if before - value >= STEP or (value == 0.0 and before):
                self._say(ControlEvent(address, value, now))
        if not any(self._values[address] for address in self._falling_from):
            self._falling_from = None

    def _notice(self, text: str) -> None:
        self._notices.append(text)


def features_of_file(path: Path, settings: AudioSettings | None = None) -> list[ControlEvent]:
    """Everything a WAV file makes happen, in order of time, 0 being its first sample.

    The same file gives the same events. Raises InstrumentError if it cannot be read.
    """
    file = open_wave(path)
    analysis = Analysis(file.rate, settings)
    events: list[ControlEvent] = []
    for samples in file.blocks(16 * analysis.hop):
        events += analysis.feed(mix(samples, analysis.settings.channels))
    return sorted(events, key=lambda event: event.time)
