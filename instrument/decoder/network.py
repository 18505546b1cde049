"""What all torch decoders share: device, shape checks, batching, and floats to pixels.

A network is a torch module ``network(z, parameters)`` with z ``[n, *latent.shape]`` and
parameters ``{address: [n]}`` giving pictures ``[n, 3, h, w]``, sRGB values around [0, 1].
This module knows no architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from instrument import InstrumentError
from instrument.decoder.inputs import checked_inputs
from instrument.decoder.protocol import DecodeError, DecoderSpec
from instrument.frame import U8
from instrument.latent.space import F32

Cut = Callable[[Tensor], Tensor]  # pictures in 0..1 → what is handed out; may work in place

_GPU_BATCH = 8
_GPU_PIXELS = 1 << 21  # of one batch: two pictures of 1024 pixels, so that their maps fit


def choose_device(wish: str, threads: int) -> torch.device:
    """The torch device for `wish`, with `threads` CPU threads for this process.

    Raises InstrumentError naming the devices there are.
    """
    torch.set_num_threads(threads)
    found = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    found += ["mps"] if torch.backends.mps.is_available() else []
    found += ["cpu"]
    name = {"auto": found[0], "cuda": "cuda:0"}.get(wish, wish)
    if name not in found:
        raise InstrumentError(f"device {wish!r}: not on this machine; use auto, {', '.join(found)}")
    return torch.device(name)


def rows_at_once(device: torch.device, size: tuple[int, int]) -> int:
    """How many pictures of `size` (height, width) are made in one go."""
    if device.type == "cpu":
        return 1  # a batch gains nothing, and single calls make batch and singles bit-equal
    return max(1, min(_GPU_BATCH, _GPU_PIXELS // (size[0] * size[1])))


class NetworkDecoder:
    """Plays a torch network. Satisfies `Decoder`."""

    def __init__(self, spec: DecoderSpec, network: nn.Module, device: torch.device) -> None:
        self._spec = spec
        self._device = device
        # channels_last makes convolutions up to 1.8 times faster at batch 1 and costs nothing.
        # (torch's own types do not know that `to` takes it alone.)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = network.to(device).eval()
        self._batch = rows_at_once(device, spec.size)

    @property
    def spec(self) -> DecoderSpec:
        """What this decoder is."""
        return self._spec

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        """See `Decoder.decode`. Raises ValueError on shapes, DecodeError on NaN and infinity."""
        return self._decode(z, parameters, np.uint8, _levels)

    def decode_fine(self, z: F32, parameters: Mapping[str, F32]) -> F32:
        """See `FineDecoder.decode_fine`: the same pictures, before they become levels."""
        return self._decode(z, parameters, np.float32, Tensor.float)

    def _decode(self, z: F32, parameters: Mapping[str, F32], dtype: type, cut: Cut) -> NDArray[Any]:
        """Pictures ``[n, h, w, 3]`` of `dtype`, a few rows at a time."""
        z, values = checked_inputs(self._spec, z, parameters)
        if not np.isfinite(z).all():  # a clamp or a tanh could make a picture of it
            raise DecodeError(f"{self._spec.name}: z is not finite")
        pixels: NDArray[Any] = np.empty((len(z), *self._spec.size, 3), dtype)
        for start in range(0, len(z), self._batch):
            rows = slice(start, start + self._batch)
            pixels[rows] = self._decode_rows(
                z[rows], {address: value[rows] for address, value in values.items()}, cut
            )
        return pixels

    def _decode_rows(self, z: F32, values: Mapping[str, F32], cut: Cut) -> NDArray[Any]:
        with torch.inference_mode():
            pictures: Tensor = self._network(
                self._to_device(z), {key: self._to_device(row) for key, row in values.items()}
            )
            # One NaN or infinity anywhere makes the sum no number; a sum costs 1/5 of isfinite.
            total = pictures.sum()
            pixels: NDArray[Any] = cut(pictures.clamp(0, 1)).permute(0, 2, 3, 1).cpu().numpy()
            if not bool(total.isfinite()):
                raise DecodeError(f"{self._spec.name}: z gives a picture that is not finite")
        return pixels

    def _to_device(self, rows: F32) -> Tensor:
        # A copy, because torch refuses read-only arrays and z is often a view of a memory map.
        return torch.from_numpy(np.array(rows, np.float32)).to(self._device)


def _levels(pictures: Tensor) -> Tensor:
    return pictures.mul_(255).add_(0.5).to(torch.uint8)
