"""Laws of frame rates, frame ranges, timecode and clocks."""

import math
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.timebase import FrameRange, FrameRate, StepClock, WallClock, timecode

NTSC = [FrameRate(n * 1000, 1001) for n in (24, 30, 48, 60, 120)]
COMMON = [FrameRate(24), FrameRate(25), FrameRate(30), FrameRate(60), FrameRate(144), *NTSC]
parts = st.integers(1, 10**9 - 1)
rates = st.one_of(
    st.sampled_from(COMMON), st.builds(FrameRate, st.integers(1, 300_000), st.integers(1, 2002))
)
frames = st.integers(0, 10**8)


@given(parts, parts)
def test_parse_reverses_str(num: int, den: int) -> None:
    rate = FrameRate(num, den)
    assert FrameRate.parse(str(rate)) == rate
    assert Fraction(rate.num, rate.den) == Fraction(num, den)


@given(st.from_regex(r"[0-9]{1,9}(/[0-9]{1,9}|\.[0-9]{1,6})?", fullmatch=True))
def test_what_parse_accepts_it_also_writes(text: str) -> None:
    try:
        rate = FrameRate.parse(text)
    except InstrumentError as error:
        assert "\n" not in str(error)
    else:
        assert FrameRate.parse(str(rate)) == rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("60", FrameRate(60)),
        (" 30000/1001 ", FrameRate(30000, 1001)),
        ("29.97", FrameRate(30000, 1001)),
        ("29.970", FrameRate(30000, 1001)),
        ("23.976", FrameRate(24000, 1001)),
        ("23.98", FrameRate(24000, 1001)),
        ("23.976024", FrameRate(24000, 1001)),
        ("47.952", FrameRate(48000, 1001)),
        ("59.940", FrameRate(60000, 1001)),
        ("12.5", FrameRate(25, 2)),
        ("30.000", FrameRate(30)),
        ("24.0", FrameRate(24)),
        ("1/2", FrameRate(1, 2)),
        ("60/2", FrameRate(30)),
    ],
)
def test_what_people_type(text: str, rate: FrameRate) -> None:
    assert FrameRate.parse(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "0", "-30", "30/0", "0/5", "nan", "inf", "1e3", "30fps", "30/1001/2", "٣٠", "9" * 5000,
     "999999999.999999", "1/-2", "30 / 1", "0.0"],
)  # fmt: skip
def test_hostile_rates_are_one_line(text: str) -> None:
    with pytest.raises(InstrumentError) as caught:
        FrameRate.parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("num", "den"), [(0, 1), (1, 0), (-1, 1), (10**9, 1), (1, 10**400)])
def test_absurd_rates_are_refused(num: int, den: int) -> None:
    with pytest.raises(InstrumentError):
        FrameRate(num, den)


@given(rates, frames)
def test_last_frame_at_reverses_time_of(rate: FrameRate, frame: int) -> None:
    seconds = rate.time_of(frame)
    assert rate.last_frame_at(seconds) == frame
    assert rate.last_frame_at(math.nextafter(seconds, -math.inf)) == frame - 1


@given(rates, frames)
def test_time_of_is_the_nearest_float(rate: FrameRate, frame: int) -> None:
    exact = Fraction(frame * rate.den, rate.num)
    assert abs(Fraction(rate.time_of(frame)) - exact) * 2 <= Fraction(math.ulp(float(exact)))


@given(rates, st.floats(0, 1e6))
def test_last_frame_at_brackets_its_time(rate: FrameRate, seconds: float) -> None:
    frame = rate.last_frame_at(seconds)
    assert rate.time_of(frame) <= seconds < rate.time_of(frame + 1)


@given(rates, st.floats(-1e9, -1e-12))
def test_nothing_is_before_frame_0(rate: FrameRate, seconds: float) -> None:
    assert rate.last_frame_at(seconds) == -1


@given(rates, frames)
def test_a_whole_number_of_frames_is_counted_as_such(rate: FrameRate, count: int) -> None:
    assert rate.frames_in(rate.time_of(count)) == count


@given(rates, st.floats(0, 1e6))
def test_frames_in_is_within_half_a_frame(rate: FrameRate, seconds: float) -> None:
    exact = Fraction(seconds) * rate.num / rate.den
    assert abs(rate.frames_in(seconds) - exact) <= Fraction(1, 2)


def test_halves_always_count_as_a_frame() -> None:
    assert [FrameRate(1).frames_in(s) for s in (0.5, 1.5, 2.5, 3.5)] == [1, 2, 3, 4]
    assert FrameRate(30).frames_in(2.5) == 75
    assert FrameRate(30000, 1001).frames_in(3600.0) == 107892


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 500))
def test_frame_ranges_behave_like_slices(start: int, stop: int, length: int) -> None:
    text = f"{start}:{stop}"
    if start < stop <= length:
        cut = FrameRange.parse(text, length)
        assert list(cut) == list(range(length))[start:stop]
        assert len(cut) == stop - start
    else:
        with pytest.raises(InstrumentError):
            FrameRange.parse(text, length)


def test_open_frame_ranges() -> None:
    assert FrameRange.parse("5:", 8) == FrameRange(5, 8)
    assert FrameRange.parse(" :5 ", 8) == FrameRange(0, 5)
    assert FrameRange.parse(":", 8) == FrameRange(0, 8)
    assert list(FrameRange(3, 3)) == []


@pytest.mark.parametrize(
    "text", ["", "5", "-1:4", "a:b", "1:2:3", "0:0", "9" * 9000 + ":", "1.5:2"]
)
def test_hostile_ranges_are_one_line(text: str) -> None:
    with pytest.raises(InstrumentError) as caught:
        FrameRange.parse(text, 10)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (4, 3)])
def test_backward_ranges_are_refused(start: int, stop: int) -> None:
    with pytest.raises(InstrumentError):
        FrameRange(start, stop)


@given(st.sampled_from(COMMON), frames)
def test_timecode_counts_every_frame(rate: FrameRate, frame: int) -> None:
    hours, minutes, seconds, left = map(int, timecode(frame, rate).split(":"))
    nominal = math.ceil(rate.num / rate.den)
    assert minutes < 60
    assert seconds < 60
    assert left < nominal
    assert ((hours * 60 + minutes) * 60 + seconds) * nominal + left == frame


def test_timecode_known() -> None:
    assert timecode(0, FrameRate(30)) == "00:00:00:00"
    assert timecode(108000, FrameRate(30000, 1001)) == "01:00:00:00"
    assert timecode(61 * 25 + 7, FrameRate(25)) == "00:01:01:07"


def test_the_step_clock_stands_still() -> None:
    clock = StepClock()
    clock.wait_until(2.0)
    clock.wait_until(1.0)
    assert clock.now() == 2.0


def test_the_wall_clock_waits() -> None:
    clock = WallClock()
    start = clock.now()
    clock.wait_until(start - 1.0)
    assert clock.now() - start < 0.5
    clock.wait_until(start + 0.02)
    assert clock.now() >= start + 0.02
    assert abs(clock.now() - time.perf_counter()) < 1.0
