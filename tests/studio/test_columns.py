"""The parameters of a conformed film, and which models it shows."""

import numpy as np
import pytest
from edit_fakes import clip, conformed, media, numbered, ramp, timeline
from hypothesis import given
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.decoder.crossfade import FIRST, SECOND, SHARE, parts_of
from instrument.latent.sequence import ModelReference, load_sequence, save_sequence
from instrument.studio.columns import Column
from instrument.studio.conform import Choices, conform
from instrument.studio.footage import open_source

NOISE, GAIN, SWITCH = "/noise/strength", "/master/gain", "/look/tiles/on"
RED, BLUE, GREEN = (ModelReference(name, name[0] * 64) for name in ("red", "blue", "green"))
KNOWN = {NOISE: Column(5.0), SWITCH: Column(0.0, whole=True)}
MIXED = timeline([clip("a", 0, 4), clip("b", 1, 5, opacity=ramp(5, 3))])  # weights 0 1/3 2/3 1


def with_columns(name="a", base=0, **columns):
    table = np.array(list(columns.values()), np.float32).T if columns else np.zeros((9, 0))
    names = {"noise": NOISE, "gain": GAIN, "switch": SWITCH, "snapshot": "/model/snapshot",
             "first": FIRST, "second": SECOND, "share": SHARE, "other": "/look/x/y"}  # fmt: skip
    more = {"parameters": table, "addresses": tuple(names[c] for c in columns)} if columns else {}
    return lambda model=RED, models=(): numbered(9, base, name, model=model, models=models, **more)


def made_of(edit, *sources):
    return conformed(edit, *sources, columns=KNOWN)


def column(made, address) -> list[float]:
    values = made.sequence.column(address)
    assert values is not None, made.sequence.addresses
    return [round(float(v), 4) for v in values]


def test_parameters_mix_as_z_does():
    a = with_columns("a", noise=[0.0] * 9)()
    b = with_columns("b", 1000, noise=[30.0] * 9)()
    assert column(made_of(MIXED, a, b), NOISE) == [0, 0, 10, 20, 30, 30]


def test_what_a_source_does_not_have_is_the_default():
    a, b = with_columns("a", noise=[20.0] * 9)(), with_columns("b")()
    assert column(made_of(MIXED, a, b), NOISE) == [20, 20, 15, 10, 5, 5]


def test_a_switch_never_mixes():
    a, b = with_columns("a", switch=[1.0] * 9)(), with_columns("b", switch=[0.0] * 9)()
    assert column(made_of(MIXED, a, b), SWITCH) == [1, 1, 1, 0, 0, 0]


def test_between_rows_a_value_lies_between_and_a_switch_does_not():
    ramped = list(range(9))
    a = with_columns("a", noise=ramped, switch=[0, 1] * 4 + [0])()
    made = made_of(timeline([clip("a", 0, 5, speed="1/4")]), a)
    assert column(made, NOISE) == [0, 0.25, 0.5, 0.75, 1]
    assert column(made, SWITCH) == [0, 0, 1, 1, 1]


def test_what_nobody_knows_is_nothing_and_is_said():
    a, b = with_columns("a", other=[0.5] * 9)(), with_columns("b")()
    made = made_of(MIXED, a, b)
    assert column(made, "/look/x/y") == [0.5, 0.5, 0.3333, 0.1667, 0, 0]
    assert "/look/x/y: taken as 0 where b.npy does not have it" in made.remarks[0].what


def test_the_gain_of_a_take_and_the_fade_of_an_edit_multiply():
    a = with_columns("a", gain=[0.5] * 9)()
    made = made_of(timeline([clip("a", 0, 4, gain=np.array([0.0, 0.5, 1.0, 0.2]))]), a)
    assert column(made, GAIN) == [0, 0.25, 0.5, 0.1]


def test_the_gain_of_one_take_is_not_that_of_another():
    a, b = with_columns("a", gain=[0.5] * 9)(), with_columns("b")()
    assert column(made_of(timeline([clip("a", 0, 2), clip("b", 2, 2)]), a, b), GAIN) == [
        0.5,
        0.5,
        1,
        1,
    ]


# --- models


def models(made) -> list[tuple[float, float, float]]:
    columns = (column(made, address) for address in (FIRST, SECOND, SHARE))
    return list(zip(*columns, strict=True))


def test_one_model_needs_no_columns():
    made = made_of(MIXED, with_columns("a")(RED), with_columns("b")(RED)).sequence
    assert (made.model, made.models, made.addresses) == (RED, (), ())


def test_two_models_take_turns_and_mix_where_the_edit_does():
    made = made_of(MIXED, with_columns("a")(RED), with_columns("b")(BLUE))
    assert made.sequence.models == (RED, BLUE)
    assert made.sequence.model == RED
    assert models(made) == [
        (1, 0, 0), (1, 0, 0), (1, 2, 0.3333), (1, 2, 0.6667), (2, 0, 0), (2, 0, 0),
    ]  # fmt: skip


def test_what_the_film_shows_is_what_its_decoder_will_play():
    sequence = made_of(MIXED, with_columns("a")(RED), with_columns("b")(BLUE)).sequence
    parts = parts_of({a: sequence.column(a) for a in (FIRST, SECOND, SHARE)}, len(sequence))
    assert parts[1].round(4).tolist() == pytest.approx([1, 1, 0.6667, 0.3333, 0, 0], abs=1e-4)
    assert np.allclose(parts[1] + parts[2], 1)


