"""A trained model with its history: packed weights, blending, truncation, and damaged files."""

import hashlib
import json
import math
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from small_history import HISTORY, on_shell, tensors_of, write_model

from instrument import InstrumentError
from instrument.decoder.models import read_manifest
from instrument.decoder.runtime import open_decoder
from instrument.decoder.skip_model import MEAN
from instrument.decoder.snapshots import SNAPSHOT, TRUNCATION
from instrument.decoder.weights import SCALE, Layout, pack


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of four snapshots: packed but for the newest, which is in halves."""
    contents = [save(pack(tensors_of(seed))) for seed in range(HISTORY - 1)]
    newest = {name: tensor.half() for name, tensor in tensors_of(HISTORY - 1).items()}
    return write_model(tmp_path_factory.mktemp("model") / "small", [*contents, save(newest)])


@pytest.fixture(scope="module")
def decoder(model):
    return open_decoder(read_manifest(model), "cpu")


def at(decoder, z, snapshot, truncation=None):
    values = {SNAPSHOT: np.full(len(z), snapshot, np.float32)}
    if truncation is not None:
        values[TRUNCATION] = np.full(len(z), truncation, np.float32)
    return decoder.decode(z, values).astype(int)


def test_the_manifest_tells_of_the_history_without_torch(model):
    assert read_manifest(model).spec.snapshots == HISTORY


def test_eight_bits_look_like_floats(tmp_path):
    exact = write_model(tmp_path / "exact", [save(tensors_of(0))])
    packed = write_model(tmp_path / "packed", [save(pack(tensors_of(0)))])
    z = on_shell(8)
    one, two = (open_decoder(read_manifest(f), "cpu").decode(z, {}) for f in (exact, packed))
    error = np.square(one.astype(float) - two.astype(float)).mean()
    assert 10 * math.log10(255**2 / error) > 38  # small random networks are the hardest
    size = {name: sum(p.stat().st_size for p in (tmp_path / name).rglob("*.safetensors"))
            for name in ("exact", "packed")}  # fmt: skip
    assert size["packed"] < 0.45 * size["exact"]


def test_the_newest_is_what_one_gets_unasked(decoder):
    z = on_shell(3)
    assert np.array_equal(decoder.decode(z, {}), at(decoder, z, HISTORY - 1))
    assert np.array_equal(at(decoder, z, HISTORY + 7), at(decoder, z, HISTORY - 1))
    assert np.array_equal(at(decoder, z, -3), at(decoder, z, 0))


def test_whole_places_are_the_snapshots_themselves(decoder, tmp_path):
    z = on_shell(2)
    for number in range(HISTORY - 1):
        alone = write_model(tmp_path / str(number), [save(pack(tensors_of(number)))])
        only = open_decoder(read_manifest(alone), "cpu").decode(z, {})
        assert np.array_equal(at(decoder, z, float(number)), only)


def test_between_two_snapshots_the_picture_moves_evenly(decoder):
    z = on_shell(1)
    places = np.linspace(0.0, HISTORY - 1.0, 301)
    pictures = np.stack([at(decoder, z, place)[0] for place in places])
    steps = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2, 3))
    whole = np.abs(pictures[100] - pictures[0]).mean()
    assert steps.max() < 0.2 * whole, "the picture jumps on the way"


def test_rows_of_several_snapshots_in_one_batch_are_as_single_ones(decoder):
    z = on_shell(5)
    places = np.array([0.0, 0.0, 2.5, 1.0, 2.5], np.float32)
    together = decoder.decode(z, {SNAPSHOT: places})
    for row, place in enumerate(places):
        assert (
            np.abs(together[row].astype(int) - at(decoder, z[row : row + 1], place)[0]).max() <= 1
        )


def test_truncation_leads_to_one_average(decoder):
    z = on_shell(4)
    average = at(decoder, z, 1.0, truncation=0.0)
    assert np.abs(average - average[0]).max() <= 1
    halfway, whole = at(decoder, z, 1.0, truncation=0.5), at(decoder, z, 1.0)
    assert 0 < np.abs(halfway - average).mean() < np.abs(whole - average).mean() * 1.5
    assert np.array_equal(at(decoder, z, 1.0, truncation=1.0), whole)


def test_fast_looks_like_full(model):
    z = on_shell(4)
    full, fast = (
        open_decoder(read_manifest(model), "cpu", precision=p).decode(z, {}).astype(int)
        for p in ("full", "fast")
    )
    assert np.abs(full - fast).mean() < 3


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_rows_are_packed_to_within_half_a_step(seed):
    chance = np.random.default_rng(seed)
    shape = (int(chance.integers(2, 9)), *chance.integers(1, 6, int(chance.integers(1, 4))))
    tensor = torch.from_numpy(chance.standard_normal(shape).astype(np.float32))
    packed = pack({"x": tensor})
    layout = Layout({"x": tuple(tensor.shape)})
    back = layout.slots[0].view(layout.flatten(packed))
    step = packed["x" + SCALE].view(-1, *[1] * (tensor.dim() - 1))
    assert ((back - tensor).abs() <= 0.5001 * step).all()


class TestDamage:
    """Wrong weights: one line that names the file, and nothing opened."""

    def refused(self, folder, *names):
        with pytest.raises(InstrumentError) as caught:
            open_decoder(read_manifest(folder), "cpu")
        text = str(caught.value)
        assert "\n" not in text
        for name in names:
            assert name in text
        return text

    def rewrite(self, model, tmp_path, number, change):
        """The model with one file changed and its checksum made to fit."""
        folder = tmp_path / "changed"
        shutil.copytree(model, folder)
        fields = json.loads((folder / "manifest.json").read_text())
        row = fields["snapshots"][number]
        tensors = load((folder / row["file"]).read_bytes())
        change(tensors)
        content = save(tensors)
        (folder / row["file"]).write_bytes(content)
        row["sha256"] = hashlib.sha256(content).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(fields))
        return folder

    def test_a_flipped_bit_or_a_cut(self, model, tmp_path):
        for number, harm in enumerate((lambda b: b[:-1], lambda b: b[:9], lambda b: b"", flipped)):
            folder = tmp_path / str(number)
            shutil.copytree(model, folder)
            path = folder / "snapshots" / "01.safetensors"
            path.write_bytes(harm(path.read_bytes()))
            self.refused(folder, str(path), "sha256")

    def test_a_file_that_is_gone(self, model, tmp_path):
        folder = tmp_path / "m"
        shutil.copytree(model, folder)
        (folder / "snapshots" / "02.safetensors").unlink()
        self.refused(folder, "02.safetensors", "cannot be read")

    def test_no_safetensors_at_all(self, tmp_path):
        self.refused(write_model(tmp_path / "m", [b"\x80\x04K\x01."]), "not a safetensors file")

    @pytest.mark.parametrize(
        ("change", "names"),
        [
            (lambda t: t.pop("seed_low.weight"), ["seed_low.weight", "missing"]),
            (lambda t: t.update(evil=torch.zeros(2)), ["evil", "has not"]),
            (lambda t: t.update({MEAN: torch.zeros(7)}), [MEAN, "[7]", "[32]"]),
            (lambda t: t[MEAN].fill_(math.nan), [MEAN, "finite"]),
            (lambda t: t["seed_low.weight.scale"].fill_(math.inf), ["seed_low", "finite"]),
            (lambda t: t.pop("seed_low.weight.scale"), ["seed_low.weight", "scale"]),
            (lambda t: t.update({MEAN + SCALE: torch.ones(32)}), [MEAN, "scale"]),
            (lambda t: t.update({"seed_low.weight.scale": torch.ones(3)}), ["one number a row"]),
        ],
    )
    def test_tensors_that_do_not_fit(self, model, tmp_path, change, names):
        self.refused(self.rewrite(model, tmp_path, 1, change), "01.safetensors", *names)

    @pytest.mark.parametrize(
        ("key", "value", "names"),
        [
            ("snapshots", [], ["snapshots"]),
            ("size", [64, 32], ["size"]),
            ("latent", {"shape": [25], "radius": 5.0}, ["latent"]),
            ("generator", {"latent": 24}, ["generator"]),
            ("seed", -1, ["seed"]),
        ],
    )
    def test_manifests_that_do_not_fit(self, model, tmp_path, key, value, names):
        folder = tmp_path / "m"
        shutil.copytree(model, folder)
        fields = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(fields | {key: value}))
        self.refused(folder, *names)

    @pytest.mark.parametrize("name", ["../00.safetensors", "/etc/passwd", "a/../b", ".hidden", ""])
    def test_files_outside_the_model(self, model, tmp_path, name):
        folder = tmp_path / "m"
        shutil.copytree(model, folder)
        fields = json.loads((folder / "manifest.json").read_text())
        fields["snapshots"][0]["file"] = name
        (folder / "manifest.json").write_text(json.dumps(fields))
        self.refused(folder, "file")


def flipped(content: bytes) -> bytes:
    """One bit of the weights turned."""
    changed = bytearray(content)
    changed[-100] ^= 4
    return bytes(changed)
