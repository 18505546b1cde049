"""Frames are averaged as light, dithered by their number, and depend on nothing else."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from studio_fakes import Barcodes, Repeated, barcode, indexed

from instrument import InstrumentError
from instrument.decoder.protocol import DecoderSpec
from instrument.frame import U8
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F32, LatentSpec
from instrument.studio.codecs import Quality
from instrument.studio.deep import read_deep
from instrument.studio.encode import open_film, read_frames
from instrument.studio.finishing import Bare, Fine, FineFrames, PlainFrames
from instrument.studio.light import to_code, to_linear
from instrument.studio.render import render
from instrument.timebase import FrameRange

SIZE = (16, 16)


class Greys:
    """Decodes the first number of z into a grey, as fine as it is."""

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        self.spec = DecoderSpec("greys", LatentSpec((4,)), size, "")
        self.asked: list[int] = []

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        return np.floor(self.decode_fine(z, parameters) * 255 + 0.5).astype(np.uint8)

    def decode_fine(self, z: F32, parameters: Mapping[str, F32]) -> F32:
        self.asked.append(len(z))
        pictures = np.empty((len(z), *self.spec.size, 3), np.float32)
        pictures[:] = (z[:, 0] / 1000)[:, None, None, None]
        return pictures


class Fading(Bare):
    """Fades by the parameter alone."""

    def level(self, values: Mapping[str, float]) -> float:
        return values["/master/gain"]

    def bands(self, picture: F32, level: float) -> Iterator[tuple[slice, F32]]:
        for row in range(0, len(picture), 5):
            rows = slice(row, min(row + 5, len(picture)))
            yield rows, picture[rows] * np.float32(level)


def rows(sequence: ZSequence, start: int, stop: int, samples: int = 1) -> tuple[F32, F32]:
    """What the frames ``[start, stop)`` are exposed to."""
    return Repeated(sequence, samples).rows(start, stop)


NONE = np.zeros(0, np.float32)  # parameters


def test_plain_frames_are_the_decoders() -> None:
    frames = PlainFrames((), Barcodes(), None)
    pictures = frames.decode(*rows(indexed(5), 2, 4))
    assert np.array_equal(frames.finish(pictures[1], 3, NONE), barcode(3))


def test_plain_frames_are_finished_and_then_stamped() -> None:
    def finish(picture: U8, values: Mapping[str, float]) -> U8:
        return picture // 2 + np.uint8(values["/master/gain"])

    frames = PlainFrames(
        ("/master/gain",), Barcodes(), finish, lambda picture, row: picture + np.uint8(row)
    )
    made = frames.finish(barcode(3), 5, np.array([20], np.float32))
    assert np.array_equal(made, barcode(3) // 2 + 25)


@pytest.mark.parametrize("depth", [8, 10, 16])
def test_levels_come_through_the_fine_way_untouched(depth: int) -> None:
    sequence, decoder = indexed(5), Barcodes()
    fine = FineFrames((), decoder, Fine(), decoder.spec.size, depth, 2)
    for index, picture in enumerate(fine.decode(*rows(sequence, 0, 5))):
        made = fine.finish(picture, index, NONE)
        wanted = barcode(index) if depth == 8 else barcode(index) * np.uint16(257)
        assert np.array_equal(made, wanted)


def test_a_sample_mean_is_a_mean_of_light() -> None:
    sequence = indexed(8)
    sequence.z[:, 0] = [0, 1000] * 4
    frames = FineFrames((), Greys(), Fine(samples=2), SIZE, 32, 3)
    pictures = frames.decode(*rows(sequence, 0, 4, 2))
    assert pictures.shape == (4, 16, 16, 3)
    assert pictures == pytest.approx(float(to_code(np.float32([0.5]))[0]), abs=1e-6)


@pytest.mark.parametrize("batch", [1, 2, 5, 64])
def test_the_batch_is_not_seen(batch: int) -> None:
    rng = np.random.default_rng(0)
    sequence = indexed(24)
    sequence.z[:, 0] = rng.integers(0, 1000, 24)
    decoder = Greys()
    fine, exposed = Fine(samples=6), rows(sequence, 0, 4, 6)
    wanted = FineFrames((), Greys(), fine, SIZE, 8, 24).decode(*exposed)
    assert np.array_equal(FineFrames((), decoder, fine, SIZE, 8, batch).decode(*exposed), wanted)
    assert max(decoder.asked) <= batch


def test_fades_within_a_frame_are_averaged_too() -> None:
    gain = np.array([0, 1, 1, 1], np.float32)[:, None]
    sequence = indexed(4, parameters=gain, addresses=("/master/gain",))
    sequence.z[:, 0] = 500
    names = sequence.addresses
    frames = FineFrames(names, Greys(), Fine(Fading(), samples=4), SIZE, 32, 2)
    finished = frames.finish(frames.decode(*rows(sequence, 0, 1, 4))[0], 0, gain[0])
    light = float(to_linear(np.float32([0.5]))[0]) * 3 / 4
    assert finished == pytest.approx(float(to_code(np.float32([light]))[0]), abs=1e-6)
    alone = FineFrames(names, Greys(), Fine(Fading()), SIZE, 32, 2)
    for index, level in enumerate([0, 0.5]):
        picture = alone.decode(*rows(sequence, index, index + 1))[0]
        assert alone.finish(picture, index, gain[index]) == pytest.approx(level)


def test_a_supersampled_pixel_is_the_mean_of_its_light() -> None:
    class Checks(Greys):
        def decode_fine(self, z: F32, parameters: Mapping[str, F32]) -> F32:
            checks = (np.indices((32, 32)).sum(axis=0) % 2).astype(np.float32)
            return np.repeat(np.repeat(checks[None, ..., None], 3, 3), len(z), 0)

    frames = FineFrames((), Checks((32, 32)), Fine(supersample=2), SIZE, 32, 1)
    picture = frames.decode(*rows(indexed(1), 0, 1))[0]
    assert picture.shape == (16, 16, 3)
    assert picture == pytest.approx(float(to_code(np.float32([0.5]))[0]), abs=1e-6)


def test_dither_goes_by_the_number_in_the_whole_film() -> None:
    sequence = indexed(6)
    sequence.z[:, 0] = 100.3
    whole = FineFrames((), Greys(), Fine(), SIZE, 8, 1)
    part = FineFrames((), Greys(), Fine(first=4), SIZE, 8, 1)
    rounded = FineFrames((), Greys(), Fine(dither=False), SIZE, 8, 1)
    picture = whole.decode(*rows(sequence, 0, 1))[0]
    assert np.array_equal(whole.finish(picture, 5, NONE), part.finish(picture, 1, NONE))
    assert not np.array_equal(whole.finish(picture, 5, NONE), whole.finish(picture, 4, NONE))
    assert np.unique(whole.finish(picture, 5, NONE)).tolist() == [25, 26]
    assert np.unique(rounded.finish(picture, 5, NONE)).tolist() == [26]


def test_bands_are_dithered_as_the_whole() -> None:
    gain = np.full((3, 1), 0.7, np.float32)
    sequence = indexed(3, parameters=gain, addresses=("/master/gain",))
    sequence.z[:, 0] = 333
    frames = FineFrames(sequence.addresses, Greys(), Fine(Fading()), SIZE, 8, 1)

    class Whole(Fading):
        def bands(self, picture: F32, level: float) -> Iterator[tuple[slice, F32]]:
            yield slice(0, 16), picture * np.float32(level)

    whole = FineFrames(sequence.addresses, Greys(), Fine(Whole()), SIZE, 8, 1)
    picture = frames.decode(*rows(sequence, 0, 1))[0]
    assert np.array_equal(frames.finish(picture, 2, gain[2]), whole.finish(picture, 2, gain[2]))


def test_a_deep_film_is_made_the_fine_way(tmp_path: Path) -> None:
    sequence = indexed(4)
    sequence.z[:, 0] = [0, 333.3, 500.5, 1000]

    def film(size: tuple[int, int], rate: object) -> object:
        return open_film(tmp_path / "film", size, sequence.rate, "png", Quality(depth=16))

    report = render(sequence, Greys(), film)  # type: ignore[arg-type]
    assert report.frames == 4
    seen = [int(read_deep(tmp_path / "film" / f"{i:06d}.png")[3, 3, 1]) for i in range(4)]
    assert seen == [0, round(0.3333 * 65535), round(0.5005 * 65535), 65535]


def test_a_film_of_8_bits_is_not_unless_asked(tmp_path: Path) -> None:
    sequence = indexed(2)
    sequence.z[:, 0] = 100.3
    render(sequence, Greys(), tmp_path / "plain")
    render(sequence, Greys(), tmp_path / "fine", fine=Fine())
    plain, fine = (next(iter(read_frames(tmp_path / name))) for name in ("plain", "fine"))
    assert np.unique(plain).tolist() == [26]
    assert np.unique(fine).tolist() == [25, 26]


def test_the_frame_that_fails_is_named_here_too(tmp_path: Path) -> None:
    class Failing(Greys):
        def decode_fine(self, z: F32, parameters: Mapping[str, F32]) -> F32:
            if 7 in z[:, 0]:
                raise RuntimeError("too hot")
            return super().decode_fine(z, parameters)

    with pytest.raises(InstrumentError, match=r"frame 3: greys failed \(RuntimeError: too hot"):
        sequence = indexed(10)
        film = sequence.cut(FrameRange(0, 5))
        render(film, Failing(), tmp_path / "film.mp4", fine=Fine(samples=2),
               exposure=Repeated(sequence, 2), batch=4)  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_a_wrong_shape_are_named(tmp_path: Path) -> None:
    class Half(Greys):
        def decode_fine(self, z: F32, parameters: Mapping[str, F32]) -> F32:
            return super().decode_fine(z, parameters)[:, :8]

    with pytest.raises(InstrumentError, match=r"frame 0: greys failed.*float32\[1, 8, 16, 3\]"):
        render(indexed(2), Half(), tmp_path / "film.mp4", fine=Fine())
