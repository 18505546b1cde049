"""The same numbers as the original programs, for every array that was kept of them.

The originals are small random networks in which every term counts; see `published`.
"""

import pytest
import torch
from published import parity_case

CASES = (
    "sg2_32", "sg2_cond_16", "rosinality_32", "sg3t_64", "sg3r_64", "pgan_32", "fastgan_256",
)  # fmt: skip
TOLERANCE = 2e-5  # of the largest absolute value of the array compared
UNUSED = ("toRGBLayers.0", "toRGBLayers.1")  # of a progressive GAN: scales before the last two


def worst(found, expected):
    """The largest difference, as a share of the largest value."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return parity_case(request.param)


def test_every_array_of_the_original_is_met(case):
    found = case.compute(case.tensors)
    # Neither an array nobody compares, nor one that is both given and compared.
    assert set(found) | case.given == set(case.expected)
    assert not set(found) & case.given
    far = {name: worst(array, case.expected[name]) for name, array in found.items()}
    assert {name: share for name, share in far.items() if not share <= TOLERANCE} == {}


def test_a_tensor_read_a_little_wrong_would_show(case):
    """Ten percent of noise on any single tensor leaves the tolerance."""
    used = [name for name in case.tensors if not name.startswith(UNUSED)]
    used = [name for name in used if not name.endswith(("weight_u", "weight_v"))]
    for name in used[:: len(used) // 3]:
        tensor = case.tensors[name]
        noise = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0))
        spoilt = tensor + 0.1 * noise * tensor.square().mean().sqrt()
        found = case.compute(case.tensors | {name: spoilt})
        assert any(worst(found[key], case.expected[key]) > TOLERANCE for key in found), name
