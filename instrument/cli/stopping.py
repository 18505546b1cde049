"""Ctrl-C, and what systems send before they kill: once, finish what is begun; twice, stop now."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from instrument.cli.console import STDERR


@contextmanager
def stopping(begun: str) -> Iterator[Callable[[], bool]]:
    """Whether somebody asked to stop; `begun` is what is finished first.

    The second time it is a KeyboardInterrupt. In any other thread than the first nobody is heard.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked: list[int] = []

    def hear(number: int, _: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        # Not through the console: it may be in the middle of a line, holding its lock.
        os.write(STDERR, f"\nstopping: finishing {begun}; once more stops now\n".encode())

    heard = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, hear) for number in heard]
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in zip(heard, before, strict=True):
            signal.signal(number, handler)
