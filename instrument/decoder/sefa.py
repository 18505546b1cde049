"""Directions out of a generator's own weights, in closed form.

Source: Shen & Zhou 2021, "Closed-Form Factorization of Latent Semantics in GANs" (SeFa). A code v
enters a generator through y = A v + b; the unit direction n that changes y most maximises |A n|²
(eq. 5), and with the others across it these are the eigenvectors of AᵀA with the largest
eigenvalues (eq. 6 and 7). A is what the code meets first: in w of a StyleGAN the affine layers that
make styles of it, stacked, those of colours and of StyleGAN3's input left out; in z of any network
its first layer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from instrument import InstrumentError
from instrument.decoder.architectures import FastGANSettings, ProGANSettings, StyleSettings
from instrument.decoder.generators import build
from instrument.decoder.models import (
    GeneratorDetails,
    HistoryDetails,
    ModelManifest,
    SkipDetails,
)
from instrument.decoder.spaces import spaces_of
from instrument.decoder.stylegan2 import StyleGAN2
from instrument.decoder.stylegan3 import StyleGAN3
from instrument.decoder.weights import read_some
from instrument.latent.space import F32, F64

Layers = range  # of those that take a w of their own, [start, stop)


def sefa(
    manifest: ModelManifest, space: str, count: int, layers: Layers | None = None
) -> tuple[F32, F64]:
    """The first `count` directions ``F32[count, d]``, of length 1, and their eigenvalues.

    `space` is ``z`` or ``w``; of w only `layers` are asked, all where that is None. A direction
    and its reverse are one; here its largest number is positive. Raises InstrumentError naming
    what the model has not.
    """
    matrix = _first_weights(manifest, space, layers).double().numpy()
    dims = matrix.shape[1]
    if not 1 <= count <= dims:
        raise InstrumentError(f"{count} directions: {manifest.name} has 1 to {dims} in {space}")
    values, vectors = np.linalg.eigh(matrix.T @ matrix)  # ascending, one vector a column
    rows = vectors.T[::-1][:count]
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
    return (rows * np.sign(largest)).astype(np.float32), values[::-1][:count]


def _first_weights(manifest: ModelManifest, space: str, layers: Layers | None) -> Tensor:
    """A ``[rows, d]`` of the newest snapshot."""
    details = manifest.details
    if not isinstance(details, HistoryDetails) or space not in spaces_of(manifest):
        raise InstrumentError(f"{manifest.name}: has no weights for {space}")
    names = _names(details, space)
    if layers is not None:
        if space != "w" or not layers or not set(layers) <= set(names):
            allowed = f"{min(names)}:{max(names) + 1}" if space == "w" else "none, in z"
            raise InstrumentError(f"layers {layers.start}:{layers.stop}: allowed are {allowed}")
        names = {layer: names[layer] for layer in layers}
    wanted = {name: cut for group in names.values() for name, cut in group.items()}
    path = manifest.folder / details.snapshots[-1].file
    tensors = read_some(path, wanted.__contains__)
    if missing := set(wanted) - set(tensors):
        raise InstrumentError(f"{path}: {min(missing)!r} is missing")
    return torch.cat([cut(tensors[name]) for name, cut in wanted.items()])


Cut = Callable[[Tensor], Tensor]  # a weight → its rows [out, d]


def _names(details: HistoryDetails, space: str) -> Mapping[int, Mapping[str, Cut]]:
    """The weights that meet the code, by the layer whose w it is (0 where there is but one)."""
    if isinstance(details, SkipDetails):
        latent, widths = details.generator["latent"], details.generator["widths"]
        assert isinstance(latent, int) and isinstance(widths, list)
        if space == "z":
            return {0: {"map_first.weight": functools.partial(_left, count=latent)}}
        films = {f"octaves.{i}.first.film.weight": _as_is for i in range(len(widths))}
        films |= {f"octaves.{i}.second.film.weight": _as_is for i in range(1, len(widths))}
        return {0: films}
    assert isinstance(details, GeneratorDetails)
    settings = details.settings
    if isinstance(settings, ProGANSettings):
        return {0: {"formatLayer.module.weight": _as_is}}
    if isinstance(settings, FastGANSettings):
        return {0: {"init.init.0.weight": _transposed}}
    assert isinstance(settings, StyleSettings)
    if space == "z":
        return {0: {"mapping.fc0.weight": functools.partial(_left, count=settings.z_dim)}}
    with torch.device("meta"):
        made = build(settings)
    return {layer: {f"{name}.affine.weight": _as_is} for layer, name in _styled(made).items()}


def _styled(made: object) -> dict[int, str]:
    """The modulated convolutions of a StyleGAN by the layer whose w they take."""
    if isinstance(made, StyleGAN2):
        known = {module: name for name, module in made.named_modules()}
        convs = [conv for block in made.synthesis.blocks for conv in block.convs]
        return {layer: known[conv] for layer, conv in enumerate(convs)}
    assert isinstance(made, StyleGAN3)
    known = {module: name for name, module in made.named_modules()}
    layers = enumerate(made.synthesis.layers, start=1)  # the input takes the first w
    return {number: known[layer] for number, layer in layers if not layer.plan.colours}


def _as_is(weight: Tensor) -> Tensor:
    return weight


def _left(weight: Tensor, count: int) -> Tensor:
    """The columns of z alone: labels come behind them."""
    return weight[:, :count]


def _transposed(weight: Tensor) -> Tensor:
    """A transposed convolution [d, out, 4, 4] of one pixel, as the matrix it is."""
    return weight.flatten(1).T
