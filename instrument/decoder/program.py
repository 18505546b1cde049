"""Plays a program: somebody's network as TorchScript or torch.export, with a TOML beside it.

THE FILE HOLDS CODE. It is opened and run in a decoder process, with the rights of whoever plays
it; nothing here keeps it from doing harm, only from stopping the show. See `programs`.

Every z is decoded alone: many a network was exported for a batch of one, and in others a picture
depends on what lies beside it in the batch. What a network draws at random (noise, say) it draws
anew from the same seed for every picture, so that the same z gives the same pixels.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from instrument import InstrumentError
from instrument.decoder.inputs import checked_inputs
from instrument.decoder.models import ModelManifest
from instrument.decoder.network import choose_device
from instrument.decoder.program_archive import EXPORT, Facts, program_in
from instrument.decoder.program_call import Opened, open_export, open_script, reason
from instrument.decoder.programs import TRUNCATION, PlacedDetails
from instrument.decoder.protocol import DecodeError, DecoderSpec, Precision
from instrument.frame import U8
from instrument.latent.space import F32

_SEED = 0
_TRIALS = 2  # TorchScript watches its first run and compiles in the second: neither on stage


class ProgramDecoder:
    """Plays an opened program. Satisfies `Decoder`."""

    def __init__(self, spec: DecoderSpec, details: PlacedDetails, opened: Opened) -> None:
        self._spec = spec
        self._opened = opened
        self._details = details
        low, high = details.range
        self._low, self._gain = low, 255.0 / (high - low)

    @property
    def spec(self) -> DecoderSpec:
        """What this decoder is."""
        return self._spec

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        """See `Decoder.decode`. Raises ValueError on shapes, DecodeError on what fails."""
        z, values = checked_inputs(self._spec, z, parameters)
        if not np.isfinite(z).all():
            raise DecodeError(f"{self._spec.name}: z is not finite")
        truncation = values.get(TRUNCATION)
        pixels = np.empty((len(z), *self._spec.size, 3), np.uint8)
        for row in range(len(z)):
            left = 1.0 if truncation is None else float(truncation[row])
            pixels[row] = self._picture(z[row : row + 1], left)
        return pixels

    def _picture(self, z: F32, truncation: float) -> U8:
        torch.manual_seed(_SEED)
        # Not inference_mode: a foreign network may do to its tensors what that forbids.
        with torch.no_grad():
            try:
                position = torch.from_numpy(np.array(z, np.float32)).to(self._opened.device)
                return self._pixels(self._checked(self._opened.call(position, truncation)))
            except InstrumentError:
                raise
            except Exception as error:  # of a graphics card it may come as late as the pixels
                raise DecodeError(
                    f"{self._spec.name}: the network fails on z {list(z.shape)} ({reason(error)})"
                ) from error

    def _checked(self, given: object) -> Tensor:
        """What the network gave, if it is one picture as the TOML describes it."""
        name, details = self._spec.name, self._details
        if not isinstance(given, Tensor):
            raise DecodeError(
                f"{name}: the network gives a {type(given).__name__}, it must be one tensor"
            )
        height, width = self._spec.size
        shapes = [[1, planes, height, width] for planes in (3, 1)]
        if details.layout == "NHWC":
            shapes = [[1, height, width, planes] for planes in (3, 1)]
        kind = str(given.dtype).removeprefix("torch.")
        if list(given.shape) not in shapes:
            raise DecodeError(
                f"{name}: the network gives {kind}{list(given.shape)}, by size and layout in "
                f"{details.toml} it should be {shapes[0]}"
            )
        if given.is_complex() or given.dtype == torch.bool:
            raise DecodeError(f"{name}: the network gives {kind}, which is no picture")
        if not given.is_floating_point() and details.range != (0.0, 255.0):
            raise DecodeError(
                f"{name}: the network gives {kind}, so range in {details.toml} must be [0, 255]"
            )
        return given

    def _pixels(self, given: Tensor) -> U8:
        """``[1, 3 or 1, h, w]``, or colour last → ``U8[h, w, 3]``."""
        light = given[0].float()
        # One NaN or infinity anywhere makes the sum no number.
        finite = bool(light.sum().isfinite())
        if not finite:
            raise DecodeError(f"{self._spec.name}: z gives a picture that is not finite")
        levels = ((light - self._low) * self._gain + 0.5).clamp_(0, 255).to(torch.uint8)
        picture: U8 = levels.cpu().numpy()
        if self._details.layout == "NCHW":
            picture = picture.transpose(1, 2, 0)
        if self._details.colour == "BGR":
            picture = picture[..., ::-1]
        return np.broadcast_to(picture, (*self._spec.size, 3))


def open_model(
    manifest: ModelManifest, device: str, threads: int, precision: Precision = "full"
) -> ProgramDecoder:
    """The program of `manifest`. Raises InstrumentError, one line that names its file.

    `precision` only means that, in full, a CUDA device rounds nothing off to be faster.
    """
    details = manifest.details
    assert isinstance(details, PlacedDetails)
    if manifest.size != details.size:
        raise InstrumentError(
            f"{manifest.folder}: the network paints {details.size[1]}x{details.size[0]} pixels "
            "and no other size"
        )
    data = _content(manifest, details)
    chosen = choose_device(device, threads)
    if precision == "full" and chosen.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    try:
        facts = program_in(memoryview(data))
        if facts is None:
            raise InstrumentError("is neither a TorchScript nor a torch.export program")
        if facts.kind == EXPORT:
            _must_be_here(facts, device, chosen)
            return _tried(manifest, open_export(data, details.inputs, manifest.latent, facts))
        places = [chosen] if device != "auto" else [chosen, torch.device("cpu")]
        return _open_script(manifest, data, list(dict.fromkeys(places)))
    except InstrumentError as error:
        line = str(error).removeprefix(f"{manifest.name}: ")
        raise InstrumentError(f"{manifest.folder}: {line}") from error


def _content(manifest: ModelManifest, details: PlacedDetails) -> bytes:
    """The bytes that are opened are those the model was chosen by."""
    try:
        data = manifest.folder.read_bytes()
    except OSError as error:
        raise InstrumentError(f"{manifest.folder}: cannot be read ({error.strerror})") from error
    if hashlib.sha256(data).hexdigest() != details.program_sha256:
        raise InstrumentError(f"{manifest.folder}: the model has changed since it was chosen")
    return data


def _must_be_here(facts: Facts, wish: str, chosen: torch.device) -> None:
    """Raises InstrumentError unless a program of torch.export may run where it was made for."""
    if not facts.device:
        return
    made_for = torch.device(facts.device)
    if made_for.type == "cuda" and (made_for.index or 0) >= torch.cuda.device_count():
        raise InstrumentError(
            f"was exported for {facts.device}, which this machine has not: export it on the CPU"
        )
    if wish != "auto" and (made_for.type, made_for.index or 0) != (chosen.type, chosen.index or 0):
        raise InstrumentError(
            f"was exported for {facts.device} and runs there alone: it cannot run on {chosen}"
        )


def _open_script(
    manifest: ModelManifest, data: bytes, devices: list[torch.device]
) -> ProgramDecoder:
    """TorchScript on the first of `devices` that takes it.

    A network that was traced on a CPU may have that place written into its code.
    """
    details = manifest.details
    assert isinstance(details, PlacedDetails)
    for device in devices[:-1]:
        try:
            return _tried(manifest, open_script(data, details.inputs, device))
        except InstrumentError as error:
            logging.getLogger(__name__).warning("%s: not on %s: %s", manifest.folder, device, error)
    return _tried(manifest, open_script(data, details.inputs, devices[-1]))


def _tried(manifest: ModelManifest, opened: Opened) -> ProgramDecoder:
    """The decoder, after it painted once: what does not fit is said before the show."""
    details = manifest.details
    assert isinstance(details, PlacedDetails)
    decoder = ProgramDecoder(manifest.spec, details, opened)
    z = np.ones((1, *manifest.latent.shape), np.float32)
    for _ in range(_TRIALS):
        decoder.decode(z, {})
    return decoder
