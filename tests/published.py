"""The published generators in small: settings, lively weights, model folders, parity cases."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from instrument.decoder.architectures import (
    DERIVED,
    FastGANSettings,
    ProGANSettings,
    Settings,
    StyleGAN2Settings,
    StyleGAN3Settings,
    read_settings,
)
from instrument.decoder.fastgan import resolve_spectral_norm
from instrument.decoder.generators import Generator, build, random_tensors
from instrument.decoder.models import ModelManifest, read_manifest

# Two threads that wait for each other by spinning take twenty times as long on a busy machine.
torch.set_num_threads(1)

PARITY = Path(__file__).resolve().parents[2] / "shared" / "parity"
STYLE = {"z_dim": 16, "w_dim": 12, "mapping_layers": 2}
SMALL: dict[str, Settings] = {
    "stylegan2": read_settings(StyleGAN2Settings, STYLE | {"channels": [12, 10, 8, 6]}),
    "stylegan3": read_settings(
        StyleGAN3Settings, STYLE | {"resolution": 32, "num_layers": 6, "channel_max": 12}
    ),
    "progan": read_settings(ProGANSettings, {"z_dim": 16, "channels": [12, 10, 8, 6]}),
    "fastgan": read_settings(FastGANSettings, {"z_dim": 16, "ngf": 4, "resolution": 256}),
}


def changed(settings: Settings, **fields: Any) -> Any:
    """The settings with some fields changed, checked anew."""
    return read_settings(type(settings), msgspec.to_builtins(settings) | fields)


def lively(settings: Settings, seed: int = 0) -> dict[str, Tensor]:
    """Random weights in which no bias and no average is zero, so that a lost term shows."""
    tensors = random_tensors(settings, seed)
    chance = torch.Generator().manual_seed(seed + 1)
    for name, tensor in tensors.items():
        if name.endswith(("bias", "w_avg", "running_mean")):
            tensor += 0.3 * torch.randn(tensor.shape, generator=chance)
        if name.endswith("noise_const"):
            tensor.normal_(generator=chance)
        if name == "alpha":
            tensor.fill_(0.3)
    return tensors


def network(settings: Settings, seed: int = 0) -> Any:
    """A network of lively weights."""
    return loaded(build(settings), lively(settings, seed))


def loaded(made: Generator, tensors: dict[str, Tensor]) -> Any:
    made.load_state_dict(tensors, strict=True)
    return made.requires_grad_(False)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def write_model(
    folder: Path, settings: Settings, history: Sequence[dict[str, Tensor]], **keys: Any
) -> ModelManifest:
    """Lay down a model folder and read its manifest; `keys` replace those of the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, tensors in enumerate(history):
        content = save(tensors)
        (folder / f"{number}.safetensors").write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        rows.append({"file": f"{number}.safetensors", "sha256": sha256, "images": 1000 * number})
    architecture = next(name for name, small in SMALL.items() if type(small) is type(settings))
    fields = {
        "format": "model/1", "name": "small", "architecture": architecture, "licence": "MIT",
        "latent": {"shape": [settings.z_dim], "space": "z", "radius": math.sqrt(settings.z_dim)},
        "size": [settings.size] * 2, "network": msgspec.to_builtins(settings), "snapshots": rows,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(fields | keys))
    return read_manifest(folder)


@dataclass(frozen=True)
class Case:
    """One original network: ours with its weights, and what the original gave.

    `given` are the expected arrays that are inputs; `compute` gives all the others.
    """

    tensors: dict[str, Tensor]
    expected: dict[str, Tensor]
    given: frozenset[str]
    compute: Callable[[dict[str, Tensor]], dict[str, Tensor]]


def parity_case(name: str) -> Case:
    """The case in that folder; the test is skipped where the folder is not."""
    folder = PARITY / name
    if not folder.is_dir():
        pytest.skip(f"no original networks at {PARITY}")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    weights, expected = (_arrays(folder / f"{file}.npz") for file in ("weights", "expected"))
    kept = {key: tensor for key, tensor in weights.items() if not key.endswith(DERIVED)}
    make = {
        "stylegan2": _stylegan2, "stylegan3": _stylegan3, "rosinality-stylegan2": _rosinality,
        "pytorch_GAN_zoo-PGAN": _progan, "fastgan": _fastgan,
    }[config["family"]]  # fmt: skip
    return make(config, kept, expected)


def _arrays(path: Path) -> dict[str, Tensor]:
    with np.load(path) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def _layers(name: str) -> int | None:
    """How many layers are truncated in the array called ``..._cut4``."""
    return int(name.rpartition("_cut")[2]) if "_cut" in name else None


def _psi(name: str) -> float:
    return 0.7 if "psi07" in name else 1.0


