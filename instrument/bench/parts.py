"""The parts of the suite, and how they are asked for. Imports none of them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from instrument import InstrumentError
from instrument.bench.rows import Effort, Row


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its letter, what it measures, and where it is measured.

    `quick`: it belongs to what is measured without being asked for. `compared`: so it does where
    two versions are compared. `decodes`: in its own process, too, which is then like a decoder's.
    """

    letter: str
    title: str
    module: str
    quick: bool = True
    compared: bool = False
    decodes: bool = False

    def measure(self, effort: Effort) -> list[Row]:
        """Measure, in this process. Raises InstrumentError where it cannot be."""
        module = importlib.import_module(f"instrument.bench.{self.module}")
        rows: list[Row] = module.measure(effort)
        return rows


PARTS = {
    part.letter: part
    for part in (
        Part("a", "a frame beside decoding", "frame_cost", compared=True),
        Part("b", "live decode rate", "live_rate", decodes=True),
        Part("c", "from a hand to light", "light"),
        Part("d", "the performer", "performing", compared=True),
        Part("e", "recording", "recording"),
        Part("f", "films", "offline"),
        Part("g", "conform", "conforming", compared=True),
        Part("h", "start-up", "starting"),
        Part("i", "a long show", "lasting", quick=False),
        Part("j", "as it grows", "growing", quick=False),
        Part("k", "a decoder that is killed", "killing", quick=False),
    )
}


def chosen(only: str | None, everything: bool = False, comparing: bool = False) -> list[Part]:
    """The parts of ``"a,c"``; without that all of them, or the usual ones.

    Raises InstrumentError naming what there is.
    """
    if only is not None and everything:
        raise InstrumentError("--only and --all: one of them")
    if only is None:
        usual = [p for p in PARTS.values() if (p.compared if comparing else p.quick)]
        return list(PARTS.values()) if everything else usual
    letters = [word.strip() for word in only.split(",")]
    for letter in letters:
        if letter not in PARTS:
            there = ", ".join(f"{part.letter} ({part.title})" for part in PARTS.values())
            raise InstrumentError(f"--only: no part {letter!r}, allowed are {there}")
    return [PARTS[letter] for letter in dict.fromkeys(letters)]
