"""``render``: presets and what wins over them, blur, sound; a part is what the whole is."""

import json
import wave
from fractions import Fraction

import av
import numpy as np
import pytest

from instrument.cli.film_options import FilmWishes
from instrument.cli.painters import painters_for
from instrument.cli.played import open_source
from instrument.decoder.models import find_model
from instrument.display.look import Look
from instrument.latent.geometry import slerp
from instrument.latent.sequence import ModelReference, ZSequence, save_sequence
from instrument.studio.deep import read_deep
from instrument.studio.encode import count_frames, read_frames
from instrument.studio.recipes import RECIPES
from instrument.studio.shutter import Shutter
from instrument.timebase import FrameRange, FrameRate

pytestmark = pytest.mark.usefixtures("painted_here")

FRAMES = 8


@pytest.fixture
def walk(tmp_path):
    """Eight frames through the procedural model, fading in, and a second of sound."""
    model = find_model("procedural")
    a, b = np.random.default_rng(11).normal(size=(2, model.latent.size))
    z = slerp(a, b, np.linspace(0, 0.5, FRAMES))
    z *= np.sqrt(model.latent.size) / np.linalg.norm(z, axis=1, keepdims=True)
    gain = np.linspace(0.2, 1, FRAMES, dtype=np.float32)[:, None]
    sequence = ZSequence(
        z.astype(np.float32), FrameRate(24), model.latent, ModelReference(model.name, model.sha256),
        gain, ("/master/gain",),
    )  # fmt: skip
    save_sequence(tmp_path / "walk.npy", sequence)
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(np.arange(48000, dtype="<i2").tobytes())
    return tmp_path / "walk.npy"


@pytest.fixture
def take(run, tmp_path):
    """One second of playing: a glide to the second waypoint, recorded at 20 frames a second."""
    script = tmp_path / "script.jsonl"
    events = [("/waypoint/2/go", 0.25), ("/performance/home", 0.75)]
    lines = [json.dumps({"time": t, "address": a, "value": 1.0}) for a, t in events]
    script.write_text("\n".join(lines) + "\n")
    made = run(
        "play", "procedural", "--headless", "--clock", "steps", "--seconds", 1, "--rate", 20,
        "--script", script, "--take", tmp_path / "dawn.take",
    )  # fmt: skip
    assert made.code == 0, made.err
    return tmp_path / "dawn.take"


def pictures(path):
    return np.stack(list(read_frames(path)))


def stream_of(path):
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        kinds = [stream.type for stream in container.streams]
        context = video.codec_context
        return context.name, context.pix_fmt, (context.width, context.height), kinds


@pytest.mark.parametrize(
    ("preset", "name", "codec", "pixels"),
    [
        ("web", "film.mp4", "h264", "yuv420p"),
        ("projector", "film.mov", "prores", "yuv422p10le"),
        ("master", "film.mov", "prores", "yuv444p12le"),
        ("master", "film.mkv", "ffv1", "gbrp16le"),
        ("proof", "film.mp4", "h264", "yuv420p"),
    ],
)
def test_presets(run, walk, tmp_path, preset, name, codec, pixels):
    made = run("render", walk, "-o", tmp_path / name, "--preset", preset, "--size", "128x72",
               "--audio", tmp_path / "tone.wav", "--json")  # fmt: skip
    assert made.code == 0, made.err
    assert (
        json.loads(made.out.splitlines()[-1])["frames"] == FRAMES == count_frames(tmp_path / name)
    )
    told, format_, size, kinds = stream_of(tmp_path / name)
    assert (told, format_, size) == (codec, pixels, (128, 72))
    assert kinds[:2] == ["video", "audio"]
    if name.endswith(".mov"):
        assert kinds[2:] == ["data"]  # the timecode


def test_what_is_said_wins_over_the_preset(run, walk, tmp_path):
    options = ["--preset", "master", "--codec", "h264", "--depth", 8, "--range", "full",
               "--crf", 30, "--size", "64x64", "--timecode", "10:00:00:00"]  # fmt: skip
    assert run("render", walk, "-o", tmp_path / "film.mp4", *options).code == 0
    codec, pixels, size, _ = stream_of(tmp_path / "film.mp4")
    assert (codec, pixels, size) == ("h264", "yuvj420p", (64, 64))
    with av.open(str(tmp_path / "film.mp4")) as container:
        assert container.streams.video[0].metadata["timecode"] == "10:00:00:00"


