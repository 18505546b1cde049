"""Keeping the space even: between families, and within them.

Near a border the generator paints from a blend of what z is in each of the two families. No
critic ever sees those pictures: it would reward a jump, since what lies between looks like
neither. Instead the way from one picture to the other is asked to be short and even.

Within a family a critic may reward jumps from one kind to another, too: there, no small move of
z may change the picture much more than small moves usually do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instrument.decoder.skip_generator import SkipGenerator
from training import precision
from training.world import on_shell

EVERY = 4  # steps from one look to the next
STEP = 0.05  # of the way, between the two pictures compared
CLIFF = 4.0  # times the straight pace: from there on not its square counts, but itself
MOVE = 0.05  # radians
ALLOWED = 2.0  # times what a move usually changes
WEIGHT = 0.5
SIZE = 64  # pixels at which pictures are compared


def unevenness(generator: SkipGenerator, ways: int, chance: torch.Generator | None) -> Tensor:
    """What is uneven on `ways` ways between families and small moves within, 0 for nothing."""
    return WEIGHT * (_between(generator, ways, chance) + _within(generator, ways, chance))


def _between(generator: SkipGenerator, ways: int, chance: torch.Generator | None) -> Tensor:
    """How much longer or less even than a straight line the ways between families are.

    The mean squared pace, in units of the straight line's, is 1 for a straight and even way and
    more for every other.
    """
    spec, device = generator.spec, generator.family_bias.device
    z = on_shell(ways, spec.latent, chance, device)
    here = torch.randint(spec.families, (ways,), generator=chance, device=device)
    further = torch.randint(1, spec.families, (ways,), generator=chance, device=device)
    there = (here + further) % spec.families
    place = (1.0 - STEP) * torch.rand(ways, 1, generator=chance, device=device)
    with precision.reduced(device):
        start, end = generator.map_as(z, here), generator.map_as(z, there)
        way = end - start
        before, after = start + place * way, start + (place + STEP) * way
        near, far = generator.paint(torch.cat((before, after)), SIZE).float().chunk(2)
        # After what must be learnt from: autocast keeps the weights it has once cast, and those
        # it casts here lead nowhere.
        with torch.no_grad():
            first, last = generator.paint(torch.cat((start, end)), SIZE).float().chunk(2)
    pace = _apart(near, far) / (STEP * _apart(first, last) + 0.01)
    energy = torch.where(pace < CLIFF, pace.square(), CLIFF * (2.0 * pace - CLIFF))
    return (energy.mean() - 1.0).clamp_min(0.0)


def _within(generator: SkipGenerator, ways: int, chance: torch.Generator | None) -> Tensor:
    """By how much small moves within a family exceed what they may change."""
    dims, device = generator.spec.latent, generator.family_bias.device
    z = on_shell(ways, dims, chance, device)
    moved = z + MOVE * on_shell(ways, dims, chance, device)
    family = generator.family(z).repeat(2)
    with precision.reduced(device):
        w = generator.map_as(torch.cat((z, moved)), family)
        near, far = generator.paint(w, SIZE).float().chunk(2)
    change = _apart(near, far)
    usual = change.detach().sort().values[(ways - 1) // 2]
    return (change / usual - ALLOWED).clamp_min(0.0).mean()


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """Root mean square difference of pictures [n, 3, s, s] → [n]."""
    return ((a - b).square().mean(dim=(1, 2, 3)) + 1e-8).sqrt()
