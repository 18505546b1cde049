"""A performance of several models, from the preset to the film."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instrument.decoder.models import find_model
from instrument.decoder.runtime import open_decoder
from instrument.event import ControlEvent, read_events, write_events
from instrument.latent import geometry
from instrument.latent.sequence import load_sequence
from instrument.latent.space import LatentSpec
from instrument.latent.waypoints import Waypoint, WaypointBank, save_bank
from instrument.take.reader import read_take

pytestmark = pytest.mark.usefixtures("painted_here")

PRESET = """\
format = "preset/1"
models = ["night", "models/day", "small", "nowhere"]
bank = "places"
rate = "20"

[parameters]
"/noise/strength" = 8.0
"/model/fade" = 0.5
"""
SCRIPT = [
    ControlEvent("/waypoint/2/go", 1.0, 0.1),
    ControlEvent("/model/day/load", 1.0, 0.42),  # to be seen from .5 to 1 s
    ControlEvent("/model/1/join", 1.0, 1.2),
    ControlEvent("/model/mix", 0.3, 1.3),
    ControlEvent("/model/mix", 1.0, 2.0),
    ControlEvent("/model/1/load", 1.0, 2.21),
    ControlEvent("/model/small/load", 1.0, 2.4),
    ControlEvent("/model/4/load", 1.0, 2.6),
]


def model(folder: Path, **keys: object) -> None:
    fields = {
        "format": "model/1", "name": folder.name, "architecture": "procedural", "licence": "MIT",
        "latent": {"shape": [64], "space": "z", "radius": 8.0}, "size": [32, 32],
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(fields | keys))


@pytest.fixture
def show(tmp_path, monkeypatch) -> Path:
    """A preset of four models: two that play, one of another latent space, one that is missing."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    model(tmp_path / "night", seed=1)
    model(tmp_path / "models" / "day", seed=2, size=[24, 40])
    model(tmp_path / "small", seed=3, latent={"shape": [16], "space": "z", "radius": 4.0})
    z = geometry.project(np.random.default_rng(5).normal(size=(2, 64)), 8.0).astype(np.float32)
    places = (Waypoint("here", z[0]), Waypoint("there", z[1]))
    save_bank(tmp_path / "places.toml", WaypointBank("places", LatentSpec.shell(64), places))
    (tmp_path / "show.toml").write_text(PRESET)
    return tmp_path


def perform(run, show: Path, take: str, script: Path, *more: object):
    ran = run("play", show / "show.toml", "--headless", "--clock", "steps", "--script", script,
              "--take", show / take, "--seconds", 3, "--json", *more)  # fmt: skip
    assert ran.code == 0, ran.err
    return ran


@pytest.fixture
def take(run, show) -> Path:
    write_events(show / "swaps.jsonl", SCRIPT)
    perform(run, show, "a.take", show / "swaps.jsonl")
    return show / "a.take"


def played(take: Path) -> np.ndarray:
    """First, second and share of every row."""
    sequence = load_sequence(take / "z.npy")
    columns = [sequence.column(f"/model/{word}") for word in ("first", "second", "share")]
    return np.stack(columns, axis=1).astype(np.float64).round(4)


def test_the_record_says_who_played_when(run, take):
    rows = played(take)
    assert rows[9].tolist() == [1, 0, 0] and rows[10].tolist() == [1, 2, 0]
    assert rows[15].tolist() == [1, 2, 0.5] and rows[19].tolist() == [1, 2, 0.9]
    assert rows[20].tolist() == [2, 0, 0]
    assert rows[25].tolist() == [2, 1, 0] and rows[40].tolist() == [2, 1, 1]
    assert rows[30].tolist() == [2, 1, pytest.approx(0.15)], "half come in, to three tenths"
    assert rows[45].tolist() == [1, 0, 0], "who is seen alone need not fade in"
    assert (rows[45:] == [1, 0, 0]).all(), "what cannot be played leaves the show as it was"
    told = [e for e in read_events(take / "events.jsonl") if e not in SCRIPT]
    assert [(e.address, e.time) for e in told] == [
        ("/model/2/ready", 0.5), ("/model/1/ready", 1.25),
        ("/model/3/failed", 2.45), ("/model/4/failed", 2.65),
    ]  # fmt: skip
    names = [m["name"] for m in json.loads((take / "z.json").read_text())["models"]]
    assert names[:3] == ["night", "day", "small"]
    assert read_take(take).sequence.models == load_sequence(take / "z.npy").models


