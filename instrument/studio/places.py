"""How editors name files and rates, and what they mean. Opens nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from instrument import InstrumentError
from instrument.timebase import FrameRate

NTSC = tuple(FrameRate(nominal * 1000, 1001) for nominal in (24, 30, 48, 60, 120))
_NEAR = Fraction(1, 200)  # 23.98 is out by 0.004
_URL = re.compile(r"file:(//(localhost)?)?(?P<path>/?[^?#]*)", re.IGNORECASE)
_SOUND = ("wav", "aif", "aiff", "mp3", "m4a", "aac", "flac", "ogg", "opus")
_STILL = ("png", "jpg", "jpeg", "tif", "tiff", "psd", "svg", "gif", "bmp", "webp", "exr")
_NUMBERED = re.compile(r"(\d{3}|\]|%\d*d|#)\.\w+$")
_DRIVE = re.compile(r"/[A-Za-z]:[/\\]")


def places_of(*names: str | None) -> tuple[str, ...]:
    """All paths that `names`, URLs or paths, can mean, each once, in their order."""
    found: dict[str, None] = {}
    for name in names:
        for place in _meanings((name or "").strip()):
            found.setdefault(place)
    return tuple(found)


def _meanings(name: str) -> Iterator[str]:
    if not name or "\0" in name:
        return
    match = _URL.match(name)
    path = match["path"] if match else name
    decoded = unquote(path, errors="replace")
    for place in (decoded, path):  # some editors write a path into a URL as it is
        yield place[1:] if _DRIVE.match(place) else place


def stem_of(*names: str | None) -> str:
    """The last part of the first of `names` that says something, as people call it."""
    for place in places_of(*names):
        if last := re.split(r"[/\\]", place.rstrip("/\\"))[-1]:
            return last
    return ""


def kind_of(*names: str | None) -> Literal["film", "still", "sound"]:
    """What a file of these names holds, as far as the first of them tells."""
    _, dot, suffix = stem_of(*names).rpartition(".")
    if dot and suffix.lower() in _SOUND:
        return "sound"
    # A number, or a place for one, at its end: the first of many pictures.
    numbered = any(_NUMBERED.search(place) for place in places_of(*names))
    return "still" if dot and suffix.lower() in _STILL and not numbered else "film"


@lru_cache(maxsize=256)  # a file has a few, and asks a hundred thousand times
def rate_of(number: float | Fraction) -> FrameRate:
    """The rate that a decimal means: 29.97 is 30000/1001. Raises InstrumentError."""
    if not (math.isfinite(number) and 0 < number < 1_000_000):
        raise InstrumentError(f"frame rate {number}: must be above 0")
    exact = Fraction(number).limit_denominator(1001)
    whole = exact.denominator == 1
    for rate in NTSC:
        if not whole and abs(Fraction(rate.num, rate.den) - exact) < _NEAR:
            return rate
    return FrameRate(exact.numerator, exact.denominator)


def nominal(rate: FrameRate) -> int:
    """The frames a second that timecode counts with."""
    return -(-rate.num // rate.den)


def is_ntsc(rate: FrameRate) -> bool:
    """Whether timecode may drop numbers at `rate`."""
    return rate.den == 1001 and nominal(rate) % 30 == 0


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors raised within name the file `path`."""
    try:
        yield
    except InstrumentError as error:
        if str(error).startswith(str(path)):
            raise
        raise InstrumentError(f"{path}: {error}") from error


def read_bounded(path: Path, largest: int) -> bytes:
    """All of a file of at most `largest` bytes. Raises InstrumentError naming it."""
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such file") from None
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise InstrumentError(f"{str(path)!r}: cannot be read ({error})") from error
    if len(data) > largest:
        raise InstrumentError(f"{path}: larger than {largest >> 20} MiB")
    return data
