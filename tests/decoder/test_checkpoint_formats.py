"""Every format, in files laid out as their own programs do: the tensors come back bit for bit."""

import json
import pickle

import numpy as np
import official
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.decoder.architectures import DERIVED, StyleGAN2Settings
from instrument.decoder.checkpoint import mean_w, taps_of
from instrument.decoder.checkpoint_child import write_weights
from instrument.decoder.checkpoint_door import read_checkpoint
from instrument.decoder.checkpoint_nvidia import pickle_globals
from instrument.decoder.checkpoint_torch import TORCH_GLOBALS
from instrument.decoder.generators import build, tensor_shapes
from instrument.decoder.torch_file import read_stream, read_zip
from instrument.decoder.unpickle import unpickle

needs_parity = pytest.mark.skipif(
    not official.PARITY.is_dir(), reason="the originals' weights are not beside this clone"
)


def read(data: bytes):
    return read_checkpoint(memoryview(data), whole_file=True)


def must_equal(weights, state):
    wanted = {name: one for name, one in state.items() if not name.endswith(DERIVED)}
    assert set(weights) == set(wanted)
    for name, one in wanted.items():
        assert weights[name].shape == one.shape, name
        assert np.array_equal(weights[name], one), name
        assert weights[name].dtype == np.float32


def small(**more):
    state = official.stylegan2_state()
    return state, official.nvidia(
        state, official.stylegan2_attributes(state, conv_clamp=256), **more
    )


# --- NVIDIA, PyTorch


@pytest.mark.parametrize("protocol", [3, 4])
def test_a_small_network_comes_back(protocol):
    state, data = small(protocol=protocol)
    found = read(data)
    must_equal(found.weights(), state)
    assert found.settings == StyleGAN2Settings(
        z_dim=8, w_dim=7, mapping_layers=2, channels=(6, 5, 4), conv_clamp=256.0,
        resample_filter=(0.125, 0.375, 0.375, 0.125),
    )  # fmt: skip
    assert found.parameters == sum(
        one.size for name, one in state.items() if not name.endswith(DERIVED)
    )
    assert "NVIDIA" in found.licence and "not for commercial use" in found.licence


def test_files_of_older_numpy_are_read():
    """Before numpy 2 its modules had no underscore; all published files have those names."""
    state, data = small(protocol=3)
    assert b"cnumpy._core.multiarray\n" in data
    must_equal(read(data.replace(b"cnumpy._core.", b"cnumpy.core.")).weights(), state)


def test_the_network_takes_exactly_these_tensors():
    _, data = small()
    found = read(data)
    shapes = {name: one.shape for name, one in found.weights().items()}
    assert shapes == tensor_shapes(found.settings)


def test_the_two_code_bases_are_told_apart():
    state = official.stylegan2_state()
    for ada, word in ((True, "stylegan2-ada-pytorch"), (False, "stylegan3")):
        attributes = official.stylegan2_attributes(state, conv_clamp=None, ada=ada)
        found = read(official.nvidia(state, attributes))
        assert found.format == f"NVIDIA pickle of {word}"
        assert found.settings.conv_clamp is None


def test_what_took_effect_counts_and_not_what_was_passed():
    state = official.stylegan2_state()
    attributes = official.stylegan2_attributes(state, conv_clamp=np.float64(3.5))
    attributes[""]["_init_kwargs"]["conv_clamp"] = 256
    attributes["mapping.fc0"]["bias_gain"] = np.float64(0.02)
    found = read(official.nvidia(state, attributes))
    assert found.settings.conv_clamp == 3.5
    assert found.settings.mapping_lr_multiplier == 0.02


def test_a_network_without_noise_is_one_with_noise_of_no_strength():
    state = official.stylegan2_state()
    attributes = official.stylegan2_attributes(
        state, conv_clamp=None, layer_changes={"use_noise": False}
    )
    bare = {name: one for name, one in state.items() if "noise" not in name}
    weights = read(official.nvidia(bare, attributes)).weights()
    assert set(weights) == {name for name in state if not name.endswith(DERIVED)}
    assert weights["synthesis.b16.conv0.noise_const"].shape == (16, 16)
    assert not weights["synthesis.b16.conv0.noise_strength"].any()


