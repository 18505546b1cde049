"""A job that Open Job Description's own program accepts, with every frame in one task."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.studio.farm_job import job_template
from instrument.timebase import FrameRange

OPENJD = Path(sys.executable).with_name("openjd")


def chunks(count: int, length: int = 10) -> list[FrameRange]:
    return [FrameRange(k * length, (k + 1) * length) for k in range(count)]


def parts(template: dict) -> list[str]:
    (frames,) = template["steps"][0]["parameterSpace"]["taskParameterDefinitions"]
    return frames["range"]


@given(count=st.integers(1, 5000))
def test_every_frame_is_in_one_task_and_there_are_not_too_many(count: int) -> None:
    ranges = parts(job_template(Path("s.npy"), Path("f.mp4"), [], chunks(count)))
    ends = [tuple(map(int, part.split(":"))) for part in ranges]
    assert len(ends) <= 1000
    assert (ends[0][0], ends[-1][1]) == (0, 10 * count)
    assert all(before[1] == after[0] for before, after in pairwise(ends))


def test_the_steps_are_the_commands_a_person_would_type() -> None:
    made = job_template(Path("s.npy"), Path("f.mp4"), ["--size", "64x64"], chunks(3))
    runs = [step["script"]["actions"]["onRun"] for step in made["steps"]]
    assert [run["command"] for run in runs] == ["{{Param.Instrument}}"] * 2
    common = ["render", "{{Param.Source}}", "-o", "{{Param.Out}}", "--size", "64x64"]
    part = ["--frames", "{{Task.Param.Frames}}", "--part", "--openjd"]
    assert [run["args"] for run in runs] == [[*common, *part], [*common, "--assemble"]]
    assert made["steps"][1]["dependencies"] == [{"dependsOn": "Render"}]


def test_a_source_beside_the_film_is_the_default_and_another_is_asked_for(tmp_path: Path) -> None:
    beside = job_template(tmp_path / "s.npy", tmp_path / "f.mp4", [], chunks(1))
    source, out, _ = beside["parameterDefinitions"]
    assert (source["default"], out["default"]) == ("s.npy", "f.mp4")
    away = job_template(tmp_path / "z" / "s.npy", tmp_path / "films" / "f.mp4", [], chunks(1))
    assert "default" not in away["parameterDefinitions"][0]


def test_a_folder_of_pictures_is_a_folder() -> None:
    made = job_template(Path("s.npy"), Path("pictures"), [], chunks(1))
    assert [p.get("objectType") for p in made["parameterDefinitions"]] == [
        "FILE",
        "DIRECTORY",
        None,
    ]


@pytest.mark.parametrize("word", ["{{Param.Out}}", "a{{b"])
def test_words_the_template_would_take_for_its_own_are_refused(word: str) -> None:
    with pytest.raises(InstrumentError, match="which a job template cannot say"):
        job_template(Path("s.npy"), Path("f.mp4"), [word], chunks(1))


@pytest.mark.skipif(not OPENJD.exists(), reason="openjd-cli is not installed")
@pytest.mark.parametrize("count", [1, 1024, 5000])
def test_openjd_accepts_it(count: int, tmp_path: Path) -> None:
    job = tmp_path / "f.mp4.openjd.json"
    made = job_template(tmp_path / "s.npy", tmp_path / "f.mp4", ["--fit", "fill"], chunks(count))
    job.write_text(json.dumps(made))
    checked = subprocess.run([OPENJD, "check", job], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    summary = subprocess.run(
        [OPENJD, "summary", job, "--output", "json"], capture_output=True, text=True, timeout=30
    )
    assert summary.returncode == 0, summary.stdout + summary.stderr
