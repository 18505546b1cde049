"""StyleGAN3: its table of layers, its equivariance, and what must hold whatever the weights."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from published import SMALL, changed, network, normal

from instrument.decoder.architectures import StyleGAN3Settings, read_settings
from instrument.decoder.stylegan3 import FilteredLayer, StyleGAN3
from instrument.decoder.stylegan3_table import layer_plans

SETTINGS = SMALL["stylegan3"]
TURNING = changed(SETTINGS, conv_kernel=1, use_radial_filters=True)
FULL = {"z_dim": 512, "w_dim": 512, "mapping_layers": 2, "resolution": 1024}
R = {"conv_kernel": 1, "use_radial_filters": True, "channel_base": 65536, "channel_max": 1024}


@pytest.fixture(scope="module", params=[SETTINGS, TURNING], ids=["T", "R"])
def generator(request):
    return network(request.param)


# --- the table


def test_the_layers_of_the_published_networks():
    """The names of the layers of stylegan3-t-ffhq-1024 say their sizes and channels."""
    names = [plan.name for plan in layer_plans(read_settings(StyleGAN3Settings, FULL))]
    assert names == [
        "L0_36_512", "L1_36_512", "L2_52_512", "L3_52_512", "L4_84_512", "L5_148_512",
        "L6_148_512", "L7_276_323", "L8_276_203", "L9_532_128", "L10_1044_81", "L11_1044_51",
        "L12_1044_32", "L13_1024_32", "L14_1024_3",
    ]  # fmt: skip


@pytest.mark.parametrize("fields", [
    {}, R, {"resolution": 256}, {"resolution": 16}, {"num_layers": 4, "num_critical": 1},
    {"filter_size": 4, "lrelu_upsampling": 3}, {"margin_size": 0, "resolution": 64},
])  # fmt: skip
def test_every_layer_ends_where_the_next_begins(fields):
    plans = layer_plans(read_settings(StyleGAN3Settings, FULL | fields))
    for one, two in itertools.pairwise(plans):
        assert one.target is two.source
    for plan in plans:
        high = (plan.source.size + plan.kernel - 1) * plan.up + sum(plan.padding)
        filtered = high - plan.up_taps + 1 - (plan.down_taps - 1)
        assert (filtered - 1) // plan.down + 1 == plan.target.size
        assert plan.source.rate * plan.up == plan.rate == plan.target.rate * plan.down
        assert 0 <= plan.padding[0] - plan.padding[1] <= plan.up  # the middle stays the middle
        assert plan.target.cutoff + plan.target.half_width >= plan.target.rate / 2
    assert plans[-1].target.size == plans[-2].target.size == plans[-1].target.rate


def test_rates_and_cutoffs_only_grow():
    outputs = [plan.target for plan in layer_plans(read_settings(StyleGAN3Settings, FULL))]
    for one, two in itertools.pairwise(outputs):
        assert one.rate <= two.rate and one.cutoff <= two.cutoff
    assert [outputs[0].cutoff, outputs[-1].cutoff] == [2.0, 512.0]
    assert outputs[-1].half_width == pytest.approx(512 * (2**0.3 - 1))


def test_filters_do_not_change_what_does_not_change():
    for name, kernel in network(TURNING).named_buffers():
        if name.endswith(("up_filter", "down_filter")):
            assert float(kernel.sum()) == pytest.approx(1.0, abs=1e-6)
            assert kernel.numel() == 1 or torch.allclose(kernel, kernel.flip(0), atol=1e-7)


# --- laws


def test_a_batch_is_so_many_singles(generator):
    z = normal(3, 16)
    together, apart = generator(z), torch.cat([generator(row[None]) for row in z])
    assert (together - apart).abs().max() < 1e-5 * together.abs().max()


def test_nothing_of_w_left_is_the_average(generator):
    average = generator.mapping.w_avg.expand(1, SETTINGS.num_ws, -1)
    pictures = generator.synthesise(generator.map(normal(3, 16), psi=0.0))
    wanted = generator.synthesise(average)
    assert (pictures - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_every_layer_listens_to_its_own_w(generator):
    ws = generator.map(normal(1, 16))
    picture, other = generator.synthesise(ws), generator.map(normal(1, 16, seed=1))
    for layer in range(SETTINGS.num_ws):
        mixed = ws.clone()
        mixed[:, layer] = other[:, layer]
        change = (generator.synthesise(mixed) - picture).abs().max()
        assert change > 1e-3 * picture.abs().max(), layer


def test_a_few_channels_at_a_time_come_out_as_all_at_once(generator):
    layer = generator.synthesis.layers[2]
    source = layer.plan.source
    x = normal(2, 40, source.size + layer.plan.kernel - 1, source.size + layer.plan.kernel - 1)
    whole = layer._rectified(x.clone())
    parts = [layer._rectified(part.clone()) for part in x.split(16, dim=1)]
    assert (torch.cat(parts, dim=1) - whole).abs().max() < 1e-6


def test_labels():
    made, z = network(changed(SETTINGS, c_dim=2)), normal(2, 16)
    assert (made.map(z, torch.eye(2)) - made.map(z, torch.eye(2).flip(0))).abs().max() > 0.01
    with pytest.raises(ValueError, match=r"label must be \[2, 2\]"):
        made.map(z)


# --- where the picture lies


def moved(x, y):
    """The transform of a picture that moves by (x, y) widths: its inverse."""
    return torch.tensor([[1.0, 0.0, -x], [0.0, 1.0, -y], [0.0, 0.0, 1.0]])


def turned(angle):
    cosine, sine = math.cos(angle), math.sin(angle)
    return torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def equal_to(one, two):
    """Peak signal to noise, in decibels over the spread of the picture."""
    return float(20 * math.log10(two.std() / (one - two).square().mean().sqrt()))


def test_no_transform_is_the_identity(generator):
    ws = generator.map(normal(2, 16))
    plain = generator.synthesise(ws)
    assert torch.equal(plain, generator.synthesise(ws, torch.eye(3)))
    each = generator.synthesise(ws, torch.stack((torch.eye(3), moved(0.25, 0.0))))
    assert (each[0] - plain[0]).abs().max() < 1e-5
    assert (each[1] - generator.synthesise(ws, moved(0.25, 0.0))[1]).abs().max() < 1e-5


@pytest.fixture(scope="module", params=[{}, R], ids=["T", "R"])
def sixtyfour(request):
    """Larger, so that there is something left between the borders."""
    fields = {"resolution": 64, "channel_max": 16, "num_layers": 8} | {
        key: value for key, value in request.param.items() if not key.startswith("channel")
    }
    made = network(changed(SETTINGS, **fields), seed=3)
    freqs = made.synthesis.input.freqs
    freqs.mul_(1.8 / freqs.norm(dim=1, keepdim=True))  # within the band, of 2
    return made


def test_a_move_by_whole_samples_of_every_layer_moves_the_picture_exactly(sixtyfour):
    ws = sixtyfour.map(normal(2, 16))
    pixels = 64 // layer_plans(sixtyfour.settings)[0].source.rate  # a sample of the coarsest
    plain = sixtyfour.synthesise(ws)
    there = sixtyfour.synthesise(ws, moved(pixels / 64, -2 * pixels / 64))
    back = there.roll((2 * pixels, -pixels), dims=(2, 3))
    inner = (..., slice(16, -16), slice(16, -16))
    assert (plain[inner] - back[inner]).abs().max() < 1e-4 * plain.abs().max()
    assert (plain[inner] - there[inner]).abs().max() > 0.1 * plain.abs().max()


@pytest.mark.parametrize("pixels", [1, 2, 3])
def test_a_small_move_moves_the_picture(sixtyfour, pixels):
    """Equivariance to translation (section 2.1): nothing sticks to the grid of pixels."""
    assert equivariance(sixtyfour, pixels) > 60


def test_a_relu_that_aliases_would_show(sixtyfour, monkeypatch):
    """One more ReLU where samples are sparse, and the measure above falls."""
    right = FilteredLayer._rectified
    monkeypatch.setattr(
        FilteredLayer, "_rectified", lambda self, x: right(self, 1.4 * F.leaky_relu(x, 0.2))
    )
    assert equivariance(sixtyfour, 1) < 55


def equivariance(made, pixels):
    """How equal, in decibels, the picture moved is to the picture of what was moved."""
    ws = made.map(normal(2, 16))
    plain = made.synthesise(ws)
    there = made.synthesise(ws, moved(pixels / 64, 0.0)).roll(-pixels, dims=3)
    inner = (..., slice(16, -16), slice(16, -16))
    return equal_to(there[inner], plain[inner])


def test_only_r_turns_with_its_input(sixtyfour):
    ws = sixtyfour.map(normal(2, 16))
    plain = sixtyfour.synthesise(ws)
    quarter = sixtyfour.synthesise(ws, turned(math.pi / 2))
    inner = (..., slice(16, -16), slice(16, -16))
    best = max(equal_to(quarter.rot90(k, dims=(2, 3))[inner], plain[inner]) for k in (1, 3))
    assert best > 40 if sixtyfour.settings.conv_kernel == 1 else best < 20


def test_where_w_puts_the_picture_is_not_rounded(generator):
    """In half precision a picture of 1024 pixels would move by a pixel at a time."""
    made = StyleGAN3(SETTINGS)
    made.load_state_dict(generator.state_dict() if generator.settings == SETTINGS else {
        name: tensor for name, tensor in network(SETTINGS).state_dict().items()})  # fmt: skip
    for parameter in made.parameters():  # as it is played: convolutions alone are halved
        if parameter.dim() == 4:
            parameter.data = parameter.data.bfloat16()
    with torch.no_grad():
        w = made.map(normal(1, 16))[:, 0]
        steps = [made.synthesis.input(w * (1 + k * 1e-5), None) for k in range(6)]
    changes = [float((b - a).abs().max()) for a, b in itertools.pairwise(steps)]
    assert min(changes) > 0 and max(changes) < 3 * min(changes)
