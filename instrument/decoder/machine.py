"""What the pictures of a network depend on beside its weights: the device, and how torch uses it.

Imported late, as torch is.
"""

from __future__ import annotations

import torch

from instrument.decoder.network import choose_device, rows_at_once


def device_in_words(wish: str = "auto") -> str:
    """The device that is used: a graphics card by its name, a processor by what torch makes of it.

    Two processors of equal words make equal pictures; others may differ by a level here and there.
    """
    device = choose_device(wish, torch.get_num_threads())
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device.type == "cpu":
        return f"cpu {torch.backends.cpu.get_cpu_capability()}"
    return device.type


def usual_batch(size: tuple[int, int], wish: str = "auto") -> int:
    """How many pictures of `size` (height, width) are best decoded together."""
    return rows_at_once(choose_device(wish, torch.get_num_threads()), size)
