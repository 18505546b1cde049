"""Tells when a window waits for a screen that shows it to nobody. Pure; knows no window."""

from __future__ import annotations

SLOW_SECONDS = 0.1
SLOW_IN_A_ROW = 3


class SwapWatch:
    """Counts slow swaps: a covered window may wait for its compositor as long as it is covered.

    Wayland stops answering windows nobody sees, macOS slows them to its own pace. After three
    slow swaps in a row the window must no longer wait; when it has the focus again, it may.
    """

    def __init__(self) -> None:
        self._slow = 0
        self.waits = True

    def took(self, seconds: float) -> bool:
        """Note one swap; True when the window must stop waiting from now on."""
        self._slow = self._slow + 1 if seconds > SLOW_SECONDS else 0
        if self.waits and self._slow >= SLOW_IN_A_ROW:
            self.waits = False
            return True
        return False

    def focus_came(self) -> bool:
        """The window is seen again; True when it may wait again from now on."""
        came_back, self._slow, self.waits = not self.waits, 0, True
        return came_back
