"""The training itself: one step, and what happens between steps."""

from __future__ import annotations

import contextlib
import copy
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from instrument.decoder.skip_generator import GeneratorSpec, SkipGenerator
from painter import FAMILIES
from training import caution, losses, sheet
from training.critic import Critic
from training.lesson import REPORTED, Batch, Pupils, Recording
from training.pictures import Pictures
from training.state import StateFolder, snapshot_moments
from training.world import family_bias, on_shell, training_shares

LAZY = 4  # steps from one measurement of the slopes to the next
EVERY = 4  # steps from one look at the evenness to the next
SETTLED = 24  # steps at one size before they are recorded: enough for every kind of step
REPORTS = 64  # steps from one line that is told to the next
REFUGES = 8  # such lines from one kept moment to the next; the last two are kept
SHEETS = 4  # snapshots from one sheet to the next
STEADY_WIDTH = 12  # of a critic that learns at the full rate without running away
INTRODUCTION = 5000  # images a new critic is shown before a trained generator heeds it fully


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out. `stages` are (size in pixels, images) in order."""

    stages: tuple[tuple[int, int], ...] = ((64, 400_000), (128, 200_000), (256, 120_000))
    batch: int = 32
    rate: float = 5e-4
    seed: int = 0
    fresh: float = 0.2  # pictures painted per picture shown
    kept: int = 24_000  # painted pictures at hand, fewer where there is no room
    width: int = 12  # of the critic: channels at its finest size

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
        """Learning rate: falls as 1/sqrt from step 3125, then to a tenth over the last 15 %."""
        left = (self.total - images) / (0.15 * self.total)
        late = min(1.0, (3125 * self.batch / max(images, 1)) ** 0.5)
        return self.rate * late * min(1.0, 0.1 + 0.9 * left)

    def slope_weight_at(self, images: int) -> float:
        """What a measured slope of the critic's weighs, as it is measured every LAZY steps."""
        last = self.stages[-1][1]
        grown = min(max(1.0 - (self.total - images) / last, 0.0), 1.0)
        return 0.5 * LAZY * losses.slope_weight(self.size_at(images), grown)


def average_decay(images: int, batch: int) -> float:
    """Per-step decay of the averaged weights: half-life 3 % of the images so far, 500 to 20,000."""
    return float(0.5 ** (batch / min(max(0.03 * images, 500.0), 20_000.0)))


