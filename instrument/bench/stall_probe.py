"""Notes when a core did not run: nothing the machine itself does may come before this process.

Run by its path, in a process of its own, for one core. It asks for the lowest real-time priority
(which the system may refuse), sleeps for a millisecond, and again: when that took much longer, the
core was taken away, by the host of a virtual machine as a rule.
"""

from __future__ import annotations

import os
import select
import sys
import time

_EVERY = 0.001  # s
_STALL = 0.003  # s between two looks


def main() -> int:
    """``CORE``: a line ``begin end`` in seconds for every stall, once standard input ends."""
    try:
        os.sched_setaffinity(0, {int(sys.argv[1])})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (AttributeError, OSError) as error:
        sys.stdout.write(f"refused: {error}\n")
        return 1
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    found, last = list[tuple[float, float]](), time.perf_counter()
    while not select.select([sys.stdin], [], [], _EVERY)[0]:
        now = time.perf_counter()
        if now - last > _STALL:
            found.append((last, now))
        last = now
    sys.stdout.write("\n".join(f"{begin!r} {end!r}" for begin, end in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
