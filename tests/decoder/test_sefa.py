"""SeFa: the directions that change the first thing a code meets the most, and nobody else's."""

import numpy as np
import pytest
import torch
from published import SMALL, changed, lively, network, normal, write_model

from instrument import InstrumentError
from instrument.decoder.models import find_model
from instrument.decoder.runtime import open_decoder
from instrument.decoder.sefa import sefa
from instrument.decoder.spaces import in_space
from instrument.decoder.weights import pack

STYLED = ["stylegan2", "stylegan3"]


@pytest.fixture
def model(tmp_path):
    def write(name, seed=0, **more):
        settings = changed(SMALL[name], **more)
        return write_model(tmp_path / f"{name}{seed}", settings, [lively(settings, seed)])

    return write


def first_response(name, made, code):
    """What the code [n, d] makes of the first linear layers, [n, everything], without biases."""
    if name == "progan":
        return code @ made.formatLayer.module.weight.T
    if name == "fastgan":
        return torch.einsum("nz,zohw->nohw", code, made.init["init"][0].weight).flatten(1)
    if name == "stylegan2":
        convs = [conv for block in made.synthesis.blocks for conv in block.convs]
    else:
        convs = [layer for layer in made.synthesis.layers if not layer.plan.colours]
    return torch.cat([code @ conv.affine.weight.T for conv in convs], dim=1)


@pytest.mark.parametrize("name", SMALL)
def test_no_direction_changes_more_than_the_first(model, name):
    space = "w" if name in STYLED else "z"
    made = network(SMALL[name])
    count = {"w": 12, "z": 16}[space]
    rows, values = sefa(model(name), space, count)
    assert rows.shape == (count, count) and rows.dtype == np.float32
    np.testing.assert_allclose(rows @ rows.T, np.eye(count), atol=1e-5)
    found = first_response(name, made, torch.from_numpy(rows)).square().sum(dim=1).numpy()
    np.testing.assert_allclose(found, values, rtol=1e-3, atol=1e-3)
    assert (np.diff(found) <= 1e-3 * found[0]).all(), "the strongest come first"
    others = normal(200, count)
    others /= others.norm(dim=1, keepdim=True)
    assert (first_response(name, made, others).square().sum(dim=1) <= found[0] * 1.0001).all()
    assert (np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1) > 0).all()


def test_they_are_those_of_the_other_implementation(model):
    """rosinality's closed_form_factorization: the right singular vectors of the stacked weights."""
    made = network(SMALL["stylegan2"])
    convs = [conv for block in made.synthesis.blocks for conv in block.convs]
    _, _, turned = torch.linalg.svd(torch.cat([conv.affine.weight for conv in convs]))
    rows, _ = sefa(model("stylegan2"), "w", 8)
    cosines = np.abs(np.sum(rows * turned[:8].numpy(), axis=1))
    np.testing.assert_allclose(cosines, 1.0, atol=1e-4)


@pytest.mark.parametrize("name", STYLED)
def test_the_first_move_the_picture_more_than_the_others(tmp_path, name):
    tensors = lively(SMALL[name])
    for key, tensor in tensors.items():
        if key.endswith("affine.weight"):
            tensor[:, 4:7] *= 5.0  # three numbers of w that mean more than the others
    manifest = in_space(write_model(tmp_path / "m", SMALL[name], [tensors]), "w")
    rows, _ = sefa(manifest, "w", 12)
    assert np.square(rows[:3, 4:7]).sum() > 2.9
    decoder = open_decoder(manifest, "cpu")
    w = network(SMALL[name]).map(normal(6, 16))[:, 0].numpy()
    still = decoder.decode(w, {}).astype(int)
    moved = [np.abs(decoder.decode(w + row, {}) - still).mean() for row in rows]
    assert min(moved[:3]) > max(moved[3:])


def test_layers_may_be_asked_alone(model):
    manifest, made = model("stylegan2"), network(SMALL["stylegan2"])
    convs = [conv for block in made.synthesis.blocks for conv in block.convs]
    assert len(convs) == 7  # the first has one, the others two
    rows, values = sefa(manifest, "w", 3, range(1, 3))
    matrix = torch.cat([convs[1].affine.weight, convs[2].affine.weight]).double().numpy()
    np.testing.assert_allclose(np.square(rows @ matrix.T).sum(axis=1), values, rtol=1e-4)
    assert values[0] == pytest.approx(np.linalg.norm(matrix, 2) ** 2, rel=1e-5)
    settings = SMALL["stylegan3"]
    rows, _ = sefa(model("stylegan3"), "w", 1, range(settings.num_layers, settings.num_layers + 1))
    last = network(settings).synthesis.layers[settings.num_layers - 1].affine.weight
    assert torch.linalg.norm(last @ torch.from_numpy(rows[0])) == pytest.approx(
        float(torch.linalg.matrix_norm(last, 2)), rel=1e-4
    )


@pytest.mark.parametrize("name", STYLED)
def test_z_of_a_stylegan_meets_its_mapping_first(model, name):
    manifest = model(name, c_dim=3)
    weight = lively(changed(SMALL[name], c_dim=3))["mapping.fc0.weight"][:, :16]
    rows, values = sefa(manifest, "z", 2)
    assert rows.shape == (2, 16)
    assert values[0] == pytest.approx(float(torch.linalg.matrix_norm(weight, 2)) ** 2, rel=1e-4)


def test_the_default_model_in_both_spaces():
    manifest = find_model("default")
    for space, dims in (("z", 512), ("w", 256)):
        rows, values = sefa(manifest, space, 5)
        assert rows.shape == (5, dims) and (np.diff(values) <= 0).all()


def test_packed_weights_are_unpacked(tmp_path):
    settings = SMALL["stylegan2"]
    manifest = write_model(tmp_path / "m", settings, [pack(lively(settings))])
    whole = write_model(tmp_path / "w", settings, [lively(settings)])
    one, two = (sefa(m, "w", 1)[0][0] for m in (manifest, whole))
    assert abs(float(one @ two)) > 0.99


@pytest.mark.parametrize(
    ("name", "space", "count", "layers", "words"),
    [
        ("progan", "w", 3, None, "has no weights for w"),
        ("stylegan2", "w", 13, None, "13 directions: small has 1 to 12 in w"),
        ("stylegan2", "w", 0, None, "0 directions"),
        ("stylegan2", "w", 3, range(4, 9), "layers 4:9: allowed are 0:7"),
        ("stylegan3", "w", 3, range(0, 2), "allowed are 1:7"),
        ("fastgan", "z", 3, range(0, 2), "allowed are none, in z"),
    ],
)
def test_what_a_model_has_not(model, name, space, count, layers, words):
    with pytest.raises(InstrumentError, match=words):
        sefa(model(name), space, count, layers)


def test_a_model_without_weights():
    with pytest.raises(InstrumentError, match="procedural: has no weights"):
        sefa(find_model("procedural"), "z", 3)
