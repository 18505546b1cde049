"""Files of ``torch.save`` with state dicts: rosinality's StyleGAN2, pytorch_GAN_zoo, FastGAN.

They store tensors by name and next to nothing else, so sizes are read off the shapes and the
architecture off the names. A bare state dict, from ``.safetensors`` too, is recognised the same
way.
"""

from __future__ import annotations

import re

import numpy as np

from instrument import InstrumentError
from instrument.decoder.architectures import FastGANSettings, ProGANSettings, read_settings
from instrument.decoder.checkpoint import Checkpoint, State, shaped
from instrument.decoder.checkpoint_rosinality import rosinality, stylegan2
from instrument.decoder.foreign_tensors import NUMPY, Tensor, plain
from instrument.decoder.records import Record, entries, is_dict, named, real, shown
from instrument.decoder.unpickle import Globals

_ZOO_CONFIG = "models.utils.config.BaseConfig"
TORCH_GLOBALS: Globals = {
    **NUMPY,
    "argparse.Namespace": None,
    _ZOO_CONFIG: None,
    "builtins.set": None,
}
_UNNAMED_CLAMP = "a state dict does not say where layers clamp: assumed is nowhere"


def read_torch(value: object) -> Checkpoint:
    """The generator in the object of a torch file. Raises InstrumentError."""
    found = entries(value, "the file")
    for key in ("avgG", "netG"):
        if is_dict(found.get(key)):
            return _progan(state_dict(found[key]), found.get("config"), key)
    averaged, raw = found.get("g_ema"), found.get("g")
    if isinstance(averaged, list | tuple) and is_dict(raw):
        return _fastgan(_with_parameters(state_dict(raw), list(averaged)), averaged=True)
    for one in (averaged, raw, found.get("state_dict"), found):
        if is_dict(one) and _has_tensors(one):
            return recognise(state_dict(one), found)
    keys = ", ".join(shown(key) for key in list(found)[:8])
    raise InstrumentError(f"no generator that is known here (it holds {keys or 'nothing'})")


def recognise(state: State, beside: dict[object, object]) -> Checkpoint:
    """What the names in `state` say it is; `beside` is what the file holds besides."""
    if "conv1.conv.modulation.weight" in state:
        mean = beside.get("latent_avg")
        return rosinality(state, mean.array() if isinstance(mean, Tensor) else None)
    if "init.init.0.weight_orig" in state:
        return _fastgan(state, averaged=True)
    if any(re.match(r"formatLayer\.(module\.)?weight$", name) for name in state):
        return _progan(state, None, "state dict")
    if "synthesis.b4.const" in state:
        return stylegan2(state, "state dict of NVIDIA's StyleGAN2", (_UNNAMED_CLAMP,))
    if "synthesis.input.freqs" in state:
        raise InstrumentError(
            "a bare state dict of StyleGAN3, which says too little: use the .pkl it came from"
        )
    names = ", ".join(name[:40] for name in list(state)[:4])
    raise InstrumentError(f"no network that is known here (its tensors: {names}, …)")


def _has_tensors(value: object) -> bool:
    return any(isinstance(one, Tensor) for one in entries(value, "it").values())


def state_dict(value: object) -> State:
    """Its tensors by name, without the ``module.`` that training on several GPUs adds."""
    return {
        name.removeprefix("module."): tensor.array()
        for name, tensor in named(value, "a state dict").items()
        if isinstance(tensor, Tensor)
    }


