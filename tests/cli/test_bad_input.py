"""What a performer can put right: one line that names it, exit 1, nothing half-written."""

import json

import numpy as np
import pytest

from instrument.resources import bundled

DEFAULT = (bundled("presets") / "procedural.toml").read_text()


@pytest.fixture
def edited(tmp_path):
    """``edited(old, new)``: the default preset with one thing wrong."""

    def edit(old: str, new: str):
        assert old in DEFAULT
        path = tmp_path / "mine.toml"
        path.write_text(DEFAULT.replace(old, new, 1))
        return path

    return edit


def line_with(text: str, path) -> int:
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ('bank = "first-light"', 'bank = "first-light"\nbnak = 1', ["bnak", "allowed are", "bank"]),
        ('rate = "60"', 'rate = "sixty"', ["rate", "sixty", "60"]),
        ('rate = "60"', "rate = 60", ["rate", "expected", "str"]),
        ('bank = "first-light"', 'bank = "missing"', ["missing", "first-light"]),
        ('model = "procedural"', 'model = "nope"', ["nope", "procedural"]),
        ('home = "dawn"', 'home = "dusk"', ["dusk", "dawn"]),
        ("seed = 7", "seed = -7", ["seed", "integer from 0"]),
        ('"/spring/frequency" = 0.28', '"/spring/frequenzy" = 0.28', ["frequenzy", "/spring/"]),
        ('"/spring/frequency" = 0.28', '"/spring/frequency" = 99.0', ["99", "0.01 to 30 Hz"]),
        ('waypoint = "iris", at', 'waypoint = "irs", at', ["irs", "iris"]),
        ('"iris", at = [0.80, 0.80]', '"iris", at = [1.80, 0.80]', ["1.8", "0..1"]),
        ('source = "/key/f"', 'source = "/key/b"', ["/key/b", "reserved", "/display/blackout"]),
        ('target = "/performance/hold"', 'target = "/performance/fly"', ["/performance/fly"]),
        ('mode = "toggle"', 'mode = "tuggle"', ["mode", "tuggle"]),
        ('address = "/waypoint/ember/go"', 'address = "ember"', ["ember", "/waypoint/"]),
        ("at = 12.0", "at = -1", ["-1"]),
        ('format = "preset/1"', 'format = "preset/9"', ["format", "preset/9"]),
        ("[parameters]", "[parameters", ["expected", "]"]),
    ],
)
def test_a_wrong_preset_names_file_line_and_what_is_allowed(run, edited, old, new, names, tmp_path):
    path = edited(old, new)
    take = tmp_path / "t.take"
    ran = run("play", path, "--headless", "--seconds", 1, "--take", take)
    assert ran.code == 1
    assert f"{path}:" in ran.error
    changed = new.splitlines()[-1].strip()
    if "pad" not in ran.error and "places" not in ran.error:
        assert f"{path}:{line_with(changed, path)}:" in ran.error, ran.error
    for name in names:
        assert name.lower() in ran.error.lower()
    assert not take.exists()


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--size", "-640x480"], ["-640x480", "1280x720"]),
        (["--size", "640"], ["640", "1280x720"]),
        (["--size", "0x0"], ["0x0", "16"]),
        (["--rate", "0"], ["0"]),
        (["--rate", "-30"], ["-30"]),
        (["--seconds", "-1"], ["-1"]),
        (["--seconds", "nan"], ["nan"]),
        (["--seed", "-5"], ["-5"]),
        (["--clock", "sundial"], ["sundial", "wall", "steps"]),
        (["--model", "nowhere"], ["nowhere", "procedural"]),
        (["--model", "procedural-64"], ["brief-history holds z512", "procedural-64 takes z64"]),
        (["--script", "nowhere.jsonl"], ["nowhere.jsonl"]),
    ],
)
def test_a_wrong_option_names_what_is_allowed(run, words, names):
    ran = run("play", "--headless", *(["--seconds", 1] if "--seconds" not in words else []), *words)
    assert ran.code == 1, (ran.out, ran.err)
    for name in names:
        assert name in ran.error


def test_an_unknown_preset_lists_those_there_are(run):
    ran = run("play", "nonesuch", "--headless", "--seconds", 1)
    assert ran.code == 1 and "nonesuch" in ran.error and "default" in ran.error


def test_wrong_usage_exits_2(run):
    assert run("play", "--no-such-option").code == 2
    assert run("render").code == 2
    assert run("nonsense").code == 2


def test_a_script_names_its_wrong_line(run, tmp_path):
    script = tmp_path / "s.jsonl"
    script.write_text('{"time": 0, "address": "/key/1", "value": 1}\n{"time": NaN}\n')
    ran = run("play", "--headless", "--seconds", 1, "--script", script)
    assert ran.code == 1 and f"{script}:2" in ran.error


def test_headless_needs_an_end(run):
    assert "--seconds" in run("play", "--headless").error


