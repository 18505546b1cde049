"""Whether a row's own picture is waited for in its own tick.

Where it comes in time, no picture can be younger. Where it comes too late too often, because the
machine is busy or the decoder just too slow, the picture of the row before is shown at once: a tick
older, but at every refresh. It knows no clock and no picture.
"""

from __future__ import annotations

from collections import deque

_FIRST = 300  # ticks that fall in step with the screen: what is late then says little
_REMEMBERED = 240  # ticks
_TOO_OFTEN = 12  # of them
_REST = 180  # ticks until it is tried again


class Patience:
    """Told of every wait whether it was worth it."""

    def __init__(self) -> None:
        self._vain: deque[bool] = deque(maxlen=_REMEMBERED)
        self._told = self._rest = 0

    @property
    def pays(self) -> bool:
        """Whether to wait."""
        return self._rest == 0

    def waited(self, came: bool) -> None:
        """A picture was waited for, and `came` in time or did not."""
        self._told += 1
        self._vain.append(not came and self._told > _FIRST)
        if sum(self._vain) > _TOO_OFTEN:
            self._vain.clear()
            self._rest = _REST

    def went_without(self) -> None:
        """A tick in which waiting did not pay is over."""
        self._rest = max(0, self._rest - 1)
