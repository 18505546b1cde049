"""A film from beginning to end, or a part of it: chunks, assembly, and what is said meanwhile."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrument import InstrumentError
from instrument.cli.console import say
from instrument.cli.film_sheet import write_sheet
from instrument.cli.manners import Manner
from instrument.cli.rendering import Film, size_for
from instrument.cli.stopping import stopping
from instrument.cli.watching import event, watching
from instrument.latent.arrays import write_atomically
from instrument.latent.sequence import ModelReference
from instrument.studio.assemble import Records, assemble, complete, pictures_sha256, verify
from instrument.studio.chunks import Job, Stopped, Tally, render_chunks
from instrument.studio.crew import WorkerCrew
from instrument.studio.crew_size import CrewSize
from instrument.studio.disk_room import Forecast
from instrument.studio.encode import count_frames
from instrument.studio.render import RenderReport
from instrument.studio.render_manifest import Manifest
from instrument.studio.workplace import Workplace
from instrument.timebase import FrameRange, WallClock


@dataclass(frozen=True, slots=True)
class Showing:
    """What is shown while it goes: `events` on stdout, the newest frame as a `preview`.

    `hashes` is where all frames are listed in the end.
    """

    events: bool = False
    preview: Path | None = None
    hashes: Path | None = None
    openjd: bool = False


QUIET = Showing()
# Makes the chunks of a film elsewhere: (place, manifest, what is shown, whether room is spared).
Farming = Callable[[Workplace, Manifest, Showing, bool], Tally]


@dataclass(frozen=True, slots=True)
class Made(RenderReport):
    """A `RenderReport` of a film, or of a part, with what is known of its chunks.

    `kept` frames had been rendered before. `pictures_sha256` is one number for all frames; empty
    where the film had been assembled before.
    """

    kept: int = 0
    batch: int = 1
    chunk: int = 1
    workers: int = 1
    pictures_sha256: str = ""
    part: FrameRange | None = None

    def to_json(self) -> dict[str, Any]:
        """The machine-readable summary."""
        part = {} if self.part is None else {"part": [self.part.start, self.part.stop]}
        return {
            **RenderReport.to_json(self), "kept": self.kept, "batch": self.batch,
            "chunk": self.chunk, "workers": self.workers,
            "pictures_sha256": self.pictures_sha256, **part,
        }  # fmt: skip

    def in_words(self) -> str:
        """The line for people."""
        kept = f", {self.kept} of them were there" if self.kept else ""
        if self.part is not None:
            rows = f"{self.part.start}:{self.part.stop}"
            return f"part   {rows} of {self.path}  ({self.frames} frames{kept})"
        long = f"{self.frames} frames at {self.rate} /s, {self.seconds:.2f} s{kept}"
        return f"film   {self.path}  ({long})"


def make(
    film: Film, asked: FrameRange, manner: Manner, showing: Showing, sheet: Path | None,
    farm: Farming | None = None,
) -> Made:  # fmt: skip
    """Render `film`, or the part `asked` for, here or on a `farm`; or assemble it."""
    work = Workplace(film.out)
    if manner.restart:
        work.discard()
    film.try_disk()  # before torch is imported: that takes a while
    with WorkerCrew(film.opening, say) as crew:
        crew.start()
        return _made(film, asked, manner, showing, sheet, farm, work, crew)


def _made(
    film: Film, asked: FrameRange, manner: Manner, showing: Showing, sheet: Path | None,
    farm: Farming | None, work: Workplace, crew: WorkerCrew,
) -> Made:  # fmt: skip
    there = work.read()
    film.prepare()  # while torch is imported
    manifest = film.manifest(manner, there, crew.machine())
    if manner.assemble and there is None:
        return _assembled_before(film, manifest)
    wanted = manifest.chunks_of(asked) if manner.part else manifest.chunks
    going_on = work.begin(manifest)
    making = _Making(film, film.job(work, manifest, crew), manner, showing, crew)
    try:
        if manner.assemble:
            tally = Tally()
        else:
            if going_on and not manner.part:
                say(f"going on with the render of {film.out} that is in {work.folder.name}")
            there_too = farm and farm(work, manifest, showing, manner.spare)
            tally = there_too or making.render(wanted)
        if manner.part:
            return making.report(tally, pictures_sha256(tally.records), asked, asked)
        return making.finish(tally, sheet)
    except (Stopped, KeyboardInterrupt) as stop:
        raise _stopped(stop, work, showing) from None
    finally:
        if not manner.part and not manner.assemble:
            work.discard_if_empty()


class _Making:
    """One run of the command; models are opened when frames are made."""

    def __init__(
        self, film: Film, job: Job, manner: Manner, showing: Showing, crew: WorkerCrew
    ) -> None:
        self._film = film
        self._job = job
        self._manner = manner
        self._showing = showing
        self._crew = crew
        self._clock = WallClock()
        self._began = self._clock.now()

    def render(self, wanted: Sequence[FrameRange]) -> Tally:
        total = sum(map(len, wanted))
        work, manifest = self._job.work, self._job.manifest
        missing = sum(len(c) for c in wanted if not work.record_of(c).exists())
        self._begin(size_for(manifest, self._manner.workers, missing))
        forecast = Forecast(work.out, total, total - missing, say, spare=self._manner.spare)
        if self._showing.events:
            event("start", frames=total, kept=total - missing, chunks=len(wanted))
        with (
            stopping("this chunk") as stop,
            watching(
                total, f"rendering {self._film.out.name}", stop,
                events=self._showing.events, preview=self._showing.preview,
                openjd=self._showing.openjd, forecast=forecast,
            ) as watch,
        ):  # fmt: skip
            return render_chunks(self._job, wanted, watch)

    def finish(self, tally: Tally, sheet: Path | None) -> Made:
        film, job = self._film, self._job
        manifest = job.manifest
        records = complete(job.work, manifest, tally.records)
        if not self._crew.begun:
            self._begin(size_for(manifest, 1, 0))
        found = {chunk: record for chunk, record in records.items() if chunk not in tally.made}
        if found:
            verify(manifest, found, job.ahead)
        if self._showing.hashes:
            _write_hashes(self._showing.hashes, manifest, records)
        if sheet is not None:
            write_sheet(sheet, film.rows, job.ahead, film.size, manifest.rate)
        pictures = assemble(job.work, manifest, records, film.extras, spare=self._manner.spare)
        return self.report(tally, pictures, film.rows, None)

    def _begin(self, size: CrewSize) -> None:
        self._crew.begin(self._film.slots(self._job.manifest), size)

    def report(
        self, tally: Tally, pictures: str, rows: FrameRange, part: FrameRange | None
    ) -> Made:
        """`pictures` is the one SHA-256 for all of them."""
        manifest = self._job.manifest
        rate = manifest.rate
        reference = _reference(self._film)
        return Made(
            self._film.out, len(rows), rate.time_of(len(rows)), manifest.size, rate, reference,
            self._clock.now() - self._began, tally.decode_seconds, tally.encode_seconds,
            len(rows) - tally.rendered, manifest.batch, manifest.chunk,
            self._crew.at_work, pictures, part,
        )  # fmt: skip


def _reference(film: Film) -> ModelReference:
    """The model of the film; of several, those of their names and the first one's weights."""
    names = " + ".join(manifest.name for manifest in film.playing.values())
    first = next(iter(film.playing.values()))
    several = len(film.playing) > 1
    return ModelReference(names, film.played.sequence.model.sha256 if several else first.sha256)


