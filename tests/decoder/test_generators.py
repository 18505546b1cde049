"""Converted generators as decoders: spaces, truncation, labels, histories, and damaged folders."""

import dataclasses
import itertools
import json
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from published import SMALL, changed, lively, network, normal, write_model
from safetensors.torch import load_file
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from instrument import InstrumentError
from instrument.decoder import history
from instrument.decoder.forms import Form
from instrument.decoder.generators import build, random_tensors, shown, tensor_shapes
from instrument.decoder.models import find_model, read_manifest
from instrument.decoder.network import rows_at_once
from instrument.decoder.runtime import open_decoder
from instrument.decoder.snapshots import SNAPSHOT, TRUNCATION
from instrument.decoder.weights import Layout, pack, read_weights

STYLED = ["stylegan2", "stylegan3"]
LEVEL = 1.01 / 255  # pictures are rounded to whole levels


def latents(count, settings, seed=0):
    return normal(count, settings.z_dim, seed=seed).numpy()


def exact(pictures):
    """What a decoder should make of a network's pictures, in levels."""
    levels = shown(pictures).clamp(0, 1) * 255
    return levels.permute(0, 2, 3, 1).numpy()


def off(pixels, pictures):
    return np.abs(pixels.astype(float) - exact(pictures)).max() / 255


def in_space(settings, space):
    """The `latent` object of a manifest in z, in w, or in w for every layer."""
    shapes = {"z": [settings.z_dim], "w": [settings.w_dim],
              "layers": [settings.num_ws, settings.w_dim]}  # fmt: skip
    return {"shape": shapes[space], "space": "z" if space == "z" else "w", "radius": None}


@pytest.fixture(params=SMALL)
def name(request):
    return request.param


@pytest.fixture(params=STYLED)
def styled(request):
    return request.param


# --- what is played is the network


def test_a_decoder_shows_the_network(name, tmp_path):
    settings = SMALL[name]
    decoder = open_decoder(write_model(tmp_path / "m", settings, [lively(settings)]), "cpu")
    z = latents(3, settings)
    assert off(decoder.decode(z, {}), network(settings)(torch.from_numpy(z))) < LEVEL
    assert decoder.spec.size == (settings.size, settings.size)


def test_a_model_of_one_colour_is_shown_in_three(tmp_path):
    for name in ("stylegan2", "progan"):
        settings = changed(SMALL[name], img_channels=1)
        manifest = write_model(tmp_path / name, settings, [lively(settings)])
        pixels = open_decoder(manifest, "cpu").decode(latents(1, settings), {})
        assert pixels.shape[-1] == 3 and pixels.std() > 1
        assert (pixels == pixels[..., :1]).all()


def test_eight_bits_and_halves_look_like_floats(name, tmp_path):
    settings = SMALL[name]
    tensors = lively(settings)
    kinds = {
        "whole": tensors, "packed": pack(tensors),
        "half": {key: tensor.half() for key, tensor in tensors.items()},
    }  # fmt: skip
    z = latents(4, settings)
    whole, packed, half = (
        open_decoder(write_model(tmp_path / kind, settings, [held]), "cpu").decode(z, {})
        for kind, held in kinds.items()
    )
    assert np.abs(whole.astype(float) - half).mean() < 1
    assert np.abs(whole.astype(float) - packed).mean() < 12  # small random ones are the hardest


def test_the_stages_precision_looks_like_the_films(name, tmp_path, monkeypatch):
    """Half precision for convolutions alone, whether this processor would choose it or not."""
    settings = SMALL[name]
    manifest = write_model(tmp_path / "m", settings, [lively(settings)] * 2)
    z = latents(4, settings)
    full = open_decoder(manifest, "cpu").decode(z, {SNAPSHOT: np.full(4, 0.5, np.float32)})
    for dtype in (torch.bfloat16, torch.float16):
        monkeypatch.setattr(history, "forms", lambda *_, dtype=dtype: [Form(dtype)])
        decoder = open_decoder(manifest, "cpu", precision="fast")
        fast = decoder.decode(z, {SNAPSHOT: np.full(4, 0.5, np.float32)})
        error = np.abs(full.astype(float) - fast)
        assert 0 < error.mean() < 2.5, dtype


