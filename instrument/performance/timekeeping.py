"""Timekeeping: what events do to the beat, and what waits for a beat to come.

Every function works on the performance it is given, which `Performer.advance` has made for the
purpose, at `p.time`. Where a waiting launch leads is `response`'s business.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from instrument import InstrumentError
from instrument.performance.tempo import Launch

if TYPE_CHECKING:
    from instrument.performance.laws import Laws
    from instrument.performance.state import Performance

ALIGN = "/tempo/align"  # an event whose value is the count of beats at its time
_HERE = 1e-9  # beats: a press on the beat is not a press just after it


def keep_time(p: Performance, address: str) -> float | None:
    """Let a trigger of the tempo act. The bpm it asks for, if it asks for one."""
    if address == "/tempo/tap":
        p.tempo, bpm = p.tempo.tapped(p.time)
        return bpm
    p.tempo = p.tempo.started(p.time) if address == "/tempo/start" else p.tempo.met(p.time)
    return None


def align(p: Performance, beats: float) -> None:
    """A clock counts `beats` now."""
    p.tempo = p.tempo.aligned(p.time, beats)


def postponed(laws: Laws, p: Performance, address: str) -> bool:
    """Whether the trigger at `address`, pressed now, waits for its beat: then it is pending.

    The first beat it can still be in time for, so much ahead of it as ``/launch/ahead`` says.
    """
    every = laws.value_at(p, laws.quantise)
    if every <= 0.0:
        return False
    soonest = p.tempo.beats(p.time + _ahead(laws, p))
    beat = every * math.ceil(soonest / every - _HERE)
    p.tempo = p.tempo.waiting(Launch(address, beat))
    return True


def launch_time(laws: Laws, p: Performance) -> float:
    """When what waits is launched, in closed form; inf where nothing waits."""
    pending = p.tempo.pending
    if pending is None:
        return math.inf
    return p.tempo.time_of(pending.beat) - _ahead(laws, p)


def _ahead(laws: Laws, p: Performance) -> float:
    # Where it is going, not where a smoothed knob has got to: the instant of a launch must follow
    # from the anchors alone, or it would depend on when somebody looks.
    return float(p.values[laws.ahead])


def awaited(laws: Laws, p: Performance) -> list[str]:
    """What waits, in words: one or none."""
    pending = p.tempo.pending
    if pending is None:
        return []
    return [f"on beat {pending.beat:g}: {laws.triggers.get(pending.address, pending.address)}"]


def check_pending(laws: Laws, p: Performance) -> None:
    """Raises InstrumentError where what waits in `p` is nothing that these laws launch."""
    pending = p.tempo.pending
    if pending is not None and pending.address not in laws.launches:
        raise InstrumentError(f"performance: {pending.address[:60]!r} waits for a beat, and is none"
                              " of what is launched")  # fmt: skip
