"""Checkpoints become model folders, once, whole or not at all; and they are played."""

import hashlib
import os
import shutil
import subprocess
import sys

import numpy as np
import official
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from instrument import InstrumentError
from instrument.decoder import conversion, model_cache
from instrument.decoder.architectures import DERIVED
from instrument.decoder.child import environment
from instrument.decoder.conversion import convert, read_foreign
from instrument.decoder.fastgan import FastGAN
from instrument.decoder.generators import build
from instrument.decoder.model_cache import cache_folder
from instrument.decoder.models import find_model, read_manifest
from instrument.decoder.runtime import open_decoder
from instrument.decoder.series import find_series


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.set_num_threads(1)
    return tmp_path / "cache" / "latent-instrument" / "models"


def network(seed=1, **more):
    state = official.stylegan2_state(seed=seed, **more)
    return state, official.nvidia(state, official.stylegan2_attributes(state, conv_clamp=256))


@pytest.fixture
def checkpoint(tmp_path):
    state, data = network()
    path = tmp_path / "cats.pkl"
    path.write_bytes(data)
    return path, state


def test_a_checkpoint_becomes_a_model(tmp_path, checkpoint):
    path, state = checkpoint
    told: list[str] = []
    model = convert(find_series(str(path)), tmp_path / "model", tell=told.append)
    assert told == ["reading cats.pkl (1 of 1)"]
    assert model == read_manifest(tmp_path / "model") == find_model(tmp_path / "model")
    assert (model.name, model.architecture, model.size) == ("cats", "stylegan2", (16, 16))
    assert model.latent.shape == (8,) and model.latent.radius == pytest.approx(8**0.5)
    details = model.details
    assert details.source == "cats.pkl"
    assert details.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "NVIDIA" in details.licence and details.note == "NVIDIA pickle of stylegan3"
    (snapshot,) = details.snapshots
    content = (tmp_path / "model" / snapshot.file).read_bytes()
    assert snapshot.sha256 == hashlib.sha256(content).hexdigest()
    back = safetensors.numpy.load(content)
    assert set(back) == {name for name in state if not name.endswith(DERIVED)}
    assert all(np.array_equal(one, state[name]) for name, one in back.items())
    assert sorted(os.listdir(tmp_path)) == ["cats.pkl", "model"]


def test_the_model_is_played(tmp_path, checkpoint):
    path, _ = checkpoint
    decoder = open_decoder(convert(find_series(str(path)), tmp_path / "model"), "cpu")
    pictures = decoder.decode(np.float32(np.random.default_rng(0).standard_normal((2, 8))), {})
    assert pictures.shape == (2, 16, 16, 3) and pictures[0].std() > 1
    assert not np.array_equal(pictures[0], pictures[1])


def test_name_and_label_are_the_performers(tmp_path):
    if not official.PARITY.is_dir():
        pytest.skip("the originals' weights are not beside this clone")
    state, config = official.parity("sg2_cond_16")
    path = tmp_path / "it.pkl"
    path.write_bytes(official.nvidia(state, official.stylegan2_attributes(
        state, conv_clamp=4.0, c_dim=config["c_dim"])))  # fmt: skip
    model = convert(find_series(str(path)), tmp_path / "model", name="Dawn", label=2)
    assert (model.name, model.details.label) == ("Dawn", 2)
    with pytest.raises(InstrumentError, match="label: the network knows 3 labels"):
        convert(find_series(str(path)), tmp_path / "other", label=3)
    assert not (tmp_path / "other").exists()


def test_no_weight_is_looked_at_when_nothing_is_to_be_written(tmp_path):
    state, _ = network()
    state["synthesis.b16.conv1.weight"] = np.full((4, 4, 3, 3), np.nan, np.float32)
    path = tmp_path / "nan.pkl"
    path.write_bytes(official.nvidia(state, official.stylegan2_attributes(state, conv_clamp=None)))
    assert read_foreign(path).parameters > 0
    with pytest.raises(InstrumentError, match=r"b16\.conv1\.weight holds what is no finite number"):
        read_foreign(path, tmp_path / "out")


def test_nothing_is_left_of_a_conversion_that_fails(tmp_path, checkpoint):
    path, _ = checkpoint
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(InstrumentError, match=r"cats\.pkl: the pickle ends in the middle"):
        convert(find_series(str(path)), tmp_path / "new" / "model")
    assert os.listdir(tmp_path / "new") == []


def test_a_folder_that_is_there_is_never_touched(tmp_path, checkpoint):
    path, _ = checkpoint
    (tmp_path / "model").mkdir()
    with pytest.raises(InstrumentError, match="model: is already there"):
        convert(find_series(str(path)), tmp_path / "model")
    (tmp_path / "file").touch()
    with pytest.raises(InstrumentError, match="cannot be written"):
        convert(find_series(str(path)), tmp_path / "file" / "model")


