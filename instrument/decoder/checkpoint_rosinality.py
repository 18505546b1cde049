"""StyleGAN2 out of state dicts: under NVIDIA's names, and rosinality's renamed to them.

The mathematics of the two is the same; only names differ, and a few axes of size 1. A state dict
says nothing but its tensors, so sizes are read off the shapes.
"""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from instrument import InstrumentError
from instrument.decoder.architectures import StyleGAN2Settings, read_settings
from instrument.decoder.checkpoint import Array, Checkpoint, State, mean_w, shaped, taps_of


def stylegan2(state: State, form: str, notes: tuple[str, ...]) -> Checkpoint:
    """Under NVIDIA's names; the mean of w is computed where it is missing."""
    sides = [side for side in (4 << level for level in range(10))
             if f"synthesis.b{side}.conv1.weight" in state]  # fmt: skip
    w_dim, inward = shaped(state, "mapping.fc0.weight", None, None).shape
    layers = sum(re.match(r"mapping\.fc\d+\.weight$", name) is not None for name in state)
    fields: dict[str, object] = {
        "z_dim": inward,
        "w_dim": w_dim,
        "mapping_layers": layers,
        "channels": [shaped(state, f"synthesis.b{side}.conv1.weight", None, None, 3, 3).shape[0]
                     for side in sides],
        "architecture": _architecture(state, sides),
    }  # fmt: skip
    if "mapping.embed.weight" in state:
        embedded, fields["c_dim"] = shaped(state, "mapping.embed.weight", None, None).shape
        fields["z_dim"] = inward - embedded
    torgb = shaped(state, f"synthesis.b{sides[-1] if sides else 4}.torgb.weight", None, None, 1, 1)
    fields["img_channels"] = torgb.shape[0]
    if "synthesis.b4.resample_filter" in state:
        fields["resample_filter"] = taps_of(state["synthesis.b4.resample_filter"], "its filter")
    settings = read_settings(StyleGAN2Settings, fields)
    finish = partial(_with_mean, layers=layers, multiplier=settings.mapping_lr_multiplier)
    if "mapping.w_avg" not in state:
        if settings.c_dim:
            raise InstrumentError("mapping.w_avg is missing")
        notes = (*notes, "the mean of w is not in the file: that of 4096 random z was computed")
    return Checkpoint(
        format=form, architecture="stylegan2", settings=settings, state=state,
        finish=finish, notes=notes,
    )  # fmt: skip


def _architecture(state: State, sides: list[int]) -> str:
    if any(name.endswith(".skip.weight") for name in state):
        return "resnet"
    return "skip" if all(f"synthesis.b{side}.torgb.weight" in state for side in sides) else "orig"


def _with_mean(state: State, layers: int, multiplier: float) -> State:
    if "mapping.w_avg" in state:
        return state
    return state | {"mapping.w_avg": mean_w(state, layers, multiplier)}


def rosinality(state: State, mean: Array | None) -> Checkpoint:
    """Rename; noise maps, which files before 2020 lack, are then made here."""
    renamed: State = {}
    for name, array in state.items():
        here = _nvidia_name(name)
        if here is None:
            raise InstrumentError(f"has {name[:60]!r}, which rosinality's generator has not")
        if here:
            renamed[here] = _fitted(here, array)
    kernel = state.get("convs.0.conv.blur.kernel")
    if kernel is not None:
        renamed["synthesis.b4.resample_filter"] = kernel
    if mean is not None:
        renamed["mapping.w_avg"] = mean.reshape(-1)
    notes: tuple[str, ...] = ()
    if "noises.noise_0" not in state:
        notes = ("noise maps are not in the file: new ones were drawn",)
        _draw_noise(renamed)
    return stylegan2(renamed, "rosinality's stylegan2-pytorch", notes)


_CONV = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}


def _nvidia_name(name: str) -> str | None:
    """NVIDIA's name of a tensor; "" for what is derived; None for what is unknown."""
    if name == "input.input":
        return "synthesis.b4.const"
    if name.endswith(".kernel"):
        return ""
    if match := re.fullmatch(r"style\.(\d{1,2})\.(weight|bias)", name):
        return f"mapping.fc{int(match[1]) - 1}.{match[2]}"
    if match := re.fullmatch(r"noises\.noise_(\d{1,2})", name):
        place = _place(int(match[1]))
        return f"synthesis.{place}.noise_const"
    if match := re.fullmatch(r"(conv1|convs\.(\d{1,2})|to_rgb1|to_rgbs\.(\d{1,2}))\.(.+)", name):
        if match[4] not in _CONV:
            return None
        if match[1].startswith("to_rgb"):
            block = 4 if match[3] is None else 8 << int(match[3])
            return f"synthesis.b{block}.torgb.{_CONV[match[4]]}"
        place = _place(0 if match[2] is None else int(match[2]) + 1)
        return f"synthesis.{place}.{_CONV[match[4]]}"
    return None


def _place(layer: int) -> str:
    """The place of convolution `layer` of all: 0 is b4.conv1, 1 is b8.conv0, 2 is b8.conv1 …"""
    return f"b{4 << ((layer + 1) // 2)}.conv{0 if layer % 2 else 1}"


def _fitted(name: str, array: Array) -> Array:
    """Without the axes of size 1 that rosinality's shapes have and NVIDIA's have not."""
    last = name.rpartition(".")[2]
    flat = last == "weight" and (".affine." in name or name.startswith("mapping."))
    axes = {"weight": 2 if flat else 4, "const": 3, "noise_const": 2, "noise_strength": 0}
    while array.ndim > axes.get(last, 1):
        if array.shape[0] == 1:
            array = array.reshape(array.shape[1:])
        elif array.shape[-1] == 1:
            array = array[..., 0]
        else:
            raise InstrumentError(f"{name} is {list(array.shape)}, which does not fit")
    return array


def _draw_noise(state: State) -> None:
    """Noise maps for every layer that takes noise, the same for every file."""
    drawn = np.random.default_rng(0)
    for name in sorted(name for name in state if name.endswith(".noise_strength")):
        match = re.search(r"\.b(\d+)\.", name)
        side = int(match[1]) if match else 4
        map_name = name.replace("noise_strength", "noise_const")
        state[map_name] = drawn.standard_normal((side, side), np.float32)
