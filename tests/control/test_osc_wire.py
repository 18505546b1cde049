"""The reader: what python-osc writes it understands, and no bytes do it harm."""

from __future__ import annotations

import math
import random
import struct
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from osc_stage import BUNDLE, KILLERS, PAD, element, nested, number
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from instrument.control import osc_wire
from instrument.control.osc_wire import Message, bundles, message, read


def taken(datagram: bytes) -> tuple[list[Message], Counter]:
    refused: Counter = Counter()
    return read(datagram, refused), refused


def only(datagram: bytes) -> Message:
    messages, refused = taken(datagram)
    assert len(messages) == 1 and not refused
    return messages[0]


def is_sound(one: Message) -> bool:
    numbers = [a for a in one.arguments if isinstance(a, float)]
    others = [a for a in one.arguments if not isinstance(a, float)]
    return (
        isinstance(one.address, bytes)
        and one.address.startswith(b"/")
        and b"\0" not in one.address
        and all(abs(a) <= osc_wire.LARGEST for a in numbers)
        and all(a is None or isinstance(a, str) for a in others)
        and (one.due is None or math.isfinite(one.due))
    )


# --- what it reads


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        (number(b"/a", 0.5), (0.5,)),
        (number(b"/a", -3, b"i"), (-3.0,)),
        (number(b"/a", 2**33, b"h"), (2.0**33,)),
        (number(b"/a", 0.1, b"d"), (0.1,)),
        (b"/a\0\0,T\0\0", (1.0,)),
        (b"/a\0\0,F\0\0", (0.0,)),
        (b"/a\0\0,I\0\0", (1.0,)),
        (b"/a\0\0,N\0\0", (None,)),
        (b"/a\0\0,s\0\0?\0\0\0", ("?",)),
        (b"/a\0\0,\0\0\0", ()),
        (b"/a\0\0", ()),
        (b"/a\0\0,fTs\0\0\0\0" + struct.pack(">f", 2.0) + b"word\0\0\0\0", (2.0, 1.0, "word")),
        (b"/a\0\0,ff\0" + struct.pack(">ff", 1.0, 2.0), (1.0, 2.0)),
    ],
)
def test_reads_the_types_it_takes(data: bytes, arguments: tuple) -> None:
    one = only(data)
    assert (one.address, one.arguments, one.due) == (b"/a", arguments, None)
    assert [type(a) for a in one.arguments] == [type(a) for a in arguments]


def test_reads_nested_bundles_in_the_order_of_their_bytes() -> None:
    inner = BUNDLE + element(number(b"/b", 2.0)) + element(number(b"/c", 3.0))
    data = BUNDLE + element(number(b"/a", 1.0)) + element(inner) + element(number(b"/d", 4.0))
    messages, refused = taken(data)
    assert [m.address for m in messages] == [b"/a", b"/b", b"/c", b"/d"]
    assert not refused
    assert len(taken(nested(4, PAD))[0]) == 1
    assert len(taken(BUNDLE + element(number(b"/a", 1.0)) * 256)[0]) == 256
    assert taken(BUNDLE) == ([], Counter())


def test_reads_time_tags() -> None:
    tag = (3_900_000_000 << 32) | 1 << 31
    data = b"#bundle\0" + tag.to_bytes(8, "big") + element(PAD)
    assert only(data).due == 3_900_000_000.5
    for at_once in (0, 1):
        assert only(b"#bundle\0" + at_once.to_bytes(8, "big") + element(PAD)).due is None
    last = only(b"#bundle\0" + b"\xff" * 8 + element(PAD)).due
    assert last is not None and math.isfinite(last)


def test_a_bad_message_leaves_the_rest_of_its_bundle() -> None:
    bad = element(KILLERS["NaN"]) + element(KILLERS["blob"])
    messages, refused = taken(BUNDLE + element(PAD) + bad + element(number(b"/b", 1.0)))
    assert [m.address for m in messages] == [b"/pad/x", b"/b"]
    assert refused == {"number not finite or too large": 1, "type of an argument": 1}


TYPED = st.one_of(
    st.tuples(st.just("f"), st.floats(-1e6, 1e6, width=32)),
    st.tuples(st.just("d"), st.floats(-1e12, 1e12)),
    st.tuples(st.just("i"), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just("h"), st.integers(-(10**12), 10**12)),
    st.tuples(st.just("T"), st.just(True)),
    st.tuples(st.just("F"), st.just(False)),
    st.tuples(st.just("N"), st.none()),
    st.tuples(
        st.just("s"), st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=9)
    ),
)