def test_a_check_that_fails_leaves_nothing(tmp_path, checkpoint):
    path, _ = checkpoint

    def check(model):
        raise InstrumentError(f"{model.folder}: not good enough")

    with pytest.raises(InstrumentError, match=f"^{tmp_path}/model: not good enough$"):
        convert(find_series(str(path)), tmp_path / "model", check=check)
    assert os.listdir(tmp_path) == ["cats.pkl"]


def run_of(tmp_path, states):
    folder = tmp_path / "run"
    folder.mkdir()
    for number, state in enumerate(states):
        attributes = official.stylegan2_attributes(state, conv_clamp=256)
        (folder / f"network-snapshot-{number:06d}.pkl").write_bytes(
            official.nvidia(state, attributes)
        )
    return folder


def test_a_run_becomes_one_model_with_a_history(tmp_path):
    states = [official.stylegan2_state(seed=seed) for seed in range(3)]
    model = convert(find_series(str(run_of(tmp_path, states))), tmp_path / "model")
    assert model.spec.snapshots == 3 and model.name == "run"
    assert [one.images for one in model.details.snapshots] == [0, 1000, 2000]
    for snapshot, state in zip(model.details.snapshots, states, strict=True):
        back = safetensors.numpy.load_file(tmp_path / "model" / snapshot.file)
        assert np.array_equal(back["mapping.fc0.weight"], state["mapping.fc0.weight"])
    decoder = open_decoder(model, "cpu")
    z = np.ones((3, 8), np.float32)
    places = np.array([0, 1, 0.5], np.float32)
    one, two, between = decoder.decode(z, {"/model/snapshot": places})
    assert not np.array_equal(one, two) and not np.array_equal(one, between)


def test_snapshots_of_different_networks_do_not_mix(tmp_path):
    states = [official.stylegan2_state(), official.stylegan2_state(channels=(6, 5, 3))]
    folder = run_of(tmp_path, states)
    with pytest.raises(
        InstrumentError, match=r"000001\.pkl: is not of the same run .* its channels"
    ):
        convert(find_series(str(folder)), tmp_path / "model")
    assert not (tmp_path / "model").exists()


# --- the cache


def test_a_file_is_converted_once(checkpoint, cache):
    path, _ = checkpoint
    told: list[str] = []
    first = find_model(str(path), told.append)
    assert told == ["converting cats.pkl, once", "reading cats.pkl (1 of 1)"]
    assert first.folder.parent == cache.resolve()
    assert first.folder.name.startswith(first.details.source_sha256[:32])
    again = find_model(path, told.append)
    assert again == first and len(told) == 2


def test_another_content_is_another_model(checkpoint):
    path, _ = checkpoint
    first = find_model(path)
    path.write_bytes(network(seed=2)[1])
    second = find_model(path)
    assert first.folder != second.folder and first.sha256 != second.sha256
    assert first.folder.is_dir()


def test_a_run_is_found_by_folder_and_by_pattern(tmp_path):
    folder = run_of(tmp_path, [official.stylegan2_state(seed=seed) for seed in range(2)])
    assert find_model(folder).folder == find_model(str(folder / "*.pkl")).folder
    assert find_model(folder).spec.snapshots == 2


def test_a_cache_that_was_swept_is_filled_again(checkpoint):
    path, _ = checkpoint
    first = find_model(path)
    (first.folder / "manifest.json").unlink()
    assert find_model(path) == first
    (first.folder / "manifest.json").write_text("{")
    assert find_model(path) == first
    shutil.rmtree(first.folder)
    assert find_model(path) == first


def test_weights_that_were_swept_are_made_again(checkpoint):
    path, _ = checkpoint
    first = find_model(path)
    for change in (lambda file: file.unlink(), lambda file: os.truncate(file, 100)):
        change(first.folder / first.details.snapshots[0].file)
        assert find_model(path) == first
        open_decoder(first, "cpu")


def test_two_processes_at_once_do_no_harm(checkpoint, cache):
    path, _ = checkpoint
    program = (
        "import sys; from instrument.decoder.models import find_model; "
        "print(find_model(sys.argv[1]).sha256)"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, env=environment()
        )
        for _ in range(3)
    ]
    said = {process.communicate()[0] for process in running}
    assert all(process.returncode == 0 for process in running)
    assert said == {f"{find_model(path).sha256}\n".encode()}
    assert sorted(os.listdir(cache))[1:] == ["known"]


