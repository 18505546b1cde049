"""The machine that reads pickles: it gives back what pickle wrote, and never does anything."""

import datetime
import os
import pickle
import pickletools
import struct
import time
from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.decoder import unpickle as machine
from instrument.decoder.records import Global, LongText, Record, entries, named, sequence, shown
from instrument.decoder.unpickle import unpickle

ORDERED = {"collections.OrderedDict": None}


def read(data, table=ORDERED, persistent=None):
    value, end = unpickle(memoryview(data), table, persistent)
    assert end <= len(data)
    return value


def python(value):
    """Bytes out of the views that the machine gives."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, list):
        return [python(one) for one in value]
    if isinstance(value, tuple):
        return tuple(python(one) for one in value)
    if isinstance(value, dict):
        return {key: python(one) for key, one in value.items()}
    return value


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 100), 1 << 100) | st.floats(allow_nan=False)
    | st.text(max_size=300) | st.binary(max_size=300),
    lambda inside: st.lists(inside, max_size=4)
    | st.tuples(inside, inside, inside, inside)
    | st.tuples(inside, inside)
    | st.dictionaries(st.text(max_size=5) | st.integers(-999, 999), inside, max_size=4),
    max_leaves=25,
)  # fmt: skip


@given(PLAIN, st.sampled_from([3, 4]))
@settings(max_examples=100, deadline=None)
def test_plain_values_come_back(value, protocol):
    assert python(read(pickle.dumps(value, protocol))) == value


@given(PLAIN)
@settings(max_examples=50, deadline=None)
def test_python_itself_agrees(value):
    """The same bytes through pickle, where they are known to be harmless."""
    data = pickle.dumps(value, 4)
    assert python(read(data)) == pickle.loads(data)


def test_shared_parts_stay_shared():
    inner = ["x"]
    first, second = read(pickle.dumps([inner, inner], 4))
    assert first is second
    around: list[object] = []
    around.append(around)
    back = read(pickle.dumps(around, 4))
    assert back[0] is back


def test_sets_are_lists():
    assert read(pickle.dumps({3}, 4)) == [3]
    assert read(pickle.dumps(frozenset([3]), 4)) == [3]
    record = read(pickle.dumps({3}, 3), {"builtins.set": None})
    assert (record.name, record.arguments) == ("builtins.set", ([3],))


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_global_that_is_called_is_only_remembered(protocol):
    ordered = OrderedDict(a=1)
    record = read(pickle.dumps(ordered, protocol))
    assert isinstance(record, Record) and record.name == "collections.OrderedDict"
    assert entries(record, "it") == {"a": 1}


def test_a_table_may_name_one_of_our_functions():
    made = read(pickle.dumps(datetime.timedelta(2, 3), 4), {"datetime.timedelta": lambda a: a[:2]})
    assert made == (2, 3)


def test_state_is_remembered():
    record = read(pickle.dumps(Kept(), 4), {f"{__name__}.Kept": None})
    assert record.state == {"x": 5}


class Kept:
    def __init__(self):
        self.x = 5


@pytest.mark.parametrize("protocol", [2, 4])
def test_what_is_not_in_the_table_is_refused_by_name(protocol):
    with pytest.raises(InstrumentError, match=r"wants datetime\.timedelta, which no checkpoint"):
        read(pickle.dumps(datetime.timedelta(1), protocol))


def test_a_refused_name_cannot_disturb_the_line():
    data = b"\x80\x04\x8c\x03os\n\x8c\x06\x1b[31mx\x93."
    with pytest.raises(InstrumentError) as refused:
        read(data)
    assert "\n" not in str(refused.value) and "\x1b" not in str(refused.value)


def test_the_system_is_not_called(tmp_path):
    canary = tmp_path / "canary"

    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {canary}",)

    for protocol in (2, 3, 4):
        with pytest.raises(InstrumentError, match=r"wants (posix|nt)\.system"):
            read(pickle.dumps(Hostile(), protocol))
    assert not canary.exists()


def test_long_text_is_read_past():
    value = read(pickle.dumps({"module_src": "import os\n" * 1000, "after": 1}, 4))
    assert value == {"module_src": LongText(10_000), "after": 1}


def test_bytes_are_views_of_the_file():
    data = pickle.dumps(b"w" * 5000, 4)
    value = read(data)
    assert isinstance(value, memoryview) and value.obj is data


def test_persistent_ids_need_somebody():
    class Writer(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", 7) if value == "held" else None

    import io

    file = io.BytesIO()
    Writer(file, 2).dump(["held"])
    assert read(file.getvalue(), persistent=lambda arguments: arguments[1]) == [7]
    with pytest.raises(InstrumentError, match="persistent id where none belongs"):
        read(file.getvalue())


def long(size: int) -> bytes:
    return struct.pack("<Q", size)


BOMBS = {
    "integer of 2 GB": b"\x80\x04\x8b\xff\xff\xff\x7f.",
    "negative integer": b"\x80\x04\x8b\xff\xff\xff\xff.",
    "bytes of 2^63": b"\x80\x04\x8e" + long((1 << 63) - 1) + b"x.",
    "bytes of 2^64": b"\x80\x04\x8e" + long((1 << 64) - 1) + b"x.",
    "text of 4 GB": b"\x80\x04X\xff\xff\xff\xffx.",
    "text of 2^63": b"\x80\x04\x8d" + long((1 << 63) - 1) + b"x.",
    "frame of 2^63": b"\x80\x04\x95" + long((1 << 63) - 1) + b"N.",
    "lists in lists": b"\x80\x04" + b"]" * 200_000 + b"a" * 199_999 + b".",
    "marks": b"\x80\x04" + b"(" * 200_000 + b".",
    "tuples in tuples": b"\x80\x04)" + b"\x85" * 600_000 + b".",
    "much memo": b"\x80\x04N" + b"\x94" * 600_000 + b".",
    "no end": b"\x80\x04" + b"N" * 50_000,
    "dict of lists": b"\x80\x04}]Ns.",
    "a deep key": b"\x80\x04})" + b"\x85" * 300_000 + b"Ns.",
    "a long key": b"\x80\x04}\x8a\x10" + b"\x11" * 16 + b"Ns.",
    "name without end": b"\x80\x02c" + b"x" * 5000,
    "no text": b"\x80\x04\x8c\x02\xff\xfe.",
    "protocol 5": b"\x80\x05N.",
    "protocol 0": b"I1\n.",
    "instance": b"\x80\x02(ios\nsystem\n.",
    "extension": b"\x80\x02\x82\x01.",
    "empty": b"",
    "stop alone": b"\x80\x04.",
    "call of a text": b"\x80\x04\x8c\x01x)R.",
    "call without arguments": b"\x80\x04R.",
    "state of a list": b"\x80\x04]}b.",
    "unknown memo": b"\x80\x04h\x07.",
    "append to a dict": b"\x80\x04}Na.",
    "odd items": b"\x80\x04}(Nu.",
    "extend without mark": b"\x80\x04]e.",
    "global of numbers": b"\x80\x04K\x01K\x02\x93.",
    "persistent": b"\x80\x02NQ.",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_damaged_or_a_bomb_is_refused_at_once(name):
    started = time.process_time()
    with pytest.raises(InstrumentError) as refused:
        read(BOMBS[name])
    assert time.process_time() - started < 5.0
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


def test_the_largest_that_is_allowed_is_quick():
    count = machine.MOST_OPCODES - 3
    started = time.process_time()
    assert read(b"\x80\x04N" + b"\x94" * count + b".") is None
    assert time.process_time() - started < 5.0


def test_every_opcode_is_known_to_the_standard_library():
    """And those that run code by a second name are not among them."""
    names = {pickletools.code2op[chr(code)].name for code in machine._STEPS}
    assert not names & {"INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}
    assert {"GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "BINPERSID"} <= names


def test_questions_do_not_trust_the_answer():
    endless: list[object] = []
    for _ in range(200):
        endless = [endless, endless]
    assert shown(endless) == "a list" and shown("x" * 99).startswith("'xxx")
    with pytest.raises(InstrumentError, match="is no dict"):
        entries(endless, "it")
    with pytest.raises(InstrumentError, match="no text"):
        named({1: 2}, "it")
    with pytest.raises(InstrumentError, match="more than 20000"):
        named({str(i): 0 for i in range(20_001)}, "it")
    with pytest.raises(InstrumentError, match="at most 8"):
        sequence([0] * 9, "it", 8)
    assert Global("a.b") == Global("a.b")
