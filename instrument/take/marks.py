"""Marks: at which frames of a take something was called, and what it is called.

Waypoints, scenes, models, cues and the rest that a hand or the score triggers, with the names of
the take's own bank. Knows nothing of editors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from instrument.event import ControlEvent
from instrument.performance.laws import Laws
from instrument.performance.performer import Performer
from instrument.performance.state import Performance
from instrument.performance.teaching import binding_of
from instrument.take.reader import TakeRecord
from instrument.take.replay import performer_of

# What is worth finding again on an editor's timeline: not every beat, nor what learns or shows.
_TOLD = re.compile(
    r"/(waypoint/[^/]+/go|preset/[^/]+/(recall|morph)|model/[^/]+/(load|join)|style/.+"
    r"|performance/(home|hold|panic)|score/play|take/[^/]+)"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Row `frame` is the first that `address` was called for."""

    frame: int
    name: str
    address: str


def marks_of(record: TakeRecord, where: str) -> tuple[Mark, ...]:
    """All marks of a take, in order. Raises InstrumentError where it cannot be played again."""
    performer, performance = performer_of(record.attachments, where)
    found = dict.fromkeys(_played(performer, performance, record))
    return tuple(found)


def _played(performer: Performer, p: Performance, record: TakeRecord) -> Iterator[Mark]:
    rate, played, events = record.header.rate, 0, record.events
    for frame in range(len(record)):
        now, begin = rate.time_of(frame), played
        while played < len(events) and events[played].time <= now:
            played += 1
        if begin == played and p.score_since is None and p.tempo.pending is None:
            continue  # nothing can be called here
        quiet = list[ControlEvent]()
        for event in events[begin:played]:
            if not _may_call(performer, p, event):
                quiet.append(event)
                continue
            yield from _waited(performer, p, p := performer.advance(p, event.time, quiet), frame)
            quiet = []
            called = _called(performer, p, event)
            before, p = p, performer.advance(p, event.time, (event,))
            waiting = p.tempo.pending
            if waiting is not None and waiting is not before.tempo.pending:
                called = [address for address in called if address not in performer.launches]
            for address in called:
                yield Mark(frame, name_of(performer, address), address)
        yield from _waited(performer, p, p := performer.advance(p, now, quiet), frame)


def _may_call(laws: Laws, p: Performance, event: ControlEvent) -> bool:
    """Whether `event` is looked at alone: not what a microphone says sixty times a second."""
    heard = p.learning.heard(event.address, laws.by_source.get(event.address, ()))
    meant = (event.address, *(binding_of(laws, p, number).target for number in heard))
    return any(a.startswith("/learn/") or _TOLD.fullmatch(a) for a in meant)


def _waited(laws: Laws, before: Performance, after: Performance, frame: int) -> Iterator[Mark]:
    """What came due between two moments: cues, and what waited for a beat."""
    pending = before.tempo.pending
    if pending is not None and after.tempo.pending is None:
        yield Mark(frame, name_of(laws, pending.address), pending.address)
    for number in range(before.next_cue, after.next_cue):
        cue = laws.score.cues[number % len(laws.score)]
        name = name_of(laws, cue.address) if _TOLD.fullmatch(cue.address) else ""
        yield Mark(frame, name or f"cue {number % len(laws.score) + 1}", cue.address)


def _called(laws: Laws, p: Performance, event: ControlEvent) -> list[str]:
    """The triggers that `event` pulls, by its own address and through bindings."""
    called = [event.address] if event.value >= 0.5 else []
    for number in p.learning.heard(event.address, laws.by_source.get(event.address, ())):
        binding = binding_of(laws, p, number)
        if binding.is_press(p.touches.get(number), event.value):
            called.append(binding.target)
    return [a for a in called if a in laws.triggers and _TOLD.fullmatch(a)]


def name_of(laws: Laws, address: str) -> str:
    """What people call what `address` calls."""
    first, *rest = address.strip("/").split("/")
    if first == "waypoint":
        return laws.bank.waypoints[laws.bank.index(rest[0])].name
    if address in laws.scenes:
        number, _ = laws.scenes.find(address)
        scene = laws.scenes.written.get(number)
        return scene.name if scene is not None and scene.name else f"scene {number}"
    if first == "performance":
        return rest[-1]
    if first == "style":
        return " ".join(word for word in rest if word not in ("waypoint", "go"))
    verbs = ("play", "load")
    return " ".join((first, *(word for word in rest if word not in verbs)))
