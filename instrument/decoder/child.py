"""One life of a decoder process: start it, hand it requests, hear its answers, end it.

`DecoderProcess` gives every life a new `Child`; a message of a former life can so never be
taken for one of this. A `Child` never starts another and judges nothing: that is `process`.
It imports no torch.
"""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from instrument.cuda import CardPicture, LentRing
from instrument.decoder import memory
from instrument.decoder.exchange import (
    REQUESTS,
    SLOTS,
    Exchange,
    Message,
    Picture,
    Request,
    Word,
    create_memory,
    decode_ring,
    encode_turn,
    read_message,
)
from instrument.decoder.models import ModelManifest
from instrument.decoder.protocol import Precision
from instrument.decoder.spaces import name_of
from instrument.frame import U8
from instrument.resources import child_environment

# Whether a picture should stay in the ring that a decoder process lends. Called by any thread.
Prefers = Callable[[LentRing], bool]

_PATIENCE = 0.5  # s from the end of its input to the kill
# Memory once used is kept: a decoder wants the same again for every picture, and pages that are
# given back and taken anew cost a tenth to a third of its time (3,000 faults a picture of the
# default model, more than 10,000 of one with 1024 pixels). Large pages, where the system has them
# to give, are worth some per cent more. Only GNU's library reads these; one arena, for the
# decoding thread's own would have none of it.
KEEPING = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(1 << 26),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


