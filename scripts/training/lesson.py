"""One lesson for both networks, and the same lesson as a recording that a GPU repeats by itself.

A lesson is some thousand small kernels. Started one by one from Python they take longer than they
need; recorded once as a CUDA graph, a whole lesson is one call.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from instrument.decoder.skip_generator import SkipGenerator
from training import losses, precision, smoothness
from training.critic import Critic

REPORTED = ("critic", "gap", "slopes", "generator", "uneven")  # nan: not looked at this time
WAYS = 4  # pictures of a batch to one way looked at for evenness


@dataclass(frozen=True)
class Batch:
    """What a lesson is about: z [n, d], family int64 [n], painted [n, 3, s, s], weight []."""

    z: Tensor
    family: Tensor
    painted: Tensor
    slope_weight: Tensor


@dataclass(frozen=True)
class Pupils:
    """The two networks and their optimisers, on one device."""

    generator: SkipGenerator
    critic: Critic
    generator_optimiser: torch.optim.Optimizer
    critic_optimiser: torch.optim.Optimizer
    chance: torch.Generator | None  # None: the device's own, which a CUDA graph keeps drawing from

    def teach(self, batch: Batch, slopes: bool, evenness: bool) -> Tensor:
        """One step of each network; what was measured on the way, [5] as in `REPORTED`.

        `slopes` and `evenness` say whether to look at these too, this time.
        """
        device, size = batch.z.device, batch.painted.shape[-1]
        with precision.reduced(device):
            w = self.generator.map_as(batch.z, batch.family)
            made = self.generator.paint(w, size).float()
        critic, gap, steep = self._teach_critic(batch, made.detach(), slopes)
        score, uneven = self._teach_generator(batch, made, evenness)
        return torch.stack((critic, gap, steep, score, uneven))

    def _teach_critic(
        self, batch: Batch, made: Tensor, slopes: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Painted above generated, and no steeper than need be."""
        painted, family = batch.painted, batch.family
        with precision.reduced(painted.device):
            real, fake = self.critic(painted, family), self.critic(made, family)
        loss = losses.paired(real, fake)
        loss.backward()
        steep = torch.full_like(loss, torch.nan)
        if slopes:
            steep = losses.slope(self.critic, painted, family)
            steep = steep + losses.slope(self.critic, made, family)
            (batch.slope_weight * steep).backward()
        self.critic_optimiser.step()
        self.critic_optimiser.zero_grad()
        return loss.detach(), (real - fake).mean().detach(), steep.detach()

    def _teach_generator(self, batch: Batch, made: Tensor, evenness: bool) -> tuple[Tensor, Tensor]:
        """Generated above painted, by the critic just taught."""
        painted, family = batch.painted, batch.family
        self.critic.requires_grad_(False)
        with precision.reduced(painted.device):
            with torch.no_grad():
                real = self.critic(painted, family)
            score = losses.paired(self.critic(made, family), real)
        loss, uneven = score, torch.full_like(score, torch.nan)
        if evenness:
            ways = max(2, len(family) // WAYS)
            uneven = smoothness.unevenness(self.generator, ways, self.chance)
            loss = score + uneven
        loss.backward()
        self.critic.requires_grad_(True)
        self.generator_optimiser.step()
        self.generator_optimiser.zero_grad()
        return score.detach(), uneven.detach()


class Recording:
    """`Pupils.teach` for batches of one shape on a CUDA device, recorded at first use.

    Teach some batches without it first: the optimisers and the convolutions' choice of kernels
    must have settled. Record and replay on the current stream's side of the world: all work of
    the training belongs on one stream that is not the default one.
    """

    def __init__(self, pupils: Pupils, like: Batch) -> None:
        self._pupils = pupils
        self._batch = Batch(*(t.clone() for t in _tensors(like)))
        self._lessons: dict[tuple[bool, bool], tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def teach(self, batch: Batch, slopes: bool, evenness: bool) -> Tensor:
        """As `Pupils.teach`."""
        for kept, new in zip(_tensors(self._batch), _tensors(batch), strict=True):
            kept.copy_(new)
        lesson = self._lessons.get((slopes, evenness))
        if lesson is None:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
                report = self._pupils.teach(self._batch, slopes, evenness)
            lesson = self._lessons[slopes, evenness] = graph, report
        lesson[0].replay()
        return lesson[1].clone()


def _tensors(batch: Batch) -> tuple[Tensor, ...]:
    return batch.z, batch.family, batch.painted, batch.slope_weight
