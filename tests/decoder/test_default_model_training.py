"""The painter, the generator and the training of the default model."""

import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from instrument import InstrumentError
from instrument.decoder.models import find_model, read_manifest
from instrument.decoder.runtime import open_decoder
from instrument.decoder.skip_generator import (
    SMOOTHING,
    SMOOTHING_FINEST,
    GeneratorSpec,
    SkipGenerator,
    WithoutStripes,
)
from instrument.latent.waypoints import load_bank
from instrument.resources import bundled

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from painter import CHUNK, FAMILIES, paint  # noqa: E402
from painter.canvas import Canvas  # noqa: E402
from training import caution, loop, smoothness, state, world  # noqa: E402
from training.critic import Critic  # noqa: E402
from training.export import Finish, choose, export, newest_weights  # noqa: E402
from training.loop import Recipe, Training  # noqa: E402
from training.pictures import Pictures, slot_families  # noqa: E402
from training.program import arguments  # noqa: E402

SMALL = GeneratorSpec(latent=16, families=9, mapped=8, rank=4, widths=(8, 8, 8, 8, 4, 4))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


KINDS = [
    pytest.param(kind, id=f"{family.name}-{kind.__name__}")
    for family in FAMILIES
    for _, kind in family.kinds
]


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_finite_varied_and_not_flat(kind):
    pictures = kind(Canvas(4, 64, 3))
    assert pictures.shape == (4, 3, 64, 64)
    assert torch.isfinite(pictures).all()
    assert pictures.std(dim=(1, 2, 3)).min() > 0.02
    assert (pictures[0] - pictures[1]).abs().mean() > 0.02


@pytest.mark.parametrize("family", range(len(FAMILIES)), ids=[f.name for f in FAMILIES])
def test_same_seed_same_picture_at_every_size(family):
    small, again = paint(family, 2, 64, 5), paint(family, 2, 64, 5)
    assert torch.equal(small, again)
    large = paint(family, 2, 256, 5).permute(0, 3, 1, 2).float()
    reduced = torch.nn.functional.avg_pool2d(large, 4).permute(0, 2, 3, 1)
    assert (
        reduced - small.float()
    ).abs().mean() < 12  # of 255; glints are finer than a pixel of 64


def test_another_seed_another_picture():
    assert not torch.equal(paint(0, 1, 64, 5), paint(0, 1, 64, 6))


def test_shares_are_uneven_and_the_bias_gives_them():
    shares = world.world_shares()
    assert shares.max() == pytest.approx(0.3, abs=0.02) and shares.min() < 0.05
    z = world.on_shell(20_000, 512, torch.Generator().manual_seed(2))
    assert z.norm(dim=1).sub(512**0.5).abs().max() < 1e-3
    for wanted in (shares, world.training_shares()):
        won = (z[:, : len(shares)] + world.family_bias(wanted)).argmax(dim=1)
        assert (torch.bincount(won) / len(z) - wanted).abs().max() < 0.015


def test_generator_is_small_and_paints_every_size():
    model = SkipGenerator(GeneratorSpec())
    assert sum(p.numel() for p in model.parameters()) < 3_000_000
    z = world.on_shell(2, 512, torch.Generator().manual_seed(0))
    small, full = model(z, 64), model(z)
    assert small.shape == (2, 3, 64, 64) and full.shape == (2, 3, 256, 256)
    # heads not yet trained add nothing: the large picture is the small one, enlarged
    reduced = torch.nn.functional.avg_pool2d(full, 4)
    assert (reduced - small).abs().mean() < 0.1
    assert torch.equal(model.family(z), (z[:, :9] + model.family_bias).argmax(dim=1))


@pytest.mark.parametrize("taps", [SMOOTHING, SMOOTHING_FINEST])
def test_no_head_can_leave_a_pattern_of_sub_pixels(taps):
    stripes = torch.ones(1, 3, 16, 16)
    stripes[..., ::2] = -1
    assert WithoutStripes(taps)(stripes)[..., 3:-3, 3:-3].abs().max() < 1e-6
    assert WithoutStripes(taps)(stripes.mT)[..., 3:-3, 3:-3].abs().max() < 1e-6
    assert torch.allclose(WithoutStripes(taps)(torch.full((1, 3, 8, 8), 0.3)), torch.tensor(0.3))


