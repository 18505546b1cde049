"""How smoothly the picture moves when z does."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from instrument.latent import geometry, spring

RATE, SECONDS = 30, 10  # frames per second, seconds
SEEDS = range(21, 29)
# From rest to rest a spring is slow twice; going on to the next target as soon as a quarter of the
# way is left, it keeps its pace, and what is uneven then is the space's doing.
LAW, NEAR = spring.Spring(0.25, 0.7), 0.25

Decode = Callable[[Tensor], Tensor]  # z [n, d] → U8[n, s, s, 3]


def _place(dims: int, chance: np.random.Generator) -> np.ndarray:
    place = chance.standard_normal(dims)
    return np.asarray(place * (math.sqrt(dims) / np.linalg.norm(place)))


def slerp_path(dims: int, seed: int) -> Tensor:
    """z [frames, dims] from one random place to another on a great circle."""
    chance = np.random.default_rng(seed)
    start, end = _place(dims, chance), _place(dims, chance)
    shares = np.linspace(0.0, 1.0, RATE * SECONDS)
    return torch.from_numpy(geometry.slerp(start, end, shares)).float()


def spring_path(dims: int, seed: int) -> Tensor:
    """z [frames, dims] of a spring that flies from one random place to the next, never resting."""
    chance = np.random.default_rng(seed)
    state = spring.SpringState(_place(dims, chance), np.zeros(dims))
    target, rows = _place(dims, chance), []
    for frame in range(RATE * (SECONDS + 2)):
        if np.linalg.norm(target - state.position) < NEAR * math.sqrt(2 * dims):
            target = _place(dims, chance)
        state = spring.step(state, target, LAW, 1 / RATE)
        if frame >= 2 * RATE:  # the first two seconds are the start from rest
            rows.append(geometry.project(state.position, math.sqrt(dims)))
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


def over_seeds(decode: Decode, path: Callable[[int, int], Tensor], dims: int) -> dict[str, object]:
    """`smoothness` of the same kind of path between other places, the worst and the middle one."""
    found = [smoothness(decode, path(dims, seed)) for seed in SEEDS]
    largest = sorted(one["largest_over_median"] for one in found)
    return {
        "paths": len(found),
        "largest_over_median": {"worst": largest[-1], "middle": largest[len(largest) // 2]},
        "variation_of_pace": float(np.mean([one["variation_of_pace"] for one in found])),
    }
