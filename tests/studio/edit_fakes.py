"""Timelines written by hand, and footage whose rows say which they are."""

from fractions import Fraction

import numpy as np

from instrument.latent.sequence import ZSequence
from instrument.latent.space import LatentSpec
from instrument.latent.trace import Origin
from instrument.studio.conform import Choices, Conformed, conform
from instrument.studio.footage import Source
from instrument.studio.retiming import Constant
from instrument.studio.timeline import Clip, Media, Timeline, Track
from instrument.timebase import FrameRange, FrameRate

RATE = FrameRate(30)
FREE = LatentSpec((4,))
SHELL = LatentSpec.shell(16)


def numbered(rows: int, first: int = 0, name: str = "a", rate: FrameRate = RATE, **more) -> Source:
    """Footage whose first number is `first` + its row; straight lines, so mixes are weights."""
    z = np.zeros((rows, 4), np.float32)
    z[:, 0] = first + np.arange(rows)
    z[:, 1] = 1.0
    return source_of(ZSequence(z, rate, FREE, **more), name)


def samples(rows: int, seed: int = 0, name: str = "a", spec: LatentSpec = SHELL, **more) -> Source:
    """Places on a shell that have nothing to do with one another."""
    z = np.random.default_rng(seed).normal(size=(rows, *spec.shape))
    z *= (spec.radius or 1.0) / np.linalg.norm(z, axis=-1, keepdims=True)
    return source_of(ZSequence(z.astype(np.float32), RATE, spec, **more), name)


def journey(rows: int, seed: int = 0, name: str = "a", turn: float = 0.02) -> Source:
    """A great circle of `turn` rad a row."""
    a, b = np.linalg.qr(np.random.default_rng(seed).normal(size=(16, 2)))[0].T
    at = np.arange(rows)[:, None] * turn
    z = (4.0 * (np.cos(at) * a + np.sin(at) * b)).astype(np.float32)
    return source_of(ZSequence(z, RATE, SHELL), name)


def source_of(sequence: ZSequence, name: str = "a") -> Source:
    return Source(sequence, Origin(f"{name}.npy", name * 8, len(sequence)), name)


def media(name: str = "a", **more) -> Media:
    return Media(name, (f"{name}.mp4",), **more)


def clip(of="a", start: int = 0, frames: range | int = 10, *, first: float = 0, speed=1, **more):
    """`of` a medium's name, a timeline, or None; over `frames` from `start` on."""
    record = FrameRange(start, start + frames)
    retiming = Constant(Fraction(first), RATE, Fraction(speed))
    what = media(of) if isinstance(of, str) else of
    return Clip(what, record, retiming, of if isinstance(of, str) else "", **more)


def ramp(n: int, frames: int) -> np.ndarray:
    """The weights of a dissolve over the first `frames` of `n`, the first pure outgoing."""
    return np.minimum(np.arange(n) / frames, 1.0)


def timeline(*tracks, length: int | None = None, rate: FrameRate = RATE, **more) -> Timeline:
    """Tracks of clips, the lowest first."""
    laid = tuple(
        Track(f"V{number}", tuple(track)) if not isinstance(track, Track) else track
        for number, track in enumerate(tracks, 1)
    )
    ends = [c.record.stop for track in laid for c in track.clips]
    return Timeline("edit", rate, laid, max(ends, default=0) if length is None else length, **more)


def conformed(edit: Timeline, *sources: Source, **choices) -> Conformed:
    """`edit`, with each medium found by its name."""
    names = {source.name: number for number, source in enumerate(sources)}
    found = {m: names[m.name] for m in edit.media()}
    return conform(edit, sources, found, Choices(**choices))


def indexes(made: Conformed) -> list[float]:
    """The numbers of `numbered` footage."""
    return [round(float(x), 4) for x in made.sequence.z[:, 0]]
