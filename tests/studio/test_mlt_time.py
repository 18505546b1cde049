"""MLT's times, numbers and keyframes: as its own renders show them, and noise refused."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from melt_edits import clock

from instrument.studio.mlt_time import MOST_KEYS, Curve, frame_of, items_of, number_of
from instrument.timebase import FrameRate

FILM = FrameRate(24000, 1001)
VIDEO = FrameRate(30)
RATES = st.sampled_from([FILM, FrameRate(25), VIDEO, FrameRate(50), FrameRate(60000, 1001)])


@pytest.mark.parametrize(
    ("text", "rate", "frame"),
    [
        ("0", VIDEO, 0),
        ("299", VIDEO, 299),
        ("-7", VIDEO, -7),
        ("12.0", VIDEO, 12),
        ("00:00:06.667", VIDEO, 200),
        ("00:00:09,967", VIDEO, 299),
        ("00:16:45.433", VIDEO, 30163),
        ("01:00:00.000", FILM, 86313),
        ("00:01:11.738", FILM, 1719),
        ("00:06.5", VIDEO, 195),
        ("-00:00:01.000", VIDEO, -30),
        ("00:00:06:20", VIDEO, 200),
        ("00:01:00;02", VIDEO, 1802),
        ("00:00:01:00", FILM, 24),
        ("06:20", VIDEO, 200),
    ],
)
def test_times(text: str, rate: FrameRate, frame: int) -> None:
    assert frame_of(text, rate) == frame


@pytest.mark.parametrize(
    "text", ["", "x", "1:2:3:4:5", "1e3", "00:00:0x.1", "NaN", "9" * 40, "1 2", "--3", ":::", "٣"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        frame_of(text, VIDEO)


@given(st.integers(0, 3_000_000), RATES)
def test_a_clock_in_milliseconds_is_its_frame(frame: int, rate: FrameRate) -> None:
    assert frame_of(clock(frame, Fraction(rate.num, rate.den)), rate) == frame


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), ("0,5", 0.5), ("50%", 0.5), (".25", 0.25), ("-1.5e1", -15.0), ("2 x", 2.0)],
)
def test_numbers(text: str, value: float) -> None:
    assert number_of(text) == value


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e999", "-", "%"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        number_of(text)


def test_keyframes_come_in_the_order_of_time() -> None:
    text = '30~=2;00:00:00.333|=1;-1="3";0=9;30=4;'
    assert items_of(text, VIDEO, 100) == [
        (0, "", "9"),
        (10, "|", "1"),
        (30, "", "4"),
        (99, "", "3"),
    ]


@pytest.mark.parametrize("text", ["", ";;", "a=1", "0=x", "=", "0=1;5=nan", "1=1;zz~=3"])
def test_what_is_no_curve(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|no value"):
        Curve.parse(text, VIDEO, 10)


def test_too_many_keyframes() -> None:
    with pytest.raises(ValueError, match="allowed are"):
        Curve.parse("0=1;" * (MOST_KEYS + 1), VIDEO, 10)


@pytest.mark.parametrize(
    ("text", "values", "exact"),
    [
        ("0.5", [0.5] * 5, True),
        ("0=0;4=1", [0, 0.25, 0.5, 0.75, 1], True),
        ("1=2;3=4", [2, 2, 3, 4, 4], True),
        ("0|=0;3=1", [0, 0, 0, 1, 1], True),
        ("0!=0;3=1", [0, 0, 0, 1, 1], True),
        ("0=0;3a=1", [0, 1 / 3, 2 / 3, 1, 1], True),
        ("0a=0;3=1", [0, 1 / 3, 2 / 3, 1, 1], False),
        ("0$=0;3=1", [0, 1 / 3, 2 / 3, 1, 1], False),
    ],
)
def test_curves(text: str, values: list[float], exact: bool) -> None:
    curve = Curve.parse(text, VIDEO, 5)
    assert curve.at(np.arange(5)) == pytest.approx(values)
    assert curve.exact is exact


def test_a_smooth_curve_is_the_rendered_one() -> None:
    # brightness 0~=0;9=1 on a white of 235, read off a render of MLT 7.12
    white = np.array([0.242, 0.388, 0.534, 0.68, 0.813, 0.918, 1.0])
    drawn = Curve.parse("0~=0;9=1", VIDEO, 10).at(np.arange(3, 10))
    assert np.abs((235 * drawn - 16) / 219 - white).max() < 0.006


@given(
    st.dictionaries(st.integers(0, 200), st.floats(-5, 5), min_size=1, max_size=8),
    st.sampled_from(["=", "|=", "~="]),
)
def test_a_curve_goes_through_its_keyframes(keys: dict[int, float], kind: str) -> None:
    text = ";".join(f"{frame}{kind}{value:f}" for frame, value in keys.items())
    curve = Curve.parse(text, VIDEO, 300)
    frames = np.array(sorted(keys))
    assert curve.at(frames) == pytest.approx([keys[frame] for frame in frames], abs=1e-6)
    if kind == "=":
        everywhere = curve.at(np.arange(-5, 250))
        assert everywhere.min() >= min(keys.values()) - 1e-6
        assert everywhere.max() <= max(keys.values()) + 1e-6


def test_constant() -> None:
    assert Curve.parse("0=3;9=3", VIDEO, 10).constant == 3.0
    assert Curve.parse("0=3;9=4", VIDEO, 10).constant is None


@given(st.text(max_size=30) | st.text("0123456789:;=|~.,-%e", max_size=30))
def test_noise_is_a_curve_or_a_value_error(text: str) -> None:
    try:
        curve = Curve.parse(text, VIDEO, 100)
    except ValueError:
        return
    assert np.isfinite(curve.at(np.arange(-10, 10))).all()
