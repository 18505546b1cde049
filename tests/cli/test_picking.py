"""Rows and snapshots as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.cli.picking import parse_rows, parse_snapshots
from instrument.decoder.models import find_model


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("3", [3]), ("3,10:13", [3, 10, 11, 12]), ("all", list(range(20))), (":2", [0, 1]),
        ("18:", [18, 19]), (" 5 , 1 ", [5, 1]), ("7,7", [7, 7]), ("0:20", list(range(20))),
    ],
)  # fmt: skip
def test_rows(text, rows):
    assert parse_rows(text, 20) == rows


@pytest.mark.parametrize(
    "text",
    [
        "", ",", "3,", "20", "-1", "5:5", "6:5", "10:21", "1.5", "x", "1:2:3", "٣", "9" * 400,
        "all all",
    ],
)  # fmt: skip
def test_no_rows(text):
    with pytest.raises(InstrumentError) as raised:
        parse_rows(text, 20, "rows")
    assert str(raised.value).startswith("rows")
    assert len(str(raised.value)) < 150


@given(st.text(max_size=30))
def test_any_text_is_rows_or_one_line(text):
    try:
        rows = parse_rows(text, 9)
    except InstrumentError as error:
        assert str(error)
    else:
        assert rows
        assert all(0 <= row < 9 for row in rows)


def test_endless_lists_are_refused():
    with pytest.raises(InstrumentError, match="more than"):
        parse_rows(",".join(["all"] * 50), 100_000)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("0,9,27", [0, 9, 27]), ("4:7", [4, 5, 6]), ("all", list(range(28))), ("first", [0]),
        ("newest,first", [27, 0]), ("4.25", [4.25]), ("00", [0]), ("1040000", [27]),
        ("26:", [26, 27]), ("3,1", [3, 1]),
    ],
)  # fmt: skip
def test_snapshots_of_the_default_model(text, places):
    assert parse_snapshots(text, find_model("default")) == places


@pytest.mark.parametrize("text", ["28", "x", "", "27.5", "1,1", "first,0", "all,3", "0:29", "-1"])
def test_no_snapshots(text):
    with pytest.raises(InstrumentError) as raised:
        parse_snapshots(text, find_model("default"))
    assert "snapshot" in str(raised.value)


def test_a_model_without_a_history_has_one():
    model = find_model("procedural-64")
    assert parse_snapshots("all", model) == parse_snapshots("newest", model) == [0.0]
    with pytest.raises(InstrumentError, match="the only one"):
        parse_snapshots("1", model)
