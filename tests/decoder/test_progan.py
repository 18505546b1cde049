"""Progressive GAN: the fade between scales, and what must hold whatever the weights."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from published import SMALL, changed, lively, loaded, network, normal

from instrument.decoder.progan import ProGAN

SETTINGS = SMALL["progan"]


@pytest.fixture(scope="module")
def generator():
    return network(SETTINGS)


def faded(alpha, settings=SETTINGS):
    return loaded(ProGAN(settings), lively(settings) | {"alpha": torch.tensor(float(alpha))})


def test_size_and_type(generator):
    pictures = generator(normal(3, 16))
    assert pictures.shape == (3, 3, 32, 32) and pictures.dtype == torch.float32


def test_at_the_start_of_a_fade_the_scale_before_is_seen():
    """alpha 1 is the smaller network's picture with every pixel repeated."""
    before = changed(SETTINGS, channels=list(SETTINGS.channels[:-1]))
    kept = {name: t for name, t in lively(SETTINGS).items() if name in lively(before)}
    small = loaded(ProGAN(before), kept | {"alpha": torch.tensor(0.0)})
    z = normal(2, 16)
    wanted = F.interpolate(small(z), scale_factor=2.0)
    assert (faded(1.0)(z) - wanted).abs().max() < 1e-6 * wanted.abs().max()


def test_the_fade_is_a_straight_way():
    z = normal(2, 16)
    newest, before = faded(0.0)(z), faded(1.0)(z)
    assert (newest - before).abs().max() > 0.1
    for alpha in np.linspace(0, 1, 9):
        wanted = (1 - alpha) * newest + alpha * before
        assert (faded(alpha)(z) - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_a_batch_is_so_many_singles(generator):
    z = normal(5, 16)
    together, apart = generator(z), torch.cat([generator(row[None]) for row in z])
    assert (together - apart).abs().max() < 1e-5 * together.abs().max()


def test_only_the_direction_of_z_counts(generator):
    z = normal(2, 16)
    assert (generator(z) - generator(5.0 * z)).abs().max() < 1e-4
    unnormalised = network(changed(SETTINGS, pixel_norm=False))
    assert (unnormalised(z) - unnormalised(5.0 * z)).abs().max() > 0.1


def test_equalised_weights_are_weights_times_a_constant():
    """He's constant multiplies weight and bias; without equalisation they are taken as they are."""
    tensors = lively(SETTINGS)
    plain = {}
    for name, tensor in tensors.items():
        shape = tensors[name.replace("bias", "weight")].shape
        gain = 1.0 if name == "alpha" else math.sqrt(2 / math.prod(shape[1:]))
        plain[name] = tensor * gain
    z, settings = normal(2, 16), changed(SETTINGS, equalised=False)
    wanted = loaded(ProGAN(SETTINGS), tensors)(z)
    found = loaded(ProGAN(settings), plain)(z)
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()
    assert (loaded(ProGAN(settings), tensors)(z) - wanted).abs().max() > 0.1


def test_tanh_bounds_the_picture():
    tensors = {name: tensor * 3 for name, tensor in lively(SETTINGS).items()}
    tensors["alpha"] = torch.tensor(0.3)
    z = normal(2, 16)
    raw = loaded(ProGAN(SETTINGS), tensors)(z)
    assert raw.abs().max() > 1
    bounded = loaded(ProGAN(changed(SETTINGS, tanh=True)), tensors)(z)
    assert torch.allclose(bounded, raw.tanh(), atol=1e-5)


def test_the_leak_counts():
    z = normal(1, 16)
    leaks = [network(changed(SETTINGS, leak=leak))(z) for leak in (0.0, 0.2, 1.0)]
    assert (leaks[0] - leaks[1]).abs().max() > 0.01
    assert (leaks[1] - leaks[2]).abs().max() > 0.01


def test_grey_pictures_have_one_colour():
    assert network(changed(SETTINGS, img_channels=1))(normal(1, 16)).shape == (1, 1, 32, 32)


def test_half_precision_does_not_show(generator):
    z = normal(4, 16)
    whole, half = generator(z), network(SETTINGS).to(torch.bfloat16)(z)
    assert (half - whole).square().mean().sqrt() < 0.03 * whole.std()


@pytest.mark.parametrize("pixel_norm", [True, False])
def test_truncation_leads_to_the_mean_of_the_first_map(pixel_norm):
    settings = changed(
        SMALL["progan"], z_dim=64, channels=[256, 8], leak=0.1, pixel_norm=pixel_norm
    )
    made, seen = network(settings), []
    made.groupScale0[0].register_forward_hook(lambda _, given, __: seen.append(given[0]))
    z = normal(4096, 64)
    if not pixel_norm:
        z *= 8 / z.norm(dim=1, keepdim=True)
    made.synthesise(z)
    made.synthesise(z[:5], torch.zeros(5))
    made.synthesise(z[:5], torch.full((5,), 0.25))
    plain, drawn, quarter = seen
    assert (drawn == made.first_mean()).all()
    mean = plain.mean(dim=0, keepdim=True)
    spread = plain.std(dim=0).mean()
    assert (mean - drawn[:1]).abs().max() < 0.1 * spread
    assert (mean - drawn[:1]).square().mean().sqrt() < 0.03 * spread
    wanted = drawn + 0.25 * (plain[:5] - drawn)
    assert torch.allclose(quarter, wanted, atol=1e-5)
