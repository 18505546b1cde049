"""The values of a performance: what every parameter is at any time.

What was set, and what glides, is the base; modulation moves it; some values follow from what is
played and are told. `laws` says what spring, target and drift make of them.
"""

from __future__ import annotations

from instrument.performance.crossfade import Now
from instrument.performance.matrix import Matrix
from instrument.performance.modulation import Modulation
from instrument.performance.parameters import ParameterSpace, model_words
from instrument.performance.state import Performance


class Values:
    """Reads a performance; changes nothing. `space` are its parameters."""

    space: ParameterSpace

    def _find_models(self, models: tuple[str, ...]) -> None:
        """Where the parameters of the models are, and how each model is called."""
        self._mix, self._fade, self._first, self._second, self._share = (
            self.space.index(f"/model/{word}")
            for word in ("mix", "fade", "first", "second", "share")
        )
        self._models_told = (self._first, self._second, self._share)
        self.model_words = _model_addresses(model_words(models), ("load", "join"))
        # What only the stage can know, and tells: no hand, binding or cue does.
        numbers = {str(number): number for number in range(1, len(models) + 1)}
        self.reports = _model_addresses(numbers, ("ready", "failed"))

    def _modulate(self, modulation: Modulation, shaping: set[int], seed: int) -> None:
        """What moves by itself, and which values are therefore more than what was set.

        `shaping` are the columns that shape the flight.
        """
        self.matrix = Matrix(modulation, self.space, shaping, seed)
        self.shaping = self.matrix.shaping
        self.told = frozenset({*self._models_told, *self.matrix.told})
        self.told_columns = sorted(self.told)
        self.derived = self.told | self.matrix.targets

    def value_at(self, p: Performance, index: int) -> float:
        """Parameter `index` at `p.time`, in native units."""
        if index in self.derived:
            return self._derived_value(p, index)
        if index in p.gliding:
            return self.base_at(p, index)
        return p.values.item(index)

    def _derived_value(self, p: Performance, index: int) -> float:
        if index in self.told:
            return self._told_value(p, index)
        return self.matrix.moved(self, p, index, self.base_at(p, index))

    def base_at(self, p: Performance, index: int) -> float:
        """Parameter `index` as hands, bindings and glides have it, without modulation."""
        glide = p.gliding.get(index)
        here = None if glide is None else glide.on_way(p.time)
        if here is None:
            return p.values.item(index)
        return self.space.parameters[index].map(here)

    def _told_value(self, p: Performance, index: int) -> float:
        if index in self.matrix.told:
            return self.matrix.lfo_value(self, p, self.matrix.told[index])
        if index == self._share:
            return p.models.share(p.time, self.value_at(p, self._mix))
        return float(p.models.first if index == self._first else p.models.second)

    def now(self, p: Performance) -> Now:
        """What a change of models must know of this moment."""
        return Now(p.time, self.value_at(p, self._mix), self.value_at(p, self._fade))

    def heading(self, p: Performance, index: int) -> float:
        """The position 0..1 a parameter is at, or on its way to."""
        glide = p.gliding.get(index)
        if glide is not None and not glide.is_done(p.time):
            return glide.aim
        return self.space.parameters[index].unmap(p.values.item(index))

    def beat_at(self, p: Performance, time: float) -> float:
        """The count of beats at `time` ≥ `p.time`, as things stand."""
        return p.tempo.beats(time)


def _model_addresses(words: dict[str, int], verbs: tuple[str, ...]) -> dict[str, tuple[int, str]]:
    """Address → the number of the model it is about, and the verb."""
    return {
        f"/model/{word}/{verb}": (number, verb) for word, number in words.items() for verb in verbs
    }
