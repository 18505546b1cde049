"""Edits whose every frame is known, rendered by MLT 7.12: the readings of them, frame by frame.

`edits/NAME.truth.json` has the numbers that a render of `edits/NAME` shows.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from mlt_paint import Picture, differs, paint

from instrument.studio import mlt
from instrument.timebase import FrameRate

EDITS = sorted(
    path
    for path in (Path(__file__).parent / "edits").iterdir()
    if path.suffix in (".mlt", ".kdenlive")
)
TRUTH = {path: json.loads(path.with_suffix(".truth.json").read_text("utf-8")) for path in EDITS}


def test_all_generations_are_there() -> None:
    names = {path.name for path in EDITS}
    assert {"gen2.kdenlive", "mini_saved.kdenlive", "gen5.kdenlive", "cuts.mlt"} <= names


@pytest.mark.parametrize("path", EDITS, ids=lambda path: path.name)
def test_every_frame_is_the_rendered_one(path: Path) -> None:
    truth = TRUTH[path]
    timeline = mlt.read(path)
    assert timeline.rate == FrameRate(*truth["rate"])
    assert timeline.length == len(truth["frames"])
    assert timeline.remarks == ()
    wrong = [
        (frame, picture, shown)
        for frame, (picture, shown) in enumerate(zip(paint(timeline), truth["frames"], strict=True))
        if differs(picture, shown)
    ]
    assert wrong == []


def test_the_light_of_fades_is_the_rendered_one() -> None:
    path = next(path for path in EDITS if path.name == "fades.kdenlive")
    pictures = paint(mlt.read(path))
    light = np.array([sum(picture.values()) for picture in pictures])
    assert np.abs(light - TRUTH[path]["level"]).max() < 1e-4  # written with four digits
    # The code values are scaled, black included; where a clip turns transparent they are mixed.
    scaled = np.clip((235 * light - 16) / 219, 0, 1)
    measured = np.array(TRUTH[path]["gain"])
    away = np.minimum(np.abs(scaled - measured), np.abs(light - measured))
    assert away.max() < 0.006


@pytest.mark.parametrize(
    ("picture", "read", "wrong"),
    [
        ({7: 1.0}, [7], False),
        ({8: 1.0}, [7], True),
        ({}, None, False),
        ({7: 1.0}, None, True),
        ({}, [7], True),
        ({7: 0.7, 9: 0.3}, [7, 9, 0.3], False),
        ({7: 0.7, 9: 0.3}, [9, 7, 0.3], True),
        ({7: 0.7, 9: 0.3}, [7, 9, 0.31], True),
        ({7: 0.5, 9: 0.5}, [9, 7, 0.5], False),
    ],
)
def test_the_comparison_can_fail(picture: Picture, read: list[float] | None, wrong: bool) -> None:
    assert differs(picture, read) is wrong


def test_a_changed_edit_is_another(tmp_path: Path) -> None:
    text = next(path for path in EDITS if path.name == "mixes.kdenlive").read_text("utf-8")
    changed = tmp_path / "mixes.kdenlive"
    changed.write_text(text.replace('out="00:00:05.900"', 'out="00:00:05.867"'), "utf-8")
    truth = next(TRUTH[path] for path in EDITS if path.name == "mixes.kdenlive")["frames"]
    assert any(differs(*pair) for pair in zip(paint(mlt.read(changed)), truth, strict=True))


def test_the_parts_of_a_nested_project() -> None:
    path = next(path for path in EDITS if path.name == "gen5.kdenlive")
    assert [track.name for track in mlt.read(path).tracks] == ["V1", "V2"]
    inner = mlt.read(path, sequence="Sequence 1")
    assert (inner.length, [media.name for media in inner.media()]) == (30, ["proxyB.mp4"])
    assert mlt.read(path, sequence="{a0000000-1111-4222-8333-000000000001}").length == 30


def test_the_tracks_of_a_project_alone() -> None:
    path = next(path for path in EDITS if path.name == "tracks2.kdenlive")
    upper = paint(mlt.read(path, track="V2"))
    assert (upper[19], upper[20], upper[24]) == ({}, {5100: 1.0}, {5104: 1.0})
    lower = paint(mlt.read(path, track="1"))
    assert lower[20] == {20: 1.0}
