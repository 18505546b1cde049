"""The command line of `scripts/train_default`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from instrument import InstrumentError
from instrument.decoder.network import choose_device
from instrument.decoder.skip_generator import GeneratorSpec
from painter import FAMILIES
from training.critic import SIZES
from training.export import newest_weights
from training.loop import Recipe, Training
from training.state import StateFolder, TrainingError


def stages(text: str) -> tuple[tuple[int, int], ...]:
    """``64:400000,128:250000`` → ((64, 400000), (128, 250000))."""
    try:
        pairs = tuple((int(size), int(images)) for size, images in _pairs(text))
    except ValueError:
        raise argparse.ArgumentTypeError("wanted SIZE:IMAGES[,SIZE:IMAGES…]") from None
    sizes = [size for size, _ in pairs]
    if not set(sizes) <= set(SIZES) or sizes != sorted(set(sizes)):
        raise argparse.ArgumentTypeError(f"sizes must rise and be among {SIZES}")
    return pairs


def _pairs(text: str) -> list[list[str]]:
    return [part.split(":") for part in text.split(",")]


def arguments() -> argparse.ArgumentParser:
    """What can be asked for."""
    recipe = Recipe()
    parser = argparse.ArgumentParser(prog="train_default", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder to keep and resume from")
    default = ",".join(f"{size}:{images}" for size, images in recipe.stages)
    parser.add_argument("--stages", type=stages, default=recipe.stages, help=f"default {default}")
    parser.add_argument("--batch", type=int, default=recipe.batch)
    parser.add_argument("--rate", type=float, default=recipe.rate, help="learning rate")
    parser.add_argument("--seed", type=int, default=recipe.seed)
    parser.add_argument("--fresh", type=float, default=recipe.fresh, help="painted per shown")
    parser.add_argument("--kept", type=int, default=recipe.kept, help="painted pictures at hand")
    parser.add_argument("--width", type=int, default=recipe.width, help="channels of the critic")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; default cpu")
    parser.add_argument(
        "--start-from",
        metavar="MODEL",
        help="with an empty state: go on from a model's newest weights",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--checkpoint-seconds", type=int, default=240)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Train; 0 when done or asked to stop, 1 on what the person training can put right."""
    asked = arguments().parse_args(argv)
    names = ("stages", "batch", "rate", "seed", "fresh", "kept", "width")
    recipe = Recipe(**{name: getattr(asked, name) for name in names})
    signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: signals.append(number))
    try:
        device = choose_device(asked.device, asked.threads)
        folder = StateFolder(asked.state)
        training = Training(recipe, GeneratorSpec(families=len(FAMILIES)), folder, device)
        if asked.start_from is not None and training.images == 0:
            training.start_from(*newest_weights(asked.start_from))
    except (TrainingError, InstrumentError) as error:
        print(f"train_default: {error}", file=sys.stderr)
        return 1
    training.run(
        lambda: bool(signals), asked.checkpoint_seconds, lambda line: print(line, flush=True)
    )
    folder.close()
    return 0
