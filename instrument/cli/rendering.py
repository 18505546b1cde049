"""How a film is rendered: what it is made of is looked up, written down, and handed to the studio.

Everything that can be found wrong before torch is imported is. What shapes the frames goes into
the manifest; what only goes beside them (sound, timecode, chapters) does not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from instrument import __version__
from instrument.cli.film_options import FilmWishes
from instrument.cli.manners import Manner
from instrument.cli.painters import Playing, painters_for
from instrument.cli.painting import Painting
from instrument.cli.played import Played
from instrument.cli.presented import Presented
from instrument.studio.ahead import DecodeAhead
from instrument.studio.chunks import Job
from instrument.studio.codecs import Stills, choose
from instrument.studio.crew_size import CrewSize
from instrument.studio.encode import open_film
from instrument.studio.extras import Extras
from instrument.studio.film import FilmWriter, Size, dtype_of
from instrument.studio.render_manifest import Manifest, digest_of, usual_chunk
from instrument.studio.shutter import Exposure
from instrument.studio.worker_process import Machine, Opening
from instrument.studio.worker_wire import Slots
from instrument.studio.workers import Crew, Here
from instrument.studio.workplace import Workplace, seal
from instrument.timebase import FrameRange, WallClock

_MOST_WORKERS = 16  # unless somebody says: each has the model in memory


@dataclass(frozen=True)
class Film:
    """A film that is to be made of `rows` of `played`, at `size` (height, width)."""

    out: Path
    played: Played
    rows: FrameRange
    playing: Playing
    wishes: FilmWishes
    size: Size
    extras: Extras

    @cached_property
    def presented(self) -> Presented:
        """The presenter."""
        return Presented((self.size[1], self.size[0]), self.wishes.fit, self.wishes.kernel)

    @cached_property
    def exposure(self) -> Exposure:
        """What the frames are exposed to."""
        return self.played.exposure(self.wishes.shutter)

    def try_disk(self) -> None:
        """Raise InstrumentError for what is wrong with the name, the codec or the disk."""
        self._opened(self.out, self.extras, part=False).abort()

    def open_chunk(self, path: Path) -> FilmWriter:
        """Begin the film of one chunk at `path`."""
        return self._opened(path, Extras(), part=True)

    def _opened(self, path: Path, extras: Extras, *, part: bool) -> FilmWriter:
        codec, quality = self.wishes.coded(self.out)
        chosen = choose(self.out, self.size, codec, quality)
        if isinstance(chosen, Stills):  # chunks of pictures are folders, which say nothing
            codec = chosen.suffix[1:]
        rate = self.played.sequence.rate
        return open_film(path, self.size, rate, codec, quality, extras, part=part)

    @cached_property
    def painting(self) -> Painting:
        """How its frames are painted."""
        wishes, sequence = self.wishes, self.played.sequence
        painters, factor = painters_for(self.playing, self.presented, wishes.supersample)
        codec, quality = wishes.coded(self.out)
        depth = choose(self.out, self.size, codec, quality).depth
        shutter = wishes.shutter
        return Painting(
            painters, self.presented, sequence.spec, sequence.model.sha256, sequence.addresses,
            depth, wishes.fine or depth > 8, shutter.samples if shutter else 1, factor,
            wishes.dither is not False, sequence.rate if wishes.recipe.label else None,
        )  # fmt: skip

    @property
    def opening(self) -> Opening:
        """A process that paints them."""
        return Opening("instrument.cli.film_worker", self.painting.to_json(), self.painting.name)

    def prepare(self) -> None:
        """Do what of `manifest` takes a while, and needs no machine."""
        _ = self._settings

    def manifest(self, manner: Manner, there: Manifest | None, machine: Machine) -> Manifest:
        """What is to be written down; what is `there` already goes on as it was begun."""
        usual = machine.batch
        if len(self.played.sequence.models) > 1:
            usual = 1  # rows beside those of the film may show a model that is not even here
        batch = manner.batch or (there.batch if there else usual)
        chunk = manner.chunk or (there.chunk if there and there.batch == batch else None)
        versions = {"instrument": __version__, "device": machine.device}
        versions |= {name: version(name) for name in ("numpy", "pillow", "av", "torch")}
        return Manifest(
            self.rows, len(self.played.sequence), self.played.sequence.rate, self.size,
            batch, chunk or usual_chunk(self.size, batch), self._settings, versions,
        )  # fmt: skip

    @cached_property
    def _settings(self) -> dict[str, Any]:
        wishes = self.wishes
        codec, quality = wishes.coded(self.out)
        chosen = choose(self.out, self.size, codec, quality)
        coded: dict[str, Any] = {"codec": chosen.suffix[1:]} if isinstance(chosen, Stills) else {
            "codec": chosen.name, "range": chosen.range, "crf": quality.crf,
            "encoder preset": quality.preset, "keyframe every": quality.keyframe_every,
        }  # fmt: skip
        record, shutter = self.played.record, wishes.shutter
        return {
            **coded,
            "name": self.out.name,
            "depth": chosen.depth,
            "source": digest_of(self.played.sequence),
            # Between its rows a take is what its events make of it.
            "take": seal(record.path)[1] if record and shutter else None,
            "models": {str(n): [m.name, m.sha256] for n, m in sorted(self.playing.items())},
            "fit": wishes.fit,
            "upscale": wishes.kernel,
            "supersample": wishes.supersample,
            "blur": [shutter.angle, shutter.samples] if shutter else None,
            "fine": wishes.fine or chosen.depth > 8,
            "dither": wishes.dither is not False,
            "label": wishes.recipe.label,
        }

    def slots(self, manifest: Manifest) -> Slots:
        """Its frames, as they come from worker processes."""
        return Slots(manifest.batch, (*self.size, 3), dtype_of(self.painting.depth))

    def job(self, work: Workplace, manifest: Manifest, crew: Crew | None = None) -> Job:
        """The render, by a `crew` of processes; else by this very one, which opens the models."""
        batch = manifest.batch
        crew = crew or Here(lambda: self.painting.open(batch), batch)
        ahead = DecodeAhead(self.exposure, crew, manifest.total, self.painting.name, batch)
        return Job(work, manifest, ahead, self.open_chunk)


def machine_here(painting: Painting) -> Machine:
    """What this very process computes with; torch is imported for it."""
    return Machine(*painting.machine())


def size_for(manifest: Manifest, wanted: int | None, frames: int) -> CrewSize:
    """How many workers make `frames` frames: what is best is measured, unless somebody says."""
    clock, batch = WallClock(), manifest.batch
    if wanted is not None:
        return CrewSize(wanted, frames, batch, clock, fixed=True)
    if not manifest.versions["device"].startswith("cpu"):
        return CrewSize(1, frames, batch, clock)  # a graphics card is kept busy by one
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return CrewSize(max(1, min(cores or 1, _MOST_WORKERS)), frames, batch, clock)
