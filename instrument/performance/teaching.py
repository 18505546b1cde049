"""Teaching the instrument: what can be armed, and what is learnt when a control is moved.

``/learn/next`` arms what a hand touched last, and again the one after it; ``/learn/target`` with
an address behind it arms that one. The next control that is moved on purpose (see `learning`)
steers it from then on: with pickup where it is turned, by steps where it speaks in steps; a press
toggles a value and fires a trigger.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from instrument import InstrumentError
from instrument.event import ControlEvent
from instrument.performance.learning import HANDS, Gesture, Pair
from instrument.performance.mapping import Binding, Mode, Touch
from instrument.performance.parameters import ParameterSpace, Trigger
from instrument.performance.reserved import RESERVED_SOURCES

if TYPE_CHECKING:
    from instrument.performance.laws import Laws
    from instrument.performance.state import Performance

WRITE = "/preset/write"  # asked of the stage: keep what was learnt or saved in the preset's file
LEARN_TRIGGERS = (
    Trigger("/learn/next", "learn: arm what was touched last, then the one after it"),
    Trigger("/learn/previous", "learn: arm the one before"),
    Trigger("/learn/cancel", "learn nothing after all"),
    Trigger("/learn/forget", "let go of every control of what is armed, or of the newest learnt"),
)
_ARM = "/learn/target"  # and the address to arm
_BY_NAME = re.compile(r"(?:/style/[^/]+)?/(?:waypoint|model|preset)/(?!\d+/)[^/]+/.*")
_SWITCHED_OFF = re.compile(r"/performance/hold|/score/play|/model/[^/]+/join")
# What is pressed on the way to another key.
_MODIFIERS = frozenset({"/key/shift", "/key/ctrl", "/key/alt", "/key/super"})
_DEAF = RESERVED_SOURCES | _MODIFIERS
_SMOOTHING, _FADE = 0.05, 0.07  # s: for what is turned, and what is switched
_STEP, _WHEEL_STEP = 1.0 / 64.0, 0.02


class Lessons:
    """What a performance can learn, and the addresses that ask for it."""

    def __init__(self, space: ParameterSpace) -> None:
        parameters = [p.address for p in space if not p.told]
        triggers = [trigger.address for trigger in space.triggers]
        learnable = (*parameters, *triggers)
        self.targets = {_ARM + address: address for address in learnable}
        # One steps through numbers, not through names for the same, nor through learning itself.
        self._order = [*parameters]
        self._order += [t for t in triggers if not _BY_NAME.fullmatch(t) and not _is_lesson(t)]
        self._learnable = frozenset(learnable)

    def __contains__(self, address: str) -> bool:
        """Whether there is a parameter or trigger at `address` that can be learnt."""
        return address in self._learnable

    def following(self, target: str, steps: int) -> str:
        """What stands `steps` after `target`, in a ring; what is not there is before the first."""
        here = self._order.index(target) if target in self._order else -1
        return self._order[(here + steps) % len(self._order)]


def teach(laws: Laws, p: Performance, address: str, pressed: bool) -> None:
    """Let the trigger at `address`, one of learning, act."""
    target = laws.lessons.targets.get(address)
    if target is not None:
        if pressed or p.learning.armed == target:
            p.learning = p.learning.arm(target if pressed else "")
    elif not pressed:
        return
    elif address == "/learn/cancel":
        p.learning = p.learning.arm("")
    elif address == "/learn/forget":
        _forget(laws, p)
    elif not p.learning.armed and p.touched:
        p.learning = p.learning.arm(p.touched)
    else:
        step = -1 if address == "/learn/previous" else 1
        p.learning = p.learning.arm(laws.lessons.following(p.learning.armed, step))


def witness(laws: Laws, p: Performance, event: ControlEvent) -> None:
    """See `event`, which came from outside and has acted: what was touched, and what is learnt."""
    source = event.address
    if not source.startswith(HANDS):
        if source in laws.lessons and not source.startswith(("/learn/", "/tempo/")):
            p.touched = source
        return
    for number in p.learning.heard(source, laws.by_source.get(source, ())):
        target = binding_of(laws, p, number).target
        # One who is learning may call for the virtual controller: that key is not what is meant.
        if _is_lesson(target) or target == "/display/controller":
            return
        p.touched = target
    if not p.learning.armed or source in _DEAF:
        return
    p.learning, done = p.learning.watch(source, event.value, event.time)
    if done is not None:
        _learn(laws, p, event, done)


def binding_of(laws: Laws, p: Performance, number: int) -> Binding:
    """Binding `number`: of the preset, or learnt."""
    return laws.bindings[number] if number >= 0 else p.learning.learnt[number]


def bindings_now(laws: Laws, p: Performance) -> list[Binding]:
    """Every binding that is heard: those of the preset still in force, and what was learnt."""
    silenced = p.learning.silenced
    of_preset = [b for number, b in enumerate(laws.bindings) if number not in silenced]
    return [*of_preset, *p.learning.learnt.values()]


def lesson(p: Performance) -> str:
    """What the performer should know of learning right now; "" where nothing is armed."""
    return f"learn {p.learning.armed}: move a control" if p.learning.armed else ""


def news(before: Performance, after: Performance) -> str:
    """What has been learnt, forgotten or saved between the two, for the performer; "" where nothing
    has."""
    old, new = before.learning.learnt, after.learning.learnt
    if before.learning.forgotten != after.learning.forgotten or old is not new:
        said = [f"{b.source}: {b.target} ({b.mode})" for n, b in new.items() if old.get(n) is not b]
        gone = after.learning.forgotten - before.learning.forgotten
        said += [f"{source} lets go of {target}" for source, target in sorted(gone)]
        return ", ".join(said)
    if before.scenes.saved is not after.scenes.saved:
        return f"scene {after.scenes.current} saved"
    return ""


def check_taught(laws: Laws, p: Performance) -> None:
    """Raises InstrumentError where `p` has learnt what these laws do not have."""
    for binding in p.learning.learnt.values():
        laws.check_address(binding.target)
    for address in filter(None, (p.learning.armed, p.touched)):
        if address not in laws.lessons:
            raise InstrumentError(f"performance: no {address!r} can be learnt")
    if not p.learning.silenced <= set(range(len(laws.bindings))):
        raise InstrumentError("performance: silences bindings the preset does not have")


def _is_lesson(target: str) -> bool:
    return target.startswith("/learn/")


def _learn(laws: Laws, p: Performance, event: ControlEvent, done: Gesture) -> None:
    source, target = event.address, p.learning.armed
    instead_of = _numbers(laws, frozenset({(source, target)}))
    p.learning = p.learning.learn(_binding(laws, source, target, done), instead_of)
    p.touched = target
    # Known from now on: a key must go up before it acts, a fader must meet the value.
    p.touches[min(p.learning.learnt)] = Touch(event.value)
    p.requests = (*p.requests, (WRITE, 1.0))


def _binding(laws: Laws, source: str, target: str, done: Gesture) -> Binding:
    index = laws.space.find(target)
    if index is None:
        mode: Mode = "toggle" if _SWITCHED_OFF.fullmatch(target) else "trigger"
        return Binding(source, target, mode)
    parameter = laws.space.parameters[index]
    places = {"switch": 2, "steps": len(parameter.steps)}.get(parameter.curve)
    if done == "press":
        return Binding(source, target, "toggle", smoothing=0.0 if places else _FADE)
    smoothing = 0.0 if places else _SMOOTHING
    if done == "turn":
        return Binding(source, target, "pickup", smoothing=smoothing)
    step = _WHEEL_STEP if source.startswith("/mouse/") else _STEP
    step = 1.0 / (places - 1) if places else step  # a step is a place
    return Binding(source, target, "relative", smoothing=smoothing, step=step)


def _forget(laws: Laws, p: Performance) -> None:
    """Let go of the hands on what is armed; where nothing is, of what was learnt last."""
    learnt, target = p.learning.learnt, p.learning.armed
    if target:
        steering = [b for b in bindings_now(laws, p) if b.target == target]
        steering = [b for b in steering if b.source.startswith(HANDS)]
    else:
        steering = [learnt[min(learnt)]] if learnt else []
    pairs = frozenset((b.source, b.target) for b in steering if b.source not in RESERVED_SOURCES)
    if not pairs:
        return
    for number, binding in learnt.items():
        if (binding.source, binding.target) in pairs:
            p.touches.pop(number, None)
    p.learning = p.learning.forget(pairs, _numbers(laws, pairs))
    p.requests = (*p.requests, (WRITE, 1.0))


def _numbers(laws: Laws, pairs: frozenset[Pair]) -> frozenset[int]:
    """The bindings of the preset that lead along `pairs`."""
    return frozenset(
        number
        for number, binding in enumerate(laws.bindings)
        if (binding.source, binding.target) in pairs
    )
