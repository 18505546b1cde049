"""``instrument loop``: seamless, of any length, with or without a film."""

from __future__ import annotations

import json

import numpy as np
import pytest

from instrument.decoder.models import find_model
from instrument.latent.sequence import ModelReference, ZSequence, load_sequence, save_sequence
from instrument.latent.steps import step_lengths
from instrument.timebase import FrameRate

MODEL = find_model("procedural-64")


@pytest.fixture
def rows(tmp_path):
    z = np.random.default_rng(3).normal(size=(12, *MODEL.latent.shape))
    z *= MODEL.latent.radius / np.linalg.norm(z, axis=1, keepdims=True)
    reference = ModelReference(MODEL.name, MODEL.sha256)
    path = tmp_path / "rows.npy"
    save_sequence(path, ZSequence(z.astype(np.float32), FrameRate(30), MODEL.latent, reference))
    return path


def test_a_loop_without_a_seam(run, rows, tmp_path):
    ran = run("loop", rows, "-o", tmp_path / "new" / "round", "--seconds", 8, "--rows", "3,7,1",
              "--noise", 4, "--no-proxy", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert told["keys"] == ["3", "7", "1"]
    assert told["seam_step_degrees"] <= told["step_p95_degrees"]
    assert told["seam_turn_degrees"] <= told["turn_p95_degrees"]
    loop = load_sequence(tmp_path / "new" / "round.npy")
    assert len(loop) == told["frames"] == 240
    steps = step_lengths(np.concatenate([loop.z, loop.z[:1]]).astype(float), MODEL.latent)
    assert steps[-1] <= np.percentile(steps, 95)
    assert loop.trace is not None
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "round.npy", "round.json", "round.trace.npy"
    }  # fmt: skip


def test_a_short_one_is_filmed_and_a_long_one_is_not(run, rows, tmp_path):
    import av

    ran = run("loop", rows, "-o", tmp_path / "a.npy", "--seconds", 1, "--rate", 8, "--count", 3,
              "--size", "32x32")  # fmt: skip
    assert ran.code == 0, ran.err
    assert "\nfilm " in ran.out
    with av.open(str(tmp_path / "a.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 8
    ran = run("loop", rows, "-o", tmp_path / "a", "--seconds", 121, "--rate", 2)
    assert ran.code == 0, ran.err
    assert "\nfilm " not in ran.out
    assert not (tmp_path / "a.mp4").exists()  # it was of other rows
    ran = run("loop", rows, "-o", tmp_path / "a", "--seconds", 1, "--rate", 8, "--no-proxy")
    assert not (tmp_path / "a.mp4").exists()


def test_hours_need_no_model(run, rows, tmp_path):
    fields = json.loads(rows.with_suffix(".json").read_text())
    fields["model"] = {"name": "not here", "sha256": "ff" * 32}
    rows.with_suffix(".json").write_text(json.dumps(fields))
    ran = run("loop", rows, "-o", tmp_path / "long", "--seconds", 7200, "--rate", 1)
    assert ran.code == 0, ran.err
    assert load_sequence(tmp_path / "long.npy").model.name == "not here"
    ran = run("loop", rows, "-o", tmp_path / "short", "--seconds", 2)
    assert ran.code == 1
    assert "not here" in ran.error


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--seconds", 0], ["0.0 s", "above 0"]),
        (["--seconds", -5], ["-5.0 s"]),
        (["--seconds", "nan"], ["nan"]),
        (["--seconds", "inf"], ["inf"]),
        (["--seconds", 0.05], ["fewer than 3 frames"]),
        (["--rows", "3"], ["1 keys", "2 to"]),
        (["--rows", "3,12"], ["rows", "12"]),
        (["--rows", "dawn,3"], ["dawn", "--bank"]),
        (["--count", 1], ["1:1"]),
        (["--count", 13], ["only 12"]),
        (["--path", "round"], ["round", "physical"]),
        (["--hold", 9], ["pause of 9.0 s"]),
        (["--seed", -2], ["seed -2"]),
        (["--size", "0x0"], ["0x0"]),
        (["--model", "nowhere"], ["nowhere"]),
    ],
)
def test_what_a_performer_can_put_right_is_one_line(run, rows, tmp_path, words, names):
    ran = run("loop", rows, "-o", tmp_path / "loop", "--seconds", 4, *words)
    assert ran.code == 1
    for name in names:
        assert name in ran.error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.json", "rows.npy"]


def test_the_source_is_not_written_over(run, rows, tmp_path):
    before = rows.read_bytes()
    for name in ("rows", "rows.npy"):
        ran = run("loop", rows, "-o", tmp_path / name, "--seconds", 4)
        assert ran.code == 1
        assert "another name" in ran.error
    assert rows.read_bytes() == before
    ran = run("loop", rows, "-o", tmp_path / "x.params.npy", "--seconds", 4)
    assert ran.code == 1