def test_channels_last_halves_and_shared_storages_come_back():
    state = official.stylegan2_state()
    last = official.tensor(state["synthesis.b8.conv0.weight"]).to(memory_format=torch.channels_last)
    assert not last.is_contiguous()
    half = official.tensor(state["synthesis.b8.conv1.weight"]).half()
    brain = official.tensor(state["synthesis.b4.conv1.weight"]).bfloat16()
    both = torch.randn(2, 6)
    state["synthesis.b8.conv1.weight"] = half.float().numpy()
    state["synthesis.b4.conv1.weight"] = brain.float().numpy()
    state["synthesis.b4.conv1.bias"], state["synthesis.b4.conv1.affine.bias"] = both.numpy()
    kinds = {"synthesis.b8.conv0.weight": last, "synthesis.b8.conv1.weight": half,
             "synthesis.b4.conv1.weight": brain, "synthesis.b4.conv1.bias": both[0],
             "synthesis.b4.conv1.affine.bias": both[1]}  # fmt: skip
    content = {**official.tensors(state), **kinds}
    found = read(official.saved({"g_ema": content}))
    must_equal(found.weights(), state)


@needs_parity
@pytest.mark.parametrize("name", ["sg2_32", "sg2_cond_16"])
def test_stylegan2_of_the_originals(name):
    state, config = official.parity(name)
    clamp = config["synthesis"]["layers"][0]["conv_clamp"]
    attributes = official.stylegan2_attributes(state, conv_clamp=clamp, c_dim=config["c_dim"])
    found = read(official.nvidia(state, attributes))
    must_equal(found.weights(), state)
    assert found.settings.c_dim == config["c_dim"] and found.settings.z_dim == 64
    assert found.settings.conv_clamp == clamp
    assert found.settings.num_ws == config["num_ws"]


@needs_parity
@pytest.mark.parametrize("name", ["sg3t_64", "sg3r_64"])
def test_stylegan3_of_the_originals(name):
    state, config = official.parity(name)
    found = read(official.nvidia(state, official.stylegan3_attributes(config)))
    must_equal(found.weights(), state)
    assert found.architecture == "stylegan3"
    assert found.settings.use_radial_filters == (name == "sg3r_64")
    assert found.settings.channel_base == config["init_kwargs"]["channel_base"]
    assert {name: one.shape for name, one in found.weights().items()} == tensor_shapes(
        found.settings
    )


def test_a_network_nobody_knows_is_described():
    state = {"synthesis.head.weight": np.ones((2, 2), np.float32), **official.stylegan2_state()}
    state = {name: one for name, one in state.items() if ".b" not in name}
    attributes = {"mapping": {"num_layers": 2}, "mapping.fc0": {"activation": "lrelu"}}
    with pytest.raises(InstrumentError, match=r"neither StyleGAN2 nor 3 .*holds head"):
        read(official.nvidia(state, attributes))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"activation": "relu"}, "uses 'relu', not lrelu"),
        ({"activation": ["relu"]}, "uses a list, not lrelu"),
        ({"conv_clamp": -1.0}, "conv_clamp"),
        ({"conv_clamp": [1]}, "conv_clamp"),
    ],
)
def test_layers_that_are_not_stylegans_are_refused(change, words):
    state = official.stylegan2_state()
    attributes = official.stylegan2_attributes(state, conv_clamp=1.0, layer_changes=change)
    with pytest.raises(InstrumentError, match=words):
        read(official.nvidia(state, attributes))


def test_a_pickle_without_g_ema_says_what_it_holds():
    with official.nvidia_modules():
        data = pickle.dumps({"G": 1, "snapshot": 2}, 4)
    with pytest.raises(InstrumentError, match=r"holds no G_ema \(it holds 'G', 'snapshot'\)"):
        read(data)


def test_another_version_of_the_persistence_is_refused():
    network = official.Persistent("Generator", {})
    network.meta["version"] = 7
    with official.nvidia_modules():
        data = pickle.dumps({"G_ema": network}, 4)
    with pytest.raises(InstrumentError, match="another version"):
        read(data)


