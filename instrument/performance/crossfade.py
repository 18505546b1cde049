"""Which models play, and how one fades into the other: a state and what each word does to it.

At most two models are seen, the first and the second; a third may be prepared meanwhile. Models
are numbers, counted from 1 in the preset's list; 0 is none. How long a model takes to open is no
function of time, so the stage *tells* when one is ready or failed, and those words are recorded
with their times. Everything else follows from them in closed form, so a replay fades alike.

``load`` replaces: once ready, the model fades in, and what played before ends. ``join`` adds: the
model stays as the second, and ``/model/mix`` says how much of it is seen. Knows no process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

End = Literal["first", "second", "mix"]


class Now(NamedTuple):
    """The moment something happens: its `time`, ``/model/mix`` and ``/model/fade`` (s) at it."""

    time: float
    mix: float
    fade: float


@dataclass(frozen=True, slots=True)
class Fade:
    """From `start` (the share of the second model, 0..1) to `end`, within `seconds`.

    Linear in sRGB code values, as the dissolve of a video editor. `end` ``mix`` is a moving one:
    wherever ``/model/mix`` is.
    """

    since: float
    seconds: float
    start: float
    end: End

    @property
    def over_at(self) -> float:
        """When it has arrived."""
        return self.since + self.seconds

    def share(self, time: float, mix: float) -> float:
        """The share of the second model at `time`: exactly `start` first, exactly its end last."""
        aim = {"first": 0.0, "second": 1.0, "mix": mix}[self.end]
        if time >= self.over_at:
            return aim
        progress = min(max((time - self.since) / self.seconds, 0.0), 1.0)
        return (1.0 - progress) * self.start + progress * aim


@dataclass(frozen=True, slots=True)
class Models:
    """What plays: `first`, and `second` where there is one. `incoming` is being prepared.

    `joins` says that it will stay beside the first, `waits` that it is ready and comes in as soon
    as the `fade` that runs now has made room.
    """

    first: int = 1
    second: int = 0
    fade: Fade | None = None
    incoming: int = 0
    joins: bool = False
    waits: bool = False

    @property
    def wanted(self) -> tuple[int, ...]:
        """Every model that must be open, the seen ones first."""
        return tuple(number for number in (self.first, self.second, self.incoming) if number)

    def share(self, time: float, mix: float) -> float:
        """How much of the second model is seen at `time`, 0..1."""
        if not self.second:
            return 0.0
        return mix if self.fade is None else self.fade.share(time, mix)

    # What the performer asks for.

    def load(self, model: int, now: Now) -> Models:
        """`model` is to play alone. Of two that play, the other fades out at once."""
        if model == self.incoming:
            return replace(self, joins=False)
        free = self._without_incoming()
        if model == self.second:
            return free._heading("second", now)
        if model == self.first:
            return free._heading("first", now) if self.second else free
        return replace(free, incoming=model)

    def join(self, model: int, now: Now) -> Models:
        """`model` is to play as the second. One that is fading out stays."""
        if model == self.incoming:
            return replace(self, joins=True)
        free = self._without_incoming()
        if model not in (self.first, self.second):
            return replace(free, incoming=model, joins=True)
        return free._heading("mix", now) if self.fade is not None else free

    def part(self, model: int, now: Now) -> Models:
        """The end of `join`: of two that play, `model` fades out; a preparation is given up."""
        if model == self.incoming:
            return self._without_incoming()
        if not self.second or model not in (self.first, self.second):
            return self
        return self._heading("first" if model == self.second else "second", now)

    # What the stage tells, and what time does.

    def ready(self, model: int, now: Now) -> Models:
        """`model` can be decoded from now on: it comes in, or waits for room."""
        if model != self.incoming or self.waits:
            return self
        if not self.second:
            return self._come_in(now)
        waiting = replace(self, waits=True)
        if self.fade is not None and self.fade.end != "mix":
            return waiting
        fewer = self.joins or self.share(now.time, now.mix) < 0.5
        return waiting._heading("first" if fewer else "second", now)

    def failed(self, model: int) -> Models:
        """`model` cannot be opened: what plays goes on as it was."""
        return self._without_incoming() if model == self.incoming else self

    def arrived(self, now: Now) -> Models:
        """The fade is over."""
        assert self.fade is not None
        rest = replace(self, fade=None)
        if self.fade.end == "second":
            rest = replace(rest, first=self.second, second=0)
        elif self.fade.end == "first":
            rest = replace(rest, second=0)
        return rest._come_in(now) if rest.waits else rest

    def _without_incoming(self) -> Models:
        return replace(self, incoming=0, joins=False, waits=False)

    def _come_in(self, now: Now) -> Models:
        fade = Fade(now.time, now.fade, 0.0, "mix" if self.joins else "second")
        return replace(self._without_incoming(), second=self.incoming, fade=fade)

    def _heading(self, end: End, now: Now) -> Models:
        """On the way to `end`; what is on that way already goes on, what is there is there."""
        if self.fade is not None and self.fade.end == end:
            return self
        share = self.share(now.time, now.mix)
        there = share == {"first": 0.0, "second": 1.0, "mix": now.mix}[end]
        return replace(self, fade=Fade(now.time, 0.0 if there else now.fade, share, end))

    # For takes.

    def rebased(self, now: float) -> Models:
        """The same moment, with the time `now` called 0."""
        fade = self.fade and replace(self.fade, since=self.fade.since - now)
        return replace(self, fade=fade)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, every float in full. The reverse of `models_from_json`."""
        fade = self.fade
        return {
            "first": self.first,
            "second": self.second,
            "fade": fade and [fade.since, fade.seconds, fade.start, fade.end],
            "incoming": self.incoming,
            "joins": self.joins,
            "waits": self.waits,
        }


def models_from_json(fields: Any, time: float) -> Models:
    """Read what `Models.to_json` wrote of a performance at `time`.

    Raises KeyError, TypeError or ValueError on what no performance can hold.
    """
    fade = None
    if fields["fade"] is not None:
        since, seconds, start, end = fields["fade"]
        fade = Fade(float(since), float(seconds), float(start), end)
        numbers_hold = all(map(math.isfinite, (fade.since, fade.seconds, fade.start)))
        if not numbers_hold or fade.seconds < 0.0 or not 0.0 <= fade.start <= 1.0:
            raise ValueError("a fade that is none")
        if end not in get_args(End) or not fade.since <= time:
            raise ValueError("a fade from nowhere")
    first, second, incoming = (fields[key] for key in ("first", "second", "incoming"))
    joins, waits = fields["joins"], fields["waits"]
    numbers = (first, second, incoming)
    if not all(type(n) is int and n >= 0 for n in numbers) or not first:
        raise ValueError(f"models {numbers}")
    if type(joins) is not bool or type(waits) is not bool:
        raise ValueError("models that join or wait perhaps")
    if first in (second, incoming) or (second and second == incoming):
        raise ValueError(f"models {numbers}: one twice")
    makes_room = fade is not None and fade.end != "mix"
    if (fade and not second) or (waits and not (incoming and makes_room)):
        raise ValueError(f"models {numbers}: a fade or a wait for nothing")
    return Models(first, second, fade, incoming, joins, waits)
