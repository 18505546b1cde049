"""What the performer reads on the picture: figures, where z is going, which models play, words."""

from __future__ import annotations

from instrument.display.hud import Hud
from instrument.latent.space import F64
from instrument.live.meters import Meters
from instrument.live.projection import Projection, Screen
from instrument.live.rig import Rig
from instrument.live.tape import Tape
from instrument.performance.performer import Performer
from instrument.performance.state import Performance

_TOAST = 4.0  # s a message stays
_FIGURES = 0.1  # s that figures stay: quicker ones nobody reads, and each is laid out anew


class Captions:
    """Keeps the message that is shown now, and writes a HUD for every tick."""

    def __init__(self, performer: Performer, meters: Meters, tape: Tape, rig: Rig) -> None:
        self._performer, self._meters, self._tape = performer, meters, tape
        self._rig = rig
        self._share = performer.space.index("/model/share")
        self._even, self._rate = map(performer.space.index, ("/pace/even", "/pace/rate"))
        self._message: tuple[str, float] | None = None  # and when it goes
        self._figures: tuple[tuple[str, ...], float] = (), 0.0  # and when others come

    def say(self, text: str, now: float) -> None:
        """Show `text` for a while from clock second `now` on."""
        self._message = (text, now + _TOAST)

    def hud(
        self,
        screen: Screen,
        projection: Projection,
        performance: Performance,
        values: F64,
        now: float,
    ) -> Hud:
        """Everything that is to be read at clock second `now`."""
        message = self._message_at(screen, projection, now)
        if not screen.hud:
            return Hud((), self._tape.lamp, None)
        if not self._figures[0] or now >= self._figures[1]:
            self._figures = self._measured(projection), now + _FIGURES
        lines = (
            *self._figures[0],
            f"going to\t{self._performer.destination(performance)}",
            *self._pace(values),
            *self._models(screen, performance, values),
            *self._rig.lines(),
        )
        return Hud(lines, self._tape.lamp, message)

    def _measured(self, projection: Projection) -> tuple[str, ...]:
        """What this stage is capable of now."""
        latency = self._meters.last_latency()
        return (
            f"pictures\t{self._meters.shown_rate:.0f} /s",
            f"decode\t{1e3 * projection.decode_seconds:.1f} ms",
            f"hand to light\t{'-' if latency is None else f'{1e3 * latency:.0f} ms'}",
        )

    def _pace(self, values: F64) -> tuple[str, ...]:
        """How fast motion goes, where that is not how time goes."""
        rate, even = float(values[self._rate]), float(values[self._even])
        return (f"pace\tx {rate:.2f}",) if even > 0.0 or rate != 1.0 else ()

    def _models(self, screen: Screen, performance: Performance, values: F64) -> tuple[str, ...]:
        """Who plays, where there are several to choose from, and who is about to."""
        if len(self._performer.models) < 2:
            return ()
        models, name = performance.models, screen.decks.name
        playing = name(models.first)
        if models.second:
            percent = round(100.0 * float(values[self._share]))
            playing = f"{playing} {100 - percent} %, {name(models.second)} {percent} %"
        if not models.incoming:
            return (f"model\t{playing}",)
        next_one = name(models.incoming)
        seconds = screen.decks.seconds(models.incoming)
        coming = f"{next_one}, ready" if models.waits else f"loading {next_one} {seconds:.0f} s"
        return (f"model\t{playing}", f"next\t{coming}")

    def _message_at(self, screen: Screen, projection: Projection, now: float) -> str | None:
        if self._message and now > self._message[1]:
            self._message = None
        if self._message is None and (trouble := projection.trouble) is not None:
            return trouble
        if self._message is None and screen.hint:
            self._message, screen.hint = (screen.hint, now + 3.0 * _TOAST), None
        return None if self._message is None else self._message[0]