def test_source_code_is_not_kept():
    _, data = small()
    value, _ = unpickle(memoryview(data), pickle_globals())
    meta = value["G_ema"].arguments[0]
    assert meta["module_src"].size == len(official.MODULE_SRC)


# --- NVIDIA, TensorFlow


@pytest.mark.parametrize("version", [4, 5])
def test_stylegan2_of_tensorflow_comes_back(version):
    state = official.stylegan2_state()
    found = read(official.tensorflow(state, version, mapping_lrmul=0.02, conv_clamp=8))
    weights = found.weights()
    # Their style biases lie around 0 and ours around 1: one rounding in between.
    moved = {name for name in weights if name.endswith("affine.bias")}
    for name in moved:
        np.testing.assert_allclose(weights[name], state[name], atol=1e-6)
    must_equal({n: one for n, one in weights.items() if n not in moved},
               {n: one for n, one in state.items() if n not in moved})  # fmt: skip
    assert found.settings.mapping_lr_multiplier == 0.02 and found.settings.conv_clamp == 8
    assert {name: one.shape for name, one in weights.items()} == tensor_shapes(found.settings)


@pytest.mark.parametrize("architecture", ["resnet", "orig"])
def test_the_other_architectures(architecture):
    state = official.stylegan2_state(architecture=architecture)
    attributes = official.stylegan2_attributes(state, conv_clamp=None, architecture=architecture)
    found = read(official.nvidia(state, attributes))
    must_equal(found.weights(), state)
    assert found.settings.architecture == architecture
    assert {n: one.shape for n, one in found.weights().items()} == tensor_shapes(found.settings)
    old = read(official.tensorflow(state, architecture=architecture)).weights()
    assert np.array_equal(old["synthesis.b8.conv0.weight"], state["synthesis.b8.conv0.weight"])
    assert set(old) == set(tensor_shapes(found.settings))
    bare = read(official.saved(official.tensors(state)))
    assert bare.settings.architecture == architecture


def test_pictures_at_the_end_alone_under_their_older_name():
    state = official.stylegan2_state(architecture="orig")
    found = read(official.tensorflow(state, at_lod=True))
    assert found.settings.architecture == "orig"
    weights = found.weights()
    assert set(weights) == set(tensor_shapes(found.settings))
    assert np.array_equal(weights["synthesis.b16.torgb.bias"], state["synthesis.b16.torgb.bias"])


@pytest.mark.parametrize("version", [2, 3])
def test_stylegan1_is_refused(version):
    with pytest.raises(InstrumentError, match="StyleGAN1 of TensorFlow; of those only StyleGAN2"):
        read(official.tensorflow(official.stylegan2_state(), version))


def test_a_variable_nobody_knows_is_refused_and_not_forgotten():
    state = official.stylegan2_state()
    data = official.tensorflow(state).replace(b"16x16/Conv1/bias", b"16x16/Conv1/bios")
    with pytest.raises(InstrumentError, match="16x16/Conv1/bios"):
        read(data)


def test_another_nonlinearity_is_refused():
    with pytest.raises(InstrumentError, match="nonlinearity is 'relu'"):
        read(official.tensorflow(official.stylegan2_state(), nonlinearity="relu"))


# --- rosinality


