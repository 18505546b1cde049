"""WAV files: every way to write one, and what is none."""

import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from instrument import InstrumentError
from instrument.control.wave_file import open_wave

SAMPLES = np.random.default_rng(1).uniform(-1, 1, (1000, 2))


def riff(tag: int, bits: int, data: bytes, channels: int = 2, rate: int = 48_000, before=b""):
    size = channels * bits // 8
    body = struct.pack("<HHIIHH", tag, channels, rate, rate * size, size, bits)
    chunks = before + b"fmt " + struct.pack("<I", len(body)) + body
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def extensible(bits: int, data: bytes) -> bytes:
    size = 2 * bits // 8
    body = struct.pack("<HHIIHH", 0xFFFE, 2, 44_100, 44_100 * size, size, bits)
    body += struct.pack("<HHI", 22, bits, 3) + struct.pack("<H", 1) + b"\x00" * 14
    chunks = b"fmt " + struct.pack("<I", len(body)) + body
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def pcm(bits: int) -> bytes:
    whole = np.round(SAMPLES * (2 ** (bits - 1) - 1)).astype(np.int64)
    if bits == 8:
        return (whole + 128).astype(np.uint8).tobytes()
    return b"".join(int(n).to_bytes(bits // 8, "little", signed=True) for n in whole.ravel())


def read(path: Path, frames: int = 300) -> np.ndarray:
    return np.concatenate(list(open_wave(path).blocks(frames)))


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_whole_numbers(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(riff(1, bits, pcm(bits)))
    assert np.abs(read(path) - SAMPLES).max() <= 1.5 * 2.0 ** -(bits - 1) + 1e-7
    assert open_wave(path).seconds == 1000 / 48_000


@pytest.mark.parametrize("bits", [32, 64])
def test_floats(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(riff(3, bits, SAMPLES.astype(f"<f{bits // 8}").tobytes()))
    assert np.array_equal(read(path), SAMPLES.astype(np.float32))


def test_extensible_and_a_chunk_of_odd_length_before(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(extensible(24, pcm(24)))
    assert np.abs(read(path) - SAMPLES).max() < 1e-6 and open_wave(path).rate == 44_100
    note = b"note" + struct.pack("<I", 3) + b"abc\x00"
    path.write_bytes(riff(1, 16, pcm(16), before=note))
    assert np.abs(read(path) - SAMPLES).max() < 1e-4


def test_what_the_standard_library_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(22_050)
        out.writeframes(pcm(16))
    assert np.abs(read(path) - SAMPLES).max() < 1e-4 and open_wave(path).rate == 22_050


def test_a_recorder_that_died_leaves_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    whole = riff(1, 16, pcm(16))
    path.write_bytes(whole[:-801])
    assert open_wave(path).frames == 799 and len(read(path)) == 799
    unknown = whole[:40] + struct.pack("<I", 0) + whole[44:]
    path.write_bytes(unknown)
    assert open_wave(path).frames == 1000


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(riff(1, 16, pcm(16)))
    opened = open_wave(path)
    path.write_bytes(path.read_bytes()[:100])
    assert sum(len(block) for block in opened.blocks(64)) == 14
    path.unlink()
    with pytest.raises(InstrumentError, match=r"x\.wav: cannot be read"):
        list(opened.blocks(64))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "is not a WAV file"),
        (b"fLaC" + b"\0" * 100, "only WAV"),
        (riff(1, 16, b"")[:36], "no sound in it"),
        (riff(2, 4, b"\0" * 99), "WAV format 2 of 4 bit: readable are PCM"),
        (riff(1, 16, b"\0" * 99, channels=0), "0 channels"),
        (riff(1, 16, b"\0" * 99, channels=2, rate=0), "at 0 Hz"),
        (b"RIFF\x10\0\0\0WAVEfmt \x04\0\0\0\1\0\1\0", "does not say how"),
    ],
)
def test_what_is_none_is_one_line(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(InstrumentError) as caught:
        open_wave(path)
    assert named in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match="no such sound file"):
        open_wave(tmp_path / "x.wav")
    with pytest.raises(InstrumentError, match="cannot be read"):
        open_wave(tmp_path)


def test_bytes_by_chance_never_do_more_than_complain(tmp_path: Path) -> None:
    chance, path = np.random.default_rng(5), tmp_path / "x.wav"
    whole = bytearray(riff(1, 16, pcm(16)[:200]))
    for _ in range(400):
        broken = bytearray(whole)
        for at in chance.integers(0, 60, 3):
            broken[at] = chance.integers(0, 256)
        path.write_bytes(bytes(broken[: chance.integers(0, len(broken))]))
        try:
            for block in open_wave(path).blocks(16):
                assert len(block) <= 16
        except InstrumentError:
            pass
