"""Hostile, damaged and oversized checkpoints: nothing runs, nothing hangs, one line each."""

import functools
import io
import json
import operator
import os
import pickle
import random
import struct
import subprocess
import zipfile
import zlib
from collections import OrderedDict

import numpy as np
import official
import pytest
import torch

from instrument import InstrumentError
from instrument.decoder.checkpoint_door import read_checkpoint
from instrument.decoder.checkpoint_torch import TORCH_GLOBALS
from instrument.decoder.conversion import read_foreign
from instrument.decoder.foreign_tensors import Counter, Storage
from instrument.decoder.records import MOST_ENTRIES
from instrument.decoder.torch_file import OLD_MAGIC, read_stream, read_zip

LONGEST = 5.0  # s, of processor time: the machine that runs the tests may be busy


def spent():
    """Processor time of this process and of those it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Call:
    """Something that pickle would call on loading."""

    def __init__(self, target, *arguments):
        self.reduced = target, arguments

    def __reduce__(self):
        return self.reduced


@pytest.fixture
def canary(tmp_path):
    """A file that hostile code would make."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "hostile code was run"


def small(**more):
    state = official.stylegan2_state()
    return official.nvidia(state, official.stylegan2_attributes(state, conv_clamp=256), **more)


def refused(tmp_path, data, name="it.pkl"):
    """What opening a file of these bytes says, in the process made for it: one line, soon."""
    path = tmp_path / name
    path.write_bytes(data)
    started = spent()
    with pytest.raises(InstrumentError) as error:
        read_foreign(path, tmp_path / "out.safetensors")
    assert spent() - started < LONGEST
    said = str(error.value)
    assert said.startswith(f"{path}: ") and "\n" not in said and len(said) < 600 + len(str(path))
    (tmp_path / "out.safetensors").unlink(missing_ok=True)
    return said


# --- code


def places(call):
    """The same hostile call in every kind of file, and in every corner of one."""
    state = official.tensors(official.stylegan2_state())
    with official.nvidia_modules():
        plain = {"G_ema": call}
        deep = official.Persistent("Generator", {"_modules": {"synthesis": call}})
        yield "alone", pickle.dumps(call, 4)
        yield "a network", pickle.dumps(plain, 4)
        yield "a network, protocol 2", pickle.dumps(plain, 2)
        yield "a state", pickle.dumps({"G_ema": deep}, 4)
    yield "beside the network", small(augment_pipe=call)
    yield "a zip file", official.saved({"g_ema": state, "args": call})
    yield "an old stream", official.saved({"g_ema": state, "args": call}, old=True)


HOSTILE = {
    "os.system": lambda canary: Call(os.system, f"touch {canary}"),
    "subprocess": lambda canary: Call(subprocess.check_call, ["touch", str(canary)]),
    "eval": lambda canary: Call(eval, f"open({str(canary)!r}, 'w')"),
    "a partial": lambda canary: Call(functools.partial, os.system, f"touch {canary}"),
    "an attribute": lambda canary: Call(getattr, Call(os.getcwd), "system"),
    "a method": lambda canary: Call(operator.methodcaller, "system", f"touch {canary}"),
    "torch.load": lambda canary: Call(torch.load, str(canary)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_code_anywhere_is_refused_by_its_name(name, canary):
    for place, data in places(HOSTILE[name](canary)):
        with pytest.raises(InstrumentError, match=r"^wants [\w.]+, which no checkpoint needs$"):
            read_checkpoint(memoryview(data), whole_file=True)
        assert not canary.exists(), place


def test_a_call_of_the_system_is_one_line(tmp_path, canary):
    for place, data in places(Call(os.system, f"touch {canary}")):
        assert refused(tmp_path, data).endswith("system, which no checkpoint needs"), place


def test_embedded_source_is_never_run(tmp_path, canary):
    source = f"import os\nos.system('touch {canary}')\n" + "#" * 5000
    state = official.stylegan2_state()
    attributes = official.stylegan2_attributes(state, conv_clamp=None)
    for text in (source, source[:60]):
        network = official.module(state, {"": "Generator"}, attributes)
        assert network.meta["module_src"]
        network.meta["module_src"] = text
        for child in network.meta["state"]["_modules"].values():
            if child is not None:
                child.meta["module_src"] = text
        with official.nvidia_modules():
            path = tmp_path / "it.pkl"
            path.write_bytes(pickle.dumps({"G_ema": network}, 4))
        found = read_foreign(path, tmp_path / f"{len(text)}.safetensors")
        assert found.architecture == "stylegan2"
        assert b"os.system" not in (tmp_path / f"{len(text)}.safetensors").read_bytes()


def stream(value, keys=(), numbers=b""):
    """An old stream of torch.save around any pickle."""
    parts = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}]
    return (b"".join(pickle.dumps(part, 2) for part in parts) + pickle.dumps(value, 2)
            + pickle.dumps(list(keys), 2) + numbers)  # fmt: skip