def test_the_finest_head_keeps_more_detail():
    waves = torch.cos(torch.arange(32) * 2 * torch.pi * 0.25).expand(1, 3, 32, 32)
    kept = [
        WithoutStripes(taps)(waves)[..., 4:-4, 4:-4].abs().max()
        for taps in (SMOOTHING, SMOOTHING_FINEST)
    ]
    assert kept[0] < 0.78 and kept[1] > 0.85


def test_evenness_between_families_is_learnt_by_every_part_of_the_generator():
    torch.manual_seed(1)
    model = SkipGenerator(SMALL)
    with torch.no_grad():
        for head in model.heads:
            torch.nn.init.normal_(head.weight, std=2.0)
    smoothness.unevenness(model, 8, torch.Generator().manual_seed(0)).backward()
    for name in ("octaves.1.first.conv.weight", "octaves.1.first.film.weight", "map_first.weight"):
        gradient = model.get_parameter(name).grad
        assert gradient is not None and gradient.abs().max() > 0, name


def at_border(gap: float) -> torch.Tensor:
    """z of SMALL where family 0 leads family 1 by `gap` and all others are far behind."""
    z = torch.full((1, 16), -5.0)
    z[:, 0], z[:, 1] = 1.0, 1.0 - gap
    return z


def test_families_blend_near_their_border_and_nowhere_else():
    model = SkipGenerator(SMALL)
    reach = 1.0 / SMALL.sharpness
    assert model.shares(at_border(1.01 * reach))[0, 0] == 1.0
    assert torch.allclose(model.shares(at_border(0.0))[0, :2], torch.tensor([0.5, 0.5]))
    gaps = torch.linspace(-1.2 * reach, 1.2 * reach, 400)
    first = torch.stack([model.shares(at_border(float(gap)))[0, 0] for gap in gaps])
    assert (first.diff() >= -1e-6).all() and first.diff().max() < 0.02
    assert first.diff().diff().abs().max() < 0.002, "a corner: whoever flies across sees it"


def test_away_from_borders_a_place_is_its_family_alone():
    model = SkipGenerator(SMALL)
    z = world.on_shell(200, 16, torch.Generator().manual_seed(0))
    alone = model.shares(z).amax(dim=1) == 1.0
    assert 20 < alone.sum() < 200
    pure = model.map_as(z, model.family(z))
    assert torch.allclose(model.map(z)[alone], pure[alone], atol=1e-5)


def test_unevenness_sees_a_cliff_and_leaves_an_even_way_alone():
    model = SkipGenerator(SMALL)
    even = smoothness.unevenness(model, 8, torch.Generator().manual_seed(0))
    paint = model.paint
    model.paint = lambda w, size=None: torch.tanh(400 * paint(w, size))
    assert even < 0.1 < smoothness.unevenness(model, 8, torch.Generator().manual_seed(0))


def test_generator_spec_round_trips_and_says_what_is_wrong():
    assert GeneratorSpec.from_json(json.loads(json.dumps(SMALL.to_json()))) == SMALL
    for key, wrong in (("mapped", "8"), ("widths", [8, 8.5]), ("sharpness", None), ("heads", 99)):
        with pytest.raises(InstrumentError, match="generator"):
            GeneratorSpec.from_json(SMALL.to_json() | {key: wrong})
    with pytest.raises(InstrumentError, match="exactly the keys"):
        GeneratorSpec.from_json({})


def test_what_a_finer_size_adds_to_the_critic_begins_at_nothing():
    critic = Critic(9)
    fine = torch.randn(4, 3, 128, 128)
    family = torch.tensor([0, 1, 2, 3])
    coarse = torch.nn.functional.avg_pool2d(fine, 2)
    assert torch.allclose(critic(fine, family), critic(coarse, family), atol=1e-5)


def test_pictures_are_drawn_by_family_and_painted_again_alike(tmp_path):
    shares = world.training_shares()
    cpu = torch.device("cpu")
    pictures = Pictures(tmp_path / "p", 64, 10 * CHUNK, shares, 3, cpu)
    slots = pictures.slots
    assert slots == 10
    pictures.open(0, lambda done, pieces: None)
    first = pictures.data.clone()
    families = slot_families(slots, shares)
    assert set(families.tolist()) == set(range(9))
    wanted = torch.tensor([4, 8])
    drawn = pictures.draw(wanted, torch.Generator().manual_seed(0))
    for family, picture in zip(wanted, drawn, strict=True):
        own = first.view(slots, CHUNK, 64, 64, 3)[families == family].flatten(0, 1)
        as_bytes = ((picture.permute(1, 2, 0) + 1) * 127.5).round().byte()
        either = (own == as_bytes).flatten(1).all(1) | (own == as_bytes.flip(1)).flatten(1).all(1)
        assert either.any()
    again = Pictures(tmp_path / "q", 64, 10 * CHUNK, shares, 3, cpu)
    again.open(slots, lambda done, pieces: None)
    assert torch.equal(again.data, first)


