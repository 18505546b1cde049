"""Proxies: frame i is row i, exactly, at the size and with the marks that were asked for."""

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from number_reading import read_row, read_time
from studio_fakes import Barcodes, indexed, read_barcode

from instrument import InstrumentError
from instrument.studio.encode import count_frames, read_frames
from instrument.studio.proxy import UNRELATED, fitted, proxy_size, write_proxy
from instrument.timebase import FrameRate, timecode

RATE = FrameRate(25)


def test_frame_i_is_row_i(tmp_path):
    made = write_proxy(tmp_path / "walk.mp4", indexed(50, RATE), Barcodes(), batch=7)
    assert made.frames == count_frames(tmp_path / "walk.mp4") == 50
    assert [read_barcode(f) for f in read_frames(tmp_path / "walk.mp4")] == list(range(50))


def test_the_number_burnt_in_is_the_row(tmp_path):
    write_proxy(tmp_path / "w.mp4", indexed(30, RATE), Barcodes((128, 256)), label=True)
    for row, frame in enumerate(read_frames(tmp_path / "w.mp4")):
        assert (read_row(frame), read_time(frame)) == (row, timecode(row, RATE))
        assert read_barcode(frame) == row


def test_whoever_looks_sees_the_decoded_picture(tmp_path):
    seen = {}
    write_proxy(
        tmp_path / "w.mp4", indexed(9, RATE), Barcodes(), label=True, size=(64, 64),
        see=lambda row, picture: seen.update({row: (picture.shape, read_barcode(picture))}),
    )  # fmt: skip
    assert seen == {row: ((32, 64, 3), row) for row in range(9)}


def test_finish_comes_before_fitting(tmp_path):
    dark = []

    def fade(picture, values):
        dark.append(values)
        return picture // 2

    write_proxy(tmp_path / "w.mp4", indexed(3, RATE), Barcodes(), finish=fade)
    assert len(dark) == 3
    assert max(int(f.max()) for f in read_frames(tmp_path / "w.mp4")) < 140


def keyframes(path):
    with av.open(str(path)) as film:
        return [bool(packet.is_keyframe) for packet in film.demux(video=0) if packet.size]


def test_few_frames_between_keyframes(tmp_path):
    path = tmp_path / "w.mp4"
    write_proxy(path, indexed(60, RATE), Barcodes())
    found = [i for i, key in enumerate(keyframes(path)) if key]
    assert max(np.diff(found)) <= 12
    write_proxy(path, indexed(20, RATE), Barcodes(), quality=UNRELATED)
    assert all(keyframes(path))


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_sizes_are_even_and_no_larger(height, width):
    size = proxy_size((height, width))
    assert all(side % 2 == 0 and side >= 2 for side in size)
    assert max(size) <= 640
    if max(height, width) <= 640:
        assert all(abs(a - b) <= 1 for a, b in zip(size, (height, width), strict=True))


@pytest.mark.parametrize("size", [(64, 64), (32, 128), (16, 16), (33, 65), (2, 2)])
def test_fitted_shows_the_picture_whole(size):
    picture = np.full((32, 64, 3), 255, np.uint8)
    shown = fitted(picture, size)
    assert shown.shape == (*size, 3)
    inside = (shown > 127).all(axis=2)
    height, width = inside.any(axis=1).sum(), inside.any(axis=0).sum()
    scale = min(size[0] / 32, size[1] / 64)
    assert abs(height - 32 * scale) <= 1
    assert abs(width - 64 * scale) <= 1


def test_a_picture_of_the_right_size_is_not_touched():
    picture = np.zeros((4, 4, 3), np.uint8)
    assert fitted(picture, (4, 4)) is picture


def test_an_odd_decoder_gets_an_even_proxy(tmp_path):
    made = write_proxy(tmp_path / "w.mp4", indexed(4, RATE), Barcodes((33, 65)))
    assert all(side % 2 == 0 for side in made.size)


def test_failures_leave_nothing(tmp_path):
    class Breaks(Barcodes):
        def decode(self, z, parameters):
            if z[0, 0] > 5:
                raise ValueError("broken")
            return super().decode(z, parameters)

    with pytest.raises(InstrumentError, match="frame 6"):
        write_proxy(tmp_path / "w.mp4", indexed(9, RATE), Breaks())
    with pytest.raises(InstrumentError, match="even"):
        write_proxy(tmp_path / "w.mp4", indexed(9, RATE), Barcodes(), size=(33, 64))
    with pytest.raises(InstrumentError, match="cannot be written"):
        write_proxy(tmp_path / "no" / "w.mp4", indexed(9, RATE), Barcodes())
    assert list(tmp_path.iterdir()) == []


def test_somebody_who_looks_may_fail(tmp_path):
    def refuse(row, picture):
        raise InstrumentError("seen enough")

    with pytest.raises(InstrumentError, match="enough"):
        write_proxy(tmp_path / "w.mp4", indexed(9, RATE), Barcodes(), see=refuse)
    assert list(tmp_path.iterdir()) == []
