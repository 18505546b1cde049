"""Who waits is found, and who does not is let be."""

import contextlib
import queue
import subprocess
import sys
import threading
import time

import pytest
from nobody_waits import nobody_waits


def ended_thread() -> threading.Thread:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    return thread


def patient() -> None:
    with contextlib.suppress(queue.Empty):
        queue.Queue().get(timeout=0.001)


@pytest.mark.parametrize(
    "wait",
    [
        lambda: time.sleep(0.0),
        lambda: threading.Event().wait(0.001),
        patient,
        lambda: ended_thread().join(),
        lambda: subprocess.run([sys.executable, "-c", ""], check=True),
    ],
)
def test_who_waits_is_found(wait):
    with pytest.raises(AssertionError, match="waits: "), nobody_waits():
        wait()
    wait()


def test_others_may_wait_and_threads_may_begin():
    slept, lock = threading.Event(), threading.Lock()

    def other() -> None:
        time.sleep(0.01)
        slept.set()

    with nobody_waits():
        thread = threading.Thread(target=other)
        thread.start()
        queue.SimpleQueue().put(1)
        with lock:
            pass
    thread.join()
    assert slept.wait(0.0)
