"""Bytes in, control values out: fixtures for every message, and interleavings that lose halves."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.control.midi_address import Control, family, slug_of, split_source
from instrument.control.midi_messages import (
    NOTE,
    PROGRAM,
    STEPS,
    VALUE,
    Decoder,
    Reading,
    encoded,
    transport,
)
from instrument.control.midi_values import FULL

LAW = settings(deadline=None, derandomize=True, max_examples=200)


def said(hexes: str, decoder: Decoder | None = None, time: float = 0.0) -> list[tuple]:
    return [
        tuple(one) for one in (decoder or Decoder(Reading())).decode(bytes.fromhex(hexes), time)
    ]


@pytest.mark.parametrize(
    ("hexes", "expected"),
    [
        ("b0 10 7f", (VALUE, "cc/16", 1.0)),
        ("b0 10 00", (VALUE, "cc/16", 0.0)),
        ("b8 0d 40", (VALUE, "ch/9/cc/13", 64 / 127)),
        ("bf 07 01", (VALUE, "ch/16/cc/7", 1 / 127)),
        ("90 24 7f", (NOTE, "note/36", 1.0)),
        ("90 24 00", (NOTE, "note/36", 0.0)),  # a note on with velocity 0 is a note off
        ("80 24 40", (NOTE, "note/36", 0.0)),
        ("98 29 7f", (NOTE, "ch/9/note/41", 1.0)),
        ("a0 24 7f", (VALUE, "note/36/pressure", 1.0)),
        ("d0 7f", (VALUE, "pressure", 1.0)),
        ("c0 05", (PROGRAM, "program/5", 1.0)),
        ("c3 00", (PROGRAM, "ch/4/program/0", 1.0)),
        ("e0 00 40", (VALUE, "bend", 0.5)),
        ("e0 7f 7f", (VALUE, "bend", 1.0)),
        ("e1 00 00", (VALUE, "ch/2/bend", 0.0)),
    ],
)
def test_every_kind_of_message(hexes, expected) -> None:
    assert said(hexes) == [expected]
    Control.parse(expected[1])  # an address one may write


@pytest.mark.parametrize(
    "hexes",
    ["", "b0", "b0 10", "b0 10 7f 00", "c0", "c0 05 00", "10 20", "b0 90 10", "b0 10 ff",
     "f0 00 f7", "f8", "fe", "ff", "90 24 80", "90", "f2 00 00"],
)  # fmt: skip
def test_what_is_no_whole_message_is_passed_over(hexes) -> None:
    assert said(hexes) == []


def test_numbers_beyond_a_byte_are_passed_over() -> None:
    assert Decoder(Reading()).decode([0xB0, 300, -1], 0.0) == []


@pytest.mark.parametrize(
    ("hexes", "expected"),
    [
        ("f8", ("clock", 0)), ("fa", ("start", 0)), ("fb", ("continue", 0)), ("fc", ("stop", 0)),
        ("f2 10 01", ("songpos", 144)), ("f2 10", None), ("f2 90 01", None), ("fe", None),
        ("", None), ("b0 01 02", None), ("f8 00", None),
    ],
)  # fmt: skip
def test_a_clock_is_told_apart(hexes, expected) -> None:
    assert transport(bytes.fromhex(hexes)) == expected


# --- 14 bits

FINE = Reading(fine=frozenset({(0, 1), (4, 2)}))


def test_a_fine_pair_acts_at_once_and_is_refined() -> None:
    decoder = Decoder(FINE)
    assert said("b0 01 40", decoder) == [(VALUE, "cc14/1", (64 << 7 | 64) / FULL)]
    assert said("b0 21 05", decoder) == [(VALUE, "cc14/1", (64 << 7 | 5) / FULL)]
    assert said("b0 01 41", decoder) == [(VALUE, "cc14/1", (65 << 7) / FULL)]
    assert said("b4 02 01", decoder)[0][1] == "ch/5/cc14/2"


def test_only_declared_pairs_are_pairs() -> None:
    decoder = Decoder(FINE)
    assert said("b0 02 40", decoder) == [(VALUE, "cc/2", 64 / 127)]
    assert said("b0 22 40", decoder) == [(VALUE, "cc/34", 64 / 127)]
    assert said("b1 01 40", decoder) == [(VALUE, "ch/2/cc/1", 64 / 127)]


def test_a_fine_half_that_comes_first_says_nothing() -> None:
    assert said("b0 21 05", Decoder(FINE)) == []


def test_a_pair_somebody_reads_as_seven_bits_is_both() -> None:
    decoder = Decoder(Reading(fine=frozenset({(0, 1)}), plain=frozenset({(0, 1)})))
    assert [one[1] for one in said("b0 01 40", decoder)] == ["cc14/1", "cc/1"]
    assert [one[1] for one in said("b0 21 40", decoder)] == ["cc14/1"]


# --- NRPN


def nrpn(parameter: int, value: int, channel: int = 0) -> list[bytes]:
    status = 0xB0 | channel
    pairs = ((99, parameter >> 7), (98, parameter & 127), (6, value >> 7), (38, value & 127))
    return [bytes((status, number, data)) for number, data in pairs]


def heard(messages, decoder: Decoder, step: float = 0.001) -> list[tuple[str, float]]:
    return [
        (one.control, one.value)
        for number, message in enumerate(messages)
        for one in decoder.decode(message, number * step)
    ]


def test_an_nrpn_acts_at_once_and_is_refined() -> None:
    told = heard(nrpn(300, 8000), Decoder(Reading()))
    assert [control for control, _ in told] == ["nrpn/300", "nrpn/300"]
    assert told[-1][1] == 8000 / FULL
    assert abs(told[0][1] - 8000 / FULL) < 1 / 128


def test_data_goes_on_to_the_selected_parameter() -> None:
    decoder = Decoder(Reading())
    heard(nrpn(300, 0), decoder)
    assert said("b0 06 7f", decoder, 0.05) == [(VALUE, "nrpn/300", 127 * 128 / FULL)]


def test_a_selection_wears_out() -> None:
    decoder = Decoder(Reading())
    heard(nrpn(300, 0), decoder)
    assert said("b0 06 7f", decoder, 0.2) == [(VALUE, "cc/6", 1.0)]  # an ordinary fader again


def test_the_null_parameter_ends_a_selection() -> None:
    decoder = Decoder(Reading())
    heard(nrpn(300, 0), decoder)
    assert said("b0 65 7f", decoder, 0.01) + said("b0 64 7f", decoder, 0.01) == []
    assert said("b0 06 7f", decoder, 0.01) == [(VALUE, "cc/6", 1.0)]


def test_registered_parameters_are_no_controls() -> None:
    decoder = Decoder(Reading())
    assert heard([bytes((0xB0, n, v)) for n, v in ((101, 0), (100, 0), (6, 12))], decoder) == []


def test_increment_and_decrement() -> None:
    decoder = Decoder(Reading())
    heard(nrpn(5, 0)[:2], decoder)
    assert said("b0 60 00", decoder, 0.01) == [(VALUE, "nrpn/5", 128 / FULL)]
    assert said("b0 61 00", decoder, 0.02) == [(VALUE, "nrpn/5", 0.0)]
    assert said("b0 61 00", decoder, 0.03) == [(VALUE, "nrpn/5", 0.0)]


def test_selecting_controllers_somebody_reads_are_ordinary() -> None:
    decoder = Decoder(Reading(plain=frozenset({(0, 99)})))
    assert said("b0 63 7f", decoder) == [(VALUE, "cc/99", 1.0)]


def test_a_new_selection_of_which_a_half_is_lost_sets_nothing() -> None:
    decoder = Decoder(Reading())
    heard(nrpn(300, 0), decoder)
    assert heard(nrpn(700, FULL)[1:], decoder) == []  # neither 300 nor anything else
    assert heard(nrpn(700, FULL), decoder)[-1] == ("nrpn/700", 1.0)


@LAW
@given(st.data())
def test_channels_do_not_disturb_one_another(data) -> None:
    """Any merge of the streams of three channels gives each what it said."""
    streams = {
        channel: list(
            itertools.chain.from_iterable(
                nrpn(100 * channel + n, v, channel)
                for n, v in enumerate(data.draw(st.lists(st.integers(0, FULL), max_size=5)))
            )
        )
        for channel in (0, 3, 15)
    }
    turns = [channel for channel, stream in streams.items() for _ in stream]
    waiting = {channel: iter(stream) for channel, stream in streams.items()}
    merged = [next(waiting[channel]) for channel in data.draw(st.permutations(turns))]
    told = heard(merged, Decoder(Reading()))
    for channel, stream in streams.items():
        mark = "" if channel == 0 else f"ch/{channel + 1}/"
        here = [one for one in told if one[0].startswith(f"{mark}nrpn/")]
        alone = heard(stream, Decoder(Reading()))
        assert here == alone


@LAW
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 300, 700]),
            st.integers(0, FULL),
            st.sampled_from([None, 0, 1, 2, 3]),  # which of the four is lost
            st.sampled_from([None, 0, 1, 2, 3]),  # which comes twice
        ),
        min_size=1,
        max_size=20,
    )
)
def test_a_message_lost_and_one_doubled_never_set_another_parameter(moves) -> None:
    decoder, time = Decoder(Reading()), 0.0
    for parameter, value, lost, doubled in moves:
        four = list(enumerate(nrpn(parameter, value)))
        for _, message in [one for one in four for _ in range(1 + (one[0] == doubled))
                           if one[0] != lost]:  # fmt: skip
            time += 0.001
            for one in decoder.decode(message, time):
                assert one.control == f"nrpn/{parameter}"
                assert 0.0 <= one.value <= 1.0
                if lost is None:
                    assert abs(one.value - value / FULL) < 1 / 128


def test_the_memory_for_parameters_is_bounded() -> None:
    decoder = Decoder(Reading())
    for parameter in range(5000):
        heard(nrpn(parameter, 5), decoder)
    assert len(decoder._parameters) <= 1024


# --- encoders


def test_encoders_say_steps() -> None:
    reading = Reading(
        relative={
            (0, 16): (("cc/16", "twos-complement"),),
            (0, 17): (("cc/17/binary-offset", "binary-offset"),),
        },
        plain=frozenset({(0, 17)}),
    )
    decoder = Decoder(reading)
    assert said("b0 10 7f", decoder) == [(STEPS, "cc/16", -1.0)]
    assert said("b0 10 00", decoder) == []
    assert said("b0 11 42", decoder) == [
        (STEPS, "cc/17/binary-offset", 2.0), (VALUE, "cc/17", 66 / 127),
    ]  # fmt: skip


def test_only_a_plain_knob_may_be_overwritten_unread() -> None:
    reading = Reading(fine=frozenset({(0, 1)}), relative={(0, 16): (("cc/16", "binary-offset"),)})
    plain = {n for n in range(128) if Decoder(reading).is_plain(0xB0, n)}
    assert not plain & {1, 33, 6, 16, 38, 96, 97, 98, 99, 100, 101}
    assert {0, 2, 7, 34, 64, 127} <= plain
    assert not any(
        Decoder(reading).is_plain(status, 7) for status in (0x80, 0x90, 0xA0, 0xC0, 0xE0)
    )


# --- the other way


@LAW
@given(st.integers(0, 127), st.integers(0, 127), st.integers(1, 16))
def test_what_is_sent_would_be_read_as_what_it_is(number, value, channel) -> None:
    for kind in ("cc", "note"):
        control = Control(kind, number, channel)
        if kind == "cc" and number in (98, 99, 100, 101):
            continue
        told = Decoder(Reading()).decode(encoded(control, value), 0.0)
        assert [(one.control, one.value) for one in told] == [(str(control), value / 127)]
    told = Decoder(Reading()).decode(encoded(Control("bend", 0, channel), 8192), 0.0)
    assert told[0].value == 0.5


def test_values_out_of_range_are_clamped() -> None:
    assert encoded(Control("cc", 1), 900) == bytes((0xB0, 1, 127))
    assert encoded(Control("bend"), -3) == bytes((0xE0, 0, 0))


# --- how controls are written


@pytest.mark.parametrize(
    "text",
    ["cc/0", "ch/9/note/41", "ch/16/nrpn/16383", "cc14/31", "note/3/pressure", "bend",
     "ch/2/pressure", "program/127", "cc/16/twos-complement"],
)  # fmt: skip
def test_controls_there_and_back(text) -> None:
    assert str(Control.parse(text)) == text


def test_one_spelling_each() -> None:
    assert str(Control.parse("ch/1/cc/007")) == "cc/7"
    assert Control.parse("cc/16/binary-offset").bare == Control("cc", 16)


@pytest.mark.parametrize(
    "text",
    ["cc/128", "cc14/32", "nrpn/16384", "cc", "bend/1", "ch/0/cc/1", "ch/17/cc/1", "note/1/twos",
     "cc/1/pressure", "knob/3", "", "cc/-1", "cc/1/", "cc/1.5"],
)  # fmt: skip
def test_what_midi_cannot_say_names_what_it_can(text) -> None:
    with pytest.raises(InstrumentError, match=r"allowed are cc/0\.\.127"):
        Control.parse(text)


def test_devices() -> None:
    assert split_source("/midi/nanokontrol2.2/ch/9/cc/1") == ("nanokontrol2.2", "ch/9/cc/1")
    assert split_source("/osc/xy/1") is None
    assert split_source("/midi/x") is None
    assert family("nanokontrol2.12") == "nanokontrol2"
    assert slug_of("Launchkey MK3 (37)!") == "launchkey-mk3-37"
    assert slug_of("ÜÜ") == "port"
