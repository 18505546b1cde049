"""Where things begin in a take: moments with names, for the chapters of its film.

A mark is where the performer called a waypoint or a scene, played a score, or went home, and where
a cue of a score that was playing did so: when it was called, also where the way waited for a beat.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from instrument.event import ControlEvent
from instrument.performance.performer import Performer
from instrument.performance.score import Score
from instrument.take.reader import TakeRecord
from instrument.take.replay import performer_of

_WAYPOINT = re.compile(r"/waypoint/([^/]+)/go")
_SCENE = re.compile(r"/preset/([^/]+)/(?:recall|morph)")
_PLAY = "/score/play"
_PRESSED = 0.5
_WORDS = {"/performance/home": "Home", _PLAY: "Score"}


def marks_of(record: TakeRecord, where: str) -> list[tuple[float, str]]:
    """Seconds and names in order of time. Raises InstrumentError where the take is damaged."""
    performer, began = performer_of(record.attachments, where)
    seconds = record.header.rate.time_of(len(record.z))
    cues = _cues(record.events, performer.score, seconds, began.score_since)
    called = sorted([*record.events, *cues], key=lambda event: event.time)
    return [(event.time, name) for event in called if (name := _name(event, performer))]


def _name(event: ControlEvent, performer: Performer) -> str | None:
    """What begins with `event`, or None where nothing does."""
    if event.value < _PRESSED:
        return None  # the release of a trigger
    if event.address in _WORDS:
        return _WORDS[event.address]
    if match := _WAYPOINT.fullmatch(event.address):
        called, waypoints = match[1], performer.bank.waypoints
        numbered = called.isdecimal() and 1 <= int(called) <= len(waypoints)
        return waypoints[int(called) - 1].name if numbered else called
    if match := _SCENE.fullmatch(event.address):
        return f"Scene {match[1]}" if match[1].isdecimal() else match[1]
    return None


def _cues(
    events: tuple[ControlEvent, ...], score: Score, seconds: float, begun: float | None
) -> Iterator[ControlEvent]:
    """The cues of `score` while it was played; since `begun`, where the take found it playing."""
    turns = [event for event in events if event.address == _PLAY]
    for turn in [*turns, ControlEvent(_PLAY, 0.0, math.inf)]:
        if begun is not None:
            yield from _between(score, begun, min(turn.time, seconds))
        begun = turn.time if turn.value >= _PRESSED else None


def _between(score: Score, begun: float, end: float) -> Iterator[ControlEvent]:
    number = 0
    while len(score) and begun + (at := score.time_of(number)) < end:
        cue = score.cues[number % len(score)]
        yield ControlEvent(cue.address, cue.value, begun + at)
        number += 1
