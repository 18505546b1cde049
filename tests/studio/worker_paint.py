"""A worker process that paints barcodes, with the troubles it was ordered with.

``fail``: this row cannot be decoded. ``kill``: whoever decodes this row is killed, as often as
`times` says (`marks` is a folder to count in). ``slow``: seconds a row takes. ``unopened``: the
model cannot be opened, for that reason; ``second``: not by the second process either;
``unread``: the order cannot be read.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio_fakes import Barcodes

from instrument import InstrumentError
from instrument.frame import U8
from instrument.latent.space import F32
from instrument.studio.finishing import Frames, PlainFrames
from instrument.studio.worker_child import work


def first(marks: Path, name: str, times: int) -> bool:
    """Whether this is one of the first `times` calls with that name, in whatever process."""
    for number in range(times):
        try:
            (marks / f"{name}-{number}").touch(exist_ok=False)
            return True
        except FileExistsError:
            continue
    return False


class Troubled(Barcodes):
    def __init__(self, order: Mapping[str, Any]) -> None:
        super().__init__()
        self._order = order

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        order, rows = self._order, z[:, 0]
        time.sleep(order.get("slow", 0.0) * len(rows))
        if order.get("fail") in rows:
            raise KeyError("no such layer")
        if order.get("kill") in rows and first(Path(order["marks"]), "killed", order["times"]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().decode(z, parameters)


class Painting:
    def __init__(self, order: Mapping[str, Any]) -> None:
        if "unread" in order:
            raise InstrumentError(order["unread"])
        self._order = order

    def machine(self) -> tuple[str, int]:
        if self._order.get("lost") and first(Path(self._order["marks"]), "lost", 1):
            os.kill(os.getpid(), signal.SIGKILL)
        return "cpu of a test", 4

    def open(self, batch: int) -> Frames:
        order = self._order
        time.sleep(order.get("opening", 0.0))
        if "second" in order and not first(Path(order["marks"]), "opened", 1):
            raise InstrumentError(order["second"])
        if "unopened" in order:
            raise InstrumentError(order["unopened"])
        return PlainFrames((), Troubled(order), None)


if __name__ == "__main__":
    work(Painting)
