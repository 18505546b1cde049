"""What kind of latent space: checked where it is made, and read back as it was."""

import math

import pytest

from instrument import InstrumentError
from instrument.latent.space import LatentSpec


def test_the_shell_of_a_gaussian() -> None:
    spec = LatentSpec.shell(512)
    assert (spec.shape, spec.space, spec.size) == ((512,), "z", 512)
    assert spec.radius == math.sqrt(512)
    assert str(LatentSpec((18, 512), "w")) == "w18×512"


@pytest.mark.parametrize("spec", [LatentSpec.shell(3), LatentSpec((18, 512), "w")])
def test_json_and_back(spec: LatentSpec) -> None:
    assert LatentSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("shape", [(), (0,), (-1,), (1, 2, 3), (2, 0), (1 << 11, 1 << 10)])
def test_shapes_no_space_has(shape: tuple[int, ...]) -> None:
    with pytest.raises(InstrumentError, match="latent shape"):
        LatentSpec(shape)


@pytest.mark.parametrize("radius", [0.0, -1.0, math.nan, math.inf, 1e6])
def test_radii_no_shell_has(radius: float) -> None:
    with pytest.raises(InstrumentError, match="latent radius"):
        LatentSpec((8,), "z", radius)


def test_a_free_space_may_know_its_scale() -> None:
    spec = LatentSpec((3, 16), "w", scale=7.5)
    again = LatentSpec.from_json(spec.to_json())
    assert again == spec and again.scale == 7.5
    assert spec == LatentSpec((3, 16), "w"), "a measurement makes no other space"
    assert hash(spec) == hash(LatentSpec((3, 16), "w"))
    assert "scale" not in LatentSpec.shell(4).to_json()


def test_how_far_a_radian_leads() -> None:
    assert LatentSpec.shell(16).reach == 4.0
    assert LatentSpec((3, 16), "w", scale=7.5).reach == 7.5
    assert LatentSpec((3, 16), "w").reach == 4.0


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, 1e6])
def test_scales_no_space_has(scale: float) -> None:
    with pytest.raises(InstrumentError, match="latent scale"):
        LatentSpec((8,), "w", scale=scale)
    with pytest.raises(InstrumentError, match="not both"):
        LatentSpec((8,), "w", 2.0, 2.0)


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        (None, "latent"),
        ([], "latent"),
        ({}, "shape"),
        ({"shape": "8"}, "shape"),
        ({"shape": [8.0]}, "shape"),
        ({"shape": [True]}, "shape"),
        ({"shape": [8], "radius": "1"}, "radius"),
        ({"shape": [8], "radius": True}, "radius"),
        ({"shape": [8], "scale": "1"}, "scale"),
        ({"shape": [8], "space": "y"}, "space"),
        ({"shape": [8], "space": []}, "space"),
    ],
)
def test_a_wrong_description_names_its_key(fields: object, key: str) -> None:
    with pytest.raises(InstrumentError, match=key):
        LatentSpec.from_json(fields)
