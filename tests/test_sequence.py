"""z-sequences: what is saved comes back, and no file can run, exhaust or surprise."""

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from instrument import InstrumentError
from instrument.latent.arrays import load_array, write_atomically
from instrument.latent.sequence import (
    ModelReference,
    ZSequence,
    load_sequence,
    save_sequence,
)
from instrument.latent.space import LatentSpec
from instrument.timebase import FrameRange, FrameRate

finite = st.floats(-1e6, 1e6, width=32)
HEADER = "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}"


def walk(n: int = 6, d: int = 8, **more: Any) -> ZSequence:
    z = np.random.default_rng(1).standard_normal((n, d)).astype(np.float32)
    return ZSequence(z, FrameRate(30000, 1001), LatentSpec.shell(d), **more)


def npy(header: str, body: bytes = bytes(64), version: tuple[int, int] = (1, 0)) -> bytes:
    text = header.encode("latin1")
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H", len(text)) + text + body


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_saved_comes_back(data: st.DataObject, tmp_path_factory: Any) -> None:
    shape = data.draw(st.sampled_from([(1, 4), (5, 3), (7, 2, 3)]))
    z = data.draw(hnp.arrays(np.float32, shape, elements=finite))
    addresses = data.draw(st.sampled_from([(), ("/a",), ("/model/snapshot", "/master/gain")]))
    p = data.draw(hnp.arrays(np.float32, (shape[0], len(addresses)), elements=finite))
    num, den = data.draw(st.tuples(st.integers(1, 10**6), st.integers(1, 2000)))
    said = ZSequence(
        z, FrameRate(num, den), LatentSpec(shape[1:], "w", None),
        ModelReference(data.draw(st.sampled_from(["", "blütenmeer"])), "ab" * 32),
        p if addresses else np.zeros((0, 0), np.float32), addresses,
        data.draw(st.none() | st.integers(0, 2**63)), "a walk",
    )  # fmt: skip
    path = tmp_path_factory.mktemp("z") / "walk.npy"
    save_sequence(path, said)
    again = load_sequence(path)
    assert np.array_equal(again.z, said.z)
    assert np.array_equal(again.parameters, said.parameters)
    assert again.to_json() == said.to_json()
    assert (again.rate, again.spec, again.model) == (said.rate, said.spec, said.model)


def test_a_bare_array_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "walk.npy"
    np.save(path, np.random.default_rng(0).standard_normal((20, 64)))
    assert load_sequence(path).rate == FrameRate(30)
    assert load_sequence(path, FrameRate(25)).rate == FrameRate(25)
    assert load_sequence(path).spec == LatentSpec.shell(64)
    np.save(path, np.full((20, 2, 64), 7.0))
    assert load_sequence(path).spec == LatentSpec((2, 64), "z", None)


def test_rows_and_columns() -> None:
    said = walk(6, parameters=np.arange(12, dtype=np.float32).reshape(6, 2), addresses=("/a", "/b"))
    cut = said.cut(FrameRange(2, 5))
    assert len(cut) == 3
    assert np.array_equal(cut.z, said.z[2:5])
    column = cut.column("/b")
    assert column is not None
    assert column.tolist() == [5, 7, 9]
    assert cut.column("/c") is None
    assert len(walk(6).cut(FrameRange(1, 1))) == 0


def test_rows_of_another_shape_are_refused() -> None:
    with pytest.raises(InstrumentError):
        ZSequence(np.zeros((3, 5), np.float32), FrameRate(30), LatentSpec((4,)))
    with pytest.raises(InstrumentError):
        walk(3, parameters=np.zeros((2, 1), np.float32), addresses=("/a",))


