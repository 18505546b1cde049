"""What the loop and the devices around it tell one another.

The loop knows no device: it shows a rig how things stand, once a tick, and asks it now and then
what the performer should read.
"""

from __future__ import annotations

import math
from typing import Protocol

from instrument.control.mirror import Reflection
from instrument.latent.space import F64
from instrument.performance.performer import Performer
from instrument.performance.state import FOLLOWS, Aim, Performance


class Rig(Protocol):
    """The devices of a show, and whoever keeps what was learnt."""

    def follow(self, performance: Performance, reflection: Reflection, now: float) -> None:
        """How things stand at clock second `now`. Called every tick: it must not wait."""
        ...

    def keep(self, performance: Performance) -> None:
        """Write down what was learnt and saved. It must not wait either."""
        ...

    def lines(self) -> tuple[str, ...]:
        """What the small display says of the devices, ``name\\tvalue`` each."""
        ...

    def notices(self) -> list[str]:
        """What the performer should know since the last asking."""
        ...


class NoRig:
    """No devices at all."""

    def follow(self, performance: Performance, reflection: Reflection, now: float) -> None:
        """See nothing."""

    def keep(self, performance: Performance) -> None:
        """Keep nothing."""

    def lines(self) -> tuple[str, ...]:
        """Nothing to say."""
        return ()

    def notices(self) -> list[str]:
        """Nothing either."""
        return []


def reflection_of(
    performer: Performer, performance: Performance, values: F64, recording: bool
) -> Reflection:
    """How things stand in `performance`, whose values are `values F64[P]`."""
    told = performer.told_columns
    set_by_hand = performance.values.copy()
    set_by_hand[told] = values[told]
    beat = performer.beat_at(performance, performance.time)
    lit = set(_places(performer, performance.aim))
    if performance.aim.kind == "hold":
        lit.add("/performance/hold")
    if performance.score_since is not None:
        lit.add("/score/play")
    if recording:
        lit |= {"/take/record", "/take/toggle"}
    if performance.scenes.current:
        lit.add(f"/preset/{performance.scenes.current}/recall")
    models = performance.models
    lit.add(f"/model/{models.first}/load")
    if models.second:
        lit.add(f"/model/{models.second}/join")
    pending = performance.tempo.pending
    if pending is not None and math.floor(2.0 * beat) % 2 == 0:  # what waits for its beat blinks
        lit.add(pending.address)
    return Reflection(set_by_hand, frozenset(lit), beat)


def _places(performer: Performer, aim: Aim) -> list[str]:
    """The triggers of the waypoints that z, and groups of its layers, are heading for."""
    names = performer.names
    lit = []
    if aim.kind == "waypoint":
        lit += [f"/waypoint/{word}/go" for word in (aim.waypoint + 1, names[aim.waypoint])]
        if aim.waypoint == performer.home_index:
            lit.append("/performance/home")
    for group, one in zip(performer.styles.groups, aim.styles, strict=False):
        if one != FOLLOWS:
            lit += [f"/style/{group.name}/waypoint/{word}/go" for word in (one + 1, names[one])]
    return lit
