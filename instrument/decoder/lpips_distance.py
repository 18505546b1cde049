"""LPIPS (Zhang et al. 2018) as a length, where somebody has installed it.

Nothing is ever downloaded: the package ``lpips`` and the weights of the network it looks through
must lie on this machine. LPIPS grows with the square of a small change, so its root is what adds
up along a path.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.decoder.network import choose_device
from instrument.frame import U8

_WEIGHTS = "alexnet-owt-7be5be79.pth"  # as torchvision calls them
_SMALLEST = 32  # pixels a side: smaller ones have nothing left after the network's strides
_BATCH = 8


class LpipsRuler:
    """The roots of LPIPS between neighbouring pictures."""

    name = "lpips"

    def __init__(self, judge: Callable[..., Any], device: torch.device) -> None:
        self._judge, self._device = judge, device

    def between(self, pictures: U8) -> NDArray[np.float64]:
        """``F64[n - 1]`` of ``U8[n, h, w, 3]``. Raises InstrumentError on pictures too small."""
        if min(pictures.shape[1:3]) < _SMALLEST:
            height, width = pictures.shape[1:3]
            raise InstrumentError(
                f"distance lpips: pictures of {width}x{height}, must be {_SMALLEST} a side or more"
            )
        found = np.zeros(max(0, len(pictures) - 1))
        for start in range(0, len(found), _BATCH):
            stop = min(start + _BATCH, len(found))
            seen = self._as_tensor(pictures[start : stop + 1])
            with torch.inference_mode():
                squared = self._judge(seen[:-1], seen[1:]).reshape(-1)
            found[start:stop] = squared.clamp_min(0.0).sqrt().cpu().numpy()
        return found

    def _as_tensor(self, pictures: U8) -> torch.Tensor:
        """Pictures as LPIPS wants them: ``[n, 3, h, w]`` in -1..1."""
        values = torch.from_numpy(np.ascontiguousarray(pictures)).to(self._device)
        return values.permute(0, 3, 1, 2).float() / 127.5 - 1.0


def open_lpips(device: str = "auto") -> LpipsRuler:
    """The ruler. Raises InstrumentError in one line where package or weights are not here."""
    try:
        package = importlib.import_module("lpips")
    except ImportError as error:
        raise InstrumentError(
            "distance lpips: the package lpips is not installed (pip install lpips); "
            "--distance own needs nothing"
        ) from error
    weights = Path(torch.hub.get_dir()) / "checkpoints" / _WEIGHTS
    if not weights.is_file():
        raise InstrumentError(
            f"distance lpips: the weights {_WEIGHTS} are not in {weights.parent}, and are not "
            "downloaded unasked; --distance own needs nothing"
        )
    chosen = choose_device(device, 1)
    judge = package.LPIPS(net="alex", verbose=False).to(chosen).eval()
    return LpipsRuler(judge, chosen)
