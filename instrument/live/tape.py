"""The tape machine: at most one take runs, and ending one never holds up the show."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from instrument import InstrumentError
from instrument.event import ControlEvent
from instrument.latent.space import F32
from instrument.performance.state import Performance
from instrument.take.recorder import TakeRecorder, TakeSummary

OpenTake = Callable[[Performance], TakeRecorder]

_log = logging.getLogger(__name__)


class Tape:
    """Starts and ends takes; `open_take` makes the next one, already open, from its beginning."""

    def __init__(self, open_take: OpenTake) -> None:
        self._open_take = open_take
        self._recorder: TakeRecorder | None = None
        self._endings: list[threading.Thread] = []
        self._row = 0
        self.summaries: list[TakeSummary] = []
        self.message: str | None = None
        self.refused: str | None = None  # why the last take that was asked for did not begin

    @property
    def is_running(self) -> bool:
        """Whether rows are being taken."""
        return self._recorder is not None

    @property
    def lamp(self) -> bool:
        """Whether the red light is on: rows are being taken and the disk takes them."""
        return self._recorder is not None and self._recorder.error is None

    def start(self, performance: Performance) -> bool:
        """Begin a take at `performance`, whose time is 0; whether one began."""
        if self._recorder is not None:
            return False
        try:
            self._recorder = self._open_take(performance)
        except InstrumentError as error:
            self.refused = str(error)
            self.message = f"no take: {error}"
            return False
        self._row = 0
        self.message = f"recording {self._recorder.folder.name}"
        return True

    def row(self, time: float, z: F32, parameters: F32) -> None:
        """The next row of the take, if one runs."""
        if self._recorder is None:
            return
        self._recorder.row(self._row, time, z, parameters)
        self._row += 1
        if self._recorder.error is not None:
            self.message = f"take stopped: {self._recorder.error}"

    def event(self, event: ControlEvent) -> None:
        """An event of the take, if one runs."""
        if self._recorder is not None:
            self._recorder.event(event)

    def stop(self) -> None:
        """End the take. Its plain files are derived in the background."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        self.message = f"saving {recorder.folder.name}"
        thread = threading.Thread(target=self._end, args=(recorder,), name="take ending")
        thread.start()
        self._endings.append(thread)

    def close(self) -> None:
        """End the take that runs and wait until every one is whole on the disk."""
        self.stop()
        for thread in self._endings:
            thread.join()

    def _end(self, recorder: TakeRecorder) -> None:
        try:
            summary = recorder.close()
        except InstrumentError as error:
            self.message = f"{recorder.folder.name}: {error}"
            _log.error("%s", self.message)
            return
        self.summaries.append(summary)
        state = summary.error or f"{summary.rows} rows, {summary.seconds:.1f} s"
        if summary.dropped.rows or summary.dropped.events:
            state += f", {summary.dropped.rows} rows and {summary.dropped.events} events lost"
        self.message = f"saved {recorder.folder.name}: {state}"
