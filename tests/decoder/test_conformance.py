"""What every decoder must do. A new architecture joins by a line in MODELS.

The test double, the published generators and the programs, which have random weights here, pass
what is said of every decoder, and are excused from being worth looking at.
"""

import dataclasses

import foreign_programs
import numpy as np
import pytest
import torch
from published import SMALL, lively, write_model

from instrument import InstrumentError
from instrument.decoder.models import find_model, read_manifest
from instrument.decoder.protocol import DecodeError
from instrument.decoder.runtime import open_decoder

MODELS = ["procedural-64", "procedural", "default"]
PROGRAMS = {
    "TorchScript": lambda: foreign_programs.scripted(foreign_programs.Net()),
    "torch.export": lambda: foreign_programs.exported(foreign_programs.Net(), torch.ones(1, 16)),
}


@pytest.fixture(scope="module", params=[*MODELS, *SMALL, *PROGRAMS, "testcard"])
def decoder(request, tmp_path_factory):
    """Every decoder there is."""
    folder = tmp_path_factory.mktemp("model")
    if request.param in SMALL:
        settings = SMALL[request.param]
        return open_decoder(write_model(folder, settings, [lively(settings)]), "cpu")
    if request.param in PROGRAMS:
        network = foreign_programs.write(folder, PROGRAMS[request.param]())
        return open_decoder(find_model(network), "cpu")
    if request.param != "testcard":
        return open_decoder(find_model(request.param), "cpu")
    (folder / "manifest.json").write_text(
        '{"format": "model/1", "name": "card", "architecture": "testcard", "licence": "MIT",'
        ' "latent": {"shape": [2, 3]}, "size": [16, 24]}'
    )
    return open_decoder(read_manifest(folder))


@pytest.fixture(scope="module", params=MODELS)
def painter(request):
    """Every decoder somebody may perform with."""
    return open_decoder(find_model(request.param), "cpu")


def on_shell(spec, count, seed=0):
    """`count` random positions as the model was made for."""
    z = np.random.default_rng(seed).standard_normal((count, *spec.latent.shape))
    if spec.latent.radius is not None:
        z *= spec.latent.radius / np.linalg.norm(z, axis=-1, keepdims=True)
    return (np.abs(z) * 1000 if spec.name == "card" else z).astype(np.float32)


def turned(spec, z, degrees, seed=5):
    """`z` turned towards a random direction."""
    radius = np.linalg.norm(z)
    aside = np.random.default_rng(seed).standard_normal(z.shape)
    aside -= z * (aside * z).sum() / radius**2
    aside *= radius / np.linalg.norm(aside)
    angle = np.radians(degrees)
    return (np.cos(angle) * z + np.sin(angle) * aside).astype(np.float32)


def difference(one, two):
    """Mean absolute difference in levels."""
    return np.abs(one.astype(float) - two.astype(float)).mean()


def test_shape_and_type(decoder):
    pictures = decoder.decode(on_shell(decoder.spec, 2), {})
    assert pictures.shape == (2, *decoder.spec.size, 3)
    assert pictures.dtype == np.uint8


def test_no_rows_give_no_pictures(decoder):
    none = on_shell(decoder.spec, 1)[:0]
    assert decoder.decode(none, {}).shape == (0, *decoder.spec.size, 3)


def test_same_input_same_pixels(decoder):
    z = on_shell(decoder.spec, 2)
    assert np.array_equal(decoder.decode(z, {}), decoder.decode(z.copy(), {}))


def test_a_batch_equals_single_calls(decoder):
    z = on_shell(decoder.spec, 3)
    singles = np.concatenate([decoder.decode(row[None], {}) for row in z])
    assert np.abs(decoder.decode(z, {}).astype(int) - singles).max() <= 1


def test_different_z_different_pictures(decoder):
    pictures = decoder.decode(on_shell(decoder.spec, 4), {})
    assert all(difference(pictures[i], pictures[j]) > 2 for i in range(4) for j in range(i))


