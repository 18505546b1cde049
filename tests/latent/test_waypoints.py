"""Banks: what is saved comes back, and a damaged or hostile bank is one clear line."""

import io
import math
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.latent.sequence import ModelReference
from instrument.latent.space import LatentSpec
from instrument.latent.waypoints import (
    Waypoint,
    WaypointBank,
    bank_from_bytes,
    bank_to_bytes,
    load_bank,
    save_bank,
)

SPEC = LatentSpec.shell(8)
LAW = settings(deadline=None, derandomize=True, max_examples=60)


def bank_of(*waypoints: Waypoint, spec: LatentSpec = SPEC, **more) -> WaypointBank:
    return WaypointBank("test", spec, waypoints, **more)


def place(seed: int, shape: tuple[int, ...] = (8,)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def three() -> WaypointBank:
    picture = np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return bank_of(
        Waypoint("dawn", place(1), 3.0, ("warm", 'with "quotes"'), "first\nlight"),
        Waypoint("a.b+c-d_2", place(2)),
        Waypoint("Void", place(3), note="ünï ☉ \x7f \t \\"),
        model=ModelReference("procedural", "ab" * 32),
        pictures={"dawn": picture},
    )


def same(a: WaypointBank, b: WaypointBank) -> None:
    assert (a.spec, a.model, len(a)) == (b.spec, b.model, len(b))
    for ours, theirs in zip(a, b, strict=True):
        assert ours.z.tobytes() == theirs.z.tobytes()
        assert theirs.z.dtype == np.float32
        for name in ("name", "snapshot", "tags", "note"):
            assert getattr(ours, name) == getattr(theirs, name)


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    bank, path = three(), tmp_path / "my.bank.toml"
    save_bank(path, bank)
    again = load_bank(path)
    same(bank, again)
    assert again.name == "my.bank"
    assert list(again.pictures) == ["dawn"]
    assert (again.pictures["dawn"] == bank.pictures["dawn"]).all()
    assert not list(tmp_path.rglob("*.part"))


def test_layers_and_free_spaces_come_back(tmp_path: Path) -> None:
    for scale in (None, 3.25, np.float64(0.1)):
        spec = LatentSpec((3, 8), "w", scale=scale)
        bank = bank_of(Waypoint("one", place(1, (3, 8))), spec=spec)
        save_bank(tmp_path / "w.toml", bank)
        for again in (load_bank(tmp_path / "w.toml"), bank_from_bytes(*bank_to_bytes(bank), "t")):
            same(bank, again)
            assert again.spec.scale == scale


def test_numbers_of_numpy_are_written_as_numbers(tmp_path: Path) -> None:
    spec = LatentSpec((8,), "z", np.sqrt(8.0))
    bank = bank_of(Waypoint("one", place(1), np.float64(2.5)), spec=spec)
    save_bank(tmp_path / "n.toml", bank)
    same(bank, load_bank(tmp_path / "n.toml"))


@LAW
@given(st.text(max_size=30), st.lists(st.text(max_size=8), max_size=3), st.floats(-1e9, 1e9))
def test_bytes_and_back(note, tags, snapshot) -> None:
    bank = bank_of(Waypoint("one", place(4), snapshot, tuple(tags), note))
    same(bank, bank_from_bytes(*bank_to_bytes(bank), "take"))


def test_waypoints_are_found_by_name_and_number() -> None:
    bank = three()
    assert bank.index("dawn") == bank.index("1") == 0
    assert bank["3"].name == "Void"
    for name in ("0", "4", "void", "", "-1", "1.0", " 1"):
        with pytest.raises(InstrumentError, match=r"only dawn, a\.b\+c-d_2, Void"):
            bank.index(name)


def test_the_nearest_is_at_the_smallest_angle() -> None:
    bank = three()
    for waypoint in bank:
        assert bank.nearest(waypoint.z) is waypoint
        assert bank.nearest(0.01 * waypoint.z + 1e-4) is waypoint


def test_in_a_free_space_the_nearest_is_at_the_smallest_distance() -> None:
    spec = LatentSpec((2, 8), "w")
    row = np.ones((2, 8), np.float32)
    near, far = Waypoint("near", row), Waypoint("far", 5.0 * row)  # in one direction from 0
    bank = bank_of(near, far, spec=spec)
    assert bank.nearest(1.5 * row) is near
    assert bank.nearest(4.0 * row) is far


@pytest.mark.parametrize(
    "name",
    ["", "1", "12", "../up", "a/b", "a b", ".hidden", "-x", "ä", "a\n", "con\x00", "x" * 65],
)
def test_names_no_waypoint_has(name: str) -> None:
    with pytest.raises(InstrumentError, match="a letter, then letters"):
        Waypoint(name, place(1))


@pytest.mark.parametrize("snapshot", [math.nan, math.inf, -math.inf])
def test_snapshots_no_waypoint_wants(snapshot: float) -> None:
    with pytest.raises(InstrumentError, match="finite"):
        Waypoint("one", place(1), snapshot)


def test_banks_nobody_can_use() -> None:
    with pytest.raises(InstrumentError, match="no waypoint"):
        bank_of()
    with pytest.raises(InstrumentError, match="'one' twice"):
        bank_of(Waypoint("one", place(1)), Waypoint("one", place(2)))
    with pytest.raises(InstrumentError, match=r"one has shape \[9\], not \[8\]"):
        bank_of(Waypoint("one", place(1, (9,))))
    with pytest.raises(InstrumentError, match="picture"):
        bank_of(Waypoint("one", place(1)), pictures={"../up": np.zeros((1, 1, 3), np.uint8)})


# Files.

GOOD = """format = "bank/1"
latent = { shape = [8], radius = 2.8 }

[[waypoint]]
name = "one"

[[waypoint]]
name = "two"
tags = ["cold"]
"""


def write(folder: Path, text: str = GOOD, array: np.ndarray | bytes | None = None) -> Path:
    path = folder / "b.toml"
    path.write_text(text)
    if isinstance(array, bytes):
        path.with_suffix(".npy").write_bytes(array)
    else:
        rows = np.ones((2, 8), np.float32) if array is None else array
        np.save(path.with_suffix(".npy"), rows, allow_pickle=True)
    return path


def test_a_bank_written_by_hand(tmp_path: Path) -> None:
    bank = load_bank(write(tmp_path))
    assert [w.name for w in bank] == ["one", "two"]
    assert bank.spec == LatentSpec((8,), "z", 2.8)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('name = "two"', 'nmae = "two"', r"b\.toml:8: unknown key 'nmae', allowed are name, tags"),
        ('"bank/1"', '"bank/2"', r"b\.toml:1: format: .*bank/2"),
        ('format = "bank/1"\n', "", "missing required field `format`"),
        ("radius = 2.8", "radios = 2.8", r"b\.toml:2: unknown key 'radios', allowed are shape"),
        ("[8]", "[9]", r"b\.toml: 2 waypoints of z9, but .*\[2, 8\]"),
        ("[8]", "[-8]", r"b\.toml: latent shape"),
        ("[8]", "[8, 8, 8]", r"b\.toml: latent shape"),
        ("[8]", "[100000, 100000]", r"b\.toml: latent shape .* more than"),
        ("2.8", "nan", r"b\.toml: latent radius"),
        ("2.8", '"far"', r"b\.toml:2: latent\.radius: expected `float \| null`, got `str`"),
        ('"two"', '"one"', r"b\.toml: bank 'b' holds 'one' twice"),
        ('"two"', '"../../two"', r"b\.toml: waypoint name '\.\./\.\./two'"),
        ('["cold"]', '"cold"', r"b\.toml:9: waypoint\[1\]\.tags: expected `array`"),
        ('tags = ["cold"]', "snapshot = inf", r"b\.toml: two: snapshot inf"),
        ('"two"', '"two', r"b\.toml:8: "),
    ],
)
def test_a_wrong_bank_is_one_line(tmp_path: Path, old: str, new: str, where: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InstrumentError, match=where) as caught:
        load_bank(path)
    assert "\n" not in str(caught.value)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


