"""Pictures on their way from a graphics card to the host, while the card goes on.

Two buffers in pinned memory: what is sent is copied behind whatever the card does at that moment,
and the next picture is begun before this one has arrived. On a processor the same is a plain copy.
Copies on a card have been written from CUDA's documentation and are not measured yet.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

_BUFFERS = 2


class HostCopies:
    """A queue of tensors of one shape and dtype that are copied to the host in turn."""

    def __init__(self, like: Tensor) -> None:
        pinned = like.device.type == "cuda"
        self._free = [
            torch.empty(like.shape, dtype=like.dtype, pin_memory=pinned) for _ in range(_BUFFERS)
        ]
        self._sent: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()

    @property
    def full(self) -> bool:
        """Whether the oldest must be received before another is sent."""
        return not self._free

    def __len__(self) -> int:
        """How many are on their way."""
        return len(self._sent)

    def send(self, tensor: Tensor) -> None:
        """Begin to copy `tensor`; it may be written anew by what the card does after this."""
        host, event = self._free.pop(), None
        host.copy_(tensor, non_blocking=True)
        if tensor.device.type == "cuda":
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(torch.cuda.current_stream(tensor.device))
        self._sent.append((host, event))

    def receive(self) -> NDArray[Any]:
        """Wait for the oldest; good until the next but one is sent."""
        host, event = self._sent.popleft()
        if event is not None:
            event.synchronize()
        self._free.insert(0, host)
        return host.numpy()
