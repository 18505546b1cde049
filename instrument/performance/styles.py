"""Styles: groups of layers that may follow waypoints of their own.

In w for every layer, coarse layers decide what is seen and fine ones how it is coloured (Karras
et al. 2019, section 3.1, "style mixing"). A group is aimed at a waypoint by
``/style/coarse/waypoint/N/go`` and follows the rest again after ``/style/coarse/follow``. All rows
of a position obey one law of motion, each on its own: so to aim groups is to compose the target,
and groups that are aimed alike fly exactly as if there were none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from instrument import InstrumentError
from instrument.event import is_address
from instrument.latent.space import F64, LatentSpec
from instrument.performance.parameters import Trigger
from instrument.performance.state import FOLLOWS, Aim, Performance

_FEWEST = 12  # layers from which on coarse and middle are four each


@dataclass(frozen=True, slots=True)
class StyleGroup:
    """The layers `start` to `stop`, which is not among them."""

    name: str
    start: int
    stop: int


def usual_groups(spec: LatentSpec) -> tuple[StyleGroup, ...]:
    """Coarse, middle and fine layers; none where there are no layers.

    Two layers paint each size, so the first four are coarse (up to 8 pixels), the next four middle
    (up to 32) and the rest fine, as the paper has it; of fewer than twelve, a third each.
    """
    if len(spec.shape) != 2:
        return ()
    layers = spec.shape[0]
    ends = (4, 8) if layers >= _FEWEST else (round(layers / 3), round(2 * layers / 3))
    edges = (0, *ends, layers)
    names = ("coarse", "middle", "fine")
    groups = (StyleGroup(n, *edges[i : i + 2]) for i, n in enumerate(names))
    return tuple(group for group in groups if group.start < group.stop)


def chosen_groups(told: Mapping[str, Sequence[int]], layers: int) -> tuple[StyleGroup, ...]:
    """The groups a preset names as ``name: (start, stop)``. Raises InstrumentError."""
    groups: list[StyleGroup] = []
    for name, (start, stop) in told.items():
        if not is_address(f"/style/{name}/follow") or "/" in name:
            raise InstrumentError(f"{name}: no name for a group, which stands in addresses")
        if not 0 <= start < stop <= layers:
            raise InstrumentError(f"{name} [{start}, {stop}]: the model has the layers 0:{layers}")
        for other in groups:
            if start < other.stop and other.start < stop:
                raise InstrumentError(f"{name} [{start}, {stop}]: shares layers with {other.name}")
        groups.append(StyleGroup(name, start, stop))
    return tuple(groups)


class Styles:
    """The groups of one performance, the addresses that aim them, and what their aims amount to."""

    def __init__(self, groups: Sequence[StyleGroup], waypoints: Sequence[str]) -> None:
        """`waypoints` are the names of the bank."""
        self.groups = tuple(groups)
        self._aims: dict[str, tuple[int, int]] = {}  # an address → group, and waypoint or FOLLOWS
        for number, group in enumerate(self.groups):
            for index, name in enumerate(waypoints):
                for called in (str(index + 1), name):
                    self._aims[f"/style/{group.name}/waypoint/{called}/go"] = number, index
            self._aims[f"/style/{group.name}/follow"] = number, FOLLOWS

    def triggers(self) -> tuple[Trigger, ...]:
        """What a performance can do with them."""
        return tuple(
            Trigger(address, f"{self.groups[group].name} layers "
                    + ("follow the rest" if waypoint == FOLLOWS else f"glide to {waypoint + 1}"))
            for address, (group, waypoint) in self._aims.items()
        )  # fmt: skip

    def __contains__(self, address: str) -> bool:
        return address in self._aims

    def rows(self, address: str) -> slice:
        """The layers that the trigger at `address` moves."""
        group = self.groups[self._aims[address][0]]
        return slice(group.start, group.stop)

    def aimed(self, p: Performance, address: str) -> None:
        """Let the trigger at `address` aim its group."""
        group, waypoint = self._aims[address]
        p.aim = self._with(p.aim, group, waypoint)
        if p.resumes is not None:  # let go of, a held flight keeps what was said meanwhile
            p.resumes = self._with(p.resumes, group, waypoint)

    def _with(self, aim: Aim, group: int, waypoint: int) -> Aim:
        styles = [*aim.styles, *[FOLLOWS] * (len(self.groups) - len(aim.styles))]
        styles[group] = waypoint
        free = all(one == FOLLOWS for one in styles)
        return replace(aim, styles=() if free else tuple(styles))

    def composed(self, target: F64, aim: Aim, places: Sequence[F64]) -> F64:
        """`target F64[shape]`, where a group has a waypoint of its own that of `places`."""
        if not aim.styles:
            return target
        composed = target.copy()
        for group, waypoint in zip(self.groups, aim.styles, strict=True):
            if waypoint != FOLLOWS:
                rows = slice(group.start, group.stop)
                composed[rows] = places[waypoint][rows]
        return composed
