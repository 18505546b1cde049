"""NVIDIA's pickles of stylegan2-ada-pytorch and stylegan3: the network called G_ema.

Every object in them is a record of its class name, its state and the source code of its module,
which their loader would run. Here the code is read past and the state is walked. The module's
name is nowhere, so what a network is shows in its children: blocks b4, b8 … are StyleGAN2, an
``input`` and layers L0_36_1024 … are StyleGAN3.

Settings are read from where they took effect (the attributes of layers), because the arguments
in the file lack every default, and defaults differ between the two code bases.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from instrument import InstrumentError
from instrument.decoder.architectures import StyleGAN2Settings, StyleGAN3Settings, read_settings
from instrument.decoder.checkpoint import NVIDIA_LICENCE, Checkpoint, State, shaped, taps_of
from instrument.decoder.foreign_tensors import NUMPY, Counter, Tensor, plain
from instrument.decoder.records import (
    Record,
    entries,
    is_dict,
    named,
    real,
    shown,
    text,
    whole,
)
from instrument.decoder.torch_file import inner_storage, tensor_globals
from instrument.decoder.unpickle import Globals

PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
_VERSION = 6
_MOST_STEPS = 100_000  # a large generator takes 6000
_DEEPEST = 12  # modules within modules; a generator has 4
_STYLEGAN3 = ("num_critical", "margin_size", "output_scale", "num_layers")
_STYLEGAN3_ARGUMENTS = (
    "channel_base", "channel_max", "first_cutoff", "first_stopband", "last_stopband_rel",
    "filter_size", "lrelu_upsampling",
)  # fmt: skip


def pickle_globals() -> Globals:
    """What such a pickle may mention."""
    return {
        **tensor_globals(Counter()),
        **NUMPY,
        PERSISTENT: None,
        "torch.storage._load_from_bytes": inner_storage,
        "dnnlib.util.EasyDict": None,
        "builtins.set": None,
    }


@dataclass(frozen=True, slots=True)
class Module:
    """One torch module of the file: its class and what it had in its ``__dict__``."""

    kind: str
    state: dict[str, object]

    def child(self, name: str) -> Module:
        """The child of that name. Raises InstrumentError."""
        found = self.children.get(name)
        if found is None:
            raise InstrumentError(f"the network has no {name}")
        return module_of(found, name)

    @property
    def children(self) -> dict[str, object]:
        """The records of all children that are not None."""
        modules = named(self.state.get("_modules", {}), "_modules")
        return {name: child for name, child in modules.items() if child is not None}

    def arguments(self) -> dict[str, object]:
        """The keyword arguments it was made with: only those that were passed."""
        return {
            name: plain(one)
            for name, one in named(self.state.get("_init_kwargs", {}), "_init_kwargs").items()
        }

    def get(self, name: str) -> object:
        """An attribute, numpy's numbers as Python's; None where it is missing."""
        return plain(self.state.get(name))


def module_of(value: object, name: str) -> Module:
    """The module a persistence record holds. Raises InstrumentError."""
    if not isinstance(value, Record) or value.name != PERSISTENT or len(value.arguments) != 1:
        raise InstrumentError(f"{name} is no network of NVIDIA's code")
    meta = named(value.arguments[0], name)
    if meta.get("type") != "class" or meta.get("version") != _VERSION:
        raise InstrumentError(f"{name} is of another version of NVIDIA's persistence than 6")
    return Module(text(meta.get("class_name"), "class_name"), named(meta.get("state"), "state"))


def read_nvidia(value: object) -> Checkpoint:
    """The network G_ema of an unpickled `value`. Raises InstrumentError."""
    if isinstance(value, Record):
        generator = module_of(value, "the pickle")
    else:
        networks = entries(value, "the pickle")
        if "G_ema" not in networks:
            keys = ", ".join(shown(key) for key in list(networks)[:8])
            raise InstrumentError(f"holds no G_ema (it holds {keys or 'nothing'})")
        generator = module_of(networks["G_ema"], "G_ema")
    state = state_of(generator)
    blocks = generator.child("synthesis").children
    if "b4" in blocks:
        return _stylegan2(generator, state)
    if "input" in blocks and any(re.match(r"L\d+_\d+_\d+$", name) for name in blocks):
        return _stylegan3(generator, state)
    held = ", ".join(list(blocks)[:6])
    raise InstrumentError(
        f"a {generator.kind[:40]} that is neither StyleGAN2 nor 3 (its synthesis holds {held})"
    )


def state_of(module: Module) -> State:
    """All tensors below `module` by their dotted names, as torch's state_dict would say them."""
    state: State = {}
    ahead: list[tuple[str, int, object]] = [("", 0, module)]
    steps = 0  # by every path: parts that are shared could be walked without end
    while ahead:
        prefix, depth, record = ahead.pop()
        here = record if isinstance(record, Module) else module_of(record, prefix[:-1])
        groups = [named(here.state.get(group, {}), group) for group in ("_parameters", "_buffers")]
        children = here.children
        steps += len(here.state) + sum(map(len, groups)) + len(children)
        if steps > _MOST_STEPS or depth > _DEEPEST:
            raise InstrumentError("its modules are too many or nested too deep")
        for name, tensor in (item for group in groups for item in group.items()):
            if isinstance(tensor, Tensor):
                state[f"{prefix}{name}"] = tensor.array()
            elif tensor is not None:
                raise InstrumentError(f"{prefix}{name} is no tensor")
        ahead += [(f"{prefix}{name}.", depth + 1, child) for name, child in children.items()]
    return state


