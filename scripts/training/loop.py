"""The training itself: one step, and what happens between steps."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from instrument.decoder.skip_generator import GeneratorSpec, SkipGenerator
from painter import FAMILIES
from training import losses, sheet, smoothness
from training.critic import Critic
from training.pictures import SLOT, Pictures
from training.state import StateFolder, snapshot_moments
from training.world import family_bias, on_shell, training_shares

LAZY = 8  # steps from one measurement of the slopes to the next
KEPT_BYTES = 800_000_000  # most disk the painted pictures may take


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out. `stages` are (size in pixels, images) in order."""

    stages: tuple[tuple[int, int], ...] = ((64, 400_000), (128, 200_000), (256, 120_000))
    batch: int = 32
    rate: float = 1e-3
    seed: int = 0
    fresh: float = 0.2  # pictures painted per picture shown
    slots: int = 750  # slots of 32 pictures kept at hand, fewer where they get large

    @property
    def total(self) -> int:
        """All images of all stages."""
        return sum(images for _, images in self.stages)

    def size_at(self, images: int) -> int:
        """Pixels of the stage in which image number `images` falls."""
        for size, count in self.stages:
            if images < count:
                return size
            images -= count
        return self.stages[-1][0]

    def rate_at(self, images: int) -> float:
        """Learning rate: falls as 1/sqrt from 100k images, then to a tenth over the last 15 %."""
        left = (self.total - images) / (0.15 * self.total)
        return self.rate * min(1.0, (1e5 / max(images, 1)) ** 0.5) * min(1.0, 0.1 + 0.9 * left)


def average_decay(images: int, batch: int) -> float:
    """Per-step decay of the averaged weights: half-life 3 % of the images so far, 500 to 15,000."""
    return float(0.5 ** (batch / min(max(0.03 * images, 500.0), 15_000.0)))


