"""Keeping the space smooth: no border between families may be a cliff.

A critic likes a generator that jumps from one family to the next, since what lies between looks
like neither. Whoever flies through the space sees a cut. So pictures on both sides of a
border may differ only as much as the way between them allows, measured by how fast pictures
usually change.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instrument.decoder.skip_generator import SkipGenerator
from training.world import on_shell

EVERY = 4  # steps from one look to the next
PAIRS = 4  # pairs across borders, and as many elsewhere, at each look
ORDINARY = 0.05  # radians between the two of an ordinary pair
ALLOWED = 2.5  # times the usual rate of change
# on a great circle in 512 dimensions the lead of one family over another changes by 1.4 a radian
CROSSING = 1.41
WEIGHT = 0.5  # 4, from 35k images on: cliffs a quarter as high, but a third less recognised
SIZE = 64  # pixels at which pictures are compared


def border_pairs(generator: SkipGenerator, z: Tensor, lead: Tensor) -> tuple[Tensor, Tensor]:
    """Each z [n, latent] moved to both sides of its nearest border, `lead` [n] apart."""
    spec = generator.spec
    scores = z[:, : spec.families] + generator.family_bias
    best, which = scores.topk(2, dim=1)
    middle = best.mean(dim=1, keepdim=True)
    half = torch.stack((lead, -lead), dim=1) / 2
    bias = generator.family_bias[which]
    here = z.scatter(1, which, middle + half - bias)
    there = z.scatter(1, which, middle - half - bias)
    return here, there


def cliffs(generator: SkipGenerator, usual: float, chance: torch.Generator) -> tuple[Tensor, float]:
    """How much too different pictures across borders are (0 if none), and the usual rate now.

    `usual` is the root mean square change of a picture per radian; 0 where it is not yet known.
    """
    z = on_shell(2 * PAIRS, generator.spec.latent, chance)
    aside = on_shell(PAIRS, generator.spec.latent, chance)
    moved = z[PAIRS:] + ORDINARY * aside
    lead = 0.03 * (0.5 / 0.03) ** torch.rand(PAIRS, generator=chance)
    here, there = border_pairs(generator, z[:PAIRS], lead)
    with torch.autocast("cpu", torch.bfloat16):
        made = generator(torch.cat((here, z[PAIRS:], there, moved)), SIZE).float()
    a, b = made.chunk(2)
    apart = ((a - b).square().mean(dim=(1, 2, 3)) + 1e-8).sqrt()
    rate = apart[PAIRS:].detach().median().item() / ORDINARY
    usual = rate if usual == 0 else 0.99 * usual + 0.01 * rate
    way = torch.cat((lead / CROSSING, torch.full((PAIRS,), ORDINARY)))
    excess = (apart / (ALLOWED * usual * way + 0.01) - 1).clamp_min(0)
    return WEIGHT * excess.square().mean(), usual
