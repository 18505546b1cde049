"""One model in several spaces: which there are, and that they all lead to the same pictures."""

import numpy as np
import pytest
import torch
from published import SMALL, changed, lively, network, normal, write_model

from instrument import InstrumentError
from instrument.decoder.models import find_model
from instrument.decoder.process import DecoderProcess
from instrument.decoder.runtime import open_decoder
from instrument.decoder.spaces import in_space, name_of, spaces_of, taking
from instrument.latent.space import LatentSpec

STYLED = ["stylegan2", "stylegan3"]


@pytest.fixture
def model(tmp_path):
    """``model("stylegan2")``: a folder of lively weights."""

    def write(name, **keys):
        return write_model(tmp_path / name, SMALL[name], [lively(SMALL[name])], **keys)

    return write


def test_the_spaces_of_every_architecture(model):
    for name in STYLED:
        settings = SMALL[name]
        assert spaces_of(model(name)) == {
            "z": LatentSpec.shell(16),
            "w": LatentSpec((12,), "w"),
            "layers": LatentSpec((settings.num_ws, 12), "w"),
        }
    for name in ("progan", "fastgan"):
        assert list(spaces_of(model(name))) == ["z"]
    assert spaces_of(find_model("default")) == {
        "z": find_model("default").latent, "w": LatentSpec((256,), "w"),
    }  # fmt: skip
    assert list(spaces_of(find_model("procedural"))) == ["z"]


def test_a_manifests_own_space_comes_first_and_stays_as_it_is(model):
    own = {"shape": [8, 12], "space": "w", "scale": 3.5}
    manifest = model("stylegan2", latent=own)
    assert list(spaces_of(manifest)) == ["layers", "z", "w"]
    assert in_space(manifest, None) is manifest
    assert in_space(manifest, "layers").latent.scale == 3.5
    assert in_space(manifest, "z").latent == LatentSpec.shell(16)
    shell = {"shape": [16], "space": "z", "radius": None}
    assert spaces_of(model("stylegan2", latent=shell))["z"].radius is None


def test_another_space_is_the_same_model(model):
    manifest = model("stylegan2")
    for space, latent in spaces_of(manifest).items():
        played = in_space(manifest, space)
        assert played.latent == latent == played.spec.latent
        assert name_of(played.latent) == space
        assert played.sha256 == manifest.sha256
        assert in_space(played, "z") == manifest


@pytest.mark.parametrize(
    ("name", "space", "words"),
    [
        ("progan", "w", "'small' cannot be played in w, only in z"),
        ("stylegan2", "W", "space 'W': allowed are z, w, layers"),
    ],
)
def test_a_space_a_model_has_not(model, name, space, words):
    with pytest.raises(InstrumentError, match=words):
        in_space(model(name), space)


def test_a_sequence_finds_the_space_it_was_made_in(model):
    manifest = model("stylegan2")
    for latent in spaces_of(manifest).values():
        assert taking(manifest, latent).latent == latent
    assert taking(manifest, LatentSpec((12,), "w", scale=2.0)).latent.space == "w"
    # A bare array says nothing but its shape.
    assert taking(manifest, LatentSpec((8, 12), "z")).latent == LatentSpec((8, 12), "w")
    assert taking(manifest, LatentSpec((12,), "z")).latent == LatentSpec((12,), "w")
    assert taking(manifest, LatentSpec((16,), "z")).latent == manifest.latent
    assert taking(manifest, LatentSpec((99,), "z")) is manifest


def test_z_is_meant_where_z_and_w_are_equally_long(tmp_path):
    settings = changed(SMALL["stylegan2"], w_dim=16)
    manifest = write_model(tmp_path / "m", settings, [lively(settings)])
    assert taking(manifest, LatentSpec((16,), "z")).latent.space == "z"
    assert taking(manifest, LatentSpec((16,), "w")).latent.space == "w"


@pytest.mark.parametrize("name", STYLED)
def test_one_place_is_one_picture_in_every_space(model, name):
    manifest, made = model(name), network(SMALL[name])
    z = normal(3, 16)
    w = made.map(z)
    rows = {"z": z, "w": w[:, 0], "layers": w}
    for psi in (1.0, 0.4):
        values = {"/model/truncation": np.full(3, psi, np.float32)}
        pictures = [
            open_decoder(in_space(manifest, space), "cpu").decode(row.numpy(), values).astype(int)
            for space, row in rows.items()
        ]
        assert np.abs(np.diff(pictures, axis=0)).max() <= 1
        assert np.std(pictures) > 1


def test_the_default_model_is_played_in_w(tmp_path):
    manifest = in_space(find_model("default"), "w")
    decoder = open_decoder(manifest, "cpu")
    network_ = decoder._network.network
    z = normal(2, 512)
    decoder.decode(np.zeros((1, 256), np.float32), {})  # the newest weights are in place
    with torch.inference_mode():
        w = network_.map(z).numpy()
    for psi in (1.0, 0.5):
        values = {"/model/truncation": np.full(2, psi, np.float32)}
        from_z = open_decoder(find_model("default"), "cpu").decode(z.numpy(), values)
        assert np.abs(from_z.astype(int) - decoder.decode(w, values)).max() <= 1


def test_a_decoder_process_plays_the_space_it_was_given(model):
    manifest = model("stylegan2")
    wanted = open_decoder(in_space(manifest, "layers"), "cpu")
    w = normal(1, 8, 12).numpy()
    with DecoderProcess(in_space(manifest, "layers"), "cpu") as process:
        process.post(1, w[0], {})
        frame = process.newest(0, 60.0)
        assert frame is not None, process.message
        off = frame.pixels[..., :3].astype(int) - wanted.decode(w, {})[0]
    assert np.abs(off).max() <= 3  # on stage convolutions may be in half precision
