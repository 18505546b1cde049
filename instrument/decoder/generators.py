"""Plays StyleGAN2, StyleGAN3, progressive GAN and FastGAN, converted from somebody's checkpoint.

What a model folder must hold: a manifest (`GeneratorDetails`) and one safetensors file for each
snapshot, with exactly the tensors of `tensor_shapes`, in any precision or packed in 8 bits.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from instrument import InstrumentError
from instrument.decoder.architectures import (
    FastGANSettings,
    ProGANSettings,
    Settings,
    StyleGAN2Settings,
    StyleGAN3Settings,
    StyleSettings,
)
from instrument.decoder.fastgan import FastGAN
from instrument.decoder.forms import Form, Way
from instrument.decoder.history import open_history
from instrument.decoder.models import GeneratorDetails, ModelManifest
from instrument.decoder.network import NetworkDecoder
from instrument.decoder.progan import ProGAN
from instrument.decoder.protocol import Precision
from instrument.decoder.snapshots import Playable
from instrument.decoder.stylegan2 import ModulatedLayer, StyleGAN2
from instrument.decoder.stylegan3 import FilteredLayer, StyleGAN3
from instrument.decoder.tuned import TunedDecoder
from instrument.decoder.weights import Layout, Slot

Generator = StyleGAN2 | StyleGAN3 | ProGAN | FastGAN


def build(settings: Settings) -> Generator:
    """The network of `settings`, its weights still zero."""
    match settings:
        case StyleGAN2Settings():
            return StyleGAN2(settings)
        case StyleGAN3Settings():
            return StyleGAN3(settings)
        case ProGANSettings():
            return ProGAN(settings)
        case FastGANSettings():
            return FastGAN(settings)
    raise TypeError(f"no network is known for {type(settings).__name__}")


def tensor_shapes(settings: Settings) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a file of weights. Nothing is allocated."""
    with torch.device("meta"):
        return {name: tuple(t.shape) for name, t in build(settings).state_dict().items()}


def random_tensors(settings: Settings, seed: int) -> dict[str, Tensor]:
    """Weights as at the start of a training: for tests, and to see what a size costs."""
    chance = torch.Generator().manual_seed(seed)
    rate = settings.mapping_lr_multiplier if isinstance(settings, StyleSettings) else 1.0
    tensors = {}
    for name, shape in tensor_shapes(settings).items():
        tensors[name] = tensor = torch.zeros(shape)
        if name.endswith(("affine.bias", "magnitude_ema", "running_var")):
            tensor.fill_(1.0)
        elif name.endswith("noise_strength"):
            tensor.fill_(0.1)
        elif name.endswith(("weight", "const", "freqs", "phases")):
            tensor.normal_(generator=chance)
        if ".fc" in name:
            tensor.div_(rate)
        if isinstance(settings, FastGANSettings) and len(shape) == 4:
            # The others do this as they run; and every gate of FastGAN halves what comes in.
            tensor.mul_(2 / math.sqrt(math.prod(shape[1:])))
    return tensors


def open_model(
    manifest: ModelManifest, device: str, threads: int, precision: Precision = "full"
) -> NetworkDecoder | TunedDecoder:
    """The converted model of `manifest`. Raises InstrumentError on device, files or size."""
    details = manifest.details
    assert isinstance(details, GeneratorDetails)
    size = details.settings.size
    if manifest.size != (size, size):
        raise InstrumentError(
            f"{manifest.folder}: the network paints {size}x{size} pixels and no other size"
        )
    layout = Layout(tensor_shapes(details.settings))

    def make(on: torch.device, form: Form) -> Playable:
        network = build(details.settings).to(on)
        for layer in network.modules():
            if isinstance(layer, ModulatedLayer | FilteredLayer):
                layer.folds = form.way == "folded"
        if isinstance(network, StyleGAN2 | StyleGAN3):
            painter = _StylePainter(network, details, manifest.latent.space, on)
            return Playable(network, layout, painter, _is_convolution)
        return Playable(network, layout, _Painter(network), _is_convolution)

    styled = isinstance(details.settings, StyleSettings)
    ways: tuple[Way, ...] = ("plain", "folded") if styled else ("plain",)
    return open_history(manifest, layout, make, device, threads, precision, ways)


def _is_convolution(slot: Slot) -> bool:
    """What may be in half precision. Not w, nor what is made of it: it would move in steps."""
    return len(slot.shape) == 4


class _Painter:
    """z → picture, for a network without w.

    Truncation draws the first thing the network does not normalise away: in FastGAN z itself,
    towards its mean, which is 0; in progressive GAN the first feature map (see `ProGAN`).
    """

    def __init__(self, network: ProGAN | FastGAN) -> None:
        self._network = network

    def __call__(self, z: Tensor, psi: Tensor | None) -> Tensor:
        if isinstance(self._network, ProGAN):
            return shown(self._network.synthesise(z, psi))
        return shown(self._network.synthesise(z if psi is None else z * psi[:, None]))


class _StylePainter:
    """z, w, or w for every layer → picture."""

    def __init__(
        self, network: StyleGAN2 | StyleGAN3, details: GeneratorDetails, space: str,
        device: torch.device,
    ) -> None:  # fmt: skip
        self._network, self._cutoff = network, details.cutoff
        self._from_w = space == "w"
        labels = network.settings.c_dim
        self._label: Tensor | None = None
        if labels:
            self._label = torch.zeros(1, labels, device=device)
            self._label[0, details.label] = 1.0

    def __call__(self, z: Tensor, psi: Tensor | None) -> Tensor:
        left = 1.0 if psi is None else psi
        if self._from_w:
            w = z if z.dim() == 3 else z[:, None].expand(-1, self._network.settings.num_ws, -1)
            w = self._network.mapping.truncated(w, left, self._cutoff)
        else:
            label = None if self._label is None else self._label.expand(len(z), -1)
            w = self._network.map(z, label, left, self._cutoff)
        return shown(self._network.synthesise(w))


def shown(picture: Tensor) -> Tensor:
    """[n, 1 or 3, h, w] around [-1, 1] → [n, 3, h, w] around [0, 1]."""
    return picture.add(1.0).mul(0.5).expand(-1, 3, -1, -1)
