"""What a film is ordered with: all that another process, or machine, needs to make the same.

As JSON beside the chunks it is what the nodes of a farm read; as words of a command line, what a
queue runs. Paths are absolute in both. This module reads no source and opens no model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from instrument import InstrumentError
from instrument.cli.film_options import FilmWishes
from instrument.latent.arrays import write_atomically
from instrument.studio.workplace import Workplace
from instrument.timebase import FrameRate

_FORMAT = "order/1"
# Wishes whose option is not called as they are, and those that are said or unsaid.
_SWITCHES = ("dither", "chapters")


@dataclass(frozen=True, slots=True)
class Ordered:
    """A film of `source`; `models`, `rate` and `frames` are as on the command line."""

    source: Path
    models: tuple[str, ...] = ()
    rate: FrameRate | None = None
    frames: str | None = None
    wishes: FilmWishes = field(default_factory=FilmWishes)

    def to_json(self) -> dict[str, Any]:
        """What goes into the file. The reverse of `ordered_from_json`."""
        wishes = {one.name: getattr(self.wishes, one.name) for one in fields(self.wishes)}
        del wishes["recipe"]  # follows from the preset's name
        wishes["audio"] = str(self.wishes.audio.absolute()) if self.wishes.audio else None
        return {
            "format": _FORMAT,
            "source": str(self.source.absolute()),
            "models": [_absolute(model) for model in self.models],
            "rate": str(self.rate) if self.rate else None,
            "frames": self.frames,
            "wishes": wishes,
        }

    def words(self) -> list[str]:
        """The options of a command line that say the same, without source, frames and out."""
        said = self.to_json()
        words = [word for model in said["models"] for word in ("--model", model)]
        words += ["--rate", said["rate"]] if said["rate"] else []
        usual = FilmWishes()
        for name, value in said["wishes"].items():
            if value == getattr(usual, name):
                continue
            option = "--" + name.replace("_", "-")
            if name in _SWITCHES:
                words.append(option if value else f"--no-{name}")
            else:
                words += [option, "x".join(map(str, value)) if name == "size" else str(value)]
        return words


def ordered_from_json(said: Any) -> Ordered:
    """Read an order. Raises InstrumentError where it is none."""
    try:
        if said["format"] != _FORMAT:
            raise InstrumentError(f'format: must be "{_FORMAT}"')
        wishes = dict(said["wishes"])
        wishes["size"] = tuple(wishes["size"]) if wishes["size"] else None
        wishes["audio"] = Path(wishes["audio"]) if wishes["audio"] else None
        rate = FrameRate.parse(said["rate"]) if said["rate"] else None
        return Ordered(
            Path(said["source"]), tuple(said["models"]), rate, said["frames"], FilmWishes(**wishes)
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InstrumentError(f"not an order of a film ({error})") from error


def order_of(work: Workplace) -> Path:
    """Where the order of the film lies, beside its manifest."""
    return work.folder / "order.json"


def write_order(work: Workplace, ordered: Ordered) -> None:
    """Leave the order where the nodes of a farm find it. Raises InstrumentError."""
    with write_atomically(order_of(work)) as file:
        file.write(json.dumps(ordered.to_json(), indent=1).encode() + b"\n")


def read_order(work: Workplace) -> Ordered:
    """The order of the film. Raises InstrumentError naming the file that cannot be seen or read."""
    path = order_of(work)
    try:
        return ordered_from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InstrumentError(
            f"does not see {path}: the film must lie on storage that all nodes share"
        ) from None
    except (OSError, ValueError, InstrumentError) as error:
        raise InstrumentError(f"{path}: cannot be read ({error})") from error


def _absolute(model: str) -> str:
    """A model by its name stays one; a path holds wherever it is read."""
    return str(Path(model).absolute()) if Path(model).exists() else model