def _progan(state: State, config: object, key: str) -> Checkpoint:
    """Progressive GAN; the fade's alpha is in the configuration alone."""
    state = {_zoo_name(name): array for name, array in state.items()}
    told = {name: plain(one) for name, one in _config(config).items()}
    inward = shaped(state, "formatLayer.module.weight", None, None).shape[1]
    channels = [shaped(state, "groupScale0.0.module.weight", None, None, 3, 3).shape[0]]
    while (name := f"scaleLayers.{len(channels) - 1}.1.module.weight") in state:
        channels.append(shaped(state, name, None, None, 3, 3).shape[0])
    last = f"toRGBLayers.{len(channels) - 1}.module.weight"
    fields = {
        "z_dim": inward,
        "channels": channels,
        "img_channels": shaped(state, last, None, None, 1, 1).shape[0],
        "leak": told.get("leakyReluLeak", 0.2),
        "pixel_norm": told.get("perChannelNormalization", True),
        "equalised": told.get("equalizedlR", True),
        "tanh": told.get("lossCriterion") in ("MSE", "DCGAN"),
    }
    alpha = real(told.get("alpha", 0.0), "config.alpha") if len(channels) > 1 else 0.0
    if not 0 <= alpha <= 1:
        raise InstrumentError(f"config.alpha is {alpha}; it must be 0 to 1")
    state["alpha"] = np.array(alpha, np.float32)
    notes = () if told else ("its configuration is missing: assumed is a fully grown WGANGP",)
    if isinstance(labels := told.get("categoryVectorDim"), int) and labels > 0:
        notes = (*notes, f"the last {labels} numbers of z are labels")
    return Checkpoint(
        format=f"pytorch_GAN_zoo ({key})", architecture="progan",
        settings=read_settings(ProGANSettings, fields), state=state, notes=notes,
    )  # fmt: skip


def _zoo_name(name: str) -> str:
    """Older files lack ``module``: ``formatLayer.weight``."""
    owner, _, last = name.rpartition(".")
    return name if owner.endswith(".module") else f"{owner}.module.{last}"


def _config(config: object) -> dict[str, object]:
    if config is None:
        return {}
    if isinstance(config, Record) and config.name == _ZOO_CONFIG:
        return named(config.state if config.state is not None else {}, "config")
    return named(config, "config")


def _fastgan(state: State, *, averaged: bool) -> Checkpoint:
    first = shaped(state, "init.init.0.weight_orig", None, None, 4, 4)
    painted = [side for side in (256, 512, 1024) if f"feat_{side}.1.weight_orig" in state]
    fields = {
        "z_dim": first.shape[0],
        "ngf": first.shape[1] // 32,  # 16 ngf channels at 4 pixels, twice for the GLU
        "resolution": painted[-1] if painted else 0,
        "img_channels": shaped(state, "to_big.weight_orig", None, None, 3, 3).shape[0],
    }
    return Checkpoint(
        format="FastGAN", architecture="fastgan",
        settings=read_settings(FastGANSettings, fields), state=state, finish=_without_spectral_norm,
        notes=() if averaged else ("parameters as trained: none are averaged",),
    )  # fmt: skip


def _with_parameters(state: State, averaged: list[object]) -> State:
    """`state` with its parameters replaced by the nameless list, which has their order."""
    buffers = ("weight_u", "weight_v", "running_mean", "running_var", "num_batches_tracked")
    names = [name for name in state if name.rpartition(".")[2] not in buffers]
    if len(names) != len(averaged):
        raise InstrumentError(f"g_ema has {len(averaged)} tensors, g has {len(names)} parameters")
    state = dict(state)
    for name, tensor in zip(names, averaged, strict=True):
        if not isinstance(tensor, Tensor) or tensor.shape != state[name].shape:
            raise InstrumentError(f"g_ema does not fit g at {name[:60]}")
        state[name] = tensor.array()
    return state


def _without_spectral_norm(state: State) -> State:
    """Weights divided by their largest singular value, sigma = u · (W v), as stored.

    W is the weight as ``[out, rest]``; of the transposed convolution `init` the second axis is
    the output (Miyato et al. 2018, and torch's old-style spectral_norm).
    """
    plain_state: State = {}
    for name, array in state.items():
        owner, _, last = name.rpartition(".")
        if last in ("weight_u", "weight_v"):
            continue
        if last != "weight_orig":
            plain_state[name] = array
            continue
        matrix = np.asarray(array, np.float32)
        rows = matrix.swapaxes(0, 1) if owner == "init.init.0" else matrix
        rows = rows.reshape(len(rows), -1)
        u = shaped(state, f"{owner}.weight_u", rows.shape[0])
        v = shaped(state, f"{owner}.weight_v", rows.shape[1])
        sigma = np.float32(
            np.asarray(u, np.float64) @ (np.asarray(rows, np.float64) @ np.asarray(v, np.float64))
        )
        if sigma == 0:
            raise InstrumentError(f"{name} has no spectral norm")
        plain_state[f"{owner}.weight"] = matrix / sigma
    return plain_state
