"""The scribe: keeps in the preset's file what was learnt and saved, and never holds up the show.

Knows no file and no preset's text: what keeping means is handed in.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from instrument import InstrumentError
from instrument.performance.preset import Preset
from instrument.performance.preset_changes import Changes

# The preset as it stands, and what is new → the preset as it stands then. Called on a thread of
# its own; raises InstrumentError in one line where nothing was written.
Keep = Callable[[Preset, Changes], Preset]

_QUIET = 1.0  # s: who learns eight faders in a row wants one new version, not eight

_log = logging.getLogger(__name__)


class Scribe:
    """Writes, once it has been quiet for a moment; of several changes the newest, which has all."""

    def __init__(self, preset: Preset, keep: Keep, quiet: float = _QUIET) -> None:
        self._preset, self._keep, self._quiet = preset, keep, quiet
        self._newest: deque[Changes] = deque(maxlen=1)
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.message: str | None = None  # for the performer, who takes it away

    def write(self, changes: Changes) -> None:
        """Have `changes` written. Waits for nothing."""
        self._newest.append(changes)
        self._wake.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="preset writing", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write what is still to be written, and end."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            # Every change within the pause begins it anew, but the end of the show does not wait.
            while not self._closing.is_set() and self._wake.is_set():
                self._wake.clear()
                self._closing.wait(self._quiet)
            self._write_newest()
        self._write_newest()

    def _write_newest(self) -> None:
        try:
            changes = self._newest.pop()
        except IndexError:
            return
        try:
            self._preset = self._keep(self._preset, changes)
        except InstrumentError as error:
            _log.error("%s", error)
            self.message = str(error)
        else:
            self.message = f"kept in {self._preset.where}"
