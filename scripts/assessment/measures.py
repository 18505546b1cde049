"""Samples against painted pictures: recognised, shared out, sharp, diverse, and how far off."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from assessment.judge import Judge, reduced, verdict
from painter import FAMILIES

SMALL = 16  # pixels at which pictures are compared with each other


@dataclass(frozen=True)
class Pictures:
    """Pictures U8[n, s, s, 3], the family each should be of, and what the judge makes of them."""

    pixels: Tensor
    family: Tensor
    scores: Tensor  # [n, families + 1]
    features: Tensor  # [n, 64]


@torch.no_grad()
def judged(judge: Judge, pixels: Tensor, family: Tensor) -> Pictures:
    """Ask the judge."""
    parts = [judge.features(reduced(part)) for part in pixels.split(128)]
    features = torch.cat(parts)
    return Pictures(pixels, family, judge.to_classes(features), features)


def recognised(pictures: Pictures) -> dict[str, object]:
    """Share recognised at all; per family its share of the pictures and how much is recognised."""
    said, sure = verdict(pictures.scores)
    families = {}
    for index, family in enumerate(FAMILIES):
        meant = pictures.family == index
        families[family.name] = {
            "share": _mean(meant),
            "recognised_share": _mean(sure & (said == index)),
            "recognised": _mean((sure & (said == index))[meant]),
        }
    agreed = sure & (said == pictures.family)
    return {"share": _mean(sure), "as_meant": _mean(agreed), "families": families}


def detail(pixels: Tensor) -> Tensor:
    """Energy of luminance above .25 cycles per pixel, [n]."""
    weights = torch.tensor([0.299, 0.587, 0.114])
    luminance = (pixels.float() / 255 * weights).sum(dim=-1)
    spectrum = torch.fft.rfft2(luminance, norm="ortho").abs().square()
    size = pixels.shape[1]
    frequency = torch.hypot(torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None])
    return (spectrum * (frequency > 0.25)).sum(dim=(1, 2))


def sharpness(made: Pictures, painted: Pictures) -> dict[str, float]:
    """Detail of samples relative to painted pictures, family by family."""
    fine, true = detail(made.pixels), detail(painted.pixels)
    return {
        family.name: _mean(fine[made.family == f]) / _mean(true[painted.family == f])
        for f, family in enumerate(FAMILIES)
    }


def diversity(made: Pictures, painted: Pictures) -> dict[str, float]:
    """Mean distance between two samples of a family, relative to two painted pictures."""
    a, b = _small(made.pixels), _small(painted.pixels)
    return {
        family.name: _spread(a[made.family == f]) / _spread(b[painted.family == f])
        for f, family in enumerate(FAMILIES)
    }


def nearest(made: Pictures, painted: Pictures) -> dict[str, float]:
    """Distance of samples to the nearest painted picture, and of painted ones to each other.

    Copies would be far below the second; root mean square of 16×16 pictures in [-1, 1].
    """
    a, b = _small(made.pixels), _small(painted.pixels)
    scale = a.shape[1] ** -0.5
    to_painted = torch.cdist(a, b).min(dim=1).values * scale
    among = torch.cdist(b, b).fill_diagonal_(torch.inf).min(dim=1).values * scale
    return {
        "median": to_painted.median().item(),
        "smallest": to_painted.min().item(),
        "first_percent": to_painted.quantile(0.01).item(),
        "painted_median": among.median().item(),
        "painted_first_percent": among.quantile(0.01).item(),
    }


def frechet(a: Tensor, b: Tensor) -> float:
    """Fréchet distance between two clouds of features [n, d]."""
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()
    apart = (a.mean(0) - b.mean(0)).square().sum()
    return float(apart + cov_a.trace() + cov_b.trace() - 2 * cross)


def rank_correlation(values: list[float]) -> float:
    """Spearman's: -1 where `values` only ever fall, 1 where they only rise."""
    n = len(values)
    ranks = torch.tensor(values).argsort().argsort().double()
    apart = (ranks - torch.arange(n)).square().sum().item()
    return 1.0 - 6.0 * apart / (n * (n * n - 1)) if n > 1 else float("nan")


def _mean(values: Tensor) -> float:
    return values.float().mean().item() if len(values) else float("nan")


def _small(pixels: Tensor) -> Tensor:
    """[n, 16·16·3] in [-1, 1]."""
    return F.avg_pool2d(reduced(pixels), 64 // SMALL).flatten(1)


def _spread(vectors: Tensor) -> float:
    """Mean distance between two different ones."""
    n = len(vectors)
    return float(torch.cdist(vectors, vectors).sum() / (n * (n - 1))) if n > 1 else float("nan")
