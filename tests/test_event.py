"""Events: the line is exact, and a hostile line is refused with file and number."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.event import (
    ControlEvent,
    event_from_line,
    event_to_line,
    is_address,
    is_finite,
    read_events,
    write_events,
)

addresses = st.from_regex(r"(/[A-Za-z0-9][A-Za-z0-9_.+-]{0,12}){1,6}", fullmatch=True)
events = st.builds(ControlEvent, addresses, st.floats(-1e12, 1e12), st.floats(0, 1e12))


@given(events)
def test_a_line_is_exact(event: ControlEvent) -> None:
    line = event_to_line(event)
    again = event_from_line(line)
    assert "\n" not in line
    assert again == event
    assert math.copysign(1, again.value) == math.copysign(1, event.value)


@given(events)
def test_a_line_is_what_any_writer_of_json_writes(event: ControlEvent) -> None:
    fields = {"time": event.time, "address": event.address, "value": event.value}
    assert event_to_line(event) == json.dumps(fields)
    spaced = json.dumps(fields, separators=(" ,", " : "))  # read the long way
    assert event_from_line(spaced) == event_from_line(event_to_line(event)) == event


@given(st.text(st.characters(codec="utf-16"), max_size=20), st.floats(0, 1e12))
def test_any_address_is_quoted_as_json_quotes_it(address: str, value: float) -> None:
    line = event_to_line(ControlEvent(address, value, 0.0))
    assert json.loads(line) == {"time": 0.0, "address": address, "value": value}


def test_numbers_of_numpy_are_written_too() -> None:
    event = ControlEvent("/a", np.float32(0.1), np.float64(2.0))  # type: ignore[arg-type]
    assert event_from_line(event_to_line(event)) == ControlEvent("/a", float(np.float32(0.1)), 2.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_line_holds_nan(value: float) -> None:
    event = ControlEvent("/a", value, 0.0)
    assert not is_finite(event)
    with pytest.raises(ValueError, match="no number"):
        event_to_line(event)


HOSTILE = [
    "", "[]", "null", "7", "{", '"text"', "\x00", "{}" * 2,
    '{"time": 0, "address": "/a"}',
    '{"time": 0, "address": "/a", "value": 1, "more": 2}',
    '{"time": 0, "address": "a", "value": 1}',
    '{"time": 0, "address": "/", "value": 1}',
    '{"time": 0, "address": "//a", "value": 1}',
    '{"time": 0, "address": "/a/", "value": 1}',
    '{"time": 0, "address": "/a\\n", "value": 1}',
    '{"time": 0, "address": "/../a", "value": 1}',
    '{"time": 0, "address": "/ü", "value": 1}',
    '{"time": 0, "address": "/\\ud800", "value": 1}',
    '{"time": 0, "address": 5, "value": 1}',
    '{"time": 0, "address": "/' + "a" * 300 + '", "value": 1}',
    '{"time": -1, "address": "/a", "value": 1}',
    '{"time": NaN, "address": "/a", "value": 1}',
    '{"time": 0, "address": "/a", "value": NaN}',
    '{"time": 0, "address": "/a", "value": Infinity}',
    '{"time": 0, "address": "/a", "value": 1e999}',
    '{"time": 0, "address": "/a", "value": ' + "9" * 400 + "}",
    '{"time": 0, "address": "/a", "value": ' + "9" * 9000 + "}",
    '{"time": 01.5, "address": "/a", "value": 1.0}',
    '{"time": 1.5, "address": "/a", "value": 1000000000000.5}',
    '{"time": 1.5, "address": "/a", "value": -1.0e+99}',
    '{"time": -1.5, "address": "/a", "value": 1.0}',
    '{"time": 1.5, "address": "/' + "a" * 300 + '", "value": 1.0}',
    '{"time": 1.5, "address": "/a", "value": 1.0}\n{}',
    '{"time": 0, "address": "/a", "value": true}',
    '{"time": 0, "address": "/a", "value": "1"}',
    '{"time": 0, "address": "/a", "value": null}',
    '{"time": 0, "address": "/a", "value": [1]}',
    "[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_lines_are_refused_in_one_line(line: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        event_from_line(line)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@given(st.text(max_size=80))
def test_any_text_is_an_event_or_a_value_error(text: str) -> None:
    try:
        event = event_from_line(text)
    except ValueError:
        return
    assert is_address(event.address)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_any_json_value_is_an_event_or_a_value_error(value: object) -> None:
    line = json.dumps({"time": 0, "address": "/a", "value": value})
    try:
        assert math.isfinite(event_from_line(line).value)
    except ValueError:
        pass


def test_addresses() -> None:
    for good in ("/a", "/spring/frequency", "/midi/nano-kontrol/cc/16", "/1", "/a" * 127):
        assert is_address(good)
    for bad in ("", "a", "/a/", "/a b", "/a\n", "/.a", "/a" * 128, "/-", "//"):
        assert not is_address(bad)


def test_a_file_comes_back_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    said = [
        ControlEvent("/b", 1.0, 2.0),
        ControlEvent("/a", 0.5, 1.0),
        ControlEvent("/c", 2.0, 2.0),
    ]
    write_events(path, said)
    assert read_events(path) == [said[1], said[0], said[2]]
    assert [p.name for p in tmp_path.iterdir()] == ["events.jsonl"]


def test_files_from_other_editors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    line = event_to_line(ControlEvent("/a", 1.0, 0.0))
    path.write_bytes(b"\xef\xbb\xbf" + f"{line}\r\n\r\n{line}".encode())
    assert len(read_events(path)) == 2


def test_a_bad_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    good = event_to_line(ControlEvent("/a", 1.0, 0.0))
    path.write_text(f"{good}\n \u2028\n\nrubbish\n", encoding="utf-8")
    with pytest.raises(InstrumentError, match=r"script\.jsonl:4: is not JSON"):
        read_events(path)


def test_unreadable_scripts_are_one_line(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.jsonl", tmp_path, binary):
        with pytest.raises(InstrumentError, match=path.name):
            read_events(path)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_events(path, [ControlEvent("/a", 1.0, 0.0)])
    with pytest.raises(ValueError, match="no number"):
        write_events(path, [ControlEvent("/a", math.nan, 0.0)])
    assert len(read_events(path)) == 1
    with pytest.raises(InstrumentError, match="cannot be written"):
        write_events(tmp_path / "none" / "events.jsonl", [])
    assert [p.name for p in tmp_path.iterdir()] == ["events.jsonl"]
