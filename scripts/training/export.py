"""Training state → a model one can play: chosen snapshots, packed, with a manifest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from instrument.decoder.models import SkipDetails, find_model
from instrument.decoder.skip_generator import GeneratorSpec, SkipGenerator
from instrument.decoder.skip_model import MEAN, layout_of
from instrument.decoder.weights import pack, read_weights
from training.state import TrainingError, write_whole
from training.world import family_bias, on_shell, world_shares

SNAPSHOTS = 28
NEWEST_IN_HALVES = 1  # the newest are kept in float16, the others in 8 bits a weight


def choose(moments: list[int], count: int = SNAPSHOTS) -> list[int]:
    """`count` of the image counts, evenly spaced in their logarithm, first and last included.

    All of them where there are no more yet.
    """
    if len(moments) < 2:
        raise TrainingError(f"{len(moments)} snapshots so far: train on")
    if len(moments) <= count:
        return moments
    chosen = {moments[0], moments[-1]}
    first, last = math.log(moments[0]), math.log(moments[-1])
    for step in range(1, count - 1):
        wanted = first + (last - first) * step / (count - 1)
        free = [m for m in moments if m not in chosen]
        chosen.add(min(free, key=lambda m: abs(math.log(m) - wanted)))
    return sorted(chosen)


@dataclass(frozen=True, slots=True)
class Finish:
    """How a model is finished.

    Families blend where they are less than 1 / `sharpness` apart. The newest snapshot is the mean
    of the last `averaged` ones: its pictures were recognised more often than those of either
    (Wortsman et al. 2022, "Model soups"). What the finest head paints is multiplied by `detail`,
    for averaging softens it.
    """

    sharpness: float = 2.5
    averaged: int = 2
    detail: float = 1.16


def export(state: Path, folder: Path, finish: Finish) -> list[dict[str, object]]:
    """Write ``folder/manifest.json`` and its snapshots from the snapshots in `state`.

    Returns the manifest's rows, one a snapshot, the earliest first.
    """
    files = {int(path.stem): path for path in sorted((state / "snapshots").glob("*.safetensors"))}
    chosen = choose(sorted(files))
    (folder / "snapshots").mkdir(parents=True, exist_ok=True)
    for old in (folder / "snapshots").glob("*.safetensors"):
        old.unlink()
    about = _about(files[chosen[-1]])
    trained, recipe = GeneratorSpec.from_json(about["generator"]), dict(about["recipe"])
    spec = dataclasses.replace(trained, sharpness=finish.sharpness)
    rows: list[dict[str, object]] = []
    for number, images in enumerate(chosen):
        newest = number >= len(chosen) - NEWEST_IN_HALVES
        late = chosen[-finish.averaged :] if number == len(chosen) - 1 else [images]
        tensors = _complete(_mean([load_file(files[moment]) for moment in late]), spec)
        finest = f"heads.{spec.heads - 1}."
        tensors = {n: t * finish.detail if n.startswith(finest) else t for n, t in tensors.items()}
        kept = {n: t.half().contiguous() for n, t in tensors.items()} if newest else pack(tensors)
        content = save(kept)
        name = f"snapshots/{number:02d}.safetensors"
        write_whole(folder / name, lambda path, content=content: path.write_bytes(content))
        sha256 = hashlib.sha256(content).hexdigest()
        rows.append({"file": name, "sha256": sha256, "images": images})
    manifest = {
        "format": "model/1",
        "name": "default",
        "architecture": "skip",
        "latent": {"shape": [spec.latent], "space": "z", "radius": math.sqrt(spec.latent)},
        "size": [spec.size, spec.size],
        "licence": "MIT",
        "note": "A brief history of almost everything, painted and learnt by this project.",
        "seed": recipe["seed"],
        "command": _command(recipe, finish),
        "generator": spec.to_json(),
        "snapshots": rows,
    }
    text = json.dumps(manifest, indent=1) + "\n"
    write_whole(folder / "manifest.json", lambda path: path.write_text(text, encoding="utf-8"))
    return rows


def newest_weights(name_or_folder: str) -> tuple[dict[str, Tensor], int]:
    """The newest weights of a model, unpacked, and how many images they have seen.

    Raises InstrumentError when there is no such model or it is damaged.
    """
    manifest = find_model(name_or_folder)
    details = manifest.details
    if not isinstance(details, SkipDetails):
        raise TrainingError(f"{manifest.name}: is no trained model")
    newest = details.snapshots[-1]
    layout = layout_of(SkipGenerator(GeneratorSpec.from_json(details.generator)))
    packed = read_weights(manifest.folder / newest.file, newest.sha256, layout)
    flat = layout.flatten(packed)
    return {slot.name: slot.view(flat) for slot in layout.slots}, newest.images


def _about(path: Path) -> dict[str, Any]:
    with safe_open(path, "pt") as file:
        about: dict[str, Any] = json.loads(file.metadata()["about"])
    return about


def _mean(moments: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each weight."""
    return {
        name: torch.stack([moment[name].float() for moment in moments]).mean(dim=0)
        for name in moments[0]
    }


def _command(recipe: dict[str, Any], finish: Finish) -> str:
    """What trains by `recipe` and exports with `finish` again."""
    stages = ",".join(f"{size}:{images}" for size, images in recipe["stages"])
    others = [f"--{key} {value}" for key, value in recipe.items() if key != "stages"]
    last = [f"--{key} {value}" for key, value in dataclasses.asdict(finish).items()]
    trained = ["scripts/train_default", f"--stages {stages}", *others]
    return " ".join([*trained, "&& scripts/export_default", *last])


@torch.no_grad()
def _complete(tensors: dict[str, Tensor], spec: GeneratorSpec) -> dict[str, Tensor]:
    """What a model needs of a snapshot: its weights, and the mean of w over many z."""
    network = SkipGenerator(spec)
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    names = [slot.name for slot in layout_of(network).slots if slot.name != MEAN]
    # Training shows the rare more often than the world does; a performer gets the world.
    network.family_bias.copy_(family_bias(world_shares()))
    state = network.state_dict()
    z = on_shell(8192, spec.latent, torch.Generator().manual_seed(1))
    return {name: state[name] for name in names} | {MEAN: network.map(z).mean(dim=0)}
