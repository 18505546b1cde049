"""What the published GAN generators are built from, beside their tensors: their settings.

One record for each architecture, kept in the manifest of a converted model. The numbers come out
of foreign files, so every one has bounds, and so have the tensors and pictures they add up to:
nobody may ask for a layer of 10⁹ channels. `read_settings` is the only door: it checks what plain
construction does not. This module knows no torch; the networks themselves are in `progan`,
`stylegan2`, `stylegan3` and `fastgan`, whose docstrings say under which names they keep tensors.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from instrument import InstrumentError
from instrument.decoder.stylegan3_table import layer_plans

# Endings of names in a foreign state dict that say nothing the settings do not: filters (computed
# here), the user's transform of StyleGAN3 (a live parameter), counters of training. A converted
# file leaves them out.
DERIVED = (
    "resample_filter", "up_filter", "down_filter", "input.transform", "num_batches_tracked",
)  # fmt: skip
MOST_NUMBERS = 1 << 30  # of one network's weights, and of its largest feature map

_Dims = Annotated[int, msgspec.Meta(ge=1, le=8192)]
_Labels = Annotated[int, msgspec.Meta(ge=0, le=65536)]
_Channels = Annotated[
    tuple[Annotated[int, msgspec.Meta(ge=1, le=8192)], ...],
    msgspec.Meta(min_length=2, max_length=10),
]
_Layers = Annotated[int, msgspec.Meta(ge=1, le=64)]
_Clamp = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Positive = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
_Taps = Annotated[
    tuple[Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)], ...],
    msgspec.Meta(min_length=1, max_length=16),
]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all have: the size of z, and how many colours a picture has (1 is grey)."""

    z_dim: _Dims
    img_channels: Literal[1, 3] = 3

    @property
    def size(self) -> int:
        """Width and height of a picture, pixels."""
        raise NotImplementedError


class StyleSettings(Settings, frozen=True, kw_only=True):
    """What StyleGAN2 and 3 share: a mapping from z and a label to w.

    `c_dim` counts the labels (0: unconditional). The mapping multiplies its learning rate, and so
    its weights at run time, by `mapping_lr_multiplier`.
    """

    w_dim: _Dims
    mapping_layers: _Layers
    c_dim: _Labels = 0
    mapping_lr_multiplier: _Positive = 0.01

    @property
    def num_ws(self) -> int:
        """How many layers take a w of their own."""
        raise NotImplementedError

    @property
    def mapping_weights(self) -> int:
        """How many numbers the mapping holds, about."""
        inward = self.z_dim + (self.w_dim + self.c_dim if self.c_dim else 0)
        return (inward + (self.mapping_layers - 1) * self.w_dim) * self.w_dim


class ProGANSettings(Settings, frozen=True, kw_only=True):
    """Progressive GAN as pytorch_GAN_zoo has it: `channels` of every scale from 4 pixels up.

    `equalised`: weights and biases times sqrt(2 / fan in). `tanh`: trained with MSE or DCGAN loss.
    The fade is no setting but a tensor, ``alpha``: it moves while training does.
    """

    channels: _Channels
    leak: _Share = 0.2
    pixel_norm: bool = True
    equalised: bool = True
    tanh: bool = False

    def __post_init__(self) -> None:
        c = self.channels
        weights = 16 * self.z_dim * c[0] + 9 * c[0] ** 2
        weights += sum(9 * (a + b) * b for a, b in itertools.pairwise(c))
        _bound(weights, max(n * (4 << i) ** 2 for i, n in enumerate(c)))

    @property
    def size(self) -> int:
        """See `Settings`."""
        return 2 << len(self.channels)