HOSTILE = {
    "empty": b"",
    "half a magic": b"\x93NUM",
    "no header": b"\x93NUMPY\x01\x00",
    "text": b"hello world",
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n.",
    "broken zip": b"PK\x03\x04" + b"x" * 50,
    "empty zip": b"PK\x05\x06" + bytes(18),
    "objects": npy(HEADER.format("|O", "(4,)")),
    "integers": npy(HEADER.format("<i4", "(4, 4)")),
    "complex": npy(HEADER.format("<c8", "(2, 4)")),
    "records": npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4, 4), }"),
    "no type": npy("{'descr': 17, 'fortran_order': False, 'shape': (4,), }"),
    "version 9": npy(HEADER.format("<f4", "(4, 4)"), version=(9, 9)),
    "unclosed": npy("{'descr': '<f4', 'shape': ("),
    "quote": npy("{'descr': '<f4"),
    "brackets": npy("[" * 3000),
    "minuses": npy(HEADER.format("<f4", "-" * 5000 + "1")),
    "long number": npy(HEADER.format("<f4", f"({'9' * 5000},)")),
    "cut short": npy(HEADER.format("<f4", "(4, 5)")),
    **{
        f"shape {shape}": npy(HEADER.format("<f4", shape))
        for shape in (
            "()", "(0, 4)", "(5, 0)", "(4,)", "(-1, 4)", "(True, 4)", "(1.5, 4)", "('a', 4)",
            f"({2**60},)", f"({2**62}, 4)", f"({2**63},)", f"({2**64}, {2**64})",
            f"({2**40}, {2**40})", f"({2**61}, 8)", "(1, 1, 1, 1)", str((1,) * 100),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_arrays_are_refused_in_one_line(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "walk.npy"
    path.write_bytes(body)
    with pytest.raises(InstrumentError, match=r"walk\.npy") as caught:
        load_sequence(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(path))


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 200), bits=st.integers(1, 255), keep=st.integers(0, 400))
def test_damage_is_an_error_or_finite_numbers(
    at: int, bits: int, keep: int, tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.mktemp("z") / "walk.npy"
    np.save(path, np.ones((10, 5), np.float32))
    body = bytearray(path.read_bytes())
    body[at] ^= bits
    path.write_bytes(body[: max(keep, at)])
    try:
        assert np.isfinite(load_sequence(path).z).all()
    except InstrumentError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_row_that_is_not_finite_is_named(tmp_path: Path, value: float) -> None:
    z = np.zeros((9000, 3), np.float32)
    z[8191, 1] = value
    np.save(tmp_path / "walk.npy", z)
    with pytest.raises(InstrumentError, match="row 8191 is not finite"):
        load_array(tmp_path / "walk.npy")


def test_doubles_too_large_for_float32_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "walk.npy", np.full((3, 4), 1e300))
    with pytest.raises(InstrumentError, match="row 0 is not finite"):
        load_array(tmp_path / "walk.npy")


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_float_layout_gives_the_same_numbers(tmp_path: Path, dtype: str, order: Any) -> None:
    z = np.arange(12).reshape(4, 3)
    np.save(tmp_path / "walk.npy", np.asarray(z, dtype, order=order))
    loaded = load_array(tmp_path / "walk.npy")
    assert loaded.dtype == np.float32
    assert np.array_equal(loaded, z)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.npy", tmp_path):
        with pytest.raises(InstrumentError, match=path.name):
            load_sequence(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "z-sequence/2"), ("format", None), ("frames", 5), ("frames", "6"),
        ("frames", None), ("rate", [30, 1, 1]), ("rate", 30), ("rate", None), ("rate", [30.0, 1]),
        ("rate", [0, 1]), ("rate", [True, True]), ("rate", ["30", 1]), ("rate", [10**400, 1]),
        ("rate", "30"), ("rate", {}), ("latent", None), ("latent", {"shape": [9]}),
        ("latent", {"shape": 8}), ("latent", {"shape": [2, 4]}), ("latent", {"shape": ["8"]}),
        ("latent", {"shape": [8], "radius": -1}), ("latent", {"shape": [8], "radius": math.nan}),
        ("latent", {"shape": [8], "space": "x"}), ("latent", {"shape": [8], "space": []}),
        ("parameters", "abc"), ("parameters", [1]), ("parameters", ["no address"]),
        ("parameters", ["/a\nb"]), ("parameters", ["/a", "/a"]), ("parameters", ["/a"]),
        ("parameters", {"/a": 1}), ("models", None), ("models", {}), ("models", ["night"]),
    ],
)  # fmt: skip
def test_wrong_sidecars_name_their_key(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "walk.npy"
    save_sequence(path, walk())
    fields = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**fields, key: value}))
    with pytest.raises(InstrumentError, match=r"walk\.") as caught:
        load_sequence(path)
    assert "\n" not in str(caught.value)
    assert (
        key in str(caught.value) or "frames" in str(caught.value) or "no such" in str(caught.value)
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\xff"])
def test_sidecars_that_are_no_json_objects(tmp_path: Path, text: str) -> None:
    path = tmp_path / "walk.npy"
    save_sequence(path, walk())
    path.with_suffix(".json").write_text(text, encoding="latin1")
    with pytest.raises(InstrumentError, match=r"walk\.json"):
        load_sequence(path)


def test_several_models_are_listed_and_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "walk.npy"
    save_sequence(path, walk())
    assert "models" not in json.loads(path.with_suffix(".json").read_text())
    several = (ModelReference("night", "ab" * 32), ModelReference("day"))
    save_sequence(path, walk(model=several[1], models=several))
    assert load_sequence(path).models == several and load_sequence(path).model == several[1]


def test_what_only_describes_is_taken_leniently(tmp_path: Path) -> None:
    path = tmp_path / "walk.npy"
    save_sequence(path, walk())
    fields = json.loads(path.with_suffix(".json").read_text())
    odd = {**fields, "model": {"name": None, "sha256": 7}, "seed": "x", "source": "a\x1b[31m\nb"}
    path.with_suffix(".json").write_text(json.dumps(odd))
    loaded = load_sequence(path)
    assert loaded.model == ModelReference()
    assert loaded.seed is None
    assert loaded.source == "a[31mb"


def test_parameters_of_another_length_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "walk.npy"
    save_sequence(path, walk(parameters=np.ones((6, 1), np.float32), addresses=("/a",)))
    np.save(tmp_path / "walk.params.npy", np.ones((5, 1), np.float32))
    with pytest.raises(InstrumentError, match=r"walk\.params\.npy"):
        load_sequence(path)


@pytest.mark.parametrize("name", ["walk", "walk.NPY", "walk.params.npy", "walk.mp4"])
def test_sequences_have_a_name_of_their_own(tmp_path: Path, name: str) -> None:
    with pytest.raises(InstrumentError, match=r"NAME\.npy"):
        save_sequence(tmp_path / name, walk())
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_bytes(b"before")

    def write(error: BaseException) -> None:
        with write_atomically(path) as file:
            file.write(b"half")
            raise error

    for error in (ValueError("bug"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            write(error)
    with pytest.raises(InstrumentError, match=r"note: cannot be written \(no room\)"):
        write(OSError("no room"))
    with pytest.raises(InstrumentError, match="No space left"):
        write(OSError(28, "No space left on device"))
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["note"]


def test_a_full_disk_leaves_no_half_sequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "walk.npy"
    save_sequence(path, walk())
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError("320 requested and 12 written")  # what numpy says, with no number

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", full)
    with pytest.raises(InstrumentError, match="12 written"):
        save_sequence(path, walk(d=9))
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["walk.json", "walk.npy"]


@pytest.mark.parametrize("target", ["none/note", "file/note", "folder", "n" * 300])
def test_targets_nobody_can_write(tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InstrumentError, match="cannot be written"), \
            write_atomically(tmp_path / target) as file:  # fmt: skip
        file.write(b"x")
    with pytest.raises(InstrumentError, match="names no file"), write_atomically(Path()):
        pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