def test_what_cannot_be_played_is_told_once_in_a_line_that_names_both(run, show, caplog):
    write_events(show / "swaps.jsonl", SCRIPT)
    ran = perform(run, show, "a.take", show / "swaps.jsonl")
    assert "model 3 cannot be played: small takes z16, the bank places holds z64" in ran.err
    said = [record.getMessage() for record in caplog.records]
    assert any("small takes z16, the bank places holds z64" in line for line in said)
    assert sum("nowhere" in line and "no such folder" in line for line in said) == 1


def test_a_take_with_swaps_replays_exactly(run, take):
    verified = json.loads(run("takes", "verify", take, "--json").out)
    assert verified["largest_difference"] == verified["largest_parameter_difference"] == 0.0


def test_a_takes_events_are_a_script_that_swaps_alike(run, show, take):
    perform(run, show, "b.take", take / "events.jsonl")
    for name in ("z.npy", "z.params.npy", "events.jsonl"):
        assert (take / name).read_bytes() == (show / "b.take" / name).read_bytes()


def test_a_script_that_tells_is_believed(run, show):
    """Ready 0.7 s after it was asked for, as it was on stage: not at once, as in a rehearsal."""
    write_events(show / "s.jsonl", [
        ControlEvent("/model/2/load", 1.0, 0.4), ControlEvent("/model/2/ready", 1.0, 1.1),
    ])  # fmt: skip
    perform(run, show, "b.take", show / "s.jsonl")
    rows = played(show / "b.take")
    assert (rows[:22] == [1, 0, 0]).all() and rows[27].tolist() == [1, 2, 0.5]


@pytest.mark.parametrize("rate", [20, 60])
def test_other_rates_sample_the_same_fades(run, show, take, rate):
    assert run("takes", "export", take, "-o", show / "z", "--rate", rate).code == 0
    exported = load_sequence(show / "z.npy")
    assert exported.models == read_take(take).header.models
    share = exported.column("/model/share")[:: rate // 20]
    np.testing.assert_allclose(share, played(take)[:, 2], atol=1e-4)


def stills(run, source: Path, out: Path, *more: object) -> np.ndarray:
    ran = run("render", source, "-o", out / "%05d.png", "--size", "40x32", *more)
    assert ran.code == 0, ran.err
    files = sorted(out.glob("*.png"))
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in files])


def test_a_film_shows_the_same_models_and_the_same_fades(run, show, take):
    models = ("--model", show / "night", "--model", show / "models" / "day")
    film = stills(run, take, show / "film", *models)
    sequence = load_sequence(take / "z.npy")
    assert len(film) == len(sequence) == 60
    shown = {}
    for number, folder in ((1, show / "night"), (2, show / "models" / "day")):
        decoder = open_decoder(find_model(folder), "cpu")
        columns = {"/model/truncation": sequence.column("/model/truncation")}
        shown[number] = decoder.decode(np.array(sequence.z), columns)
    laid_out = {1: np.zeros((60, 32, 40, 3)), 2: np.zeros((60, 32, 40, 3))}
    laid_out[1][:, :, 4:36] = shown[1]
    laid_out[2][:, 4:28] = shown[2]
    for row, (first, second, share) in enumerate(played(take).tolist()):
        wanted = laid_out[int(first)][row]
        if share:
            wanted = (1.0 - share) * wanted + share * laid_out[int(second)][row]
        # One number is rounded twice where two pictures are mixed, and share to four digits.
        assert np.abs(film[row] - wanted).max() <= (0 if share in (0, 1) else 0.6), row


