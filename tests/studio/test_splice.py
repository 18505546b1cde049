"""Films of parts: what is decoded is what was encoded, part by part, for every codec."""

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from studio_fakes import barcode

from instrument import InstrumentError
from instrument.frame import U8
from instrument.studio.codecs import Quality
from instrument.studio.encode import count_frames, open_film, read_frames
from instrument.studio.extras import NOTHING, Chapter, Extras
from instrument.studio.splice import splice
from instrument.timebase import FrameRate

NTSC = FrameRate(30000, 1001)
SIZE = (128, 256)
KINDS = [
    ("h264", 8, ".mp4"), ("h264", 10, ".mov"), ("h264", 8, ".mkv"),
    ("h265", 8, ".mp4"), ("h265", 10, ".mkv"), ("av1", 8, ".mp4"), ("av1", 10, ".mkv"),
    ("prores", 10, ".mov"), ("prores4444", 10, ".mov"), ("dnxhr", 8, ".mov"),
    ("dnxhr", 10, ".mov"), ("dnxhr444", 10, ".mov"), ("ffv1", 8, ".mkv"), ("ffv1", 16, ".mkv"),
    ("lossless", 8, ".mov"),
]  # fmt: skip


def picture(i: int) -> U8:
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    moving = np.stack([x + 5 * i, 2 * y + i, x * y // 64 - 3 * i], axis=-1) % 256
    return np.maximum(moving.astype(np.uint8) // 2, barcode(i, SIZE) // 4)


def parts_of(
    folder: Path, lengths: list[int], codec: str, depth: int, suffix: str, rate: FrameRate = NTSC
) -> list[tuple[Path, int]]:
    parts, start = [], 0
    quality = Quality(depth=depth, preset="veryfast")
    for length in lengths:
        path = folder / f"part-{start}{suffix}"
        with open_film(path, SIZE, rate, codec, quality, part=True) as film:
            for i in range(start, start + length):
                film.write(picture(i))
        parts.append((path, length))
        start += length
    return parts


@pytest.mark.parametrize(("codec", "depth", "suffix"), KINDS)
def test_what_was_encoded_is_what_is_seen(
    tmp_path: Path, codec: str, depth: int, suffix: str
) -> None:
    parts = parts_of(tmp_path, [9, 1, 2, 3, 8], codec, depth, suffix)
    out = tmp_path / f"film{suffix}"
    splice(parts, out, NTSC, NOTHING)
    apart = [frame for path, _ in parts for frame in read_frames(path)]
    joined = list(read_frames(out))
    assert len(joined) == 23
    for one, other in zip(apart, joined, strict=True):
        assert np.array_equal(one, other)
    with av.open(str(parts[0][0])) as part, av.open(str(out)) as film:
        a, b = part.streams.video[0], film.streams.video[0]
        for name in ("codec_tag", "pix_fmt", "colorspace", "color_range", "color_primaries",
                     "color_trc", "width", "height"):  # fmt: skip
            assert getattr(a.codec_context, name) == getattr(b.codec_context, name), name
        assert b.time_base is not None
        shown = [frame.pts * b.time_base * Fraction(30000, 1001) for frame in film.decode(video=0)]
        assert [round(time) for time in shown] == list(range(23))
        if suffix != ".mkv":
            assert shown == list(range(23))
            assert b.duration is not None and b.duration * b.time_base == Fraction(23 * 1001, 30000)


@pytest.mark.parametrize(("codec", "suffix"), [("h264", ".mp4"), ("h265", ".mp4"), ("av1", ".mp4"),
                                               ("ffv1", ".mkv"), ("prores", ".mov")])  # fmt: skip
def test_the_same_frames_are_the_same_bytes(tmp_path: Path, codec: str, suffix: str) -> None:
    seen = set()
    for name in "ab":
        (tmp_path / name).mkdir()
        parts = parts_of(tmp_path / name, [12, 7], codec, 10 if codec == "prores" else 8, suffix)
        splice(parts, tmp_path / name / f"film{suffix}", NTSC, NOTHING)
        seen.add(hashlib.sha256((tmp_path / name / f"film{suffix}").read_bytes()).hexdigest())
    assert len(seen) == 1


def test_timecode_and_chapters_are_those_of_the_film(tmp_path: Path) -> None:
    rate = FrameRate(25)
    parts = parts_of(tmp_path, [10, 15], "h264", 8, ".mov", rate)
    extras = Extras(None, "10:00:00:00", (Chapter(0, 5, "dawn"), Chapter(5, 25, "noon")))
    splice(parts, tmp_path / "film.mov", rate, extras)
    with av.open(str(tmp_path / "film.mov")) as film:
        assert [c["metadata"]["title"] for c in film.chapters()] == ["dawn", "noon"]
        assert film.streams.video[0].metadata["timecode"] == "10:00:00:00"
    assert count_frames(tmp_path / "film.mov") == 25


def test_parts_of_other_settings_are_refused(tmp_path: Path) -> None:
    a = parts_of(tmp_path, [4], "h264", 8, ".mp4")
    (tmp_path / "b").mkdir()
    b = parts_of(tmp_path / "b", [4], "h265", 8, ".mp4")
    out = tmp_path / "film.mp4"
    with pytest.raises(InstrumentError, match=r"part-0.mp4: was encoded with other settings"):
        splice([*a, *b], out, NTSC, NOTHING)
    assert not out.exists()
    assert not list(tmp_path.glob(".*"))


def test_a_part_that_is_short_torn_or_gone_is_named(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, [4, 4], "h264", 8, ".mp4")
    out = tmp_path / "film.mp4"
    with pytest.raises(InstrumentError, match=r"part-4.mp4: holds 4 frames, should hold 5"):
        splice([parts[0], (parts[1][0], 5)], out, NTSC, NOTHING)
    parts[1][0].write_bytes(b"no film at all")
    with pytest.raises(InstrumentError, match=r"part-4.mp4: is no part of a film"):
        splice(parts, out, NTSC, NOTHING)
    parts[1][0].unlink()
    with pytest.raises(InstrumentError, match=r"part-4.mp4: is missing"):
        splice(parts, out, NTSC, NOTHING)
    assert [path.name for path in tmp_path.iterdir()] == ["part-0.mp4"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, [4], "h264", 8, ".mp4")
    with pytest.raises(InstrumentError, match=r"nowhere.*film.mp4: cannot be written"):
        splice(parts, tmp_path / "nowhere" / "film.mp4", NTSC, NOTHING)


def test_a_replaced_film_is_whole(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, [3, 3], "lossless", 8, ".mov")
    out = tmp_path / "film.mov"
    out.write_bytes(b"what stood here before")
    splice(parts[:1], out, NTSC, NOTHING)
    splice(parts, out, NTSC, NOTHING)
    assert count_frames(out) == 6
