"""Pictures before they are cut to 256 levels: the same pictures, and really finer ones."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from instrument import InstrumentError
from instrument.decoder.crossfade import FIRST, SECOND, SHARE, CrossfadeDecoder
from instrument.decoder.models import find_model
from instrument.decoder.protocol import (
    DecodeError,
    Decoder,
    DecoderSpec,
    FineDecoder,
    decode_fine,
)
from instrument.decoder.runtime import open_decoder
from instrument.frame import U8
from instrument.latent.space import F32, LatentSpec


def small(name: str) -> Decoder:
    manifest = find_model(name)
    if name == "procedural":
        manifest = replace(manifest, size=(48, 64))
    return open_decoder(manifest)


def some_z(decoder: Decoder, n: int = 3) -> F32:
    shape = (n, *decoder.spec.latent.shape)
    return np.random.default_rng(5).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", ["procedural", "default"])
def test_rounded_they_are_what_decode_gives(name: str) -> None:
    decoder = small(name)
    z = some_z(decoder)
    fine = decode_fine(decoder, z, {})
    assert fine.dtype == np.float32
    assert 0 <= fine.min() < fine.max() <= 1
    levels = np.floor(fine * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    assert np.array_equal(levels, decoder.decode(z, {}))


def test_they_are_really_finer() -> None:
    decoder = small("procedural")
    assert isinstance(decoder, FineDecoder)
    fine = decode_fine(decoder, some_z(decoder, 1), {})
    assert len(np.unique(fine)) > 1000
    assert np.abs(fine * 255 - np.rint(fine * 255)).mean() > 0.2  # 0.25 where nothing was rounded


def test_faults_are_the_same() -> None:
    decoder = small("procedural")
    with pytest.raises(ValueError, match="must be"):
        decode_fine(decoder, np.zeros((2, 3), np.float32), {})
    z = some_z(decoder, 1)
    z[0, 0] = np.nan
    with pytest.raises(DecodeError):
        decode_fine(decoder, z, {})


class Flat:
    """Decodes everything into one level."""

    def __init__(self, level: int, size: tuple[int, int] = (2, 2)) -> None:
        self.spec = DecoderSpec("flat", LatentSpec((2,)), size, "")
        self._level = level

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        return np.full((len(z), *self.spec.size, 3), self._level, np.uint8)


def test_who_has_levels_only_gives_those() -> None:
    assert not isinstance(Flat(7), FineDecoder)
    fine = decode_fine(Flat(7), np.zeros((2, 2), np.float32), {})
    assert fine.shape == (2, 2, 2, 3)
    assert (fine == np.float32(7) / np.float32(255)).all()


def test_two_models_are_mixed_before_they_are_rounded() -> None:
    spec = DecoderSpec("two", LatentSpec((2,)), (4, 4), "")
    grow = lambda picture: np.repeat(np.repeat(picture, 2, 0), 2, 1)  # noqa: E731
    both = CrossfadeDecoder(spec, {1: Flat(10), 2: Flat(11, (4, 4))}, grow, _to_four)
    parameters = {
        FIRST: np.array([1, 1], np.float32),
        SECOND: np.array([2, 0], np.float32),
        SHARE: np.array([0.25, 0], np.float32),
    }
    fine = both.decode_fine(np.zeros((2, 2), np.float32), parameters)
    assert fine.shape == (2, 4, 4, 3)
    assert np.allclose(fine[0] * 255, 10.25, atol=1e-5)
    assert np.allclose(fine[1] * 255, 10, atol=1e-5)
    with pytest.raises(InstrumentError, match="model 3"):
        both.decode_fine(np.zeros((1, 2), np.float32), {FIRST: np.array([3], np.float32)})


def _to_four(picture: F32) -> F32:
    return picture if len(picture) == 4 else np.repeat(np.repeat(picture, 2, 0), 2, 1)
