"""How the frames of a film are painted, said in a way that another process understands.

It holds no row and no source: whoever paints is handed those (see `studio.workers`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from instrument import InstrumentError
from instrument.cli.painters import Playing, open_painters
from instrument.cli.presented import Presented
from instrument.decoder.models import ModelManifest, TestcardDetails, read_manifest
from instrument.decoder.spaces import in_space, name_of
from instrument.latent.space import LatentSpec
from instrument.studio.burn_in import burn_in
from instrument.studio.finishing import Fine, FineFrames, Frames, PlainFrames
from instrument.timebase import FrameRate


@dataclass(frozen=True, slots=True)
class Painting:
    """Frames of `depth` bits as `presented`, painted by those `playing`, at their sizes.

    `latent` and `sha256` are those of the rows, `addresses` their parameters. The `fine` way a
    frame is `samples` pictures, `supersample` times too large. A `label` is burnt in at that rate.
    """

    playing: Playing
    presented: Presented
    latent: LatentSpec
    sha256: str
    addresses: tuple[str, ...]
    depth: int
    fine: bool
    samples: int
    supersample: int
    dither: bool
    label: FrameRate | None

    @property
    def name(self) -> str:
        """What plays, in words."""
        return " + ".join(manifest.name for manifest in self.playing.values())

    def machine(self) -> tuple[str, int]:
        """The device in words, and how many pictures are best decoded together there."""
        if all(isinstance(manifest.details, TestcardDetails) for manifest in self.playing.values()):
            return "cpu", 1
        from instrument.decoder.machine import device_in_words, usual_batch  # torch

        largest = max(manifest.size for manifest in self.playing.values())
        return device_in_words(), usual_batch(largest)

    def open(self, batch: int) -> Frames:
        """The frames, with the models opened: `batch` rows at a time. Raises InstrumentError."""
        decoder = open_painters(self.latent, self.sha256, self.playing, self.presented)
        stamp = partial(burn_in, rate=self.label) if self.label else None
        if not self.fine:
            return PlainFrames(self.addresses, decoder, self.presented, stamp)
        width, height = self.presented.size
        fine = Fine(self.presented, self.samples, self.supersample, self.dither, 0, stamp)
        return FineFrames(self.addresses, decoder, fine, (height, width), self.depth, batch)

    def to_json(self) -> dict[str, Any]:
        """What is said of it. The reverse of `painting_from_json`."""
        return {
            "playing": {str(number): _told(model) for number, model in self.playing.items()},
            "presented": [*self.presented.size, self.presented.fit, self.presented.upscale],
            "latent": self.latent.to_json(),
            "sha256": self.sha256,
            "addresses": list(self.addresses),
            "depth": self.depth,
            "fine": [self.fine, self.samples, self.supersample, self.dither],
            "label": str(self.label) if self.label else None,
        }


def painting_from_json(said: Mapping[str, Any]) -> Painting:
    """The reverse of `Painting.to_json`. Raises InstrumentError where a model has changed."""
    width, height, fit, upscale = said["presented"]
    fine, samples, supersample, dither = said["fine"]
    return Painting(
        {int(number): _read(model) for number, model in said["playing"].items()},
        Presented((width, height), fit, upscale),
        LatentSpec.from_json(said["latent"]), said["sha256"], tuple(said["addresses"]),
        said["depth"], fine, samples, supersample, dither,
        FrameRate.parse(said["label"]) if said["label"] else None,
    )  # fmt: skip


def _told(manifest: ModelManifest) -> dict[str, Any]:
    return {
        "folder": str(manifest.folder.absolute()), "sha256": manifest.sha256,
        "space": name_of(manifest.latent), "size": list(manifest.size),
    }  # fmt: skip


def _read(said: Mapping[str, Any]) -> ModelManifest:
    manifest = read_manifest(Path(said["folder"]))
    if manifest.sha256 != said["sha256"]:
        raise InstrumentError(f"{said['folder']}: the model has changed since it was chosen")
    height, width = said["size"]
    return replace(in_space(manifest, said["space"]), size=(height, width))
