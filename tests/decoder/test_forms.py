"""The forms of a network: what is tried where, and that they are one picture."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published import SMALL, network, normal

from instrument import InstrumentError
from instrument.decoder import history
from instrument.decoder.forms import FULL, Form, forms
from instrument.decoder.models import find_model
from instrument.decoder.modulated import demodulation, folded, folding_pays, scaled
from instrument.decoder.network import choose_device, rows_at_once
from instrument.decoder.runtime import open_here
from instrument.decoder.skip_generator import GeneratorSpec, SkipGenerator
from instrument.decoder.skip_rows import RowPainter
from instrument.decoder.snapshots import SNAPSHOT
from instrument.decoder.tuned import likeness

CPU = torch.device("cpu")
SPEC = GeneratorSpec(latent=24, families=4, mapped=32, rank=8, widths=(16, 12, 8, 8), heads=2)


def lively(spec=SPEC, seed=0):
    """A generator all of whose heads say something."""
    torch.manual_seed(seed)
    network = SkipGenerator(spec)
    for head in network.heads:
        torch.nn.init.normal_(head.weight, std=0.1)
        torch.nn.init.normal_(head.bias, std=0.3)
    return network.requires_grad_(False)


def on_shell(count, numbers=512, seed=0):
    z = np.random.default_rng(seed).standard_normal((count, numbers))
    return (z * np.sqrt(numbers) / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)


# --- which


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_films_know_one_form(device):
    assert forms(torch.device(device), "full", ["plain", "rows", "folded"]) == [FULL]


@pytest.mark.parametrize(
    ("has", "dtypes"),
    [({}, ["float32"]), ({"avx512_bf16": True}, ["float32", "bfloat16"]),
     ({"amx_bf16": True}, ["float32", "bfloat16"]), ({"avx512_bf16": False}, ["float32"])],
)  # fmt: skip
def test_a_processor_tries_half_precision_where_it_has_it(monkeypatch, has, dtypes):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    found = [form.name for form in forms(CPU, "fast", ["plain", "rows"])]
    assert found == [f"{dtype} {way}" for way in ("plain", "rows") for dtype in dtypes]
    assert forms(CPU, "fast", ["plain"])[0] == FULL


def test_cards_have_no_rows_and_apples_try_halves(monkeypatch):
    assert [form.name for form in forms(torch.device("mps"), "fast", ["plain", "rows"])] == [
        "float32 plain", "float16 plain",
    ]  # fmt: skip
    for has, dtype in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has: has)
        assert forms(torch.device("cuda"), "fast", ["plain", "rows", "folded"]) == [
            Form(dtype), Form(dtype, "folded"),
        ]  # fmt: skip


# --- rows of pixels


@given(
    seed=st.integers(0, 1000), heads=st.integers(1, 3), octaves=st.integers(3, 4),
    compiled=st.booleans(),
)  # fmt: skip
@settings(max_examples=12, deadline=None)
def test_rows_paint_what_the_network_paints(seed, heads, octaves, compiled):
    spec = GeneratorSpec(24, 4, 6.0, 32, 8, (16, 12, 8, 6)[:octaves], heads)
    network = lively(spec, seed)
    painter = RowPainter(network, torch.float32, compiled=compiled)
    painter.refresh()
    with torch.inference_mode():
        w = torch.randn(2, spec.mapped, generator=torch.Generator().manual_seed(seed))
        wanted = network.paint(w).add(1).mul(0.5)
        painted = painter.paint(w)
    assert painted.shape == (2, 4, spec.size, spec.size)
    assert (painted[:, :3] - wanted).abs().max() < 2e-5
    assert (painted[:, 3] == 1.0).all()
    assert wanted.std() > 0.02, "nothing was painted"


def test_rows_see_other_weights_after_refresh_alone():
    network = lively()
    painter = RowPainter(network, torch.float32)
    painter.refresh()
    with torch.inference_mode():
        w = torch.ones(1, SPEC.mapped)
        before = painter.paint(w)
        for parameter in network.parameters():
            parameter.mul_(1.1)
        painter.refresh()
        after = painter.paint(w)
        assert (after[:, :3] - network.paint(w).add(1).mul(0.5)).abs().max() < 2e-5
        assert (after - before).abs().max() > 1e-3


@pytest.fixture(scope="module")
def default():
    return find_model("default")


@pytest.fixture(scope="module")
def full(default):
    return open_here(default, "cpu", 1, "full")


@pytest.mark.parametrize(
    "form", [Form(torch.float32, "rows"), Form(torch.bfloat16, "rows"), Form(torch.bfloat16)],
    ids=lambda form: form.name,
)  # fmt: skip
def test_every_form_of_the_default_model_looks_like_the_film(default, full, form, monkeypatch):
    monkeypatch.setattr(history, "forms", lambda *_: [form])
    fast = open_here(default, "cpu", 1, "fast")
    for z, place in zip(on_shell(3), (0.0, 3.5, 99.0), strict=True):
        values = {SNAPSHOT: np.full(1, place, np.float32)}
        wanted, found = full.decode(z[None], values), fast.decode(z[None], values)
        assert likeness(wanted, found) >= 45
        assert wanted.std() > 5


# --- styles scale weights or maps


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("doubles", [False, True])
def test_folded_weights_are_scaled_maps(count, doubles):
    chance = torch.Generator().manual_seed(count)
    x = torch.randn(count, 5, 6, 7, generator=chance)
    weight, style = (
        torch.randn(4, 5, 3, 3, generator=chance),
        torch.randn(count, 5, generator=chance),
    )
    before, after = demodulation(weight, style)
    y = scaled(x, before)
    if doubles:
        y = torch.nn.functional.conv_transpose2d(y, weight.transpose(0, 1), stride=2)
    else:
        y = torch.nn.functional.conv2d(y, weight, padding=1)
    found = folded(x, weight, before, after, padding=1, doubles=doubles)
    assert torch.allclose(found, scaled(y, after), atol=1e-5)


@pytest.mark.parametrize("name", ["default", "procedural"])
def test_without_a_count_one_thread_begins(tmp_path, name, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    decoder = open_here(find_model(name), "cpu", 0, "full")
    assert (decoder.form, decoder.threads, decoder.spent) == (FULL, 1, 0.0)
    assert decoder.idle()


@pytest.mark.parametrize("name", ["stylegan2", "stylegan3"])
def test_a_styled_network_folds_to_the_same_picture(name, monkeypatch):
    """Every layer, though only the large ones of large networks would."""
    for module in ("stylegan2", "stylegan3"):
        monkeypatch.setattr(f"instrument.decoder.{module}.folding_pays", lambda *_: True)
    made = network(SMALL[name])
    z = normal(2, SMALL[name].z_dim)
    with torch.inference_mode():
        plain = made(z)
        for layer in made.modules():
            if hasattr(layer, "folds"):
                layer.folds = True
        found = made(z)
    assert (plain - found).abs().max() < 1e-3 * plain.abs().max()
    assert not torch.equal(plain, found), "nothing was folded"


def test_folding_pays_where_maps_are_large_and_weights_small():
    def pays(channels, size):
        with torch.device("meta"):
            return folding_pays(
                torch.empty(1, channels, size, size), torch.empty(channels, channels, 3, 3)
            )

    assert [pays(*one) for one in ((512, 64), (256, 128), (128, 256), (32, 1024))] == [
        False, False, True, True,
    ]  # fmt: skip


# --- Apple's GPUs, as far as a machine without one can tell


def test_an_apple_is_played_on_its_gpu_by_itself(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto", 1) == choose_device("mps", 1) == torch.device("mps")
    assert choose_device("cpu", 1) == torch.device("cpu")
    with pytest.raises(InstrumentError, match="use auto, mps, cpu"):
        choose_device("cuda", 1)
    names = [form.name for form in forms(torch.device("mps"), "fast", ("plain", "rows", "folded"))]
    assert names == ["float32 plain", "float16 plain", "float32 folded", "float16 folded"]
    assert [form.name for form in forms(torch.device("mps"), "full", ("plain", "folded"))] == [
        "float32 plain"
    ]
    assert rows_at_once(torch.device("mps"), (1024, 1024)) == 2