class Boom:
    """What a hostile file would like to be run."""

    def __reduce__(self) -> tuple:
        return (Path("/nonexistent/boom").mkdir, ())


HOSTILE = {
    "objects": npy(np.array([Boom()] * 2, object)),
    "pickle": pickle.dumps([Boom()]),
    "nothing": b"",
    "short": npy(np.ones((2, 8), np.float32))[:-1],
    "header": npy(np.ones((2, 8), np.float32))[:40],
    "nan": npy(np.array([[1.0] * 8, [math.nan] * 8], np.float32)),
    "integers": npy(np.ones((2, 8), np.int32)),
    "text": npy(np.array([["a"] * 8] * 2)),
    "complex": npy(np.ones((2, 8), complex)),
    "rows": npy(np.ones((3, 8), np.float32)),
    "flat": npy(np.ones(16, np.float32)),
    "zip": b"PK\x03\x04" + bytes(60),
    "endless": npy(np.ones((2, 8), np.float32)).replace(b"(2, 8)", b"(9999999999, 8)"),
}


@pytest.mark.parametrize("array", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_array_is_one_line(tmp_path: Path, array: bytes) -> None:
    path = write(tmp_path, GOOD, array)
    with pytest.raises(InstrumentError, match=r"b\.(npy|toml)") as caught:
        load_bank(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InstrumentError, match="take"):
        bank_from_bytes(GOOD.encode(), array, "take")


def test_damaged_text_in_a_take_is_one_line() -> None:
    with pytest.raises(InstrumentError, match="damaged"):
        bank_from_bytes(b"\xff\xfe", npy(np.ones((2, 8), np.float32)), "take")


@LAW
@given(st.data())
def test_no_flipped_bit_in_a_take_runs_anything(data) -> None:
    toml, array = bank_to_bytes(three())
    for content, other in ((toml, array), (array, toml)):
        at = data.draw(st.integers(0, len(content) - 1))
        flipped = bytearray(content)
        flipped[at] ^= 1 << data.draw(st.integers(0, 7))
        pair = (bytes(flipped), other) if content is toml else (other, bytes(flipped))
        try:
            bank = bank_from_bytes(*pair, "take")
        except InstrumentError as error:
            assert "\n" not in str(error)
        else:
            assert all(np.isfinite(w.z).all() for w in bank)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match=r"none\.toml: no such file"):
        load_bank(tmp_path / "none.toml")
    (tmp_path / "half.toml").write_text(GOOD)
    with pytest.raises(InstrumentError, match=r"half\.npy: no such file"):
        load_bank(tmp_path / "half.toml")


def test_damaged_pictures_are_named(tmp_path: Path) -> None:
    save_bank(tmp_path / "b.toml", three())
    picture = tmp_path / "b" / "dawn.png"
    whole = picture.read_bytes()
    outcomes = set()
    for at in range(0, len(whole), 7):
        picture.write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        try:
            load_bank(tmp_path / "b.toml")
            outcomes.add("read")
        except InstrumentError as error:
            assert re.search(r"dawn\.png: not a readable picture", str(error))
            outcomes.add("refused")
    assert "refused" in outcomes
    picture.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InstrumentError, match=r"dawn\.png"):
        load_bank(tmp_path / "b.toml")


def test_pictures_of_nobody_are_left_alone(tmp_path: Path) -> None:
    save_bank(tmp_path / "b.toml", three())
    (tmp_path / "b" / "stranger.png").write_bytes(b"no picture")
    assert list(load_bank(tmp_path / "b.toml").pictures) == ["dawn"]


def test_a_disk_that_says_no(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InstrumentError, match="cannot be written"):
        save_bank(tmp_path / "file" / "b.toml", bank_of(Waypoint("one", place(1))))
    with pytest.raises(InstrumentError, match="cannot be written"):
        save_bank(tmp_path / "file" / "b.toml", three())
