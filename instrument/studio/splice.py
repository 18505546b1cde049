"""Parts of a film → the film, packet by packet: nothing is decoded, nothing encoded again.

Every part was encoded by itself and begins with a keyframe, so parts made with the same settings
lie side by side. Sound, timecode and chapters come in here, over the whole length. This module
knows how parts are joined, not what makes a film complete: that is `assemble`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from instrument import InstrumentError
from instrument.studio.containers import (
    MUXERS,
    add_marks,
    check_film,
    disk_errors,
    index_room,
    partial_of,
    timing,
)
from instrument.studio.extras import Extras
from instrument.studio.sound import SoundTrack
from instrument.timebase import FrameRate


def _nothing(_: Path) -> None:
    """Nobody wants to know."""


def splice(
    parts: Sequence[tuple[Path, int]], out: Path, rate: FrameRate, extras: Extras,
    partial: Path | None = None, done: Callable[[Path], None] = _nothing,
) -> None:  # fmt: skip
    """Make the film at `out` of `parts`, each a file and how many frames it holds.

    The film appears when it is whole: its frames were counted and its length is exact. Until then
    it is called `partial`, which lies on the same disk. Whoever is `done` with a part is told: all
    of it has been read. Raises InstrumentError naming a part that is not what it should be, or the
    film when the disk says no.
    """
    partial = partial or partial_of(out)
    frames = sum(count for _, count in parts)
    try:
        with disk_errors(out):
            partial.touch()
        # How late decoding may begin is one number for a film, and short parts know only their own.
        delay = max(_delay(path, rate) for path, _ in parts)
        with disk_errors(out):
            size = sum(path.stat().st_size for path, _ in parts)
            timed = timing(out.suffix.lower(), rate, room=index_room(frames, size, extras, rate))
            _write(_Film(partial, out.suffix.lower(), rate, timed), parts, extras, delay, done)
            check_film(partial, out, frames, Fraction(frames * rate.den, rate.num))
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(out)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Film:
    """A file that becomes the film, and what its container is opened with."""

    path: Path
    suffix: str
    rate: FrameRate
    options: dict[str, str]


def _write(
    film: _Film, parts: Sequence[tuple[Path, int]], extras: Extras, delay: int,
    done: Callable[[Path], None],
) -> None:  # fmt: skip
    rate, suffix = film.rate, film.suffix
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(_opened(parts[0][0])).streams.video[0]
        container = stack.enter_context(
            av.open(str(film.path), "w", format=MUXERS[suffix], container_options=film.options)
        )
        stream = container.add_stream_from_template(model, opaque=True)  # a decoder is not asked
        if suffix != ".mkv":
            stream.codec_context.codec_tag = model.codec_context.codec_tag
        stream.codec_context.framerate = Fraction(rate.num, rate.den)  # the last one lasts, too
        stream.time_base = Fraction(rate.den, rate.num)
        add_marks(container, extras, rate)
        sound = SoundTrack(extras.sound, container, suffix, rate) if extras.sound else None
        if sound:
            stack.callback(sound.close)
        for number, packet in enumerate(_packets(parts, rate, model, done)):
            packet.stream, packet.dts = stream, number - delay
            container.mux(packet)
            if sound:
                sound.reach(number + 1)
        if sound:
            sound.finish()


def _packets(
    parts: Iterable[tuple[Path, int]],
    rate: FrameRate,
    model: VideoStream,
    done: Callable[[Path], None],
) -> Iterator[Packet[VideoStream]]:
    """The packets of all parts in the order of decoding, each at its frame of the film."""
    start = 0
    for path, count in parts:
        with _opened(path) as part:
            if part.streams.video[0].codec_context.extradata != model.codec_context.extradata:
                raise InstrumentError(f"{path}: was encoded with other settings than the first")
            shown = set()
            for packet, frame in _frames(part, rate):
                shown.add(frame)
                packet.pts, packet.duration = start + frame, 1
                packet.time_base = Fraction(rate.den, rate.num)
                yield packet
        if shown != set(range(count)):
            raise InstrumentError(f"{path}: holds {len(shown)} frames, should hold {count}")
        start += count
        done(path)


def _delay(path: Path, rate: FrameRate) -> int:
    """By how many frames decoding runs ahead of showing."""
    with _opened(path) as part:
        frames = enumerate(frame for _, frame in _frames(part, rate))
        return max((number - frame for number, frame in frames), default=0)


def _frames(part: InputContainer, rate: FrameRate) -> Iterator[tuple[Packet[VideoStream], int]]:
    """Every packet and which frame of its part it shows."""
    stream = part.streams.video[0]
    assert stream.time_base is not None
    per_tick = stream.time_base * Fraction(rate.num, rate.den)
    for packet in part.demux(stream):
        if packet.size:
            yield packet, round((packet.pts or 0) * per_tick)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise InstrumentError(f"{path}: is no part of a film (holds no pictures)")
            yield container
    except FileNotFoundError:
        raise InstrumentError(f"{path}: is missing") from None
    except (av.InvalidDataError, av.PatchWelcomeError) as error:
        raise InstrumentError(f"{path}: is no part of a film ({error})") from error
