"""Runs commands as the shell would, but in this process."""

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from painting_here import CrewHere

from instrument.cli import main, making


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of an error; fails where there are more, or a traceback."""
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        return lines[0]


@pytest.fixture
def run(capsys, monkeypatch) -> Callable[..., Ran]:
    """``run("play", "--headless")``: what it printed and how it exited."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    def run_one(*words: object) -> Ran:
        if words[0] == "play":  # which searches for garbage, and the other tests are none
            gc.freeze()
        monkeypatch.setattr(sys, "argv", ["instrument", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run_one


@pytest.fixture
def painted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Films are painted in this process, for tests that are not about workers."""
    monkeypatch.setattr(making, "WorkerCrew", CrewHere)
