"""Sound lasts as long as the film to the sample, wherever it begins."""

import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from studio_fakes import RATE_NAMES, RATES, barcode, read_barcode

from instrument import InstrumentError
from instrument.studio.encode import count_frames, open_film, read_frames
from instrument.studio.extras import Extras, Sound
from instrument.studio.sound import check_sound, length_of
from instrument.timebase import FrameRate

SIZE = (32, 64)


def save_wave(path: Path, samples: np.ndarray, rate: int = 48000) -> np.ndarray:
    """``int16[n, channels]`` as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return samples


def noise(n: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(8).integers(-20000, 20000, (n, channels)).astype(np.int16)


def film_with(path: Path, sound: Sound, frames: int, rate: FrameRate) -> None:
    with open_film(path, SIZE, rate, extras=Extras(sound)) as film:
        for index in range(frames):
            film.write(barcode(index, SIZE))


def heard(path: Path) -> np.ndarray:
    """All samples of a film, ``[n, channels]``, as players play them."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        blocks = []
        for frame in container.decode(stream):
            block = frame.to_ndarray()
            channels = stream.codec_context.layout.nb_channels
            blocks.append(block.T if frame.format.is_planar else block.reshape(-1, channels))
    return np.concatenate(blocks)


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
@pytest.mark.parametrize("rate", RATES, ids=RATE_NAMES)
@pytest.mark.parametrize("length", [1000, 200_000])
def test_every_sample_is_kept(tmp_path: Path, suffix: str, rate: FrameRate, length: int) -> None:
    given = save_wave(tmp_path / "song.wav", noise(length))
    film_with(tmp_path / f"film{suffix}", Sound(tmp_path / "song.wav"), 23, rate)
    wanted = length_of(23, rate, 48000)
    assert abs(wanted - 23 * 48000 * rate.den / rate.num) <= 0.5
    expected = np.zeros((wanted, 2), np.int16)
    expected[:length] = given[:wanted]
    assert np.array_equal(heard(tmp_path / f"film{suffix}"), expected)
    assert [read_barcode(p) for p in read_frames(tmp_path / f"film{suffix}")] == list(range(23))


@pytest.mark.parametrize("offset", [0.25, -0.25, 1 / 3, 3.0, -9.0, 0.7003])
def test_it_begins_where_it_is_told(tmp_path: Path, offset: float) -> None:
    given = save_wave(tmp_path / "song.wav", noise(60_000, 1))
    film_with(tmp_path / "film.mkv", Sound(tmp_path / "song.wav", offset), 50, FrameRate(25))
    shift = round(Fraction(offset) * 48000)
    track = np.zeros((2_000_000, 1), np.int16)
    track[1_000_000 + shift :][:60_000] = given
    assert np.array_equal(heard(tmp_path / "film.mkv"), track[1_000_000:][:96_000])


@pytest.mark.parametrize("rate", RATES, ids=RATE_NAMES)
def test_aac_lasts_as_long_as_the_pictures(tmp_path: Path, rate: FrameRate) -> None:
    t = np.arange(100_000) / 44100
    tone = (8000 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16)
    save_wave(tmp_path / "tone.wav", np.stack([tone, tone], axis=1), 44100)
    film_with(tmp_path / "film.mp4", Sound(tmp_path / "tone.wav"), 40, rate)
    wanted = length_of(40, rate, 44100)
    with av.open(str(tmp_path / "film.mp4")) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate) == ("aac", 44100)
        assert stream.duration is not None
        assert stream.time_base is not None
        assert stream.duration * stream.time_base == Fraction(wanted, 44100)
    samples = heard(tmp_path / "film.mp4")
    assert 0 <= len(samples) - wanted < 1024  # a last packet of which the container tells the end
    middle = samples[4096:20480, 0]
    loudest = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax()
    assert loudest * 44100 / len(middle) == pytest.approx(1000, abs=3)
    # In step with the pictures: the first sample that is heard is the first of the file.
    lag = np.correlate(samples[1000:3000, 0], tone[900:3100] / 32768, "valid").argmax()
    assert abs(lag - 100) in (0, 44, 88)  # or a whole wave beside it


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
def test_samples_a_second_stay(tmp_path: Path, rate: int) -> None:
    save_wave(tmp_path / "song.wav", noise(5000), rate)
    film_with(tmp_path / "film.mkv", Sound(tmp_path / "song.wav"), 10, FrameRate(24))
    with av.open(str(tmp_path / "film.mkv")) as container:
        assert container.streams.audio[0].rate == rate
    assert len(heard(tmp_path / "film.mkv")) == length_of(10, FrameRate(24), rate)


