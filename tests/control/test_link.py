"""Ableton Link with real peers: another session of the library in this very process."""

import asyncio
import builtins
import math
import threading
import time

import pytest

from instrument.control.link import LinkSession
from instrument.control.pulse import Pulse
from instrument.control.tempo import Conductor
from instrument.event import ControlEvent
from instrument.timebase import WallClock

PATIENCE = 20.0  # s: peers find each other within one or two


class Peer:
    """Somebody else in the session."""

    def __init__(self, bpm: float) -> None:
        self.aalink = pytest.importorskip("aalink", reason="Ableton Link is an extra")
        self._bpm, self._ready, self._stop = bpm, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._sit()), daemon=True)

    async def _sit(self) -> None:
        self.link = self.aalink.Link(self._bpm)
        self.link.quantum = 4.0
        self.link.enabled = True
        self._ready.set()
        while not self._stop.is_set():
            await asyncio.sleep(0.02)
        self.link.enabled = False

    def __enter__(self) -> "Peer":
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)


def wait_for(what, *given: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what(*given):
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.02)


def test_two_peers_share_tempo_and_bar() -> None:
    clock, pulses, events = WallClock(), list[Pulse](), list[ControlEvent]()
    conductor = Conductor(events.append, clock, lambda: 120.0)

    def hear(pulse: Pulse) -> None:
        pulses.append(pulse)
        conductor.link(pulse)

    with Peer(133.0) as peer:
        session = LinkSession(hear, clock)
        session.open()
        try:
            wait_for(lambda: session.peers == 1)
            peer.link.tempo = 133.0  # of two strangers the older session wins; a word decides
            wait_for(lambda: pulses and abs(pulses[-1].bpm - 133.0) < 0.01)
            wait_for(lambda: events and abs(events[-1].time - clock.now()) < 5.0)
            off = []
            for _ in range(20):
                now, theirs = clock.now(), float(peer.link.beat)
                off.append(math.remainder(pulses[-1].beats_at(now) - theirs, 4.0))
                time.sleep(0.02)
            assert min(map(abs, off)) < 0.02  # the least disturbed look on a busy machine
            assert session.says == "1 peer, 133.0 bpm"
            peer.link.tempo = 999.0
            wait_for(lambda: pulses[-1].bpm > 240.0)
            wait_for(lambda: any("out of 40..240" in line for line in conductor.notices()))
            assert all(40.0 <= e.value <= 240.0 for e in events if e.address == "/raw/tempo/bpm")
        finally:
            session.close()
    assert "Link: 1 peer" in session.notices()
    assert session.peers == 0


def test_alone_there_is_no_beat_to_share() -> None:
    pytest.importorskip("aalink", reason="Ableton Link is an extra")
    heard: list[Pulse] = []
    session = LinkSession(heard.append, WallClock())
    session.open()
    time.sleep(0.3)
    alone = session.peers == 0  # somebody on this network may play
    session.close()
    if alone:
        assert heard == []
        assert session.says == "nobody else"


def test_without_the_library_it_is_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def missing(name: str, *rest: object, **more: object) -> object:
        if name == "aalink":
            raise ImportError(name)
        return found(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    session = LinkSession(lambda pulse: None, WallClock())
    session.open()
    assert session.notices() == ["Link is not installed: pip install latent-instrument[link]"]
    assert session.notices() == []
    assert session.says == "not there"
    session.close()
