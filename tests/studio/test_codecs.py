"""Every codec: frames, rates, lengths, colours and tags as promised, read back twice over."""

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from studio_fakes import RATE_NAMES, RATES, barcode, read_barcode

from instrument import InstrumentError
from instrument.studio.codecs import Movie, Quality, choose
from instrument.studio.deep import exr_of, png_of, read_deep
from instrument.studio.encode import _coded, count_frames, open_film, read_frames
from instrument.studio.light import to_linear
from instrument.timebase import FrameRate

SIZE = (128, 256)
NTSC = FrameRate(30000, 1001)
# Codec, container, depth, range; pixel format and matrix in the file; how far a smooth picture may
# be off, in 16 bit levels: a step of the depth and the codec's own loss.
FILMS = [
    ("h264", ".mp4", 8, None, "yuv420p", 1100),
    ("h264", ".mkv", 8, "full", "yuvj420p", 1300),
    ("h264", ".mov", 10, None, "yuv420p10le", 500),
    ("h265", ".mp4", 8, None, "yuv420p", 1100),
    ("h265", ".mov", 10, "full", "yuv420p10le", 500),
    ("h265", ".mkv", 10, None, "yuv420p10le", 500),
    ("av1", ".mp4", 8, None, "yuv420p", 1400),
    ("av1", ".mkv", 10, None, "yuv420p10le", 900),
    ("prores", ".mov", 10, None, "yuv422p10le", 200),
    ("prores4444", ".mov", 10, None, "yuv444p12le", 120),
    ("dnxhr", ".mov", 8, None, "yuv422p", 900),
    ("dnxhr", ".mov", 10, None, "yuv422p10le", 200),
    ("dnxhr444", ".mov", 10, None, "yuv444p10le", 130),
    ("ffv1", ".mkv", 8, None, "bgr0", 257),
    ("ffv1", ".mkv", 10, None, "gbrp10le", 64),
    ("ffv1", ".mkv", 12, None, "gbrp12le", 16),
    ("ffv1", ".mkv", 16, None, "gbrp16le", 0),
    ("lossless", ".mov", 8, None, "gbrp", 257),
]
IDS = [f"{name}{suffix}-{depth}-{span or 'usual'}" for name, suffix, depth, span, *_ in FILMS]
ffprobe = shutil.which("ffprobe")


def write(path: Path, codec: str, quality: Quality, frames: int, rate: FrameRate = NTSC) -> None:
    with open_film(path, SIZE, rate, codec, quality) as film:
        for index in range(frames):
            film.write(barcode(index, SIZE))


@pytest.mark.parametrize(("codec", "suffix", "depth", "span", "pixels", "off"), FILMS, ids=IDS)
def test_every_codec(
    tmp_path: Path, codec: str, suffix: str, depth: int, span: Any, pixels: str, off: int
) -> None:
    path = tmp_path / f"film{suffix}"
    write(path, codec, Quality(depth=depth, range=span, preset="veryfast"), 14)
    assert count_frames(path) == 14
    rgb = pixels.startswith(("gbr", "bgr"))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(30000, 1001)
        assert stream.time_base is not None
        context = stream.codec_context
        assert context.pix_fmt == pixels
        assert context.colorspace == (0 if rgb else 1)
        assert (context.color_primaries, context.color_trc) == (1, 1)
        assert context.color_range == (2 if rgb or span == "full" else 1)
        pictures = list(container.decode(stream))
        times = [(picture.pts or 0) * stream.time_base for picture in pictures]
    assert [read_barcode(p.to_ndarray(format="rgb24")) for p in pictures] == list(range(14))
    for index, time in enumerate(times):
        exact = Fraction(index * 1001, 30000)
        assert abs(time - exact) <= (Fraction(1, 1000) if suffix == ".mkv" else 0)