@given(st.from_regex(r"(/[a-z0-9]{1,9}){1,4}", fullmatch=True), st.lists(TYPED, max_size=16))
def test_what_python_osc_writes_is_read_alike(address: str, typed: list) -> None:
    builder = OscMessageBuilder(address)
    for tag, value in typed:
        builder.add_arg(value, tag)
    data = builder.build().dgram
    one = only(data)
    assert one.address == address.encode()
    expected = [
        float(v) if isinstance(v, bool | int | float) else v for v in OscMessage(data).params
    ]
    assert list(one.arguments) == expected


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30))
def test_bundles_of_python_osc_are_read_alike(values: list[float]) -> None:
    builder = OscBundleBuilder(IMMEDIATELY)
    for place, value in enumerate(values):
        one = OscMessageBuilder(f"/fader/{place}")
        one.add_arg(value, "f")
        builder.add_content(one.build())
    messages, _ = taken(builder.build().dgram)
    assert [m.arguments[0] for m in messages] == values


# --- what it writes


def test_python_osc_reads_what_it_writes() -> None:
    read_back = OscMessage(message("/pad/x", 0.25, True, False, "words"))
    assert read_back.address == "/pad/x"
    assert read_back.params == [0.25, True, False, "words"]
    assert only(message("/pad/x", 0.25)) == Message(b"/pad/x", (0.25,), None)


def test_bundles_hold_everything_and_stay_small() -> None:
    messages = [message(f"/direction/{n}", n) for n in range(300)]
    packets = bundles(messages)
    assert all(len(packet) <= 1400 for packet in packets)
    assert len(packets) < 10
    assert [m.arguments[0] for p in packets for m in taken(p)[0]] == list(range(300))
    assert bundles([]) == []


# --- what does it no harm


@pytest.mark.parametrize("name", KILLERS)
def test_known_killers_are_refused_and_counted(name: str) -> None:
    messages, refused = taken(KILLERS[name])
    assert messages == []
    assert refused.total() == 1


@pytest.mark.parametrize("name", KILLERS)
def test_known_killers_take_no_time(name: str) -> None:
    """Processor time of this thread, so that a busy machine cannot fail it; the best of five."""
    spent = []
    for _ in range(5):
        begun = time.thread_time()
        taken(KILLERS[name])
        spent.append(time.thread_time() - begun)
    assert min(spent) < 0.01


def test_patterns_are_only_bytes() -> None:
    one = only(number(b"/*a*a*a*a*a*a*a*a", 1.0))
    assert one.address == b"/*a*a*a*a*a*a*a*a"


SEEDS = [
    PAD,
    number(b"/waypoint/1/go", 1, b"i"),
    number(b"/raw/spring/frequency", 2.5, b"d"),
    b"/pad/x\0\0,s\0\0?\0\0\0",
    b"/xy\0,ffTN\0\0\0" + struct.pack(">ff", 0.1, 0.9),
    nested(3, PAD),
    BUNDLE + element(PAD) + element(number(b"/pad/y", 0.5)) + element(nested(2, PAD)),
    *KILLERS.values(),
]


@settings(max_examples=300)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 255)), max_size=8),
    st.integers(0, 9000),
    st.binary(max_size=12),
)
def test_mutations_never_escape(seed: bytes, changes: list, cut: int, tail: bytes) -> None:
    data = bytearray(seed)
    for place, value in changes:
        if data:
            data[place % len(data)] = value
    messages, refused = taken(bytes(data[:cut]) + tail)
    assert all(is_sound(one) for one in messages)
    assert messages or refused or data[:8] == b"#bundle\0"


@given(st.binary(max_size=200))
def test_any_bytes_never_escape(data: bytes) -> None:
    for one in (data, BUNDLE + data, BUNDLE + element(data) if data else b""):
        assert all(is_sound(m) for m in taken(one)[0])


def test_twenty_thousand_random_datagrams() -> None:
    random.seed(5)
    refused: Counter = Counter()
    messages = 0
    for _ in range(20_000):
        data = bytearray(random.choice(SEEDS))
        for _ in range(random.randint(0, 4)):
            if data:
                data[random.randrange(len(data))] = random.choice((0, 1, 4, 0x7F, 0xFF, 0x2F, 0x2C))
        for one in read(bytes(data), refused):
            assert is_sound(one)
            messages += 1
    assert messages > 1000 and refused.total() > 1000