def test_a_take_of_two_models_keeps_its_numbers_in_a_longer_list():
    take = with_columns("b", first=[1, 2, 1] * 3, second=[2, 0, 0] * 3, share=[0.25, 0, 0] * 3)
    edit = timeline([clip("a", 0, 1), clip("b", 1, 3)])
    made = made_of(edit, with_columns("a")(GREEN), take(BLUE, (BLUE, RED)))
    assert made.sequence.models == (GREEN, BLUE, RED)
    assert models(made) == [(1, 0, 0), (2, 3, 0.25), (3, 0, 0), (2, 0, 0)]


def test_alone_a_take_of_two_models_is_bit_for_bit_itself():
    take = with_columns("a", first=[2.0] * 9, second=[1.0] * 9, share=[0.3] * 9)(RED, (RED, BLUE))
    made = made_of(timeline([clip("a", 0, 9)]), take).sequence
    assert made.parameters.tobytes() == take.sequence.parameters.tobytes()
    assert (made.models, made.model) == ((RED, BLUE), BLUE)


def test_three_models_at_once_are_two_and_it_is_said():
    half = np.full(2, 0.4)
    edit = timeline(
        [clip("a", 0, 2)], [clip("b", 0, 2, opacity=half)], [clip("c", 0, 2, opacity=half)]
    )
    sources = [with_columns(n)(m) for n, m in zip("abc", (RED, BLUE, GREEN), strict=True)]
    made = made_of(edit, *sources)
    assert models(made)[0] == (1, 3, round(0.4 / 0.76, 4))
    assert any("2 frames mix more than two models" in remark.what for remark in made.remarks)


def test_footage_that_does_not_know_its_model_is_taken_for_the_others_and_it_is_said():
    made = made_of(MIXED, with_columns("a")(ModelReference()), with_columns("b")(BLUE))
    assert (made.sequence.model, made.sequence.models) == (BLUE, ())
    assert made.remarks[0].what == "a.npy: does not say its model, taken for blue's"


@pytest.mark.parametrize("column", ["first", "second"])
@pytest.mark.parametrize("number", [2, 7, -1])
def test_a_model_that_is_not_listed_is_one_line(column, number):
    columns = {"first": [1.0] * 9, "second": [0.0] * 9, "share": [0.5] * 9}
    columns[column] = [float(number)] * 9
    take = with_columns("a", **columns)(RED)
    with pytest.raises(InstrumentError, match=r"a\.npy: /model/(first|second) is"):
        made_of(timeline([clip("a", 0, 2)]), take)


@given(st.integers(1, 3), st.integers(1, 3), st.floats(0, 1))
def test_parts_of_a_mix_are_those_of_its_clips(first, second, weight):
    """Decoded, a mix of two takes shows every model as much as its clips would together."""
    three = (RED, BLUE, GREEN)
    a = with_columns("a")(three[first - 1])
    b = with_columns("b")(three[second - 1])
    edit = timeline([clip("a", 0, 1)], [clip("b", 0, 1, opacity=np.full(1, weight))])
    made = made_of(edit, a, b)
    if first == second:
        return
    told = {n: made.sequence.column(n) for n in (FIRST, SECOND, SHARE)}
    parts = parts_of(told, 1)
    names = made.sequence.models
    found = {names[number - 1].name: float(part[0]) for number, part in parts.items()}
    share = made.seen.share[0]
    expected = dict.fromkeys({three[first - 1].name, three[second - 1].name}, 0.0)
    for layer, source in enumerate(made.seen.source[0]):
        if source >= 0:
            expected[made.sources[source].sequence.model.name] += share[layer]
    for name, part in expected.items():
        assert found.get(name, 0.0) == pytest.approx(part, abs=1e-6)


# --- a display that was frozen


def test_a_frozen_picture_is_cut_as_it_was_shown(tmp_path):
    freeze = [0, 0, 0, 1, 1, 1, 0, 0, 0]
    table = np.array([freeze, range(9), range(9)], np.float32).T
    addresses = ("/display/freeze", "/model/snapshot", NOISE)
    path = tmp_path / "a.npy"
    save_sequence(path, numbered(9, parameters=table, addresses=addresses).sequence)
    source = open_source(path)
    # From the middle of the freeze: what came before lies in another clip.
    edit = timeline([clip("a", 0, 2, first=7), clip("a", 2, 4, first=4)])
    made = conform(edit, [source], {media(): 0}, Choices()).sequence
    assert made.z[:, 0].tolist() == [7, 8, 2, 2, 6, 7]
    assert made.column("/display/freeze").tolist() == [0] * 6
    assert made.column("/model/snapshot").tolist() == [7, 8, 2, 2, 6, 7]
    assert made.column(NOISE).tolist() == [7, 8, 4, 5, 6, 7]
    assert made.trace.rows[:, 1].tolist() == [7, 8, 2, 2, 6, 7]
    save_sequence(tmp_path / "film.npy", made)
    assert load_sequence(tmp_path / "film.npy").trace.origins[0].path == str(path)
