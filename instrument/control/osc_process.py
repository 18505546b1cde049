"""One life of the process that hears OSC: start it, tell it, hear it, end it. It judges nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO, cast

import msgspec

from instrument.control.osc_exchange import FromChild, ToChild, read_word, to_bytes
from instrument.resources import child_environment

_PATIENCE = 0.5  # s from the end of its input to the kill


class HearingProcess:
    """A running `osc_child`. Raises OSError when no process is to be had."""

    def __init__(self) -> None:
        self._writing = threading.Lock()
        # -P: a file named like a library in the performer's folder must not be imported.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "instrument.control.osc_child"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment(),
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def say(self, word: ToChild) -> None:
        """Tell it `word`; nothing happens where it has ended. From any thread."""
        assert self._process.stdin is not None
        with self._writing:
            try:
                self._process.stdin.write(to_bytes(word))
                self._process.stdin.flush()
            except (OSError, ValueError):
                return  # whoever hears its words sees in a moment that it has ended

    def words(self) -> Iterator[FromChild]:
        """What it says, until it ends."""
        assert self._process.stdout is not None
        decode = msgspec.msgpack.Decoder(FromChild).decode
        with self._process.stdout as pipe:
            while (word := read_word(cast(BinaryIO, pipe))) is not None:
                yield decode(word)

    def end(self) -> None:
        """End it: by the end of its input, else by force. From any thread, and more than once."""
        assert self._process.stdin is not None
        if self._writing.acquire(timeout=_PATIENCE):  # unless somebody waits for it to read
            try:
                self._process.stdin.close()
            except OSError:
                pass  # it was gone already, with words unread
            finally:
                self._writing.release()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the system buries it
