"""Models for the tests of decoders and of the process that runs them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from instrument.decoder.models import ModelManifest, read_manifest

CARD = {
    "format": "model/1",
    "name": "card",
    "architecture": "testcard",
    "latent": {"shape": [4], "space": "z", "radius": 2.0},
    "size": [16, 24],
    "licence": "MIT",
}


@pytest.fixture
def card(tmp_path: Path) -> Callable[..., ModelManifest]:
    """Writes a test card's manifest with the keys given, and reads it."""

    def write(**keys: object) -> ModelManifest:
        folder = tmp_path / "card"
        folder.mkdir(exist_ok=True)
        (folder / "manifest.json").write_text(json.dumps(CARD | keys))
        return read_manifest(folder)

    return write
