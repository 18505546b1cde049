"""Plays the project's own kind of generator, `skip_generator`, with its training history."""

from __future__ import annotations

import torch
from torch import Tensor

from instrument import InstrumentError
from instrument.decoder.forms import Form
from instrument.decoder.history import open_history
from instrument.decoder.models import ModelManifest, SkipDetails
from instrument.decoder.network import NetworkDecoder
from instrument.decoder.protocol import Precision
from instrument.decoder.skip_generator import GeneratorSpec, SkipGenerator
from instrument.decoder.skip_rows import RowPainter
from instrument.decoder.snapshots import Playable
from instrument.decoder.tuned import TunedDecoder
from instrument.decoder.weights import Layout, Slot

MEAN = "mean_w"  # beside the network's own tensors: the average w, for truncation


def layout_of(network: SkipGenerator) -> Layout:
    """The order of everything that changes in training, and the mean of w."""
    shapes = {name: tuple(tensor.shape) for name, tensor in network.named_parameters()}
    shapes["family_bias"] = tuple(network.family_bias.shape)
    shapes[MEAN] = (network.spec.mapped,)
    return Layout(shapes)


def open_model(
    manifest: ModelManifest, device: str, threads: int, precision: Precision = "full"
) -> NetworkDecoder | TunedDecoder:
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

    def make(on: torch.device, form: Form) -> Playable:
        network = SkipGenerator(spec).to(on)
        network.register_buffer(MEAN, torch.empty(0))  # bound to the weights' vector
        rows = None
        if form.way == "rows":
            rows = RowPainter(network, form.dtype, compiled=form.compiled)
        if rows is not None:  # what it has of weights goes where the network's go
            network.add_module("rows", rows)

        def paint(z: Tensor, psi: Tensor | None) -> Tensor:
            w = z if from_w else network.map(z)
            if psi is not None:
                w = torch.lerp(network.get_buffer(MEAN).expand_as(w), w, psi[:, None])
            return network.paint(w).add(1.0).mul(0.5) if rows is None else rows.paint(w)

        moved = rows.refresh if rows is not None else _nothing
        return Playable(network, layout, paint, _is_of_convolution, moved)

    return open_history(manifest, layout, make, device, threads, precision, ("plain", "rows"))


def _is_of_convolution(slot: Slot) -> bool:
    """What may be in half precision. Not w, nor what it says: measured, 38 dB instead of 50."""
    return len(slot.shape) == 4 or slot.name.startswith("heads.")


def _nothing() -> None:
    """Nothing hangs on the weights."""