def rosinality_names(state):
    """A state under NVIDIA's names as rosinality's generator would have it."""
    renamed = {"input.input": state["synthesis.b4.const"][None]}
    for layer in range(2):
        renamed[f"style.{layer + 1}.weight"] = state[f"mapping.fc{layer}.weight"]
        renamed[f"style.{layer + 1}.bias"] = state[f"mapping.fc{layer}.bias"]
    places = ["b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1"]
    for number, place in enumerate(places):
        name = "conv1" if number == 0 else f"convs.{number - 1}"
        layer = f"synthesis.{place}"
        renamed[f"{name}.conv.weight"] = state[f"{layer}.weight"][None]
        renamed[f"{name}.conv.modulation.weight"] = state[f"{layer}.affine.weight"]
        renamed[f"{name}.conv.modulation.bias"] = state[f"{layer}.affine.bias"]
        renamed[f"{name}.noise.weight"] = state[f"{layer}.noise_strength"][None]
        renamed[f"{name}.activate.bias"] = state[f"{layer}.bias"]
        renamed[f"noises.noise_{number}"] = state[f"{layer}.noise_const"][None, None]
    for name, side in (("to_rgb1", 4), ("to_rgbs.0", 8), ("to_rgbs.1", 16)):
        layer = f"synthesis.b{side}.torgb"
        renamed[f"{name}.conv.weight"] = state[f"{layer}.weight"][None]
        renamed[f"{name}.conv.modulation.weight"] = state[f"{layer}.affine.weight"]
        renamed[f"{name}.conv.modulation.bias"] = state[f"{layer}.affine.bias"]
        renamed[f"{name}.bias"] = state[f"{layer}.bias"][None, :, None, None]
    return renamed


@pytest.mark.parametrize("old", [False, True])
def test_rosinalitys_tensors_come_back_under_nvidias_names(old):
    state = official.stylegan2_state()
    mean = official.tensor(state["mapping.w_avg"])
    found = read(official.rosinality(rosinality_names(state), old=old, latent_avg=mean))
    must_equal(found.weights(), state)
    assert found.notes == () and found.settings.conv_clamp is None
    assert "rosinality" in found.format


def test_a_mean_w_that_is_not_in_the_file_is_computed_and_said():
    state = official.stylegan2_state()
    found = read(official.rosinality(rosinality_names(state)))
    weights = found.weights()
    assert any("4096 random z" in note for note in found.notes)
    network = build(found.settings)
    network.load_state_dict({name: torch.from_numpy(one.copy()) for name, one in weights.items()})
    with torch.inference_mode():
        ws = network.map(torch.randn(4096, 8, generator=torch.Generator().manual_seed(5)))
    spread = ws.std(dim=0).max()
    difference = (ws.mean(dim=0) - torch.from_numpy(weights["mapping.w_avg"])).abs().max()
    assert 0 < spread and difference < 6 * spread / 4096**0.5


def test_noise_maps_that_are_not_in_the_file_are_drawn_and_said():
    names = rosinality_names(official.stylegan2_state())
    names = {name: one for name, one in names.items() if not name.startswith("noises.")}
    one, two = read(official.rosinality(names)), read(official.rosinality(names, old=True))
    assert any("noise maps" in note for note in one.notes)
    first, second = one.weights(), two.weights()
    assert np.array_equal(first["synthesis.b16.conv0.noise_const"],
                          second["synthesis.b16.conv0.noise_const"])  # fmt: skip
    assert abs(first["synthesis.b16.conv0.noise_const"].std() - 1) < 0.2


def test_a_tensor_rosinality_has_not_is_named():
    names = rosinality_names(official.stylegan2_state())
    names["convs.0.conv.strange"] = np.ones(2, np.float32)
    with pytest.raises(InstrumentError, match=r"convs\.0\.conv\.strange"):
        read(official.rosinality(names))


@needs_parity
def test_rosinality_of_the_originals():
    state, _ = official.parity("rosinality_32")
    weights = read(official.rosinality(state)).weights()
    for there, here in (
        ("input.input", "synthesis.b4.const"), ("style.4.bias", "mapping.fc3.bias"),
        ("convs.4.conv.weight", "synthesis.b32.conv0.weight"),
        ("convs.5.activate.bias", "synthesis.b32.conv1.bias"),
        ("to_rgbs.2.bias", "synthesis.b32.torgb.bias"),
        ("noises.noise_6", "synthesis.b32.conv1.noise_const"),
    ):  # fmt: skip
        assert np.array_equal(weights[here].ravel(), state[there].ravel()), there


# --- pytorch_GAN_zoo


