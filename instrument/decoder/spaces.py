"""In which spaces a model can be played, and the same model taken in another of them.

``z`` is what a generator was trained on. A StyleGAN turns it into ``w`` first, which may be played
as well, one for all its layers or one for each (``layers``). The weights are the same in all of
them, and so is the model's SHA-256. A manifest says which one is meant where nobody asks. Knows
no torch.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from instrument import InstrumentError
from instrument.decoder.architectures import StyleSettings
from instrument.decoder.models import GeneratorDetails, ModelManifest, SkipDetails
from instrument.latent.space import LatentSpec

Space = Literal["z", "w", "layers"]
SPACES: tuple[Space, ...] = ("z", "w", "layers")


def name_of(latent: LatentSpec) -> Space:
    """What a latent of this kind is called."""
    if latent.space == "z":
        return "z"
    return "layers" if len(latent.shape) == 2 else "w"


def spaces_of(manifest: ModelManifest) -> dict[Space, LatentSpec]:
    """Every space `manifest` can be played in; its own first."""
    details, own = manifest.details, manifest.latent
    spaces: dict[Space, LatentSpec] = {name_of(own): own}
    if isinstance(details, GeneratorDetails):
        settings = details.settings
        spaces.setdefault("z", LatentSpec.shell(settings.z_dim))
        if isinstance(settings, StyleSettings):
            spaces.setdefault("w", LatentSpec((settings.w_dim,), "w"))
            spaces.setdefault("layers", LatentSpec((settings.num_ws, settings.w_dim), "w"))
    elif isinstance(details, SkipDetails):
        latent, mapped = details.generator.get("latent"), details.generator.get("mapped")
        if isinstance(latent, int) and isinstance(mapped, int):
            spaces.setdefault("z", LatentSpec.shell(latent))
            spaces.setdefault("w", LatentSpec((mapped,), "w"))
    return spaces


def in_space(manifest: ModelManifest, space: str | None) -> ModelManifest:
    """`manifest`, played in `space`; as it says itself where that is None.

    Raises InstrumentError naming the spaces there are.
    """
    if space is None:
        return manifest
    spaces = spaces_of(manifest)
    for name, latent in spaces.items():
        if name == space:
            return dataclasses.replace(manifest, latent=latent)
    if space not in SPACES:
        raise InstrumentError(f"space {space!r}: allowed are {', '.join(SPACES)}")
    raise InstrumentError(
        f"model {manifest.name!r} cannot be played in {space}, only in {', '.join(spaces)}"
    )


def taking(manifest: ModelManifest, latent: LatentSpec) -> ModelManifest:
    """`manifest`, played in the space where it takes positions like `latent`.

    Where nobody knows what the numbers are, a shape can only be one. What fits nowhere is left to
    whoever compares the two.
    """
    fitting = [own for own in spaces_of(manifest).values() if own.shape == latent.shape]
    fitting.sort(key=lambda own: own.space != latent.space)
    return dataclasses.replace(manifest, latent=fitting[0]) if fitting else manifest
