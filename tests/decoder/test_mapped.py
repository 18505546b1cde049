"""From z to w for the stage: what the network's own mapping gives, asked once."""

import math

import numpy as np
import pytest
import torch
from published import SMALL, changed, lively, loaded, network, normal, write_model

from instrument import InstrumentError
from instrument.decoder import mapped
from instrument.decoder.generators import build
from instrument.decoder.mapped import map_rows
from instrument.decoder.mapping_child import mapped_rows
from instrument.decoder.models import find_model
from instrument.decoder.runtime import open_decoder
from instrument.decoder.spaces import in_space
from instrument.decoder.weights import pack

STYLED = ["stylegan2", "stylegan3"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "latent-instrument" / "mapped"


@pytest.fixture
def said():
    return []


def newest(z):
    return np.full(len(z), 99.0, np.float32)


@pytest.mark.parametrize("name", STYLED)
def test_it_is_the_networks_own_mapping(name, tmp_path):
    settings = changed(SMALL[name], mapping_layers=4)
    manifest = write_model(tmp_path / "m", settings, [lively(settings)])
    z = normal(5, 16)
    w, _ = mapped_rows(manifest, z.numpy(), newest(z))
    np.testing.assert_allclose(w, network(settings).map(z)[:, 0], rtol=1e-5, atol=1e-6)
    again, _ = mapped_rows(in_space(manifest, "layers"), z.numpy(), newest(z))
    assert np.array_equal(w, again)


def test_the_label_of_the_manifest_counts(tmp_path):
    settings = changed(SMALL["stylegan2"], c_dim=3)
    z, made = normal(3, 16), network(settings)
    for label in (0, 2):
        manifest = write_model(tmp_path / str(label), settings, [lively(settings)], label=label)
        w, _ = mapped_rows(manifest, z.numpy(), newest(z))
        wanted = made.map(z, torch.eye(3)[label].expand(3, -1))[:, 0]
        np.testing.assert_allclose(w, wanted, rtol=1e-5, atol=1e-6)


def test_every_row_has_the_weights_of_its_snapshot(tmp_path):
    settings = SMALL["stylegan2"]
    history = [lively(settings, seed) for seed in range(3)]
    manifest = write_model(tmp_path / "m", settings, history)
    z, places = normal(4, 16), [0.0, 0.25, 1.0, 2.0]
    w, _ = mapped_rows(manifest, z.numpy(), np.array(places, np.float32))
    for row, place, found in zip(z, places, w, strict=True):
        below, share = min(int(place), 1), place - min(int(place), 1)
        tensors = {
            name: torch.lerp(one, history[below + 1][name], share)
            for name, one in history[below].items()
        }
        wanted = loaded(build(settings), tensors).map(row[None])[0, 0]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_packed_weights_are_unpacked(tmp_path):
    settings = SMALL["stylegan2"]
    manifest = write_model(tmp_path / "m", settings, [pack(lively(settings))])
    z = normal(4, 16)
    w, _ = mapped_rows(manifest, z.numpy(), newest(z))
    wanted = network(settings).map(z)[:, 0].numpy()
    assert 0 < np.abs(w - wanted).mean() < 0.03 * wanted.std()


def test_the_default_model_has_a_w_too():
    manifest = find_model("default")
    z = normal(3, 512)
    w, scale = mapped_rows(manifest, z.numpy(), newest(z))
    inside = open_decoder(manifest, "cpu")._network.network
    with torch.inference_mode():
        np.testing.assert_allclose(w, inside.map(z), rtol=1e-4, atol=1e-5)
    assert w.shape == (3, 256) and scale > 0


def test_the_scale_is_how_far_w_usually_lies_from_the_middle(tmp_path):
    settings = SMALL["stylegan2"]
    manifest = write_model(tmp_path / "m", settings, [lively(settings)])
    w, scale = mapped_rows(manifest, normal(20_000, 16, seed=5).numpy()[:0], newest([]))
    cloud = network(settings).map(normal(20_000, 16, seed=5))[:, 0].numpy()
    usual = math.sqrt(np.square(cloud - cloud.mean(axis=0)).sum(axis=1).mean())
    assert scale == pytest.approx(usual, rel=0.05)
    assert w.shape == (0, 12)


def test_what_was_asked_once_is_kept(tmp_path, said, cache, monkeypatch):
    settings = SMALL["stylegan2"]
    manifest = write_model(tmp_path / "m", settings, [lively(settings)])
    z = normal(3, 16).numpy()
    first = map_rows(manifest, z, newest(z), said.append)
    assert said == ["asking small where 3 places lie in w, once"]
    np.testing.assert_allclose(first.w, mapped_rows(manifest, z, newest(z))[0], atol=1e-6)
    wanted = mapped_rows(manifest, z, newest(z))[1]
    assert first.scale == pytest.approx(wanted, rel=1e-6)

    asked = []

    def answer(_, rows, length):
        asked.append(len(rows))
        return np.zeros(length // 4, "<f4").tobytes()

    monkeypatch.setattr(mapped, "_ask", answer)
    again = map_rows(manifest, z, newest(z), said.append)
    assert (again.w == first.w).all() and again.scale == first.scale and asked == []
    # Other rows, other snapshots, another model: other questions.
    map_rows(manifest, z + 1, newest(z), said.append)
    map_rows(manifest, z, newest(z) - 1, said.append)
    other = write_model(tmp_path / "n", settings, [lively(settings, 1)])
    map_rows(other, z, newest(z), said.append)
    assert len(asked) == 3
    # What is kept and cannot be read is asked for anew.
    for path in cache.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    map_rows(manifest, z, newest(z), said.append)
    assert len(asked) == 4


def test_what_cannot_be_mapped_is_one_line(tmp_path, said):
    settings = SMALL["stylegan2"]
    manifest = write_model(tmp_path / "m", settings, [lively(settings)])
    (tmp_path / "m" / "0.safetensors").write_bytes(b"no weights")
    z = normal(1, 16).numpy()
    with pytest.raises(InstrumentError, match="not a safetensors file") as caught:
        map_rows(manifest, z, newest(z), said.append)
    assert "0.safetensors" in str(caught.value) and "\n" not in str(caught.value)
    without = write_model(tmp_path / "p", SMALL["progan"], [lively(SMALL["progan"])])
    with pytest.raises(InstrumentError, match="has no w"):
        mapped_rows(without, z, newest(z))


def test_w_that_is_no_number_is_refused_and_not_kept(tmp_path, said, cache):
    settings = SMALL["stylegan2"]
    tensors = lively(settings)
    for layer in (0, 1):
        tensors[f"mapping.fc{layer}.weight"].fill_(3e38)
    manifest = write_model(tmp_path / "m", settings, [tensors])
    z = normal(1, 16).numpy()
    with pytest.raises(InstrumentError, match="small: maps z to what is no finite w"):
        map_rows(manifest, z, newest(z), said.append)
    assert not cache.exists()


def test_a_process_that_dies_is_said_in_one_line(tmp_path, said, monkeypatch):
    manifest = write_model(tmp_path / "m", SMALL["stylegan2"], [lively(SMALL["stylegan2"])])
    z = normal(1, 16).numpy()
    for program, words in (("/bin/false", "exit code|killed"), ("/bin/true", "exit code 0")):
        monkeypatch.setattr(mapped.sys, "executable", program)
        with pytest.raises(InstrumentError, match=rf"small: the process that mapped .*({words})"):
            map_rows(manifest, z, newest(z), said.append)
