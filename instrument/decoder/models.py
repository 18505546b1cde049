"""Models on disk: which there are, and what one must know of each before it is opened.

A model is a folder with a ``manifest.json`` (and, for trained networks, its weights). This
module reads and checks manifests. It knows no torch, so the stage may ask it anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from instrument import InstrumentError
from instrument.decoder.architectures import (
    FastGANSettings,
    ProGANSettings,
    Settings,
    StyleGAN2Settings,
    StyleGAN3Settings,
    StyleSettings,
)
from instrument.decoder.protocol import DecoderSpec
from instrument.latent.space import LatentSpec
from instrument.resources import bundled

MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 1 << 20  # bytes

_Pixels = Annotated[int, msgspec.Meta(ge=8, le=8192)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class _Latent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shape: list[int]
    space: Literal["z", "w"] = "z"
    radius: float | None = None
    scale: float | None = None


class Details(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every manifest says. The subclasses add the keys of one architecture."""

    format: Literal["model/1"]
    name: _Name
    architecture: str
    latent: _Latent
    size: tuple[_Pixels, _Pixels]
    licence: str
    note: str = ""


class ProceduralDetails(Details, frozen=True, kw_only=True):
    """A network whose weights come from `seed`: there is nothing to download."""

    seed: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]


class SnapshotFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weights of one moment of the training: after `images` images."""

    file: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*){0,3}$")]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    images: Annotated[int, msgspec.Meta(ge=0)]


class HistoryDetails(Details, frozen=True, kw_only=True):
    """A trained network with its history, earliest snapshot first."""

    snapshots: Annotated[list[SnapshotFile], msgspec.Meta(min_length=1, max_length=1000)]


class SkipDetails(HistoryDetails, frozen=True, kw_only=True):
    """The project's own kind of generator, `skip_generator`."""

    generator: dict[str, int | float | list[int]]
    seed: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)] = 0
    command: str = ""


class GeneratorDetails(HistoryDetails, frozen=True, kw_only=True):
    """A generator of a published architecture, converted from somebody's checkpoint.

    `label` is the class a conditional model shows. `cutoff` is how many of the first layers
    ``/model/truncation`` acts on (None: all). `source` and `source_sha256` are the name and the
    SHA-256 of the file it was converted from.
    """

    label: Annotated[int, msgspec.Meta(ge=0)] = 0
    cutoff: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None
    source: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    source_sha256: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")] = ""

    @property
    def settings(self) -> Settings:
        """The settings of the network, whatever its architecture."""
        network = getattr(self, "network", None)
        assert isinstance(network, Settings)
        return network

    def __post_init__(self) -> None:
        settings, shape = self.settings, tuple(self.latent.shape)
        style = settings if isinstance(settings, StyleSettings) else None
        if self.size != (settings.size, settings.size):
            raise ValueError(f"size: the network paints [{settings.size}, {settings.size}]")
        allowed: list[tuple[int, ...]] = [(settings.z_dim,)] if self.latent.space == "z" else []
        if self.latent.space == "w" and style is not None:
            allowed = [(style.w_dim,), (style.num_ws, style.w_dim)]
        if shape not in allowed:
            shapes = " or ".join(str(list(one)) for one in allowed) or "nothing: it has no w"
            raise ValueError(f"latent.shape: in {self.latent.space} the network takes {shapes}")
        labels = 0 if style is None else style.c_dim
        if self.label >= max(1, labels):
            raise ValueError(f"label: the network knows {labels} labels, counted from 0")


class StyleGAN2Details(GeneratorDetails, frozen=True, kw_only=True):
    """See `stylegan2`."""

    network: StyleGAN2Settings


class StyleGAN3Details(GeneratorDetails, frozen=True, kw_only=True):
    """See `stylegan3`."""

    network: StyleGAN3Settings


class ProGANDetails(GeneratorDetails, frozen=True, kw_only=True):
    """See `progan`."""

    network: ProGANSettings


class FastGANDetails(GeneratorDetails, frozen=True, kw_only=True):
    """See `fastgan`."""

    network: FastGANSettings


class TestcardDetails(Details, frozen=True, kw_only=True):
    """The test double: `delay` seconds a picture; `fail` says what a z below 0 does.

    `card`: it says that its pictures are made on graphics card 0.
    """

    delay: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0
    fail: Literal["never", "open", "decode", "hang", "exit"] = "never"
    card: bool = False


