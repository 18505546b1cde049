"""The decks: which models are open, each in a process of its own.

The performance says which models are wanted; the decks follow. Whatever takes time (reading a
manifest, starting a process, ending one) happens on threads of their own, so a tick never waits
for a model that comes or goes. What became of a model is asked for with `Decks.news`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Literal, NamedTuple, Protocol, Self

from instrument import InstrumentError
from instrument.frame import Frame
from instrument.latent.space import F32
from instrument.timebase import Clock

_TRIES = 3  # processes that die before the first picture: then the model is given up
_PATIENCE = 5.0  # s for a disk that does not answer, when all is over


class Decoding(Protocol):
    """What a deck asks of a `DecoderProcess`, which see."""

    @property
    def state(self) -> Literal["loading", "ready", "restarting", "failed"]:
        """How it is."""

    @property
    def message(self) -> str:
        """One line on that."""

    @property
    def decode_seconds(self) -> float:
        """What a picture usually takes; 0 before the first."""

    @property
    def pid(self) -> int | None:
        """The process that runs now, if one does."""

    @property
    def restarts(self) -> int:
        """How many times a new process took over."""

    @property
    def ended(self) -> bool:
        """Whether nothing of it is left."""

    def start(self, gently: bool = False) -> None:
        """Start loading; waits for nothing. `gently`: others play meanwhile."""

    def post(self, index: int, z: F32, parameters: Mapping[str, float]) -> None:
        """Ask for the picture of row `index`; waits for nothing."""

    def newest(self, after: int, timeout: float) -> Frame | None:
        """The newest picture if its index is above `after`, waited for up to `timeout` s."""

    def dismiss(self) -> None:
        """Begin to end; waits for nothing."""

    def close(self) -> None:
        """End, and wait for it."""


# Model number → its process, not yet started. Called on a thread of its own; raises
# InstrumentError in one line where there is no such model, or one that does not fit.
OpenModel = Callable[[int], Decoding]


class News(NamedTuple):
    """What became of a model that was being prepared, and a line for the performer."""

    word: Literal["ready", "failed"]
    text: str


class Deck:
    """One model, from the moment it is wanted to the end of its process."""

    def __init__(
        self, name: str, open_it: Callable[[], Decoding], since: float, gently: bool
    ) -> None:
        self.name = name
        self.since = since
        self.process: Decoding | None = None
        self._refusal: str | None = None
        self._open_it, self._gently = open_it, gently
        self._dismissed = False
        self._opener = threading.Thread(target=self._open, name=f"opening {name}", daemon=True)

    def open(self) -> None:
        """Start opening. Waits for nothing."""
        try:
            self._opener.start()
        except RuntimeError as error:  # no thread to be had
            self._refusal = f"{self.name}: cannot be opened ({error})"

    def _open(self) -> None:
        process = None
        try:
            process = self._open_it()
            process.start(self._gently)
            self.process = process
        except InstrumentError as error:
            self._refusal = str(error)
        finally:  # also when a bug ends this thread: nobody must wait for ever
            if self.process is None and self._refusal is None:
                self._refusal = f"{self.name}: cannot be opened"
        if self._dismissed and self.process is not None:  # it was, before the process was there
            self.process.dismiss()

    @property
    def news(self) -> News | None:
        """What became of it; None while it loads."""
        if self._refusal is not None:
            return News("failed", self._refusal)
        process = self.process
        if process is None:
            return None
        if process.state == "ready":
            return News("ready", f"{self.name}: ready")
        hopeless = process.decode_seconds == 0.0 and process.restarts >= _TRIES
        if process.state == "failed" or hopeless:
            text = process.message
            return News("failed", text if text.startswith(self.name) else f"{self.name}: {text}")
        return None

    @property
    def message(self) -> str:
        """One line on how it is."""
        if self._refusal is not None:
            return self._refusal
        return f"{self.name}: loading" if self.process is None else self.process.message

    @property
    def ended(self) -> bool:
        """Whether nothing of it is left."""
        gone = self.process is None or self.process.ended
        return gone and not self._opener.is_alive()

    def dismiss(self) -> None:
        """Begin to end it. Waits for nothing."""
        self._dismissed = True
        if self.process is not None:
            self.process.dismiss()

    def close(self) -> None:
        """End it, and wait until nothing of it is left."""
        self.dismiss()
        if self._opener.ident is not None:
            self._opener.join(_PATIENCE)
        if self.process is not None:
            self.process.close()


class Decks:
    """The open models by number, from 1. Use it as a context manager: model 1 loads meanwhile."""

    def __init__(self, names: Sequence[str], open_model: OpenModel, clock: Clock) -> None:
        self._names = names
        self._open_model = open_model
        self._clock = clock
        self._open: dict[int, Deck] = {}
        self._leaving: list[Deck] = []

    def __enter__(self) -> Self:
        self.follow((1,))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.follow(())
        for deck in self._leaving:
            deck.close()

    def follow(self, wanted: Iterable[int]) -> None:
        """Have exactly the models `wanted` open, or on their way. Waits for nothing."""
        numbers = set(wanted)
        for number in numbers - self._open.keys():
            open_it = functools.partial(self._open_model, number)
            self._open[number] = Deck(
                self.name(number), open_it, self._clock.now(), gently=bool(self._open)
            )
            self._open[number].open()
        self._leaving = [deck for deck in self._leaving if not deck.ended]
        for number in self._open.keys() - numbers:
            self._leaving.append(self._open.pop(number))
            self._leaving[-1].dismiss()

    def process(self, number: int) -> Decoding | None:
        """The process of a model; None until it has one."""
        deck = self._open.get(number)
        return None if deck is None else deck.process

    def news(self, number: int) -> News | None:
        """What became of a model that is wanted; None while it loads."""
        deck = self._open.get(number)
        return None if deck is None else deck.news

    def name(self, number: int) -> str:
        """What a model is called."""
        return self._names[number - 1]

    def seconds(self, number: int) -> float:
        """For how long a model has been wanted."""
        deck = self._open.get(number)
        return 0.0 if deck is None else self._clock.now() - deck.since

    def message(self, number: int) -> str:
        """One line on how a model is."""
        deck = self._open.get(number)
        return f"{self.name(number)}: not open" if deck is None else deck.message


class Rehearsal:
    """Stands in for `Decks` where nobody decodes: a model is ready as soon as it is asked for.

    `refuse` says why one cannot be played, or None.
    """

    def __init__(self, refuse: Callable[[int], str | None] | None = None) -> None:
        self._refuse = refuse

    def follow(self, wanted: Iterable[int]) -> None:
        """Nothing is opened."""

    def news(self, number: int) -> News | None:
        """Ready, or the reason why not."""
        reason = None if self._refuse is None else self._refuse(number)
        return News("ready", f"model {number}: ready") if reason is None else News("failed", reason)
