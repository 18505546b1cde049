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
from instrument.display.look import Fit, Look, Size
from instrument.display.presenter import LAYERS, Presenter
from instrument.display.surface import Surface
from instrument.display.virtual_controller import VirtualController
from instrument.frame import U8, Frame
from instrument.latent.space import F32, F64
from instrument.live.alignment import Alignment, Shown
from instrument.live.decks import Decks
from instrument.live.meters import Meters
from instrument.live.patience import Patience
from instrument.performance.parameters import ParameterSpace
from instrument.timebase import Clock, FrameRate

_SPARE = 0.002  # s a tick keeps free before the next one
_WHOLE = 0.85  # of a period: a tick that began in time has as much left when it is asked
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
    """The way of every row of one show. `ask`, `prepare`, `receive`, `draw`: once a tick."""

    def __init__(
        self, screen: Screen, space: ParameterSpace, clock: Clock, meters: Meters, rate: FrameRate
    ) -> None:
        self._screen, self._clock, self._meters = screen, clock, meters
        self._alignment, self._period = Alignment(rate.period), rate.period
        self._patience = Patience()
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
        self._shown_index = self._asked = -1
        self._place: tuple[bool, Size] = False, (0, 0)  # what is known of the screen holds here
        self._drawn = 0.0, 0.0  # when the last picture was drawn, and when its swap returned
        self.seen: tuple[int, ...] = ()  # the models whose pictures this tick shows
        self.arrived: Frame | None = None  # in this tick, if one model is seen; until `draw`

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

    @property
    def is_lit(self) -> bool:
        """Whether a decoded picture was shown."""
        return self._shown_index >= 0

    def ask(self, index: int, z: F32, values: F64) -> None:
        """Ask for the pictures of row `index`; waits for nothing."""
        if self._screen.carriage is not None:  # the pacer looks at pictures where the host has them
            self._screen.carriage.looked_at = bool(values[self._even] > 0.0)
        seen = self._who_is_seen(values)
        self.seen, self._asked = seen, index
        self._since = {number: self._since.get(number, index) for number in seen}
        parameters = {address: values.item(column) for address, column in self._sent}
        for number in seen:
            process = self._screen.decks.process(number)
            if process is not None:
                process.post(index, z, parameters)

    def prepare(self, hud: Hud) -> None:
        """What goes over the pictures: laid out while these are decoded, for nothing may come
        between them and light."""
        screen, size = self._screen, self._screen.surface.framebuffer_size
        if screen.controller is not None and min(size) >= 1:
            screen.controller.resize(size)
            screen.controller.look(self._clock.now())
        screen.presenter.prepare(size, hud, screen.controller)

    def receive(self, values: F64, until: float) -> float:
        """Take what is there before clock second `until`. Returns the seconds spent waiting."""
        begun = self._clock.now()
        frames = [(number, self._newest(number, begun, until)) for number in self.seen]
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
        if not self._patience.pays:
            self._patience.went_without()
            return process.newest(after, 0.0)
        # Two decode side by side: what the first took is no longer there to wait for the second.
        left = max(0.0, begun + room - self._clock.now())
        # The picture before may have come too late for its own tick. To be content with it now
        # would be to stay a tick behind for ever: it is shown only where this row's does not come.
        own = process.newest(max(after, self._asked - 1), left)
        if until - begun > _WHOLE * self._period:  # who began late says nothing of the decoder
            self._patience.waited(own is not None)
        return own or process.newest(after, 0.0)

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

    def align(self, index: int, due: float, begun: float) -> float:
        """How many seconds later ticks should begin, to be in step with the screen.

        The tick of row `index` was to begin at clock second `due`, and did at `begun`.
        """
        surface = self._screen.surface
        place = surface.waits_for_refresh, surface.framebuffer_size
        if place != self._place:  # another screen, as like as not
            self._place, self._alignment = place, Alignment(self._period)
        if not self._waits:
            return 0.0
        drawn, swapped = self._drawn
        work = drawn - begun
        if self._is_quick and self._shown_index < index:  # it came too late, or not at all
            work = max(work, self.decode_seconds + self._meters.draw_seconds + _SPARE)
        return self._alignment.swapped(Shown(due, begun, work, swapped))

    @property
    def _waits(self) -> bool:
        """Whether swaps should wait for a screen; without a pixel they never do."""
        surface = self._screen.surface
        return surface.waits_for_refresh and min(surface.framebuffer_size) >= 1

    @property
    def _is_quick(self) -> bool:
        """Whether a tick that begins in time can wait for its picture."""
        return (
            self._patience.pays
            and self.decode_seconds < self._period - self._meters.draw_seconds - _SPARE
        )

    def lets_pass(self, due: float, until: float) -> bool:
        """Whether the tick of clock second `due` had better show nothing.

        A swap that just missed its refresh waits for the next one and makes this tick late, and
        its swap the next tick, and every picture is a refresh older than it must be. One that is
        left out ends that, and no refresh goes without a picture: the late one is on it.
        """
        drawn, swapped = self._drawn
        held_up = self._alignment.is_late(swapped - drawn) and self._alignment.is_late(
            swapped - due
        )
        if not (held_up and self._waits and self._is_quick) or self._alignment.is_screen is False:
            return False
        room = until - self._clock.now() - self._meters.draw_seconds - _SPARE
        return self._alignment.aligned or self.decode_seconds > room

    def draw(self, values: F64, hud: Hud) -> float:
        """Show the pictures and `hud`. Returns the seconds that driver and screen took."""
        screen, surface = self._screen, self._screen.surface
        self.arrived = None  # it lies in a decoder's memory, and would hold it open
        look = Look(float(values[self._gain]), float(values[self._blackout]), screen.fit)
        size = surface.framebuffer_size
        begun = self._clock.now()
        screen.presenter.draw(surface.framebuffer, size, look, hud, self._mix, screen.controller)
        handed_over = self._clock.now()
        surface.wait_until_drawn()
        drawn = self._clock.now()
        swap = surface.swap()
        swapped = self._clock.now()
        self._drawn = drawn, swapped
        surface.picture_area = screen.presenter.area(size, look, int(self._mix > 0.5))
        # To wait for the screen is no work: a picture may come until it has to be drawn.
        waits = self._waits and self._alignment.is_screen is not False
        work = (drawn if waits else swapped) - begun
        self._meters.shows(self._shown_index, work, drawn - handed_over, swap, swapped)
        return swapped - handed_over