class StyleGAN2Settings(StyleSettings, frozen=True, kw_only=True):
    """StyleGAN2: `channels` of every block from 4 pixels up, whatever rule they came from.

    `conv_clamp` None: nothing is clamped.
    `resample_filter` is one row of the separable filter of up-sampling, of any sum.
    """

    channels: _Channels
    architecture: Literal["skip", "resnet", "orig"] = "skip"
    conv_clamp: _Clamp | None = None
    resample_filter: _Taps = (1.0, 3.0, 3.0, 1.0)

    def __post_init__(self) -> None:
        c = self.channels
        weights = self.mapping_weights
        weights += sum((9 * (a + b) + self.w_dim) * b for a, b in itertools.pairwise(c))
        weights += (9 * c[0] + self.w_dim) * c[0]
        _bound(weights, max(n * (4 << i) ** 2 for i, n in enumerate(c)))
        if not abs(sum(self.resample_filter)) > 0:  # nor may it be NaN
            raise ValueError("resample_filter must not sum up to 0")

    @property
    def size(self) -> int:
        """See `Settings`."""
        return 2 << len(self.channels)

    @property
    def num_ws(self) -> int:
        """See `Settings`."""
        return 2 * len(self.channels)


class StyleGAN3Settings(StyleSettings, frozen=True, kw_only=True):
    """StyleGAN3, T (`conv_kernel` 3) and R (1, radial filters); names and defaults of the paper.

    `channel_base` and `channel_max` are what the network was built with: those of R are already
    doubled. `last_stopband_rel` and the like are in the units of appendix D of the paper.
    """

    resolution: Annotated[int, msgspec.Meta(ge=16, le=4096)]
    channel_base: Annotated[int, msgspec.Meta(ge=1, le=1 << 24)] = 32768
    channel_max: _Dims = 512
    num_layers: _Layers = 14
    num_critical: Annotated[int, msgspec.Meta(ge=0, le=64)] = 2
    first_cutoff: _Positive = 2.0
    first_stopband: _Positive = 2**2.1
    last_stopband_rel: _Positive = 2**0.3
    margin_size: Annotated[int, msgspec.Meta(ge=0, le=256)] = 10
    output_scale: _Positive = 0.25
    conv_kernel: Literal[1, 3] = 3
    filter_size: Annotated[int, msgspec.Meta(ge=1, le=32)] = 6
    lrelu_upsampling: Annotated[int, msgspec.Meta(ge=1, le=8)] = 2
    use_radial_filters: bool = False
    conv_clamp: _Clamp | None = 256.0

    def __post_init__(self) -> None:
        if self.resolution & (self.resolution - 1):
            raise ValueError("resolution must be a power of two")
        if self.num_critical >= self.num_layers:
            raise ValueError("num_critical must be below num_layers")
        if not self.first_cutoff < self.first_stopband <= self.resolution / 2:
            raise ValueError("first_cutoff < first_stopband ≤ resolution / 2 must hold")
        plans = layer_plans(self)
        if any(plan.target.half_width <= 0 for plan in plans):
            raise ValueError("last_stopband_rel leaves a filter no transition band")
        if any(plan.target.channels < 1 for plan in plans):
            raise ValueError("channel_base leaves a layer without channels")
        _bound(
            self.mapping_weights + sum(plan.weights for plan in plans),
            max(plan.largest_map for plan in plans),
        )

    @property
    def size(self) -> int:
        """See `Settings`."""
        return self.resolution

    @property
    def num_ws(self) -> int:
        """See `Settings`: one for the input, one for each layer, one for ToRGB."""
        return self.num_layers + 2


class FastGANSettings(Settings, frozen=True, kw_only=True):
    """FastGAN: `ngf` scales all channels; the three picture sizes are what its authors wrote."""

    ngf: Annotated[int, msgspec.Meta(ge=4, le=512)]
    resolution: Literal[256, 512, 1024]

    def __post_init__(self) -> None:
        # The first block holds 512 numbers for each of z, and all further ones about 4300 · ngf².
        _bound(512 * self.z_dim * self.ngf + 4300 * self.ngf**2, self.ngf * 512 * 512)

    @property
    def size(self) -> int:
        """See `Settings`."""
        return self.resolution


S = TypeVar("S", bound=Settings)


def read_settings(kind: type[S], fields: Any) -> S:
    """The settings in `fields`, a dict of plain values: or InstrumentError with the key."""
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        keys = ", ".join(kind.__struct_fields__)
        raise InstrumentError(f"{kind.__name__}: {error} (keys: {keys})") from error


def _bound(weights: int, largest_map: int) -> None:
    if max(weights, largest_map) > MOST_NUMBERS:
        raise ValueError(
            f"asks for {weights} weights and a map of {largest_map} numbers, at most {MOST_NUMBERS}"
        )