def test_the_timecode_of_a_preset_goes_by_the_source():
    master, part = FilmWishes(preset="master"), FrameRange(30, 50)
    assert master.extras([], part, FrameRate(24), stills=False).start == "00:00:01:06"
    assert master.extras([], part, FrameRate(24), stills=True).start is None
    assert master.extras([], part, FrameRate(120), stills=False).start is None  # no such timecode
    said = FilmWishes(preset="master", timecode="10:00:00:00")
    assert said.extras([], part, FrameRate(24), stills=False).start == "10:00:00:00"


def test_a_preset_never_enlarges_and_sides_come_out_even():
    web, proof = RECIPES["web"], RECIPES["proof"]
    assert web.fitting((256, 256)) == (256, 256)
    assert web.fitting((2048, 2048)) == (1080, 1080)
    assert web.fitting((3840, 2160)) == (1920, 1080)
    assert proof.fitting((1080, 1920)) == (360, 640)
    assert web.fitting((255, 101)) == (256, 100)


def test_without_a_wish_pictures_are_those_of_the_stage(run, walk, tmp_path):
    assert run("render", walk, "-o", tmp_path / "film").code == 0
    assert run("render", walk, "-o", tmp_path / "dithered", "--dither").code == 0
    assert not FilmWishes().fine
    plain, dithered = pictures(tmp_path / "film"), pictures(tmp_path / "dithered")
    apart = np.abs(plain.astype(int) - dithered)
    assert apart.max() == 1
    assert 0.2 < apart.mean() < 0.35  # a fine value is a quarter of a level off, on average


def test_a_part_shows_what_the_whole_does(run, walk, tmp_path):
    blurred = ["--size", "64x64", "--blur", 360, "--samples", 3, "--dither"]
    assert run("render", walk, "-o", tmp_path / "whole", *blurred).code == 0
    assert run("render", walk, "-o", tmp_path / "part", "--frames", "3:6", *blurred).code == 0
    assert np.array_equal(pictures(tmp_path / "part"), pictures(tmp_path / "whole")[3:6])


def test_blur_is_the_mean_of_what_was_seen_meanwhile(run, walk, tmp_path):
    fine = ["--codec", "exr", "--size", "64x64"]
    assert run("render", walk, "-o", tmp_path / "sharp", *fine).code == 0
    assert (
        run("render", walk, "-o", tmp_path / "once", *fine, "--blur", 180, "--samples", 1).code == 0
    )
    assert run("render", walk, "-o", tmp_path / "blur", *fine, "--blur", 360).code == 0
    sharp, once, blur = (
        np.stack([read_deep(tmp_path / name / f"{i:06d}.exr") for i in range(FRAMES)])
        for name in ("sharp", "once", "blur")
    )
    assert np.abs(once - sharp).max() < 1e-5  # one sample lies at the frame's own time
    assert 0.002 < np.abs(blur[3] - sharp[3]).mean() < 0.1

    def edges(picture):
        return np.abs(np.diff(picture, axis=1)).mean()

    assert all(edges(blur[i]) < edges(sharp[i]) for i in range(1, FRAMES - 1))


def test_supersampled_pictures_are_the_same_pictures_cleaner(run, walk, tmp_path):
    for factor in (1, 4):
        made = run("render", walk, "-o", tmp_path / f"s{factor}", "--size", "96x64",
                   "--supersample", factor, "--frames", "7:8", "--no-dither")  # fmt: skip
        assert made.code == 0, made.err
    once, four = pictures(tmp_path / "s1")[0].astype(int), pictures(tmp_path / "s4")[0].astype(int)
    assert (once[:, :16] == 0).all()  # square pictures, whole
    assert 0.1 < np.abs(once - four)[:, 16:80].mean() < 12


def test_painters_paint_what_the_film_shows():
    model = find_model("procedural")
    wishes = FilmWishes(supersample=3)

    class Shown:
        size, fit = (1920, 1080), wishes.fit

    playing, factor = painters_for({1: model}, Shown(), 3)
    assert (playing[1].size, factor) == ((3240, 3240), 3)
    assert painters_for({1: model}, Shown(), None) == ({1: model}, 1)
    assert Look(fit="fill").fit == "fill"


