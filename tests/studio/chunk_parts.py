"""Renders in chunks of sequences whose pictures say which frame they are."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from studio_fakes import Barcodes, indexed

from instrument.latent.sequence import ZSequence
from instrument.studio.ahead import DecodeAhead
from instrument.studio.chunks import Job
from instrument.studio.encode import open_film
from instrument.studio.finishing import PlainFrames
from instrument.studio.render_manifest import Manifest, digest_of
from instrument.studio.shutter import Instant
from instrument.studio.workers import Crew, Here
from instrument.studio.workplace import Workplace
from instrument.timebase import FrameRange, FrameRate

SIZE = (32, 64)
RATE = FrameRate(30)


def manifest(
    total: int = 50, rows: FrameRange | None = None, batch: int = 1, chunk: int = 20, **more: Any
) -> Manifest:
    settings = {"codec": "lossless", "source": digest_of(indexed(total, RATE)), **more}
    rows = rows or FrameRange(0, total)
    return Manifest(rows, total, RATE, SIZE, batch, chunk, settings, {"torch": "none"})


def job(
    out: Path,
    what: Manifest,
    decoder: Callable[[], Any] = Barcodes,
    sequence: ZSequence | None = None,
    crew: Crew | None = None,
) -> Job:
    """A render by a `decoder` in this process, or by a `crew`."""
    sequence = sequence or indexed(what.total, RATE)
    codec = what.settings["codec"]
    begin = partial(open_film, size=SIZE, rate=RATE, codec=codec, part=True)
    crew = crew or Here(lambda: PlainFrames((), decoder(), None), what.batch)
    ahead = DecodeAhead(Instant(sequence), crew, what.total, "barcodes", what.batch)
    return Job(Workplace(out), what, ahead, begin)
