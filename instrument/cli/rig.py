"""The rig of a show: MIDI, OSC, ears, a tempo and a scribe, put together by hand."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from instrument.cli.ports import Wishes, open_ear, open_osc, tree_of
from instrument.cli.sources import OWN_PRESETS, Programme
from instrument.control.device import Put
from instrument.control.link import LinkSession
from instrument.control.midi import MidiRig
from instrument.control.mirror import Mirror, Reflection
from instrument.control.tempo import Conductor
from instrument.live.scribe import Scribe
from instrument.performance.learning import Learning
from instrument.performance.mapping import Binding
from instrument.performance.preset import Preset
from instrument.performance.preset_changes import Changes, changes_of
from instrument.performance.preset_writing import keep
from instrument.performance.state import Performance
from instrument.performance.teaching import bindings_now, lesson
from instrument.timebase import Clock

_GLOWS = 0.5  # of a lamp; one that knows only on and off is off
_LOOK = 0.2  # s between two looks at the devices
_SILENCE = -100.0  # dBFS


class StageRig:
    """The devices of one show, from ``with`` to its end. `put` is the show's inbox."""

    def __init__(
        self, programme: Programme, put: Put, clock: Clock,
        wishes: Wishes, tell: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        """`tell` gets the notices too, where nobody looks at a screen."""
        self._performer, self._preset = programme.performer, programme.preset
        tree, self.mirror = tree_of(programme.performer, learning=True), Mirror()
        self._bpm = programme.performer.space.index("/tempo/bpm")
        self._columns = {p.address: n for n, p in enumerate(programme.performer.space)}
        tempo = programme.preset.fields.tempo.source
        self.conductor = Conductor(put, clock, self._standing, tempo)
        self.midi = MidiRig(
            put, clock, programme.profiles, transport=self._transport,
            wanted=self.wanted if programme.preset.fields.midi.feedback else None,
        )  # fmt: skip
        self.osc = open_osc(tree, self.mirror, put, clock, wishes.osc)
        self.ear = open_ear(programme.preset, put, clock, wishes.ear, self.conductor)
        seat = tempo == "link" or programme.preset.fields.tempo.link
        self.link = LinkSession(self.conductor.link, clock) if seat else None
        self.scribe = Scribe(programme.preset, _keeper(programme))
        self._learning: Learning | None = None
        self._lamps: tuple[Binding, ...] = ()
        self._tempo = float(programme.performer.start[self._bpm])
        self._armed = ""
        self._tell = tell
        self._unread: deque[str] = deque(maxlen=20)
        self._lines: tuple[str, ...] = ()
        self._ended = threading.Event()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.midi)
        self._stack.callback(self.scribe.close)
        if self.osc is not None:
            self._stack.enter_context(self.osc)
        if self.ear is not None:
            self.ear.start()
            self._stack.callback(self.ear.close)
        if self.link is not None:
            self.link.open()
            self._stack.callback(self.link.close)
        watch = threading.Thread(target=self._watch, name="rig", daemon=True)
        watch.start()
        self._stack.callback(watch.join, 1.0)
        self._stack.callback(self._ended.set)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    # What the loop tells.

    def follow(self, performance: Performance, reflection: Reflection, now: float) -> None:
        """Show `reflection`; listen to what was learnt; leave a tapped tempo alone."""
        self.mirror.write(reflection)
        if performance.learning is not self._learning:
            self._learning = performance.learning
            self._armed = lesson(performance).removeprefix("learn ")
            bindings = tuple(bindings_now(self._performer, performance))
            if bindings != self._lamps:
                self._lamps = bindings
                sources = [b.source for b in bindings]
                sources += [one.source for one in self._preset.fields.modulation]
                self.midi.listen(sources)
        # Not what modulation makes of it: the conductor would fight that.
        self._tempo = float(performance.values[self._bpm])
        if performance.tempo.taps:
            self.conductor.tapped(now - performance.time + performance.tempo.taps[-1])

    def keep(self, performance: Performance) -> None:
        """Have what was learnt and saved written into the preset's file."""
        self.scribe.write(_named(changes_of(performance), self._preset.sources))

    # What the loop asks. Devices lock while they open ports: a thread asks them, never the loop.

    def lines(self) -> tuple[str, ...]:
        """The ear's level, who leads the tempo, and what is being learnt."""
        return (*self._lines, f"learn\t{self._armed}") if self._armed else self._lines

    def notices(self) -> list[str]:
        """What the devices have to say."""
        return [self._unread.popleft() for _ in range(len(self._unread))]

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK):
            for line in self._news():
                self._unread.append(line)
                if self._tell is not None:
                    self._tell(line)
            self._lines = tuple(self._figures())

    def _news(self) -> list[str]:
        said = [*self.midi.notices(), *self.conductor.notices()]
        for device in (self.osc, self.ear, self.link):
            if device is not None:
                said += device.notices()
        if self.scribe.message is not None:
            said.append(self.scribe.message)
            self.scribe.message = None
        return said

    def _figures(self) -> list[str]:
        figures = []
        if self.ear is not None:
            level = self.ear.meter().rms
            figures.append(f"ear\t{level:.0f} dB" if level > _SILENCE else "ear\tsilence")
        leaders = [row for row in self.conductor.rows() if row.state == "leads"]
        figures += [f"beat\t{row.name}, {row.says}" for row in leaders]
        return figures

    # What the devices ask, from threads of their own.

    def wanted(self) -> Mapping[str, float]:
        """Where every control's lamp or motor fader should stand: source → 0..1."""
        reflection = self.mirror.read()
        if not len(reflection.values):
            return {}
        wanted: dict[str, float] = {}
        for binding in self._lamps:
            wanted[binding.source] = self._position(binding, reflection)
        return wanted

    def _position(self, binding: Binding, reflection: Reflection) -> float:
        column = self._columns.get(binding.target)
        if column is None:
            # A pad that leads somewhere glows; the one where z is heading is bright.
            dark = _GLOWS if binding.target.startswith("/waypoint/") else 0.0
            return 1.0 if binding.target in reflection.lit else dark
        parameter = self._performer.space.parameters[column]
        position = parameter.unmap(float(reflection.values[column]))
        return position if binding.mode == "relative" else binding.unmap(position)

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """Every binding that is heard, those learnt by now included."""
        return self._lamps

    @property
    def armed(self) -> str:
        """The address that waits for a control to be moved, or ""."""
        return "" if self._learning is None else self._learning.armed

    def _standing(self) -> float:
        return self._tempo

    def _transport(self, kind: Any, time: float, position: int) -> None:
        self.conductor.midi(kind, time, position)


def _keeper(programme: Programme) -> Any:
    performer = programme.performer
    begins = dict(zip(performer.space.addresses, map(float, performer.start), strict=True))

    def kept(preset: Preset, changes: Changes) -> Preset:
        return keep(preset, changes, begins, OWN_PRESETS, programme.recomposed)

    return kept


def _named(changes: Changes, sources: Mapping[str, str]) -> Changes:
    """What is forgotten may stand in the file under its control's name."""
    names = [(name, target) for name, source in sources.items()
             for said, target in changes.forgotten if said == source]  # fmt: skip
    return replace(changes, forgotten=changes.forgotten | frozenset(names))