def test_what_moves_a_picture_is_never_halved(styled, tmp_path, monkeypatch):
    """Steps of z so small that half precision would not see most of them."""
    settings = SMALL[styled]
    manifest = write_model(tmp_path / "m", settings, [lively(settings)])
    monkeypatch.setattr(history, "forms", lambda *_: [Form(torch.bfloat16)])
    seen = []
    made = open_decoder(manifest, "cpu", precision="fast")._network.network
    made.mapping.register_forward_hook(lambda _, __, w: seen.append(w))
    z = normal(1, settings.z_dim)
    with torch.inference_mode():
        for step in range(4):
            made.map(z + 1e-5 * step * normal(1, settings.z_dim, seed=1))
    assert all(w.dtype == torch.float32 for w in seen)
    assert all((two - one).abs().max() > 0 for one, two in itertools.pairwise(seen))
    halved = {n for n, t in made.state_dict().items() if t.dtype == torch.bfloat16}
    assert halved and all(tensor_shapes(settings)[n][2:] for n in halved)


class OneDevice(TorchDispatchMode):
    """Fails at the first operation that reads or makes a tensor elsewhere than on `meta`."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)]
        assert all(tensor.device.type == "meta" for tensor in tensors), function
        return out


def test_nothing_is_left_behind_on_the_processor(name):
    """A network that was sent to another device makes no tensor on the one it came from."""
    settings = changed(SMALL[name], c_dim=3) if name in STYLED else SMALL[name]
    made = build(settings).to("meta")
    z = torch.empty(2, settings.z_dim, device="meta")
    with OneDevice(), torch.no_grad():
        if name in STYLED:
            w = made.map(z, torch.empty(2, 3, device="meta"), psi=0.5, cutoff=2)
        if name == "stylegan2":
            pictures = [made.synthesise(w, kind) for kind in ("const", "random", "none")]
        elif name == "stylegan3":
            places = (None, torch.empty(3, 3, device="meta"))
            pictures = [made.synthesise(w, place) for place in places]
        else:
            pictures = [made(z)]
    assert all(picture.device.type == "meta" for picture in pictures)
    with pytest.raises(AssertionError, match="aten"), OneDevice():
        torch.zeros(1)


# --- spaces and truncation


def test_the_same_place_in_every_space(styled, tmp_path):
    settings, made = SMALL[styled], network(SMALL[styled])
    z = latents(3, settings)
    ws = made.map(torch.from_numpy(z)).numpy()
    rows = {"z": z, "w": ws[:, 0], "layers": ws}
    for psi in (1.0, 0.5, 0.0):
        values = {TRUNCATION: np.full(3, psi, np.float32)}
        pictures = []
        for space, row in rows.items():
            latent = in_space(settings, space)
            manifest = write_model(tmp_path / space, settings, [lively(settings)], latent=latent)
            pictures.append(open_decoder(manifest, "cpu").decode(row, values).astype(int))
        assert np.abs(np.diff(pictures, axis=0)).max() <= 1
        wanted = made.synthesise(made.map(torch.from_numpy(z), psi=psi))
        assert off(pictures[0], wanted) < LEVEL


def test_layers_may_be_mixed(styled, tmp_path):
    settings, made = SMALL[styled], network(SMALL[styled])
    latent = in_space(settings, "layers")
    decoder = open_decoder(
        write_model(tmp_path / "m", settings, [lively(settings)], latent=latent), "cpu"
    )
    one, other = made.map(normal(2, settings.z_dim)).chunk(2)
    mixed = torch.cat((one[:, :3], other[:, 3:]), dim=1)
    assert off(decoder.decode(mixed.numpy(), {}), made.synthesise(mixed)) < LEVEL


def test_each_row_has_its_own_truncation(styled, tmp_path):
    settings = SMALL[styled]
    decoder = open_decoder(write_model(tmp_path / "m", settings, [lively(settings)]), "cpu")
    z, psi = latents(4, settings), np.array([0.0, 0.3, 1.0, 1.4], np.float32)
    together = decoder.decode(z, {TRUNCATION: psi}).astype(int)
    for row, share, picture in zip(z, psi, together, strict=True):
        alone = decoder.decode(row[None], {TRUNCATION: share[None]})[0].astype(int)
        assert np.abs(alone - picture).max() <= 1
    drawn = decoder.decode(z, {TRUNCATION: np.zeros(4, np.float32)}).astype(int)
    assert np.abs(drawn - drawn[0]).max() <= 1  # one average picture


def test_the_manifests_cutoff_leaves_fine_layers_alone(styled, tmp_path):
    settings, made = SMALL[styled], network(SMALL[styled])
    manifest = write_model(tmp_path / "m", settings, [lively(settings)], cutoff=2)
    z = latents(2, settings)
    pixels = open_decoder(manifest, "cpu").decode(z, {TRUNCATION: np.full(2, 0.3, np.float32)})
    wanted = made.synthesise(made.map(torch.from_numpy(z), psi=0.3, cutoff=2))
    assert off(pixels, wanted) < LEVEL


def test_truncation_leads_every_model_to_one_picture(name, tmp_path):
    settings = SMALL[name]
    decoder = open_decoder(write_model(tmp_path / "m", settings, [lively(settings)]), "cpu")
    z = latents(4, settings)

    def apart(psi):
        pictures = decoder.decode(z, {TRUNCATION: np.full(4, psi, np.float32)}).astype(int)
        return np.abs(pictures - pictures[:1]).mean()

    assert apart(0.0) == 0
    assert 0 < apart(0.2) < apart(0.6) < apart(1.0)


def test_fastgan_draws_z_itself(tmp_path):
    settings = SMALL["fastgan"]
    manifest = write_model(tmp_path / "m", settings, [lively(settings)])
    z = latents(2, settings)
    pixels = open_decoder(manifest, "cpu").decode(z, {TRUNCATION: np.full(2, 0.3, np.float32)})
    assert off(pixels, network(settings).synthesise(0.3 * torch.from_numpy(z))) < LEVEL


class Counting(TorchDispatchMode):
    """Counts what is computed."""

    def __init__(self):
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.operations += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("model", [*SMALL, "default"])
def test_truncation_costs_nothing_at_one(model, tmp_path):
    """The same bits, from the same operations and the one question whether there is any."""
    if model == "default":
        manifest = find_model("default")
    else:
        manifest = write_model(tmp_path / "m", SMALL[model], [lively(SMALL[model])])
    decoder = open_decoder(manifest, "cpu")
    z = normal(1, *manifest.latent.shape).numpy()
    counts, pictures = [], []
    for values in ({}, {TRUNCATION: np.ones(1, np.float32)}, {TRUNCATION: np.zeros(1, np.float32)}):
        with Counting() as counting:
            pictures.append(decoder.decode(z, values))
        counts.append(counting.operations)
    assert np.array_equal(pictures[0], pictures[1])
    assert counts[0] < counts[1] <= counts[0] + 5  # one number sent, compared and read
    assert not np.array_equal(pictures[0], pictures[2])


def test_the_manifests_label_is_shown(styled, tmp_path):
    settings = changed(SMALL[styled], c_dim=3)
    tensors, made = lively(settings), network(settings)
    z = latents(2, settings)
    for label in (0, 2):
        manifest = write_model(tmp_path / str(label), settings, [tensors], label=label)
        wanted = made(torch.from_numpy(z), torch.eye(3)[label].expand(2, -1))
        assert off(open_decoder(manifest, "cpu").decode(z, {}), wanted) < LEVEL
    unsaid = write_model(tmp_path / "unsaid", settings, [tensors])
    first = open_decoder(read_manifest(tmp_path / "0"), "cpu").decode(z, {})
    assert np.array_equal(open_decoder(unsaid, "cpu").decode(z, {}), first)


# --- histories


def blended(settings, share):
    """Weights that lie `share` of the way from the lively ones of seed 0 to those of seed 1."""
    one, two = lively(settings, 0), lively(settings, 1)
    return {name: torch.lerp(one[name], two[name], share) for name in one}


def test_a_place_between_two_snapshots_is_the_blend_of_their_weights(name, tmp_path):
    settings = SMALL[name]
    history = [lively(settings, seed) for seed in range(3)]
    decoder = open_decoder(write_model(tmp_path / "m", settings, history), "cpu")
    assert decoder.spec.snapshots == 3
    z = latents(2, settings)
    for place in (0.0, 0.25, 1.0, 0.75, 2.0):  # back and forth
        made = build(settings)
        made.load_state_dict(blended(settings, place) if place <= 1 else history[2])
        pixels = decoder.decode(z, {SNAPSHOT: np.full(2, place, np.float32)})
        with torch.no_grad():
            assert off(pixels, made(torch.from_numpy(z))) < 2 * LEVEL, place
    newest = decoder.decode(z, {SNAPSHOT: np.full(2, 9.0, np.float32)})
    assert np.array_equal(newest, decoder.decode(z, {}))


def test_every_tensor_lies_in_the_vector_that_is_blended(name, tmp_path):
    """A convolution that was copied out of it would stand still while the others move."""
    settings = SMALL[name]
    history = [lively(settings, seed) for seed in range(2)]
    inside = open_decoder(write_model(tmp_path / "m", settings, history), "cpu")._network
    start = inside._weights.data_ptr()
    stop = start + inside._weights.numel() * inside._weights.element_size()
    for key, tensor in inside.network.state_dict().items():
        assert start <= tensor.data_ptr() < stop, key


def test_the_fade_of_a_progressive_gan_belongs_to_a_snapshot(tmp_path):
    settings, tensors = SMALL["progan"], lively(SMALL["progan"])
    history = [tensors | {"alpha": torch.tensor(alpha)} for alpha in (1.0, 0.0)]
    decoder = open_decoder(write_model(tmp_path / "m", settings, history), "cpu")
    made, z = build(settings), latents(1, settings)
    made.load_state_dict(tensors | {"alpha": torch.tensor(0.7)})
    with torch.no_grad():
        wanted = made(torch.from_numpy(z))
    assert off(decoder.decode(z, {SNAPSHOT: np.full(1, 0.3, np.float32)}), wanted) < LEVEL


# --- weights


def test_a_card_takes_as_many_pictures_as_fit_and_a_processor_one():
    card = torch.device("cuda")
    assert [rows_at_once(card, (s, s)) for s in (64, 256, 512, 1024, 4096)] == [8, 8, 8, 2, 1]
    assert rows_at_once(torch.device("cpu"), (64, 64)) == 1


def test_shapes_are_told_without_allocating(name):
    shapes = tensor_shapes(SMALL[name])
    assert shapes == {key: tuple(t.shape) for key, t in build(SMALL[name]).state_dict().items()}
    huge = changed(SMALL["stylegan2"], channels=[512] * 5 + [256, 128, 64, 32], w_dim=512)
    assert sum(math.prod(shape) for shape in tensor_shapes(huge).values()) > 25e6


def test_random_weights_come_from_the_seed_alone(name):
    before = torch.random.get_rng_state()
    one, two, other = (random_tensors(SMALL[name], seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_files_are_mapped_into_memory_not_read(tmp_path):
    """A history of a hundred checkpoints must not need the memory of a hundred."""
    settings = changed(SMALL["stylegan2"], w_dim=2000, mapping_layers=3)
    write_model(tmp_path / "m", settings, [random_tensors(settings, 0)])

    def anonymous():  # KiB of memory that is no file's
        return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0])

    manifest = read_manifest(tmp_path / "m")
    row, layout = manifest.details.snapshots[0], Layout(tensor_shapes(settings))
    size = (tmp_path / "m" / row.file).stat().st_size >> 10
    before = anonymous()
    held = [read_weights(tmp_path / "m" / row.file, row.sha256, layout) for _ in range(12)]
    # What checking them takes for a moment stays with the process for a while: up to 0.1 GB.
    assert anonymous() - before < 6 * size, "twelve of them took as much as six"
    assert len(held) == 12 and size > 30_000


@pytest.mark.parametrize(("change", "words"), [
    (lambda t: t.popitem(), "is missing"),
    (lambda t: t.update(extra=torch.zeros(3)), "holds 'extra', which the model has not"),
    (lambda t: t.update({next(iter(t)): torch.zeros(5, 5)}), "the manifest asks for"),
    (lambda t: t[max(t)].fill_(math.nan), "no finite number"),
])  # fmt: skip
def test_tensors_that_do_not_fit(name, tmp_path, change, words):
    settings = SMALL[name]
    tensors = lively(settings)
    change(tensors)
    manifest = write_model(tmp_path / "m", settings, [lively(settings), tensors])
    with pytest.raises(InstrumentError, match=words) as caught:
        open_decoder(manifest, "cpu")
    assert "1.safetensors" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("keys", "words"), [
    ({"size": [64, 64]}, r"size: the network paints \[32, 32\]"),
    ({"latent": {"shape": [15]}}, r"latent.shape: in z the network takes \[16\]"),
    ({"latent": {"shape": [16], "space": "w"}}, r"takes \[12\] or \[8, 12\]"),
    ({"label": 1}, "label: the network knows 0 labels"),
    ({"cutoff": -1}, "cutoff"),
    ({"snapshots": []}, "snapshots"),
    ({"network": {"z_dim": 16}}, "network"),
    ({"source_sha256": "x"}, "source_sha256"),
])  # fmt: skip
def test_manifests_that_do_not_fit(tmp_path, keys, words):
    settings = SMALL["stylegan2"]
    with pytest.raises(InstrumentError, match=words) as caught:
        write_model(tmp_path / "m", settings, [lively(settings)], **keys)
    assert "manifest.json" in str(caught.value) and "\n" not in str(caught.value)


def test_a_network_without_w_has_no_w_to_play(tmp_path):
    settings = SMALL["progan"]
    with pytest.raises(InstrumentError, match="it has no w"):
        write_model(
            tmp_path / "m", settings, [lively(settings)], latent={"shape": [16], "space": "w"}
        )


def test_the_settings_in_a_manifest_are_bounded(tmp_path):
    settings = SMALL["stylegan2"]
    write_model(tmp_path / "m", settings, [lively(settings)])
    path = tmp_path / "m" / "manifest.json"
    fields = json.loads(path.read_text())
    fields["network"] = msgspec.to_builtins(settings) | {"channels": [12, 10**9]}
    path.write_text(json.dumps(fields))
    with pytest.raises(InstrumentError, match=r"channels"):
        read_manifest(tmp_path / "m")


def test_another_size_is_refused_with_the_one_there_is(name, tmp_path):
    settings = SMALL[name]
    manifest = write_model(tmp_path / "m", settings, [lively(settings)])
    with pytest.raises(InstrumentError, match=f"{settings.size}x{settings.size} pixels"):
        open_decoder(dataclasses.replace(manifest, size=(64, 96)), "cpu")


def test_what_is_written_is_what_is_read(name, tmp_path):
    write_model(tmp_path / "m", SMALL[name], [lively(SMALL[name])])
    found = load_file(tmp_path / "m" / "0.safetensors")
    assert {key: tuple(t.shape) for key, t in found.items()} == tensor_shapes(SMALL[name])