_DETAILS: dict[str, type[Details]] = {
    "procedural": ProceduralDetails,
    "skip": SkipDetails,
    "stylegan2": StyleGAN2Details,
    "stylegan3": StyleGAN3Details,
    "progan": ProGANDetails,
    "fastgan": FastGANDetails,
    "testcard": TestcardDetails,
}


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """A model that was found and whose manifest holds together.

    `folder` is where it lies; of a program (see `programs`) it is the network's file.
    `sha256` identifies the weights: that of the canonical manifest (sorted keys, no blanks, so
    that layout and line ends do not matter), which holds the seed or every weights file's own.
    `dataclasses.replace(manifest, size=...)` asks a procedural model for larger pictures.
    """

    folder: Path
    name: str
    architecture: str
    latent: LatentSpec
    size: tuple[int, int]
    licence: str
    sha256: str
    details: Details

    @property
    def spec(self) -> DecoderSpec:
        """What one must know to play it; torch is not asked."""
        details = self.details
        snapshots = len(details.snapshots) if isinstance(details, HistoryDetails) else 1
        return DecoderSpec(self.name, self.latent, self.size, self.sha256, snapshots)


def bundled_models() -> tuple[str, ...]:
    """The names of the models the instrument brings along."""
    folder = bundled("presets") / "models"
    return tuple(sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}")))


def find_model(
    name_or_path: str | Path, tell: Callable[[str], None] | None = None
) -> ModelManifest:
    """The bundled model of that name, or the model in that folder (or of that manifest).

    A bare name means a bundled model first; write ``./name`` for a folder of the same name.
    A network with a TOML beside it is a program (see `programs`). Somebody's checkpoint (a file,
    a pattern, a folder of snapshots; see `series`) is converted on first use, and `tell` hears
    what takes so long. Raises InstrumentError naming what there is.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, str) and text in bundled_models():
        return read_manifest(bundled("presets") / "models" / text)
    path = Path(name_or_path).expanduser()
    if path.name == MANIFEST and path.is_file():
        path = path.parent
    if not (path / MANIFEST).is_file():
        from instrument.decoder.model_cache import find_converted  # they need this module
        from instrument.decoder.programs import find_program, introduce, read_program

        program = find_program(path)
        if program is not None:
            model = read_program(program)
            if tell is not None:
                introduce(model, tell)
            return model
        converted = find_converted(text, tell)
        if converted is not None:
            return converted
    if not path.is_dir():
        names = ", ".join(bundled_models())
        raise InstrumentError(f"model {text!r}: no such folder or file; bundled models: {names}")
    return read_manifest(path)


def read_manifest(folder: Path) -> ModelManifest:
    """Read and check ``manifest.json`` in `folder`, or the TOML beside a program.

    Raises InstrumentError naming file, key and what is allowed.
    """
    from instrument.decoder import programs  # it needs this module

    if folder.suffix.lower() in programs.SUFFIXES and not folder.is_dir():
        return programs.read_program(folder)
    path = folder / MANIFEST
    fields = _read_object(path)
    details = _check(path, fields)
    try:
        told = details.latent
        latent = LatentSpec(tuple(told.shape), told.space, told.radius, told.scale)
    except InstrumentError as error:
        raise InstrumentError(f"{path}: {error}") from error
    if isinstance(details, ProceduralDetails) and len(latent.shape) != 1:
        raise InstrumentError(f"{path}: latent.shape: a procedural model takes one integer")
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return ModelManifest(
        folder=folder.resolve(),
        name=details.name,
        architecture=details.architecture,
        latent=latent,
        size=details.size,
        licence=details.licence,
        sha256=hashlib.sha256(canonical.encode()).hexdigest(),
        details=details,
    )


def _read_object(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_MANIFEST + 1)
    except FileNotFoundError:
        raise InstrumentError(f"{path}: missing; a model is a folder with {MANIFEST}") from None
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror})") from error
    if len(raw) > _LARGEST_MANIFEST:
        raise InstrumentError(f"{path}: larger than {_LARGEST_MANIFEST} bytes")
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InstrumentError(f"{path}: is not JSON ({error})") from error
    if not isinstance(fields, dict):
        raise InstrumentError(f"{path}: must be a JSON object")
    return fields


def _check(path: Path, fields: dict[str, Any]) -> Details:
    architecture = fields.get("architecture")
    kind = _DETAILS.get(architecture) if isinstance(architecture, str) else None
    if kind is None:
        allowed = ", ".join(_DETAILS)
        raise InstrumentError(f"{path}: architecture {architecture!r}: must be one of {allowed}")
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        keys = ", ".join(kind.__struct_fields__)
        raise InstrumentError(f"{path}: {error} (keys of {architecture}: {keys})") from error
