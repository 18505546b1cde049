"""A film beside its halves: bare decoding, bare encoding, and both as `render` does them.

Every round decodes some frames and does nothing else, encodes the same frames and does nothing
else, and renders them in chunks, with worker processes and all that makes a film safe: with one
worker, and with as many as there are cores. They take turns, in another order every round; all
processes are started before.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from instrument.bench.film_worker import RATE, walk
from instrument.bench.load import own_seconds
from instrument.decoder.child import decoding_environment, environment
from instrument.decoder.models import ModelManifest
from instrument.latent.sequence import ZSequence
from instrument.studio.ahead import DecodeAhead
from instrument.studio.assemble import assemble, complete
from instrument.studio.chunks import Job, Watch, render_chunks
from instrument.studio.crew import WorkerCrew
from instrument.studio.crew_size import CrewSize
from instrument.studio.encode import open_film
from instrument.studio.extras import NOTHING
from instrument.studio.film import Pixels
from instrument.studio.render_manifest import Manifest, usual_chunk
from instrument.studio.shutter import Instant
from instrument.studio.worker_process import Opening
from instrument.studio.worker_wire import Slots
from instrument.studio.workplace import Workplace
from instrument.timebase import FrameRange, WallClock

_MODULE = "instrument.bench.film_worker"


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of the wall, and of the processor; of them, on the wall, `tail` after the last frame.

    In the tail an encoder makes the frames that it looked ahead at (46 of H.264), and nothing is
    left to decode: it is no part of what a long film costs.
    """

    wall: float
    processor: float
    tail: float = 0.0


class Filming:
    """`frames` frames of a model, and processes that are ready for any number of rounds."""

    def __init__(self, model: ModelManifest, frames: int, workers: int, folder: Path) -> None:
        self._model, self._frames, self._folder = model, frames, folder
        self._sequence: ZSequence = walk(model, frames)
        height, width = self._size = model.size
        self._slots = Slots(1, (height, width, 3), np.dtype(np.uint8))
        self._opening = Opening(_MODULE, {"model": str(model.folder.absolute())}, model.name)
        self._workers, self._clock = workers, WallClock()
        self._crews: list[WorkerCrew] = []
        self._bare: list[_Bare] = []
        self._until_exit = ExitStack()
        self.start_up = 0.0  # s until one worker's first frame
        self._pictures: list[Pixels] = []

    def __enter__(self) -> Self:
        with ExitStack() as begun:  # whoever fails to begin leaves no process behind
            began = self._clock.now()
            self._crews = [begun.enter_context(self._begun(n)) for n in (1, self._workers)]
            for frame in self._made(self._crews[0]):
                self.start_up = self.start_up or self._clock.now() - began
                self._pictures.append(frame.copy())
            for _ in self._made(self._crews[1]):
                pass
            for variables in (decoding_environment(), environment()):
                bare = _Bare(self._model, self._frames, variables)
                begun.callback(bare.close)
                self._bare.append(bare)
                bare.decode()  # the first time is no measure
            self._until_exit = begun.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._until_exit.close()

    def round(self, number: int) -> dict[str, Spent]:
        """What each took: ``decode`` in a process with the environment of a worker, ``plain`` in
        one with nobody's, ``encode``, ``render`` with one worker, ``parallel`` with all."""
        what: dict[str, Callable[[], Spent]] = {
            "decode": self._bare[0].decode,
            "plain": self._bare[1].decode,
            "encode": partial(self._spent, self._encode),
            "render": partial(self._spent, partial(self._render, self._crews[0])),
            "parallel": partial(self._spent, partial(self._render, self._crews[1])),
        }
        names = sorted(what)
        turn = number % len(names)
        return {name: what[name]() for name in names[turn:] + names[:turn]}

    def _begun(self, workers: int) -> WorkerCrew:
        crew = WorkerCrew(self._opening, _tell)
        crew.begin(self._slots, CrewSize(workers, self._frames, 1, self._clock, fixed=True))
        return crew

    def _ahead(self, crew: WorkerCrew) -> DecodeAhead:
        return DecodeAhead(Instant(self._sequence), crew, self._frames, self._model.name, 1)

    def _made(self, crew: WorkerCrew) -> Iterator[Pixels]:
        return (frame for _, frame, _ in self._ahead(crew).frames([FrameRange(0, self._frames)]))

    def _encode(self) -> float:
        with open_film(self._folder / "bare.mp4", self._size, RATE) as film:
            for picture in self._pictures:
                film.write(picture)
        return 0.0

    def _render(self, crew: WorkerCrew) -> float:
        """A film, from z to the file; the seconds since its last frame."""
        rows = FrameRange(0, self._frames)
        chunk = usual_chunk(self._size, 1)
        manifest = Manifest(rows, self._frames, RATE, self._size, 1, chunk, {}, {})
        work = Workplace(self._folder / "film.mp4")
        begin = partial(open_film, size=self._size, rate=RATE, part=True)
        work.begin(manifest)
        last = [0.0]

        def see(row: int, frame: Pixels) -> None:
            last[0] = self._clock.now()

        job = Job(work, manifest, self._ahead(crew), begin)
        made = render_chunks(job, manifest.chunks, Watch(see=see))
        assemble(work, manifest, complete(work, manifest, made.records), NOTHING)
        return self._clock.now() - last[0]

    def _spent(self, what: Callable[[], float]) -> Spent:
        used, began = own_seconds(), self._clock.now()
        tail = what()
        return Spent(self._clock.now() - began, own_seconds() - used, tail)


