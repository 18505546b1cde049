"""Films hold every frame, at its exact time, in its true colours, or are not there at all."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from studio_fakes import RATE_NAMES, RATES, barcode, read_barcode

from instrument import InstrumentError
from instrument.studio import containers
from instrument.studio.encode import Quality, count_frames, open_film, read_frames
from instrument.timebase import FrameRate

SIZE = (32, 64)
TARGETS = [("film.mp4", None), ("film.mov", "h264"), ("film.mov", "prores"),
           ("film.mov", "lossless"), ("film", "png"), ("film.%05d.png", None)]  # fmt: skip
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255),
           (255, 255, 255), (0, 0, 0), (200, 30, 90), (128, 128, 128)]  # fmt: skip


def make(path: Path, count: int, rate: FrameRate = RATES[2], codec: str | None = None) -> None:
    with open_film(path, SIZE, rate, codec) as film:
        for index in range(count):
            film.write(barcode(index, SIZE))


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("rate", RATES, ids=RATE_NAMES)
@pytest.mark.parametrize("name", ["film.mp4", "film.mov"])
def test_every_frame_is_there_at_its_exact_time(tmp_path: Path, rate: FrameRate, name: str) -> None:
    make(tmp_path / name, 61, rate)
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(rate.num, rate.den)
        assert stream.duration is not None
        assert stream.time_base is not None
        assert stream.duration * stream.time_base == Fraction(61 * rate.den, rate.num)
        times = [(frame.pts or 0) * stream.time_base for frame in container.decode(stream)]
    assert times == [Fraction(i * rate.den, rate.num) for i in range(61)]
    assert count_frames(tmp_path / name) == 61
    assert names(tmp_path) == [name]


@pytest.mark.parametrize(("name", "codec"), TARGETS)
@pytest.mark.parametrize("count", [1, 2, 40])
def test_frame_i_is_picture_i(tmp_path: Path, name: str, codec: str | None, count: int) -> None:
    make(tmp_path / name, count, codec=codec)
    assert [read_barcode(p) for p in read_frames(tmp_path / name)] == list(range(count))
    assert count_frames(tmp_path / name) == count


@pytest.mark.parametrize(("name", "codec"), TARGETS)
def test_colours_come_back(tmp_path: Path, name: str, codec: str | None) -> None:
    with open_film(tmp_path / name, (32, 32), FrameRate(30), codec, Quality(crf=4)) as film:
        for colour in COLOURS:
            film.write(np.full((32, 32, 3), colour, np.uint8))
    for colour, picture in zip(COLOURS, read_frames(tmp_path / name), strict=True):
        assert np.abs(picture.astype(int) - colour).max() <= 4, colour


def test_the_matrix_is_the_one_the_tags_promise(tmp_path: Path) -> None:
    with open_film(tmp_path / "film.mp4", (32, 32), FrameRate(30), quality=Quality(crf=1)) as film:
        film.write(np.full((32, 32, 3), (0, 255, 0), np.uint8))
    with av.open(str(tmp_path / "film.mp4")) as container:
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc)
        assert (*tags, context.color_range) == (1, 1, 1, 1)  # BT.709 thrice, limited range
        picture = next(container.decode(video=0))
        assert (picture.colorspace, picture.color_range) == (1, 1)
        y, u, v = (bytes(plane)[5] for plane in picture.planes)
    # Green by ITU-R BT.709, limited range; BT.601 would give 145, 54, 34.
    assert np.abs(np.subtract((y, u, v), (173, 42, 26))).max() <= 2


@pytest.mark.parametrize("codec", ["prores", "lossless"])
def test_other_codecs_are_tagged_too(tmp_path: Path, codec: str) -> None:
    make(tmp_path / "film.mov", 3, codec=codec)
    with av.open(str(tmp_path / "film.mov")) as container:
        picture = next(container.decode(video=0))
    assert picture.colorspace == (0 if codec == "lossless" else 1)
    assert (picture.color_primaries, picture.color_trc) == (1, 1)


@pytest.mark.parametrize("target", [("film.mov", "lossless"), ("film", None)])
def test_lossless_is_exact(tmp_path: Path, target: tuple[str, str | None]) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (8, 33, 47, 3), np.uint8)
    with open_film(tmp_path / target[0], (33, 47), RATES[0], target[1]) as film:
        for picture in noise:
            film.write(picture)
    assert np.array_equal(np.stack(list(read_frames(tmp_path / target[0]))), noise)


def test_views_and_strides_are_written_as_they_look(tmp_path: Path) -> None:
    wide = np.random.default_rng(4).integers(0, 256, (32, 64, 3), np.uint8)
    with open_film(tmp_path / "film.mov", (32, 32), RATES[0], "lossless") as film:
        film.write(wide[::-1, ::2])
    assert np.array_equal(next(iter(read_frames(tmp_path / "film.mov"))), wide[::-1, ::2])


def test_the_index_comes_first_and_keyframes_come_often(tmp_path: Path) -> None:
    with open_film(
        tmp_path / "film.mp4", SIZE, FrameRate(30), quality=Quality(keyframe_every=5)
    ) as film:
        for index in range(31):
            film.write(barcode(index, SIZE))
    body = (tmp_path / "film.mp4").read_bytes()
    assert body.index(b"moov") < body.index(b"mdat")
    with av.open(str(tmp_path / "film.mp4")) as container:
        keys = [p.is_keyframe for p in container.demux(video=0) if p.size]
    assert sum(keys) >= 7


@pytest.mark.parametrize(("name", "codec"), TARGETS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, InstrumentError])
def test_an_aborted_film_leaves_what_was_there(
    tmp_path: Path, name: str, codec: str | None, error: type[BaseException]
) -> None:
    def interrupted(path: Path) -> None:
        with open_film(path, SIZE, FrameRate(30), codec) as film:
            for index in range(20):
                film.write(barcode(index, SIZE))
            raise error

    fresh, taken = tmp_path / "fresh", tmp_path / "taken"
    fresh.mkdir()
    taken.mkdir()
    make(taken / name, 3, codec=codec)
    before = names(taken)
    for folder in (fresh, taken):
        with pytest.raises(error):
            interrupted(folder / name)
    assert names(fresh) == []
    assert names(taken) == before
    assert count_frames(taken / name) == 3


@pytest.mark.parametrize(("name", "codec"), TARGETS)
def test_a_film_takes_the_place_of_the_one_before(
    tmp_path: Path, name: str, codec: str | None
) -> None:
    make(tmp_path / name, 9, codec=codec)
    make(tmp_path / name, 4, codec=codec)
    assert count_frames(tmp_path / name) == 4
    assert [read_barcode(p) for p in read_frames(tmp_path / name)] == [0, 1, 2, 3]
    assert not [n for n in names(tmp_path) if n.endswith(".part")]


def test_other_files_beside_numbered_pictures_stay(tmp_path: Path) -> None:
    folder = tmp_path / "film"
    folder.mkdir()
    mine = ["notes.txt", "7.png", "other.000001.png", "000002.jpg", "000003.PNG"]
    for name in mine:
        (folder / name).write_text("mine")
    make(folder, 2)
    assert names(folder) == sorted([*mine, "000000.png", "000001.png"])


def test_no_frame_is_no_film(tmp_path: Path) -> None:
    for name in ("film.mp4", "film"):
        with pytest.raises(InstrumentError, match="no frame"), \
                open_film(tmp_path / name, SIZE, FrameRate(30)):  # fmt: skip
            pass
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "size", "codec", "says"),
    [
        ("film.avi", SIZE, None, r"NAME\.mp4"),
        ("film.avi", SIZE, "h264", r"NAME\.mp4 or NAME\.mov"),
        ("film.png", SIZE, None, r"NAME\.%05d\.png"),
        ("film.%d.png", SIZE, None, r"NAME\.%05d\.png"),
        ("film.mp4", SIZE, "png", "a folder"),
        ("film.mp4", SIZE, "prores", r"NAME\.mov"),
        ("film", SIZE, "h264", r"NAME\.mp4"),
        ("film.mp4", SIZE, "divx", r"h264, h265, .*ffv1, lossless, png, exr$"),
        ("film.mp4", (33, 64), None, "nearest are 64x32 and 64x34"),
        ("film.mp4", (32, 63), None, "nearest are 62x32 and 64x32"),
        ("film.mov", (33, 63), "prores", "nearest are 62x33 and 64x33"),
        ("film.mp4", (0, 64), None, "1 to 16384"),
        ("film", (32, 99999), None, "1 to 16384"),
        ("folder.mp4", SIZE, None, "a folder has this name"),
        ("none/film.mp4", SIZE, None, "cannot be written"),
        ("none/film", SIZE, None, "cannot be written"),
        ("none/film.%05d.png", SIZE, None, "cannot be written"),
        ("file/film.mp4", SIZE, None, "cannot be written"),
        ("file", SIZE, None, "a file has this name"),
        ("n" * 260 + ".mp4", SIZE, None, "cannot be written"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_first_frame(
    tmp_path: Path, name: str, size: tuple[int, int], codec: str | None, says: str
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InstrumentError, match=says) as caught:
        open_film(tmp_path / name, size, FrameRate(30), codec)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["file", "folder.mp4"]


def test_qualities_nobody_has() -> None:
    for make_one in (lambda: Quality(crf=60), lambda: Quality(preset="best"),
                     lambda: Quality(keyframe_every=0)):  # fmt: skip
        with pytest.raises(InstrumentError):
            make_one()


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((32, 62, 3), np.uint8), np.zeros((32, 64, 4), np.uint8), np.zeros((32, 64, 3))],
)
def test_a_picture_of_another_size_is_named(tmp_path: Path, pixels: Any) -> None:
    with pytest.raises(InstrumentError, match="frame 1 is"), \
            open_film(tmp_path / "film.mp4", SIZE, FrameRate(30)) as film:  # fmt: skip
        film.write(barcode(0, SIZE))
        film.write(pixels)
    assert names(tmp_path) == []


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("name", "codec"), TARGETS)
def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, name: str, codec: str | None
) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (30, 64, 64, 3), np.uint8)
    with disk_of(9000), pytest.raises(InstrumentError, match="cannot be written") as caught:
        with open_film(tmp_path / name, (64, 64), FrameRate(30), codec) as film:
            for picture in noise:
                film.write(picture)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_a_frame_lost_on_the_way_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure: Callable[[Path], tuple[int, Fraction]] = containers.measure  # type: ignore[assignment]
    for lose in (lambda n, s: (n - 1, s), lambda n, s: (n, s + Fraction(1, 1000))):
        monkeypatch.setattr(containers, "measure", lambda path, lose=lose: lose(*measure(path)))
        with pytest.raises(InstrumentError, match="5 frames of"):
            make(tmp_path / "film.mp4", 5)
    with pytest.raises(InstrumentError, match="5 frames were written, 4 are on the disk"), \
            open_film(tmp_path / "film", SIZE, FrameRate(30)) as film:  # fmt: skip
        for index in range(5):
            film.write(barcode(index, SIZE))
        next(iter(tmp_path.glob(".film*/000002.png"))).unlink()
    assert names(tmp_path) == []


def test_what_is_no_film(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"rubbish" * 99)
    (tmp_path / "stills").mkdir()
    (tmp_path / "stills" / "000000.png").write_bytes(b"rubbish")
    for path in (tmp_path / "film.mp4", tmp_path / "none.mp4", tmp_path / "stills"):
        with pytest.raises(InstrumentError, match=path.stem):
            list(read_frames(path))
    for name in ("film.mp4", "none.mp4"):
        with pytest.raises(InstrumentError, match=name):
            count_frames(tmp_path / name)
