"""A decoder whose network runs in a process of its own, played from this one row by row.

On stage `process` keeps such a process alive and takes the newest picture; a film wants every
picture, in order, and an error rather than a gap. This module imports no torch.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from queue import Empty, SimpleQueue

import numpy as np

from instrument import InstrumentError
from instrument.decoder.child import Child, describe_exit
from instrument.decoder.exchange import Message, Request, Word, encode_parameters
from instrument.decoder.inputs import checked_inputs
from instrument.decoder.models import ModelManifest
from instrument.decoder.protocol import DecodeError, DecoderSpec, Precision
from instrument.frame import U8
from instrument.latent.space import F32

_LOADING = 120.0  # s for importing torch and opening the model
_PICTURE = 120.0  # s for one picture: a film may wait, but not for ever

Answers = SimpleQueue[Message | None]


class ApartDecoder:
    """Plays a model in a decoder process. Satisfies `Decoder`; one thread at a time.

    The process ends with `close`, when this object is forgotten, or with this process.
    """

    def __init__(self, manifest: ModelManifest, child: Child, answers: Answers) -> None:
        self._spec = manifest.spec
        self._child = child
        self._answers = answers
        self._sequence = 0
        self.close = weakref.finalize(self, child.end)

    @property
    def spec(self) -> DecoderSpec:
        """What this decoder is."""
        return self._spec

    @property
    def pid(self) -> int | None:
        """The process it runs in."""
        return self._child.pid

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        """See `Decoder.decode`. Raises InstrumentError when the process is gone or hangs."""
        z, values = checked_inputs(self._spec, z, parameters)
        pixels = np.empty((len(z), *self._spec.size, 3), np.uint8)
        for row, position in enumerate(z):
            here = {address: float(value[row]) for address, value in values.items()}
            pixels[row] = self._picture(position, here)
        return pixels

    def _picture(self, z: F32, values: Mapping[str, float]) -> U8:
        if not self.close.alive:
            raise InstrumentError(f"{self._spec.name}: its process has ended")
        self._sequence += 1
        self._child.ask(Request(self._sequence, self._sequence, z, encode_parameters(values)))
        message = self._hear(_PICTURE)
        self._child.answered(message)
        if message.word is not Word.PICTURE:
            raise DecodeError(message.text)
        pixels = self._child.show_newest()
        assert isinstance(pixels, np.ndarray)  # nobody preferred the card
        return pixels[..., :3]

    def wait_until_ready(self) -> None:
        """Until the model is open. Raises InstrumentError when it cannot be."""
        message = self._hear(_LOADING)
        if message.word is not Word.READY:
            self.close()
            raise InstrumentError(message.text)

    def _hear(self, seconds: float) -> Message:
        try:
            message = self._answers.get(timeout=seconds)
        except Empty:
            self.close()
            raise InstrumentError(
                f"{self._spec.name}: no answer within {seconds:.0f} s, its process was ended"
            ) from None
        if message is None:
            code = self.close()
            raise InstrumentError(f"{self._spec.name}: its process {describe_exit(code)}")
        if message.word is Word.TAKEN:
            self._child.taken(message)
            return self._hear(seconds)
        return message


def open_apart(
    manifest: ModelManifest, device: str, threads: int, precision: Precision
) -> ApartDecoder:
    """The model of `manifest` in a fresh decoder process. Raises InstrumentError."""
    answers: Answers = SimpleQueue()
    # The reading thread holds the queue and not the decoder, so that the decoder can be forgotten.
    child = Child(manifest, answers.put)
    try:
        child.start(device, threads, precision)
    except OSError as error:
        child.end()
        raise InstrumentError(f"{manifest.name}: no process can be started ({error})") from error
    decoder = ApartDecoder(manifest, child, answers)
    decoder.wait_until_ready()
    return decoder