def test_wrong_shapes_are_refused(decoder):
    z = on_shell(decoder.spec, 2)
    for wrong in (z[0], z[..., :-1], z[None], np.float32(0)):
        with pytest.raises(ValueError, match="must be"):
            decoder.decode(wrong, {})
    with pytest.raises(ValueError, match="/model/truncation"):
        decoder.decode(z, {"/model/truncation": np.ones(3, np.float32)})


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_never_garbage(decoder, poison):
    z = on_shell(decoder.spec, 2)
    z.reshape(2, -1)[1, 1] = poison
    with pytest.raises(DecodeError):
        decoder.decode(z, {})
    assert decoder.decode(on_shell(decoder.spec, 1), {}).any()


def test_read_only_z_and_unknown_parameters_are_taken(decoder):
    z = on_shell(decoder.spec, 1)
    z.flags.writeable = False
    decoder.decode(z, {"/model/never-heard-of": np.ones(1, np.float32)})


def test_neighbouring_z_give_near_pictures(painter):
    z = on_shell(painter.spec, 1)[0]
    rows = np.stack([turned(painter.spec, z, degrees) for degrees in (0, 0.1, 1, 90)])
    here, tenth, one, far = painter.decode(rows, {})
    assert difference(here, tenth) < 4
    assert difference(here, tenth) < difference(here, one) < difference(here, far)
    assert difference(here, one) < 30


def test_pictures_are_worth_looking_at(painter):
    pictures = painter.decode(on_shell(painter.spec, 12, seed=3), {}).astype(float)
    light = pictures.mean(axis=-1)
    assert (light.std(axis=(1, 2)) > 12).all()  # structure in every picture
    assert 40 < light.mean() < 200  # neither black nor burnt out
    edges = np.abs(np.diff(light, axis=1)).mean(axis=(1, 2))
    assert (edges < 0.7 * light.std(axis=(1, 2))).all()  # structure, not noise
    tint = pictures.mean(axis=(1, 2)) - pictures.mean(axis=(1, 2, 3))[:, None]
    # Hues differ from z to z: 18 over the world's own pictures, 8 and more over any twelve.
    assert tint.std(axis=0).max() > 8
    assert np.abs(pictures - light[..., None]).mean() > 6  # colour, not grey: the world's 13


def test_same_seed_same_network():
    model = find_model("procedural-64")
    z = on_shell(model.spec, 1)
    one, two = open_decoder(model, "cpu"), open_decoder(model, "cpu")
    assert np.array_equal(one.decode(z, {}), two.decode(z, {}))


def test_weights_leave_torchs_own_randomness_alone():
    before = torch.random.get_rng_state()
    open_decoder(find_model("procedural-64"), "cpu")
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("size", [(64, 96), (50, 33), (128, 128)])
def test_procedural_shows_the_same_picture_at_any_size(size):
    model = find_model("procedural-64")
    z = on_shell(model.spec, 1)
    small = open_decoder(model, "cpu").decode(z, {})[0]
    other = open_decoder(dataclasses.replace(model, size=size), "cpu").decode(z, {})[0]
    assert other.shape == (*size, 3)
    if size == (128, 128):
        halved = other.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
        assert difference(small, halved) < 12


def test_truncation_draws_towards_the_middle():
    decoder = open_decoder(find_model("procedural-64"), "cpu")
    z = on_shell(decoder.spec, 2)

    def apart(truncation):
        pictures = decoder.decode(z, {"/model/truncation": np.full(2, truncation, np.float32)})
        return difference(*pictures)

    assert apart(0.0) == 0
    assert 0 < apart(0.3) < apart(1.0)


def test_a_device_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(InstrumentError, match=r"'tpu'.*auto.*cpu"):
        open_decoder(find_model("procedural-64"), "tpu")
    with pytest.raises(InstrumentError, match="threads 0"):
        open_decoder(find_model("procedural-64"), threads=0)