def test_24_bits_stay_24(tmp_path: Path) -> None:
    given = np.random.default_rng(1).integers(-(2**23), 2**23, (9600, 2)).astype(np.int32) << 8
    with av.open(str(tmp_path / "deep.wav"), "w") as container:
        stream = container.add_stream("pcm_s24le", rate=48000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(given.reshape(1, -1), format="s32", layout="stereo")
        frame.sample_rate = 48000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    for suffix in (".mov", ".mkv"):
        film_with(tmp_path / f"film{suffix}", Sound(tmp_path / "deep.wav"), 5, FrameRate(25))
        assert np.array_equal(heard(tmp_path / f"film{suffix}"), given)


@pytest.fixture
def others(tmp_path: Path) -> Iterator[Path]:
    """The same tone as MP3, and a film that has sound."""
    tone = (9000 * np.sin(np.arange(96_000) / 8)).astype(np.int16)
    save_wave(tmp_path / "tone.wav", tone[:, None])
    film_with(tmp_path / "film.mp4", Sound(tmp_path / "tone.wav"), 30, FrameRate(30))
    with av.open(str(tmp_path / "tone.mp3"), "w") as container:
        stream = container.add_stream("mp3", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16p", layout="mono")
        frame.sample_rate = 48000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    yield tmp_path


@pytest.mark.parametrize("name", ["tone.mp3", "film.mp4"])
def test_any_file_with_sound_will_do(others: Path, name: str) -> None:
    check_sound(others / name)
    film_with(others / "made.mov", Sound(others / name), 24, FrameRate(24))
    assert len(heard(others / "made.mov")) == 48000
    assert count_frames(others / "made.mov") == 24


@pytest.mark.parametrize("name", ["none.wav", "text.wav", "silent.mp4", "."])
def test_what_is_no_sound_is_said_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.wav").write_text("la la la")
    with open_film(tmp_path / "silent.mp4", SIZE, FrameRate(30)) as film:
        film.write(barcode(0, SIZE))
    before = sorted(tmp_path.iterdir())
    for attempt in (
        lambda: check_sound(tmp_path / name),
        lambda: film_with(tmp_path / "film.mov", Sound(tmp_path / name), 1, FrameRate(30)),
    ):
        with pytest.raises(InstrumentError, match=name) as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_an_aborted_film_lets_the_sound_go(tmp_path: Path) -> None:
    save_wave(tmp_path / "song.wav", noise(99_000))
    sound = Extras(Sound(tmp_path / "song.wav"))
    with pytest.raises(KeyboardInterrupt):
        with open_film(tmp_path / "film.mov", SIZE, FrameRate(30), extras=sound) as film:
            film.write(barcode(0, SIZE))
            raise KeyboardInterrupt
    assert [file.name for file in tmp_path.iterdir()] == ["song.wav"]


def test_pictures_carry_no_sound(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match="carry no sound"):
        open_film(tmp_path / "film", SIZE, FrameRate(30), extras=Extras(Sound(tmp_path / "x.wav")))
    with pytest.raises(InstrumentError, match="offset"):
        Sound(tmp_path / "x.wav", float("nan"))


def test_a_name_in_the_letters_of_long_ago_is_no_reason_to_stop(tmp_path: Path) -> None:
    """Old programs write names of artists as Latin-1, which is no UTF-8."""
    song = tmp_path / "song.wav"
    given = save_wave(song, noise(4000))
    name = b"IART" + (6).to_bytes(4, "little") + "B\xe9la".encode("latin-1") + b"\0\0"
    listed = b"LIST" + (4 + len(name)).to_bytes(4, "little") + b"INFO" + name
    data = song.read_bytes() + listed
    song.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:])
    check_sound(song)
    film_with(tmp_path / "film.mov", Sound(song), 2, FrameRate(25))
    assert np.array_equal(heard(tmp_path / "film.mov")[:3840], given[:3840])


def test_so_is_a_title_of_a_film(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Bxla"
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = SIZE[1], SIZE[0]
        frame = av.VideoFrame.from_ndarray(barcode(7, SIZE), format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    data = path.read_bytes()
    assert data.count(b"Bxla") == 1
    path.write_bytes(data.replace(b"Bxla", b"B\xe9la"))
    assert count_frames(path) == 1
    assert [read_barcode(picture) for picture in read_frames(path)] == [7]
