"""Finds out which form of a model is the fastest here, while the safe one already plays.

The first picture comes at once, in the form that was chosen before, or else in the first: float32
as the network's module writes it. What is left to try is tried between pictures, one short step
each time somebody calls `idle`, for two seconds in all (for eight pictures, where a picture takes
long). A form must look like the first one, too: 45 dB at least. What comes
out is remembered (see `choices`). Knows no architecture and makes no picture itself.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import torch

from instrument import InstrumentError
from instrument.decoder.choices import Choice, choice_key, recall, remember
from instrument.decoder.compiled import Warmup
from instrument.decoder.forms import Form
from instrument.decoder.network import NetworkDecoder
from instrument.decoder.protocol import DecoderSpec, OnCard
from instrument.frame import U8
from instrument.latent.space import F32
from instrument.timebase import WallClock

LEAST_LIKENESS = 45.0  # dB between a form's pictures and the first form's
_BUDGET = 2.0  # s of trying, in all
_PICTURES = 8.0  # usual decodes of trying, at least
_SLOW = 0.2  # s for a picture: from there on one of each form must do
_PAIRS = 4  # pictures of each of two forms, in turn
_FASTER = 0.96  # of the time: less is no reason to change
_WORTH_A_THREAD = 0.85  # of the time: a thread more may wait for a busy neighbour
_MOST_THREADS = 16
_MOMENT = 0.005  # s to wait for a form to be opened, a step
# Out of the range of a precision, no such operation in it, no memory for a second network.
_NOT_HERE = (InstrumentError, RuntimeError, MemoryError)
_TRIED = 3  # pictures that must look alike

Open = Callable[[Form], NetworkDecoder]
Threads = Callable[[int], None]  # how many this process computes with, from now on


class TunedDecoder:
    """Plays the fastest form known so far. Satisfies `Decoder`.

    `threads` 0: how many is measured as well, else it is as given. `forms` are all it may play,
    `make` opens one of them, `form` is the one that plays.
    """

    def __init__(
        self, spec: DecoderSpec, forms: Sequence[Form], make: Open, key: str, threads: int,
        set_threads: Threads = torch.set_num_threads, warmup: Warmup | None = None,
    ) -> None:  # fmt: skip
        self._spec, self.forms, self.make, self._key = spec, list(forms), make, key
        self._measures_threads, self._set_threads = threads == 0, set_threads
        self._clock = WallClock()
        self.threads = max(1, threads)
        self.form = self.forms[0]
        self.spent = 0.0  # s of trying
        self._usual = 0.0  # s for a picture
        self._warmup = warmup  # makes one more form, in its own time
        self._steps: Iterator[None] | None = self._trials()
        known = recall(key)
        chosen = [form for form in self.forms if known is not None and form.name == known.form]
        if known is not None and chosen and known.threads <= max(_counts()):
            self.form, self._steps = chosen[0], None
            self.threads = known.threads if self._measures_threads else self.threads
        set_threads(self.threads)
        self._best = self._chosen_or_safe()
        self._last: F32 = _positions(spec, 1)
        self._pixels: U8 = np.empty((*spec.size, 4), np.uint8)

    def _chosen_or_safe(self) -> NetworkDecoder:
        """What was chosen before may be here no longer: the safe form always is."""
        try:
            return self.make(self.form)
        except _NOT_HERE:
            if self.form == self.forms[0]:
                raise
        self.forms.remove(self.form)
        self.form, self._steps = self.forms[0], self._trials()
        return self.make(self.form)

    @property
    def spec(self) -> DecoderSpec:
        """What this decoder is."""
        return self._spec

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        """See `Decoder.decode`."""
        return self._best.decode(z, parameters)

    def decode_fine(self, z: F32, parameters: Mapping[str, F32]) -> F32:
        """See `FineDecoder.decode_fine`."""
        return self._best.decode_fine(z, parameters)

    def decode_into(self, pixels: U8, z: F32, parameters: Mapping[str, F32]) -> None:
        """See `NetworkDecoder.decode_into`."""
        self._best.decode_into(pixels, z, parameters)

    @property
    def card(self) -> int | None:
        """See `CardDecoder.card`."""
        return self._best.card

    def decode_on_card(self, z: F32, parameters: Mapping[str, F32]) -> OnCard:
        """See `CardDecoder.decode_on_card`."""
        return self._best.decode_on_card(z, parameters)

    def idle(self) -> bool:
        """Try a little more, for about two pictures' time; False when there is nothing to try."""
        if self._steps is None:
            self._look_for_one_more()
        if self._steps is None:
            return False
        begun = self._clock.now()
        try:
            next(self._steps)
        except StopIteration:
            self._steps = None
            remember(Choice(self._key, self.form.name, self.threads))
        self.spent += self._clock.now() - begun
        if self._steps is not None and self.spent > max(_BUDGET, _PICTURES * self._usual):
            self._steps = None  # what is known by now is kept: the next start is no calmer
            self._set_threads(self.threads)
            remember(Choice(self._key, self.form.name, self.threads))
        return self._steps is not None

    def _look_for_one_more(self) -> None:
        if self._warmup is None or (ready := self._warmup.poll()) is None:
            return
        if ready:
            self.spent = 0.0
            self._steps = self._try_forms([self._warmup.form])
        self._warmup = None

    def settle(self) -> None:
        """Try everything there is now."""
        while self.idle():
            pass

    def _trials(self) -> Iterator[None]:
        # The likeliest first: time may be up.
        yield from self._try_forms(reversed(self.forms[1:]))
        if self._measures_threads:
            yield from self._try_threads()

    def _try_forms(self, forms: Iterable[Form]) -> Iterator[None]:
        """Each against the best so far; they must look like what plays now."""
        self._usual = self._seconds(self._best)
        yield
        z = _positions(self._spec, self._few(_TRIED))
        wanted = []
        for row in z:
            wanted.append(self._best.decode(row[None], {}))
            yield
        for form in forms:
            yield from self._try_form(form, z, wanted)

    def _try_form(self, form: Form, z: F32, wanted: list[U8]) -> Iterator[None]:
        with ThreadPoolExecutor(1, "opening a form") as pool:  # meanwhile pictures go on
            opening = pool.submit(self.make, form)
            while not wait([opening], _MOMENT).done:
                yield
            try:
                rival = opening.result()
            except _NOT_HERE:
                return
        for row, picture in zip(z, wanted, strict=True):
            try:
                alike = likeness(picture, rival.decode(row[None], {}))
            except _NOT_HERE:
                return
            if alike < LEAST_LIKENESS:
                return
            yield
        times: list[list[float]] = [[], []]
        for _ in range(self._few(_PAIRS)):
            for taken, decoder in zip(times, (self._best, rival), strict=True):
                taken.append(self._seconds(decoder))
            yield
        if _middle(times[1]) < _FASTER * _middle(times[0]):
            self._best, self.form = rival, form

    def _try_threads(self) -> Iterator[None]:
        """Ever more threads, as long as each step pays."""
        for count in _counts():
            if count <= self.threads:
                continue
            times: list[list[float]] = [[], []]
            for _ in range(self._few(_PAIRS)):
                for taken, number in zip(times, (self.threads, count), strict=True):
                    self._set_threads(number)
                    taken.append(self._seconds(self._best))
                self._set_threads(self.threads)
                yield
            # The slowest counts as well: what waits for a neighbour does so now and then.
            pays = _middle(times[1]) < _WORTH_A_THREAD * _middle(times[0])
            if not pays or max(times[1]) > max(times[0]):
                return
            self.threads = count
            self._set_threads(count)

    def _few(self, count: int) -> int:
        return 1 if self._usual > _SLOW else count

    def _seconds(self, decoder: NetworkDecoder) -> float:
        begun = self._clock.now()
        decoder.decode_into(self._pixels, self._last, {})  # as on stage
        return self._clock.now() - begun


