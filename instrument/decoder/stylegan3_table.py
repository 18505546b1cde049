"""The layers of a StyleGAN3: at which rate, how wide, cut off where.

Karras et al. 2021, section 3.2 and appendices: cutoffs and stopbands grow geometrically until the
last `num_critical` layers, which are sampled critically. Frequencies are in cycles a picture, rates
in samples a picture, sizes in samples with the margin around the picture. No torch in here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrument.decoder.architectures import StyleGAN3Settings


@dataclass(frozen=True, slots=True)
class Signal:
    """What lies between two layers: [n, channels, size, size] at `rate`, band-limited."""

    channels: int
    size: int
    rate: int
    cutoff: float
    half_width: float  # of the filter's transition band


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One layer: from a signal to a signal, through a third one at a higher rate for the ReLU."""

    name: str
    source: Signal
    target: Signal
    colours: bool  # ToRGB: 1×1, linear, never filtered
    kernel: int  # side of the convolution
    rate: int  # where the ReLU acts
    up_taps: int
    down_taps: int
    radial: bool

    @property
    def up(self) -> int:
        """By how much the rate is raised for the ReLU."""
        return self.rate // self.source.rate

    @property
    def down(self) -> int:
        """By how much it is lowered afterwards."""
        return self.rate // self.target.rate

    @property
    def padding(self) -> tuple[int, int]:
        """Samples at the high rate to add before and after (below 0: to crop), so that
        the target gets its size and the picture stays in its middle."""
        total = (self.target.size - 1) * self.down + 1
        total -= (self.source.size + self.kernel - 1) * self.up
        total += self.up_taps + self.down_taps - 2
        low = (total + self.up) // 2
        return low, total - low

    @property
    def high_size(self) -> int:
        """Side of the map at the high rate, before it is filtered."""
        return (self.source.size + self.kernel - 1) * self.up + sum(self.padding)

    @property
    def weights(self) -> int:
        """How many numbers its convolution holds."""
        return self.source.channels * self.target.channels * self.kernel**2

    @property
    def largest_map(self) -> int:
        """How many numbers a sample's largest map holds."""
        into = self.source.channels * self.source.size**2
        return max(into, self.target.channels * self.high_size**2)


def signals(settings: StyleGAN3Settings) -> list[Signal]:
    """What leaves each layer: that of layer 0 first, ToRGB's last."""
    first, last = settings.first_cutoff, settings.resolution / 2
    last_stop = last * settings.last_stopband_rel
    made = []
    for index in range(settings.num_layers + 1):
        share = min(index / (settings.num_layers - settings.num_critical), 1.0)
        cutoff = first * (last / first) ** share
        stopband = settings.first_stopband * (last_stop / settings.first_stopband) ** share
        rate = 2 ** math.ceil(math.log2(min(2 * stopband, settings.resolution)))
        near_end = index >= settings.num_layers - 1
        size = settings.resolution if near_end else rate + 2 * settings.margin_size
        wide = round(min(settings.channel_base / 2 / cutoff, settings.channel_max))
        colours = index == settings.num_layers
        channels = settings.img_channels if colours else wide
        made.append(Signal(channels, size, rate, cutoff, max(stopband, rate / 2) - cutoff))
    return made


def layer_plans(settings: StyleGAN3Settings) -> list[LayerPlan]:
    """Every layer in order, ToRGB last. Layer 0 takes the input, which is like what it gives."""
    outputs = signals(settings)
    plans = []
    for index, target in enumerate(outputs):
        source = outputs[max(index - 1, 0)]
        colours = index == settings.num_layers
        rate = max(source.rate, target.rate) * (1 if colours else settings.lrelu_upsampling)
        up, down = rate // source.rate, rate // target.rate
        critical = index >= settings.num_layers - settings.num_critical
        plans.append(LayerPlan(
            name=f"L{index}_{target.size}_{target.channels}", source=source, target=target,
            colours=colours, kernel=1 if colours else settings.conv_kernel, rate=rate,
            up_taps=settings.filter_size * up if up > 1 and not colours else 1,
            down_taps=settings.filter_size * down if down > 1 and not colours else 1,
            radial=settings.use_radial_filters and not critical,
        ))  # fmt: skip
    return plans
