"""The whole journey, as README tells it: from a survey over two edits to a film."""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from painting_here import CrewHere

from instrument.cli import main, making
from instrument.latent.sequence import load_sequence
from instrument.resources import child_environment
from instrument.studio.encode import count_frames

ROOT = Path(__file__).resolve().parents[2]


def here(command: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the journey in this very process: each by itself would load torch anew."""
    words = command[command.index("instrument") + 1 :]
    if words[0] == "trace":  # which needs none: one of them is run as the script runs it
        ran = subprocess.run(
            command, cwd=cwd, env=child_environment(), stdout=subprocess.PIPE, text=True
        )
        sys.stdout.write(ran.stdout)
        return ran
    with contextlib.chdir(cwd), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["instrument", *words])
        try:
            main()
        except SystemExit as left:
            return subprocess.CompletedProcess(command, int(left.code or 0))
    return subprocess.CompletedProcess(command, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `scripts/meditation` leaves behind, by a model of formulas."""
    folder = tmp_path_factory.mktemp("meditation") / "here"
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.syspath_prepend(ROOT / "scripts")
        loader = SourceFileLoader("meditation", str(ROOT / "scripts" / "meditation"))
        spec = spec_from_loader("meditation", loader)
        assert spec
        script = module_from_spec(spec)
        loader.exec_module(script)
        patch.setattr(script, "subprocess", SimpleNamespace(run=here))
        patch.setattr(making, "WorkerCrew", CrewHere)
        patch.setattr(sys, "argv", ["meditation", str(folder), "--small", "--model", "procedural"])
        script.main()
    (folder / "said.txt").write_text(said.getvalue())
    return folder


def test_the_first_edit_changes_how_often_kinds_come(folder: Path) -> None:
    first, curated = (load_sequence(folder / f"{name}.npy") for name in ("first", "curated"))
    report = json.loads((folder / "first.report.json").read_text())
    wanted = {"over": -1, "even": 0, "under": 1}
    labels = np.array(report["labels"])
    assert curated.trace is not None
    rows = curated.trace.rows[:, 1].astype(int)
    assert np.array_equal(curated.z, first.z[rows])
    for kind in report["clusters"]:
        before = int((labels == kind["number"]).sum())
        after = int((labels[rows] == kind["number"]).sum())
        assert np.sign(after - before) == wanted[kind["presence"]], kind


def test_films_are_as_long_as_their_rows(folder: Path) -> None:
    for rows, film in (("even", "film"), ("loop", "loop"), ("first", "first")):
        assert count_frames(folder / f"{film}.mp4") == len(load_sequence(folder / f"{rows}.npy"))
    assert (folder / "film.png").stat().st_size > 1000


def test_the_story_is_the_journeys_and_its_pace_is_even(folder: Path) -> None:
    journeys = [load_sequence(folder / "journeys" / f"{n:03d}.npy") for n in (1, 2)]
    story = load_sequence(folder / "story.npy")
    assert len(story) == sum(map(len, journeys)) - 20
    assert np.array_equal(story.z[:40], journeys[0].z[:40])
    assert np.array_equal(story.z[-40:], journeys[1].z[-40:])
    report = json.loads((folder / "even.report.json").read_text())
    assert report["after"]["cv"] <= report["before"]["cv"] / 2


def test_every_row_leads_back_to_the_survey(folder: Path) -> None:
    said = (folder / "said.txt").read_text()
    leaves = [line for line in said.splitlines() if "the first there is" in line]
    assert leaves
    assert all("first.npy" in line for line in leaves)
