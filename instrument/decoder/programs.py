"""Models that are programs: a TorchScript or torch.export file with a TOML beside it.

Such a file holds code, and whoever plays it runs that code with the rights of the performer. It
is therefore opened in a decoder process and nowhere else; here the TOML is read, and of the
network no more than its SHA-256. This module knows no torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from instrument import InstrumentError
from instrument.decoder.conversion import fingerprint
from instrument.decoder.model_cache import cache_folder
from instrument.decoder.models import Details, ModelManifest
from instrument.document import line_of, parse_toml, read_text
from instrument.latent.space import LatentSpec

ARCHITECTURE = "program"
SUFFIXES = (".pt2", ".pt", ".pth", ".ts")
TRUNCATION = "/model/truncation"
CAUTION = (
    "holds code, which runs in the decoder process with all your rights: "
    "play it only if you trust whoever made it"
)
_RANGES = ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0))
_MOST_NUMBERS = 10_000  # of one input
_ROUNDED = 1e-3  # how far from sqrt(d) a radius may be written
_SAYS_PROGRAM = re.compile(rf"^\s*architecture\s*=\s*[\"']{ARCHITECTURE}[\"']", re.MULTILINE)

Constant = bool | int | float | list[int | float]


class ProgramDetails(Details, frozen=True, kw_only=True):
    """The keys of the TOML.

    `range` are the values of black and full light. `inputs` says what the network is given
    beside z, by the names of its arguments: numbers, or ``"/model/truncation"``.
    """

    architecture: Literal["program"]
    range: tuple[float, float] = (-1.0, 1.0)
    colour: Literal["RGB", "BGR"] = "RGB"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    inputs: Annotated[dict[str, str | Constant], msgspec.Meta(max_length=100)] = msgspec.field(
        default_factory=dict
    )


class PlacedDetails(ProgramDetails, frozen=True, kw_only=True):
    """The same, and the network they are about."""

    toml: str
    program_sha256: str


def find_program(path: Path) -> Path | None:
    """The network `path` names: that file, or the one beside that TOML; None for other models.

    A network is a program where the TOML of its name says so. Raises InstrumentError.
    """
    if path.suffix.lower() in SUFFIXES:
        card = path.with_suffix(".toml")
        return path if path.is_file() and card.is_file() and _says_program(card) else None
    if path.suffix != ".toml" or not path.is_file():
        return None
    if not _says_program(path):
        raise InstrumentError(f'{path}: is no model: it says nowhere architecture = "program"')
    beside = [path.with_suffix(suffix) for suffix in SUFFIXES]
    found = [file for file in beside if file.is_file()]
    if not found:
        names = ", ".join(file.name for file in beside)
        raise InstrumentError(f"{path}: no network lies beside it, which is one of {names}")
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise InstrumentError(f"{path}: {names} lie beside it: name the one to be played")
    return found[0]


def _says_program(card: Path) -> bool:
    try:
        return _SAYS_PROGRAM.search(read_text(card)) is not None
    except InstrumentError:
        return False


def read_program(network: Path) -> ModelManifest:
    """The model of the file `network` and the TOML beside it.

    Its SHA-256 is that of the TOML's content (not of its layout) and of the network's own.
    Raises InstrumentError naming file, line, key and what is allowed.
    """
    card = network.with_suffix(".toml")
    text = read_text(card)
    details = parse_toml(text, ProgramDetails, str(card))
    latent = _checked(details, text, card)
    if not network.is_file():
        raise InstrumentError(f"{network}: no such file")
    placed = PlacedDetails(
        **msgspec.structs.asdict(details), toml=card.name, program_sha256=fingerprint(network)
    )
    said = {**msgspec.to_builtins(details), "program_sha256": placed.program_sha256}
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return ModelManifest(
        folder=network.absolute(),  # not resolved: a link has its own TOML beside it
        name=details.name,
        architecture=ARCHITECTURE,
        latent=latent,
        size=details.size,
        licence=details.licence,
        sha256=hashlib.sha256(canonical.encode()).hexdigest(),
        details=placed,
    )


def _checked(details: ProgramDetails, text: str, card: Path) -> LatentSpec:
    """The latent space, once everything in the TOML is known to make sense."""

    def wrong(keys: list[str | int], reason: str) -> InstrumentError:
        where = ".".join(str(key) for key in keys)
        return InstrumentError(f"{card}:{line_of(text, keys)}: {where}: {reason}")

    if details.range not in _RANGES:
        raise wrong(["range"], "must be [-1, 1], [0, 1] or [0, 255]")
    for name, value in details.inputs.items():
        if isinstance(value, str) and value != TRUNCATION:
            raise wrong(["inputs", name], f'must be "{TRUNCATION}", a number or a list of numbers')
        if isinstance(value, list) and not 0 < len(value) <= _MOST_NUMBERS:
            raise wrong(["inputs", name], f"must be 1 to {_MOST_NUMBERS} numbers")
        numbers = value if isinstance(value, list) else [0 if isinstance(value, str) else value]
        if not all(abs(number) <= 1e18 for number in numbers):
            raise wrong(["inputs", name], "must be finite, and no larger than 1e18")
    latent = details.latent
    radius = latent.radius
    if radius is not None and latent.shape:
        whole = math.sqrt(max(0, latent.shape[-1]))
        # Whoever writes 22.627 means sqrt(512), as banks made for other models have it.
        radius = whole if abs(radius - whole) < _ROUNDED * whole else radius
    try:
        return LatentSpec(tuple(latent.shape), latent.space, radius)
    except InstrumentError as error:
        raise wrong(["latent"], str(error)) from error


def introduce(manifest: ModelManifest, tell: Callable[[str], None]) -> None:
    """Tell once, for every network, what it means to play a program."""
    details = manifest.details
    assert isinstance(details, PlacedDetails)
    note = cache_folder() / "played" / details.program_sha256[:32]
    if note.exists():
        return
    tell(f"{manifest.folder.name} {CAUTION}")
    with contextlib.suppress(OSError):  # then it is told again next time
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