def test_whoever_comes_second_takes_what_the_first_made(tmp_path, checkpoint, monkeypatch):
    path, _ = checkpoint
    series = find_series(str(path))
    written = conversion._write_model

    def meanwhile(*arguments):
        written(*arguments)
        if not (tmp_path / "model").exists():
            monkeypatch.setattr(conversion, "_write_model", written)
            convert(series, tmp_path / "model", name="the first")

    monkeypatch.setattr(conversion, "_write_model", meanwhile)
    assert convert(series, tmp_path / "model", name="the second").name == "the first"
    assert sorted(os.listdir(tmp_path)) == ["cats.pkl", "model"]


def test_files_that_did_not_change_are_not_read_again(checkpoint, monkeypatch):
    path, _ = checkpoint
    first = find_model(path)
    monkeypatch.setattr(model_cache, "series_fingerprint", lambda _: pytest.fail("was read again"))
    assert find_model(path) == first
    monkeypatch.undo()
    os.utime(path, (1, 1))
    asked = []
    monkeypatch.setattr(
        model_cache, "series_fingerprint", lambda series: asked.append(series) or "0" * 64
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(path.parent / "cache"))
    assert find_model(path).folder.name.startswith("0" * 32) and len(asked) == 1


def test_a_note_that_makes_no_sense_is_not_believed(checkpoint, cache):
    path, _ = checkpoint
    first = find_model(path)
    (note,) = (cache / "known").iterdir()
    for content in (b"../../elsewhere", b"", b"\xff" * 32):
        note.write_bytes(content)
        assert find_model(path) == first


def test_where_the_cache_is(monkeypatch, tmp_path):
    assert cache_folder({"XDG_CACHE_HOME": "/x"}, "linux").parts[:2] == ("/", "x")
    assert ".cache" in cache_folder({}, "linux").parts
    assert ".cache" in cache_folder({"XDG_CACHE_HOME": "relative"}, "linux").parts
    assert "Caches" in cache_folder({}, "darwin").parts
    assert cache_folder({"LOCALAPPDATA": "/local"}, "win32").parts[:2] == ("/", "local")
    assert "AppData" in cache_folder({}, "win32").parts


def test_a_newer_conversion_converts_anew(checkpoint, monkeypatch):
    path, _ = checkpoint
    first = find_model(path)
    monkeypatch.setattr(model_cache, "_VERSION", 999)
    assert find_model(path).folder != first.folder


def test_what_is_no_checkpoint_is_an_error_of_that_file(tmp_path):
    (tmp_path / "text.pkl").write_text("hello")
    with pytest.raises(InstrumentError, match=r"text\.pkl: no checkpoint"):
        find_model(tmp_path / "text.pkl")
    with pytest.raises(InstrumentError, match="no such folder"):
        find_model(tmp_path / "none.pkl")


# --- every format, all the way to the picture


def original_files():
    """Files of every format with the original networks in them, and what they should paint."""
    sg2, _ = official.parity("sg2_32")
    attributes = official.stylegan2_attributes(sg2, conv_clamp=256)
    yield "sg2_32", "img_const_psi1", "new.pkl", official.nvidia(sg2, attributes)
    yield "sg2_32", "img_const_psi1", "old.pkl", official.tensorflow(sg2)
    for name in ("sg3t_64", "sg3r_64"):
        state, config = official.parity(name)
        data = official.nvidia(state, official.stylegan3_attributes(config))
        yield name, "img_const_psi1", f"{name}.pkl", data
    state, _ = official.parity("rosinality_32")
    yield "rosinality_32", "img_const_psi1", "550000.pt", official.rosinality(state, old=True)
    state, config = official.parity("pgan_32")
    zoo = official.zoo(state, config["checkpoint_config"])
    yield "pgan_32", "img_alpha03", "x_s3_i9.pt", zoo
    state, _ = official.parity("fastgan_256")
    yield "fastgan_256", "img_none", "all_9.pth", official.fastgan(state, everything=True)


def painted(net, z):
    if isinstance(net, FastGAN):
        return net.synthesise(z, noise="none")
    return net(z)


@pytest.mark.skipif(not official.PARITY.is_dir(), reason="the originals are not beside this clone")
def test_every_format_paints_what_the_original_paints(tmp_path):
    for case, array, name, data in original_files():
        (tmp_path / name).write_bytes(data)
        model = convert(find_series(str(tmp_path / name)), tmp_path / f"{name}-model")
        net = build(model.details.settings)
        weights = safetensors.torch.load_file(model.folder / model.details.snapshots[0].file)
        net.load_state_dict(weights)
        with np.load(official.PARITY / case / "expected.npz") as expected:
            z, wanted = torch.from_numpy(expected["z"]), expected[array]
        with torch.inference_mode():
            difference = np.abs(painted(net, z).numpy() - wanted).max()
        assert difference <= 2e-5 * np.abs(wanted).max(), (case, name)
