"""Ableton Link: a session of musicians on one network who share a tempo and a beat.

The library is under the GPL and optional (``pip install latent-instrument[link]``); it is imported
when a session is joined, never before. Its beat is read some twenty times a second, in a thread of
its own with an event loop of its own. We listen: the tempo of the others is never set from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from instrument.control.pulse import Pulse
from instrument.timebase import Clock

_EVERY = 0.05  # s between two looks at the session
_BAR = 4.0  # beats: what peers agree on the first of
_PATIENCE = 1.0  # s for which closing waits for the thread


class LinkSession:
    """Our seat in the session. `hear` gets a pulse at every look while others are there too."""

    def __init__(self, hear: Callable[[Pulse], None], clock: Clock, bpm: float = 120.0) -> None:
        """`bpm` is the session's tempo as long as nobody else has one."""
        self._hear, self._clock, self._bpm = hear, clock, bpm
        self._stop, self._said = Event(), list[str]()
        self._thread: Thread | None = None
        self._peers = 0
        self._tempo = 0.0

    def open(self) -> None:
        """Join. Where the library is missing that is a notice."""
        try:
            import aalink
        except (ImportError, OSError):
            self._said.append("Link is not installed: pip install latent-instrument[link]")
            return
        self._thread = Thread(target=self._run, args=(aalink,), name="link", daemon=True)
        self._thread.start()

    @property
    def peers(self) -> int:
        """How many others there are."""
        return self._peers

    @property
    def says(self) -> str:
        """The state in words, for a list of devices."""
        if self._thread is None:
            return "not there"
        return f"{_peers(self._peers)}, {self._tempo:.1f} bpm" if self._peers else "nobody else"

    def _run(self, aalink: Any) -> None:
        try:
            asyncio.run(self._listen(aalink))
        except (RuntimeError, OSError) as error:  # no network, no sockets left
            self._peers = 0
            self._said.append(f"Link: {error}")

    async def _listen(self, aalink: Any) -> None:
        link = aalink.Link(self._bpm)
        link.quantum = _BAR
        link.enabled = True
        try:
            while not self._stop.is_set():
                self._look(link)
                await asyncio.sleep(_EVERY)
        finally:
            link.enabled = False
            self._peers = 0

    def _look(self, link: Any) -> None:
        peers = int(link.num_peers)
        if peers != self._peers:
            self._said.append(f"Link: {_peers(peers)}")
            self._peers = peers
        before = self._clock.now()
        beats = float(link.beat)
        now = 0.5 * (before + self._clock.now())
        self._tempo = float(link.tempo)
        if peers:
            self._hear(Pulse(now, self._tempo, beats))

    def notices(self) -> list[str]:
        """What the performer should know since the last asking."""
        said, self._said = self._said, []
        return said

    def close(self) -> None:
        """Leave."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE)


def _peers(count: int) -> str:
    return f"{count} peer" if count == 1 else f"{count} peers"
