"""The generator of the default model as a processor likes it: maps as rows of pixels.

`SkipGenerator` says what is computed; this is the same sum in another order, for playing alone.
A map is a matrix ``[pixels, channels]``, and what is done to every pixel with numbers of its own
(normalisation) or to every channel with numbers of its own (FiLM, grain) is an outer product of
the two: a small matrix product writes it, and whole maps are multiplied without a stride. Torch's
own loops over such broadcasts run channel by channel, 24 numbers at a time, and take as long as
the convolutions do. Convolutions are in the network's precision, pictures in float32.

The weights are the network's; what must be laid out otherwise is laid out anew by `refresh`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from instrument.decoder.skip_generator import (
    SEED_SIZE,
    SOFTEST,
    Modulated,
    Octave,
    SkipGenerator,
    WithoutStripes,
    double,
)

_OPAQUE = 16.0  # what the heads add to a fourth band: its sigmoid is 1 to the last bit
_BANDS = 4  # red, green, blue and opaque: pixels of whole words


class RowPainter(nn.Module):
    """Paints what `network.paint` paints, as ``F32[n, 4, h, w]`` in 0..1, the last band 1.

    What is laid out otherwise are its buffers; they stay where they are when weights move.
    `compiled`: it is written for torch's compiler, and would be slow without.
    """

    def __init__(
        self, network: SkipGenerator, dtype: torch.dtype, *, compiled: bool = False
    ) -> None:
        super().__init__()
        # In a tuple, which torch does not look into: the network has this painter as a part, and
        # may not be a part of it in turn.
        self._seen = (network,)
        self._octaves = [octave for octave in network.octaves if isinstance(octave, Octave)]
        finishes = [one for one in network.finish if isinstance(one, WithoutStripes)]
        self._layers = [layer for octave in self._octaves for layer in _layers(octave)]
        self._widths = [3 * layer.conv.out_channels for layer in self._layers]
        self._dtype = dtype
        self._double = _doubled_in_lines if compiled else double
        # Beside every pixel's grain a 1: one product adds the shift and some of the grain.
        grains = [octave.grain.flatten() for octave in self._octaves]
        for index, grain in enumerate(grains):
            ground = torch.stack((torch.ones_like(grain), grain), dim=1)
            self.register_buffer(f"ground_{index}", ground, persistent=False)
        self._taps = [finish.taps.tolist() for finish in finishes]

    def refresh(self) -> None:
        """Take the weights that the network has now."""
        # Channel 2·sub-pixel + colour lies as a pixel's bands do; the fourth is _OPAQUE once.
        self._take("film", torch.cat([layer.film.weight for layer in self._layers]))
        self._take("film_bias", torch.cat([layer.film.bias for layer in self._layers]))
        for index, head in enumerate(self._seen[0].heads):
            assert isinstance(head, nn.Conv2d) and head.bias is not None
            weight = head.weight.reshape(3, 4, -1, 3, 3).transpose(0, 1)  # [4, 3, width, 3, 3]
            weight = F.pad(weight, (0, 0) * 3 + (0, 1)).flatten(0, 1)
            bias = F.pad(head.bias.view(3, 4).T, (0, 1), value=0.0 if index else _OPAQUE)
            weight = weight.contiguous(memory_format=torch.channels_last)
            self._take(f"head_{index}", weight)
            self._take(f"head_bias_{index}", bias.flatten())

    def _take(self, name: str, tensor: Tensor) -> None:
        """Have `tensor` as the buffer `name`, in the memory it had before."""
        there = self._buffers.get(name)
        if there is None:
            self.register_buffer(name, tensor, persistent=False)
        else:
            there.copy_(tensor)

    def _own(self, name: str) -> Tensor:
        """A buffer; `get_buffer` goes a longer way, twenty times a picture."""
        tensor = self._buffers[name]
        assert tensor is not None
        return tensor

    def paint(self, w: Tensor) -> Tensor:
        """w [n, mapped] → [n, 4, h, w], channels last."""
        pictures = [self._paint_one(row[None]) for row in w]
        return pictures[0] if len(pictures) == 1 else torch.cat(pictures)

    def _paint_one(self, w: Tensor) -> Tensor:
        network = self._seen[0]
        film = F.linear(w, self._own("film"), self._own("film_bias"))
        films = iter(torch.split(film, self._widths, dim=1))
        seed = network.seed_full(network.seed_low(w))
        x = seed.view(1, network.spec.widths[0], SEED_SIZE, SEED_SIZE)
        x = x.to(self._dtype, memory_format=torch.channels_last)
        picture: Tensor | None = None
        silent = len(self._octaves) - len(network.heads)
        for index, octave in enumerate(self._octaves):
            ground = self._own(f"ground_{index}")
            if octave.doubles:
                x = self._double(x)
            for layer in _layers(octave):
                x = _modulated(layer.conv(x), next(films), ground)
            if index >= silent:
                light = self._light(x, index - silent)
                picture = light if picture is None else light.add_(self._double(picture))
        assert picture is not None
        return picture.mul_(2.0).sigmoid_()  # (1 + tanh x) / 2 in one go

    def _light(self, x: Tensor, index: int) -> Tensor:
        """What a head adds to the picture: float32 [1, 4, 2h, 2w], channels last."""
        weight, bias = self._own(f"head_{index}"), self._own(f"head_bias_{index}")
        height, width = x.shape[2:]
        cells = F.conv2d(x, weight, bias, padding=1).permute(0, 2, 3, 1)  # [1, h, w, 16]
        pixels = cells.reshape(height, width, 2, 2 * _BANDS).transpose(1, 2).float()
        taps = self._taps[index]
        flat = pixels.reshape(2 * height, 2 * width * _BANDS)
        flat = _smoothed(_smoothed(flat, taps, 0, 1), taps, 1, _BANDS)
        return flat.view(1, 2 * height, 2 * width, _BANDS).permute(0, 3, 1, 2)


def _doubled_in_lines(x: Tensor) -> Tensor:
    """`double` as sums of whole lines: x [1, c, h, w] → [1, c, 2h, 2w], channels last.

    Torch's compiler makes of `double` a loop over single numbers, and of all that is done to its
    result as well. What is stacked here it writes to memory, and the rest stays loops over lines.
    """
    _, channels, height, width = x.shape
    cells = x.permute(0, 2, 3, 1)[0]  # [h, w, c]
    wide = _between(cells, 1).reshape(height, 2 * width * channels)
    return _between(wide, 0).view(1, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


def _between(x: Tensor, dim: int) -> Tensor:
    """Twice as many samples along `dim`, as pairs in a dimension after it: linear, and constant
    beyond the ends. New samples lie a quarter of a step before and after the old ones."""
    length = x.shape[dim]
    before = torch.cat((x.narrow(dim, 0, 1), x.narrow(dim, 0, length - 1)), dim)
    after = torch.cat((x.narrow(dim, 1, length - 1), x.narrow(dim, length - 1, 1)), dim)
    return torch.stack((0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after), dim + 1)


def _layers(octave: Octave) -> list[Modulated]:
    return [octave.first] if octave.second is None else [octave.first, octave.second]


def _smoothed(flat: Tensor, taps: list[float], dim: int, step: int) -> Tensor:
    """`WithoutStripes` along one side of a picture [h, w · bands]: whole lines, added up.

    `step` is how far the next pixel lies along `dim`. The taps are the same from both ends.
    """
    reach, length = len(taps) // 2, flat.shape[dim]
    first, last = flat.narrow(dim, 0, step), flat.narrow(dim, length - step, step)
    wide = torch.cat((*[first] * reach, flat, *[last] * reach), dim)
    total = torch.mul(flat, taps[reach])
    for index in range(reach):
        total.add_(wide.narrow(dim, index * step, length), alpha=taps[index])
        far = (2 * reach - index) * step
        total.add_(wide.narrow(dim, far, length), alpha=taps[index])
    return total


def _modulated(x: Tensor, film: Tensor, ground: Tensor) -> Tensor:
    """What `Modulated` does after its convolution: x [1, c, h, w], film [1, 3c], ground [hw, 2]."""
    _, channels, height, width = x.shape
    # In float32 throughout: it is nearer, and small matrix products are not slower for it.
    rows = x.permute(0, 2, 3, 1).reshape(height * width, channels).float()
    film = film.view(3, channels)  # scale, shift, strength
    length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    norm = (length * length).mul_(1.0 / channels).add_(SOFTEST).rsqrt_()
    rows = torch.mm(norm, 1.0 + film[:1]).mul_(rows).add_(torch.mm(ground, film[1:]))
    rows = F.leaky_relu_(rows, 0.2).to(x.dtype)
    return rows.view(1, height, width, channels).permute(0, 3, 1, 2)
