"""What events do to a performance: knobs, triggers, bindings.

Every function changes the performance it is given, which `Performer.advance` has made for the
purpose, at `p.time`, the exact time of the event.
"""

from __future__ import annotations

import math
from dataclasses import replace

from instrument.event import ControlEvent
from instrument.performance.flight import along, aside
from instrument.performance.glide import ValueGlide, ValueRamp
from instrument.performance.laws import Laws
from instrument.performance.mapping import Binding, Touch, respond
from instrument.performance.parameters import RAW, STAGE_TRIGGERS, TEMPO_TRIGGERS
from instrument.performance.scene import FIRST
from instrument.performance.scenes import (
    aim_of,
    columns_of,
    morph_seconds,
    scene_now,
    scene_of,
)
from instrument.performance.state import Aim, Performance
from instrument.performance.teaching import WRITE, binding_of, teach
from instrument.performance.timekeeping import ALIGN, align, keep_time, postponed

EVENED = "/pace/evened"  # an event whose value is the rate that the pacer asks for
_THERE = 1e-9  # positions that differ by less are the same


def apply(laws: Laws, p: Performance, event: ControlEvent) -> None:
    """Let `event` act on `p`, whose time is the event's."""
    address, raw = event.address, event.address.startswith(RAW + "/")
    index = laws.space.find(address[len(RAW) :] if raw else address)
    if index is not None and index not in laws.told:
        parameter = laws.space.parameters[index]
        value = parameter.clamp(event.value) if raw else parameter.map(event.value)
        laws.matrix.touch(p, index)
        _set(laws, p, index, value)
    elif address in laws.triggers:
        _fire(laws, p, address, event.value)
    elif address in laws.reports:
        _hear(laws, p, address)
    elif address == ALIGN:
        align(p, event.value)
    elif address == EVENED:  # no hand: what a hand set aside stays there, and nothing is touched
        _set(laws, p, laws.pace, laws.space.parameters[laws.pace].clamp(event.value))
    elif address in laws.lessons.targets:
        teach(laws, p, address, event.value >= 0.5)
    for number in p.learning.heard(address, laws.by_source.get(address, ())):
        _follow(laws, p, number, event.value)
    if address in laws.matrix.hears and laws.matrix.hear(laws, p, address, event.value):
        p.flight, p.stale = laws.anchored(p), True


def _follow(laws: Laws, p: Performance, number: int, value: float) -> None:
    binding, touch = binding_of(laws, p, number), p.touches.get(number)
    index = laws.space.find(binding.target)
    if index is None:
        p.touches[number] = Touch(value)
        _pull(laws, p, binding, touch, value)
        return
    position = respond(binding, touch, value, laws.heading(p, index))
    if position is not None:
        parameter = laws.space.parameters[index]
        position = parameter.unmap(parameter.map(position))  # a switch knows 0 and 1 alone
        _move(laws, p, index, position, binding)
    # A control that asks for nothing has let go: it must meet the value anew.
    p.touches[number] = Touch(value, position)


def _pull(laws: Laws, p: Performance, binding: Binding, touch: Touch | None, value: float) -> None:
    """A binding on a trigger: at the press, and with ``momentary`` at the release too."""
    if binding.is_press(touch, value):
        holding = binding.target == "/performance/hold" and p.aim.kind == "hold"
        playing = binding.target == "/score/play" and p.score_since is not None
        joined = binding.target in laws.model_words and _has_joined(laws, p, binding.target)
        off = binding.mode == "toggle" and (holding or playing or joined)
        _fire(laws, p, binding.target, 0.0 if off else 1.0)
    elif binding.mode == "momentary" and not binding.is_down(value):
        _fire(laws, p, binding.target, 0.0)


def _set(laws: Laws, p: Performance, index: int, value: float) -> None:
    """A parameter takes `value` (native units) at once."""
    _touch_flight(laws, p, index)
    p.gliding.pop(index, None)
    p.values[index] = value


