"""The decoder process: opens one model, then a picture for every request until the pipe ends.

Started by `child` and never by hand. It exits when its standard input ends, so a stage that
was killed leaves nothing behind. Ctrl-C goes to the stage, which decides; here it is ignored.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np

from instrument import InstrumentError
from instrument.decoder.exchange import (
    SLOTS,
    Exchange,
    Message,
    Picture,
    Request,
    Word,
    decode_parameters,
    decode_turn,
    encode_ring,
    open_memory,
    write_message,
)
from instrument.decoder.lending import Delivery, open_lender
from instrument.decoder.models import ModelManifest, read_manifest
from instrument.decoder.protocol import Decoder, PatientDecoder
from instrument.decoder.runtime import open_here
from instrument.decoder.spaces import in_space
from instrument.timebase import WallClock

_GENTLE = 10  # added to the nice value: a tenth of the processor where somebody else wants it


def main() -> int:
    """Serve until standard input ends; 1 when the model cannot be opened."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _never_preempt_the_stage()
    options = _options()
    desk = Desk(_own_stdout())
    threading.Thread(target=desk.listen, daemon=True).start()
    clock = WallClock()
    # What the performer or the machine can be blamed for is told in one line, and is final.
    # Anything else is a bug: the process dies with its traceback and the stage starts anew.
    try:
        manifest = _manifest(options)
        desk.exchange = Exchange(open_memory(options.memory, manifest.spec), manifest.spec)
        decoder = _load(manifest, options)
        lender = open_lender(decoder, desk.exchange.slots)
        started = clock.now()
        _try(decoder)  # once more: this is what a picture takes from now on
    except (InstrumentError, ImportError, OSError, RuntimeError, MemoryError) as error:
        desk.say(Message(Word.FAILED, text=one_line(error)))
        return 1
    if lender is not None and lender.lent is not None:
        desk.say(Message(Word.LENT, text=encode_ring(lender.lent)))
    desk.say(Message(Word.READY, text=repr(clock.now() - started)))
    _serve(Delivery(decoder, desk.exchange, lender), desk)
    return 0


class Desk:
    """What lies between stage and decoder: the newest request, and the slots to fill.

    The stage asks for nothing before it has heard `READY`: `exchange` is set by then.
    """

    def __init__(self, answers: BinaryIO) -> None:
        self.exchange: Exchange | None = None
        self._answers = answers
        self._changed = threading.Condition()
        self._said = threading.Lock()
        self._request: Request | None = None
        self._slots = list(range(SLOTS))

    def listen(self) -> None:
        """Take what the stage hands over; end this process when the stage is gone.

        A thread of its own: the next z is taken, and the end comes through, while a decode lasts.
        """
        while byte := os.read(0, 1):
            with contextlib.suppress(BrokenPipeError):  # the end is next
                self.hear(byte[0])
        os._exit(0)

    def hear(self, turn: int) -> None:
        """Take what a byte of the stage hands over, and say that a request was taken."""
        number, slots = decode_turn(turn)
        with self._changed:
            self._slots += slots
            if number is not None and self.exchange is not None:
                self._request = self.exchange.read_request(number)
            self._changed.notify()
        if number is not None:
            self.say(Message(Word.TAKEN, number))

    def say(self, message: Message) -> None:
        """Tell the stage. Raises BrokenPipeError when it is gone."""
        with self._said:
            write_message(self._answers, message)

    @property
    def is_asked(self) -> bool:
        """Whether there is a picture to make."""
        return self._request is not None and bool(self._slots)

    def take(self) -> tuple[Request, int]:
        """Wait for the newest request and a slot for its picture; both are the caller's."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_asked)
            request, self._request = self._request, None
            assert request is not None
            return request, self._slots.pop()

    def keep(self, slot: int) -> None:
        """`slot` holds no picture: it may be filled with the next."""
        with self._changed:
            self._slots.append(slot)


def _load(manifest: ModelManifest, options: argparse.Namespace) -> Decoder:
    """Open the model and have it make its first picture, which is slower than all others.

    On Linux a priority is a thread's own, and a lowered one is never given back: gently is in a
    thread that ends with the loading. What it imports and opens serves every thread.
    """
    with ThreadPoolExecutor(1, "loading") as pool:
        if options.gently and sys.platform == "linux":
            pool.submit(os.nice, _GENTLE)
        decoder = pool.submit(
            open_here, manifest, options.device, options.threads, options.precision
        ).result()
        pool.submit(_try, decoder).result()
    return decoder


def _try(decoder: Decoder) -> None:
    decoder.decode(np.ones((1, *decoder.spec.latent.shape), np.float32), {})


def _never_preempt_the_stage() -> None:
    """On Linux, be scheduled as a batch job: as much processor, but no barging in.

    A normal process that is woken through a pipe may take the very core of whoever woke it, and
    a decode is long: measured, the stage's write of one byte took 2.5 ms instead of 0.05.
    """
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):  # a sandbox may forbid it; nothing depends on it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def one_line(error: BaseException) -> str:
    """An error as one line for the HUD; its kind goes in front unless it speaks for itself."""
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, InstrumentError) else f"{type(error).__name__}: {text}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="instrument.decoder.serve")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--memory", type=Path, required=True)
    parser.add_argument("--size", type=int, nargs=2, required=True)
    parser.add_argument("--sha256", required=True)
    parser.add_argument("--space")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gently", action="store_true")
    parser.add_argument("--precision", choices=["full", "fast", "compiled"], default="fast")
    return parser.parse_args()


def _own_stdout() -> BinaryIO:
    """The pipe to the stage, for us alone: what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _manifest(options: argparse.Namespace) -> ModelManifest:
    manifest = read_manifest(options.folder)
    if manifest.sha256 != options.sha256:
        raise InstrumentError(f"{options.folder}: the model has changed since it was chosen")
    return dataclasses.replace(in_space(manifest, options.space), size=tuple(options.size))


def _serve(delivery: Delivery, desk: Desk) -> None:
    """Answer requests until nobody listens."""
    # Asked once: what a protocol has is looked up anew each time, in a gap between two pictures.
    decoder = delivery.decoder
    idle = decoder.idle if isinstance(decoder, PatientDecoder) else None
    while True:
        request, slot = desk.take()
        try:
            _make_picture(delivery, request, slot)
            answer = Message(Word.PICTURE, slot, sequence=request.sequence)
        except Exception as error:  # noqa: BLE001 - the boundary: report, go on, let the stage judge
            desk.keep(slot)
            answer = Message(Word.ERROR, text=one_line(error), sequence=request.sequence)
        try:
            desk.say(answer)
        except BrokenPipeError:
            return
        # Behind the picture: a step for each, and more of them while nobody asks for one.
        while idle is not None and idle() and not desk.is_asked:
            pass


def _make_picture(delivery: Delivery, request: Request, slot: int) -> None:
    clock = WallClock()
    started = clock.now()
    values = decode_parameters(request.parameters)
    stayed = delivery.deliver(slot, request.on_card, request.z[None], values)
    finished = clock.now()
    delivery.exchange.write_header(
        slot, Picture(request.sequence, request.index, finished - started, finished, stayed)
    )


if __name__ == "__main__":
    sys.exit(main())