def test_a_take_is_never_written_over(run, tmp_path):
    take = tmp_path / "t.take"
    words = ("play", "--headless", "--clock", "steps", "--seconds", 1, "--take", take)
    assert run(*words).code == 0
    before = (take / "z.npy").read_bytes()
    ran = run(*words)
    assert ran.code == 1 and str(take) in ran.error
    assert (take / "z.npy").read_bytes() == before


def test_a_disk_that_cannot_be_written_says_so_before_the_show(run, tmp_path):
    file = tmp_path / "file"
    file.write_text("in the way")
    ran = run("play", "--headless", "--seconds", 1, "--take", file / "t.take")
    assert ran.code == 1 and "file" in ran.error
    ran = run("play", "--headless", "--seconds", 1, "--take", "/proc/nowhere/t.take")
    assert ran.code == 1 and "/proc/nowhere" in ran.error


@pytest.mark.parametrize("command", ["verify", "repair", "export"])
def test_what_is_no_take_is_called_so(run, tmp_path, command):
    more = ["-o", tmp_path / "out"] if command == "export" else []
    for path in (tmp_path / "nothing", tmp_path):
        ran = run("takes", command, path, *more)
        assert ran.code == 1 and str(path) in ran.error
    broken = tmp_path / "b.take"
    broken.mkdir()
    (broken / "take.mcap").write_bytes(b"no mcap at all" * 100)
    assert run("takes", command, broken, *more).code == 1


class TestRender:
    def test_arrays_that_are_no_z(self, run, tmp_path):
        cases = {
            "objects": np.array([{"a": 1}, None], dtype=object),
            "whole": np.arange(10).reshape(2, 5),
            "scalar": np.float32(3.0),
            "four": np.zeros((2, 2, 2, 2), np.float32),
        }
        for name, array in cases.items():
            np.save(tmp_path / f"{name}.npy", array, allow_pickle=True)
        nan = np.ones((4, 512), np.float32)
        nan[2, 7] = np.nan
        np.save(tmp_path / "nan.npy", nan)
        (tmp_path / "torn.npy").write_bytes((tmp_path / "nan.npy").read_bytes()[:500])
        for name in (*cases, "nan", "torn", "absent"):
            path = tmp_path / f"{name}.npy"
            ran = run("render", path, "-o", tmp_path / "film.mp4")
            assert ran.code == 1 and str(path) in ran.error, (name, ran.err)
        assert "row 2" in run("render", tmp_path / "nan.npy", "-o", tmp_path / "f.mp4").error
        assert not list(tmp_path.glob("*.mp4"))

    def test_z_of_another_model(self, run, tmp_path):
        np.save(tmp_path / "z.npy", np.ones((4, 64), np.float32))
        ran = run("render", tmp_path / "z.npy", "-o", tmp_path / "film.mp4")
        assert ran.code == 1 and "64" in ran.error and "512" in ran.error
        assert not (tmp_path / "film.mp4").exists()

    def test_a_take_of_another_model_must_be_asked_for(self, run, tmp_path):
        words = ("play", "--headless", "--clock", "steps", "--seconds", 0.5, "--take")
        assert run(*words, tmp_path / "t.take").code == 0
        sidecar = tmp_path / "t.take" / "z.json"
        fields = json.loads(sidecar.read_text())
        fields["model"]["sha256"] = "0" * 64
        sidecar.write_text(json.dumps(fields))
        ran = run("render", tmp_path / "t.take" / "z.npy", "-o", tmp_path / "film.mp4")
        assert ran.code == 1 and "default" in ran.error and "000000" in ran.error

    @pytest.mark.parametrize(
        ("words", "names"),
        [
            (["--size", "-3x4"], ["-3x4"]),
            (["--size", "501x500"], ["501x500", "even"]),
            (["--frames", "5:2"], ["5:2"]),
            (["--frames", "0:99"], ["0:99", "0:4"]),
            (["--codec", "betamax"], ["betamax", "h264"]),
            (["--fit", "squeeze"], ["squeeze", "fill"]),
            (["--rate", "x"], ["x"]),
            (["--model", "nope"], ["nope", "procedural"]),
        ],
    )
    def test_wrong_options(self, run, tmp_path, words, names):
        np.save(tmp_path / "z.npy", np.ones((4, 512), np.float32))
        ran = run("render", tmp_path / "z.npy", "-o", tmp_path / "film.mp4", *words)
        assert ran.code == 1, ran.err
        for name in names:
            assert name in ran.error
        assert [path.name for path in tmp_path.iterdir()] == ["z.npy"]

    def test_names_no_film_can_have(self, run, tmp_path):
        np.save(tmp_path / "z.npy", np.ones((4, 512), np.float32))
        for out in ("film.gif", "film.wmv"):
            ran = run("render", tmp_path / "z.npy", "-o", tmp_path / out)
            assert ran.code == 1 and out in ran.error and "mp4" in ran.error
