"""The generator of the default model: a small convolutional network with FiLM and output skips.

z with a family → two-layer map → w, blended near the borders of families. From w a low-rank 4×4
seed; then at every octave two dense 3×3 convolutions, each followed by RMS normalisation and a
scale and shift by w (FiLM).
From 32 pixels on each octave also adds a picture of twice its size through a pixel-shuffle head,
and the pictures are summed from coarse to fine. A head of zeros adds nothing: the network grew
from 64 to 256 pixels in training without ever changing its shape, and snapshots from before and
after a growth can be blended weight by weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from instrument import InstrumentError

SEED_SIZE = 4  # pixels a side of the first feature map
SOFTEST = 0.01  # mean square below which normalisation fades: else zero crossings become outlines

# Exact at an even colour, nothing at one-pixel stripes, maximally flat between: no checkerboard
# can come out of a head. The finest head keeps more of what is nearly as fine as stripes.
SMOOTHING = (-1 / 16, 4 / 16, 10 / 16, 4 / 16, -1 / 16)
SMOOTHING_FINEST = (1 / 64, -6 / 64, 15 / 64, 44 / 64, 15 / 64, -6 / 64, 1 / 64)


@dataclass(frozen=True, slots=True)
class GeneratorSpec:
    """The sizes a generator is built from; kept in the manifest beside its weights.

    `widths` are the channels of each octave from 4 pixels up; the picture is
    ``2 ** (len(widths) + 2)`` pixels wide. `families` is how many numbers of z choose what kind of
    thing is seen (the largest wins); they blend where they are less than 1 / `sharpness` apart.
    `heads` is how many of the last octaves paint.
    """

    latent: int = 512
    families: int = 9
    sharpness: float = 6.0
    mapped: int = 256
    rank: int = 64
    widths: tuple[int, ...] = (160, 128, 96, 64, 40, 24)
    heads: int = 3

    def __post_init__(self) -> None:
        sizes = (self.latent, self.families, self.mapped, self.rank, self.heads, *self.widths)
        if min(sizes) < 1 or max(sizes) > 4096 or not 0 < self.sharpness < 1000:
            raise InstrumentError("generator: sizes must be from 1 to 4096 and sharpness above 0")
        if not self.heads <= len(self.widths) <= 9 or self.families > self.latent:
            raise InstrumentError(
                "generator: at most 9 octaves, heads ≤ octaves, families ≤ latent"
            )

    @property
    def size(self) -> int:
        """Width and height of a picture, pixels."""
        return SEED_SIZE << len(self.widths)

    def to_json(self) -> dict[str, Any]:
        """The ``generator`` object of a manifest. The reverse of `from_json`."""
        return {
            "latent": self.latent,
            "families": self.families,
            "sharpness": self.sharpness,
            "mapped": self.mapped,
            "rank": self.rank,
            "widths": list(self.widths),
            "heads": self.heads,
        }

    @classmethod
    def from_json(cls, fields: Any) -> GeneratorSpec:
        """Read a ``generator`` object. Raises InstrumentError naming what is wrong."""
        names = set(cls().to_json())
        if not isinstance(fields, dict) or set(fields) != names:
            raise InstrumentError(f"generator: needs exactly the keys {', '.join(sorted(names))}")
        whole = {key: fields[key] for key in names - {"sharpness", "widths"}}
        widths, sharpness = fields["widths"], fields["sharpness"]
        if not isinstance(widths, list) or any(type(n) is not int for n in widths):
            raise InstrumentError("generator.widths: must be a list of integers")
        for key, value in whole.items():
            if type(value) is not int:
                raise InstrumentError(f"generator.{key}: must be an integer")
        if type(sharpness) not in (int, float):
            raise InstrumentError("generator.sharpness: must be a number")
        return cls(sharpness=float(sharpness), widths=tuple(widths), **whole)


def double(x: Tensor) -> Tensor:
    """[n, c, h, w] → [n, c, 2h, 2w], bilinear: repeated pixels would leave a visible grid."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class WithoutStripes(nn.Module):
    """Smooths a picture just enough that the sub-pixels of a head leave no pattern."""

    def __init__(self, taps: tuple[float, ...]) -> None:
        super().__init__()
        self.reach = len(taps) // 2
        # Beside the weights, not one of them: made anew in every call it would have to be copied
        # to the GPU, and a recorded lesson may copy nothing.
        self.taps = nn.Buffer(torch.tensor(taps), persistent=False)

    def forward(self, picture: Tensor) -> Tensor:
        """[n, 3, h, w] → [n, 3, h, w]."""
        reach, taps = self.reach, self.taps.to(picture.dtype)
        picture = F.pad(picture, (reach, reach, reach, reach), mode="replicate")
        picture = F.conv2d(picture, taps.view(1, 1, 1, -1).expand(3, 1, 1, -1), groups=3)
        return F.conv2d(picture, taps.view(1, 1, -1, 1).expand(3, 1, -1, 1), groups=3)


