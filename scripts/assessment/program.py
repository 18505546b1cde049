"""The command line of `scripts/assess_default`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch

from assessment import measures, paths
from assessment.judge import Judge, credentials, kept_judge
from assessment.model import Model, apart, continuity, timing
from instrument import InstrumentError
from instrument.decoder.models import find_model
from painter import FAMILIES, paint
from training import sheet
from training.world import on_shell, world_shares

JUDGED = 64  # pixels at which snapshots are compared: what the judge sees


def sampled(judge: Judge, model: Model, count: int, snapshot: float | None = None,
            size: int | None = None) -> measures.Pictures:  # fmt: skip
    """Random samples, judged."""
    z = on_shell(count, model.dims, torch.Generator().manual_seed(9))
    return measures.judged(judge, model.decode(z, snapshot, size), model.family(z))


def painted(judge: Judge, count: int, size: int) -> measures.Pictures:
    """Painted pictures in the world's shares, but at least 40 of each family, judged."""
    each = (world_shares() * count).long().clamp_min(40).tolist()
    pixels = torch.cat([paint(f, n, size, 424_243) for f, n in enumerate(each)])
    family = torch.repeat_interleave(torch.arange(len(FAMILIES)), torch.tensor(each))
    return measures.judged(judge, pixels, family)


def assess(judge: Judge, model: Model, count: int) -> dict[str, object]:
    """Everything about the newest snapshot."""
    made, true = sampled(judge, model, count), painted(judge, count, model.manifest.size[0])
    real, mine = measures.recognised(true), measures.recognised(made)
    return {
        "model": model.manifest.name,
        "sha256": model.manifest.sha256,
        "size": model.manifest.size[0],
        "mebibytes": sum(f.stat().st_size for f in model.manifest.folder.rglob("*")) / 2**20,
        "judge": credentials(judge),
        "recognised": mine,
        "recognised_painted": real,
        "recognised_ratio": mine["share"] / real["share"],  # type: ignore[operator]
        "sharpness": measures.sharpness(made, true),
        "diversity": measures.diversity(made, true),
        "nearest": measures.nearest(made, true),
        "frechet": measures.frechet(made.features, true.features),
        "slerp": paths.over_seeds(model.decode, paths.slerp_path, model.dims),
        "spring": paths.over_seeds(model.decode, paths.spring_path, model.dims),
        "snapshot_continuity": continuity(model),
    }


def history(judge: Judge, model: Model, count: int) -> dict[str, object]:
    """Fréchet distance and share recognised along training, and how steadily it fell."""
    true, rows = painted(judge, count, JUDGED), []
    for number, snapshot in enumerate(model.snapshots):
        made = sampled(judge, model, count, float(number), JUDGED)
        share = measures.recognised(made)["share"]
        distance = measures.frechet(made.features, true.features)
        rows.append(
            {"images": snapshot.images, "recognised": float(str(share)), "frechet": distance}
        )
    distances = [float(row["frechet"]) for row in rows]
    return {
        "snapshots": rows,
        "newest_over_sixth": distances[-1] / distances[min(5, len(rows) - 1)],
        "rank_correlation": measures.rank_correlation(distances),
    }


def sheets(model: Model, folder: Path) -> None:
    """64 random samples; four z through all snapshots."""
    folder.mkdir(parents=True, exist_ok=True)
    z = on_shell(64, model.dims, torch.Generator().manual_seed(3))
    sheet.save(model.decode(z), 8, folder / "samples.png")
    count = len(model.snapshots)
    rows = [model.decode(z[:4], float(number), 128) for number in range(count)]
    sheet.save(torch.stack(rows, dim=1).flatten(0, 1), count, folder / "history.png")


def arguments() -> argparse.ArgumentParser:
    """What can be asked for."""
    kept = Path(tempfile.gettempdir()) / "latent-instrument-judge"
    parser = argparse.ArgumentParser(prog="assess_default", description=__doc__)
    parser.add_argument("--model", default="default", help="a bundled model, or a model's folder")
    parser.add_argument("--count", type=int, default=2000, help="samples")
    parser.add_argument("--history", type=int, default=500, help="samples a snapshot; 0: none")
    parser.add_argument("--lessons", type=int, default=60, help="× 1152 pictures for the judge")
    parser.add_argument("--judge", type=Path, default=kept, help="folder the judge is kept in")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda; default cpu")
    parser.add_argument("--timing-only", action="store_true", help="no judge, no pictures")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Print the assessment as JSON; 1 where there is nothing to assess."""
    asked = arguments().parse_args(argv)
    torch.set_num_threads(asked.threads)
    try:
        manifest = find_model(asked.model)
        report: dict[str, object] = {"timing": timing(manifest, asked.device)}
        if asked.device != "cpu":
            on_cpu, here = Model(manifest, 8), Model(manifest, 1, asked.device)
            report |= {"device": asked.device, "levels_from_cpu": apart(here, on_cpu)}
        if asked.timing_only:
            print(json.dumps(report, indent=1))
            return 0
        judge = kept_judge(asked.judge, asked.lessons, lambda line: print(line, file=sys.stderr))
        with torch.no_grad():
            model = Model(manifest, asked.threads, asked.device)
            report = assess(judge, model, asked.count) | report
            if asked.history:
                report["history"] = history(judge, model, asked.history)
            if asked.sheets:
                sheets(model, asked.sheets)
    except (InstrumentError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report, indent=1))
    return 0
