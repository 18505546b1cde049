"""The command line of `scripts/assess_default`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from assessment import measures, paths
from assessment.judge import Judge, credentials, kept_judge
from instrument.decoder.skip_generator import GeneratorSpec, SkipGenerator
from painter import FAMILIES, paint
from training import sheet
from training.world import family_bias, on_shell, world_shares


class Model:
    """A snapshot of training, sampled in the world's shares."""

    def __init__(self, path: Path) -> None:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            weights = {name: file.get_tensor(name).float() for name in file.keys()}
        about = json.loads(metadata["about"])
        self.images, self.size = int(metadata["images"]), int(about["size"])
        self.generator = SkipGenerator(GeneratorSpec.from_json(about["generator"]))
        self.generator.load_state_dict(weights)
        self.generator.family_bias.copy_(family_bias(world_shares()))
        self.generator.to(memory_format=torch.channels_last)

    @property
    def dims(self) -> int:
        """Numbers in z."""
        return self.generator.spec.latent

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """z [n, d] → U8[n, s, s, 3] at the size it was trained at."""
        parts = [self.generator(part, self.size) for part in z.split(32)]
        return sheet.to_bytes(torch.cat(parts))


def sampled(judge: Judge, model: Model, count: int, seed: int) -> measures.Pictures:
    """Random samples, judged."""
    z = on_shell(count, model.dims, torch.Generator().manual_seed(seed))
    return measures.judged(judge, model.decode(z), model.generator.family(z))


def painted(judge: Judge, count: int, size: int, seed: int) -> measures.Pictures:
    """Painted pictures in the world's shares, but at least 40 of each family, judged."""
    each = (world_shares() * count).long().clamp_min(40).tolist()
    pixels = torch.cat([paint(f, n, size, seed) for f, n in enumerate(each)])
    family = torch.repeat_interleave(torch.arange(len(FAMILIES)), torch.tensor(each))
    return measures.judged(judge, pixels, family)


def assess(judge: Judge, model: Model, count: int) -> dict[str, object]:
    """Everything about one snapshot."""
    made, true = sampled(judge, model, count, 9), painted(judge, count, model.size, 424_243)
    real, mine = measures.recognised(true), measures.recognised(made)
    return {
        "images": model.images,
        "size": model.size,
        "judge": credentials(judge),
        "recognised": mine,
        "recognised_painted": real,
        "recognised_ratio": mine["share"] / real["share"],  # type: ignore[operator]
        "sharpness": measures.sharpness(made, true),
        "diversity": measures.diversity(made, true),
        "nearest": measures.nearest(made, true),
        "frechet": measures.frechet(made.features, true.features),
        "slerp": paths.smoothness(model.decode, paths.slerp_path(model.dims, 21)),
        "spring": paths.smoothness(model.decode, paths.spring_path(model.dims, 22)),
    }


def history(judge: Judge, snapshots: list[Path], count: int) -> list[dict[str, float]]:
    """Fréchet distance and share recognised along training, all at 64 pixels."""
    true, rows = painted(judge, count, 64, 424_243), []
    for path in snapshots:
        model = Model(path)
        made = sampled(judge, model, count, 9)
        share = measures.recognised(made)["share"]
        distance = measures.frechet(made.features, true.features)
        rows.append({"images": model.images, "recognised": float(str(share)), "frechet": distance})
    return rows


def sheets(model: Model, snapshots: list[Path], folder: Path) -> None:
    """64 random samples; four z through all snapshots."""
    folder.mkdir(parents=True, exist_ok=True)
    z = on_shell(64, model.dims, torch.Generator().manual_seed(3))
    sheet.save(model.decode(z), 8, folder / "samples.png")
    rows = []
    for path in snapshots:
        old = Model(path)
        small = old.decode(z[:4])
        rows.append(small.repeat_interleave(model.size // old.size, 1))
        rows[-1] = rows[-1].repeat_interleave(model.size // old.size, 2)
    if rows:
        sheet.save(torch.stack(rows, dim=1).flatten(0, 1), len(rows), folder / "history.png")


def arguments() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(prog="assess_default", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of the training")
    parser.add_argument("--snapshot", type=Path, help="which to assess; default: the newest")
    parser.add_argument("--count", type=int, default=2000, help="samples")
    parser.add_argument("--lessons", type=int, default=60, help="× 1152 pictures for the judge")
    parser.add_argument("--history", type=int, default=0, help="also follow so many snapshots")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets")
    parser.add_argument("--threads", type=int, default=1)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Print the assessment as JSON; 1 where there is nothing to assess."""
    asked = arguments().parse_args(argv)
    torch.set_num_threads(asked.threads)
    told: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    kept = sorted((asked.state / "snapshots").glob("*.safetensors"))
    if not kept and asked.snapshot is None:
        told(f"assess_default: {asked.state}: no snapshots yet")
        return 1
    judge = kept_judge(asked.state / "judge", asked.lessons, told)
    model = Model(asked.snapshot or kept[-1])
    report = assess(judge, model, asked.count)
    chosen = kept[:: max(1, len(kept) // asked.history)] if asked.history else []
    report["history"] = history(judge, chosen, asked.count)
    if asked.sheets:
        sheets(model, chosen, asked.sheets)
    print(json.dumps(report, indent=1))
    return 0