class Modulated(nn.Module):
    """3×3 convolution → RMS normalisation over channels → scale, shift and some of a fixed grain,
    all three read from w → leaky ReLU.

    Scaling channels by w *instead of* normalising (demodulation) ran away within 6k images.
    """

    def __init__(self, before: int, after: int, mapped: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.film = nn.Linear(mapped, 3 * after)
        nn.init.normal_(self.conv.weight, std=(9 * before) ** -0.5)
        nn.init.normal_(self.film.weight, std=0.5 * mapped**-0.5)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, w: Tensor, grain: Tensor) -> Tensor:
        """x [n, before, h, w], w [n, mapped], grain [1, 1, h, w] → [n, after, h, w]."""
        x = self.conv(x)
        # x · x and not x.square(): autocast would do that, and all that follows, in float32
        norm = torch.rsqrt((x * x).mean(dim=1, keepdim=True) + SOFTEST)
        x = x * norm.to(x.dtype)
        film = self.film(w).to(x.dtype)[:, :, None, None]
        scale, shift, strength = film.chunk(3, dim=1)  # [n, after, 1, 1]
        x = torch.addcmul(shift, x, 1.0 + scale)
        return F.leaky_relu(torch.addcmul(x, strength, grain.to(x.dtype)), 0.2)


class Octave(nn.Module):
    """Two modulated convolutions at one size; all but the first octave double the size before."""

    def __init__(self, before: int, after: int, mapped: int, size: int, *, doubles: bool) -> None:
        super().__init__()
        self.doubles = doubles
        chance = torch.Generator().manual_seed(size)
        self.grain = nn.Buffer(torch.randn(1, 1, size, size, generator=chance))
        self.first = Modulated(before, after, mapped)
        self.second = Modulated(after, after, mapped) if doubles else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x [n, before, h, w] → [n, after, 2h, 2w] (the same h, w where nothing doubles)."""
        if self.doubles:
            x = double(x)
        x = self.first(x, w, self.grain)
        return x if self.second is None else self.second(x, w, self.grain)


class SkipGenerator(nn.Module):
    """z on the shell → picture in [-1, 1]."""

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        self.spec = spec
        widths = spec.widths
        self.family_bias = nn.Buffer(torch.zeros(spec.families))
        self.map_first = nn.Linear(spec.latent + spec.families, spec.mapped)
        self.map_second = nn.Linear(spec.mapped, spec.mapped)
        self.seed_low = nn.Linear(spec.mapped, spec.rank, bias=False)
        self.seed_full = nn.Linear(spec.rank, widths[0] * SEED_SIZE**2)
        self.octaves = nn.ModuleList(
            Octave(before, after, spec.mapped, SEED_SIZE << index, doubles=index > 0)
            for index, (before, after) in enumerate(zip((widths[0], *widths), widths, strict=False))
        )
        self.heads = nn.ModuleList(
            nn.Conv2d(width, 12, 3, padding=1) for width in widths[-spec.heads :]
        )
        finer = len(self.heads) - 1
        self.finish = nn.ModuleList(
            WithoutStripes(SMOOTHING if index < finer else SMOOTHING_FINEST)
            for index in range(len(self.heads))
        )
        nn.init.normal_(self.seed_full.bias)  # the constant every picture starts from
        self._init_heads()

    def _init_heads(self) -> None:
        """The coarsest head with its four sub-pixels equal (else a checkerboard), finer ones 0."""
        for index, head in enumerate(self.heads):
            assert isinstance(head, nn.Conv2d) and head.bias is not None
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
            if index == 0:
                colour = torch.randn(3, *head.weight.shape[1:]) * (9 * head.in_channels) ** -0.5
                head.weight.data = colour.repeat_interleave(4, dim=0)  # [12, width, 3, 3]

    def lead(self, z: Tensor) -> Tensor:
        """How much z [n, latent] is of each family: [n, families], the largest wins."""
        return z[:, : self.spec.families] + self.family_bias

    def family(self, z: Tensor) -> Tensor:
        """Which family z [n, latent] belongs to: int64 [n]."""
        return self.lead(z).argmax(dim=1)

    def shares(self, z: Tensor) -> Tensor:
        """What each family gives to the picture of z [n, latent]: [n, families], sum 1.

        All of it the leading one, but near a border: a family less than 1 / sharpness behind
        has a part, growing with the square of how near it is, and half at the border itself.
        """
        lead = self.lead(z)
        behind = lead.amax(dim=1, keepdim=True) - lead
        near = (1.0 - self.spec.sharpness * behind).clamp_min(0.0).square()
        return near / near.sum(dim=1, keepdim=True)

    def map_as(self, z: Tensor, family: Tensor) -> Tensor:
        """z [n, latent], shown as `family` int64 [n] → w [n, mapped]."""
        kind = 4.0 * F.one_hot(family, self.spec.families).to(z.dtype)
        w = F.leaky_relu(self.map_first(torch.cat((z, kind), dim=1)), 0.2)
        return F.leaky_relu(self.map_second(w), 0.2)

    def map(self, z: Tensor) -> Tensor:
        """z [n, latent] → w [n, mapped]: a blend, near borders, of what z is in each family.

        A network that is told the family by a number it must itself make a step of learns a
        cliff, and whoever flies across sees a cut. Here the network knows whole families only,
        and the way between two is a straight line of w.
        """
        from_z = F.linear(z, self.map_first.weight[:, : self.spec.latent], self.map_first.bias)
        kinds = 4.0 * self.map_first.weight[:, self.spec.latent :].T  # [families, mapped]
        w = F.leaky_relu(from_z[:, None] + kinds, 0.2)  # [n, families, mapped]
        w = F.leaky_relu(self.map_second(w), 0.2)
        return (self.shares(z)[:, :, None] * w).sum(dim=1)

    def forward(self, z: Tensor, size: int | None = None) -> Tensor:
        """z [n, latent] → [n, 3, size, size]; a smaller `size` leaves the last octaves out."""
        return self.paint(self.map(z), size)

    def paint(self, w: Tensor, size: int | None = None) -> Tensor:
        """w [n, mapped] → [n, 3, size, size] in [-1, 1]."""
        size = size or self.spec.size
        seed = self.seed_full(self.seed_low(w))
        x = seed.view(len(w), self.spec.widths[0], SEED_SIZE, SEED_SIZE)
        # Convolutions may be in half precision, and what w says of them never is.
        first = self.octaves[0]
        assert isinstance(first, Octave)
        x = x.to(first.first.conv.weight.dtype, memory_format=torch.channels_last)
        picture: Tensor | None = None
        silent = len(self.octaves) - len(self.heads)
        for index, octave in enumerate(self.octaves):
            if SEED_SIZE << (index + 1) > size:
                break
            x = octave(x, w)  # [n, widths[index], 4·2^index, 4·2^index]
            if index >= silent:
                head = index - silent
                light = F.pixel_shuffle(self.heads[head](x), 2)  # [n, 3, 8·2^index, …]
                light = self.finish[head](light.to(w.dtype))
                picture = light if picture is None else light + double(picture)
        if picture is None or picture.shape[-1] != size:
            raise ValueError(f"a generator of {self.spec.size} pixels has no head for {size}")
        return torch.tanh(picture)