@pytest.mark.parametrize("bare", [False, True])
def test_code_inside_a_tensors_storage_is_refused(tmp_path, canary, bare):
    hostile = Call(os.system, f"touch {canary}")
    content = pickle.dumps(hostile, 2) if bare else stream(hostile)
    storage = Call(torch.storage._load_from_bytes, content)
    tensor = Call(torch._utils._rebuild_tensor_v2, storage, 0, (1,), (1,), False, OrderedDict())
    for place in ("G_ema", "D"):
        data = small(**{place: {"weight": tensor}})
        assert "system, which no checkpoint needs" in refused(tmp_path, data)


def test_a_storage_may_mention_storages_alone():
    inside = stream(OrderedDict())
    data = pickle.dumps(Call(torch.storage._load_from_bytes, inside), 4)
    with pytest.raises(InstrumentError, match=r"wants collections\.OrderedDict"):
        read_checkpoint(memoryview(data), whole_file=True)


def test_nothing_is_set_on_what_is_only_a_name():
    """BUILD and SETITEMS on a global would change a module elsewhere."""
    for code in (b"\x80\x02ctorch\nFloatStorage\n}b.", b"\x80\x02ctorch\nFloatStorage\nNNs."):
        with pytest.raises(InstrumentError, match=r"what (has none|is no dict)"):
            read_checkpoint(memoryview(code), whole_file=True)


# --- tensors that lie


def rebuilt(*arguments):
    storage = torch.arange(6, dtype=torch.float32).untyped_storage()
    typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
    return Call(torch._utils._rebuild_tensor_v2, typed, *arguments, False, OrderedDict())


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((0, (7,), (1,)), "reaches beyond its 6 numbers"),
        ((1, (6,), (1,)), "reaches beyond its 6 numbers"),
        ((0, (2, 3), (4, 1)), "reaches beyond its 6 numbers"),
        ((0, (1 << 40,), (0,)), "reaches beyond its 6 numbers"),
        ((0, (1 << 62, 1 << 62), (0, 0)), "reaches beyond its 6 numbers"),
        ((0, (7, 1), (0, 0)), "reaches beyond its 6 numbers"),
        ((-1, (2,), (1,)), "negative"),
        ((5, (2,), (-1,)), "negative"),
        ((0, (-2,), (1,)), "negative"),
        ((0, (2, 3), (1,)), "2 sizes and 1 strides"),
        ((0, (1,) * 9, (1,) * 9), "no list of at most 8"),
        ((1 << 70, (1,), (1,)), "no integer"),
        ((True, (1,), (1,)), "no integer"),
        ((0, (1.0,), (1,)), "no integer"),
        ((0, "abc", (1,)), "no list"),
    ],
)
def test_a_tensor_outside_its_storage_is_refused(place, words):
    for old in (False, True):
        data = memoryview(official.saved({"it": rebuilt(*place)}, old=old))
        with pytest.raises(InstrumentError, match=words):
            read_stream(data, TORCH_GLOBALS) if old else read_zip(data, TORCH_GLOBALS, True)


