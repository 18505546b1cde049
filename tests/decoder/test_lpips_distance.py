"""LPIPS where it is installed, shown on a stand-in: nothing here downloads anything."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from instrument import InstrumentError
from instrument.decoder.lpips_distance import open_lpips


class Judge(torch.nn.Module):
    """The mean squared difference: as LPIPS, it grows with the square of a change."""

    def __init__(self, net: str, verbose: bool) -> None:
        super().__init__()
        assert (net, verbose) == ("alex", False)
        self.most = 0

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        assert a.shape[1:] == (3, 64, 64)
        assert -1.0 <= float(a.min()) <= float(a.max()) <= 1.0
        self.most = max(self.most, len(a))
        return ((a - b) ** 2).mean(dim=(1, 2, 3), keepdim=True)


@pytest.fixture
def installed(monkeypatch, tmp_path):
    package = ModuleType("lpips")
    package.LPIPS = Judge
    monkeypatch.setitem(sys.modules, "lpips", package)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"


def pictures(levels, side: int = 64):
    grey = np.array(levels, np.uint8)
    return np.broadcast_to(grey[:, None, None, None], (len(levels), side, side, 3)).copy()


def test_the_root_adds_up(installed) -> None:
    installed.parent.mkdir(parents=True)
    installed.touch()
    ruler = open_lpips("cpu")
    one = ruler.between(pictures([100, 140]))
    many = ruler.between(pictures([100, 110, 120, 130, 140]))
    assert ruler.name == "lpips"
    assert many.sum() == pytest.approx(one.sum(), rel=1e-5)
    assert one[0] == pytest.approx(40 / 127.5, rel=1e-5)
    assert many.dtype == np.float64


def test_many_are_judged_a_few_at_a_time(installed) -> None:
    installed.parent.mkdir(parents=True)
    installed.touch()
    ruler = open_lpips("cpu")
    levels = list(range(0, 210, 10))
    assert ruler.between(pictures(levels)) == pytest.approx([10 / 127.5] * 20, rel=1e-4)
    assert ruler._judge.most <= 8
    assert len(ruler.between(pictures([3]))) == 0


def test_small_pictures_are_refused(installed) -> None:
    installed.parent.mkdir(parents=True)
    installed.touch()
    with pytest.raises(InstrumentError, match="16x16, must be 32"):
        open_lpips("cpu").between(pictures([1, 2], 16))


def test_weights_are_never_downloaded(installed, monkeypatch) -> None:
    monkeypatch.setattr(Judge, "__init__", lambda *_: pytest.fail("opened without its weights"))
    with pytest.raises(InstrumentError, match="not downloaded unasked") as said:
        open_lpips("cpu")
    assert "\n" not in str(said.value)


def test_without_the_package_one_line_says_so(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(InstrumentError, match=r"pip install lpips.*--distance own"):
        open_lpips("cpu")