def _move(laws: Laws, p: Performance, index: int, position: float, binding: Binding) -> None:
    """A parameter heads for `position`, which `binding` asks for."""
    parameter = laws.space.parameters[index]
    if binding.smoothing <= 0.0:
        laws.matrix.touched_by(binding.source, p, index)
        _set(laws, p, index, parameter.map(position))
        return
    start = laws.matrix.departure(laws, p, index, binding.source)
    _touch_flight(laws, p, index)
    p.gliding[index] = ValueGlide(start, position, p.time, binding.smoothing)
    p.values[index] = parameter.map(position)


def _touch_flight(laws: Laws, p: Performance, index: int) -> None:
    if index not in laws.shaping:
        return
    p.flight = laws.anchored(p)
    p.stale = True
    p.glide_rule = laws.glide_rules.get(index, p.glide_rule)
    if index in laws.axes and laws.pad is not None:
        p.aim, p.resumes = Aim("pad", styles=(p.resumes or p.aim).styles), None


def _fire(laws: Laws, p: Performance, address: str, value: float) -> None:
    pressed = value >= 0.5
    if address in STAGE_TRIGGERS:
        p.requests = (*p.requests, (address, value))
    elif address == "/performance/hold":
        _hold(laws, p, pressed)
    elif address == "/score/play":
        p.score_since, p.next_cue = (p.time if pressed else None), 0
    elif address in laws.model_words:
        _call_model(laws, p, address, pressed)
    elif address.startswith("/learn/"):
        teach(laws, p, address, pressed)
    elif not pressed:
        return
    elif address == "/performance/panic":
        _panic(laws, p)
    elif address == "/performance/flick":
        _push(laws, p)
    elif address in laws.matrix.restarts:
        laws.matrix.restart(p, address)
        p.flight, p.stale = laws.anchored(p), True
    elif address in laws.scenes and laws.scenes.find(address)[1] == "save":
        _call_scene(laws, p, address)
    elif address in TEMPO_TRIGGERS:
        _keep_time(laws, p, address)
    elif not postponed(laws, p, address):
        launch(laws, p, address)


def launch(laws: Laws, p: Performance, address: str) -> None:
    """Go where the trigger at `address` leads, now."""
    p.tempo = p.tempo.waiting(None)
    if address == "/performance/home":
        _go(laws, p, laws.home_index)
    elif address in laws.styles:
        _aim_style(laws, p, address)
    elif address in laws.scenes:
        _call_scene(laws, p, address)
    else:
        _go(laws, p, laws.bank.index(address.split("/")[2]))


def _keep_time(laws: Laws, p: Performance, address: str) -> None:
    bpm = keep_time(p, address)
    if bpm is not None:
        _set(laws, p, laws.space.index("/tempo/bpm"), bpm)


def _head_for(laws: Laws, p: Performance, aim: Aim) -> None:
    p.flight = laws.anchored(p)
    p.aim, p.resumes, p.stale = aim, None, True
    if laws.spec.radius is not None:
        swing = aside(p.flight.motion, laws.target(p), laws.spring(p), laws.spec.radius)
        p.flight = p.flight.pushed(swing)


def _go(laws: Laws, p: Performance, waypoint: int) -> None:
    _head_for(laws, p, Aim("waypoint", waypoint))
    snapshot = laws.bank.waypoints[waypoint].snapshot
    if snapshot is not None:
        index = laws.space.index("/model/snapshot")
        _set(laws, p, index, laws.space.parameters[index].clamp(snapshot))


def _call_model(laws: Laws, p: Performance, address: str, pressed: bool) -> None:
    """Load, join or part: what it takes to open a model is the stage's business."""
    model, verb = laws.model_words[address]
    now = laws.now(p)
    if verb == "join":
        p.models = p.models.join(model, now) if pressed else p.models.part(model, now)
    elif pressed:
        p.models = p.models.load(model, now)


def _has_joined(laws: Laws, p: Performance, address: str) -> bool:
    model, verb = laws.model_words[address]
    if verb != "join":
        return False
    fading_out = p.models.fade is not None and p.models.fade.end == "first"
    joined = model == p.models.second and not fading_out
    return joined or (model == p.models.incoming and p.models.joins)


def _hear(laws: Laws, p: Performance, address: str) -> None:
    """The stage tells what became of a model."""
    model, verb = laws.reports[address]
    now = laws.now(p)
    p.models = p.models.ready(model, now) if verb == "ready" else p.models.failed(model)


