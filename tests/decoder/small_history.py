"""A small model of the project's own kind, with a history of random snapshots."""

import hashlib
import json
import math

import numpy as np
import torch

from instrument.decoder.skip_generator import GeneratorSpec, SkipGenerator
from instrument.decoder.skip_model import MEAN, layout_of

SPEC = GeneratorSpec(latent=24, families=4, mapped=32, rank=8, widths=(16, 12, 8, 8), heads=2)
HISTORY = 4


def tensors_of(seed: int, spec: GeneratorSpec = SPEC) -> dict[str, torch.Tensor]:
    """A generator's weights with every head awake, and a mean of w."""
    torch.manual_seed(seed)
    network = SkipGenerator(spec)
    for head in network.heads:
        torch.nn.init.normal_(head.weight, std=0.1)
        torch.nn.init.normal_(head.bias, std=0.3)
    torch.nn.init.normal_(network.family_bias)
    state = network.state_dict()
    names = [slot.name for slot in layout_of(network).slots if slot.name != MEAN]
    return {name: state[name].detach() for name in names} | {MEAN: torch.randn(spec.mapped)}


def write_model(folder, contents, spec=SPEC):
    """Lay down a model of snapshot files with these bytes."""
    (folder / "snapshots").mkdir(parents=True)
    rows = []
    for number, content in enumerate(contents):
        name = f"snapshots/{number:02d}.safetensors"
        (folder / name).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        rows.append({"file": name, "sha256": sha256, "images": 1000 * (number + 1)})
    manifest = {
        "format": "model/1", "name": "small", "architecture": "skip", "licence": "MIT",
        "latent": {"shape": [spec.latent], "space": "z", "radius": math.sqrt(spec.latent)},
        "size": [spec.size, spec.size], "generator": spec.to_json(), "snapshots": rows,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def on_shell(count, seed=0):
    z = np.random.default_rng(seed).standard_normal((count, SPEC.latent))
    return (z * math.sqrt(SPEC.latent) / np.linalg.norm(z, axis=1, keepdims=True)).astype(
        np.float32
    )
