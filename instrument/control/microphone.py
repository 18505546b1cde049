"""An input of the sound system, by name, that comes back by itself.

It is heard by a process of its own (see `instrument.control.listener`), so that a sound server
that dies takes nothing with it: the process ends, and another one begins.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from instrument.control.listener import (
    ABSENT,
    BLOCK,
    HEADER,
    LONGEST,
    NAMES,
    OPENED,
    SOUND,
)
from instrument.control.sound_source import Absent, Block, Message, Opened, Receive
from instrument.resources import child_environment
from instrument.timebase import Clock

_RETRY = 2.0  # s from one beginning to the next
_SOON = 0.2  # s to the first new beginning after it had worked
_PATIENCE = 0.3  # s from the end of its input to the kill


@dataclass(frozen=True, slots=True)
class Input:
    """What can be listened to, by its name."""

    name: str
    rate: float
    channels: int


def inputs() -> tuple[list[Input], str]:
    """Every input there is now, and why there is none if there cannot be any."""
    try:
        asked = subprocess.run(
            _command("--list"),
            capture_output=True,
            timeout=10.0,
            check=False,
            env=child_environment(OPENBLAS_NUM_THREADS="1"),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], f"the sound system does not answer ({type(error).__name__})"
    if len(asked.stdout) < HEADER.size or asked.stdout[:1] != NAMES:
        return [], "the sound system does not answer"
    said = json.loads(asked.stdout[HEADER.size :])
    return [Input(*one) for one in said["inputs"]], said["why"]


def _command(*words: str) -> list[str]:
    # -P: a file named like a library in the performer's folder must not be imported.
    return [sys.executable, "-P", "-m", "instrument.control.listener", *words]


class Microphone:
    """The input called `name`; empty: the default one."""

    def __init__(self, name: str, channels: tuple[int, ...], clock: Clock) -> None:
        self._name, self._channels, self._clock = name, channels, clock
        self._closing = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """The number of the process that listens."""
        return None if self._process is None else self._process.pid

    def start(self, receive: Receive) -> None:
        """Begin to listen, and begin again whenever it has ended."""
        self._thread = threading.Thread(
            target=self._keep_listening, args=(receive,), name="ear microphone", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End the process: by the end of its input, else by force."""
        self._closing.set()
        self._end()
        if self._thread is not None:
            self._thread.join(1.0)

    def _keep_listening(self, receive: Receive) -> None:
        while not self._closing.is_set():
            begun = time.monotonic()
            heard, final = self._listen(receive)
            if final:
                return
            self._closing.wait(_SOON if heard else max(begun + _RETRY - time.monotonic(), _SOON))

    def _listen(self, receive: Receive) -> tuple[bool, bool]:
        """One process, from begin to end: whether it heard anything, whether it was the last."""
        channels = ",".join(str(channel) for channel in self._channels)
        try:
            self._process = process = subprocess.Popen(
                _command(self._name, channels),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # ALSA and JACK mutter
                env=child_environment(OPENBLAS_NUM_THREADS="1"),
            )
        except OSError as error:
            receive(Absent(f"no process to listen with ({error.strerror})"))
            return False, False
        assert process.stdout is not None
        heard = final = False
        with process.stdout as pipe:
            while not self._closing.is_set() and (message := self._read(pipe)) is not None:
                heard = heard or isinstance(message, Block)
                final = isinstance(message, Absent) and message.final
                if isinstance(message, Opened):
                    self._name = self._name or message.name
                receive(message)
        self._end()
        if not final:
            receive(Absent("it has fallen silent"))
        return heard, final

    def _read(self, pipe: IO[bytes]) -> Message | None:
        """The next message; None when there are no more, or what comes is none."""
        header = pipe.read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        what, length = HEADER.unpack(header)
        body = pipe.read(length) if length <= LONGEST else b""
        if len(body) < length or what not in (OPENED, SOUND, ABSENT):
            return None
        if what == SOUND:
            arrived, count, overflows = BLOCK.unpack_from(body)
            # Both processes read the same monotonic clock; ours may have another zero.
            arrived += self._clock.now() - time.perf_counter()
            samples = np.frombuffer(body, "<f4", offset=BLOCK.size)
            return Block(samples, count, arrived, overflows)
        words: dict[str, Any] = json.loads(body)
        if what == OPENED:
            return Opened(words["name"], words["rate"])
        return Absent(words["why"], words["final"])

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
