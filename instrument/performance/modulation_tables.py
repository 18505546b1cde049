"""The ``[[lfo]]`` and ``[[modulation]]`` tables of a preset, and where in it a mistake stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from instrument import InstrumentError
from instrument.performance.modulation import Modulation, Routing
from instrument.performance.modulators import Lfo
from instrument.performance.preset_fields import PresetFields

T = TypeVar("T")
Fault = Callable[[list[str | int], object], InstrumentError]  # what `Preset.error` is


def read_modulation(fields: PresetFields, fault: Fault) -> Modulation:
    """What the preset says of modulation. Raises what `fault` makes of a mistake and its keys."""
    lfos = tuple(_made(Lfo, one, ["lfo", n], fault) for n, one in enumerate(fields.lfo))
    routings = tuple(
        _made(Routing, one, ["modulation", n], fault) for n, one in enumerate(fields.modulation)
    )
    return modulated(lambda: Modulation(lfos, routings), fault)


def modulated(make: Callable[[], T], fault: Fault) -> T:
    """What `make` makes; an error about an oscillator or a routing gets its place in the file."""
    try:
        return make()
    except InstrumentError as error:
        table, *words = str(error).split(maxsplit=3)  # "modulation 2 target /x: …"
        if table not in ("lfo", "modulation"):
            raise
        raise fault([table, int(words[0]) - 1, words[1].rstrip(":")], error) from error


def _made(
    kind: Callable[..., T], fields: msgspec.Struct, table: list[str | int], fault: Fault
) -> T:
    try:
        return kind(**msgspec.structs.asdict(fields))
    except InstrumentError as error:
        key = str(error).split()[0].rstrip(":")  # every error of a table begins with the key
        raise fault([*table, key], error) from error
