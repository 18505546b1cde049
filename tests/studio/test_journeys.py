"""Journeys: what is drawn, which way it leads, what is measured, and the folder they end in."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest
from journey_parts import (
    PHYSICAL,
    RATE,
    SPEC,
    SPHERICAL,
    Colours,
    across_the_pole,
    at_the_pole,
    journey,
    look,
    places,
    saved,
    survey,
    terms,
)
from PIL import Image

from instrument import InstrumentError
from instrument.latent.manner import Manner
from instrument.latent.retargeting import Retargeting
from instrument.latent.sequence import load_sequence
from instrument.latent.trace import Origin, origin_of
from instrument.studio.detours import Detours
from instrument.studio.journey_index import JourneyIndex
from instrument.studio.journey_making import Order, make_journeys
from instrument.studio.journeys import (
    Avoidance,
    around,
    as_sequence,
    by_way_of,
    drawn_rows,
    measured,
    path_of,
    seed_of,
)
from instrument.studio.keys import keys_of_rows
from instrument.studio.region import Region
from instrument.timebase import FrameRate

ORIGINS = (Origin("survey.npy", "ab" * 32, 20),)

# --- drawing


def test_keys_are_drawn_evenly_and_none_twice() -> None:
    drawn = [drawn_rows(range(10), (2, 3), number, 5) for number in range(1, 601)]
    assert all(len(set(rows)) == len(rows) for rows in drawn)
    assert Counter(map(len, drawn))[2] == pytest.approx(300, abs=60)
    often = Counter(row for rows in drawn for row in rows)
    assert min(often.values()) > 110
    assert max(often.values()) < 190


def test_a_journey_needs_none_of_those_before_it() -> None:
    assert drawn_rows(range(99), (2, 3), 7, 5) == drawn_rows(range(99), (2, 3), 7, 5)
    assert drawn_rows(range(99), (2, 3), 7, 5) != drawn_rows(range(99), (2, 3), 7, 6)
    seeds = {seed_of(number, seed) for number in range(50) for seed in range(50)}
    assert len(seeds) == 2500


def test_only_allowed_rows_are_drawn() -> None:
    assert {r for n in range(40) for r in drawn_rows([3, 5, 8], (2, 2), n, 1)} == {3, 5, 8}


@pytest.mark.parametrize(
    ("keys", "names"),
    [((1, 2), "1:2"), ((3, 2), "3:2"), ((2, 5), "only 4 rows"), ((2, 10**6), "2 to 1000")],
)
def test_keys_that_cannot_be_drawn(keys, names) -> None:
    with pytest.raises(InstrumentError, match=names):
        drawn_rows(range(4), keys, 1, 1)


def test_waypoints_go_in_half_way() -> None:
    sequence = survey(20)
    via = [keys_of_rows(sequence, [15]), keys_of_rows(sequence, [16])]
    assert by_way_of(keys_of_rows(sequence, [1, 2]), via).names == ("1", "15", "16", "2")
    assert by_way_of(keys_of_rows(sequence, [1, 2, 3]), via[:1]).names == ("1", "2", "15", "3")
    assert by_way_of(keys_of_rows(sequence, [1, 2]), []).names == ("1", "2")
    assert by_way_of(keys_of_rows(sequence, [1, 15]), via[:1]).names == ("1", "15")
    assert by_way_of(keys_of_rows(sequence, [3, 3, 4]), []).names == ("3", "4")
    assert by_way_of(keys_of_rows(sequence, [3, 3]), []).names == ("3", "3")


# --- rows


def test_a_journey_begins_and_ends_at_its_keys_bit_for_bit() -> None:
    sequence = survey(20)
    for manner in (SPHERICAL, PHYSICAL):
        made = as_sequence(journey(sequence, [4, 9, 2]), terms(manner), sequence, ORIGINS, "x")
        assert len(made) == 60
        assert made.z.dtype == np.float32
        assert (made.z[0] == sequence.z[4]).all()
        assert (made.z[-1] == sequence.z[2]).all()


def test_another_rate_samples_the_same_journey_at_its_own_times() -> None:
    one = journey(survey(20), [4, 9, 2])
    manner = Manner(noise=0.05, key_noise=0.1)
    slow, quick = terms(manner, 2.0, FrameRate(1)), terms(manner, 1.05, FrameRate(20))
    assert path_of(one, slow, SPEC).seconds == path_of(one, quick, SPEC).seconds == 1.0
    times = np.array([0.0, 0.5, 1.0])
    assert (path_of(one, slow, SPEC).at(times) == path_of(one, quick, SPEC).at(times)).all()


def test_too_short_a_journey() -> None:
    with pytest.raises(InstrumentError, match="fewer than 2 rows"):
        path_of(journey(survey(9), [1, 2]), terms(seconds=0.03), SPEC)


@pytest.mark.parametrize("kind", ["spherical", "physical"])
def test_what_is_measured(kind) -> None:
    sequence = survey(20)
    one = journey(sequence, [4, 9])
    made = as_sequence(one, terms(Manner(kind)), sequence, ORIGINS, "x")
    told = measured(one, terms(Manner(kind)), made.z.astype(float), SPEC)
    a, b = look(sequence.z[[4, 9]].astype(float), np.zeros((2, 0))).astype(float)
    way = math.degrees(math.acos(float(a @ b)))
    assert told["length_degrees"] == pytest.approx(way, rel=0.06)
    assert told["passes_keys_within_degrees"] == pytest.approx([0.0, 0.0], abs=1e-3)
    assert told["off_shell_deviations"] < 0.001
    assert told["sharpest_turn_degrees"] < 10.0


def test_noise_makes_other_journeys_of_the_same_keys() -> None:
    sequence = survey(20)
    quiet, seeds = Manner(), (1, 2)
    for manner in (Manner(noise=0.2), Manner(key_noise=0.2)):
        one, other = (
            as_sequence(journey(sequence, [4, 9], seed=s), terms(manner), sequence, ORIGINS, "x").z
            for s in seeds
        )
        assert not np.allclose(one, other, atol=0.05)
    one, other = (
        as_sequence(journey(sequence, [4, 9], seed=s), terms(quiet), sequence, ORIGINS, "x").z
        for s in seeds
    )
    assert (one == other).all()


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"kind": "bezier"}, "bezier"),
        ({"noise": 2.0}, "noise 114.59"),
        ({"key_noise": -0.1}, "key noise"),
        ({"noise": math.nan}, "noise nan"),
    ],
)
def test_manners_that_cannot_be(fields, names) -> None:
    with pytest.raises(InstrumentError, match=names):
        Manner(**fields)


# --- keeping away


def avoidance(sequence) -> Avoidance:
    features = look(sequence.z.astype(float), np.zeros((len(sequence), 0)))
    region, where = Region(features, at_the_pole(sequence.z)), places(sequence)
    return Avoidance(region, where, look, Detours(where, SPEC, region, look))


def test_a_journey_is_led_around() -> None:
    sequence = survey(300)
    avoid = avoidance(sequence)
    before, after = [], []
    for a, b in across_the_pole(sequence, 6):
        asked = journey(sequence, [a, b])
        found, led, kept = around(asked, avoid, terms(), SPEC)
        assert found.keys.names == (str(a), *led[0], str(b))
        assert found.seed == asked.seed
        assert kept.after <= kept.before
        z = as_sequence(found, terms(), sequence, ORIGINS, "x").z
        assert avoid.region.share(look(z.astype(float), z)) == pytest.approx(kept.after, abs=0.05)
        before.append(kept.before)
        after.append(kept.after)
    assert np.mean(after) <= np.mean(before) / 3


def test_what_makes_nothing_better_is_not_done() -> None:
    sequence = survey(300)
    avoid = avoidance(sequence)
    for a in range(0, 60, 9):
        asked = journey(sequence, [a, a + 100, a])
        found, led, kept = around(asked, avoid, terms(), SPEC)
        if kept.before == kept.after:
            assert found is asked
            assert led == [[], []]


# --- the folder


def order(folder, sequence=None, proxy=(32, 48), **more) -> Order:
    path = saved(folder, sequence)
    out = folder / "out"
    out.mkdir(exist_ok=True)
    return Order(
        load_sequence(path), (origin_of(path),), more.pop("terms", terms(seconds=0.5)), out, proxy,
        **more,
    )  # fmt: skip


def quiet(*_words) -> None:
    pass


def journeys_in(sequence, count=3):
    return [
        journey(sequence, drawn_rows(range(len(sequence)), (2, 3), n, 1), n, seed_of(n, 1))
        for n in range(1, count + 1)
    ]


def files_in(folder) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_a_folder_of_journeys(tmp_path) -> None:
    import av

    asked = order(tmp_path, survey(40, snapshots=True))
    made = make_journeys(asked, journeys_in(asked.sequence), Colours(), quiet)
    names = {p.name for p in asked.folder.iterdir()}
    each = {f"{n:03d}{end}" for n in (1, 2, 3)
            for end in (".npy", ".json", ".trace.npy", ".params.npy", ".mp4")}  # fmt: skip
    assert names == each | {"index.json", "overview.png"}
    index = json.loads((asked.folder / "index.json").read_text())
    assert [entry["name"] for entry in index["journeys"]] == ["001", "002", "003"]
    assert index["origins"][0]["path"] == "../survey.npy"
    for entry in index["journeys"]:
        sequence = load_sequence(asked.folder / f"{entry['name']}.npy")
        assert len(sequence) == entry["frames"] == 15
        assert sequence.seed == entry["seed"]
        assert sequence.trace is not None
        assert sequence.trace.rows[0, 1] == entry["keys"][0]["row"]
        assert sequence.addresses == ("/model/snapshot", "/display/freeze")
        with av.open(str(asked.folder / f"{entry['name']}.mp4")) as film:
            assert sum(1 for _ in film.decode(video=0)) == 15
    sheet = np.asarray(Image.open(made.overview))
    assert sheet.shape[1] > 10 * 100
    assert len(np.unique(sheet[8 + 40, 8:-8].reshape(-1, 3), axis=0)) > 20


def test_the_same_order_is_the_same_bytes(tmp_path) -> None:
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        asked = order(tmp_path / name, terms=terms(Manner(noise=0.1), 0.5))
        make_journeys(asked, journeys_in(asked.sequence), Colours(), quiet)
        found.append(files_in(asked.folder))
    assert found[0] == found[1]


def test_what_is_finished_is_kept(tmp_path) -> None:
    asked = order(tmp_path)
    first = make_journeys(asked, journeys_in(asked.sequence), Colours(), quiet)
    before, times = files_in(asked.folder), _times(asked.folder)
    decoder = Colours()
    again = make_journeys(asked, journeys_in(asked.sequence), decoder, quiet)
    assert (first.kept, again.kept) == (0, 3)
    assert files_in(asked.folder) == before
    assert all(_times(asked.folder)[f"{n:03d}.mp4"] == times[f"{n:03d}.mp4"] for n in (1, 2, 3))
    assert decoder.decoded == 3 * 10  # for the overview alone
    more = make_journeys(asked, journeys_in(asked.sequence, 5), Colours(), quiet)
    assert more.kept == 3
    assert files_in(asked.folder)["002.npy"] == before["002.npy"]


def _times(folder) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}


@pytest.mark.parametrize(
    "change",
    [
        lambda asked: {"terms": terms(seconds=0.6)},
        lambda asked: {"terms": terms(Manner("spherical"), 0.5)},
        lambda asked: {"terms": terms(Manner(law=Retargeting(0.7)), 0.5)},
        lambda asked: {"terms": terms(Manner(noise=0.01), 0.5)},
        lambda asked: {"proxy": (16, 24)},
        lambda asked: {"proxy": None},
        lambda asked: {"sequence": survey(300, seed=77)},
    ],
)
def test_under_other_terms_they_are_made_anew(tmp_path, change) -> None:
    asked = order(tmp_path)
    make_journeys(asked, journeys_in(asked.sequence), Colours(), quiet)
    other = order(tmp_path, **change(asked))
    made = make_journeys(other, journeys_in(other.sequence), Colours(), quiet)
    assert made.kept == 0
    films = {p.name for p in other.folder.glob("*.mp4")}
    assert films == (set() if other.proxy is None else {"001.mp4", "002.mp4", "003.mp4"})


def test_one_that_lost_a_file_is_made_anew(tmp_path) -> None:
    asked = order(tmp_path)
    make_journeys(asked, journeys_in(asked.sequence), Colours(), quiet)
    (asked.folder / "002.trace.npy").unlink()
    assert make_journeys(asked, journeys_in(asked.sequence), Colours(), quiet).kept == 2
    assert (asked.folder / "002.trace.npy").exists()


def test_a_run_that_is_broken_off_goes_on(tmp_path) -> None:
    asked = order(tmp_path)

    def breaks(one, done) -> None:
        if one.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_journeys(asked, journeys_in(asked.sequence), Colours(), breaks)
    names = {p.name for p in asked.folder.iterdir()}
    assert not any(name.startswith(("003", ".")) for name in names)
    assert make_journeys(asked, journeys_in(asked.sequence), Colours(), quiet).kept == 2


def test_a_decoder_that_fails_leaves_nothing_half_made(tmp_path) -> None:
    class Breaks(Colours):
        def decode(self, z, parameters):
            if self.decoded > 20:
                raise RuntimeError("out of memory")
            return super().decode(z, parameters)

    asked = order(tmp_path)
    with pytest.raises(InstrumentError, match="out of memory"):
        make_journeys(asked, journeys_in(asked.sequence), Breaks(), quiet)
    assert not list(asked.folder.glob(".*"))
    for film in asked.folder.glob("*.mp4"):
        assert film.with_suffix(".npy").exists()


# --- the index


def test_an_index_of_something_else_is_not_overwritten(tmp_path) -> None:
    for text in ("{}", "[1]", "no json", '{"format": "journeys/9", "journeys": []}'):
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(InstrumentError, match=r"index\.json"):
            JourneyIndex(tmp_path, {})
        assert (tmp_path / "index.json").read_text() == text


def test_an_index_names_files_of_its_own_folder_alone(tmp_path) -> None:
    (tmp_path / "inside.npy").write_bytes(b"")
    (tmp_path.parent / "outside.npy").write_bytes(b"")

    def finished(files) -> bool:
        entries = [{"name": "001", "terms": "t", "files": files}]
        text = json.dumps({"format": "journeys/1", "journeys": entries})
        (tmp_path / "index.json").write_text(text)
        return JourneyIndex(tmp_path, {}).finished("001", "t") is not None

    assert finished(["inside.npy"])
    for files in (["../outside.npy"], [], "inside.npy", [7], None, ["missing.npy"], [""]):
        assert not finished(files)


def test_frames_follow_the_rate() -> None:
    assert terms(seconds=2.0, rate=FrameRate(30000, 1001)).frames == 60
    assert RATE.frames_in(2.0) == 60
