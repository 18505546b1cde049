"""Edits of real editors, whose every frame is known: read, conformed, and compared.

Row i of every source is its index, in a space without a shell: so z says which row a frame shows,
and in a mix how much of which.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from edit_fakes import numbered

from instrument.studio.conform import Choices, conform
from instrument.studio.edits import SUFFIXES, read_edit
from instrument.timebase import FrameRate

EDITS = Path(__file__).resolve().parents[3] / "shared" / "edits"
PROJECTS = sorted(p for p in EDITS.glob("*") if p.suffix in SUFFIXES) if EDITS.is_dir() else []
# What the proxies of these edits hold: rows, the index of the first, the rate.
PROXIES = {"proxyA": (300, 0, 30), "proxyB": (300, 5000, 30), "proxyC": (250, 9000, 25)}
DARKEST = 0.02  # below this gain the pictures of the truth could not be read


def truth_of(project: Path) -> dict:
    return json.loads(project.with_name(project.stem + ".truth.json").read_text())


def conformed(project: Path, **choices):
    edit = read_edit(project)
    sources = [
        numbered(rows, first, name, FrameRate(rate))
        for name, (rows, first, rate) in PROXIES.items()
    ]
    names = list(PROXIES)
    found = {m: names.index(Path(m.places[0]).stem) for m in edit.media()}
    return conform(edit, sources, found, Choices(retime="nearest", **choices))


def expected(frame) -> float | None:
    if frame is None or len(frame) == 1:
        return frame and float(frame[0])
    low, high, share = frame
    return (1 - share) * low + share * high


def test_the_edits_are_there():
    if not EDITS.is_dir():
        pytest.skip("edits with known answers: not on this machine")
    assert len(PROJECTS) >= 18


def differences(frames, z, gain, share) -> list:
    """Where a conformed edit is not what the truth says, with what is there instead."""
    wrong = []
    for index, frame in enumerate(frames):
        if frame is None:  # nothing, or too dark to be read
            if gain[index] > DARKEST + 0.06:
                wrong.append((index, "dark", float(gain[index])))
            continue
        alone = len(frame) == 1
        # The rows exactly, a weight to .01; at one half the truth cannot tell which is which.
        slack = 0.0 if alone else 0.0101 * abs(frame[1] - frame[0])
        either = [expected(frame)]
        if not alone and abs(frame[2] - 0.5) < 0.01:
            either.append(expected([frame[1], frame[0], frame[2]]))
        layers = int((share[index] > 0.0).sum())
        if min(abs(z[index] - one) for one in either) > slack or (alone and layers != 1):
            wrong.append((index, frame, float(z[index]), layers))
    return wrong


@pytest.mark.parametrize("project", PROJECTS, ids=lambda p: p.name)
def test_every_frame_is_what_the_editor_showed(project):
    frames = truth_of(project)["frames"]
    made = conformed(project)
    assert len(made.sequence) == len(frames)
    z, seen = made.sequence.z[:, 0], made.seen
    assert differences(frames, z, seen.gain, seen.share) == []
    # One row off everywhere, and the comparison says so of every frame that holds one row.
    read = sum(frame is not None and len(frame) == 1 for frame in frames)
    assert len(differences(frames, z + 1, seen.gain, seen.share)) >= read


@pytest.mark.parametrize(
    "project", [p for p in PROJECTS if "gain" in truth_of(p)], ids=lambda p: p.name
)
def test_fades_are_as_bright_as_the_editor_made_them(project):
    truth = truth_of(project)
    gain = conformed(project).seen.gain
    # What was asked for. A level scales code values, black included (rule 6 of the edits), so the
    # white bar of the render reads up to .07 less.
    assert np.abs(gain - np.array(truth["level"])).max() <= 0.02