def progan_state():
    drawn = np.random.default_rng(2)
    shapes = {
        "formatLayer.module": (96, 8), "groupScale0.0.module": (6, 6, 3, 3),
        "toRGBLayers.0.module": (3, 6, 1, 1), "toRGBLayers.1.module": (3, 5, 1, 1),
        "scaleLayers.0.0.module": (5, 6, 3, 3), "scaleLayers.0.1.module": (5, 5, 3, 3),
    }  # fmt: skip
    state = {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = np.float32(drawn.standard_normal(shape))
        state[f"{name}.bias"] = np.float32(drawn.standard_normal(shape[0]))
    return state


CONFIG = {
    "depthScale0": 6, "depthOtherScales": [5], "latentVectorDim": 8, "categoryVectorDim": 0,
    "dimOutput": 3, "leakyReluLeak": 0.3, "perChannelNormalization": True, "equalizedlR": True,
    "alpha": 0.25, "lossCriterion": "WGANGP",
}  # fmt: skip


@pytest.mark.parametrize("old", [False, True])
def test_a_progressive_gan_comes_back_with_its_fade(old):
    state = progan_state()
    found = read(official.zoo(state, CONFIG, old=old))
    weights = found.weights()
    assert weights["alpha"] == np.float32(0.25) and weights["alpha"].shape == ()
    must_equal(weights, state | {"alpha": np.float32(0.25).reshape(())})
    assert found.settings.leak == 0.3 and not found.settings.tanh
    assert {name: one.shape for name, one in weights.items()} == tensor_shapes(found.settings)


def test_the_averaged_network_is_preferred_and_the_other_will_do():
    state = progan_state()
    other = official.tensors({name: one + 1 for name, one in state.items()})
    found = read(official.zoo(state, CONFIG, netG=other))
    assert "avgG" in found.format
    assert np.array_equal(
        found.weights()["formatLayer.module.bias"], state["formatLayer.module.bias"]
    )
    assert "netG" in read(official.zoo(state, CONFIG, avgG=None)).format


def test_old_names_without_module_are_the_same():
    state = progan_state()
    old = {name.replace(".module", ""): one for name, one in state.items()}
    assert "formatLayer.weight" in old
    must_equal(read(official.zoo(old, CONFIG)).weights(), state | {"alpha": np.float32(0.25)})


def test_a_loss_that_ends_in_tanh_and_labels_are_seen():
    found = read(official.zoo(progan_state(), CONFIG | {"lossCriterion": "DCGAN",
                                                        "categoryVectorDim": 3}))  # fmt: skip
    assert found.settings.tanh and found.notes == ("the last 3 numbers of z are labels",)


def test_a_fade_beyond_its_ends_is_refused():
    with pytest.raises(InstrumentError, match=r"alpha is 1\.5"):
        read(official.zoo(progan_state(), CONFIG | {"alpha": 1.5}))


@needs_parity
def test_a_progressive_gan_of_the_originals():
    state, config = official.parity("pgan_32")
    found = read(official.zoo(state, config["checkpoint_config"]))
    must_equal(found.weights(), state | {"alpha": np.float32(0.3)})


# --- FastGAN


@needs_parity
def test_fastgan_of_the_originals_in_both_files():
    state, _ = official.parity("fastgan_256")
    plain = read(official.fastgan(state)).weights()
    everything = read(official.fastgan(state, everything=True, prefix="module.")).weights()
    must_equal(everything, plain)
    found = read(official.fastgan(state))
    assert found.settings.ngf == 4 and found.settings.resolution == 256
    assert {name: one.shape for name, one in plain.items()} == tensor_shapes(found.settings)
    name = "feat_8.1.weight_orig"
    matrix = state[name].reshape(len(state[name]), -1)
    sigma = state["feat_8.1.weight_u"] @ matrix @ state["feat_8.1.weight_v"]
    np.testing.assert_allclose(plain["feat_8.1.weight"], state[name] / sigma, rtol=1e-5)


@needs_parity
def test_a_list_that_does_not_fit_its_names_is_refused():
    state, _ = official.parity("fastgan_256")
    content = {"g": official.tensors(state), "g_ema": [torch.zeros(3)]}
    with pytest.raises(InstrumentError, match=r"g_ema has 1 tensors, g has \d+ parameters"):
        read(official.saved(content))


# --- bare state dicts, and safetensors


def test_a_bare_state_dict_is_recognised_and_doubts_are_said(tmp_path):
    state = official.stylegan2_state()
    found = read(official.saved(official.tensors(state)))
    must_equal(found.weights(), state)
    assert any("clamp" in note for note in found.notes)
    with (tmp_path / "it.safetensors").open("wb", buffering=0) as file:
        write_weights(file, {name: np.float32(one) for name, one in state.items()})
    again = read((tmp_path / "it.safetensors").read_bytes())
    must_equal(again.weights(), state)
    assert again.settings == found.settings


def test_what_we_write_the_library_reads(tmp_path):
    state = official.stylegan2_state()
    with (tmp_path / "it.safetensors").open("wb", buffering=0) as file:
        write_weights(file, state)
    back = safetensors.torch.load_file(tmp_path / "it.safetensors")
    assert set(back) == set(state)
    assert all(np.array_equal(back[name].numpy(), one) for name, one in state.items())


def test_stylegan3_without_its_settings_is_refused():
    with pytest.raises(InstrumentError, match="says too little"):
        read(official.saved({"synthesis.input.freqs": torch.ones(2, 2)}))


def test_numbers_that_are_none_are_refused_by_name():
    state = official.stylegan2_state()
    state["synthesis.b8.torgb.bias"][1] = np.nan
    data = official.nvidia(state, official.stylegan2_attributes(state, conv_clamp=None))
    with pytest.raises(InstrumentError, match=r"b8\.torgb\.bias holds what is no finite number"):
        read(data).weights()


@pytest.mark.parametrize(
    "data", [b"\x00" * 64, b"<html>", b"GIF89a", json.dumps({"a": 1}).encode(), b"P"]
)
def test_what_is_no_checkpoint_is_called_so(data):
    with pytest.raises(InstrumentError, match="no checkpoint"):
        read(data)


# --- laws


@given(st.integers(0, 1 << 30), st.lists(st.integers(1, 9), min_size=2, max_size=4),
       st.integers(1, 9), st.integers(1, 9), st.sampled_from([3, 4]))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_any_network_comes_back(seed, channels, z_dim, w_dim, protocol):
    state = official.stylegan2_state(tuple(channels), z_dim, w_dim, seed)
    data = official.nvidia(
        state, official.stylegan2_attributes(state, conv_clamp=None), protocol=protocol
    )
    found = read(data)
    must_equal(found.weights(), state)
    assert found.settings.channels == tuple(channels)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_view_of_a_storage_comes_back(data):
    """Offsets, strides, transposes and narrow parts, in both kinds of file."""
    kind = data.draw(st.sampled_from([torch.float32, torch.float16, torch.float64, torch.bfloat16]))
    base = torch.randn(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))).to(kind)
    view = base.permute(*data.draw(st.permutations(range(base.dim()))))
    for axis in range(view.dim()):
        start = data.draw(st.integers(0, view.shape[axis] - 1))
        view = view[(slice(None),) * axis + (slice(start, None, data.draw(st.integers(1, 2))),)]
    old = data.draw(st.booleans())
    content = memoryview(official.saved({"it": view}, old=old))
    back = read_stream(content, TORCH_GLOBALS) if old else read_zip(content, TORCH_GLOBALS, True)
    assert np.array_equal(back["it"].array(), view.float().numpy().astype(back["it"].array().dtype))
    assert back["it"].array().shape == tuple(view.shape)


def test_filters_are_taken_apart():
    assert taps_of(np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16, "it") == (0.125, 0.375, 0.375, 0.125)
    assert taps_of(np.array([1.0, 1.0]), "it") == (0.5, 0.5)
    for wrong in (np.eye(4), np.zeros((4, 4)), np.ones((2, 3)), np.full((2, 2), np.nan)):
        with pytest.raises(InstrumentError):
            taps_of(wrong, "it")


def test_the_mean_of_w_is_the_same_everywhere():
    state = official.stylegan2_state()
    assert np.array_equal(mean_w(state, 2, 0.01), mean_w(dict(reversed(state.items())), 2, 0.01))
    assert not np.array_equal(mean_w(state, 2, 0.01), mean_w(state, 2, 0.02))
