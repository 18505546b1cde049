"""Renders: frame i is row i, and nothing that goes wrong leaves half a film."""

import threading
import time
import tracemalloc
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from studio_fakes import DIMS, RATE_NAMES, RATES, Barcodes, barcode, indexed, read_barcode

from instrument import InstrumentError
from instrument.decoder.protocol import DecoderSpec
from instrument.frame import U8
from instrument.latent.sequence import ModelReference, ZSequence, load_sequence, save_sequence
from instrument.latent.space import F32, LatentSpec
from instrument.studio.encode import count_frames, open_film, read_frames
from instrument.studio.film import FilmWriter, Size
from instrument.studio.render import Progress, RenderReport, render
from instrument.timebase import FrameRate


class Flat:
    """Decodes z to one flat colour: the first three numbers."""

    spec = DecoderSpec("flat", LatentSpec((3,)), (32, 32), "")

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        pictures = np.empty((len(z), 32, 32, 3), np.uint8)
        pictures[:] = z[:, None, None, :].astype(np.uint8)
        return pictures


class Failing(Barcodes):
    """Fails whenever it is to decode row `bad`, or more than `most` rows together."""

    def __init__(self, bad: int, error: BaseException | None = None, most: int = 64) -> None:
        super().__init__()
        self._bad, self._most = bad, most
        self._error = error or RuntimeError("out of memory\nwith a long story")

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        if self._bad in z[:, 0] or len(z) > self._most:
            raise self._error
        return super().decode(z, parameters)


class Sink(FilmWriter):
    """A film nobody keeps."""

    def __init__(self, size: Size, rate: FrameRate) -> None:
        super().__init__(Path("sink"), size, rate)

    def _add(self, pixels: U8) -> None:
        pass

    def _finish(self) -> None:
        pass

    def _discard(self) -> None:
        pass


def quiet() -> bool:
    return not [t for t in threading.enumerate() if t.name.startswith("decode")]


@pytest.mark.parametrize("batch", [1, 3, 8, 100])
@pytest.mark.parametrize("rate", RATES, ids=RATE_NAMES)
def test_frame_i_is_row_i(tmp_path: Path, rate: FrameRate, batch: int) -> None:
    decoder = Barcodes()
    report = render(indexed(50, rate), decoder, tmp_path / "film.mp4", batch=min(batch, 64))
    assert [read_barcode(p) for p in read_frames(tmp_path / "film.mp4")] == list(range(50))
    assert (report.frames, report.rate, report.size) == (50, rate, (32, 64))
    assert report.seconds == rate.time_of(50)
    assert report.model == ModelReference("barcodes", "aa" * 32)
    assert report.path == tmp_path / "film.mp4"
    assert report.to_json()["rate"] == [rate.num, rate.den]
    assert max(decoder.batches) <= batch
    assert sum(decoder.batches) == 50


def test_colours_follow_z(tmp_path: Path) -> None:
    z = np.random.default_rng(2).integers(0, 256, (40, 3)).astype(np.float32)
    render(ZSequence(z, FrameRate(25), LatentSpec((3,))), Flat(), tmp_path / "film.mp4")
    for row, picture in zip(z, read_frames(tmp_path / "film.mp4"), strict=True):
        assert np.abs(picture[16, 16] - row).max() <= 6


def test_a_sequence_from_the_disk_renders(tmp_path: Path) -> None:
    save_sequence(tmp_path / "walk.npy", indexed(20))
    report = render(load_sequence(tmp_path / "walk.npy"), Barcodes(), tmp_path / "walk", batch=8)
    assert [read_barcode(p) for p in read_frames(tmp_path / "walk")] == list(range(20))
    assert report.frames == count_frames(tmp_path / "walk") == 20


def test_finish_gets_each_frames_own_parameters(tmp_path: Path) -> None:
    gain = np.linspace(0, 1, 11, dtype=np.float32)[:, None]
    sequence = indexed(11, parameters=gain, addresses=("/master/gain",))
    seen: list[dict[str, float]] = []

    def finish(pixels: U8, values: Mapping[str, float]) -> U8:
        seen.append(dict(values))
        large = np.repeat(np.repeat(pixels, 2, axis=0), 2, axis=1)
        return (large * values["/master/gain"]).astype(np.uint8)

    render(sequence, Barcodes(), tmp_path / "film", size=(64, 128), finish=finish, batch=4)
    assert [v["/master/gain"] for v in seen] == gain[:, 0].tolist()
    for index, picture in enumerate(read_frames(tmp_path / "film")):
        assert picture.shape == (64, 128, 3)
        assert picture.max() == int(255 * gain[index, 0])


def test_the_decoder_gets_each_rows_parameters() -> None:
    class Listening(Barcodes):
        def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
            assert parameters["/model/snapshot"].tolist() == (z[:, 0] * 2).tolist()
            assert z.flags.writeable
            assert z.flags.c_contiguous
            return super().decode(z, parameters)

    snapshots = np.arange(30, dtype=np.float32)[:, None] * 2
    sequence = indexed(30, parameters=snapshots, addresses=("/model/snapshot",))
    assert render(sequence, Listening(), Sink, batch=7).frames == 30


