"""Checkpoint files in the layouts of the programs that write them, for tests to read back.

Pickle is at home here: the modules whose names such files mention are made up for as long as one
is written. Weights come from the caller, or from `stylegan2_state`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

PARITY = Path(__file__).resolve().parents[2] / "shared" / "parity"
MODULE_SRC = "raise SystemExit('the code inside a pickle was run')\n" + "# filler\n" * 4000

State = Mapping[str, np.ndarray]


def parity(name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Weights and configuration of one of the original networks."""
    with np.load(PARITY / name / "weights.npz") as weights:
        state = dict(weights)
    return state, json.loads((PARITY / name / "config.json").read_text(encoding="utf-8"))


def stylegan2_state(
    channels: tuple[int, ...] = (6, 5, 4), z_dim: int = 8, w_dim: int = 7, seed: int = 1,
    architecture: str = "skip",
) -> dict[str, np.ndarray]:  # fmt: skip
    """Random weights of a small StyleGAN2 of two mapping layers, under NVIDIA's names."""
    drawn = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        return np.asarray(drawn.standard_normal(shape), np.float32)

    state = {"mapping.w_avg": some(w_dim)}
    for layer, inward in enumerate((z_dim, w_dim)):
        state[f"mapping.fc{layer}.weight"] = some(w_dim, inward)
        state[f"mapping.fc{layer}.bias"] = some(w_dim)
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
    state["synthesis.b4.const"] = some(channels[0], 4, 4)
    for level, (into, out) in enumerate(itertools.pairwise((channels[0], *channels))):
        side = 4 << level
        block = f"synthesis.b{side}"
        state[f"{block}.resample_filter"] = taps
        if architecture == "resnet" and level:
            state[f"{block}.skip.weight"] = some(out, into, 1, 1)
            state[f"{block}.skip.resample_filter"] = taps
        layers = {"conv0": (into, 3), "conv1": (out, 3), "torgb": (out, 1)}
        for layer, (inward, width) in layers.items():
            if (level, layer) == (0, "conv0"):
                continue
            if layer == "torgb" and architecture != "skip" and level < len(channels) - 1:
                continue
            outward = 3 if layer == "torgb" else out
            state[f"{block}.{layer}.weight"] = some(outward, inward, width, width)
            state[f"{block}.{layer}.bias"] = some(outward)
            state[f"{block}.{layer}.affine.weight"] = some(inward, w_dim)
            state[f"{block}.{layer}.affine.bias"] = some(inward)
            if layer != "torgb":
                state[f"{block}.{layer}.noise_const"] = some(side, side)
                state[f"{block}.{layer}.noise_strength"] = some()
                state[f"{block}.{layer}.resample_filter"] = taps
    return state


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


@contextlib.contextmanager
def modules(**contents: Any) -> Iterator[None]:
    """Modules that exist for a moment: ``torch_utils__persistence={"name": thing}``."""
    names = {key.replace("__", "."): content for key, content in contents.items()}
    made = {}
    for name, content in names.items():
        for end in range(1, len(name.split(".")) + 1):
            parent = ".".join(name.split(".")[:end])
            made.setdefault(parent, types.ModuleType(parent))
        for key, thing in content.items():
            setattr(made[name], key, thing)
            thing.__module__, thing.__qualname__ = name, key
    before = {name: sys.modules.get(name) for name in made}
    sys.modules.update(made)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


# --- NVIDIA, PyTorch


class EasyDict(dict):
    pass


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None:
    raise AssertionError("a test unpickled what it should only write")


class Persistent:
    """An object of NVIDIA's persistence: its class's name, code and state."""

    def __init__(self, class_name: str, state: dict[str, Any], source: str = MODULE_SRC) -> None:
        self.meta = {
            "type": "class", "version": 6, "module_src": source, "class_name": class_name,
            "state": state,
        }  # fmt: skip

    def __reduce__(self) -> Any:
        return _reconstruct_persistent_obj, (self.meta,)


_BUFFERS = ("w_avg", "resample_filter", "noise_const", "freqs", "phases", "transform",
            "magnitude_ema", "up_filter", "down_filter")  # fmt: skip


def module(
    state: State, class_names: Mapping[str, str], attributes: Mapping[str, dict[str, Any]],
    path: str = "",
) -> Persistent:  # fmt: skip
    """The module at `path` with everything of `state` below it."""
    inside = {name.removeprefix(f"{path}.") if path else name: array for name, array in
              state.items() if not path or name.startswith(f"{path}.")}  # fmt: skip
    own = {name: tensor(array) for name, array in inside.items() if "." not in name}
    fields: dict[str, Any] = {
        "training": False,
        "_parameters": {
            name: torch.nn.Parameter(one, requires_grad=False)
            for name, one in own.items() if name not in _BUFFERS
        },
        "_buffers": {name: one for name, one in own.items() if name in _BUFFERS},
        "_non_persistent_buffers_set": set(),
        "_backward_hooks": OrderedDict(),
        "_modules": {},
    }  # fmt: skip
    for child in dict.fromkeys(name.split(".")[0] for name in inside if "." in name):
        below = f"{path}.{child}" if path else child
        fields["_modules"][child] = module(state, class_names, attributes, below)
    fields["_modules"]["nothing"] = None
    fields |= {"_init_args": (), "_init_kwargs": EasyDict()} | attributes.get(path, {})
    return Persistent(class_names.get(path, "Part"), fields)


