"""What all torch decoders share: device, shape checks, batching, and floats to pixels.

A network is a torch module ``network(z, parameters)`` with z ``[n, *latent.shape]`` and
parameters ``{address: [n]}`` giving pictures ``[n, 3, h, w]``, sRGB values around [0, 1]; it may
add a fourth band of ones, so that a picture's pixels are whole words.
This module knows no architecture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from instrument import InstrumentError
from instrument.decoder.exchange import write_bands
from instrument.decoder.inputs import checked_inputs
from instrument.decoder.pinned import HostCopies
from instrument.decoder.protocol import DecodeError, DecoderSpec, OnCard
from instrument.frame import U8
from instrument.latent.space import F32

Cut = Callable[[Tensor], Tensor]  # pictures in 0..1 → what is handed out; may work in place

_GPU_BATCH = 8
_GPU_PIXELS = 1 << 21  # of one batch: two pictures of 1024 pixels, so that their maps fit


def choose_device(wish: str, threads: int) -> torch.device:
    """The torch device for `wish`, with `threads` CPU threads for this process (0: one, for now).

    Raises InstrumentError naming the devices there are.
    """
    torch.set_num_threads(max(1, threads))
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
        self._rgba: Tensor | None = None  # the last picture that stayed where it was made

    @property
    def spec(self) -> DecoderSpec:
        """What this decoder is."""
        return self._spec

    @property
    def network(self) -> nn.Module:
        """The network that is played."""
        return self._network

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        """See `Decoder.decode`. Raises ValueError on shapes, DecodeError on NaN and infinity."""
        return self._decode(z, parameters, np.uint8, _levels)

    def decode_fine(self, z: F32, parameters: Mapping[str, F32]) -> F32:
        """See `FineDecoder.decode_fine`: the same pictures, before they become levels."""
        return self._decode(z, parameters, np.float32, Tensor.float)

    def decode_into(self, pixels: U8, z: F32, parameters: Mapping[str, F32]) -> None:
        """One picture as `decode` gives it, straight into ``U8[h, w, 4]``, opaque.

        z is one row, ``F32[1, *latent.shape]``. Where it raises, `pixels` keep what they had.
        """
        if self._device.type != "cpu":  # all four bands go to the host in one piece
            torch.from_numpy(pixels).copy_(self._made(z, parameters))
            return
        z, values = self._checked(z, parameters)
        with torch.inference_mode():
            pictures, total = self._painted(z, values)
            levels = _rows_of_levels(pictures)
            self._must_be_finite(total)
            if levels.shape[-1] == 4:  # the cut to levels is the copy: no array between
                torch.from_numpy(pixels).copy_(levels)
            else:
                write_bands(pixels, levels.to(torch.uint8).numpy())

    @property
    def card(self) -> int | None:
        """See `CardDecoder.card`."""
        return self._device.index if self._device.type == "cuda" else None

    def decode_on_card(self, z: F32, parameters: Mapping[str, F32]) -> OnCard:
        """See `CardDecoder.decode_on_card`: the same picture as `decode_into` gives."""
        self._rgba = self._made(z, parameters)
        on_card = self._device.type == "cuda"
        stream = torch.cuda.current_stream(self._device).cuda_stream if on_card else 0
        return OnCard(self._rgba.data_ptr(), stream)

    def _made(self, z: F32, parameters: Mapping[str, F32]) -> Tensor:
        """One picture ``U8[h, w, 4]`` where it was made."""
        z, values = self._checked(z, parameters)
        with torch.inference_mode():
            pictures, total = self._painted(z, values)
            rgba = torch.full((*self._spec.size, 4), 255, dtype=torch.uint8, device=self._device)
            cut_into(rgba, pictures)
            self._must_be_finite(total)
        return rgba

    def _checked(self, z: F32, parameters: Mapping[str, F32]) -> tuple[F32, Mapping[str, F32]]:
        z, values = checked_inputs(self._spec, z, parameters)
        if not np.isfinite(z).all():  # a clamp or a tanh could make a picture of it
            raise DecodeError(f"{self._spec.name}: z is not finite")
        return z, values

    def _decode(self, z: F32, parameters: Mapping[str, F32], dtype: type, cut: Cut) -> NDArray[Any]:
        """Pictures ``[n, h, w, 3]`` of `dtype`, a few rows at a time."""
        z, values = self._checked(z, parameters)
        pixels: NDArray[Any] = np.empty((len(z), *self._spec.size, 3), dtype)
        if self._device.type == "cuda":
            self._decode_ahead(z, values, cut, pixels)
            return pixels
        for start in range(0, len(z), self._batch):
            rows = slice(start, start + self._batch)
            pixels[rows] = self._decode_rows(
                z[rows], {address: value[rows] for address, value in values.items()}, cut
            )
        return pixels

    def _decode_rows(self, z: F32, values: Mapping[str, F32], cut: Cut) -> NDArray[Any]:
        with torch.inference_mode():
            pictures, total = self._painted(z, values)
            shown = cut(pictures.clamp(0, 1)).permute(0, 2, 3, 1)[..., :3]
            pixels: NDArray[Any] = shown.cpu().numpy()
            self._must_be_finite(total)
        return pixels

    def _decode_ahead(
        self, z: F32, values: Mapping[str, F32], cut: Cut, pixels: NDArray[Any]
    ) -> None:
        """Fill `pixels`, each batch begun before the one before it has arrived here."""
        copies: dict[int, HostCopies] = {}  # by the number of rows: the last may be smaller
        due: deque[tuple[slice, HostCopies, Tensor]] = deque()
        with torch.inference_mode():
            for start in range(0, len(z), self._batch):
                rows = slice(start, min(start + self._batch, len(z)))
                here = {address: value[rows] for address, value in values.items()}
                pictures, total = self._painted(z[rows], here)
                shown = cut(pictures.clamp(0, 1)).permute(0, 2, 3, 1)[..., :3]
                if len(shown) not in copies:
                    copies[len(shown)] = HostCopies(shown)
                copies[len(shown)].send(shown)
                due.append((rows, copies[len(shown)], total))
                if len(due) > 1:
                    self._arrived(due.popleft(), pixels)
            while due:
                self._arrived(due.popleft(), pixels)

    def _arrived(self, one: tuple[slice, HostCopies, Tensor], pixels: NDArray[Any]) -> None:
        rows, copies, total = one
        pixels[rows] = copies.receive()
        self._must_be_finite(total)

    def _painted(self, z: F32, values: Mapping[str, F32]) -> tuple[Tensor, Tensor]:
        """Pictures, and their sum: one NaN or infinity anywhere makes that no number.

        A sum costs a fifth of isfinite.
        """
        pictures: Tensor = self._network(
            self._to_device(z), {key: self._to_device(row) for key, row in values.items()}
        )
        return pictures, pictures.sum()

    def _must_be_finite(self, total: Tensor) -> None:
        if not bool(total.isfinite()):
            raise DecodeError(f"{self._spec.name}: z gives a picture that is not finite")

    def _to_device(self, rows: F32) -> Tensor:
        # A copy, because torch refuses read-only arrays and z is often a view of a memory map.
        return torch.from_numpy(np.array(rows, np.float32)).to(self._device)


def cut_into(rgba: Tensor, pictures: Tensor) -> None:
    """Fill the three colours of ``U8[h, w, 4]`` with the first of `pictures`, cut to levels."""
    rgba[..., :3].copy_(_rows_of_levels(pictures)[..., :3])


def _rows_of_levels(pictures: Tensor) -> Tensor:
    """The first of `pictures` as ``[h, w, bands]``: what is left is to drop what is below 1."""
    return pictures.clamp(0, 1).mul_(255).add_(0.5)[0].permute(1, 2, 0)


def _levels(pictures: Tensor) -> Tensor:
    return pictures.mul_(255).add_(0.5).to(torch.uint8)
