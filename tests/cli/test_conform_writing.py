"""``instrument conform --write-otio`` and back: the take's own z, bit for bit, and its marks."""

import json
import shutil

import numpy as np
import pytest

from instrument.event import ControlEvent, write_events

EVENTS = (
    ControlEvent("/waypoint/2/go", 1.0, 0.4),
    ControlEvent("/raw/noise/strength", 12.0, 0.5),
    ControlEvent("/key/3", 1.0, 0.9),
    ControlEvent("/key/3", 0.0, 0.95),
)
RATE = "30000/1001"


@pytest.fixture(scope="module")
def show(tmp_path_factory):
    return tmp_path_factory.mktemp("way back")


@pytest.fixture
def takes(run, show):
    """Two takes of a second and a half, recorded once."""
    if not (show / "b.take").exists():
        write_events(show / "s.jsonl", EVENTS)
        for name, seed in (("a", 1), ("b", 2)):
            ran = run("play", "--headless", "--clock", "steps", "--seconds", 1.5, "--rate", RATE,
                      "--take", show / f"{name}.take", "--script", show / "s.jsonl",
                      "--seed", seed, "--json")  # fmt: skip
            assert ran.code == 0, ran.err
    return [show / "a.take", show / "b.take"]


@pytest.mark.parametrize(("kind", "more"), [("otio", ()), ("edl", ()), ("edl", ("--drop-frame",))])
def test_there_and_back_bit_for_bit(run, show, takes, kind, more):
    edit = show / f"e{len(more)}.{kind}"
    ran = run("conform", *takes, f"--write-{kind}", edit, *more, "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert [clip["frames"] for clip in told["clips"]] == [45, 45]
    assert [m[0] for m in told["clips"][0]["markers"]] == [12, 27]
    assert "not there yet" in ran.err
    back = run("conform", edit, "-o", show / f"back-{kind}{len(more)}", "--json")
    assert back.code == 0, back.err
    z = np.load(show / f"back-{kind}{len(more)}.npy")
    wanted = np.concatenate([np.load(take / "z.npy") for take in takes])
    assert z.tobytes() == wanted.tobytes()
    assert json.loads(back.out)["rate"] == [30000, 1001]
    parameters = np.load(show / f"back-{kind}{len(more)}.params.npy")
    assert parameters.tobytes() == np.concatenate(
        [np.load(take / "z.params.npy") for take in takes]
    ).tobytes()  # fmt: skip


def test_a_bare_sequence_a_take_by_its_rows_and_people(run, show, takes):
    shutil.copy(takes[0] / "z.npy", show / "bare.npy")
    ran = run("conform", show / "bare.npy", "--write-otio", show / "bare.otio")
    assert ran.code == 0, ran.err
    assert "1 clips, 45 frames, 0 markers" in ran.out
    ran = run("conform", takes[0] / "z.npy", "--write-otio", show / "z.otio", "--json")
    clip = json.loads(ran.out)["clips"][0]
    assert clip["name"] == "a" and clip["proxy"].endswith("a.mp4") and len(clip["markers"]) == 2


def test_faults_are_one_line_and_write_nothing(run, show, takes, tmp_path):
    out = tmp_path / "e.otio"
    for words, reason in (
        ((tmp_path / "none.npy", "--write-otio", out), "none.npy"),
        ((tmp_path, "--write-otio", out), "not a take"),
        ((takes[0], "--write-otio", tmp_path / "e.edl"), "must end in .otio"),
        ((takes[0], "--write-edl", out), "must end in .edl"),
        ((takes[0], "--write-otio", tmp_path / "no" / "e.otio"), "there is no folder"),
        ((takes[0], "--write-otio", out, "-o", "x"), "leave -o out"),
        ((takes[0], "--write-edl", tmp_path / "e.edl", "--stacked"), "one track"),
        ((takes[0], "--write-otio", out, "--drop-frame"), "goes with --write-edl"),
        ((takes[0], takes[1], "-o", tmp_path / "x"), "one edit"),
        ((takes[0],), "one edit"),
        ((out, "-o", tmp_path / "x", "--stacked"), "go with --write-otio"),
    ):
        ran = run("conform", *words)
        assert ran.code == 1, words
        assert reason in ran.error, words
    assert list(tmp_path.iterdir()) == []
