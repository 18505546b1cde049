"""The judge: a classifier with a class for junk, of another architecture and seed than any critic.

It sees 64×64 pictures, whatever their size was: what is in them, not how fine they are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from painter import FAMILIES, paint

JUNK = len(FAMILIES)
SEED = 77_001
SIZE = 64
FEATURES = 64
SHAPELESS = 0  # nebulae: warped or blurred they are nebulae still


class Judge(nn.Module):
    """Strided convolutions with group normalisation, then the mean over the picture."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, stride in (
            (3, 24, 2),
            (24, 48, 2),
            (48, 48, 1),
            (48, 96, 2),
            (96, 96, 1),
            (96, 128, 2),
        ):
            conv = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            layers += [conv, nn.GroupNorm(8, after), nn.GELU()]
        self.body = nn.Sequential(*layers)
        self.to_features = nn.Linear(2 * 128, FEATURES)
        self.to_classes = nn.Linear(FEATURES, len(FAMILIES) + 1)

    def features(self, pictures: Tensor) -> Tensor:
        """[n, 3, 64, 64] in [-1, 1] → [n, 64]."""
        x = self.body(pictures)
        pooled = torch.cat((x.mean(dim=(2, 3)), x.amax(dim=(2, 3))), dim=1)
        return F.gelu(self.to_features(pooled))

    def forward(self, pictures: Tensor) -> Tensor:
        """[n, 3, 64, 64] in [-1, 1] → scores [n, families + 1], junk last."""
        return self.to_classes(self.features(pictures))


def reduced(pictures: Tensor, size: int = SIZE) -> Tensor:
    """U8[n, s, s, 3] → [n, 3, size, size] in [-1, 1], by averaging."""
    floats = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
    return F.avg_pool2d(floats, pictures.shape[1] // size)


def spoil(pictures: Tensor, family: Tensor, generator: torch.Generator) -> Tensor:
    """Junk from good pictures [n, 3, 64, 64]: shuffled, blended, halved, warped, blurred, noisy."""
    n = len(pictures)
    kind = torch.randint(6, (n,), generator=generator)
    # half a nebula, blurred, warped, is a nebula: those are shuffled or blended or noisy
    kind = torch.where((family == SHAPELESS) & (kind >= 2) & (kind <= 4), 0, kind)
    other = pictures.roll(1, 0)
    same = family == family.roll(1, 0)
    kind = torch.where(same & ((kind == 1) | (kind == 2)), 0, kind)
    out = pictures.clone()
    for index in range(n):
        picture, spoilt = pictures[index], other[index]
        out[index] = SPOILERS[int(kind[index])](picture, spoilt, generator)
    return out


def _shuffled(a: Tensor, b: Tensor, generator: torch.Generator) -> Tensor:
    """Sixteen blocks in another order."""
    blocks = a.unfold(1, 16, 16).unfold(2, 16, 16).reshape(3, 16, 16, 16)
    blocks = blocks[:, torch.randperm(16, generator=generator)].view(3, 4, 4, 16, 16)
    return blocks.permute(0, 1, 3, 2, 4).reshape(3, 64, 64)


def _blended(a: Tensor, b: Tensor, generator: torch.Generator) -> Tensor:
    """Two pictures through each other."""
    return torch.lerp(a, b, 0.35 + 0.3 * float(torch.rand((), generator=generator)))


def _halved(a: Tensor, b: Tensor, generator: torch.Generator) -> Tensor:
    """One picture beside or above another."""
    cut = int(torch.randint(20, 45, (), generator=generator))
    if torch.rand((), generator=generator) < 0.5:
        return torch.cat((a[:, :cut], b[:, cut:]), dim=1)
    return torch.cat((a[:, :, :cut], b[:, :, cut:]), dim=2)


def _warped(a: Tensor, b: Tensor, generator: torch.Generator) -> Tensor:
    """Bent out of shape."""
    field = torch.randn(1, 2, 6, 6, generator=generator) * 0.35
    bend = F.interpolate(field, (64, 64), mode="bicubic").permute(0, 2, 3, 1)
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 3, 64, 64], align_corners=False)
    return F.grid_sample(a[None], still + bend, padding_mode="reflection", align_corners=False)[0]


def _blurred(a: Tensor, b: Tensor, generator: torch.Generator) -> Tensor:
    """Only 8 × 8 pixels left."""
    return F.interpolate(F.avg_pool2d(a[None], 8), (64, 64), mode="bilinear")[0]


def _noisy(a: Tensor, b: Tensor, generator: torch.Generator) -> Tensor:
    """More noise than picture."""
    strength = 0.35 + 0.4 * float(torch.rand((), generator=generator))
    return (a + strength * torch.randn(a.shape, generator=generator)).clamp(-1, 1)


Spoiler = Callable[[Tensor, Tensor, torch.Generator], Tensor]
SPOILERS: tuple[Spoiler, ...] = (_shuffled, _blended, _halved, _warped, _blurred, _noisy)


def lesson(count: int, seed: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures [n, 3, 64, 64] and their classes, families alike and a quarter junk."""
    each = count // len(FAMILIES)
    painted = [reduced(paint(f, each, SIZE, seed)) for f in range(len(FAMILIES))]
    family = torch.arange(len(FAMILIES)).repeat_interleave(each)
    order = torch.randperm(len(family), generator=generator)
    pictures, family = torch.cat(painted)[order], family[order]
    bad = len(family) // 4
    pictures[:bad] = spoil(pictures[:bad], family[:bad], generator)
    classes = torch.where(torch.arange(len(family)) < bad, JUNK, family)
    order = torch.randperm(len(family), generator=generator)
    return pictures[order], classes[order]


def train_judge(lessons: int, told: Callable[[str], None]) -> Judge:
    """A judge taught by `lessons` × 1152 fresh pictures, each seen twice."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    judge = Judge()
    optimiser = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, lessons * 36)
    for number in range(lessons):
        pictures, classes = lesson(1152, SEED + number, generator)
        for _ in range(2):
            for part in torch.randperm(len(pictures), generator=generator).chunk(18):
                mirrored = pictures[part].flip(3) if number % 2 else pictures[part]
                loss = F.cross_entropy(judge(mirrored), classes[part], label_smoothing=0.02)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
        told(f"judge: lesson {number + 1} of {lessons}, loss {loss.item():.3f}")
    return judge


@torch.no_grad()
def credentials(judge: Judge, count: int = 4500) -> dict[str, float]:
    """How good the judge is on pictures it never saw."""
    generator = torch.Generator().manual_seed(SEED - 1)
    pictures, classes = lesson(count, SEED - 1000, generator)
    scores = torch.cat([judge(part) for part in pictures.split(256)])
    right = scores.argmax(dim=1) == classes
    sure = verdict(scores)[1]
    junk = classes == JUNK
    return {
        "accuracy": right.float().mean().item(),
        "accuracy_families": right[~junk].float().mean().item(),
        "junk_recognised": sure[junk].float().mean().item(),
    }


def verdict(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The most likely family (junk aside) and whether it is recognised: probability ≥ 0.8."""
    probability = scores.softmax(dim=1)[:, :JUNK]
    best = probability.max(dim=1)
    return best.indices, best.values >= 0.8


def kept_judge(folder: Path, lessons: int, told: Callable[[str], None]) -> Judge:
    """The judge kept in `folder`, trained first if there is none."""
    path = folder / f"judge-{lessons}.safetensors"
    if path.exists():
        judge = Judge()
        judge.load_state_dict(load_file(path))
    else:
        judge = train_judge(lessons, told)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(judge.state_dict(), path)
    return judge.eval()
