"""NVIDIA's older pickles, of TensorFlow: StyleGAN2's layout, under the keys of the newer ones.

The file is a tuple (G, D, Gs) of networks; Gs is the averaged one. A network keeps its own
variables as (name, array), its children as components, and the source code that built it, which
is read past. Versions 4 and 5 are StyleGAN2 and stylegan2-ada; 2 and 3 are StyleGAN1.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from instrument import InstrumentError
from instrument.decoder.architectures import StyleGAN2Settings, read_settings
from instrument.decoder.checkpoint import (
    NVIDIA_LICENCE,
    Array,
    Checkpoint,
    State,
    shaped,
    taps_of,
)
from instrument.decoder.foreign_tensors import NUMPY, array, plain
from instrument.decoder.records import Record, named, real, sequence, shown, text
from instrument.decoder.unpickle import Globals

NETWORKS = ("dnnlib.tflib.network.Network", "tfutil.Network", "network.Network")

TENSORFLOW_GLOBALS: Globals = {
    **NUMPY,
    **dict.fromkeys(NETWORKS, None),
    "dnnlib.util.EasyDict": None,
    "collections.OrderedDict": None,
}


def _same(value: Array) -> Array:
    return value


def _first(value: Array) -> Array:
    return value.reshape(value.shape[1:]) if value.shape[0] == 1 else value


def _transposed(value: Array) -> Array:
    return value.T


def _oihw(value: Array) -> Array:
    """TensorFlow's [height, width, in, out] as torch's [out, in, height, width]."""
    return value.transpose(3, 2, 0, 1)


def _flipped_oihw(value: Array) -> Array:
    """The same of layers that change the resolution: TensorFlow's lie mirrored both ways."""
    return value[::-1, ::-1].transpose(3, 2, 0, 1)


def _plus_one(value: Array) -> Array:
    """The bias of a style: TensorFlow keeps it around 0, torch around 1."""
    return np.asarray(value, np.float32) + np.float32(1)


# A variable's name there; here, how many axes it has there, and what must be done to it.
_Rule = tuple[str, int, Callable[[Array], Array]]
_STYLE: tuple[tuple[str, _Rule], ...] = (
    ("bias", ("bias", 1, _same)),
    ("noise_strength", ("noise_strength", 0, _same)),
    ("mod_weight", ("affine.weight", 2, _transposed)),
    ("mod_bias", ("affine.bias", 1, _plus_one)),
)
_SYNTHESIS: dict[str, _Rule] = {
    "Const/const": ("const", 4, _first),
    "Conv/weight": ("conv1.weight", 4, _oihw),
    "Conv0_up/weight": ("conv0.weight", 4, _flipped_oihw),
    "Conv1/weight": ("conv1.weight", 4, _oihw),
    "ToRGB/weight": ("torgb.weight", 4, _oihw),
    "Skip/weight": ("skip.weight", 4, _flipped_oihw),
    **{
        f"{there}/{variable}": (f"{here}.{name}", axes, change)
        for there, here in (
            ("Conv", "conv1"), ("Conv0_up", "conv0"), ("Conv1", "conv1"), ("ToRGB", "torgb"),
        )
        for variable, (name, axes, change) in _STYLE
    },
}  # fmt: skip
_MAPPING: tuple[tuple[str, _Rule], ...] = (
    (r"Dense(\d{1,2})/weight", (r"mapping.fc\1.weight", 2, _transposed)),
    (r"Dense(\d{1,2})/bias", (r"mapping.fc\1.bias", 1, _same)),
    (r"LabelEmbed/weight", ("mapping.embed.weight", 2, _transposed)),
    (r"LabelEmbed/bias", ("mapping.embed.bias", 1, _same)),
)
_SIDES = tuple(4 << level for level in range(10))
# What Gs says of itself that changes the picture and that StyleGAN2 here does not have.
_EXPECTED: dict[str, tuple[object, ...]] = {
    "nonlinearity": ("lrelu",),
    "mapping_nonlinearity": ("lrelu",),
    "normalize_latents": (True,),
    "num_channels": (1, 3),
}


def is_tensorflow(value: object) -> bool:
    """Whether an unpickled `value` is the tuple (G, D, Gs)."""
    return isinstance(value, tuple | list) and any(
        isinstance(one, Record) and one.name in NETWORKS for one in value
    )


def read_tensorflow(value: object) -> Checkpoint:
    """The network Gs of an unpickled `value`. Raises InstrumentError."""
    networks = sequence(value, "the pickle")
    if len(networks) != 3:
        raise InstrumentError(f"holds {len(networks)} TensorFlow networks, not G, D and Gs")
    whole = _fields(networks[2], "Gs")
    version = whole.get("version")
    components = named(whole.get("components", {}), "components")
    if (
        not isinstance(version, int)
        or version < 4
        or not {"mapping", "synthesis"} <= set(components)
    ):
        old = "StyleGAN1" if components else "a progressive GAN"
        raise InstrumentError(f"{old} of TensorFlow; of those only StyleGAN2 can be converted")
    mapping = _variables(_fields(components["mapping"], "mapping"))
    synthesis = _variables(_fields(components["synthesis"], "synthesis"))
    own = _variables(whole)
    said = {
        name: plain(one)
        for name, one in named(whole.get("static_kwargs", {}), "static_kwargs").items()
    }
    return _stylegan2(own, mapping, synthesis, said)


def _fields(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, Record) or value.name not in NETWORKS:
        raise InstrumentError(f"{name} is no TensorFlow network")
    return named(value.state, name)


