"""What a show has on its screen: the way pictures come there, and the virtual controller, what it
is told of the performance and what of it is heard."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache

from instrument.cli.rig import StageRig
from instrument.decoder.choices import Choice, recall, remember
from instrument.display.card_link import CardLink
from instrument.display.carriage import Carriage
from instrument.display.virtual_controller import VirtualController
from instrument.display.virtual_feedback import Feedback
from instrument.performance.performer import Performer

# Words of a target that say nothing on a small label.
_GROUPS = ("performance", "display", "take", "raw")


def carriage() -> Carriage:
    """How pictures come to the screen. What is fastest here is remembered where decoders do so."""

    def recalled(key: str) -> str | None:
        choice = recall(key)
        return None if choice is None else choice.form

    # Elsewhere no process lends its memory on a card, so nobody need speak to one.
    link = CardLink if sys.platform == "linux" else None
    return Carriage(link, recalled, lambda key, way: remember(Choice(key, way, 1)))


def virtual_controller(rig: StageRig, performer: Performer) -> VirtualController:
    """A controller whose lamps, motors and labels are those that `rig` has for hardware."""
    places = {
        f"/waypoint/{number}/go": waypoint.name
        for number, waypoint in enumerate(performer.bank, start=1)
    }

    @cache
    def short(target: str) -> str:
        return places.get(target) or label_of(target)

    def labels() -> Mapping[str, str]:
        return {binding.source: short(binding.target) for binding in rig.bindings}

    def waiting() -> frozenset[str]:
        modes = ("pickup", "scale")
        return frozenset(binding.source for binding in rig.bindings if binding.mode in modes)

    def armed() -> str:
        return short(rig.armed) if rig.armed else ""

    heard = (*performer.by_source, *performer.matrix.hears)
    return VirtualController(Feedback(rig.wanted, labels, waiting, armed), heard)


def label_of(target: str) -> str:
    """``/spring/damping_ratio`` → ``spring damping ratio``, ``/waypoint/dawn/go`` → ``dawn``."""
    steps = target.strip("/").split("/")
    if steps[-1] == "go":
        steps = steps[:-1]
    if len(steps) > 1 and steps[0] in (*_GROUPS, "waypoint"):
        steps = steps[1:]
    return " ".join(steps).replace("_", " ")