class Child:
    """A running decoder process and the shared memory it fills.

    Every method but `start` and `end` must be called under the owner's lock; `hear` is called
    by the reading thread without it, and with None once when the process is gone.
    """

    def __init__(
        self,
        manifest: ModelManifest,
        hear: Callable[[Message | None], None],
        prefers_card: Prefers | None = None,
    ) -> None:
        self._manifest = manifest
        self._hear = hear
        self._prefers_card = prefers_card
        self._ring: LentRing | None = None  # what the process lends
        self._process: subprocess.Popen[bytes] | None = None
        self._exchange: Exchange | None = None
        self._path: Path | None = None
        self._reader: threading.Thread | None = None
        self._shown = -1  # the slot the stage looks at
        self._newest = -1  # the slot of the newest picture
        self._done_with: set[int] = set()  # slots the decoder can have back
        self._spare_requests = list(range(REQUESTS))
        self._silent = False
        self._answered = 0  # the newest request of which something is known
        self.sequence = 0  # of the last request handed over
        self.picture: Picture | None = None  # what is in the newest slot

    def start(
        self, device: str, threads: int, precision: Precision = "fast", gently: bool = False
    ) -> None:
        """Start the process; `gently`, it loads at a lower priority.

        Raises OSError when there is no memory or no process to be had.
        """
        spec = self._manifest.spec
        self._path, mapped = create_memory(spec)
        self._exchange = Exchange(mapped, spec)
        size = [str(pixels) for pixels in spec.size]
        self._process = subprocess.Popen(
            # -P: a file named like a library in the performer's folder must not be imported.
            [sys.executable, "-P", "-m", "instrument.decoder.serve", str(self._manifest.folder),
             "--memory", str(self._path), "--size", *size, "--sha256", spec.sha256,
              "--space", name_of(spec.latent), "--device", device, "--threads", str(threads),
              "--precision", precision, *["--gently"][: int(gently)]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            env=decoding_environment(),
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, name="decoder answers", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        with io.BufferedReader(self._process.stdout) as answers:  # type: ignore[type-var]
            while (message := read_message(answers)) is not None:
                if message.word is Word.LENT:
                    with suppress(ValueError):  # then pictures go by way of the host
                        self._ring = decode_ring(message.text, self._manifest.spec)
                else:
                    self._hear(message)
        self._hear(None)

    @property
    def pid(self) -> int | None:
        """The number of the process, once it was started."""
        return None if self._process is None else self._process.pid

    @property
    def idle(self) -> bool:
        """Whether everything that was asked for is answered."""
        return self._answered >= self.sequence

    @property
    def takes_more(self) -> bool:
        """Whether it can be asked, which it can while it works."""
        return bool(self._spare_requests) and not self._silent

    def hush(self) -> None:
        """Say nothing to it any more: its pipe is about to be closed."""
        self._silent = True

    def ask(self, request: Request) -> None:
        """Hand over `request`, if it `takes_more`. Costs a copy of z and one byte down a pipe."""
        assert self._exchange is not None
        number = self._spare_requests.pop()
        self.sequence = request.sequence
        self._exchange.write_request(number, replace(request, on_card=self._prefers()))
        self._say(number)

    def _prefers(self) -> bool:
        prefers, ring = self._prefers_card, self._ring
        return prefers is not None and ring is not None and prefers(ring)

    def taken(self, message: Message) -> None:
        """Take back the request that was read."""
        self._spare_requests.append(message.slot)

    def answered(self, message: Message) -> None:
        """Hear of a request that it is done; with a picture, that is the newest now."""
        assert self._exchange is not None
        self._answered = message.sequence
        if message.word is not Word.PICTURE:
            return
        if self._newest not in (-1, self._shown):
            self._done_with.add(self._newest)
        self._newest = message.slot
        self.picture = self._exchange.read_picture(message.slot)
        self._supply()

    def show_newest(self) -> U8 | CardPicture:
        """The newest pixels ``U8[h, w, 4]``, read-only, untouched until the next call.

        Or where they lie on the graphics card, if the owner would rather have that.
        """
        assert self._exchange is not None and self._newest >= 0
        if self._shown not in (-1, self._newest):
            self._done_with.add(self._shown)
        self._shown = self._newest
        self._supply()
        if self.picture is not None and self.picture.on_card and self._ring is not None:
            return CardPicture(self._ring, self._shown)
        pixels = self._exchange.slots[self._shown].view()
        pixels.flags.writeable = False
        return pixels

    def _supply(self) -> None:
        """Give slots back now where the decoder has work and may be short of them."""
        if not self.idle and len({self._shown, self._newest} | self._done_with) > SLOTS - 2:
            self._say(None)

    def _say(self, request: int | None) -> None:
        if self._silent:
            return
        assert self._process is not None and self._process.stdin is not None
        turn = encode_turn(request, self._done_with)
        self._done_with.clear()
        try:
            self._process.stdin.write(turn)
        except OSError:
            pass  # it has died; its reader says so in a moment

    def end(self, patience: float = _PATIENCE) -> int | None:
        """End the process: by the end of its input, else by force. Its exit code if it has one."""
        process = self._process
        if process is None:
            self._forget_memory()
            return None
        assert process.stdin is not None
        process.stdin.close()
        code = _wait(process, patience)
        if code is None:
            process.kill()
            code = _wait(process, 5.0)  # longer only in a driver; then the system reaps it
        if self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join(5.0)
        self._forget_memory()
        # Who hears holds this object in turn. During a show no circle is ever collected, and the
        # shared memory hangs on this one: let go, it is back as soon as the owner lets go too.
        self._hear = _nobody
        return code

    def _forget_memory(self) -> None:
        if self._path is not None:
            memory.forget(self._path)


def _nobody(said: Message | None) -> None:
    """Hears what is said after the end."""


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def environment() -> dict[str, str]:
    """Ours for a child: OpenMP sleeps at barriers, and this very package is importable.

    The first two are GNU's words for it, the third is Intel's and LLVM's.
    """
    return child_environment(OMP_WAIT_POLICY="passive", GOMP_SPINCOUNT="0", KMP_BLOCKTIME="0")


def decoding_environment() -> dict[str, str]:
    """That of a process that decodes; what the performer has said of memory holds."""
    return {**KEEPING, **environment()}


def describe_exit(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None:
        return "cannot be ended"
    if code < 0:
        return f"was killed ({signal.strsignal(-code) or -code})"
    return f"ended by itself (exit code {code})"