def in_forms(
    spec: DecoderSpec, forms: Sequence[Form], make: Open, device: torch.device, threads: int,
    warmup: Warmup | None = None,
) -> NetworkDecoder | TunedDecoder:  # fmt: skip
    """A decoder that plays the fastest of `forms`; where there is nothing to find out, the first.

    `threads` 0: as many as turn out to be fastest. What `warmup` makes is tried once it is made.
    """
    on_processor = device.type == "cpu"
    if len(forms) == 1 and warmup is None and (threads > 0 or not on_processor):
        return make(forms[0])
    counted = threads if on_processor else 1
    names = [form.name for form in forms]
    key = choice_key(spec, str(device), torch.__version__, counted, names)
    return TunedDecoder(spec, forms, make, key, counted, warmup=warmup)


def likeness(one: U8, other: U8) -> float:
    """How near two pictures are: peak signal to noise, dB; infinite where they are equal."""
    error = float(np.square(one.astype(np.float64) - other).mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def _positions(spec: DecoderSpec, count: int) -> F32:
    """Some z, ``F32[count, *shape]``: the same ones at every start."""
    chance = np.random.Generator(np.random.Philox(0))
    return chance.standard_normal((count, *spec.latent.shape)).astype(np.float32)


def _counts() -> list[int]:
    """Thread counts to try: 1, 2, 3, 4, 6, 8, 12, 16, as far as there are cores."""
    # Not all that the machine has: a container, or whoever started us, may lend us fewer.
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return [count for count in (1, 2, 3, 4, 6, 8, 12, _MOST_THREADS) if count <= cores] or [1]


def _middle(times: list[float]) -> float:
    return sorted(times)[len(times) // 2]
