"""StyleGAN2 against the paper written out plainly, and what must hold whatever the weights."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from published import SMALL, changed, lively, network, normal

SETTINGS = SMALL["stylegan2"]
LABELLED = changed(SETTINGS, c_dim=3)


@pytest.fixture(scope="module")
def generator():
    return network(SETTINGS)


# --- the paper, a sample at a time, with weights scaled instead of maps, and zeros put in


def filtered(x, row, gain):
    """x [c, h, w], already padded, under the outer product of `row` with itself."""
    kernel = torch.outer(row, row) / row.sum() ** 2 * gain
    return F.conv2d(x[:, None], kernel.flip(0, 1)[None, None])[:, 0]


def zeros_between(x):
    spread = torch.zeros(x.shape[0], 2 * x.shape[1], 2 * x.shape[2])
    spread[:, ::2, ::2] = x
    return spread


def up_sampled(x, row):
    k = len(row)
    low, high = (k + 1) // 2, (k - 2) // 2
    return filtered(F.pad(zeros_between(x), (low, high, low, high)), row, 4.0)


def dense(x, tensors, name, rate=1.0):
    weight = tensors[f"{name}.weight"] * (rate / math.sqrt(len(x)))
    return weight @ x + tensors[f"{name}.bias"] * rate


def modulated(x, w, tensors, name, settings, row, doubles):
    style = dense(w, tensors, f"{name}.affine")
    weight = tensors[f"{name}.weight"] * style[None, :, None, None]
    weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
    if doubles:  # convolution, then the filter, both on the map with zeros between
        k = len(row)
        low, high = (k + 1) // 2 + 1, (k - 2) // 2 + 1
        spread = F.pad(zeros_between(x), (low, high, low, high))
        x = F.conv2d(spread[None], weight.flip(2, 3))[0]
        x = filtered(x, row, 4.0)
    else:
        x = F.conv2d(x[None], weight, padding=1)[0]
    x = x + tensors[f"{name}.noise_const"] * tensors[f"{name}.noise_strength"]
    x = F.leaky_relu(x + tensors[f"{name}.bias"][:, None, None], 0.2) * math.sqrt(2)
    limit = settings.conv_clamp or math.inf
    return x.clamp(-limit, limit)


def painted(ws, tensors, settings):
    """One picture [colours, size, size] of ws [num_ws, w_dim]."""
    row = torch.tensor(settings.resample_filter)
    places, picture, x = itertools.count(), None, tensors["synthesis.b4.const"]
    for level in range(len(settings.channels)):
        block, around = f"synthesis.b{4 << level}", None
        if level and settings.architecture == "resnet":
            plain = tensors[f"{block}.skip.weight"] / math.sqrt(len(x))
            around = up_sampled(F.conv2d(x[None], plain)[0], row) * math.sqrt(0.5)
        if level:
            w = ws[next(places)]
            x = modulated(x, w, tensors, f"{block}.conv0", settings, row, doubles=True)
        at = next(places)
        x = modulated(x, ws[at], tensors, f"{block}.conv1", settings, row, doubles=False)
        x = x if around is None else around + x * math.sqrt(0.5)
        picture = None if picture is None else up_sampled(picture, row)
        if f"{block}.torgb.weight" in tensors:
            style = dense(ws[at + 1], tensors, f"{block}.torgb.affine") / math.sqrt(len(x))
            weight = tensors[f"{block}.torgb.weight"] * style[None, :, None, None]
            colours = F.conv2d(x[None], weight, tensors[f"{block}.torgb.bias"])[0]
            limit = settings.conv_clamp or math.inf
            colours = colours.clamp(-limit, limit)
            picture = colours if picture is None else picture + colours
    return picture


@pytest.mark.parametrize("fields", [
    {"architecture": "skip"}, {"architecture": "resnet"}, {"architecture": "orig"},
    {"architecture": "resnet", "conv_clamp": 1.0}, {"conv_clamp": 0.7, "img_channels": 1},
    {"resample_filter": [1, 2, 1]}, {"resample_filter": [1, 1]}, {"resample_filter": [3]},
    {"resample_filter": [1, 4, 6, 4, 1]}, {"resample_filter": [1, 2, 4, 1]},
])  # fmt: skip
def test_it_is_what_the_paper_says(fields):
    settings = changed(SETTINGS, **fields)
    tensors, ws = lively(settings), normal(2, settings.num_ws, settings.w_dim)
    pictures = network(settings).synthesise(ws)
    assert pictures.shape == (2, settings.img_channels, settings.size, settings.size)
    for picture, w in zip(pictures, ws, strict=True):
        wanted = painted(w, tensors, settings)
        assert (picture - wanted).abs().max() < 2e-5 * wanted.abs().max()


def test_only_skip_paints_at_every_size():
    counts = {
        kind: sum(".torgb.weight" in name for name in lively(changed(SETTINGS, architecture=kind)))
        for kind in ("skip", "resnet", "orig")
    }
    assert counts == {"skip": len(SETTINGS.channels), "resnet": 1, "orig": 1}


# --- laws


def test_a_batch_is_so_many_singles(generator):
    z = normal(5, 16)
    together = generator(z)
    apart = torch.cat([generator(row[None]) for row in z])
    assert (together - apart).abs().max() < 1e-5 * together.abs().max()


def test_nothing_of_w_left_is_the_average(generator):
    z = normal(3, 16)
    average = generator.mapping.w_avg.expand(1, SETTINGS.num_ws, -1)
    pictures = generator.synthesise(generator.map(z, psi=0.0))
    assert (pictures - generator.synthesise(average)).abs().max() < 1e-5


def test_truncation_is_a_straight_way_that_each_row_goes_alone(generator):
    z = normal(3, 16)
    whole, none = generator.map(z), generator.map(z, psi=0.0)
    psi = torch.tensor([0.25, 1.0, 1.5])
    assert torch.allclose(
        generator.map(z, psi=psi), none + psi[:, None, None] * (whole - none), atol=1e-5
    )
    assert torch.equal(generator.map(z, psi=torch.ones(3)), whole)


def test_the_cutoff_leaves_the_fine_layers_alone(generator):
    z = normal(2, 16)
    whole, drawn = generator.map(z), generator.map(z, psi=0.5)
    for cutoff in (0, 3, SETTINGS.num_ws):
        cut = generator.map(z, psi=0.5, cutoff=cutoff)
        assert torch.equal(cut[:, :cutoff], drawn[:, :cutoff])
        assert torch.equal(cut[:, cutoff:], whole[:, cutoff:])


def test_every_layer_listens_to_its_own_w(generator):
    ws = generator.map(normal(1, 16))
    picture = generator.synthesise(ws)
    change = []
    for layer in range(SETTINGS.num_ws):
        mixed = ws.clone()
        mixed[:, layer] = generator.map(normal(1, 16, seed=1))[:, layer]
        change.append(float((generator.synthesise(mixed) - picture).abs().max()))
    assert min(change) > 1e-3 * picture.abs().max()


def test_noise(generator):
    ws = generator.map(normal(2, 16))

    def random(seed):
        return generator.synthesise(ws, "random", torch.Generator().manual_seed(seed))

    const, none = generator.synthesise(ws), generator.synthesise(ws, "none")
    assert torch.equal(const, generator.synthesise(ws, "const"))
    assert torch.equal(random(1), random(1))
    pictures = [const, none, random(1), random(2)]
    for one, other in itertools.combinations(pictures, 2):
        assert (one - other).abs().max() > 1e-3
    twins = generator.synthesise(ws[:1].expand(2, -1, -1), "random")
    assert not torch.equal(twins[0], twins[1])  # each picture has noise of its own


def test_labels():
    made, z = network(LABELLED), normal(3, 16)
    ones = torch.eye(3)
    by_label = [made.map(z[:1], one[None]) for one in ones]
    for one, other in itertools.combinations(by_label, 2):
        assert (one - other).abs().max() > 0.01
    assert torch.allclose(made.map(z, ones)[1], made.map(z[1:2], ones[1:2])[0], atol=1e-6)


@pytest.mark.parametrize("label", [None, torch.zeros(3, 2), torch.zeros(2, 3), torch.zeros(3)])
def test_a_wrong_label_is_refused(label):
    with pytest.raises(ValueError, match=r"label must be \[3, 3\]"):
        network(LABELLED).map(normal(3, 16), label)


def test_a_label_nobody_asked_for_is_refused(generator):
    with pytest.raises(ValueError, match="no labels"):
        generator.map(normal(3, 16), torch.eye(3))


def test_only_the_direction_of_z_counts(generator):
    z = normal(2, 16)
    assert torch.allclose(generator.map(z), generator.map(7.0 * z), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("loud", [1.0, 1e4])
def test_half_precision_neither_overflows_nor_shows(dtype, loud):
    """Weights and styles of any size are scaled away before a convolution (section 2.2)."""
    made = network(SETTINGS)
    for name, parameter in made.named_parameters():
        if name.endswith("conv1.weight"):
            parameter.mul_(loud)
    ws = made.map(normal(2, 16))
    whole = made.synthesise(ws)
    half = made.to(dtype).synthesise(ws)
    assert half.dtype == torch.float32
    error = (half - whole).square().mean().sqrt() / whole.std()
    assert error < (0.03 if dtype == torch.bfloat16 else 0.004)


def test_memory_stays_channels_last(generator):
    """What doubles the speed on a processor must not be lost on the way."""
    seen = []
    hooks = [
        block.register_forward_hook(lambda _, __, x: seen.append(x))
        for block in generator.synthesis.blocks
    ]
    generator(normal(2, 16))
    for hook in hooks:
        hook.remove()
    assert len(seen) == len(SETTINGS.channels)
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in seen)