class _Bare:
    """A process that decodes all frames whenever it is told to, and nothing else."""

    def __init__(self, model: ModelManifest, frames: int, variables: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULE, str(model.folder.absolute()), str(frames)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables, text=True,
        )  # fmt: skip

    def decode(self) -> Spent:
        """How long it took, by its own clocks."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        wall, processor = map(float, self._process.stdout.readline().split())
        return Spent(wall, processor)

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@dataclass(frozen=True, slots=True)
class Costs:
    """What rounds came to, for a film of `frames` frames and `workers` workers."""

    rounds: Sequence[dict[str, Spent]]
    frames: int
    workers: int

    @property
    def milliseconds(self) -> dict[str, float]:
        """Of the wall, a frame."""
        return {name: 1e3 * self._wall(name) / self.frames for name in self.rounds[0]}

    @property
    def processor_milliseconds(self) -> dict[str, float]:
        """Of all processors, a frame."""
        return {name: 1e3 * self._processor(name) / self.frames for name in self.rounds[0]}

    @property
    def overlaps(self) -> list[float]:
        """One worker's film against the slower half, round by round, without the tail."""
        return [
            (one["render"].wall - one["render"].tail) / max(one["decode"].wall, one["encode"].wall)
            for one in self.rounds
        ]

    @property
    def parallels(self) -> list[float]:
        """All workers' film against bare decoding, round by round, without the tail."""
        return [
            (one["parallel"].wall - one["parallel"].tail) / one["decode"].wall
            for one in self.rounds
        ]

    @property
    def at_best(self) -> tuple[float, float]:
        """What arithmetic allows both: no film is faster than its halves' work on all cores."""
        cores = os.cpu_count() or 1
        decode, encode = self._wall("decode"), self._wall("encode")
        both = (self._processor("decode") + self._processor("encode")) / cores
        slower = max(decode, encode)
        return max(slower, both) / slower, max(decode / self.workers, encode, both) / decode

    @property
    def overhead(self) -> float:
        """Processor time of one worker's film against that of its halves."""
        halves = self._processor("decode") + self._processor("encode")
        return self._processor("render") / halves

    def all_in(self, name: str, *halves: str) -> float:
        """The film called `name`, its tail included, against the slower of `halves`."""
        return self._wall(name) / max(map(self._wall, halves))

    def tail(self, name: str) -> float:
        """Seconds."""
        return statistics.median(one[name].tail for one in self.rounds)

    def _wall(self, name: str) -> float:
        return statistics.median(one[name].wall for one in self.rounds)

    def _processor(self, name: str) -> float:
        return statistics.median(one[name].processor for one in self.rounds)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
