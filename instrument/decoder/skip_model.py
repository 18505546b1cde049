"""Plays the project's own kind of generator, `skip_generator`, with its training history."""

from __future__ import annotations

import torch
from torch import Tensor

from instrument import InstrumentError
from instrument.decoder.models import ModelManifest, SkipDetails
from instrument.decoder.network import NetworkDecoder
from instrument.decoder.protocol import Precision
from instrument.decoder.skip_generator import GeneratorSpec, SkipGenerator
from instrument.decoder.snapshots import Playable, open_history
from instrument.decoder.weights import Layout

MEAN = "mean_w"  # beside the network's own tensors: the average w, for truncation


def layout_of(network: SkipGenerator) -> Layout:
    """The order of everything that changes in training, and the mean of w."""
    shapes = {name: tuple(tensor.shape) for name, tensor in network.named_parameters()}
    shapes["family_bias"] = tuple(network.family_bias.shape)
    shapes[MEAN] = (network.spec.mapped,)
    return Layout(shapes)


def open_model(
    manifest: ModelManifest, device: str, threads: int, precision: Precision = "full"
) -> NetworkDecoder:
    """The trained model of `manifest`. Raises InstrumentError on device, files or sizes."""
    details = manifest.details
    assert isinstance(details, SkipDetails)
    spec = GeneratorSpec.from_json(details.generator)
    from_w = manifest.latent.space == "w"
    numbers = spec.mapped if from_w else spec.latent
    if manifest.latent.shape != (numbers,) or manifest.size != (spec.size, spec.size):
        raise InstrumentError(
            f"{manifest.folder}: latent {manifest.latent} and size {list(manifest.size)} do not "
            f"go with a generator of {numbers} numbers and {spec.size} pixels"
        )
    layout = layout_of(SkipGenerator(spec))

    def make(on: torch.device, dtype: torch.dtype) -> Playable:
        network = SkipGenerator(spec).to(on, dtype)
        network.register_buffer(MEAN, torch.empty(0))  # bound to the weights' vector

        def paint(z: Tensor, psi: Tensor | None) -> Tensor:
            w = z.to(dtype) if from_w else network.map(z.to(dtype))
            if psi is not None:
                mean = network.get_buffer(MEAN).expand_as(w)
                w = torch.lerp(mean, w, psi[:, None].to(w.dtype))
            return network.paint(w).float().add(1.0).mul(0.5)

        return Playable(network, layout, paint, halved=lambda slot: True)

    return open_history(manifest, layout, make, device, threads, precision)
