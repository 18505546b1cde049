"""How the instrument stands now, for lamps, motor faders and other programs.

The loop writes one picture a tick and never waits; any thread reads the newest one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Reflection:
    """One moment: `values F64[P]` in native units, one a parameter, never written to again.

    They are what hands have set, without what modulation adds, for a fader must not be moved by an
    oscillator; of what is told, they are what is told.
    `lit` are the addresses of triggers that are on: the waypoint z is heading for
    (``/waypoint/3/go`` and its named twin), ``/take/record`` while a take runs and so on. `beat` is
    the tempo's beat count, for lamps that blink.
    """

    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    lit: frozenset[str] = frozenset()
    beat: float = 0.0


class Mirror:
    """Holds the newest `Reflection`. Giving a name to another object is atomic: no lock."""

    def __init__(self) -> None:
        self._newest = Reflection()

    def write(self, reflection: Reflection) -> None:
        """Show `reflection` from now on."""
        self._newest = reflection

    def read(self) -> Reflection:
        """The newest reflection."""
        return self._newest
