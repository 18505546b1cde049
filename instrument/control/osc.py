"""Open Sound Control, whole: the UDP server, OSCQuery beside it, and the announcement of both.

A device as the others are. What it lacks (a port, the library for mDNS) is a notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from instrument.control.device import Put
from instrument.control.mirror import Mirror
from instrument.control.osc_access import LOCAL, Access
from instrument.control.osc_discovery import Announcement
from instrument.control.osc_receiver import Row
from instrument.control.osc_server import PORT, OscServer
from instrument.control.osc_web import OscQuery
from instrument.control.tree import Tree
from instrument.timebase import Clock


@dataclass(frozen=True, slots=True)
class OscSettings:
    """How the instrument is reached.

    `port` is tried, then the next three, by UDP and (OSCQuery) by TCP. `allow` are the networks
    that are heard beside this machine, needed where `listen` is not 127.0.0.1. `announce` tells
    the network `name` and ports by mDNS; by itself that happens only where a network can hear.
    """

    port: int = PORT
    listen: str = LOCAL
    allow: tuple[str, ...] = ()
    announce: bool = False
    name: str = "latent-instrument"


class Osc:
    """What is sent by OSC becomes events; what changes is told to whoever asked.

    Raises InstrumentError where the settings make no sense. Use it as a context manager.
    """

    def __init__(
        self,
        tree: Tree,
        mirror: Mirror,
        put: Put,
        clock: Clock,
        settings: OscSettings | None = None,
    ) -> None:
        self._settings = settings or OscSettings()
        access = Access(self._settings.listen, self._settings.allow)
        self.server = OscServer(tree, mirror, put, clock, self._settings.port, access)
        self.query = OscQuery(
            tree, mirror, clock, self.server, self._settings.port, self._settings.name
        )
        self._announcement: Announcement | None = None

    def start(self) -> None:
        """Open the ports. Once only."""
        self.server.start()
        self.query.start()
        if self._settings.announce or not self.server.access.local:
            self._announcement = Announcement(
                self.server.access, self._settings.name, self.server.port, self.query.port
            )
            self._announcement.start()

    def rows(self) -> list[Row]:
        """The last message of each sender, the newest first."""
        return self.server.rows()

    def notices(self) -> list[str]:
        """What the performer should know since the last asking."""
        announced = self._announcement.notices() if self._announcement is not None else []
        return self.server.notices() + self.query.notices() + announced

    def close(self) -> None:
        """Close ports and threads."""
        if self._announcement is not None:
            self._announcement.close()
        self.query.close()
        self.server.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