def test_snapshots_are_evenly_spaced_in_ratio():
    moments = state.snapshot_moments(850_000)
    assert moments[0] == 1000 and moments[-1] == 850_000 and len(moments) >= 40
    ratios = [b / a for a, b in itertools.pairwise(moments[:-1])]
    assert max(ratios) - min(ratios) < 0.01


def test_stages_and_rate_follow_the_images():
    recipe = Recipe(stages=((64, 100), (128, 50)))
    assert [recipe.size_at(n) for n in (0, 99, 100, 149, 500)] == [64, 64, 128, 128, 128]
    long = Recipe()
    assert long.rate_at(0) == long.rate > long.rate_at(400_000) > long.rate_at(long.total) > 0


RECIPE = Recipe(stages=((64, 40), (128, 8)), batch=8, kept=300)


def start(folder: Path) -> list[str]:
    options = ["--batch", "8", "--kept", "300", "--checkpoint-seconds", "0"]
    options += ["--stages", "64:40,128:8", "--state", str(folder)]
    return [sys.executable, str(SCRIPTS / "train_default"), *options]


def test_training_survives_being_killed_grows_and_ends(tmp_path):
    folder = tmp_path / "state"
    process = subprocess.Popen(start(folder), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (folder / "checkpoint.pt").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        with pytest.raises(state.TrainingError, match="another training"):
            state.StateFolder(folder)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    opened = state.StateFolder(folder)
    training = Training(RECIPE, GeneratorSpec(), opened)
    assert 0 < training.images <= 48
    training.run(lambda: False, 1000, lambda line: None)
    opened.close()
    assert torch.load(folder / "checkpoint.pt", weights_only=True)["images"] == 48
    (snapshot,) = sorted((folder / "snapshots").iterdir())
    with safe_open(snapshot, "pt") as file:
        about = json.loads(file.metadata()["about"])
        assert about["size"] == 128 and "heads.1.weight" in set(file.keys())
    assert GeneratorSpec.from_json(about["generator"]) == GeneratorSpec()


def test_going_on_from_a_checkpoint_is_the_same_as_not_stopping(tmp_path):
    recipe = Recipe(stages=((64, 80),), batch=8, kept=300)
    through = Training(recipe, SMALL, state.StateFolder(tmp_path / "through"))
    parted = Training(recipe, SMALL, state.StateFolder(tmp_path / "parted"))
    for _ in range(4):
        through.step()
    for _ in range(2):
        parted.step()
    parted.checkpoint()
    parted.folder.close()
    resumed = Training(recipe, SMALL, state.StateFolder(tmp_path / "parted"))
    for _ in range(2):
        resumed.step()
    for one, other in zip(through.average.parameters(), resumed.average.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_training_that_runs_away_goes_back_and_goes_on_with_care(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "REPORTS", 16)
    recipe = Recipe(stages=((64, 4 * 16 * 3),), batch=4, width=4, kept=300)
    folder = state.StateFolder(tmp_path)
    training = Training(recipe, SMALL, folder)
    told, poisoned, step = [], [], training.step

    def step_and_poison():
        report = step()
        if training.images >= 4 * 18 and not poisoned:
            poisoned.append(training.images)
            with torch.no_grad():
                training.critic.score.weight.mul_(1e4)
            training.folder.snapshot(training.images, training.average.state_dict(), {})
        return report

    training.step = step_and_poison
    training.run(lambda: False, 1000, told.append)
    assert [line for line in told if "ran away: back to 64 images" in line]
    assert training.caution == pytest.approx(0.7) and training.images == recipe.total
    assert not (tmp_path / "snapshots" / f"{poisoned[0]:09d}.safetensors").exists()
    assert training.critic.score.weight.abs().max() < 10
    folder.close()
    resumed = Training(recipe, SMALL, state.StateFolder(tmp_path))
    assert resumed.caution == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("critic", "slopes", "away"),
    [
        (0.5, 1.0, False),
        (0.5, torch.nan, False),
        (9.0, 1.0, True),
        (0.5, 500.0, True),
        (torch.nan, 1.0, True),
        (torch.inf, 1.0, True),
    ],
)
def test_what_counts_as_running_away(critic, slopes, away):
    report = torch.tensor([[critic, 1.0, slopes, 2.0, torch.nan]])
    assert caution.runs_away(report) is away


def test_a_damaged_checkpoint_is_one_clear_line(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(state.TrainingError, match="cannot be read") as caught:
        state.StateFolder(tmp_path).load()
    assert "\n" not in str(caught.value)


def test_a_training_becomes_a_model_and_a_model_a_training(tmp_path):
    recipe = Recipe(stages=((64, 48),), batch=8, kept=300)
    folder = state.StateFolder(tmp_path / "state")
    training = Training(recipe, SMALL, folder)
    for _ in range(3):
        training.step()
        training.snapshot()
    export(tmp_path / "state", tmp_path / "model", Finish(SMALL.sharpness, 1, 1.0))
    folder.close()

    manifest = read_manifest(tmp_path / "model")
    assert manifest.spec.snapshots == 3 and manifest.size == (256, 256)
    told = json.loads((tmp_path / "model" / "manifest.json").read_text())["command"]
    told = told.partition(" && ")[0]
    asked = arguments().parse_args([*told.split()[1:], "--state", "s"])
    assert {name: getattr(asked, name) for name in vars(recipe)} == vars(recipe)
    assert [s.images for s in manifest.details.snapshots] == [8, 16, 24]
    z = world.on_shell(2, 16, torch.Generator().manual_seed(0))
    pixels = open_decoder(manifest, "cpu").decode(z.numpy(), {}).astype(int)
    generator = training.average
    generator.family_bias.copy_(world.family_bias(world.world_shares()))
    with torch.no_grad():
        wanted = ((generator(z) + 1) * 127.5).permute(0, 2, 3, 1).numpy()
    assert abs(pixels - wanted).max() < 4, "the model plays something else than was trained"

    export(tmp_path / "state", tmp_path / "mean", Finish(SMALL.sharpness, 2, 3.0))
    mean, _ = newest_weights(str(tmp_path / "mean"))
    files = sorted((tmp_path / "state" / "snapshots").glob("*.safetensors"))[-2:]
    two = [load_file(file) for file in files]
    first = (two[0]["map_first.bias"].float() + two[1]["map_first.bias"].float()) / 2
    finest = (two[0]["heads.2.bias"].float() + two[1]["heads.2.bias"].float()) / 2
    assert torch.allclose(mean["map_first.bias"].float(), first, atol=1e-3)
    assert torch.allclose(mean["heads.2.bias"].float(), 3.0 * finest, atol=1e-3)

    weights, images = newest_weights(str(tmp_path / "model"))
    again = Training(recipe, SMALL, state.StateFolder(tmp_path / "again"))
    again.start_from(weights, images)
    assert again.images == 24
    for name, tensor in again.generator.named_parameters():
        assert torch.allclose(tensor, generator.get_parameter(name), atol=2e-3), name
    again.step()


def test_snapshots_are_chosen_evenly_in_their_logarithm():
    moments = state.snapshot_moments(500_000)
    chosen = choose(moments, 28)
    assert len(chosen) == 28 and chosen[0] == moments[0] and chosen[-1] == moments[-1]
    ratios = [b / a for a, b in itertools.pairwise(chosen)]
    assert max(ratios) < 1.6
    assert choose(moments[:5], 28) == moments[:5]
    with pytest.raises(state.TrainingError):
        choose([1000], 28)


def test_the_bundled_bank_has_places_of_every_family_and_pictures_of_them_all():
    bank = load_bank(bundled("presets") / "banks" / "brief-history.toml")
    assert len(bank) >= 24 and set(bank.pictures) == {waypoint.name for waypoint in bank}
    weights, _ = newest_weights("default")
    z = torch.tensor([waypoint.z.tolist() for waypoint in bank])
    lead = z[:, : len(FAMILIES)] + weights["family_bias"].float()
    seen = [FAMILIES[family].name for family in lead.argmax(dim=1)]
    assert seen == [waypoint.tags[0] for waypoint in bank]
    assert set(seen) == {family.name for family in FAMILIES}
    assert seen[:9] == list(dict.fromkeys(seen[:9])), "the keys 1 to 9 are nine kinds of thing"
    assert bank.model.sha256 == find_model("default").sha256