class Training:
    """Two networks, the averaged generator, the painter's pictures, and where they stand."""

    def __init__(self, recipe: Recipe, spec: GeneratorSpec, folder: StateFolder) -> None:
        self.recipe, self.folder = recipe, folder
        torch.manual_seed(recipe.seed)
        self.shares = training_shares()
        self.generator = SkipGenerator(spec).to(memory_format=torch.channels_last)
        self.generator.family_bias.copy_(family_bias(self.shares))
        self.critic = Critic(len(FAMILIES)).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.optimisers = [
            torch.optim.Adam(net.parameters(), recipe.rate, betas=(0.0, 0.99), fused=True)
            for net in (self.generator, self.critic)
        ]
        self.chance = torch.Generator().manual_seed(recipe.seed + 1)
        self.images, self.seconds = 0, 0.0
        self.pictures: Pictures | None = None
        self._restore(folder.load())

    def start_from(self, weights: dict[str, Tensor], images: int) -> None:
        """Begin with the weights of a model that has seen `images` images; the critic is new."""
        for network in (self.generator, self.average):
            known = {name: weights.get(name, kept) for name, kept in network.state_dict().items()}
            network.load_state_dict(known)
        self.generator.family_bias.copy_(family_bias(self.shares))
        self.average.family_bias.copy_(family_bias(self.shares))
        self.images = images

    # -- one step -------------------------------------------------------------------------------

    def step(self) -> dict[str, float]:
        """One batch for both networks; what was measured on the way."""
        recipe, pictures = self.recipe, self._pictures()
        for optimiser in self.optimisers:
            optimiser.param_groups[0]["lr"] = recipe.rate_at(self.images)
        z = on_shell(recipe.batch, self.generator.spec.latent, self.chance)
        family = self.generator.family(z)
        painted = pictures.draw(family, self.chance)
        with torch.autocast("cpu", torch.bfloat16):
            made = self.generator.paint(self.generator.map_as(z, family), pictures.size).float()
        report = self._teach_critic(painted, made.detach(), family)
        report |= self._teach_generator(painted, made, family)
        self._average()
        self.images += recipe.batch
        pictures.refresh(recipe.fresh * recipe.batch)
        return report

    def _teach_critic(self, painted: Tensor, made: Tensor, family: Tensor) -> dict[str, float]:
        """Painted above generated; every LAZY steps the slopes of the score as well."""
        with torch.autocast("cpu", torch.bfloat16):
            real, fake = self.critic(painted, family), self.critic(made, family)
        loss = losses.paired(real, fake)
        report = {"critic": loss.item(), "gap": (real - fake).mean().item()}
        loss.backward()
        if self.images // self.recipe.batch % LAZY == 0:
            slopes = losses.slope(self.critic, painted, family)
            slopes = slopes + losses.slope(self.critic, made, family)
            (0.5 * LAZY * losses.slope_weight(painted.shape[-1]) * slopes).backward()
            report["slopes"] = slopes.item()
        self.optimisers[1].step()
        self.optimisers[1].zero_grad()
        return report

    def _teach_generator(self, painted: Tensor, made: Tensor, family: Tensor) -> dict[str, float]:
        """Generated above painted, by the critic just taught."""
        self.critic.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                real = self.critic(painted, family)
            loss = losses.paired(self.critic(made, family), real)
        report = {"generator": loss.item()}
        if self.images // self.recipe.batch % smoothness.EVERY == 0:
            uneven = smoothness.unevenness(self.generator, self.chance)
            report["uneven"] = uneven.item()
            loss = loss + uneven
        loss.backward()
        self.critic.requires_grad_(True)
        self.optimisers[0].step()
        self.optimisers[0].zero_grad()
        return report

    @torch.no_grad()
    def _average(self) -> None:
        """Let the averaged generator follow."""
        weight = 1 - average_decay(self.images, self.recipe.batch)
        pairs = list(self.average.parameters()), list(self.generator.parameters())
        torch._foreach_lerp_(*pairs, weight)

    # -- between steps --------------------------------------------------------------------------

    def _pictures(self) -> Pictures:
        """The pictures of the stage we are in, painted first if there are none."""
        size = self.recipe.size_at(self.images)
        if self.pictures is None or self.pictures.size != size:
            self.pictures = self._open_pictures(size, 0)
        return self.pictures

    def _open_pictures(self, size: int, position: int) -> Pictures:
        slots = min(self.recipe.slots, KEPT_BYTES // (SLOT * size * size * 3))
        for old in self.folder.path.glob("pictures-*.u8"):
            if old.name != f"pictures-{size}.u8":
                old.unlink()
        path = self.folder.path / f"pictures-{size}.u8"
        pictures = Pictures(path, size, slots, self.shares, self.recipe.seed)
        pictures.open(position, _tell_painting)
        return pictures

    def _restore(self, checkpoint: dict[str, Any] | None) -> None:
        """Go on from a checkpoint."""
        if checkpoint is None:
            return
        self.generator.load_state_dict(checkpoint["generator"])
        self.critic.load_state_dict(checkpoint["critic"])
        self.average.load_state_dict(checkpoint["average"])
        for optimiser, kept in zip(self.optimisers, checkpoint["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        self.chance.set_state(checkpoint["chance"])
        self.images, self.seconds = checkpoint["images"], checkpoint["seconds"]
        self.pictures = self._open_pictures(checkpoint["size"], checkpoint["position"])
        self.pictures.credit = checkpoint["credit"]

    def checkpoint(self) -> None:
        """Keep all there is to go on from."""
        pictures = self._pictures()
        self.folder.save(
            {
                "generator": self.generator.state_dict(),
                "critic": self.critic.state_dict(),
                "average": self.average.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
                "chance": self.chance.get_state(),
                "images": self.images,
                "seconds": self.seconds,
                "size": pictures.size,
                "position": pictures.position,
                "credit": pictures.credit,
            }
        )

    def snapshot(self) -> None:
        """Keep the averaged generator as a candidate for the training history."""
        about = {"generator": self.generator.spec.to_json(), "recipe": asdict(self.recipe)}
        about["size"] = self.recipe.size_at(self.images - 1)
        about["families"] = [family.name for family in FAMILIES]
        self.folder.snapshot(self.images, self.average.state_dict(), about)

    @torch.no_grad()
    def sheet(self, columns: int = 8) -> None:
        """Pictures of the averaged generator: always the same 8 z of every family, row by row."""
        spec, count = self.generator.spec, len(FAMILIES)
        z = on_shell(4096, spec.latent, torch.Generator().manual_seed(5))
        family = self.average.family(z)
        rows = torch.cat([torch.nonzero(family == f)[:columns, 0] for f in range(count)])
        size = self.recipe.size_at(self.images - 1)
        made = torch.cat([self.average(part, size) for part in z[rows].split(columns)])
        path = self.folder.path / "sheets" / f"{self.images:09d}.png"
        sheet.save(sheet.to_bytes(made), columns, path)

    def run(self, stopped: Callable[[], bool], every: int, told: Callable[[str], None]) -> None:
        """Train to the end of the recipe or until `stopped`; checkpoint each `every` seconds."""
        moments = [m for m in snapshot_moments(self.recipe.total) if m > self.images]
        log, kept, reports = self.folder.log(), time.monotonic(), []
        started = time.monotonic()
        while self.images < self.recipe.total and not stopped():
            begin = time.monotonic()
            reports.append(self.step())
            self.seconds += time.monotonic() - begin
            if len(reports) == 64:
                line = summary(self, reports, time.monotonic() - started)
                log.write(line + "\n")
                told(line)
                reports, started = [], time.monotonic()
            if moments and self.images >= moments[0]:
                moments = [m for m in moments if m > self.images]
                self.snapshot()
                self.sheet()
            if time.monotonic() - kept > every:
                self.checkpoint()
                kept = time.monotonic()
        self.checkpoint()
        log.close()


def summary(training: Training, reports: list[dict[str, float]], seconds: float) -> str:
    """One line of the log, JSON: means of what the steps reported, and the pace."""
    import json

    means = {}
    for key in ("critic", "generator", "gap", "slopes", "uneven"):
        values = [report[key] for report in reports if key in report]
        if values:
            means[key] = round(sum(values) / len(values), 4)
    return json.dumps(
        {
            "images": training.images,
            "size": training.recipe.size_at(training.images - 1),
            **means,
            "images_per_second": round(len(reports) * training.recipe.batch / seconds, 1),
            "training_seconds": round(training.seconds),
            "rate": training.recipe.rate_at(training.images),
        }
    )


def _tell_painting(done: int, pieces: int) -> None:
    """Say how far the painter is."""
    if done % 50 == 0 or done == pieces:
        print(f"painted {done * SLOT} of {pieces * SLOT} pictures", flush=True)
