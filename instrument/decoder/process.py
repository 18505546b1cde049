"""The stage's side of the decoder: a process that may die, and pictures that keep coming.

`DecoderProcess` keeps one decoder process alive. It may crash, hang or be killed; the last
picture stays in the stage's hands, the last z is asked for again, and a new process takes over.

Two threads work for it, and neither spins. One reads answers (see `child`). One watches: it
sleeps until the next moment at which an answer would be overdue, or until it is woken.
Everything they share is guarded by one lock, held for microseconds and never while waiting for
a process. This module imports no torch.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from instrument.decoder.child import Child, Prefers, describe_exit
from instrument.decoder.exchange import Message, Request, Word, encode_parameters
from instrument.decoder.models import ModelManifest
from instrument.decoder.protocol import Precision
from instrument.frame import Frame
from instrument.latent.space import F32
from instrument.timebase import WallClock

State = Literal["loading", "ready", "restarting", "failed"]

_LOADING = 60.0  # s allowed for importing torch and opening the model
_SHORTEST_HANG = 2.0  # s without an answer, at least
_HANG = 10.0  # usual decodes without an answer
_ERRORS = 3  # in a row, then a fresh process
_HEALTHY = 30.0  # s of life after which earlier trouble is forgotten
_LONGEST_PAUSE = 10.0  # s between two lives
_SAFELY = 3  # lives in a row that ended in trouble: then the model is played in its safe form
_GONE = "gone"
_SMOOTHING = 0.1  # share of the newest decode in the usual one


@dataclass(slots=True)
class _Life:
    """The process that runs now."""

    child: Child
    started: float = 0.0
    ready: float | None = None  # when it said so
    working: float = 0.0  # since when it owes an answer, if it does
    errors: int = 0  # in a row
    gone: bool = False


class DecoderProcess:
    """A supervised decoder process (threads 0: it measures). Use it as a context manager."""

    def __init__(
        self, manifest: ModelManifest, device: str = "auto", threads: int = 0,
        prefers_card: Prefers | None = None, precision: Precision = "fast",
    ) -> None:  # fmt: skip
        self.spec, self._manifest, self._device = manifest.spec, manifest, device
        self._threads, self._prefers_card, self._precision = threads, prefers_card, precision
        self._clock = WallClock()
        self._lock = threading.RLock()
        self._pictures = threading.Condition(self._lock)  # somebody waits for a picture
        self._alarm = threading.Condition(self._lock)  # the watching thread waits for trouble
        self._watcher: threading.Thread | None = None
        self._life: _Life | None = None
        self._wanted: Request | None = None
        self._closing = self._gently = False
        self._state: State = "loading"
        self._message = f"{manifest.name}: loading"
        self._decode_seconds, self._restarts = 0.0, 0

    # What the HUD shows. Reading one reference needs no lock.

    @property
    def state(self) -> State:
        """``loading``, ``ready``, ``restarting`` (the picture holds) or ``failed`` (for good)."""
        return self._state

    @property
    def message(self) -> str:
        """One line on the state, or on the last picture that could not be decoded."""
        return self._message

    @property
    def decode_seconds(self) -> float:
        """What a picture usually takes, smoothed over about ten; 0 before the first."""
        return self._decode_seconds

    @property
    def restarts(self) -> int:
        """How many times a new process took over."""
        return self._restarts

    @property
    def pid(self) -> int | None:
        """The process that runs now, if one does."""
        life = self._life
        return None if life is None else life.child.pid

    def start(self, gently: bool = False) -> None:
        """Start loading, in the background. Once only.

        `gently`: whatever plays already has the processor first. Should this process have to be
        started anew later, it hurries.
        """
        if self._watcher is not None or self._closing:
            raise RuntimeError("a DecoderProcess starts once")
        self._gently = gently
        self._watcher = threading.Thread(target=self._keep_alive, name="decoder", daemon=True)
        self._watcher.start()

    def dismiss(self) -> None:
        """Begin to end the process, and wait for nothing: see `ended`. No picture comes any more.

        Pictures that are still held stay readable; all other memory is back once it has ended.
        """
        with self._lock:
            self._closing = True
            self._alarm.notify_all()
            self._pictures.notify_all()

    @property
    def ended(self) -> bool:
        """Whether no process and no thread of it is left."""
        return self._watcher is None or not self._watcher.is_alive()

    def close(self) -> None:
        """End the process and wait for it: half a second, then by force."""
        self.dismiss()
        if self._watcher is not None:
            self._watcher.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def post(self, index: int, z: F32, parameters: Mapping[str, float]) -> None:
        """Ask for the picture of row `index`, z ``F32[*latent.shape]``; newest z wins.

        Never waits. A post that finds the decoder at work replaces the one it would do next.
        Raises ValueError on a z of another shape or on parameters beyond 16 KiB of JSON.
        """
        row = np.array(z, np.float32)  # a copy: the caller may move on in the same array
        if row.shape != self.spec.latent.shape:
            raise ValueError(f"z is {row.shape}, must be {self.spec.latent.shape}")
        encoded = encode_parameters(parameters)
        with self._lock:
            sequence = 1 if self._wanted is None else self._wanted.sequence + 1
            self._wanted = Request(sequence, index, row, encoded)
            self._ask()

    def newest(self, after: int, timeout: float) -> Frame | None:
        """The newest picture if its index is above `after`; waits up to `timeout` s for it.

        Its pixels stay untouched until the next call that returns a picture, and stay readable
        for as long as they are held, whatever becomes of the process.
        """
        with self._lock:
            self._pictures.wait_for(lambda: self._closing or self._has_newer(after), timeout)
            if self._life is None or not self._has_newer(after):
                return None
            child = self._life.child
            assert child.picture is not None
            return Frame(child.picture.index, child.show_newest(), child.picture.decode_seconds)

    def _has_newer(self, after: int) -> bool:
        picture = None if self._life is None else self._life.child.picture
        return picture is not None and picture.index > after

    def _ask(self) -> None:
        """Hand the wanted z over if the decoder takes it and has not had it. Under the lock."""
        life, wanted = self._life, self._wanted
        if life is None or life.ready is None or wanted is None:
            return
        if life.child.takes_more and wanted.sequence > life.child.sequence:
            if life.child.idle:
                life.working = self._clock.now()
            life.child.ask(wanted)

    # Called by the reading thread.

    def _hear(self, life: _Life, message: Message | None) -> None:
        with self._lock:
            if life is not self._life:
                return
            if message is None:
                life.gone = True
            elif message.word is Word.READY:
                self._begin(life, float(message.text))
            elif message.word is Word.TAKEN:
                life.child.taken(message)
            elif message.word in (Word.PICTURE, Word.ERROR):
                life.working = self._clock.now()
                life.child.answered(message)
                self._judge(life, message)
            else:
                self._state, self._message = "failed", message.text
            self._ask()
            if life.gone or life.errors >= _ERRORS or self._state == "failed":
                self._alarm.notify_all()

    def _begin(self, life: _Life, decode_seconds: float) -> None:
        life.ready = self._clock.now()
        self._decode_seconds = decode_seconds
        self._state, self._message = "ready", f"{self.spec.name}: ready"
        self._alarm.notify_all()  # from here on another patience counts

    def _judge(self, life: _Life, answer: Message) -> None:
        if answer.word is Word.ERROR:
            life.errors += 1
            self._message = answer.text
            return
        if life.errors:
            life.errors = 0
            self._message = f"{self.spec.name}: ready"
        if life.child.picture is not None:
            seconds = life.child.picture.decode_seconds
            self._decode_seconds += _SMOOTHING * (seconds - self._decode_seconds)
        self._pictures.notify_all()

    # The watching thread.

    def _keep_alive(self) -> None:
        try:
            self._live_on()
        finally:
            with self._lock:
                self._life = None  # with it goes the shared memory

    def _live_on(self) -> None:
        troubles = 0
        while (reason := self._live_once(troubles >= _SAFELY)) is not None:
            with self._lock:
                if self._was_healthy():
                    troubles = 0
                self._state, self._message = "restarting", f"{self.spec.name}: {reason}"
                self._restarts += 1
                self._alarm.wait_for(lambda: self._closing, _pause(troubles))
            troubles += 1

    def _was_healthy(self) -> bool:
        ready = None if self._life is None else self._life.ready
        return ready is not None and self._clock.now() - ready > _HEALTHY

    def _live_once(self, safely: bool) -> str | None:
        """One life from start to end; why another should follow, or None."""
        life = _Life(Child(self._manifest, lambda m: self._hear(life, m), self._prefers_card))
        with self._lock:
            if self._closing:
                return None
            life.started = self._clock.now()
            self._life = life
        try:
            gently = self._gently and not self._restarts
            precision = "full" if safely else self._precision  # what is fast may be at fault
            life.child.start(self._device, self._threads, precision, gently)
        except OSError as error:
            life.child.end()
            return f"cannot be started ({error})"
        with self._lock:
            reason = self._watch(life)
            life.child.hush()
        code = life.child.end(patience=0.5 if reason in (None, _GONE) else 0.0)
        return f"decoder {describe_exit(code)}" if reason == _GONE else reason

    def _watch(self, life: _Life) -> str | None:
        """Sleep until `life` must end; why another should follow, or None. Under the lock."""
        while not self._closing and self._state != "failed":
            if life.gone:
                return _GONE
            if life.errors >= _ERRORS:
                return f"{_ERRORS} pictures in a row failed: {self._message}"
            now = self._clock.now()
            left = self._overdue_at(life, now) - now
            if left <= 0:
                return "decoder does not answer" if life.ready else "loading takes too long"
            self._alarm.wait(left)
        return None

    def _overdue_at(self, life: _Life, now: float) -> float:
        """When to look again: a request that goes out later is overdue later."""
        if life.ready is None:
            return life.started + _LOADING
        patience = max(_SHORTEST_HANG, _HANG * self._decode_seconds)
        return now + _SHORTEST_HANG if life.child.idle else life.working + patience


def _pause(troubles: int) -> float:
    """Seconds before the next life: none the first time, then .5, 1, 2, 4 … 10."""
    return 0.0 if troubles == 0 else min(0.5 * 2.0 ** min(troubles - 1, 10), _LONGEST_PAUSE)