def test_an_empty_tensor_is_no_mistake():
    data = memoryview(official.saved({"it": torch.zeros(0, 3)}))
    assert read_zip(data, TORCH_GLOBALS, True)["it"].array().shape == (0, 3)


def test_many_tensors_in_one_place_are_refused():
    """Four thousand names for the same megabytes would fill a disk."""
    content = official.tensors(official.stylegan2_state())
    weight = torch.zeros(1 << 20)
    content |= {f"synthesis.extra{i}": weight for i in range(4000)}
    with pytest.raises(InstrumentError, match=r"numbers overlap in \d+ bytes"):
        read_checkpoint(memoryview(official.saved(content)), whole_file=True)


def test_too_many_tensors_are_refused():
    place = (Storage("<f4", 4), 0, (1,), (1,))
    counter = Counter(MOST_ENTRIES - 1)
    assert counter.rebuild(place).size == 1
    with pytest.raises(InstrumentError, match="more than 20000 tensors"):
        counter.rebuild(place)


def test_a_numpy_array_of_objects_is_refused(canary):
    state = official.stylegan2_state()
    attributes = official.stylegan2_attributes(state, conv_clamp=None)
    array = np.array([Call(os.system, f"touch {canary}")], object)
    attributes["synthesis.b8.conv0"]["conv_clamp"] = array
    with pytest.raises(InstrumentError, match=r"wants \w+\.system"):
        read_checkpoint(memoryview(official.nvidia(state, attributes)), whole_file=True)
    attributes["synthesis.b8.conv0"]["conv_clamp"] = None
    attributes["mapping.fc0"]["bias_gain"] = Call(
        np._core.multiarray.scalar, np.dtype("O"), b"\x00" * 8
    )
    with pytest.raises(InstrumentError, match="numpy array of 'O8'"):
        read_checkpoint(memoryview(official.nvidia(state, attributes)), whole_file=True)


def test_parts_that_are_shared_without_end_are_refused_at_once():
    network = official.Persistent("Part", {"_modules": {}})
    for _ in range(10):
        network = official.Persistent("Part", {"_modules": {f"a{i}": network for i in range(30)}})
    wide = official.Persistent(
        "Generator", {"_modules": {"synthesis": network, "mapping": network}}
    )
    with official.nvidia_modules():
        data = pickle.dumps({"G_ema": wide}, 4)
    started = spent()
    with pytest.raises(InstrumentError, match="too many or nested too deep"):
        read_checkpoint(memoryview(data), whole_file=True)
    assert spent() - started < LONGEST


def test_a_network_inside_itself_is_refused():
    ring: dict = {"_modules": {}}
    ring["_modules"]["again"] = official.Persistent("Part", ring)
    with official.nvidia_modules():
        data = pickle.dumps({"G_ema": official.Persistent("Generator", ring)}, 4)
    with pytest.raises(InstrumentError, match="too many or nested too deep"):
        read_checkpoint(memoryview(data), whole_file=True)


# --- damage


def valid_files():
    state = official.stylegan2_state()
    tensors = official.tensors(state)
    yield "nvidia", small()
    yield "nvidia, protocol 3", small(protocol=3)
    yield "tensorflow", official.tensorflow(state)
    yield "zip", official.saved(tensors)
    yield "old stream", official.saved(tensors, old=True)


def looked_at(data):
    """Read and use everything. Nothing but an InstrumentError may come of it."""
    started = spent()
    try:
        found = read_checkpoint(memoryview(data), whole_file=True)
        weights = found.weights()
        assert all(np.isfinite(one).all() for one in weights.values())
    except InstrumentError as error:
        assert "\n" not in str(error) and len(str(error)) < 600
        return str(error)
    finally:
        assert spent() - started < LONGEST
    return ""


