"""When a machine stood still while something was measured: what no program on it can help.

The host of a virtual machine takes a core away for tens of milliseconds now and then, and so does
firmware. Whatever took place meanwhile says nothing of the instrument; how much that was is told
beside what is left.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from instrument.latent.space import F64

_PROBE = Path(__file__).with_name("stall_probe.py")
_PATIENCE = 10.0  # s


class Stalls:
    """Watches every core this process may use, while its block runs.

    `spans` are the stalls afterwards, (n, 2) clock seconds in order; None where nobody could watch:
    other systems than Linux, or a user without real-time priority.
    """

    def __init__(self) -> None:
        self.spans: F64 | None = None
        self._probes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        if not hasattr(os, "sched_setscheduler"):
            return self
        with ExitStack() as begun:
            begun.callback(self._end)
            for core in sorted(os.sched_getaffinity(0)):
                self._probes.append(_probe(core))
            if all(map(_is_watching, self._probes)):
                begun.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._probes:
            lines = "\n".join(self._end()).split("\n")
            found = sorted(tuple(map(float, line.split())) for line in lines if line)
            self.spans = np.array(found, np.float64).reshape(-1, 2)

    def _end(self) -> list[str]:
        probes, self._probes = self._probes, []
        return [probe.communicate(timeout=_PATIENCE)[0] for probe in probes]


def touched(ways: F64, spans: F64) -> npt.NDArray[np.bool_]:
    """Which of `ways`, (n, 2) seconds from begin to end, share a moment with one of `spans`."""
    shared = (spans[:, 0] < ways[:, 1:]) & (spans[:, 1] > ways[:, :1])
    return np.asarray(shared.any(axis=1), np.bool_)


def _probe(core: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", str(_PROBE), str(core)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def _is_watching(probe: subprocess.Popen[str]) -> bool:
    assert probe.stdout is not None
    return probe.stdout.readline() == "watching\n"
