"""What is worked out quickly is what the plain formulas give, to the last bit."""

import math
import tracemalloc

import numpy as np
import pytest
from stages import bank_of_four, event, performer_of

from instrument.latent import noise
from instrument.latent.space import LatentSpec
from instrument.latent.spring import SpringState, step_matrix
from instrument.performance import flight, matrix, steering, values
from instrument.performance.modulation import Modulation, Routing
from instrument.performance.modulators import Lfo

SPACES = {
    "shell": LatentSpec.shell(16),
    "layers": LatentSpec((3, 16), "z", 4.0),
    "free": LatentSpec((6, 16), "w", None),
}
MODULATION = Modulation(
    (
        Lfo("a", "sine", rate=0.7), Lfo("b", "smooth", beats=2.0), Lfo("c", "hold", rate=3.0),
    ),
    (
        Routing("/lfo/a", "/spring/frequency", 0.3, bipolar=True, grace=0.2),
        Routing("/lfo/b", "/pad/x", 0.4),
        Routing("/lfo/c", "/lfo/a/rate", 0.3),
        Routing("/knob/20", "/noise/rate", 0.5, attack=0.1, release=0.5),
        Routing("/lfo/a", "/noise/strength", 0.2),
    ),
)  # fmt: skip


def plainly(patch) -> None:
    """Nothing kept, nothing put off, every formula in full."""

    def step(state, target, spring, seconds):
        m, y, v = step_matrix(spring, seconds), state.position - target, state.velocity
        position = m.y_from_y * y + m.y_from_v * v + target
        return SpringState(position, m.v_from_y * y + m.v_from_v * v)

    def length(a):
        return np.sqrt(np.sum(a * a, axis=-1))[..., None]

    def on_shell(self, time, radius):
        here = self.position(time)
        if radius is None:
            return here
        here = np.where(length(here) > 1e-6 * radius, here, self.target)
        return radius * (here / length(here))

    def leashed(self, longest):
        here, speed = self.motion.position, self.motion.velocity
        fastest = 2.0 * math.pi * 30.0 * longest
        inside = np.max(np.abs(here)) <= longest and np.max(np.abs(speed)) <= fastest
        assert inside
        return self

    def base_at(self, p, index):
        glide = p.gliding.get(index)
        if glide is None or glide.is_done(p.time):
            return float(p.values[index])
        return self.space.parameters[index].map(glide.at(p.time))

    def value_at(self, p, index):
        return self._derived_value(p, index) if index in self.derived else base_at(self, p, index)

    def settle(self, p, passing=True):
        if p.stale:
            p.stale = False
            self.matrix.settle(self, p)
            p.tempo = p.tempo.paced(p.time, self.value_at(p, self._tempo))
            rate, pace = self.value_at(p, self._rate), self.value_at(p, self.pace)
            p.flight = p.flight.steered(self.target(p), self.spring(p), rate, pace)

    def lfo_value(self, laws, p, number):
        phase = (p.modulation.phases or self._begin)[number]
        clock = laws.beat_at(p, p.time) if self._counts[number] else p.time
        return self._waves[number](phase.at(clock))

    def near(self, whole):
        return tuple(self._make_place(self._index(whole + n)) for n in range(4))

    patch.setattr(flight, "step", step)
    patch.setattr(flight.Flight, "on_shell", on_shell)
    patch.setattr(flight.Flight, "leashed", leashed)
    patch.setattr(values.Values, "base_at", base_at)
    patch.setattr(values.Values, "value_at", value_at)
    patch.setattr(steering.Steering, "settle", settle)
    patch.setattr(matrix.Matrix, "lfo_value", lfo_value)
    patch.setattr(matrix.Matrix, "_at_their_pace", matrix.Matrix._retuned)
    patch.setattr(noise.Drift, "_near", near)


def played(spec: LatentSpec, seed: int) -> list[bytes]:
    """Eighty frames of whatever a hand might do, several things at one moment included."""
    performer = performer_of(bank_of_four(spec), modulation=MODULATION)
    addresses = [parameter.address for parameter in performer.space if not parameter.told]
    addresses += [f"/knob/{n}" for n in range(1, 10)] * 4 + ["/knob/20", "/key/1", "/key/f"] * 3
    addresses += ["/pad/x", "/pad/y", "/spring/damping_ratio", "/tempo/tap", "/tempo/start"] * 6
    chance, performance, rows = np.random.default_rng(seed), performer.begin(), []
    for _ in range(80):
        now = performance.time
        then = now + float(chance.choice([1 / 60, 1 / 24, 0.003]))
        moments = [now, then, *chance.uniform(now, then, 2)]
        times = np.sort(chance.choice(moments, chance.choice([0, 1, 2, 6])))
        events = [
            event(time, addresses[chance.integers(len(addresses))], chance.choice([0, 1, 0.37]))
            for time in times.tolist()
        ]
        performance = performer.advance(performance, then, events)
        rows.append(performer.z(performance).tobytes() + performer.values(performance).tobytes())
    return [*rows, repr(performance.to_json()).encode()]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("seed", range(6))
def test_the_quick_way_is_the_plain_way_to_the_bit(space, seed, monkeypatch) -> None:
    quickly = played(SPACES[space], seed)
    with monkeypatch.context() as patch:
        plainly(patch)
        assert played(SPACES[space], seed) == quickly


def test_a_steady_tick_leaves_nothing_behind() -> None:
    performer = performer_of(modulation=MODULATION)
    performance = performer.begin()
    for frame in range(1, 1501):
        if frame == 501:
            tracemalloc.start()
            before, _ = tracemalloc.get_traced_memory()
        performance = performer.advance(performance, frame / 60.0)
        performer.z(performance)
        performer.values(performance)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 100_000  # the drift's last places and the oscillators' last draws
