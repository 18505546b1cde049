"""Keeping the way between families even.

Near a border the generator paints from a blend of what z is in each of the two families. No
critic ever sees those pictures: it would reward a jump, since what lies between looks like
neither. Instead the picture is asked to change evenly on the way from one to the other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instrument.decoder.skip_generator import SkipGenerator
from training.world import on_shell

EVERY = 4  # steps from one look to the next
WAYS = 8  # ways looked at each time
STEP = 0.05  # of the way, between the two pictures compared
ALLOWED = 1.6  # times the even pace
WEIGHT = 0.1  # on the excess itself: its square would let one cliff outweigh everything else
SIZE = 64  # pixels at which pictures are compared


def unevenness(generator: SkipGenerator, chance: torch.Generator) -> Tensor:
    """How much faster than evenly pictures change somewhere between two families, 0 if nowhere."""
    spec = generator.spec
    z = on_shell(WAYS, spec.latent, chance)
    here = torch.randint(spec.families, (WAYS,), generator=chance)
    there = (here + torch.randint(1, spec.families, (WAYS,), generator=chance)) % spec.families
    place = (1.0 - STEP) * torch.rand(WAYS, 1, generator=chance)
    with torch.autocast("cpu", torch.bfloat16):
        start, end = generator.map_as(z, here), generator.map_as(z, there)
        way = end - start
        before, after = start + place * way, start + (place + STEP) * way
        with torch.no_grad():
            first, last = generator.paint(torch.cat((start, end)), SIZE).float().chunk(2)
        near, far = generator.paint(torch.cat((before, after)), SIZE).float().chunk(2)
    pace = _apart(near, far) / (STEP * _apart(first, last) + 0.01)
    return WEIGHT * (pace - ALLOWED).clamp_min(0.0).mean()


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """Root mean square difference of pictures [n, 3, s, s] → [n]."""
    return ((a - b).square().mean(dim=(1, 2, 3)) + 1e-8).sqrt()
