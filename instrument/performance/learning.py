"""Learning: which control has been moved on purpose, and what has been learnt so far.

While a parameter or trigger is armed, every control a hand moves is watched until one of them has
moved far enough; a neighbour's noise never does. Everything follows from the events' times and
values, so a take in which something is learnt plays again exactly. Knows no parameter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from instrument.performance.mapping import Binding, source_kind

# Where hands are; the mouse's place is never still, so it does not count.
_MOUSE = ("/mouse/wheel", "/mouse/left", "/mouse/right", "/mouse/middle", "/mouse/button_")
HANDS = ("/midi/", "/osc/", "/key/", *_MOUSE)
_EVERY_DEVICE = "/midi/generic/"  # says again what a device says under its own name
_FAR = 0.1  # of the way: a dozen steps of a 7-bit control, and no fader's noise
_WINDOW = 2.0  # s within which a control must have come so far
_STEPS = 2.0  # steps of an encoder
_ALIKE = 4  # times the same 1 in a row: an encoder, since a fader says nothing twice
_MOST_WATCHED = 256

Gesture = Literal["press", "turn", "steps"]
Pair = tuple[str, str]  # source and target


@dataclass(frozen=True, slots=True)
class Watch:
    """What one control has done since it is watched.

    Between `low` and `high` since `since` seconds, at `last` now; `alike` times the same value in
    a row; at the `ends` 0 and 1 alone so far. `steps` are how many it has gone if it speaks in
    steps, and `stepped` says that it does: no other control goes below 0.
    """

    since: float
    low: float
    high: float
    last: float
    alike: int = 1
    ends: bool = True
    steps: float = 0.0
    stepped: bool = False


def watched(watch: Watch | None, source: str, value: float, time: float) -> Watch:
    """`watch` after `source` has sent `value`."""
    inside = min(max(value, 0.0), 1.0)
    watch = watch or Watch(time, inside, inside, math.nan)
    if time - watch.since > _WINDOW:
        before = inside if math.isnan(watch.last) else min(max(watch.last, 0.0), 1.0)
        watch = replace(watch, since=time, low=before, high=before)
    stepped = value < 0.0 or (value > 1.0 and not source.startswith("/osc/"))
    stepped = (stepped and value == round(value)) or source == "/mouse/wheel"
    return Watch(
        watch.since,
        min(watch.low, inside),
        max(watch.high, inside),
        value,
        watch.alike + 1 if value == watch.last else 1,
        watch.ends and value in (0.0, 1.0),
        watch.steps + (abs(value) if stepped or value == 1.0 else 0.0),
        watch.stepped or stepped,
    )


def gesture(watch: Watch, source: str) -> Gesture | None:
    """What a hand has done at `source`, or None: not enough yet."""
    kind = source_kind(source)
    if kind != "control":
        down = watch.last > 0.0 if kind == "note" else watch.last >= 0.5
        return "press" if down else None
    if watch.stepped:
        return "steps" if watch.steps >= _STEPS else None
    if watch.low == 1.0 and watch.alike >= _ALIKE:  # one that rattles at its top has been below
        return "steps"
    if watch.high - watch.low >= _FAR:
        return "press" if watch.ends else "turn"
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Learning:
    """What is being learnt, and what has been: a value, like the performance it is a part of.

    `armed` is the address that waits for a control, or "". What was `learnt` is numbered from -1
    downwards, so that no binding of a preset is called alike; bindings of the preset that are
    `silenced` are heard no more. `forgotten` are the pairs that were taken back.
    """

    armed: str = ""
    watches: Mapping[str, Watch] = field(default_factory=dict)
    learnt: Mapping[int, Binding] = field(default_factory=dict)
    silenced: frozenset[int] = frozenset()
    forgotten: frozenset[Pair] = frozenset()
    by_source: Mapping[str, tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        found: dict[str, tuple[int, ...]] = {}
        for number, binding in self.learnt.items():
            found[binding.source] = (*found.get(binding.source, ()), number)
        object.__setattr__(self, "by_source", found)

    def heard(self, source: str, numbers: Sequence[int]) -> Sequence[int]:
        """The bindings that hear `source`: those of the preset among `numbers`, and learnt ones."""
        if not self.learnt and not self.silenced:  # every event of a show comes by here
            return numbers
        still = [number for number in numbers if number not in self.silenced]
        return [*still, *self.by_source.get(source, ())]

    def arm(self, target: str) -> Learning:
        """`target` waits for a control; "" ends the waiting."""
        return replace(self, armed=target, watches={})

    def watch(self, source: str, value: float, time: float) -> tuple[Learning, Gesture | None]:
        """After `source` has sent `value`: what is known of it, and what that was, if anything."""
        if source.startswith(_EVERY_DEVICE):
            return self, None
        after = watched(self.watches.get(source), source, value, time)
        watches = {**self.watches, source: after}
        if len(watches) > _MOST_WATCHED:
            del watches[next(iter(watches))]
        return replace(self, watches=watches), gesture(after, source)

    def learn(self, binding: Binding, instead_of: frozenset[int]) -> Learning:
        """`binding` is learnt and heard instead of those bindings of the preset."""
        pair = (binding.source, binding.target)
        learnt = {n: b for n, b in self.learnt.items() if (b.source, b.target) != pair}
        learnt[min(self.learnt, default=0) - 1] = binding
        return Learning(
            learnt=learnt, silenced=self.silenced | instead_of, forgotten=self.forgotten - {pair}
        )

    def forget(self, pairs: frozenset[Pair], silenced: frozenset[int]) -> Learning:
        """Nothing leads along `pairs` any more; `silenced` are those bindings of the preset."""
        learnt = {n: b for n, b in self.learnt.items() if (b.source, b.target) not in pairs}
        return Learning(
            learnt=learnt, silenced=self.silenced | silenced, forgotten=self.forgotten | pairs
        )

    def rebased(self, now: float) -> Learning:
        """The same with its times counted from `now`."""
        watches = {s: replace(w, since=w.since - now) for s, w in self.watches.items()}
        return replace(self, watches=watches)

    def to_json(self) -> dict[str, Any]:
        """Plain words and numbers. The reverse of `learning_from_json`."""
        return {
            "armed": self.armed,
            "watches": [
                [source, w.since, w.low, w.high, w.last, w.alike, w.ends, w.steps, w.stepped]
                for source, w in self.watches.items()
            ],
            "learnt": [[number, binding_to_json(b)] for number, b in self.learnt.items()],
            "silenced": sorted(self.silenced),
            "forgotten": sorted(map(list, self.forgotten)),
        }


def binding_to_json(binding: Binding) -> dict[str, Any]:
    """The fields of a binding as a preset spells them."""
    words = ("source", "target", "mode", "low", "high", "curve", "smoothing", "step")
    return {word: getattr(binding, word) for word in words}


def learning_from_json(fields: Any) -> Learning:
    """Read what `Learning.to_json` wrote; None is nothing.

    Raises KeyError, TypeError, ValueError or InstrumentError where it is damaged.
    """
    if fields is None:
        return Learning()
    learnt = {int(number): Binding(**binding) for number, binding in fields["learnt"]}
    if any(number >= 0 for number in learnt):
        raise ValueError("a learnt binding with a number of the preset's")
    watches = {}
    for source, since, low, high, last, alike, ends, steps, stepped in fields["watches"]:
        watches[str(source)] = Watch(
            float(since), float(low), float(high), float(last),
            int(alike), bool(ends), float(steps), bool(stepped),
        )  # fmt: skip
    return Learning(
        str(fields["armed"]),
        watches,
        learnt,
        frozenset(map(int, fields["silenced"])),
        frozenset((str(source), str(target)) for source, target in fields["forgotten"]),
    )