def test_sound_goes_by_the_source_not_by_the_part(run, walk, tmp_path):
    made = run("render", walk, "-o", tmp_path / "film.mkv", "--frames", "3:6", "--size", "64x64",
               "--audio", tmp_path / "tone.wav", "--audio-offset", "0.0625")  # fmt: skip
    assert made.code == 0, made.err
    with av.open(str(tmp_path / "film.mkv")) as container:
        heard = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    # Three frames from 0.125 s on: of the sound, which begins at 0.0625 s, the 3000th sample on.
    assert np.array_equal(heard, np.arange(3000, 9000))


def test_a_take_is_exposed_to_the_performance_itself(take):
    played = open_source(take)
    shutter = Shutter(360, 4)
    z, _ = played.exposure(shutter).rows(0, 20)
    assert z.shape[0] == 80
    finer = open_source(take, FrameRate(160)).sequence.z
    # Samples lie at eighths of a frame: odd rows at eight times the rate.
    at = (np.arange(20)[:, None] * 8 + [-3, -1, 1, 3]).reshape(-1).clip(0)
    assert np.array_equal(z, finer[at])
    assert np.array_equal(played.exposure(None).rows(4, 6)[0], played.sequence.z[4:6])


def test_chapters_of_a_take(run, take, tmp_path):
    made = run("render", take, "-o", tmp_path / "film.mp4", "--chapters", "--size", "64x64",
               "--blur", 90, "--samples", 2)  # fmt: skip
    assert made.code == 0, made.err
    with av.open(str(tmp_path / "film.mp4")) as container:
        told = [(c["start"] * c["time_base"], c["metadata"]["title"]) for c in container.chapters()]
    assert [start for start, _ in told] == [0, Fraction(1, 4), Fraction(3, 4)]
    assert [name for _, name in told][::2] == ["Beginning", "home"]
    run("render", take, "-o", tmp_path / "part.mp4", "--chapters", "--frames", "10:20",
        "--size", "64x64")  # fmt: skip
    with av.open(str(tmp_path / "part.mp4")) as container:
        part = [(c["start"] * c["time_base"], c["metadata"]["title"]) for c in container.chapters()]
    assert part == [(0, told[1][1]), (Fraction(1, 4), "home")]


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("film.mp4", ["--preset", "cinema"], "web, projector, master, proof"),
        ("film.mp4", ["--preset", "master"], "NAME.mov or NAME.mkv or a folder"),
        ("film", ["--preset", "web"], "NAME.mp4 or NAME.mov or NAME.mkv"),
        ("film.mov", ["--codec", "prores", "--depth", "8"], "depth of 10 bits, not 8"),
        ("film.mp4", ["--depth", "16"], "8 or 10 bits, not 16"),
        ("film.mp4", ["--range", "wide"], "limited, full"),
        ("film.mov", ["--codec", "prores", "--range", "full"], "range limited only"),
        ("film.mp4", ["--crf", "99"], "0 to 51"),
        ("film.mp4", ["--upscale", "magic"], "bicubic, lanczos, sharp"),
        ("film.mp4", ["--supersample", "9"], "1 to 8"),
        ("film.mp4", ["--supersample", "8", "--size", "4096x4096"], "at most 16384"),
        ("film.mp4", ["--model", "default", "--supersample", "2"], "no other size"),
        ("film.mp4", ["--blur", "400"], "0 to 360"),
        ("film.mp4", ["--blur", "90", "--samples", "0"], "1 to 256"),
        ("film.mp4", ["--samples", "4"], "--blur"),
        ("film.mp4", ["--audio", "none.wav"], "none.wav: no such file"),
        ("film.mp4", ["--audio-offset", "1"], "--audio"),
        ("film", ["--timecode", "01:00:00:00"], "carry no sound"),
        ("film.mov", ["--timecode", "soon"], "HH:MM:SS:FF"),
        ("film.mp4", ["--size", "65x64"], "even sizes"),
        ("film.mp4", ["--frames", "5:99"], "within 0:8"),
    ],
)
def test_what_does_not_go_is_one_line(run, walk, tmp_path, name, options, says):
    before = sorted(file.name for file in tmp_path.iterdir())
    made = run("render", walk, "-o", tmp_path / name, *options)
    assert made.code == 1
    assert says in made.error
    assert sorted(file.name for file in tmp_path.iterdir()) == before
