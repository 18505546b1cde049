"""Tables in somebody's .pt: read by the process that can do nothing else."""

import numpy as np
import pytest
import torch
from official import saved

from instrument import InstrumentError
from instrument.decoder.checkpoint_arrays import read_arrays
from instrument.decoder.foreign_arrays import read_foreign_arrays


def table(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("old", [False, True])
def test_a_factorisation_as_rosinality_saves_it(tmp_path, old):
    content = {"ckpt": "checkpoint/550000.pt", "eigvec": torch.from_numpy(table(8, 8))}
    path = tmp_path / "factor.pt"
    path.write_bytes(saved(content, old=old))
    found = read_foreign_arrays(path)
    assert list(found) == ["eigvec"] and (found["eigvec"] == table(8, 8)).all()


def test_what_is_an_array_and_what_is_not():
    content = {
        "whole": torch.arange(8), "half": torch.ones(2, 8, dtype=torch.float16),
        "turned": torch.from_numpy(table(8, 4)).T, 5: torch.ones(8),
        "text": "x", "nested": {"deep": torch.ones(8)}, "none": torch.zeros(0),
        "brain": torch.full((2, 8), 1.5, dtype=torch.bfloat16),
    }  # fmt: skip
    found = read_arrays(memoryview(saved(content)))
    assert sorted(found) == ["brain", "half", "turned"]
    assert (found["turned"] == table(8, 4).T).all()
    assert (found["brain"] == 1.5).all()
    assert all(array.dtype == np.float32 for array in found.values())


def test_a_file_that_is_one_tensor():
    (found,) = read_arrays(memoryview(saved(torch.from_numpy(table(4, 8))))).values()
    assert (found == table(4, 8)).all()


class Hostile:
    def __reduce__(self):
        return print, ("the code inside was run",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"text", "is no file of torch.save"),
        (saved({"a": "no array"}), "holds no array of floats"),
        (saved({"eigvec": Hostile()}), r"wants __builtin__\.print, which no checkpoint needs"),
        (saved({str(n): torch.ones(1) for n in range(101)}), "holds 101 arrays"),
        (saved({"eigvec": torch.ones(8)})[:-40], "not a whole zip archive"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, capfd, content, words):
    path = tmp_path / "bad.pt"
    path.write_bytes(content)
    with pytest.raises(InstrumentError, match=words) as caught:
        read_foreign_arrays(path)
    assert "bad.pt" in str(caught.value) and "\n" not in str(caught.value)
    assert "was run" not in capfd.readouterr().out


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InstrumentError, match=r"none\.pt: "):
        read_foreign_arrays(tmp_path / "none.pt")
