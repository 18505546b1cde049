"""How a picture gets into its texture.

plain: OpenGL copies from the host's memory, and the host waits. buffers: through two pixel buffers
in turn, so that the way to the card need not be waited for. card: the picture never left the card
(see `card_link`). No table can tell which is best, for drivers differ, and some are slower without
the host than with it: the first pictures of a size take the ways in turn and are timed until they
are there (see `trial`), and what is found is remembered. Where the card refuses, that is said
once, and from the next picture on the host is asked for. This module knows no decoder.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable

import moderngl
import numpy as np

from instrument.cuda import CardError, CardPicture, LentRing, NoCardError
from instrument.display.card_link import CardLink
from instrument.display.look import Size
from instrument.display.trial import ON_HOST, Trial, Way
from instrument.frame import U8
from instrument.timebase import WallClock

_VERSION = 1  # of the ways and of how they are measured
_LOG = logging.getLogger(__name__)

Recall = Callable[[str], str | None]  # what was found before under a key, if anything
Remember = Callable[[str, str], None]


class Carriage:
    """Fills the textures of one context.

    `link` says how to reach the card that draws it, where pictures may stay there: `CardLink`.
    """

    def __init__(
        self,
        link: Callable[[], CardLink] | None = None,
        recall: Recall = lambda key: None,
        remember: Remember = lambda key, way: None,
    ) -> None:
        self.looked_at = False  # somebody on the host looks at the pictures: none stays on the card
        self._open_link, self._recall, self._remember = link, recall, remember
        self._link: CardLink | None = None
        self._driver = ""
        self._trials: dict[Size, Trial] = {}
        self._cards: dict[Size, str] = {}  # on which card a trial includes
        self._buffers: list[moderngl.Buffer] = []
        self._clock = WallClock()

    def prepare(self, ctx: moderngl.Context) -> None:
        """Once, in the thread of `ctx`, before the first picture."""
        self._driver = "|".join(ctx.info[f"GL_{k}"] for k in ("VENDOR", "RENDERER", "VERSION"))
        if self._open_link is not None:
            try:
                self._link = self._open_link()
            except NoCardError:
                pass  # as on most machines
            except CardError as error:
                _LOG.warning("pictures go by way of the host (%s)", error)

    def prefers_card(self, ring: LentRing) -> bool:
        """Whether a picture should stay in `ring`. From any thread."""
        if self._link is None or self.looked_at:
            return False
        return self._trial((ring.size[1], ring.size[0]), ring).wants("card")

    def carry(self, pixels: U8 | CardPicture, texture: moderngl.Texture) -> bool:
        """Fill `texture`, which is of that size. False: the card refuses, and it may hold anything.

        That happens to the pictures that are on their way just then, and never again.
        """
        if isinstance(pixels, CardPicture):
            return self._carry_on_card(pixels, texture)
        trial = self._trial(texture.size)
        way, timed = trial.host_way()
        fill = self._fill_plain if way == "plain" else self._fill_through_buffer
        if timed:
            self._time(trial, way, texture, lambda: fill(pixels, texture))
        else:
            fill(pixels, texture)
        return True

    def _carry_on_card(self, picture: CardPicture, texture: moderngl.Texture) -> bool:
        link = self._link
        if link is None:
            return False
        trial = self._trial(texture.size, picture.ring)
        try:
            if trial.best:
                link.write(texture, picture)
            else:
                self._time(trial, "card", texture, lambda: link.write(texture, picture))
        except CardError as error:
            _LOG.warning("pictures go by way of the host from now on (%s)", error)
            self._link = None
            link.close()
            self._trials.clear()
        return self._link is not None

    def seconds(self, size: Size) -> dict[Way, float]:
        """What a picture of `size` (width, height) took, each way that was tried in this show."""
        return self._trials[size].seconds if size in self._trials else {}

    def _trial(self, size: Size, ring: LentRing | None = None) -> Trial:
        trial = self._trials.get(size)
        if trial is not None and (ring is None or "card" in trial):
            return trial
        ways, also = ON_HOST, dict[Way, float]()
        if ring is not None:
            ways, also = (*ON_HOST, "card"), dict.fromkeys(ON_HOST, ring.host_seconds)
            also["card"] = ring.card_seconds
            self._cards[size] = ring.card
        known = self._recall(self._key(size))
        self._trials[size] = trial = Trial(ways, also, known)
        return trial

    def _time(
        self, trial: Trial, way: Way, texture: moderngl.Texture, fill: Callable[[], None]
    ) -> None:
        texture.ctx.finish()
        begun = self._clock.now()
        fill()
        texture.ctx.finish()
        trial.took(way, self._clock.now() - begun)
        if trial.best:
            self._remember(self._key(texture.size), trial.best)

    def _key(self, size: Size) -> str:
        """All that a trial hangs on: 32 hex digits."""
        parts = (_VERSION, self._driver, size, self._cards.get(size))
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]

    def _fill_plain(self, pixels: U8, texture: moderngl.Texture) -> None:
        texture.write(np.ascontiguousarray(pixels))

    def _fill_through_buffer(self, pixels: U8, texture: moderngl.Texture) -> None:
        if len(self._buffers) < 2 or self._buffers[0].size != pixels.nbytes:
            self._release_buffers()
            self._buffers = [
                texture.ctx.buffer(reserve=pixels.nbytes, dynamic=True) for _ in range(2)
            ]
        buffer = self._buffers[0]
        self._buffers.reverse()
        buffer.orphan()  # what the card still reads from it stays; this is new memory
        buffer.write(np.ascontiguousarray(pixels))
        texture.write(buffer)

    def forget(self, texture: moderngl.Texture) -> None:
        """To be called before `texture` is released."""
        if self._link is not None:
            self._link.forget(texture)

    def _release_buffers(self) -> None:
        for buffer in self._buffers:
            buffer.release()
        self._buffers = []

    def release(self) -> None:
        """Give everything back to the driver."""
        self._release_buffers()
        if self._link is not None:
            self._link.close()
            self._link = None