def smooth() -> np.ndarray:
    """A picture without edges, in 16 bits: every channel a ramp of its own."""
    y, x = np.meshgrid(np.linspace(0, 1, SIZE[0]), np.linspace(0, 1, SIZE[1]), indexing="ij")
    code = np.stack([x, 0.2 + 0.6 * y, 0.5 + 0.3 * (x - y)], axis=-1)
    return np.rint(code * 65535).astype(np.uint16)


@pytest.mark.parametrize(("codec", "suffix", "depth", "span", "pixels", "off"), FILMS, ids=IDS)
def test_colours_of_every_codec(
    tmp_path: Path, codec: str, suffix: str, depth: int, span: Any, pixels: str, off: int
) -> None:
    given, unit = smooth(), 1
    if depth == 8:
        given, unit = np.rint(given / 257).astype(np.uint8), 257
    with open_film(
        tmp_path / f"film{suffix}", SIZE, NTSC, codec, Quality(crf=4, depth=depth, range=span)
    ) as film:
        film.write(given)
        film.write(given)
    with av.open(str(tmp_path / f"film{suffix}")) as container:
        kind = "rgb24" if depth == 8 else "rgb48le"
        seen = next(container.decode(video=0)).to_ndarray(format=kind).astype(int)
    if depth > 8 and pixels.startswith("yuv"):
        seen = seen * 65535 / 65280  # the scaler that reads takes 255 times 256 for white
    difference = (seen - given.astype(int)) * unit
    apart = np.abs(difference[4:-4, 4:-4])
    assert np.quantile(apart, 0.99) <= off
    # A wrong range or matrix moves every tone one way.
    bias = difference.mean(axis=(0, 1))
    assert np.abs(bias).max() <= max(off / 2, 1)