def _variables(fields: dict[str, object]) -> State:
    """The variables of one network by their local names."""
    variables: State = {}
    pairs = sequence(fields.get("variables", []), "variables")
    for pair in pairs:
        name, content = [*sequence(pair, "a variable", 2), None, None][:2]
        variables[text(name, "a variable's name")] = array(content)
    return variables


def _stylegan2(own: State, mapping: State, synthesis: State, said: dict[str, object]) -> Checkpoint:
    for key, allowed in _EXPECTED.items():
        if key in said and said[key] not in allowed:
            raise InstrumentError(f"its {key} is {shown(said[key])}, which StyleGAN2 has not")
    if any(name.startswith("LabelConcat") for name in mapping):
        raise InstrumentError("a conditional StyleGAN2 of TensorFlow before ada, not supported")
    sides = [side for side in _SIDES if f"{side}x{side}/Conv{'1' * (side > 4)}/weight" in synthesis]
    if not sides or "dlatent_avg" not in own:
        raise InstrumentError("Gs is not laid out as StyleGAN2")
    synthesis, original = _named_by_size(synthesis, sides[-1])
    state: State = {"mapping.w_avg": own["dlatent_avg"]}
    for name, content in mapping.items():
        _rename(state, name, content)
    _convert_synthesis(state, synthesis, sides)
    said = said | {"architecture": "orig"} if original else said
    return Checkpoint(
        format="NVIDIA pickle of TensorFlow (StyleGAN2)",
        architecture="stylegan2",
        settings=read_settings(StyleGAN2Settings, _settings(state, sides, said)),
        state=state,
        licence=NVIDIA_LICENCE,
    )


def _settings(state: State, sides: list[int], said: dict[str, object]) -> dict[str, object]:
    """Sizes from the shapes; what is not `said` has TensorFlow's default."""
    w_dim, inward = shaped(state, "mapping.fc0.weight", None, None).shape
    fields: dict[str, object] = {
        "z_dim": inward,
        "w_dim": w_dim,
        "mapping_layers": sum(re.match(r"mapping\.fc\d+\.weight$", n) is not None for n in state),
        "mapping_lr_multiplier": said.get("mapping_lrmul", 0.01),
        "img_channels": said.get("num_channels", 3),
        "channels": [shaped(state, f"synthesis.b{side}.conv1.weight", None, None, 3, 3).shape[0]
                     for side in sides],
        "architecture": said.get("architecture", "skip"),
        "conv_clamp": said.get("conv_clamp"),
    }  # fmt: skip
    if "mapping.embed.weight" in state:
        embedded, fields["c_dim"] = shaped(state, "mapping.embed.weight", None, None).shape
        fields["z_dim"] = inward - embedded
    if said.get("resample_kernel") is not None:
        row = [real(tap, "resample_kernel") for tap in sequence(said["resample_kernel"], "it")]
        fields["resample_filter"] = taps_of(np.array(row), "resample_kernel")
    return fields


def _rename(state: State, name: str, content: Array) -> None:
    for pattern, (here, axes, change) in _MAPPING:
        if re.fullmatch(pattern, name):
            state[re.sub(pattern, here, name)] = change(_of_axes(name, content, axes))
            return
    raise InstrumentError(f"its mapping has {name[:40]!r}, which StyleGAN2's has not")


def _of_axes(name: str, content: Array, axes: int) -> Array:
    if content.ndim != axes or not np.issubdtype(content.dtype, np.floating):
        raise InstrumentError(f"{name[:60]} is {content.dtype} of {content.ndim} axes, not {axes}")
    return content


def _named_by_size(synthesis: State, largest: int) -> tuple[State, bool]:
    """``ToRGB_lod0`` named as ``1024x1024/ToRGB``, those of smaller sizes left out; and whether.

    The network they belong to paints at its end alone; the others are leftovers of growing.
    """
    renamed: State = {}
    for name, content in synthesis.items():
        lod, _, variable = name.removeprefix("ToRGB_lod").partition("/")
        if not name.startswith("ToRGB_lod"):
            renamed[name] = content
        elif lod == "0":
            renamed[f"{largest}x{largest}/ToRGB/{variable}"] = content
    return renamed, any(name.startswith("ToRGB_lod") for name in synthesis)


def _convert_synthesis(state: State, synthesis: State, sides: list[int]) -> None:
    """Fill `state` with the blocks; a variable nobody knows is an error, not forgotten."""
    for name, content in synthesis.items():
        if re.fullmatch(r"noise\d{1,2}|lod", name):
            continue  # noise is taken with its layer; lod is a leftover of growing
        match = re.fullmatch(r"(\d{1,4})x\1/(\w{1,20}/\w{1,20})", name)
        known = _SYNTHESIS.get(match[2]) if match and int(match[1]) in sides else None
        if not match or known is None:
            raise InstrumentError(f"its synthesis has {name[:40]!r}, which StyleGAN2's has not")
        here, axes, change = known
        state[f"synthesis.b{match[1]}.{here}"] = change(_of_axes(name, content, axes))
    for level, side in enumerate(sides):
        for layer in ("conv0", "conv1") if level else ("conv1",):
            noise = synthesis.get(f"noise{2 * level - (layer == 'conv0')}")
            if noise is None:
                raise InstrumentError(f"the noise of {side}x{side}/{layer} is missing")
            state[f"synthesis.b{side}.{layer}.noise_const"] = _of_axes("noise", noise, 4)[0, 0]
