"""What a checkpoint is once it was read: an architecture, its settings, its tensors.

Every format has a module of its own that makes one of these: `checkpoint_nvidia`,
`checkpoint_tensorflow`, `checkpoint_torch`. `checkpoint_door` chooses among them. None knows
torch, none runs anything of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.decoder.architectures import DERIVED, Settings

Array = NDArray[np.generic]
State = dict[str, Array]

NVIDIA_LICENCE = (
    "NVIDIA Source Code License: code and weights for research, not for commercial use; "
    "of weights you trained yourself, check what your data and the code you used allow"
)
OTHER_LICENCE = "not stored in the file: check the licence of code, data and weights"


def unchanged(state: State) -> State:
    """The `finish` of a checkpoint whose tensors are already what the network wants."""
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One network out of a file, as views of the file.

    `state` maps foreign names to arrays; `finish` makes of them what the network of
    `architecture` wants, and only it reads the weights. `notes` are for the performer.
    """

    format: str
    architecture: str
    settings: Settings
    state: State
    finish: Callable[[State], State] = unchanged
    notes: tuple[str, ...] = ()
    licence: str = OTHER_LICENCE

    @property
    def parameters(self) -> int:
        """How many numbers the network has."""
        return sum(array.size for name, array in self.state.items() if not name.endswith(DERIVED))

    def weights(self) -> State:
        """The network's tensors, float32, all finite. Raises InstrumentError naming one."""
        weights: State = {}
        for name, array in self.finish(self.state).items():
            if name.endswith(DERIVED):
                continue
            with np.errstate(over="ignore"):  # a float64 too large is caught below
                weights[name] = np.asarray(array, np.float32)
            if not np.isfinite(weights[name]).all():
                raise InstrumentError(f"{name} holds what is no finite number")
        return weights


def shaped(state: State, name: str, *shape: int | None) -> Array:
    """The array called `name`, of that shape; None is any size. Raises InstrumentError."""
    array = state.get(name)
    if array is None:
        raise InstrumentError(f"{name} is missing")
    fits = len(array.shape) == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits or not (np.issubdtype(array.dtype, np.floating) and array.size):
        wanted = ", ".join("*" if size is None else str(size) for size in shape)
        raise InstrumentError(
            f"{name} is {array.dtype}{list(array.shape)}, it should be floats of [{wanted}]"
        )
    return array


def taps_of(kernel: Array, name: str) -> tuple[float, ...]:
    """One row of the separable filter ``kernel [k, k]`` (or ``[k]``), of sum 1.

    Raises InstrumentError where it is not separable: no network here could use it.
    """
    numbers = np.asarray(kernel, np.float64)
    total = numbers.sum()
    if numbers.ndim not in (1, 2) or numbers.size > 256 or not np.isfinite(total) or total == 0:
        raise InstrumentError(f"{name} is no filter")
    row = numbers if numbers.ndim == 1 else numbers.sum(axis=0)
    row = row / row.sum()
    whole = row if numbers.ndim == 1 else np.outer(row, row)
    if numbers.shape != whole.shape or not np.allclose(numbers / total, whole, atol=1e-6):
        raise InstrumentError(f"{name} is no separable filter")
    return tuple(float(np.float32(tap)) for tap in row)


def mean_w(state: State, layers: int, multiplier: float, count: int = 4096) -> Array:
    """The average w ``F32[w]`` of `count` random z: for checkpoints that do not store it.

    `state` has ``mapping.fc0`` … under NVIDIA's names. The mapping of StyleGAN2 (Karras et al.
    2020): pixel norm of z, then fully connected layers with weights scaled by
    multiplier / sqrt(fan in), biases by multiplier, and leaky ReLU of slope 0.2 times sqrt(2).
    """
    first = shaped(state, "mapping.fc0.weight", None, None)
    z = np.random.default_rng(0).standard_normal((count, first.shape[1]), np.float32)
    w = z / np.sqrt(np.mean(z * z, axis=1, keepdims=True) + np.float32(1e-8))
    for layer in range(layers):
        weight = np.asarray(
            shaped(state, f"mapping.fc{layer}.weight", None, w.shape[1]), np.float32
        )
        bias = np.asarray(shaped(state, f"mapping.fc{layer}.bias", weight.shape[0]), np.float32)
        w = w @ (weight.T * np.float32(multiplier / weight.shape[1] ** 0.5))
        w = w + bias * np.float32(multiplier)
        w = np.where(w < 0, w * np.float32(0.2), w) * np.float32(2**0.5)
    mean: Array = w.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean
