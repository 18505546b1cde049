"""Rows: what a figure says, what it reaches, and that a file of them is read strictly."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.bench.rows import Row, check_parts, is_missed, row

FINITE = st.floats(-1e12, 1e12)
GOOD = row("x", [1.0, 2.0, 3.0], "ms", target=2.5, background=0.02, frames=3)


def part(*rows: object) -> dict:
    return {"part": "a", "title": "t", "rows": list(rows)}


@settings(deadline=None)
@given(
    st.lists(FINITE, min_size=1, max_size=9),
    st.one_of(st.none(), FINITE),
    st.one_of(st.none(), st.floats(0, 64)),
    st.sampled_from(["lower", "higher"]),
)
def test_every_row_is_one_of_a_file(samples, target, background, better):
    made = row("n", samples, "ms", target=target, background=background, better=better, more=[1])
    check_parts(json.loads(json.dumps([part(made)])), "x")
    low, high = made["quartiles"]
    assert low <= made["value"] <= high and made["n"] == len(samples)
    assert made.keys() == Row.__annotations__.keys()


@pytest.mark.parametrize(
    ("background", "doubtful"), [(None, False), (0.0, False), (0.1, False), (0.11, True)]
)
def test_a_busy_machine_makes_a_row_doubtful(background, doubtful):
    assert row("n", [1.0], "s", background=background)["doubtful"] is doubtful
    assert row("n", [1.0], "s", background=background, doubtful=True)["doubtful"]


@pytest.mark.parametrize(
    ("better", "value", "missed"),
    [("lower", 1.9, False), ("lower", 2.0, False), ("lower", 2.1, True),
     ("higher", 2.1, False), ("higher", 2.0, False), ("higher", 1.9, True)],
)  # fmt: skip
def test_a_target_is_reached_or_missed(better, value, missed):
    assert is_missed(row("n", [value], "s", better=better, target=2.0)) is missed
    assert not is_missed(row("n", [value], "s", better=better))


def test_a_value_may_stand_in_for_the_median():
    made = row("p99", [1.0, 2.0, 9.0], "ms", value=9.0)
    assert made["value"] == 9.0 and made["quartiles"] == [1.5, 5.5]


def test_a_row_of_nothing_is_none():
    with pytest.raises(ValueError, match="no samples"):
        row("n", [], "ms")


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("value", float("nan"), "value: must be a finite number"),
        ("value", "3", "value: must be a finite number"),
        ("value", True, "value: must be a finite number"),
        ("unit", 3, "unit: must be text"),
        ("name", None, "name: must be text"),
        ("better", "bigger", "better: must be lower or higher"),
        ("n", 0, "n: must be an integer from 1 on"),
        ("n", 1.0, "n: must be an integer from 1 on"),
        ("quartiles", [1.0], "quartiles: must be two numbers"),
        ("quartiles", [1.0, "2"], "quartiles: must be two numbers"),
        ("target", "low", "target: must be a finite number or null"),
        ("background", [], "background: must be a finite number or null"),
        ("doubtful", 1, "doubtful must be true or false"),
        ("about", [], "about an object"),
    ],
)
def test_what_is_wrong_is_named(key, value, complaint):
    wrong = copy.deepcopy(GOOD)
    wrong[key] = value
    with pytest.raises(InstrumentError) as refusal:
        check_parts([part(), part(GOOD, wrong)], "FILE")
    assert str(refusal.value).startswith("FILE: parts[1].rows[1]")
    assert complaint in str(refusal.value)


@pytest.mark.parametrize("key", list(Row.__annotations__))
def test_what_is_missing_is_named(key):
    less = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(InstrumentError, match=f"lacks {key}"):
        check_parts([part(less)], "FILE")


@pytest.mark.parametrize(
    "parts",
    [None, {}, [1], [{}], [{"part": 1}], [{"part": "a"}], [part(3)], [{**part(), "rows": 1}]],
)
def test_what_is_no_part_is_refused(parts):
    with pytest.raises(InstrumentError, match="FILE: parts"):
        check_parts(parts, "FILE")