def stylegan2_attributes(
    state: State, *, conv_clamp: float | None, ada: bool = False, architecture: str = "skip",
    c_dim: int = 0, layer_changes: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """What the parts of a StyleGAN2 keep beside tensors."""
    sides = sorted(
        {int(name.split(".")[1][1:]) for name in state if name.startswith("synthesis.b")}
    )
    w_dim = len(state["mapping.w_avg"])
    z_dim = state["mapping.fc0.weight"].shape[1] - (w_dim if c_dim else 0)
    layers = sum(f"mapping.fc{i}.weight" in state for i in range(20))
    dims = {"z_dim": z_dim, "c_dim": c_dim, "w_dim": w_dim}
    synthesis = EasyDict(channel_base=512, channel_max=32)
    passed = EasyDict(dims, mapping_kwargs=EasyDict(num_layers=layers), img_channels=3)
    passed |= {"synthesis_kwargs": synthesis} if ada else synthesis
    attributes: dict[str, dict[str, Any]] = {
        "": dims | {"img_resolution": sides[-1], "img_channels": 3, "num_ws": 2 * len(sides),
                    "_init_kwargs": EasyDict(passed)},
        "mapping": dims | {"num_layers": layers, "num_ws": 2 * len(sides), "w_avg_beta": 0.998},
    }  # fmt: skip
    for layer in range(layers):
        attributes[f"mapping.fc{layer}"] = {
            "activation": "lrelu", "bias_gain": np.float64(0.01), "weight_gain": np.float64(0.01),
        }  # fmt: skip
    for side in sides:
        block = f"synthesis.b{side}"
        attributes[block] = {"architecture": architecture, "use_fp16": np.bool_(False)}
        for layer in ("conv0", "conv1", "torgb"):
            attributes[f"{block}.{layer}"] = {
                "activation": "lrelu", "conv_clamp": conv_clamp, "use_noise": True,
                "act_gain": np.float64(2**0.5),
            } | dict(layer_changes or {})  # fmt: skip
    return attributes


def stylegan3_attributes(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the parts of the StyleGAN3 of a parity case keep beside tensors."""
    passed, told = config["init_kwargs"], config["synthesis"]
    dims = {"z_dim": config["z_dim"], "c_dim": 0, "w_dim": config["w_dim"]}
    synthesis = {
        key: value for key, value in passed.items()
        if key not in ("z_dim", "c_dim", "mapping_kwargs")
    }  # fmt: skip
    attributes: dict[str, dict[str, Any]] = {
        "": dims | {"img_resolution": config["img_resolution"], "img_channels": 3,
                    "_init_kwargs": EasyDict(passed)},
        "mapping": dims | {"num_layers": 2, "w_avg_beta": 0.998},
        "synthesis": {"_init_kwargs": EasyDict(synthesis), "layer_names": told["layer_names"]}
        | {key: told[key] for key in ("num_layers", "num_critical", "margin_size", "output_scale")},
        "synthesis.input": {"size": np.array([36, 36]), "bandwidth": 2.0},
    }  # fmt: skip
    for layer in range(2):
        attributes[f"mapping.fc{layer}"] = {"activation": "lrelu", "bias_gain": 0.01}
    for layer in told["layers"]:
        attributes[f"synthesis.{layer['name']}"] = layer | {
            "in_size": np.array([layer["in_size"]] * 2), "use_fp16": np.bool_(False),
            "padding": np.array(layer["padding"]).tolist(),
        }  # fmt: skip
    return attributes


def nvidia(
    state: State, attributes: Mapping[str, dict[str, Any]], protocol: int = 4, **more: Any
) -> bytes:
    """A network pickle: G, D, G_ema and what was trained on."""
    names = {"": "Generator", "mapping": "MappingNetwork", "synthesis": "SynthesisNetwork"}
    other = {"b4.weight": np.zeros((2, 2), np.float32)}
    content = {
        "G": module({"mapping.w_avg": np.ones(3, np.float32)}, names, {}),
        "D": module(other, {"": "Discriminator"}, {}),
        "G_ema": module(state, names, attributes),
        "training_set_kwargs": {"path": "/data", "resolution": 16},
        "augment_pipe": None,
    } | more
    with nvidia_modules():
        return pickle.dumps(content, protocol)


def nvidia_modules() -> contextlib.AbstractContextManager[None]:
    return modules(
        torch_utils__persistence={"_reconstruct_persistent_obj": _reconstruct_persistent_obj},
        dnnlib__util={"EasyDict": EasyDict},
    )


# --- NVIDIA, TensorFlow


class Network:
    """An object of NVIDIA's TensorFlow code."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


def tensorflow(state: State, version: int = 4, *, at_lod: bool = False, **static: Any) -> bytes:
    """A tuple (G, D, Gs) of StyleGAN2 in TensorFlow's layout, from NVIDIA's PyTorch names.

    `at_lod`: the older network's ``ToRGB_lod0`` instead of ``16x16/ToRGB``.
    """
    mapping, synthesis = [], []
    for name, array in state.items():
        _, place, *rest = name.split(".")
        if name == "mapping.w_avg" or rest[-1:] == ["resample_filter"]:
            continue
        if name.startswith("mapping"):
            turned = array.T if rest == ["weight"] else array
            mapping.append((f"Dense{place[2:]}/{rest[0]}", np.ascontiguousarray(turned)))
        else:
            synthesis.append(_tensorflow_variable(int(place[1:]), rest, array))
    if at_lod:
        largest = max(int(name.split("x")[0]) for name, _ in synthesis if "x" in name)
        synthesis = [(name.replace(f"{largest}x{largest}/ToRGB", "ToRGB_lod0"), one)
                     for name, one in synthesis]  # fmt: skip
        synthesis.append(("ToRGB_lod1/bias", np.zeros(3, np.float32)))
    own = [("lod", np.float32(0)), ("dlatent_avg", np.array(state["mapping.w_avg"]))]

    def network(name: str, variables: list[Any], **components: Any) -> Network:
        return Network(
            version=version, name=name, static_kwargs=EasyDict(static), components=components,
            build_module_src=MODULE_SRC, build_func_name="build", variables=variables,
        )  # fmt: skip

    averaged = network("Gs", own, mapping=network("m", mapping),
                       synthesis=network("s", synthesis))  # fmt: skip
    with modules(dnnlib__tflib__network={"Network": Network}, dnnlib__util={"EasyDict": EasyDict}):
        return pickle.dumps((network("G", []), network("D", []), averaged), 4)


def _tensorflow_variable(side: int, rest: list[str], array: np.ndarray) -> tuple[str, np.ndarray]:
    level = side.bit_length() - 3
    if rest == ["const"]:
        return f"{side}x{side}/Const/const", array[None]
    layer, variable = rest[0], ".".join(rest[1:])
    there = {"conv0": "Conv0_up", "conv1": "Conv1" if level else "Conv", "torgb": "ToRGB",
             "skip": "Skip"}[layer]  # fmt: skip
    if variable == "noise_const":
        return f"noise{2 * level - (layer == 'conv0')}", array[None, None]
    if variable == "weight":
        turned = array.transpose(2, 3, 1, 0)
        turned = turned[::-1, ::-1] if layer in ("conv0", "skip") else turned
        return f"{side}x{side}/{there}/weight", np.ascontiguousarray(turned)
    named = {
        "bias": ("bias", array), "noise_strength": ("noise_strength", array),
        "affine.weight": ("mod_weight", np.ascontiguousarray(array.T)),
        "affine.bias": ("mod_bias", array - np.float32(1)),
    }  # fmt: skip
    name, content = named[variable]
    # a session hands out a variable without axes as a number, not as an array
    return f"{side}x{side}/{there}/{name}", content if content.ndim else np.float32(content)


# --- torch.save


def saved(value: Any, *, old: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=not old)
    return file.getvalue()


def tensors(state: State, prefix: str = "") -> OrderedDict[str, torch.Tensor]:
    return OrderedDict((f"{prefix}{name}", tensor(array)) for name, array in state.items())


def rosinality(state: State, *, old: bool = False, **more: Any) -> bytes:
    content = {"g": tensors(state), "d": OrderedDict(), "g_ema": tensors(state), "g_optim": {},
               "args": argparse.Namespace(size=32, latent=64, n_mlp=4, channel_multiplier=2),
               "ada_aug_p": 0.0}  # fmt: skip
    return saved(content | more, old=old)


class BaseConfig:
    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.__dict__.update(fields)


def zoo(state: State, config: Mapping[str, Any], *, old: bool = False, **more: Any) -> bytes:
    content = {"config": BaseConfig(config), "netG": tensors(state), "netD": OrderedDict(),
               "avgG": tensors(state), "tmp": None}  # fmt: skip
    with modules(models__utils__config={"BaseConfig": BaseConfig}):
        return saved(content | more, old=old)


def fastgan(state: State, *, everything: bool = False, prefix: str = "") -> bytes:
    """``models/N.pth``, or ``all_N.pth`` with raw parameters in g and the averaged in a list."""
    if not everything:
        return saved({"g": tensors(state, prefix), "d": OrderedDict()})
    buffers = ("weight_u", "weight_v", "running_mean", "running_var", "num_batches_tracked")
    averaged = {name: one for name, one in state.items() if not name.endswith(buffers)}
    raw = {name: one + 1 if name in averaged else one for name, one in state.items()}
    return saved({"g": tensors(raw, prefix), "d": OrderedDict(), "opt_g": {}, "opt_d": {},
                  "g_ema": [tensor(one) for one in averaged.values()]})  # fmt: skip