def test_fifty_truncations_of_each_are_noticed():
    for name, data in valid_files():
        assert looked_at(data) == "", name
        for step in range(50):
            length = len(data) * step // 50
            assert looked_at(data[:length]), (name, length)


def test_three_hundred_flipped_bytes_do_no_harm(canary):
    drawn = random.Random(20)
    for name, data in valid_files():
        noticed = 0
        for _ in range(60):
            flipped = bytearray(data)
            flipped[drawn.randrange(len(data))] ^= drawn.randrange(1, 256)
            noticed += looked_at(bytes(flipped)) != ""
        # A zip file has checksums; elsewhere, and in its padding, most bytes may be anything.
        assert noticed > (25 if name == "zip" else 1), name


def test_flips_where_the_pickle_is_densest():
    """Most bytes of a file are numbers; this goes for the opcodes."""
    drawn = random.Random(21)
    data = small()
    begin = data.index(b"G_ema")
    for _ in range(300):
        flipped = bytearray(data)
        for _ in range(drawn.randrange(1, 4)):
            flipped[begin + drawn.randrange(3000)] = drawn.randrange(256)
        looked_at(bytes(flipped))


def test_damage_is_one_line_about_the_file(tmp_path):
    data = small()
    drawn = random.Random(22)
    for step in range(4):
        assert "it.pkl: " in refused(tmp_path, data[: len(data) * step // 4])
    for _ in range(4):
        flipped = bytearray(data)
        flipped[drawn.randrange(200)] ^= 0x55
        path = tmp_path / "flipped.pkl"
        path.write_bytes(flipped)
        try:
            read_foreign(path)
        except InstrumentError as error:
            assert str(error).startswith(f"{path}: ")


# --- size


def test_a_header_of_a_hundred_thousand_tensors(tmp_path):
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({f"t{i}": entry for i in range(100_000)}).encode()
    assert len(header) < 8 << 20
    data = struct.pack("<Q", len(header)) + header + b"\x00" * 4
    assert "more than 20000 tensors" in refused(tmp_path, data, "it.safetensors")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"{" * 50_000, "no JSON"),
        (b'{"a":' + b"[" * 100_000 + b"}", "no JSON"),
        (b'{"a": 5}', "'a' in the safetensors header is damaged"),
        (b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}', "'a' in the"),
        (b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 4]}}', "'a' in the"),
        (b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}}', "'a' has 8 bytes for"),
        (b'{"a": {"dtype": "O", "shape": [1], "data_offsets": [0, 4]}}', "'a' in the"),
        (b'{"a": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 4]}}',
         "'a' in the"),
        (b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1' + b"0" * 5000 + b"]}}",
         "no JSON"),
    ],
)  # fmt: skip
def test_safetensors_headers_that_lie(header, words):
    data = struct.pack("<Q", len(header)) + header + b"\x00" * 8
    with pytest.raises(InstrumentError, match=words):
        read_checkpoint(memoryview(data), whole_file=True)


def test_a_header_longer_than_the_file():
    for length in (1 << 63, 1 << 40, 100, 1):
        data = struct.pack("<Q", length) + b"{}" + b" " * 50
        with pytest.raises(InstrumentError, match="a safetensors header of"):
            read_checkpoint(memoryview(data), whole_file=True)


def archive(entries, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return file.getvalue()


def directory_entry(name, method=0, packed=0, size=0):
    """One line of a zip's directory, for a file at its very beginning."""
    return struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, method, 0, 0, 0, packed, size,
                       len(name), 0, 0, 0, 0, 0, 0) + name  # fmt: skip


def directory_end(count, size, start):
    return struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, size, start, 0)


