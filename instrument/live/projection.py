"""From a row to light: ask the models that are seen, wait for their pictures, show the newest.

A model that is not seen is not asked. While two are seen, each has a layer of the presenter, and
the mix is that of the newest row, so that a fade runs smoothly even where decoding is slow. A
layer counts from the first picture made since its model is seen; until then the other one, or
whatever was shown last, stands in for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from instrument.display.carriage import Carriage
from instrument.display.hud import Hud
from instrument.display.look import Fit, Look
from instrument.display.presenter import LAYERS, Presenter
from instrument.display.surface import Surface
from instrument.display.virtual_controller import VirtualController
from instrument.frame import U8, Frame
from instrument.latent.space import F32, F64
from instrument.live.decks import Decks
from instrument.live.meters import Meters
from instrument.performance.parameters import ParameterSpace
from instrument.timebase import Clock

_SPARE = 0.002  # s a tick keeps free before the next one
_SENT = ("/model/snapshot", "/model/truncation")  # what a model hears of beside z


@dataclass(slots=True)
class Screen:
    """Where pictures go: an open surface, its presenter, and what is shown before the first."""

    surface: Surface
    presenter: Presenter
    decks: Decks
    fit: Fit = "fit"
    first_picture: U8 | None = None
    hud: bool = True
    hint: str | None = None
    controller: VirtualController | None = None
    carriage: Carriage | None = None

    def __post_init__(self) -> None:
        self.surface.controller = self.controller

    def toggle_controller(self) -> None:
        """Show the virtual controller, or hide it, if there is one."""
        if self.controller is not None:
            (self.controller.hide if self.controller.shown else self.controller.show)()


@dataclass(frozen=True, slots=True)
class _Held:
    """What a layer holds: the picture that `model` made of row `index`."""

    model: int = 0
    index: int = -1


class Projection:
    """The way of every row of one show. `receive`, then `draw`, once a tick."""

    def __init__(self, screen: Screen, space: ParameterSpace, clock: Clock, meters: Meters) -> None:
        self._screen, self._clock, self._meters = screen, clock, meters
        self._first, self._second, self._share, self._gain, self._blackout, self._freeze = (
            space.index(address)
            for address in (
                "/model/first", "/model/second", "/model/share",
                "/master/gain", "/display/blackout", "/display/freeze",
            )
        )  # fmt: skip
        self._even = space.index("/pace/even")
        self._sent = [(address, space.index(address)) for address in _SENT]
        self._held = [_Held(number) for number in range(1, LAYERS + 1)]
        self._mix = 0.0  # the share of layer 1 in what is shown
        self._since: dict[int, int] = {}  # who is seen, and from which row on
        self._shown_index = -1
        self.seen: tuple[int, ...] = ()  # the models whose pictures this tick shows
        # What came in this tick, if one model is seen; forgotten in `draw`.
        self.arrived: Frame | None = None

    def begin(self) -> None:
        """Show what is there before anything is decoded."""
        if self._screen.first_picture is not None:
            self._screen.presenter.upload(self._screen.first_picture)

    @property
    def decode_seconds(self) -> float:
        """What the slower of the models that are seen usually takes."""
        processes = [self._screen.decks.process(number) for number in self._since]
        return max((p.decode_seconds for p in processes if p is not None), default=0.0)

    @property
    def trouble(self) -> str | None:
        """Why a model that should be seen cannot be, if so."""
        decks = self._screen.decks
        for number in self._since:
            process = decks.process(number)
            if process is None or process.state != "ready":
                return decks.message(number)
        return None

    def receive(self, index: int, z: F32, values: F64, until: float) -> float:
        """Ask for the pictures of row `index` and take what is there before clock second `until`.

        Returns the seconds spent waiting.
        """
        if self._screen.carriage is not None:  # the pacer looks at pictures where the host has them
            self._screen.carriage.looked_at = bool(values[self._even] > 0.0)
        seen = self._who_is_seen(values)
        self.seen = seen
        self._since = {number: self._since.get(number, index) for number in seen}
        self._ask(index, z, values)
        begun = self._clock.now()
        frames = [(number, self._newest(number, begun, until)) for number in seen]
        waited = self._clock.now() - begun
        self.arrived = frames[0][1] if len(frames) == 1 else None
        if values[self._freeze] < 0.5:
            self._take(frames)
            self._blend(values)
        return waited

    def _who_is_seen(self, values: F64) -> tuple[int, ...]:
        first, second = int(values[self._first]), int(values[self._second])
        share = values[self._share]
        if share <= 0.0:
            return (first,)
        return (second,) if share >= 1.0 else (first, second)

    def _ask(self, index: int, z: F32, values: F64) -> None:
        parameters = {address: float(values[column]) for address, column in self._sent}
        for number in self._since:
            process = self._screen.decks.process(number)
            if process is not None:
                process.post(index, z, parameters)

    def _newest(self, number: int, begun: float, until: float) -> Frame | None:
        """A model's newest picture, waited for: not at all where it cannot come in this tick."""
        process = self._screen.decks.process(number)
        if process is None:
            return None
        seen = [held.index for held in self._held if held.model == number]
        after = max([self._since[number] - 1, *seen])
        room = until - begun - self._meters.draw_seconds - _SPARE
        if process.state != "ready" or process.decode_seconds > room:
            return process.newest(after, 0.0)
        # Two decode side by side: what the first took is no longer there to wait for the second.
        return process.newest(after, max(0.0, begun + room - self._clock.now()))

    def _take(self, frames: list[tuple[int, Frame | None]]) -> None:
        """Upload what came."""
        new = False
        for number, frame in frames:
            if frame is not None:
                layer = self._layer_of(number)
                if self._screen.presenter.upload(frame.pixels, layer):
                    self._held[layer] = _Held(number, frame.index)
                    new = True
        if new:
            self._meters.new_picture(self._clock.now())

    def _layer_of(self, number: int) -> int:
        """Where a model's picture goes: where its last one is, else where nobody looks."""
        for layer, held in enumerate(self._held):
            if held.model == number:
                return layer
        free = [layer for layer, held in enumerate(self._held) if held.model not in self._since]
        return min(free, key=lambda layer: self._mix if layer else 1.0 - self._mix)

    def _blend(self, values: F64) -> None:
        """Mix the layers as the row says, as far as there are pictures."""
        fresh = [
            layer
            for layer, held in enumerate(self._held)
            if held.model in self._since and held.index >= self._since[held.model]
        ]
        if not fresh:
            return
        self._shown_index = min(self._held[layer].index for layer in fresh)
        if len(fresh) == 1:
            self._mix = float(fresh[0])
            return
        share = float(values[self._share])
        on_top = self._held[1].model == int(values[self._second])
        self._mix = share if on_top else 1.0 - share

    def draw(self, values: F64, hud: Hud) -> float:
        """Show the pictures and `hud`. Returns the seconds the swap took."""
        screen, surface = self._screen, self._screen.surface
        self.arrived = None  # it lies in a decoder's memory, and would hold it open
        look = Look(float(values[self._gain]), float(values[self._blackout]), screen.fit)
        size = surface.framebuffer_size
        drawing = self._clock.now()
        if screen.controller is not None and min(size) >= 1:
            screen.controller.resize(size)
            screen.controller.look(drawing)
        surface.picture_area = screen.presenter.area(size, look, int(self._mix > 0.5))
        screen.presenter.draw(surface.framebuffer, size, look, hud, self._mix, screen.controller)
        drew = self._clock.now() - drawing
        swapped = surface.swap()
        self._meters.shows(self._shown_index, drew, swapped, self._clock.now())
        return swapped