def _assembled_before(film: Film, manifest: Manifest) -> Made:
    """What to say where there are no chunks, since the film is there."""
    out, frames = film.out, len(manifest.rows)
    if not out.exists() or count_frames(out) != frames:
        raise InstrumentError(f"{out}: nothing to assemble; render its parts first, with --part")
    return Made(
        out, frames, manifest.rate.time_of(frames), manifest.size, manifest.rate, _reference(film),
        0.0, 0.0, 0.0, frames, manifest.batch, manifest.chunk, 0,
    )  # fmt: skip


def _write_hashes(path: Path, manifest: Manifest, records: Records) -> None:
    fields = {**manifest.to_json(), "pictures_sha256": pictures_sha256(records)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as file:
        # Chunk by chunk: there may be millions.
        file.write(json.dumps(fields, indent=1).removesuffix("\n}").encode())
        file.write(b',\n "pictures": [')
        for number, record in enumerate(records.values()):
            listed = ",\n".join(f'  "{picture}"' for picture in record.pictures)
            file.write(f"{',' if number else ''}\n{listed}".encode())
        file.write(b"\n ]\n}\n")


def _stopped(stop: BaseException, work: Workplace, showing: Showing) -> SystemExit:
    """Say how to go on; the exit status shells expect of who was interrupted."""
    chunks = len(list(work.chunks.glob("*.json")))
    if showing.events:
        event("stopped", chunks=chunks)
    if chunks:
        what = str(stop) or "stopped at once"
        say(f"{what}; {chunks} chunks are kept. To go on:\n{_again()}")
    else:
        say("stopped before a chunk was finished: nothing is kept")
    return SystemExit(128 + signal.SIGINT)


def _again() -> str:
    """The command that was given, without what would undo it."""
    return shlex.join(["instrument", *(w for w in sys.argv[1:] if w != "--restart")])