def test_a_bomb_of_one_gigabyte(tmp_path):
    packer = zlib.compressobj(9, wbits=-15)
    piece = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = piece * 64 + packer.flush()
    name = b"it/data.pkl"
    head = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, len(packed), 1 << 30,
                       len(name), 0) + name  # fmt: skip
    entry = directory_entry(name, 8, len(packed), 1 << 30)
    data = head + packed + entry + directory_end(1, len(entry), len(head) + len(packed))
    with zipfile.ZipFile(io.BytesIO(data)) as made, made.open("it/data.pkl") as bomb:
        assert made.infolist()[0].file_size == 1 << 30 and not any(bomb.read(1 << 20))
    assert len(data) < 2 << 20
    assert "is compressed, which torch.save never does" in refused(tmp_path, data, "x.pt")


def test_a_zip_of_a_million_entries():
    """Made by hand: zipfile would take a minute to write it."""
    entry, count = directory_entry(b"a/data/00000"), 1_000_000
    data = b"PK\x03\x04" + entry * count + directory_end(65535, count * len(entry), 4)
    assert looked_at(data) == "not a whole zip archive (its directory is too large)"


def test_entries_that_overlap_are_refused():
    content = os.urandom(10_000)
    data = bytearray(archive({"a/data.pkl": pickle.dumps({}, 2), "a/data/0": content,
                              "a/data/1": b"small"}))  # fmt: skip
    place = data.rindex(b"a/data/1") - 46
    struct.pack_into("<2I", data, place + 20, 10_000, 10_000)
    assert "overlap" in looked_at(bytes(data))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"a/other": b""}, "not one of torch.save"),
        ({"a/data.pkl": b"", "b/data.pkl": b""}, "not one of torch.save"),
        ({"a/data.pkl": pickle.dumps({}, 2), "a/constants.pkl": b""}, "a TorchScript program"),
        ({"a/data.pkl": pickle.dumps({}, 2), "a/byteorder": b"big"}, "other byte order"),
        ({"a/data.pkl": b"cos\nsystem\n."}, "wants os.system"),
    ],
)
def test_zip_files_that_are_something_else(entries, words):
    assert words in looked_at(archive(entries))


def test_a_storage_that_is_missing_or_too_short():
    data = official.saved({"it": torch.zeros(64)})
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        entries = {name: made.read(name) for name in made.namelist()}
    name = next(name for name in entries if name.endswith("/data/0"))
    short = looked_at(archive(entries | {name: bytes(255)}))
    assert "a storage of 64 numbers has 255 bytes instead of 256" in short
    del entries[name]
    assert "has no 'data/0'" in looked_at(archive(entries))


def test_a_stream_whose_two_sizes_differ():
    data = official.saved({"it": torch.arange(3.0)}, old=True)
    place = data.index(struct.pack("<q", 3) + struct.pack("<f", 0.0))
    lying = data[:place] + struct.pack("<q", 4) + data[place + 8 :]
    assert data.startswith(OLD_MAGIC)
    assert "written twice and differs" in looked_at(lying)


def test_a_checksum_that_fails_is_noticed_when_it_matters():
    data = bytearray(official.saved(official.tensors(official.stylegan2_state())))
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        entry = max(
            made.infolist(), key=lambda one: one.file_size if "/data/" in one.filename else 0
        )
    data[entry.header_offset + 200] ^= 1
    assert "fails its checksum" in looked_at(bytes(data))
    assert read_checkpoint(memoryview(bytes(data)), whole_file=False).architecture == "stylegan2"


def test_an_inner_storage_that_is_none():
    for content in (b"", b"\x80\x02N.", stream({}), stream(5), os.urandom(40)):
        data = pickle.dumps({"G_ema": Call(torch.storage._load_from_bytes, content)}, 4)
        assert looked_at(data)


def test_what_is_no_file_is_named(tmp_path):
    for path in (tmp_path / "none.pkl", tmp_path):
        with pytest.raises(InstrumentError, match=str(path)):
            read_foreign(path)
    assert refused(tmp_path, b"").endswith("is empty")
