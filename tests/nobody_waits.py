"""Whether somebody waits, and not for how long: a busy machine makes everything take its time."""

from __future__ import annotations

import functools
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_WAITS = (
    (threading.Condition, "wait"),  # events, queues and semaphores wait by it
    (threading.Thread, "join"),
    (subprocess.Popen, "wait"),
    (select, "select"),
    (select, "poll"),  # what comes from pipes and sockets
    (time, "sleep"),
)


@contextmanager
def nobody_waits() -> Iterator[None]:
    """Fails where the thread in here waits for another one, a process, a message or the time.

    That a thread is there when it has been started is waited for by Python itself, and allowed.
    """
    me, starting = threading.get_ident(), [0]
    start = threading.Thread.start

    def watched(name: str, wait: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(wait)
        def complain(*given: Any, **named: Any) -> Any:
            if threading.get_ident() == me and not starting[0]:
                raise AssertionError(f"waits: {name}")
            return wait(*given, **named)

        return complain

    def begin(thread: threading.Thread) -> None:
        mine = threading.get_ident() == me
        starting[0] += mine
        try:
            start(thread)
        finally:
            starting[0] -= mine

    with pytest.MonkeyPatch.context() as patch:
        for place, name in _WAITS:
            patch.setattr(place, name, watched(name, getattr(place, name)))
        patch.setattr(threading.Thread, "start", begin)
        yield
