"""FastGAN: spectral norms, statistics, noise, and what must hold whatever the weights."""

import itertools

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from published import SMALL, changed, lively, loaded, network, normal

from instrument.decoder.fastgan import FastGAN, channels_of, resolve_spectral_norm
from instrument.decoder.generators import tensor_shapes

SETTINGS = SMALL["fastgan"]


@pytest.fixture(scope="module")
def generator():
    return network(SETTINGS)


def test_sizes(generator):
    big, small = generator.both(normal(2, 16))
    assert big.shape == (2, 3, 256, 256) and small.shape == (2, 3, 128, 128)


def test_channels_follow_ngf_but_never_vanish():
    wide = channels_of(changed(SETTINGS, ngf=64, resolution=1024))
    assert wide == {4: 1024, 8: 512, 16: 256, 32: 128, 64: 128, 128: 64, 256: 32, 512: 16, 1024: 8}
    assert channels_of(changed(SETTINGS, resolution=1024))[1024] == 1


@pytest.mark.parametrize(
    ("resolution", "last", "excited"), [(256, 256, 256), (512, 512, 512), (1024, 1024, 512)]
)
def test_every_size_its_own_blocks(resolution, last, excited):
    names = tensor_shapes(changed(SETTINGS, resolution=resolution))
    sizes = {int(name.split(".")[0][5:]) for name in names if name.startswith("feat_")}
    assert sizes == {size for size in (8 << i for i in range(8)) if size <= last}
    assert {int(name.split(".")[0][3:]) for name in names if name.startswith("se_")} == {
        size for size in (64, 128, 256, 512) if size <= excited
    }
    noisy = {name.split(".")[0] for name, shape in names.items() if shape == (1,)}
    assert noisy - {"to_big"} >= {f"feat_{size}" for size in (8, 32, 128, 512) if size <= last}


def test_only_1024_pixels_are_bounded():
    """tanh is where the authors have it: at 1024 pixels."""
    settings = changed(SETTINGS, resolution=1024, ngf=8)
    loud = lively(settings)
    loud["to_big.weight"] = loud["to_big.weight"] * 100
    assert loaded(FastGAN(settings), loud)(normal(1, 16)).abs().max() <= 1
    loud = lively(SETTINGS)
    loud["to_big.weight"] = loud["to_big.weight"] * 100
    assert loaded(FastGAN(SETTINGS), loud)(normal(1, 16)).abs().max() > 1


def normed(shape, transposed=False, steps=60, seed=0):
    """A weight as the authors keep it, after many power iterations."""
    weight = normal(*shape, seed=seed)
    matrix = (weight.transpose(0, 1) if transposed else weight).flatten(1)
    u = F.normalize(normal(len(matrix), seed=1), dim=0)
    for _ in range(steps):
        v = F.normalize(matrix.T @ u, dim=0)
        u = F.normalize(matrix @ v, dim=0)
    return {"weight_orig": weight, "weight_u": u, "weight_v": v}


def test_resolved_weights_stretch_nothing():
    """Spectral normalisation divides by the largest singular value."""
    for name, kept in {
        "feat_8.1": normed((6, 5, 3, 3)),
        "init.init.0": normed((7, 6, 4, 4), transposed=True),
    }.items():
        state = {f"{name}.{key}": tensor for key, tensor in kept.items()} | {
            "x.bias": torch.ones(2)
        }
        resolved = resolve_spectral_norm(state)
        assert set(resolved) == {f"{name}.weight", "x.bias"}
        weight = resolved[f"{name}.weight"]
        matrix = (weight.transpose(0, 1) if name == "init.init.0" else weight).flatten(1)
        assert float(torch.linalg.matrix_norm(matrix, 2)) == pytest.approx(1.0, abs=1e-4)


def test_a_power_step_nears_the_largest_singular_value():
    early = {f"feat_8.1.{key}": t for key, t in normed((6, 5, 3, 3), steps=1).items()}
    exact = torch.linalg.matrix_norm(early["feat_8.1.weight_orig"].flatten(1), 2)

    def off(steps):
        weight = resolve_spectral_norm(early, steps)["feat_8.1.weight"]
        return abs(float((early["feat_8.1.weight_orig"] / weight).mean()) - float(exact))

    assert off(30) < 1e-3 < off(0) and off(1) < off(0)


def test_a_batch_is_so_many_singles(generator):
    z = normal(3, 16)
    together, apart = generator(z), torch.cat([generator(row[None]) for row in z])
    assert (together - apart).abs().max() < 1e-5 * together.abs().max()


def test_statistics_of_the_batch_depend_on_the_batch(generator):
    z = normal(4, 16)
    of_batch = generator.synthesise(z, statistics="batch")
    assert (of_batch - generator(z)).abs().max() > 0.01
    assert (of_batch[:2] - generator.synthesise(z[:2], statistics="batch")).abs().max() > 0.01


def test_the_statistics_are_used_as_stored():
    """Batch normalisation with a batch's own statistics stored is that batch normalised."""
    z = normal(4, 16)
    made = network(SETTINGS)
    layer = made.init["init"][1]
    x = made.init["init"][0](z)
    layer.running_mean.copy_(x.mean(dim=(0, 2, 3)))
    layer.running_var.copy_(x.var(dim=(0, 2, 3), unbiased=False))
    assert torch.allclose(layer(x, "running"), layer(x, "batch"), atol=1e-5)


def test_noise(generator):
    z = normal(2, 16)

    def random(seed):
        return generator.synthesise(z, "random", torch.Generator().manual_seed(seed))

    const = generator(z)
    assert torch.equal(const, network(SETTINGS)(z))  # the maps come from a seed
    assert torch.equal(random(1), random(1))
    for one, other in itertools.combinations(
        [const, generator.synthesise(z, "none"), random(1), random(2)], 2
    ):
        assert (one - other).abs().max() > 1e-3


def test_no_two_layers_share_their_noise(generator):
    maps = [noise for name, noise in generator.named_buffers() if name.endswith("noise_const")]
    assert len(maps) == 6
    same = [
        1 for one, other in itertools.combinations(maps, 2)
        if one.shape == other.shape and torch.equal(one, other)
    ]  # fmt: skip
    assert not same


def test_building_leaves_torchs_own_randomness_alone():
    before = torch.random.get_rng_state()
    FastGAN(SETTINGS)
    assert torch.equal(before, torch.random.get_rng_state())