@pytest.mark.parametrize(
    ("codec", "suffix", "depth", "span"),
    [film[:4] for film in FILMS if film[4].startswith("yuv")],
    ids=[name for name, film in zip(IDS, FILMS, strict=True) if film[4].startswith("yuv")],
)
def test_colours_are_converted_to_half_a_step(
    codec: str, suffix: str, depth: int, span: Any
) -> None:
    movie = choose(Path(f"film{suffix}"), SIZE, codec, Quality(depth=depth, range=span))
    assert isinstance(movie, Movie)
    colours = np.random.default_rng(6).integers(0, 256, (64, 3))
    colours[:8] = np.indices((2, 2, 2)).reshape(3, 8).T * 255
    bars = np.repeat(np.repeat(colours[None], 16, 0), 16, 1)
    given = bars.astype(np.uint8) if depth == 8 else (bars * 257).astype(np.uint16)
    # ITU-R BT.709: luma, and the two differences from it.
    luma = colours @ [0.2126, 0.7152, 0.0722]
    blue, red = (colours[:, 2] - luma) / 1.8556, (colours[:, 0] - luma) / 1.5748
    exact = (luma, 128 + blue, 128 + red)
    if movie.range == "limited":
        exact = (16 + luma * 219 / 255, 128 + blue * 224 / 255, 128 + red * 224 / 255)
    unit = 1 << (depth - 8)
    if span == "full" and depth == 10:
        exact = (luma * 1023 / 1020, 128 + blue * 1023 / 1020, 128 + red * 1023 / 1020)
    for plane, values in zip(_coded(given, movie).planes, exact, strict=True):
        rows = np.frombuffer(bytes(plane), np.uint8 if depth == 8 else np.uint16)
        rows = rows.reshape(plane.height, -1)[:, : plane.width]
        width = plane.width // 64
        seen = rows[plane.height // 2, width // 2 :: width].astype(int)
        off = np.abs(seen - np.minimum(values * unit, unit * 256 - 1)).max()
        assert off <= (1.05 if span == "full" else 0.56)


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_shortest_films(tmp_path: Path, codec: str, count: int) -> None:
    for name in (f"{turn}.mp4" for turn in range(3)):
        write(tmp_path / name, codec, Quality(preset="superfast"), count)
        seen = [read_barcode(picture) for picture in read_frames(tmp_path / name)]
        assert seen == list(range(count))


@pytest.mark.parametrize("rate", RATES, ids=RATE_NAMES)
@pytest.mark.parametrize(("codec", "suffix"), [("ffv1", ".mkv"), ("prores", ".mov")])
def test_lengths_at_every_rate(tmp_path: Path, codec: str, suffix: str, rate: FrameRate) -> None:
    write(tmp_path / f"film{suffix}", codec, Quality(), 20, rate)
    with av.open(str(tmp_path / f"film{suffix}")) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        ends = [p.pts + p.duration for p in container.demux(stream) if p.size]
    exact = Fraction(20 * rate.den, rate.num)
    assert abs(max(ends) * stream.time_base - exact) <= (
        Fraction(1, 1000) if suffix == ".mkv" else 0
    )


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
def test_ffv1_is_exact(tmp_path: Path, depth: int) -> None:
    levels = np.random.default_rng(3).integers(0, 1 << depth, (3, 33, 47, 3)).astype(np.uint16)
    noise = levels << (16 - depth) | (levels >> (2 * depth - 16) if depth < 16 else 0)
    film_of = noise if depth > 8 else levels.astype(np.uint8)
    with open_film(tmp_path / "film.mkv", (33, 47), NTSC, "ffv1", Quality(depth=depth)) as film:
        for picture in film_of:
            film.write(picture)
    with av.open(str(tmp_path / "film.mkv")) as container:
        kind = "rgb24" if depth == 8 else "rgb48le"
        seen = np.stack([p.to_ndarray(format=kind) for p in container.decode(video=0)])
    assert np.array_equal(seen if depth == 8 else seen >> (16 - depth), levels)


def test_deep_stills_are_exact(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    deep = rng.integers(0, 65536, (2, 33, 47, 3)).astype(np.uint16)
    with open_film(tmp_path / "film", (33, 47), NTSC, "png", Quality(depth=16)) as film:
        for picture in deep:
            film.write(picture)
    assert np.array_equal(read_deep(tmp_path / "film" / "000001.png"), deep[1])
    assert [p.shape for p in read_frames(tmp_path / "film")] == [(33, 47, 3)] * 2

    fine = rng.random((2, 33, 47, 3)).astype(np.float32)
    for target in ("floats", "floats.%04d.exr"):
        with open_film(tmp_path / target, (33, 47), NTSC, "exr") as film:
            assert film.dtype == np.float32
            for picture in fine:
                film.write(picture)
    for name in ("floats/000001.exr", "floats.0001.exr"):
        assert np.abs(read_deep(tmp_path / name) - fine[1]).max() < 2e-6
        with av.open(str(tmp_path / name)) as container:
            linear = next(container.decode(video=0)).to_ndarray(format="gbrpf32le")
        assert np.array_equal(linear, to_linear(fine[1]))  # in the file is light, to the bit
    assert count_frames(tmp_path / "floats") == 2
    levels = list(read_frames(tmp_path / "floats"))
    assert np.abs(levels[0] / 255 - fine[0]).max() <= 0.51 / 255


def test_a_folder_holds_one_kind_of_film(tmp_path: Path) -> None:
    with open_film(tmp_path / "film", (8, 8), NTSC, "exr") as film:
        film.write(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(InstrumentError, match=r"holds a film of \.exr files"):
        open_film(tmp_path / "film", (8, 8), NTSC, "png")


def test_a_png_says_that_it_is_srgb(tmp_path: Path) -> None:
    with open_film(tmp_path / "film", (8, 8), NTSC) as film:
        film.write(np.zeros((8, 8, 3), np.uint8))
    assert b"sRGB" in (tmp_path / "film" / "000000.png").read_bytes()
    assert b"sRGB" in png_of(np.zeros((8, 8, 3), np.uint16))
    assert exr_of(np.zeros((8, 8, 3), np.float32))[:4] == b"v/1\x01"


@pytest.mark.parametrize(("codec", "suffix", "depth"), sorted({f[:3] for f in FILMS}))
def test_the_same_frames_make_the_same_file(
    tmp_path: Path, codec: str, suffix: str, depth: int
) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}{suffix}", codec, Quality(depth=depth, preset="superfast"), 6)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.skipif(ffprobe is None, reason="ffprobe is not installed")
@pytest.mark.parametrize(("codec", "suffix", "depth", "span", "pixels", "off"), FILMS, ids=IDS)
def test_ffprobe_reads_the_same(
    tmp_path: Path, codec: str, suffix: str, depth: int, span: Any, pixels: str, off: int
) -> None:
    path = tmp_path / f"film{suffix}"
    write(path, codec, Quality(depth=depth, range=span, preset="superfast"), 12)
    command = [str(ffprobe), "-v", "error", "-count_packets", "-show_streams", "-show_format",
               "-of", "json", str(path)]  # fmt: skip
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    stream = told["streams"][0]
    assert stream["nb_read_packets"] == "12"
    assert stream["r_frame_rate"] == "30000/1001"
    assert float(told["format"]["duration"]) == pytest.approx(12 * 1001 / 30000, abs=1e-3)
    assert (stream["color_primaries"], stream["color_transfer"]) == ("bt709", "bt709")
    rgb = pixels.startswith(("gbr", "bgr"))
    assert stream.get("color_space") == ("gbr" if rgb else "bt709")
    assert stream["color_range"] == ("pc" if rgb or span == "full" else "tv")
    if codec == "h265" and suffix != ".mkv":
        assert stream["codec_tag_string"] == "hvc1"


@pytest.mark.parametrize(
    ("name", "codec", "quality", "size", "says"),
    [
        ("film.mp4", "h264", Quality(depth=12), SIZE, "h264 has a depth of 8 or 10 bits, not 12"),
        ("film.mov", "prores", Quality(depth=8), SIZE, "prores has a depth of 10 bits, not 8"),
        ("film.mov", "prores", Quality(range="full"), SIZE, "prores has the range limited only"),
        ("film.mkv", "ffv1", Quality(range="limited"), SIZE, "ffv1 has the range full only"),
        ("film.mkv", "ffv1", Quality(depth=9), SIZE, "8 or 10 or 12 or 16"),
        ("film.mp4", "ffv1", Quality(), SIZE, r"ffv1 goes to NAME\.mkv"),
        ("film.mov", "av1", Quality(), SIZE, r"av1 goes to NAME\.mp4 or NAME\.mkv"),
        ("film.mkv", "prores", Quality(), SIZE, r"prores goes to NAME\.mov"),
        ("film.mov", "dnxhr", Quality(), (64, 64), "dnxhr takes 256x120 and larger, not 64x64"),
        ("film.mp4", "av1", Quality(), (32, 32), "av1 takes 64x64 and larger"),
        ("film", "png", Quality(depth=10), SIZE, "png has a depth of 8 or 16 bits, not 10"),
        ("film", "exr", Quality(depth=16), SIZE, "exr has a depth of 32 bits, not 16"),
        ("film", "png", Quality(range="limited"), SIZE, "png has the range full only"),
        ("film.%04d.png", "exr", Quality(), SIZE, r"a folder or NAME\.%05d\.exr"),
        ("film.exr", None, Quality(), SIZE, r"NAME\.%05d\.exr"),
    ],
)
def test_what_does_not_go_together_is_said(
    tmp_path: Path, name: str, codec: str, quality: Quality, size: tuple[int, int], says: str
) -> None:
    with pytest.raises(InstrumentError, match=says) as caught:
        open_film(tmp_path / name, size, NTSC, codec, quality)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_ranges_nobody_has() -> None:
    with pytest.raises(InstrumentError, match="limited and full"):
        Quality(range="wide")  # type: ignore[arg-type]