def _call_scene(laws: Laws, p: Performance, address: str) -> None:
    """Recall a scene, morph into it, or save it."""
    number, verb = laws.scenes.find(address)
    if verb == "save":
        p.scenes = p.scenes.saving(number, scene_now(laws, p, number))
        p.requests = (*p.requests, (WRITE, 1.0))
        return
    scene = scene_of(laws, p, number)
    if scene is None:  # an empty slot
        return
    seconds = morph_seconds(laws, p) if verb == "morph" else 0.0
    for index, value in columns_of(laws, scene):
        # Where z does not follow the pad, a pad on its way would only lead it a way round.
        if seconds > 0.0 and (index not in laws.axes or p.aim.kind == "pad"):
            _ramp(laws, p, index, value, seconds)
        else:
            _set(laws, p, index, value)
    aim = aim_of(laws, p, scene)
    if aim is not None:
        _head_for(laws, p, aim)
    p.scenes = replace(p.scenes, current=number)


def _ramp(laws: Laws, p: Performance, index: int, value: float, seconds: float) -> None:
    """A parameter goes to `value` (native units) within `seconds`."""
    unmap, rule = laws.space.parameters[index].unmap, laws.glide_rules.get(index)
    if rule is not None and rule != p.glide_rule:  # another word on the same spring: go on from it
        arrival = laws.spring(p).arrival_seconds
        words = {"frequency": laws.spring(p).frequency, "seconds": arrival}
        start = unmap(words.get(rule, arrival * p.tempo.bpm / 60.0))
    else:
        start = unmap(laws.base_at(p, index))
    if abs(start - unmap(value)) < _THERE:  # nothing on its way costs nothing
        _set(laws, p, index, value)
        return
    _touch_flight(laws, p, index)
    p.gliding[index] = ValueRamp(start, unmap(value), p.time, seconds)
    p.values[index] = value


def _aim_style(laws: Laws, p: Performance, address: str) -> None:
    """A group of layers heads for a waypoint of its own, or goes with the rest again."""
    p.flight = laws.anchored(p)
    laws.styles.aimed(p, address)
    p.stale = True
    if laws.spec.radius is not None:
        swing = aside(p.flight.motion, laws.target(p), laws.spring(p), laws.spec.radius)
        rows = laws.styles.rows(address)
        swing[: rows.start] = swing[rows.stop :] = 0.0
        p.flight = p.flight.pushed(swing)


def _hold(laws: Laws, p: Performance, pressed: bool) -> None:
    if pressed and (p.aim.kind != "hold" or p.aim.styles):
        p.flight = laws.anchored(p)
        p.resumes, p.stale = p.resumes or p.aim, True
        p.aim = Aim("hold", place=p.flight.motion.position)
    elif not pressed and p.aim.kind == "hold" and p.resumes is not None:
        p.flight = laws.anchored(p)
        p.aim, p.resumes, p.stale = p.resumes, None, True


def _push(laws: Laws, p: Performance) -> None:
    """Add velocity along the way z is flying; at rest, in a direction of the drift's own."""
    flight = laws.anchored(p)
    speed = math.radians(laws.value_at(p, laws.flick))
    p.flight = flight.pushed(along(flight.motion, laws.drift.at(float(p.flicks)), speed, laws.spec))
    p.flicks += 1


def _panic(laws: Laws, p: Performance) -> None:
    """Back to the preset's values, every control let go, and home. The models play on: to open
    another would take seconds."""
    p.values = laws.start.copy()
    p.gliding.clear()
    p.touches.clear()
    p.learning = p.learning.arm("")
    p.scenes = replace(p.scenes, current=FIRST)
    p.modulation = p.modulation.let_go()
    p.glide_rule = laws.start_rule
    p.score_since, p.next_cue = None, 0
    p.tempo = p.tempo.waiting(None)
    _go(laws, p, laws.home_index)
    # What the preset says of the snapshot stands before what its home wishes.
    snapshot = laws.space.index("/model/snapshot")
    p.values[snapshot] = laws.start[snapshot]