class Training:
    """Two networks, the averaged generator, the painter's pictures, and where they stand."""

    def __init__(
        self,
        recipe: Recipe,
        spec: GeneratorSpec,
        folder: StateFolder,
        device: torch.device | str = "cpu",
    ) -> None:
        self.recipe, self.folder, self.device = recipe, folder, torch.device(device)
        torch.manual_seed(recipe.seed)
        self.shares = training_shares()
        self.generator = SkipGenerator(spec).to(memory_format=torch.channels_last)
        self.generator.family_bias.copy_(family_bias(self.shares))
        self.generator.to(self.device)
        self.critic = Critic(len(FAMILIES), recipe.width).to(memory_format=torch.channels_last)
        self.critic.to(self.device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.optimisers = [self._optimiser(net) for net in (self.generator, self.critic)]
        self.chance = torch.Generator(self.device).manual_seed(recipe.seed + 1)
        self.images, self.seconds = 0, 0.0
        self.caution = 1.0  # times the recipe's rate: less after every time it ran away
        self._refuges: list[caution.Refuge] = []
        self.begun = 0  # images the generator had seen when the critic was new
        self.pictures: Pictures | None = None
        chance = self.chance if self.device.type == "cpu" else None
        self._pupils = Pupils(self.generator, self.critic, *self.optimisers, chance)
        self._recording: Recording | None = None
        self._settled = 0  # steps at this size so far
        self._restore(folder.load(self.device))

    def _optimiser(self, network: torch.nn.Module) -> torch.optim.Adam:
        # A recorded step reads its rate from the device's memory.
        on_gpu = self.device.type == "cuda"
        rate = torch.tensor(self.recipe.rate, device=self.device) if on_gpu else self.recipe.rate
        return torch.optim.Adam(
            network.parameters(), rate, betas=(0.0, 0.99), fused=True, capturable=on_gpu
        )

    def start_from(self, weights: dict[str, Tensor], images: int) -> None:
        """Begin with the weights of a model that has seen `images` images; the critic is new."""
        for network in (self.generator, self.average):
            kept = network.state_dict()
            fits = {n: w for n, w in weights.items() if n in kept and w.shape == kept[n].shape}
            network.load_state_dict(kept | fits)
        self.generator.family_bias.copy_(family_bias(self.shares))
        self.average.family_bias.copy_(family_bias(self.shares))
        self.images = self.begun = images

    # -- one step -------------------------------------------------------------------------------

    def step(self) -> Tensor:
        """One batch for both networks; what was measured on the way, [5] as in `REPORTED`."""
        recipe, pictures = self.recipe, self._pictures()
        self._set_rates()
        z = on_shell(recipe.batch, self.generator.spec.latent, self.chance, self.device)
        family = self.generator.family(z)
        painted = pictures.draw(family, self.chance)
        weight = torch.tensor(recipe.slope_weight_at(self.images)).to(self.device)
        report = self._teach(Batch(z, family, painted, weight))
        self._average()
        self.images += recipe.batch
        pictures.refresh(recipe.fresh * recipe.batch)
        return report

    def _teach(self, batch: Batch) -> Tensor:
        """A lesson; on a GPU recorded as soon as everything at this size has settled."""
        number = self.images // self.recipe.batch
        looks = number % LAZY == 0, number % EVERY == 0
        self._settled += 1
        if self.device.type != "cuda" or self._settled <= SETTLED:
            return self._pupils.teach(batch, *looks)
        if self._recording is None:
            self._recording = Recording(self._pupils, batch)
        return self._recording.teach(batch, *looks)

    def _set_rates(self) -> None:
        """The learning rates of this moment, lower for a generator whose critic is new."""
        rate = self.caution * self.recipe.rate_at(self.images)
        known = (self.images - self.begun) / INTRODUCTION if self.begun else 1.0
        # Adam moves every weight alike, so what comes out moves the more, the wider the network.
        shares = min(known, 1.0), min(STEADY_WIDTH / self.recipe.width, 1.0)
        for optimiser, share in zip(self.optimisers, shares, strict=True):
            for group in optimiser.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate * share)
                else:
                    group["lr"] = rate * share

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
            self._recording, self._settled = None, 0
            self.pictures = None  # room for the next
            self.pictures = self._open_pictures(size, 0)
        return self.pictures

    def _open_pictures(self, size: int, position: int) -> Pictures:
        for old in self.folder.path.glob("pictures-*.u8"):
            if old.name != f"pictures-{size}.u8":
                old.unlink()
        path = self.folder.path / f"pictures-{size}.u8"
        recipe = self.recipe
        pictures = Pictures(path, size, recipe.kept, self.shares, recipe.seed, self.device)
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
            rate = optimiser.param_groups[0]["lr"]
            optimiser.load_state_dict(kept)
            optimiser.param_groups[0]["lr"] = rate  # the tensor a recorded step will read
        self.chance.set_state(checkpoint["chance"].cpu())
        self.images, self.seconds = checkpoint["images"], checkpoint["seconds"]
        self.begun, self.caution = checkpoint["begun"], checkpoint["caution"]
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
                "begun": self.begun,
                "caution": self.caution,
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
        z = on_shell(4096, spec.latent, torch.Generator().manual_seed(5)).to(self.device)
        family = self.average.family(z)
        rows = torch.cat([torch.nonzero(family == f)[:columns, 0] for f in range(count)])
        size = self.recipe.size_at(self.images - 1)
        made = torch.cat([self.average(part, size) for part in z[rows].split(columns)])
        path = self.folder.path / "sheets" / f"{self.images:09d}.png"
        sheet.save(sheet.to_bytes(made).cpu(), columns, path)

    def run(self, stopped: Callable[[], bool], every: int, told: Callable[[str], None]) -> None:
        """Train to the end of the recipe or until `stopped`; checkpoint each `every` seconds."""
        stream: Any = contextlib.nullcontext()
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")
            stream = torch.cuda.stream(torch.cuda.Stream(self.device))
        with stream:
            self._run(stopped, every, told)

    def _run(self, stopped: Callable[[], bool], every: int, told: Callable[[str], None]) -> None:
        moments = [m for m in snapshot_moments(self.recipe.total) if m > self.images]
        log, kept, reports, snapshots = self.folder.log(), time.monotonic(), [], 0
        started = time.monotonic()
        while self.images < self.recipe.total and not stopped():
            begin = time.monotonic()
            reports.append(self.step())
            self.seconds += time.monotonic() - begin
            if len(reports) == REPORTS:
                measured = torch.stack(reports).cpu()
                line = summary(self, measured, started)
                log.write(line + "\n")
                told(line)
                if caution.runs_away(measured) and self._go_back():
                    moments = [m for m in snapshot_moments(self.recipe.total) if m > self.images]
                    told(f"ran away: back to {self.images} images, {self.caution:.2f} of the rate")
                elif not caution.runs_away(measured):
                    self._remember()
                reports, started = [], time.monotonic()
            if moments and self.images >= moments[0]:
                moments = [m for m in moments if m > self.images]
                self.snapshot()
                if snapshots % SHEETS == 0 or not moments:
                    self.sheet()
                snapshots += 1
            if time.monotonic() - kept > every:
                self.checkpoint()
                kept = time.monotonic()
        self.checkpoint()
        log.close()

    def _remember(self) -> None:
        """Keep this moment, if the last one kept is a while ago."""
        since = self.images - (self._refuges[-1].images if self._refuges else 0)
        if not self._refuges or since >= REFUGES * REPORTS * self.recipe.batch:
            refuge = caution.Refuge(self._pupils, self.average, self.images)
            self._refuges = [*self._refuges[-1:], refuge]

    def _go_back(self) -> bool:
        """To the older of the moments kept: the newer may be on the slope already."""
        if not self._refuges:
            return False
        refuge = self._refuges[0]
        refuge.restore()
        self._refuges = [refuge]
        self.images = refuge.images
        self.caution *= caution.PACE
        self.folder.forget_after(self.images)
        return True


def summary(training: Training, reports: Tensor, started: float) -> str:
    """One line of the log, JSON: means of what steps reported [steps, 5] since `started`."""
    means = {
        name: round(float(values.nanmean()), 4)
        for name, values in zip(REPORTED, reports.T, strict=True)
        if not bool(values.isnan().all())
    }
    pace = len(reports) * training.recipe.batch / (time.monotonic() - started)
    return json.dumps(
        {
            "images": training.images,
            "size": training.recipe.size_at(training.images - 1),
            **means,
            "images_per_second": round(pace, 1),
            "training_seconds": round(training.seconds),
            "rate": training.caution * training.recipe.rate_at(training.images),
        }
    )


def _tell_painting(done: int, wanted: int) -> None:
    """Say how far the painter is."""
    if done % 1600 == 0 or done == wanted:
        print(f"painted {done} of {wanted} pictures", flush=True)
