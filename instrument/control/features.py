"""From sound to control events: level, bands, centroid, onsets, beat. Causal and deterministic.

Knows samples and their rate; knows no device and no clock: times are seconds since the first
sample. Every value is finite and in 0..1 whatever comes in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from instrument.control import envelopes, filters, onsets
from instrument.control.audio_settings import BANDS, AudioSettings
from instrument.control.beats import Beat, BeatTracker
from instrument.control.loudness import Loudness, Meter
from instrument.event import ControlEvent

F64 = NDArray[np.float64]

ADDRESS = "/audio/in"
ENVELOPES = ("level", *BANDS)  # what falls to 0 when there is nothing to hear
ONSETS = ("onset", *(f"onset.{band}" for band in BANDS))
STEP = 0.004  # an envelope speaks when it has moved this far
_PAUSE = 0.0099  # s between two words of one envelope
_RELEASE = 0.04  # s from an onset to its 0
_SURE = 0.3  # confidence from which a beat is an event
_LOUDEST = 4.0  # +12 dBFS; what is beyond is no sound
_DARKEST, _OCTAVES = 50.0, 8.0  # centroid: Hz at 0, octaves to 1
_SPLICE = 32  # samples over which the seam of a gap is smoothed
_FLUX_DELAY = 1.45  # hops from a beginning to the middle of its flux; measured with clicks
_LOOK_BACK = 6  # hops in which the beginning of an onset is looked for


def hop_of(rate: float) -> int:
    """Samples from one look to the next: a power of two, 4 to 8 ms."""
    return max(int(2 ** round(math.log2(rate / 187.5))), 16)


class Analysis:
    """Listens to one channel at `rate` Hz."""

    def __init__(self, rate: float, settings: AudioSettings | None = None) -> None:
        self.settings = settings = settings or AudioSettings()
        self.rate, self.hop = rate, hop_of(rate)
        self.hop_seconds = self.hop / rate
        ranges = [(band.low, band.high) for band in settings.bands()]
        chains = [
            [filters.high_pass(20.0, math.sqrt(0.5), rate)],
            filters.k_weighting(rate),
            *(filters.band_pass(low, high, rate) for low, high in ranges),
        ]
        self._deaf = np.array([not chain for chain in chains[2:]])  # bands above rate/2
        self._filters = filters.FilterBank(chains, self.hop // 4)
        self._gate = envelopes.Gate(envelopes.amplitude(settings.gate))
        self._followers = envelopes.Followers(
            [settings.attack, *(band.attack for band in settings.bands())],
            [settings.release, *(band.release for band in settings.bands())],
        )
        floor = envelopes.amplitude(settings.floor)
        self._gain = envelopes.AutomaticGain(len(ENVELOPES), settings.adaptation, floor)
        self._flux = onsets.Flux(rate, self.hop, ranges)
        self._picker = onsets.OnsetPicker(self._flux.least, self.hop_seconds, settings.sensitivity)
        self._beats = BeatTracker(rate / self.hop, settings.bpm_low, settings.bpm_high)
        self.loudness = Loudness(self.hop_seconds)
        self._window = onsets.window(self.hop)
        self._window_gain = 2.0 / self._window.sum()
        bins = np.fft.rfftfreq(len(self._window), 1.0 / rate)
        self._octave = np.log2(np.maximum(bins, 1.0) / _DARKEST)
        self._audible = (bins >= _DARKEST) & (bins <= _DARKEST * 2.0**_OCTAVES)
        # one row a signal: the whole, and each band; what an onset's beginning is looked for in
        self._heard = np.zeros((len(ONSETS), 8 * _LOOK_BACK * self.hop))
        self._at = _LOOK_BACK * self.hop  # where the next hop goes
        self._waiting: F64 = np.zeros(0)
        self._last = 0.0  # the newest sample, for the seam of a gap
        self._seam = False
        self._end = 0  # samples up to and including the newest hop
        self._owed = 0  # samples of gaps that did not fill a hop
        self._centroid = 0.0
        self._told: dict[str, float] = {}
        self._told_at = -1.0
        self._release_at: dict[str, float] = {}
        self._last_beat = -1.0
        self._beats_again = False
        self.beat: Beat | None = None  # its time in seconds since the first sample

    @property
    def seconds(self) -> float:
        """The end of the newest hop."""
        return self._end / self.rate

    @property
    def samples(self) -> int:
        """Samples up to the end of the newest hop, lost ones included."""
        return self._end

    def feed(self, samples: NDArray[np.float32] | F64) -> list[ControlEvent]:
        """Hear ``samples [n]``, any n; what they made happen, each time the sound's own."""
        clean = self._cleaned(np.asarray(samples, dtype=np.float64))
        self._waiting = np.concatenate([self._waiting, clean])
        said: list[ControlEvent] = []
        hops = len(self._waiting) // self.hop
        for hop in range(hops):
            said += self._hear(self._waiting[hop * self.hop : (hop + 1) * self.hop])
        self._waiting = self._waiting[hops * self.hop :]
        return said

    def skip(self, samples: int) -> None:
        """`samples` were lost: time goes on, what is known holds."""
        self._end += samples
        self._owed += samples
        lost, self._owed = divmod(self._owed, self.hop)
        for _ in range(min(lost, int(20.0 * self.rate / self.hop))):
            self._beats.step(0.0)
        self._seam = True

    def resume(self, seconds: float, told: dict[str, float]) -> None:
        """Listen again after `seconds` without a source; `told` is where the envelopes are now.

        What is known of the room (gain, tempo) holds, what is in the middle of sounding does not.
        """
        self._waiting = np.zeros(0)
        self._last = 0.0
        self._filters.rest()
        self._flux.rest()
        self._heard[:] = 0.0
        self._followers.values[:] = 0.0
        self._release_at.clear()
        self._told = dict(told)
        self.skip(round(seconds * self.rate))

    def meter(self) -> Meter:
        """How loud it is, gate or no gate."""
        return self.loudness.meter(self._gate.open)

    def _cleaned(self, samples: F64) -> F64:
        factor = envelopes.amplitude(self.settings.gain)
        bad = ~np.isfinite(samples)
        if bad.any():
            samples = np.where(bad, 0.0, samples)
        clean = np.clip(samples * factor, -_LOUDEST, _LOUDEST)
        self.loudness.saw(samples, len(samples) / self.rate, int(bad.sum()))
        if len(clean) and self._seam:
            ramp = np.linspace(1.0, 0.0, min(_SPLICE, len(clean)))
            clean[: len(ramp)] += (self._last - clean[0]) * ramp
            self._seam = False
        self._last = float(clean[-1]) if len(clean) else self._last
        return clean

    def _hear(self, samples: F64) -> list[ControlEvent]:
        """One hop."""
        whole, weighted, *bands = self._filters(samples)
        self._end += self.hop
        new = self._remember(np.stack([whole, *bands]))
        rms = np.sqrt(np.einsum("ij,ij->i", new, new) / self.hop)
        hearing = self._gate.step(float(rms[0]), self.hop_seconds)
        self.loudness.step(float(rms[0]), float(weighted @ weighted) / self.hop, hearing)
        frame = self._heard[0, self._at - len(self._window) : self._at]
        magnitudes = np.abs(np.fft.rfft(frame * self._window)) * self._window_gain
        said = [*self._envelope_events(rms, magnitudes, hearing)]
        # The first sound of all must not look a hundred times as large as its like after it.
        loudest = max(float(self._gain.loudest[0]), float(rms[0]) / 3.0)
        said += self._onset_events(magnitudes, loudest, hearing)
        said += self._beat_events()
        return sorted(said, key=lambda event: event.time)

    def _remember(self, new: F64) -> F64:
        """Append ``[signals, hop]``; of bands that this rate cannot hold, silence."""
        new[1:][self._deaf] = 0.0
        if self._at == self._heard.shape[1]:
            kept = _LOOK_BACK * self.hop
            self._heard[:, :kept] = self._heard[:, -kept:]
            self._at = kept
        self._heard[:, self._at : self._at + self.hop] = new
        self._at += self.hop
        return new

    def _envelope_events(self, rms: F64, magnitudes: F64, hearing: bool) -> Iterator[ControlEvent]:
        envelope = self._followers.step(rms if hearing else np.zeros_like(rms), self.hop_seconds)
        shares = self._gain.step(envelope, self.hop_seconds, hearing)
        if not self.settings.automatic:
            shares = np.minimum(envelope, 1.0)
        if hearing:
            self._follow_centroid(magnitudes)
        if self.seconds - self._told_at < _PAUSE:
            return
        self._told_at = self.seconds
        values = dict(zip(ENVELOPES, shares, strict=True))
        values |= {"centroid": self._centroid, "loudness": self.loudness.share(hearing)}
        for name, value in values.items():
            yield from self._said(name, float(value))

    def _said(self, name: str, value: float) -> Iterator[ControlEvent]:
        """An event, if the value has moved far enough or has come to rest at an end."""
        before = self._told.get(name, 0.0)
        if abs(value - before) >= STEP or (value in (0.0, 1.0) and value != before):
            self._told[name] = value
            yield ControlEvent(f"{ADDRESS}/{name}", value, self.seconds)

    def _follow_centroid(self, magnitudes: F64) -> None:
        """Weighted in octaves, as the ear does, and smoothed over 50 ms."""
        weight = magnitudes**2 * self._audible
        total = float(weight.sum())
        if total <= 1e-12:
            return
        goal = float(np.clip((weight * self._octave).sum() / total / _OCTAVES, 0.0, 1.0))
        self._centroid += (goal - self._centroid) * (1.0 - math.exp(-self.hop_seconds / 0.05))

    def _onset_events(
        self, magnitudes: F64, loudest: float, hearing: bool
    ) -> Iterator[ControlEvent]:
        flux = self._flux.step(magnitudes, loudest)
        if not hearing:
            flux = np.zeros_like(flux)
        self._beats_again = self._beats.step(float(flux[0] + 0.5 * flux[1]))
        for name, due in list(self._release_at.items()):
            if due <= self.seconds:
                del self._release_at[name]
                yield ControlEvent(f"{ADDRESS}/{name}", 0.0, due)
        for onset in self._picker.step(flux):
            name = ONSETS[onset.channel]
            at = self._began(onset)
            if name in self._release_at:
                yield ControlEvent(f"{ADDRESS}/{name}", 0.0, at)
            self._release_at[name] = at + _RELEASE
            yield ControlEvent(f"{ADDRESS}/{name}", onset.strength, at)

    def _began(self, onset: onsets.Onset) -> float:
        """When the sound of `onset` began; the flux of a low note peaks well after it."""
        heard = self._heard[onset.channel, self._at - _LOOK_BACK * self.hop : self._at]
        back = len(heard) - onsets.beginning(heard, self.rate)
        return max(self.seconds - back / self.rate, 0.0)

    def _beat_events(self) -> Iterator[ControlEvent]:
        found = self._beats.beat()
        if found is None:
            return
        at = self.seconds + (found.time - self._beats.newest - _FLUX_DELAY) * self.hop_seconds
        period = 60.0 / found.bpm
        while at <= self.seconds:
            at += period
        self.beat = Beat(found.bpm, at, found.confidence)
        newest = at - period
        if newest - self._last_beat > 0.5 * period:
            first = self._last_beat < 0.0
            self._last_beat = newest
            if not first and found.confidence >= _SURE:
                yield ControlEvent(f"{ADDRESS}/beat", found.confidence, newest)
                self._release_at["beat"] = newest + _RELEASE

    def beat_was_looked_at(self) -> bool:
        """Whether the newest hop has brought a new estimate of the beat."""
        return self._beats_again
