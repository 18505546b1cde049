"""The forms a network can be computed in: a precision, and one of the ways it is written in.

All forms of a network are the same picture to the eye. Which is the fastest no table can tell:
it hangs on the processor, on torch and on the sizes, so `tuned` measures. Knows no architecture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from instrument.decoder.protocol import Precision

# plain: as its module says. rows: maps as rows of pixels, for processors (see `skip_rows`).
# folded: styles scale the weights and not the maps (see `modulated`).
Way = Literal["plain", "rows", "folded"]
_PROCESSORS_ALONE = ("rows",)


@dataclass(frozen=True, slots=True)
class Form:
    """One way to compute a network, convolutions in `dtype`.

    A network in a form that is `compiled` is written for torch's compiler.
    """

    dtype: torch.dtype
    way: Way = "plain"
    compiled: bool = False

    @property
    def name(self) -> str:
        """As it is called in a cache and on screen: ``bfloat16 rows compiled``."""
        words = [str(self.dtype).removeprefix("torch."), self.way, *["compiled"] * self.compiled]
        return " ".join(words)


FULL = Form(torch.float32)  # what films are computed in


def forms(device: torch.device, precision: Precision, ways: Sequence[Way]) -> list[Form]:
    """What to try, the safe one first: films have that alone, on stage the fastest plays.

    The last one is the likeliest to be that.
    """
    if precision == "full":
        return [FULL]
    ways = [way for way in ways if device.type == "cpu" or way not in _PROCESSORS_ALONE]
    return [Form(dtype, way) for way in ways for dtype in dtypes(device)]


def dtypes(device: torch.device) -> list[torch.dtype]:
    """The precisions that can be faster on `device`, the safe one first.

    A CPU without instructions for bfloat16 is slower with it, and one with them not always
    faster. On Apple's GPUs half precision is tried; it has not been measured there yet.
    """
    if device.type == "cuda":
        return [torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16]
    if device.type == "mps":
        return [torch.float32, torch.float16]
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        has = torch.cpu.get_capabilities()
        if has.get("avx512_bf16") or has.get("amx_bf16"):
            return [torch.float32, torch.bfloat16]
    return [torch.float32]
