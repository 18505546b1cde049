"""The pacer on stage: which rows and pictures of a show it sees. The loop says what it says.

It looks at what comes anyway, where one model is seen and nothing is held, and never waits.
"""

from __future__ import annotations

from instrument.latent.space import F32, F64
from instrument.live.pacer import Pacer, Row
from instrument.live.projection import Projection
from instrument.performance.performer import Performer
from instrument.performance.state import Performance
from instrument.timebase import FrameRate


class Pacing:
    """A pacer, told of a show whose rows come `rate` times a second."""

    def __init__(self, performer: Performer, rate: FrameRate) -> None:
        self._pacer, self._frames, self._performer = Pacer(), rate, performer
        space = performer.space
        self._even, self._rate, self._freeze = map(
            space.index, ("/pace/even", "/pace/rate", "/display/freeze")
        )
        self._scene = [space.index(a) for a in ("/model/snapshot", "/model/truncation")]

    def look(
        self, index: int, p: Performance, z: F32, values: F64, projection: Projection
    ) -> float | None:
        """The rate from row `index` on, if it should change: `z` and `values F64[P]` are of `p`.

        `index` counts on where a take begins and time is called 0 again.
        """
        scene = (*projection.seen, *(float(values[column]) for column in self._scene))
        rate, even = float(values[self._rate]), float(values[self._even])
        if values[self._freeze] >= 0.5:  # pictures still come, and nobody sees them
            even = 0.0
        # Where nothing is evened, nobody asks how the spring goes.
        place = p.flight.on_shell(p.time, self._performer.spec.radius) if even > 0.0 else z
        base = float(p.values[self._rate])
        row = Row(index, self._frames.time_of(index), z, place, rate, base, even, scene)
        return self._pacer.follow(row, projection.arrived, len(projection.seen) == 1)
