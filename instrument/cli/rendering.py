"""How a film is rendered: what it is made of is looked up, written down, and handed to the studio.

Everything that can be found wrong before torch is imported is. What shapes the frames goes into
the manifest; what only goes beside them (sound, timecode, chapters) does not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from instrument import __version__
from instrument.cli.film_options import FilmWishes, Presented
from instrument.cli.manners import Manner
from instrument.cli.painters import Playing, open_painters, painters_for
from instrument.cli.played import Played
from instrument.decoder.models import TestcardDetails
from instrument.decoder.protocol import Decoder
from instrument.studio.burn_in import burn_in
from instrument.studio.chunks import Job
from instrument.studio.codecs import Stills, choose
from instrument.studio.encode import open_film
from instrument.studio.extras import Extras
from instrument.studio.film import FilmWriter, Pixels, Size
from instrument.studio.finishing import Fine, FineFrames, Frames, PlainFrames, Stamp
from instrument.studio.render_manifest import Manifest, digest_of, usual_chunk
from instrument.studio.shutter import Exposure
from instrument.studio.workplace import Workplace, seal
from instrument.timebase import FrameRange

_USUAL_WORKERS = 8  # torch's threads share one interpreter: not measured beyond 2 cores
_WORTH_A_WORKER = 32  # frames: opening a decoder takes as long as decoding about as many


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

    def manifest(self, manner: Manner, there: Manifest | None) -> Manifest:
        """What is to be written down; what is `there` already goes on as it was begun."""
        painters, _ = painters_for(self.playing, self.presented, self.wishes.supersample)
        largest = max(manifest.size for manifest in painters.values())
        device, usual = _machine(painters, largest)
        if len(self.played.sequence.models) > 1:
            usual = 1  # rows beside those of the film may show a model that is not even here
        batch = manner.batch or (there.batch if there else usual)
        chunk = manner.chunk or (there.chunk if there and there.batch == batch else None)
        versions = {"instrument": __version__, "device": device}
        versions |= {name: version(name) for name in ("numpy", "pillow", "av", "torch")}
        return Manifest(
            self.rows, len(self.played.sequence), self.played.sequence.rate, self.size,
            batch, chunk or usual_chunk(self.size, batch), self._settings(), versions,
        )  # fmt: skip

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

    def job(self, work: Workplace, manifest: Manifest, workers: int) -> Job:
        """Open the models, `workers` times."""
        painters, factor = painters_for(self.playing, self.presented, self.wishes.supersample)
        sequence = self.played.sequence
        decoders = [open_painters(sequence, painters, self.presented) for _ in range(workers)]
        frames = [self._frames(decoder, factor, manifest.batch) for decoder in decoders]
        return Job(work, manifest, frames, self.open_chunk, decoders[0])

    def _frames(self, decoder: Decoder, factor: int, batch: int) -> Frames:
        rate = self.played.sequence.rate
        stamp = partial(burn_in, rate=rate) if self.wishes.recipe.label else None
        codec, quality = self.wishes.coded(self.out)
        depth = choose(self.out, self.size, codec, quality).depth
        if self.wishes.fine or depth > 8:
            dither = self.wishes.dither is not False
            fine = Fine(self.presented, self.exposure, factor, dither, 0, stamp)
            return FineFrames(self.played.held, decoder, fine, self.size, depth, batch)
        plain = _Stamped(self.played.held, decoder, self.presented)
        plain.stamp = stamp
        return plain


class _Stamped(PlainFrames):
    """Plain frames, each with the number of its row."""

    stamp: Stamp | None = None

    def finish(self, picture: Pixels, frame: int) -> Pixels:
        """See `Frames.finish`."""
        finished = super().finish(picture, frame)
        return self.stamp(finished, frame) if self.stamp else finished


def _machine(playing: Playing, size: Size) -> tuple[str, int]:
    """The device in words, and how many pictures are best decoded together."""
    if all(isinstance(manifest.details, TestcardDetails) for manifest in playing.values()):
        return "cpu", 1
    from instrument.decoder.machine import device_in_words, usual_batch  # torch

    return device_in_words(), usual_batch(size)


def workers_for(manifest: Manifest, wanted: int | None, frames: int) -> int:
    """How many decoders are opened for `frames` frames: as many as cores, unless somebody says."""
    if wanted is not None:
        return wanted
    if not manifest.versions["device"].startswith("cpu"):
        return 1  # a graphics card is kept busy by one
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, _USUAL_WORKERS, frames // _WORTH_A_WORKER))
