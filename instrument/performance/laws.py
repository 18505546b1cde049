"""The laws of one performance: what its parameters, bindings, bank, pad and score are.

Fixed from the first moment to the last. `values` says how values are read; here is what spring,
target and drift follow from them. `response` says what events do, `performer` moves through time.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.directions import Directions
from instrument.latent.noise import Drift
from instrument.latent.pad import Pad
from instrument.latent.space import F64
from instrument.latent.spring import Spring
from instrument.latent.waypoints import WaypointBank
from instrument.performance.flight import Flight
from instrument.performance.mapping import Binding
from instrument.performance.modulation import Modulation
from instrument.performance.parameters import (
    PAD_AXES,
    RAW,
    Parameter,
    ParameterSpace,
    direction_parameters,
    instrument_parameters,
    instrument_triggers,
    launch_parameters,
    pace_parameters,
)
from instrument.performance.scene import Scene
from instrument.performance.scenes import SceneBook, check_scene, check_scenes, scene_parameters
from instrument.performance.score import Cue, Score
from instrument.performance.state import FOLLOWS, GlideRule, Performance
from instrument.performance.styles import StyleGroup, Styles, usual_groups
from instrument.performance.teaching import LEARN_TRIGGERS, Lessons, check_taught
from instrument.performance.timekeeping import awaited, check_pending
from instrument.performance.values import Values

_LEASH = 1e3  # shells: nothing one sees lies out there, and nothing grows until it is infinite
_GLIDE_RULES: dict[str, GlideRule] = {
    "/spring/frequency": "frequency",
    "/glide/seconds": "seconds",
    "/glide/beats": "beats",
}


class Laws(Values):
    """The fixed part of a performance; the changing part is a `Performance`."""

    def __init__(
        self,
        bank: WaypointBank,
        *,
        values: dict[str, float] | None = None,
        bindings: tuple[Binding, ...] = (),
        pad: Pad | None = None,
        score: Score | None = None,
        home: str = "1",
        seed: int = 1,
        snapshots: int = 1,
        models: tuple[str, ...] = ("",),
        directions: Directions | None = None,
        styles: tuple[StyleGroup, ...] | None = None,
        modulation: Modulation | None = None,
        scenes: Mapping[int, Scene] | None = None,
    ) -> None:
        """`values` (native units) stand in for the parameters' defaults; `models` are names.

        `styles` are the groups of layers that may go their own way, the usual ones where that is
        None. `scenes` are those of the preset, by their numbers, which begin at 2.

        Raises InstrumentError naming an address, binding or waypoint that does not exist.
        """
        self.bank, self.spec, self.bindings = bank, bank.spec, bindings
        self.pad, self.score = pad, score or Score()
        self.seed, self.snapshots, self.models = seed, snapshots, models
        self.directions = directions or Directions.none(bank.spec)
        names = tuple(waypoint.name for waypoint in bank)
        self.styles = Styles(usual_groups(bank.spec) if styles is None else styles, names)
        ways = direction_parameters(len(self.directions), self.directions.unit)
        modulation = modulation or Modulation()
        self.scenes = SceneBook(scenes or {})
        self.space = self._everything(names, ways, modulation)
        self.home_index = bank.index(home)
        self.drift = Drift(bank.spec, seed)
        self.lessons = Lessons(self.space)
        self.triggers = {trigger.address: trigger.does for trigger in self.space.triggers}
        self.launches = {a for a in self.triggers if a.startswith("/waypoint/") or a in self.styles}
        self.launches |= {"/performance/home", *self.scenes.launches()}
        self._find_parameters(ways)
        self._find_models(models)
        self._modulate(modulation, self.shaping, seed)
        self._begin_with(values or {})
        self._listen_to(bindings)
        self._pointed: tuple[tuple[float, ...], F64] | None = None
        self._places = [waypoint.z.astype(np.float64) for waypoint in bank]
        furthest = max(float(np.max(geometry.length(place))) for place in self._places)
        self._leash = _LEASH * max(furthest, self.spec.reach)
        for scene in self.scenes.written.values():
            check_scene(self, scene)

    def _everything(
        self, names: tuple[str, ...], ways: tuple[Parameter, ...], modulation: Modulation
    ) -> ParameterSpace:
        """All that can be steered: with the waypoints' `names`, directions and modulation."""
        axes = self.pad.axes if self.pad else 2
        return ParameterSpace(
            (
                *instrument_parameters(self.snapshots, axes, len(self.models)),
                *ways,
                *launch_parameters(),  # in the order in which they came: older takes still open
                *scene_parameters(),
                *modulation.parameters(),
                *pace_parameters(),
            ),
            (
                *instrument_triggers(names, self.models),
                *self.styles.triggers(),
                *modulation.triggers(),
                *self.scenes.triggers(),
                *LEARN_TRIGGERS,
            ),
        )

    def _find_parameters(self, ways: tuple[Parameter, ...]) -> None:
        """Where the parameters are that the laws themselves ask for; `ways` of the directions."""
        find = self.space.index
        self._frequency, self._damping = find("/spring/frequency"), find("/spring/damping_ratio")
        self._seconds, self._beats = find("/glide/seconds"), find("/glide/beats")
        self._tempo, self._rate = find("/tempo/bpm"), find("/noise/rate")
        self.pace = find("/pace/rate")
        self.strength, self.flick = find("/noise/strength"), find("/flick/strength")
        self.quantise, self.ahead = find("/launch/quantise"), find("/launch/ahead")
        self.morph_seconds, self.morph_beats = find("/preset/seconds"), find("/preset/beats")
        self.ways = [find(way.address) for way in ways]
        axes = [self.space.find(f"/pad/{axis}") for axis in PAD_AXES]
        self.axes = [index for index in axes if index is not None]
        self.shaping = {self._frequency, self._damping, self._seconds, self._beats}
        self.shaping |= {self._tempo, self._rate, self.pace, *self.axes}
        self.glide_rules = {find(address): rule for address, rule in _GLIDE_RULES.items()}

    def _begin_with(self, values: dict[str, float]) -> None:
        """The starting values, and which word on the spring was the last."""
        self.start = self._starting_values(values)
        snapshot = self.bank.waypoints[self.home_index].snapshot
        if snapshot is not None and "/model/snapshot" not in values:
            index = self.space.index("/model/snapshot")
            self.start[index] = self.space.parameters[index].clamp(snapshot)
        # The last word wins in a preset, too.
        words = [rule for address in values if (rule := _GLIDE_RULES.get(address))]
        self.start_rule: GlideRule = words[-1] if words else "frequency"

    def _listen_to(self, bindings: tuple[Binding, ...]) -> None:
        """Which bindings hear which source. Raises InstrumentError on what none can be aimed at."""
        self.by_source: dict[str, list[int]] = {}
        for number, binding in enumerate(bindings):
            self.check_address(binding.target)
            self.by_source.setdefault(binding.source, []).append(number)
        for cue in self.score.cues:
            self.check_cue(cue)

    @property
    def home(self) -> str:
        """The name of the waypoint everything starts from."""
        return self.bank.waypoints[self.home_index].name

    # Where things are, while somebody plays.

    def anchored(self, p: Performance) -> Flight:
        """The flight read from now on; a leash keeps what is pushed again and again finite."""
        return p.flight.anchored(p.time).leashed(self._leash)

    def settle(self, p: Performance) -> None:
        """Make spring, drift, beat and target go with the values again."""
        if not p.stale:
            return
        p.stale = False
        self.matrix.settle(self, p)
        p.tempo = p.tempo.paced(p.time, self.value_at(p, self._tempo))
        rate, pace = self.value_at(p, self._rate), self.value_at(p, self.pace)
        p.flight = p.flight.steered(self.target(p), self.spring(p), rate, pace)

    def target(self, p: Performance) -> F64:
        """Where `p` is heading, ``F64[shape]``."""
        target, aim = p.flight.target, p.aim
        if aim.kind == "waypoint":
            target = self.place(aim.waypoint)
        elif aim.kind == "pad" and self.pad is not None:
            target = self._pad_target(self.pad, p)
        elif aim.place is not None:
            target = aim.place
        return self.styles.composed(target, aim, self._places)

    def _pad_target(self, pad: Pad, p: Performance) -> F64:
        """Where the pad points. The mean of many places is sought in steps: what was found last
        is kept, since much else moves a flight while the pad rests."""
        point = tuple(self.value_at(p, axis) for axis in self.axes)
        known = self._pointed
        if known is None or known[0] != point:
            found = pad.blend(np.array(point))
            found.flags.writeable = False
            self._pointed = known = (point, found)
        return known[1]

    def place(self, waypoint: int) -> F64:
        """Where waypoint `waypoint` (from 0) is, ``F64[shape]``."""
        return self._places[waypoint]

    def spring(self, p: Performance) -> Spring:
        """The spring the last word on it asked for; the other word is kept up to date."""
        damping = self.value_at(p, self._damping)
        if p.glide_rule == "frequency":
            # How long a glide takes is sought step by step: not worth it while a knob turns.
            if self.shaping.isdisjoint(p.gliding):
                base = Spring(self.base_at(p, self._frequency), self.base_at(p, self._damping))
                self._show(p, self._seconds, base.arrival_seconds)
            return Spring(self.value_at(p, self._frequency), damping)
        seconds = self.value_at(p, self._seconds)
        if p.glide_rule == "beats":
            seconds = self.value_at(p, self._beats) * 60.0 / self.value_at(p, self._tempo)
            self._show(p, self._seconds, seconds)
        spring = Spring.arriving(seconds, damping)
        self._show(p, self._frequency, spring.frequency)
        if self._frequency not in self.derived:
            return spring
        moved = self.matrix.moved(self, p, self._frequency, spring.frequency)
        return Spring(moved, damping)

    def _show(self, p: Performance, index: int, value: float) -> None:
        if index not in p.gliding:
            p.values[index] = self.space.parameters[index].clamp(value)

    def destination(self, p: Performance) -> str:
        """Where `p` is heading, in words."""
        aim, name = p.aim, [waypoint.name for waypoint in self.bank]
        kinds = {"waypoint": name[aim.waypoint], "pad": "the pad", "hold": "held"}
        groups = zip(self.styles.groups, aim.styles, strict=False)
        own = [f"{group.name} {name[one]}" for group, one in groups if one != FOLLOWS]
        return ", ".join([kinds[aim.kind], *own, *awaited(self, p)])

    # What may be asked for.

    def check_aims(self, p: Performance) -> None:
        """Raises InstrumentError where `p` heads for what these laws do not have."""
        check_taught(self, p)
        check_scenes(self, p)
        check_pending(self, p)
        for aim in (p.aim, p.resumes or p.aim):
            known = range(FOLLOWS, len(self.bank))
            groups = len(aim.styles) in (0, len(self.styles.groups))
            if aim.waypoint not in known[1:] or not groups or not set(aim.styles) <= set(known):
                raise InstrumentError(
                    f"performance: heads for waypoint {aim.waypoint} {list(aim.styles)}, "
                    f"bank {self.bank.name!r} has {len(self.bank)}"
                )

    def check_value(self, address: str, value: float) -> None:
        """Raises InstrumentError unless `value` (native units) is allowed at `address`."""
        self._check_free(address)
        parameter = self.space.parameters[self.space.index(address)]
        if not parameter.allows(value):
            raise InstrumentError(f"{address} = {value}: allowed is {parameter.allowed}")

    def check_address(self, address: str) -> None:
        """Raises InstrumentError unless there is a parameter or trigger at `address`."""
        if address in self.space:
            self._check_free(address)
        elif address not in self.triggers and address not in self.lessons.targets:
            free = (parameter.address for parameter in self.space if not parameter.told)
            every = (*free, *sorted(self.triggers))
            raise InstrumentError(f"no {address!r}, allowed are {', '.join(every)}")

    def _check_free(self, address: str) -> None:
        if self.space.parameters[self.space.index(address)].told:
            raise InstrumentError(f"{address}: follows from what is played, and cannot be set")

    def check_cue(self, cue: Cue) -> None:
        """Raises InstrumentError unless a score may say `cue`."""
        if cue.address.startswith(RAW + "/"):
            self._check_free(cue.address[len(RAW) :])
        else:
            self.check_address(cue.address)
        heard = [self.bindings[number].target for number in self.by_source.get(cue.address, ())]
        if "/score/play" in heard:
            raise InstrumentError(f"{cue.address} plays the score: a score cannot play itself")

    def _starting_values(self, given: dict[str, float]) -> F64:
        values = self.space.defaults()
        for address, value in given.items():
            self.check_value(address, value)
            index = self.space.index(address)
            values[index] = self.space.parameters[index].clamp(value)
        return values