def test_a_part_with_one_model_is_that_models_film(run, show, take):
    film = stills(run, take, show / "a", "--frames", "20:24", "--model", show / "models" / "day")
    both = ("--model", show / "night", "--model", show / "models" / "day")
    assert np.array_equal(film, stills(run, take, show / "b", *both)[20:24])


def test_a_film_needs_every_model_that_plays(run, show, take):
    ran = run("render", take, "-o", show / "film.mp4")
    assert ran.code == 1 and "'night', which is not here" in ran.error and "--model" in ran.error
    ran = run("render", take, "-o", show / "film.mp4", "--model", show / "night")
    assert ran.code == 1 and "'day'" in ran.error
    ran = run("render", take, "-o", show / "film.mp4", "--model", show / "small")
    assert ran.code == 1 and "small" in ran.error
    assert not (show / "film.mp4").exists()


def test_a_sequence_that_shows_a_model_it_does_not_list(run, show, take):
    fields = json.loads((take / "z.json").read_text())
    fields["models"] = fields["models"][:1]
    (take / "z.json").write_text(json.dumps(fields))
    ran = run("render", take / "z.npy", "-o", show / "film.mp4")
    assert ran.code == 1 and "shows model 2, and lists 1" in ran.error


def test_a_take_begun_after_a_swap_is_of_the_model_that_plays(run, show):
    write_events(show / "s.jsonl", [
        ControlEvent("/raw/model/fade", 0.0, 0.0), ControlEvent("/model/2/load", 1.0, 0.1),
        ControlEvent("/take/record", 1.0, 1.0),
    ])  # fmt: skip
    ran = run("play", show / "show.toml", "--headless", "--clock", "steps", "--seconds", 2,
              "--script", show / "s.jsonl", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    (take,) = json.loads(ran.out)["takes"]
    record = read_take(Path(take))
    assert record.header.model.name == "day"
    assert (played(Path(take)) == [2, 0, 0]).all()


def test_another_first_model(run, show):
    write_events(show / "s.jsonl", [ControlEvent("/model/2/load", 1.0, 0.1)])
    model(show / "dusk", seed=9)
    perform(run, show, "a.take", show / "s.jsonl", "--model", show / "dusk")
    listed = read_take(show / "a.take").header.models
    assert [m.name for m in listed][:2] == ["dusk", "day"]
    more = ("--model", show / "dusk", "--model", show / "night", "--seconds", 1)
    perform(run, show, "b.take", show / "s.jsonl", *more)
    listed = read_take(show / "b.take").header.models
    assert [m.name for m in listed][:3] == ["dusk", "night", "small"]
    ran = run("play", show / "show.toml", "--model", show / "small", "--headless", "--seconds", 1)
    assert ran.code == 1 and "small takes z16, the bank places holds z64" in ran.error


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('model = "night"\nmodels = ["night"]', ":2: model: give either model, or models"),
        ("models = []", ":2: models: needs model = "),
        ('models = ["night", "night"]', ":2: models: 'night' is empty or stands there twice"),
        ('models = ["night", ""]', ":2: models: '' is empty or"),
        ('models = "night"', ":2: models: expected `array`, got `str`"),
        ("models = [1]", ":2: models"),
        ('models = ["nowhere", "night"]', ":2: model 'nowhere': no such folder"),
        (f"models = {[str(n) for n in range(100)]}", ":2: models: 100, at most 99"),
    ],
)
def test_a_wrong_list_of_models_names_its_line(run, show, line, says):
    path = show / "wrong.toml"
    path.write_text(PRESET.replace('models = ["night", "models/day", "small", "nowhere"]', line))
    ran = run("play", path, "--headless", "--seconds", 1)
    assert ran.code == 1 and f"{path}{says}" in ran.error, ran.error
