"""How smoothly the picture moves when z does."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from instrument.latent import geometry, spring

RATE, SECONDS, KEYS = 30, 10, 4  # frames per second, seconds, z passed on the way
JUMPS = 8  # of the spring's target

Decode = Callable[[Tensor], Tensor]  # z [n, d] → U8[n, s, s, 3]


def _keys(dims: int, seed: int, count: int = KEYS) -> np.ndarray:
    chance = np.random.default_rng(seed)
    keys = chance.standard_normal((count, dims))
    return keys * (math.sqrt(dims) / np.linalg.norm(keys, axis=1, keepdims=True))


def slerp_path(dims: int, seed: int) -> Tensor:
    """z [frames, dims] through the keys on great circles, even in angle."""
    keys, frames = _keys(dims, seed), RATE * SECONDS
    rows = []
    for frame in range(frames):
        place = frame / frames * (KEYS - 1)
        index = int(place)
        rows.append(geometry.slerp(keys[index], keys[index + 1], place - index))
    return torch.from_numpy(np.stack(rows)).float()


def spring_path(dims: int, seed: int) -> Tensor:
    """z [frames, dims] of a spring whose target jumps on before it comes to rest."""
    keys, frames = _keys(dims, seed, JUMPS + 1), RATE * SECONDS
    law = spring.Spring(0.5, 0.7)
    state = spring.SpringState(keys[0], np.zeros(dims))
    rows = []
    for frame in range(frames):
        rows.append(geometry.project(state.position, math.sqrt(dims)))
        target = keys[1 + frame * JUMPS // frames]
        state = spring.step(state, target, law, 1 / RATE)
    return torch.from_numpy(np.stack(rows)).float()


def smoothness(decode: Decode, path: Tensor) -> dict[str, float]:
    """Steps from picture to picture (root mean square, levels) along a path of z.

    `pace` divides each step by the angle z moved: what is uneven in the space, not in the path.
    """
    pictures = torch.cat([decode(part) for part in path.split(16)]).float()
    steps = (pictures[1:] - pictures[:-1]).square().mean(dim=(1, 2, 3)).sqrt()
    unit = path / path.norm(dim=1, keepdim=True)
    moved = (unit[1:] - unit[:-1]).norm(dim=1)
    pace = (steps / moved)[moved > moved.max() * 0.02]
    return {
        "median_step": steps.median().item(),
        "largest_over_median": (steps.max() / steps.median()).item(),
        "variation_of_pace": (pace.std() / pace.mean()).item(),
    }
