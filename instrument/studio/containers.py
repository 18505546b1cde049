"""Containers: what MP4, QuickTime and Matroska are opened with, marked with and measured by.

This module knows no codecs and encodes nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer

from instrument import InstrumentError
from instrument.studio.extras import Extras, check_start
from instrument.timebase import FrameRate

MUXERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
_MILLISECOND = Fraction(1, 1000)
# Of an index: bytes that two runs of pictures have together, or they would be one; packets of
# sound a second; and what does not grow with the film.
_RUN = 1 << 20
_SOUND_PACKETS = 200
_HEADERS = 1 << 14


def add_marks(container: OutputContainer, extras: Extras, rate: FrameRate) -> None:
    """Write chapters and timecode into a container whose first packet is still to come."""
    if extras.start is not None:
        container.metadata["timecode"] = check_start(extras.start, rate)
    if extras.chapters:
        container.set_chapters(
            [
                {
                    "id": number, "start": chapter.start * rate.den, "end": chapter.stop * rate.den,
                    "time_base": Fraction(1, rate.num), "metadata": {"title": chapter.name},
                }
                for number, chapter in enumerate(extras.chapters, 1)
            ]
        )  # fmt: skip


def timing(
    suffix: str, rate: FrameRate, *, part: bool = False, room: int | None = None
) -> dict[str, str]:
    """What a container is opened with, so that it tells exact times, and the same ones each time.

    The index comes first, so that players and editors open the film at once: `room` bytes are kept
    free for it, or, where nobody knows how many it takes, everything is moved in the end. A `part`
    of a film is read once, by us: its index stays where it falls, at the end.
    """
    if suffix == ".mkv":
        return {"fflags": "+bitexact"}  # else it carries a number drawn by chance
    # The length of a film is kept in the movie's own ticks, by default of 1 ms, which holds
    # no NTSC length: both clocks tick whole fractions of a frame.
    ticks = rate.num
    while ticks < 10_000:
        ticks *= 2
    scales = {"video_track_timescale": str(ticks), "movie_timescale": str(ticks)}
    if part:
        return scales
    return {**scales, **({"movflags": "+faststart"} if room is None else {"moov_size": str(room)})}


def index_room(frames: int, bytes_: int, extras: Extras, rate: FrameRate) -> int:
    """How many bytes the index of a film of `frames` takes at most, if pictures take `bytes_`."""
    packets = runs = 0
    if extras.sound:  # pictures and sound lie in turns
        packets = frames + int(_SOUND_PACKETS * frames * rate.den / rate.num)
        runs = 2 * (frames + packets)
    runs += min(frames, bytes_ // (_RUN // 2) + 1)
    names = sum(len(chapter.name.encode()) for chapter in extras.chapters)
    marks = 2 * names + 200 * len(extras.chapters)
    return _HEADERS + 20 * frames + 20 * runs + 16 * packets + marks


def partial_of(path: Path) -> Path:
    """Where a film is written until it is whole: beside its place, under a name of this process."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """What a disk or a container says while the film at `path` is written, as one line."""
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        reason = error.strerror or error
        raise InstrumentError(f"{path}: cannot be written ({reason})") from error


def check_film(partial: Path, path: Path, frames: int, seconds: Fraction) -> None:
    """Raise InstrumentError unless the file holds `frames` that last `seconds`."""
    counted, lasts = measure(partial)
    # Matroska counts in milliseconds: there a length is right where it is as near as can be.
    exact = path.suffix.lower() != ".mkv"
    if counted != frames or lasts is None or abs(lasts - seconds) > (0 if exact else _MILLISECOND):
        raise InstrumentError(
            f"{path}: {frames} frames of {float(seconds):.6f} s were written, the file holds "
            f"{counted} of {float(lasts or 0):.6f} s"
        )


def measure(path: Path) -> tuple[int, Fraction | None]:
    """Frames and duration in seconds, from the packets alone."""
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        frames, end = 0, 0
        for packet in container.demux(stream):
            if packet.size:
                frames += 1
                end = max(end, (packet.pts or 0) + (packet.duration or 0))
        if stream.time_base is None:
            return frames, None
        return frames, (end if stream.duration is None else stream.duration) * stream.time_base