def _stylegan2(config: dict[str, Any], kept: dict[str, Tensor], expected: Any) -> Case:
    layers = config["synthesis"]["layers"]
    settings = read_settings(StyleGAN2Settings, {
        "z_dim": config["z_dim"], "w_dim": config["w_dim"], "c_dim": config["c_dim"],
        "mapping_layers": config["mapping"]["num_layers"],
        "channels": [row["out_channels"] for row in layers if row["name"].endswith("conv1")],
        "architecture": config["synthesis"]["architecture"],
        "conv_clamp": layers[0]["conv_clamp"],
    })  # fmt: skip

    def compute(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        made, found = loaded(build(settings), tensors), {}
        for name in expected:
            if name.startswith(("w_", "img_")):
                w = made.map(expected["z"], expected.get("c"), _psi(name), _layers(name))
                noise = "none" if "none" in name else "const"
                found[name] = w if name.startswith("w_") else made.synthesise(w, noise)
        return found

    return Case(kept, expected, frozenset({"z"} | {"c"} & set(expected)), compute)


def _stylegan3(config: dict[str, Any], kept: dict[str, Tensor], expected: Any) -> Case:
    told = config["init_kwargs"]
    wanted = {"channel_base", "channel_max", "conv_kernel", "use_radial_filters", "conv_clamp"}
    settings = read_settings(StyleGAN3Settings, {
        "z_dim": config["z_dim"], "w_dim": config["w_dim"], "c_dim": config["c_dim"],
        "mapping_layers": config["mapping"]["num_layers"],
        "resolution": config["img_resolution"],
    } | {key: told[key] for key in wanted & set(told)})  # fmt: skip

    def compute(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        made, found = loaded(build(settings), tensors), {}
        for name in expected:
            if name.startswith(("w_", "img_")):  # there is no noise: none and const are one
                w = made.map(expected["z"], None, _psi(name), _layers(name))
                transform = expected["xform"] if "xform" in name else None
                found[name] = w if name.startswith("w_") else made.synthesise(w, transform)
        return found

    return Case(kept, expected, frozenset({"z", "xform"}), compute)


def _rosinality(config: dict[str, Any], kept: dict[str, Tensor], expected: Any) -> Case:
    count = config["init_kwargs"]["n_mlp"]
    settings = read_settings(StyleGAN2Settings, {
        "z_dim": config["z_dim"], "w_dim": config["w_dim"], "mapping_layers": count,
        "channels": list(config["channels"].values()),
    })  # fmt: skip
    tensors = nvidia_names({**kept, "latent_avg": expected["latent_avg"]}, count)

    def compute(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        made = loaded(build(settings), tensors)
        z, rows = expected["z"], slice(0, 3)
        w, drawn, other = made.map(z), made.map(z, None, 0.7), made.map(z.flip(0))
        mixed = torch.cat((w[:, rows], other[:, rows.stop :]), dim=1)
        return {
            "w_psi1": w[:, 0], "w_psi07": drawn[:, 0], "latent_psi1": w,
            "img_const_psi1": made.synthesise(w), "img_none_psi1": made.synthesise(w, "none"),
            "img_const_psi07": made.synthesise(drawn), "img_const_mix3": made.synthesise(mixed),
        }  # fmt: skip

    return Case(tensors, expected, frozenset({"z", "latent_avg"}), compute)


def nvidia_names(state: dict[str, Tensor], mapping_layers: int) -> dict[str, Tensor]:
    """rosinality's state dict with ``latent_avg`` under the names of NVIDIA's code."""
    named = {"mapping.w_avg": state["latent_avg"], "synthesis.b4.const": state["input.input"][0]}
    for layer in range(mapping_layers):
        for end in ("weight", "bias"):
            named[f"mapping.fc{layer}.{end}"] = state[f"style.{layer + 1}.{end}"]
    convs = ["conv1", *(f"convs.{i}" for i in range(sum("activate" in k for k in state) - 1))]
    for number, conv in enumerate(convs):
        side = 4 << (number + 1) // 2
        ours = f"synthesis.b{side}.conv{0 if number % 2 else 1}"
        named[f"{ours}.weight"] = state[f"{conv}.conv.weight"][0]
        named[f"{ours}.bias"] = state[f"{conv}.activate.bias"]
        named[f"{ours}.noise_strength"] = state[f"{conv}.noise.weight"][0]
        named[f"{ours}.noise_const"] = state[f"noises.noise_{number}"][0, 0]
        for end in ("weight", "bias"):
            named[f"{ours}.affine.{end}"] = state[f"{conv}.conv.modulation.{end}"]
    for number, rgb in enumerate(["to_rgb1", *(f"to_rgbs.{i}" for i in range(len(convs) // 2))]):
        ours = f"synthesis.b{4 << number}.torgb"
        named[f"{ours}.weight"] = state[f"{rgb}.conv.weight"][0]
        named[f"{ours}.bias"] = state[f"{rgb}.bias"].flatten()
        for end in ("weight", "bias"):
            named[f"{ours}.affine.{end}"] = state[f"{rgb}.conv.modulation.{end}"]
    return named


def _progan(config: dict[str, Any], kept: dict[str, Tensor], expected: Any) -> Case:
    settings = read_settings(ProGANSettings, {
        "z_dim": config["init_args"][0],
        "channels": [config["init_args"][1], *config["addScale"]],
    })  # fmt: skip
    fades = {"img_alpha0": 0.0, "img_alpha03": 0.3, "img_alpha1": 1.0}

    def compute(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        found = {}
        for name, alpha in fades.items():
            made = loaded(build(settings), tensors | {"alpha": torch.tensor(alpha)})
            found[name] = made.synthesise(expected["z"])
        return found

    return Case(kept, expected, frozenset({"z"}), compute)


def _fastgan(config: dict[str, Any], kept: dict[str, Tensor], expected: Any) -> Case:
    told = config["init_kwargs"]
    settings = read_settings(FastGANSettings, {
        "z_dim": told["nz"], "ngf": told["ngf"], "resolution": told["im_size"],
    })  # fmt: skip
    maps = {name: array for name, array in expected.items() if name.startswith("noise/")}

    def compute(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        z, found = expected["z"], {}
        made = loaded(build(settings), resolve_spectral_norm(tensors))
        found["img_none"], found["img128_none"] = made.both(z, "none")
        for name, noise in maps.items():
            made.get_submodule(name.removeprefix("noise/")).noise_const.copy_(noise)
        found["img_const"], found["img128_const"] = made.both(z[:1])
        made = loaded(build(settings), resolve_spectral_norm(tensors, steps=1))
        found["img128_none_trainmode"] = made.both(z, "none", statistics="batch")[1]
        return found

    return Case(kept, expected, frozenset({"z", *maps}), compute)
