"""Regions and the ways around them, in a world where one knows what is where."""

from __future__ import annotations

import numpy as np
import pytest
from journey_parts import (
    PHYSICAL,
    SPEC,
    SPHERICAL,
    across_the_pole,
    at_the_pole,
    look,
    places,
    survey,
)

from instrument import InstrumentError
from instrument.latent.space import LatentSpec
from instrument.studio.detours import THOROUGH, Detours, Search, nearest_by_angle
from instrument.studio.region import Region, with_alike

SURVEY = survey(300)
UNWANTED = at_the_pole(SURVEY.z)
FEATURES = look(SURVEY.z.astype(float), np.zeros((300, 0)))
REGION = Region(FEATURES, UNWANTED)


class Onlooker:
    """Counts the pictures that are looked at."""

    def __init__(self) -> None:
        self.pictures = 0

    def __call__(self, z, parameters):
        self.pictures += len(z)
        return look(z, parameters)


def detours(search: Search = THOROUGH, onlooker=look) -> Detours:
    return Detours(places(SURVEY), SPEC, REGION, onlooker, search)


def share_of(rows: list[int], manner=SPHERICAL) -> tuple[float, float]:
    """What the region says of a journey's pictures, and what the world says."""
    path = manner.path(SURVEY.z[rows].astype(float), SPEC, 4.0, seed=1)
    z = path.at(np.linspace(0.0, 4.0, 60))
    return REGION.share(look(z, z)), float(at_the_pole(z).mean())


@pytest.mark.parametrize("manner", [SPHERICAL, PHYSICAL], ids=lambda m: m.kind)
def test_detours_leave_at_most_a_third(manner) -> None:
    """Of the unwanted pictures of the straight journeys, told by rows and known of the world."""
    finder, pairs = detours(), across_the_pole(SURVEY, 12)
    assert len(pairs) == 12
    straight = np.mean([share_of([a, b], manner) for a, b in pairs], axis=0)
    around = np.mean([share_of([a, *finder.find(a, b), b], manner) for a, b in pairs], axis=0)
    assert straight.min() > 0.2
    assert (around <= straight / 3).all(), (straight, around)


def test_no_penalty_is_no_detour() -> None:
    """So the law above can fail: the ways around are the penalty's doing."""
    pairs = across_the_pole(SURVEY, 6)
    indifferent = detours(Search(penalty=0.0))
    assert [indifferent.find(a, b) for a, b in pairs] == [[]] * 6


def test_a_free_way_is_taken_straight() -> None:
    free = [(a, b) for a in range(0, 60, 7) for b in range(100, 160, 9)
            if not UNWANTED[[a, b]].any() and share_of([a, b])[0] == 0.0]  # fmt: skip
    assert len(free) > 20
    assert [detours().find(a, b) for a, b in free[:20]] == [[]] * 20


def test_a_detour_leads_over_no_unwanted_row() -> None:
    finder = detours()
    for a, b in across_the_pole(SURVEY, 12):
        over = finder.find(a, b)
        assert not UNWANTED[over].any()
        assert not {a, b} & set(over)
        assert len(set(over)) == len(over)


def test_the_same_question_has_the_same_answer() -> None:
    pairs = across_the_pole(SURVEY, 5)
    first, again = detours(), detours()
    assert [first.find(*pair) for pair in pairs] == [again.find(*pair) for pair in pairs]


def test_looks_are_bounded_and_kept() -> None:
    a, b = across_the_pole(SURVEY, 1)[0]
    onlooker = Onlooker()
    finder = detours(Search(looks=10), onlooker)
    finder.find(a, b)
    assert 0 < onlooker.pictures <= 6 + 10 * 20
    looked = onlooker.pictures
    patient = Onlooker()
    asked = detours(onlooker=patient)
    asked.find(a, b)
    looked = patient.pictures
    asked.find(a, b)
    assert patient.pictures == looked


def test_no_look_at_all_is_the_straight_way() -> None:
    a, b = across_the_pole(SURVEY, 1)[0]
    assert detours(Search(looks=0)).find(a, b) == []


def test_an_unwanted_key_is_still_a_key() -> None:
    a = int(np.flatnonzero(UNWANTED)[0])
    b = int(np.flatnonzero(~UNWANTED)[0])
    over = detours().find(a, b)
    assert not UNWANTED[over].any()


def test_nearest_neighbours_are_the_nearest() -> None:
    out = np.zeros(300, bool)
    out[::10] = True
    unit = FEATURES.astype(float)
    for row, others in enumerate(nearest_by_angle(SURVEY.z.astype(float), SPEC, 5, out)):
        if out[row]:
            assert len(others) == 0
            continue
        angles = np.arccos(np.clip(unit @ unit[row], -1, 1))
        angles[out] = np.inf
        angles[row] = np.inf
        assert set(others.tolist()) == set(np.argsort(angles)[:5].tolist())


def test_neighbours_in_a_free_space_are_near() -> None:
    free = LatentSpec((2, 3), "w")
    z = np.random.default_rng(1).normal(size=(70, 2, 3)) * np.linspace(1, 9, 70)[:, None, None]
    found = nearest_by_angle(z, free, 3, np.zeros(70, bool))
    away = np.linalg.norm((z[:, None] - z[None]).reshape(70, 70, -1), axis=-1)
    np.fill_diagonal(away, np.inf)
    for row, others in enumerate(found):
        assert set(others.tolist()) == set(np.argsort(away[row])[:3].tolist())


# --- regions


def test_a_picture_belongs_to_the_nearest_row() -> None:
    features = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    region = Region(features, np.array([False, True, False]))
    seen = np.array([[0.9, 0.2], [0.4, 0.0], [0.2, 0.9], [7.0, 1.0]], np.float32)
    assert region.nearest(seen).tolist() == [1, 0, 2, 1]
    assert region.inside(seen).tolist() == [True, False, False, True]
    assert region.share(seen) == 0.5
    assert region.nearest(np.zeros((0, 2), np.float32)).tolist() == []
    many = np.repeat(seen, 200, axis=0)
    assert region.share(many) == 0.5


@pytest.mark.parametrize("unwanted", [np.zeros(3, bool), np.ones(3, bool)])
def test_nothing_and_everything_are_no_region(unwanted) -> None:
    with pytest.raises(InstrumentError, match="some and not all"):
        Region(np.zeros((3, 2), np.float32), unwanted)


def test_rows_that_look_alike_come_along() -> None:
    line = np.arange(10, dtype=np.float32)[:, None]
    assert with_alike(line, [4], 0) == [4]
    assert with_alike(line, [4], 2) == [3, 4, 5]
    assert with_alike(line, [0, 9], 1) == [0, 1, 8, 9]
    assert with_alike(line, [2], 99) == list(range(10))
    assert with_alike(np.zeros((5, 1), np.float32), [3], 1) == [0, 3]
