"""Noticing that the two networks run away from each other, and going back to before they did.

One bad step can end a training: the critic explodes, the generator learns to please what is left
of it, and does not come back. It was seen after 30,000 good images, within 60 steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.lesson import REPORTED, Pupils

CRITIC, SLOPES = REPORTED.index("critic"), REPORTED.index("slopes")
LARGEST_LOSS = 3.0  # of the critic, on average; a coin toss has .69, a sound training less
LARGEST_SLOPE = 30.0  # sound ones are below 2
PACE = 0.7  # times the rate, after going back


def runs_away(reports: Tensor) -> bool:
    """Whether what steps reported [steps, 5] is beyond what a sound training shows."""
    means = reports.nanmean(dim=0)
    sound = means[CRITIC] < LARGEST_LOSS and not means[SLOPES] > LARGEST_SLOPE
    return not bool(sound)  # what is no number is not sound


class Refuge:
    """The state of a training at a sound moment, kept in memory.

    It is put back into the very tensors it was taken from: a recorded lesson knows no others.
    """

    def __init__(self, pupils: Pupils, average: torch.nn.Module, images: int) -> None:
        self._tensors = _state(pupils, average)
        self._kept = [tensor.clone() for tensor in self._tensors]
        self.images = images

    @torch.no_grad()
    def restore(self) -> None:
        """Everything as it was."""
        for tensor, kept in zip(self._tensors, self._kept, strict=True):
            tensor.copy_(kept)


def _state(pupils: Pupils, average: torch.nn.Module) -> list[Tensor]:
    """Every tensor that a step changes."""
    tensors = [*pupils.generator.parameters(), *pupils.critic.parameters(), *average.parameters()]
    for optimiser in (pupils.generator_optimiser, pupils.critic_optimiser):
        for known in optimiser.state.values():
            tensors += [value for value in known.values() if isinstance(value, Tensor)]
    return [tensor.detach() for tensor in tensors]
