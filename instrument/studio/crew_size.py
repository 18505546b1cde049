"""How many workers make a film soonest: more are tried at its beginning, and kept if they do.

Whether two decoders are faster than one depends on the machine, the model, the size and on what
encoding leaves: so it is measured, by the frames that go into the film. Nobody waits for it; what
it costs is that a worker pauses for a moment. This module knows no processes.
"""

from __future__ import annotations

from instrument.timebase import Clock

WORTH_A_WORKER = 32  # frames: opening a decoder takes as long as decoding about as many
_FASTER = 0.97  # share of the seconds a frame took with fewer
_WINDOW, _LONGEST = 0.5, 3.0  # s that are measured: a hundredth of what is left, in between,
_BATCHES = 6  # and so many batches of every worker
_WORTH_MEASURING = 10.0  # s of film left: below, what is loaded works


class CrewSize:
    """How many of `most` workers to have, for `frames` frames in batches of `batch`.

    `loaded` workers are had, `at_work` of them get rows. With `fixed` it is as many from the
    beginning, and nothing is measured.
    """

    def __init__(
        self, most: int, frames: int, batch: int, clock: Clock, *, fixed: bool = False
    ) -> None:
        self._most = most
        self._frames = frames
        self._batch = batch
        self._clock = clock
        self._began = 0.0  # when the first frame was there: what comes before it is no measure
        self._done = 0
        self._ready = 0
        self._loading = 0.0  # s
        self._best: int | None = None
        self._seconds: dict[int, float] = {}  # a frame, by how many were at work
        self._next: int | None = 1  # how many are measured once all are open
        self._since: tuple[float, int] | None = None  # when the window began, frames before it
        self._settling = 0  # frames until it does
        self._window = _WINDOW
        self._decided = fixed or most == 1
        two = min(2, most) if frames >= 2 * WORTH_A_WORKER else 1
        # While the first opens its model another core would be idle, so the second may as well.
        self.loaded = most if fixed else two
        self.at_work = most if fixed else 1

    @property
    def decided(self) -> bool:
        """Whether nothing will change any more."""
        return self._decided

    def ready(self, workers: int, seconds: float) -> None:
        """Be told how many are open now, and how long the first of them took to."""
        self._ready, self._loading = workers, seconds

    def delivered(self, frames: int) -> None:
        """Be told that so many frames more are in the film."""
        if not self._done:
            self._began = self._clock.now()
        self._done += frames
        if self._decided:
            return
        if self._ready < self.loaded:  # whoever opens a model takes time from the others
            self._next, self._since = self._next or self.at_work, None
        elif self._next is not None:
            self._prepare(self._next)
        elif self._since is None:
            self._settling -= frames
            if self._settling <= 0:
                self._since = self._clock.now(), self._done
        else:
            seconds, made = self._clock.now() - self._since[0], self._done - self._since[1]
            if seconds >= self._window and made >= _BATCHES * self._batch * self.at_work:
                self._judge(seconds / made)

    def _prepare(self, size: int) -> None:
        if self._done <= 2 * self._batch:
            return  # nobody knows yet how long the film takes
        if not self._seconds and self._left() < _WORTH_MEASURING:
            self._decide(self.loaded)
            return
        self.at_work, self._next, self._since = size, None, None
        self._window = min(_LONGEST, max(_WINDOW, self._left() / 100))
        self._settling = 2 * size * self._batch  # of what is on its way already

    def limit(self, most: int) -> None:
        """There can be no more than `most`."""
        self._most = max(1, most)
        if self.loaded > self._most:
            self._decide(self._most)

    def _judge(self, seconds: float) -> None:
        """The window is over: with those at work a frame took so many `seconds`."""
        size = self.at_work
        self._seconds[size] = seconds
        if self._best is not None and seconds > self._seconds[self._best] * _FASTER:
            self._decide(self._best)
            return
        self._best = size
        more = min(2 * size, self._most)
        if more == size or (more > self.loaded and not self._worth(size, more)):
            self._decide(size)
        else:
            self.loaded, self._next = max(self.loaded, more), more

    def _worth(self, size: int, more: int) -> bool:
        """Whether `more` could save what opening them costs, and a good deal more."""
        return self._left() * (1 - size / more) > 2 * self._loading

    def _left(self) -> float:
        """Seconds that the rest of the film takes, as things go."""
        known = self._seconds.get(self._best or 0)
        if known is None:
            known = (self._clock.now() - self._began) / max(1, self._done - self._batch)
        return (self._frames - self._done) * known

    def _decide(self, size: int) -> None:
        self.loaded = self.at_work = size
        self._decided = True
