"""Films of parts: what is decoded is what was encoded, part by part, for every codec."""

import hashlib
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from studio_fakes import barcode

from instrument import InstrumentError
from instrument.frame import U8
from instrument.studio.codecs import Quality
from instrument.studio.containers import index_room
from instrument.studio.encode import count_frames, open_film, read_frames
from instrument.studio.extras import NOTHING, Chapter, Extras, Sound
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


def boxes(path: Path) -> dict[str, tuple[int, int]]:
    """Where the boxes of an MP4 or MOV lie, by name: start and length."""
    data, at, found = path.read_bytes(), 0, {}
    while at < len(data):
        length = int.from_bytes(data[at : at + 4])
        name = data[at + 4 : at + 8].decode("latin-1")
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16])
        found.setdefault(name, (at, length))
        at += length
    return found


def tone(path: Path, seconds: float, channels: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(48000)
        count = int(seconds * 48000)
        sound = (8000 * np.sin(np.arange(count) / 17)).astype("<i2")
        file.writeframes(np.repeat(sound[:, None], channels, axis=1).tobytes())
    return path


@pytest.mark.parametrize("sound", [False, True])
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("h264", ".mp4"), ("h264", ".mov"), ("h265", ".mp4"), ("av1", ".mp4"), ("prores", ".mov"),
     ("lossless", ".mov"), ("dnxhr", ".mov")],
)  # fmt: skip
def test_the_index_comes_first_in_the_room_that_was_kept(
    tmp_path: Path, codec: str, suffix: str, sound: bool
) -> None:
    parts = parts_of(tmp_path, [40, 25, 60], codec, 10 if codec == "prores" else 8, suffix)
    chapters = tuple(Chapter(n, n + 1, f"part {n} " + "äß" * 60) for n in range(124))
    extras = Extras(
        Sound(tone(tmp_path / "tone.wav", 6)) if sound else None, "01:00:00:00", chapters
    )
    out = tmp_path / f"film{suffix}"
    splice(parts, out, NTSC, extras)
    found = boxes(out)
    assert found["moov"][0] < found["free"][0] < found["mdat"][0]
    assert found["moov"][1] + found["free"][1] == index_room(
        125, sum(path.stat().st_size for path, _ in parts), extras, NTSC
    )
    assert count_frames(out) == 125


@pytest.mark.parametrize("largest", [300, 300_000, 700_000, 2_000_000])
def test_the_room_is_enough_whatever_frames_weigh(tmp_path: Path, largest: int) -> None:
    """Packets of any size, as of a 4K film: the index of a thousand frames fits."""
    chance = np.random.Generator(np.random.Philox(largest))
    sizes = chance.integers(1, largest + 1, 1000 if largest < 1000 else 150)
    path = tmp_path / "film.mp4"
    room = index_room(len(sizes), int(sizes.sum()), NOTHING, NTSC)
    with av.open(str(path), "w", format="mp4", options={"moov_size": str(room)}) as container:
        stream = container.add_stream("libx264", rate=Fraction(30000, 1001))
        stream.width, stream.height = 64, 64
        for number, size in enumerate(sizes.tolist()):
            packet = av.Packet(size)
            packet.stream, packet.time_base = stream, Fraction(1001, 30000)
            packet.dts = number
            packet.pts = number + int(chance.integers(0, 4))  # no two alike: no entry is shared
            container.mux(packet)
    found = boxes(path)
    assert found["moov"][1] + found["free"][1] == room
    assert found["moov"][1] > len(sizes) * 6  # nearly each has entries of its own


def test_whoever_is_done_with_a_part_is_told(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, [5, 4, 6], "h264", 8, ".mp4")
    splice(parts, tmp_path / "whole.mp4", NTSC, NOTHING)
    told = []

    def done(path: Path) -> None:
        told.append(path)
        path.unlink()

    splice(parts, tmp_path / "spare.mp4", NTSC, NOTHING, tmp_path / "x.part", done)
    assert told == [path for path, _ in parts]
    assert (tmp_path / "spare.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert not (tmp_path / "x.part").exists()