def test_a_film_can_be_opened_by_the_caller(tmp_path: Path) -> None:
    film = partial(open_film, tmp_path / "film.mov", codec="lossless")
    render(indexed(5), Barcodes(), film)
    for index, picture in enumerate(read_frames(tmp_path / "film.mov")):
        assert np.array_equal(picture, barcode(index))


@pytest.mark.parametrize("batch", [1, 5, 8])
@pytest.mark.parametrize("bad", [0, 13, 39])
def test_the_frame_that_fails_is_named(tmp_path: Path, bad: int, batch: int) -> None:
    with pytest.raises(InstrumentError) as caught:
        render(indexed(40), Failing(bad), tmp_path / "film.mp4", batch=batch)
    assert str(caught.value) == f"frame {bad}: barcodes failed (RuntimeError: out of memory)"
    assert list(tmp_path.iterdir()) == []
    assert quiet()


def test_a_batch_that_is_too_large_is_named(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match=r"frames 0:8.*batch below 8"):
        render(indexed(40), Failing(-1, most=7), tmp_path / "film.mp4", batch=8)


def test_pictures_of_a_wrong_shape_are_named(tmp_path: Path) -> None:
    class Floats(Barcodes):
        def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
            return super().decode(z, parameters) / 255.0  # type: ignore[return-value]

    with pytest.raises(InstrumentError, match=r"frame 0: barcodes failed.*float64"):
        render(indexed(4), Floats(), tmp_path / "film.mp4")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, InstrumentError])
@pytest.mark.parametrize("name", ["film.mp4", "film"])
def test_an_interrupted_render_leaves_nothing(
    tmp_path: Path, error: type[BaseException], name: str
) -> None:
    decoder = Barcodes()

    def interrupt(progress: Progress) -> None:
        if progress.done == 30:
            raise error

    with pytest.raises(error):
        render(indexed(5000), decoder, tmp_path / name, batch=4, progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    assert sum(decoder.batches) < 60
    assert quiet()


def test_an_interrupt_in_the_decoder_stays_one(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        render(indexed(20), Failing(7, SystemExit(3)), tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []


def test_progress_only_grows() -> None:
    told: list[Progress] = []
    render(indexed(25), Barcodes(), Sink, batch=4, progress=told.append)
    assert [p.done for p in told] == list(range(1, 26))
    assert {p.total for p in told} == {25}
    assert all(p.frames_a_second > 0 and p.seconds_left >= 0 for p in told)
    assert told[-1].seconds_left == 0


Z8 = ZSequence(np.zeros((3, 8), np.float32), FrameRate(30), LatentSpec((8,)),
               ModelReference("blossom", "bb" * 32))  # fmt: skip


def test_a_model_of_other_dimensions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match="blossom is z8, but barcodes takes z4"):
        render(Z8, Barcodes(), tmp_path / "film.mp4", allow_other_model=True)
    assert list(tmp_path.iterdir()) == []


def test_another_model_must_be_asked_for() -> None:
    stranger = indexed(3, model=ModelReference("blossom", "bb" * 32))
    with pytest.raises(InstrumentError, match=r"blossom \(bbbbbb.*barcodes \(aaaaaa"):
        render(stranger, Barcodes(), Sink)
    assert render(stranger, Barcodes(), Sink, allow_other_model=True).frames == 3
    assert render(indexed(3), Barcodes(), Sink).frames == 3
    assert render(indexed(3, model=ModelReference("x", "aa" * 32)), Barcodes(), Sink).frames == 3


def test_w_is_not_z() -> None:
    w = ZSequence(np.zeros((3, DIMS), np.float32), FrameRate(30), LatentSpec((DIMS,), "w"),
                  ModelReference("blossom", "aa" * 32))  # fmt: skip
    with pytest.raises(InstrumentError, match="is w4, but barcodes takes z4"):
        render(w, Barcodes(), Sink)


def test_nothing_to_render(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match=r"walk\.npy: holds no frame"):
        render(indexed(0), Barcodes(), tmp_path / "film.mp4")
    with pytest.raises(InstrumentError, match="batch 0"):
        render(indexed(3), Barcodes(), tmp_path / "film.mp4", batch=0)


def test_memory_does_not_grow_with_length() -> None:
    def peak(frames: int) -> int:
        sequence = indexed(frames)
        tracemalloc.start()
        render(sequence, Barcodes(), Sink, batch=4)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(50)
    short, long = peak(300), peak(3000)
    one_picture = 32 * 64 * 3
    assert long < short + 20 * one_picture
    assert long < 100 * one_picture  # of 3000


def test_decoding_and_encoding_go_side_by_side() -> None:
    class Slow(Barcodes):
        def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
            time.sleep(0.01)
            return super().decode(z, parameters)

    def finish(pixels: U8, _: Mapping[str, float]) -> U8:
        time.sleep(0.01)
        return pixels

    report: RenderReport = render(indexed(40), Slow(), Sink, finish=finish)
    assert report.decode_seconds >= 0.4
    assert report.encode_seconds >= 0.4
    assert report.wall_seconds < 0.8 * (report.decode_seconds + report.encode_seconds)