def _mapping(generator: Module) -> dict[str, object]:
    """The settings the two families share."""
    mapping = generator.child("mapping")
    layers = whole(mapping.get("num_layers"), "mapping.num_layers")
    allowed = {"embed", *(f"fc{i}" for i in range(min(layers, 64)))}
    if strange := sorted(set(mapping.children) - allowed):
        raise InstrumentError(f"its mapping has {strange[0][:40]!r}, which StyleGAN's has not")
    first = mapping.child("fc0")
    if first.get("activation") != "lrelu":
        raise InstrumentError(f"its mapping uses {shown(first.get('activation'))}, not lrelu")
    return {
        "z_dim": generator.get("z_dim"),
        "w_dim": generator.get("w_dim"),
        "c_dim": generator.get("c_dim"),
        "img_channels": generator.get("img_channels"),
        "mapping_layers": layers,
        "mapping_lr_multiplier": real(first.get("bias_gain"), "mapping.fc0.bias_gain"),
    }


def _stylegan2(generator: Module, state: State) -> Checkpoint:
    synthesis = generator.child("synthesis")
    sides = [4 << i for i in range(10) if f"b{4 << i}" in synthesis.children]
    blocks = [synthesis.child(f"b{side}") for side in sides]
    layers = [block.child("conv1") for block in blocks]
    layers += [block.child("conv0") for block in blocks[1:]]
    for layer in layers:
        if layer.get("activation") != "lrelu":
            raise InstrumentError(f"a layer uses {shown(layer.get('activation'))}, not lrelu")
    clamps = {shown(layer.get("conv_clamp")) for layer in layers}
    if len(clamps) > 1:
        raise InstrumentError(f"layers clamp at {' and '.join(sorted(clamps))}; one was expected")
    kernel = shaped(state, "synthesis.b4.resample_filter", None, None)
    fields = _mapping(generator) | {
        "channels": [shaped(state, f"synthesis.b{side}.conv1.weight", None, None, 3, 3).shape[0]
                     for side in sides],
        "architecture": blocks[-1].get("architecture"),
        "conv_clamp": layers[0].get("conv_clamp"),
        "resample_filter": taps_of(kernel, "resample_filter"),
    }  # fmt: skip
    silent = [layer for layer in layers if layer.get("use_noise") is False]
    if silent and len(silent) < len(layers):
        raise InstrumentError("some layers take noise and some do not")
    settings = read_settings(StyleGAN2Settings, fields)
    if generator.get("img_resolution") != settings.size:
        raise InstrumentError(f"its blocks end at {settings.size} pixels, it says otherwise")
    nested = "synthesis_kwargs" in generator.arguments()
    return Checkpoint(
        format=f"NVIDIA pickle of {'stylegan2-ada-pytorch' if nested else 'stylegan3'}",
        architecture="stylegan2",
        settings=settings,
        state=_without_noise(state, sides) if silent else state,
        licence=NVIDIA_LICENCE,
    )


def _without_noise(state: State, sides: list[int]) -> State:
    """`state` of a network that takes no noise: with noise of strength 0."""
    state = dict(state)
    for side in sides:
        for layer in ("conv0", "conv1") if side > 4 else ("conv1",):
            state[f"synthesis.b{side}.{layer}.noise_const"] = np.zeros((side, side), np.float32)
            state[f"synthesis.b{side}.{layer}.noise_strength"] = np.zeros((), np.float32)
    return state


def _stylegan3(generator: Module, state: State) -> Checkpoint:
    synthesis = generator.child("synthesis")
    names = [text(name, "layer_names") for name in _names(synthesis)]
    layers = [synthesis.child(name) for name in names]
    passed = synthesis.arguments()
    if "layer_kwargs" in passed and is_dict(passed["layer_kwargs"]):
        passed |= named(passed["layer_kwargs"], "layer_kwargs")
    fields = _mapping(generator) | {
        "resolution": generator.get("img_resolution"),
        "conv_kernel": layers[0].get("conv_kernel"),
        "conv_clamp": layers[0].get("conv_clamp"),
        "use_radial_filters": _is_radial(state, names[0]),
    }
    fields |= {name: synthesis.get(name) for name in _STYLEGAN3}
    fields |= {name: passed[name] for name in _STYLEGAN3_ARGUMENTS if name in passed}
    settings = read_settings(StyleGAN3Settings, fields)
    family = "R" if settings.use_radial_filters else "T"
    return Checkpoint(
        format=f"NVIDIA pickle of stylegan3 (StyleGAN3-{family})",
        architecture="stylegan3",
        settings=settings,
        state=state,
        licence=NVIDIA_LICENCE,
    )


def _names(synthesis: Module) -> list[object]:
    names = synthesis.get("layer_names")
    if not isinstance(names, list) or not names:
        raise InstrumentError("its synthesis has no layer_names")
    return names


def _is_radial(state: State, layer: str) -> bool:
    """Whether the down-sampling filter is a disc (StyleGAN3-R) and not a row and a column."""
    kernel = state.get(f"synthesis.{layer}.down_filter")
    return kernel is not None and kernel.ndim == 2
