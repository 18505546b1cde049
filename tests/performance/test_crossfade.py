"""Models that come and go: no jump in the picture, no trace of the frame rate, every end met."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import bank_of_four, event, frames, performer_of, play

from instrument import InstrumentError
from instrument.event import ControlEvent
from instrument.performance.crossfade import Fade, Models, Now, models_from_json
from instrument.performance.mapping import Binding
from instrument.performance.parameters import model_words
from instrument.performance.performer import Performer
from instrument.performance.score import Cue, Score
from instrument.performance.state import performance_from_json

LAW = settings(deadline=None, derandomize=True, max_examples=300)
FOUR = ("default", "models/night", "a.pkl", "old/a.pkl")
COLUMNS = ("/model/first", "/model/second", "/model/share")
unit = st.floats(0.0, 1.0)


def quartet(**more) -> Performer:
    """A performer of four models."""
    return Performer(bank_of_four(), models=FOUR, **more)


def playing(performer, performance) -> tuple[float, ...]:
    return tuple(performer.value(performance, address) for address in COLUMNS)


def seen(models: Models, time: float, mix: float) -> dict[int, float]:
    """Each visible model and its part of the picture."""
    share = models.share(time, mix)
    parts = {models.first: 1.0 - share, models.second: share}
    return {model: part for model, part in parts.items() if part}


# --- one fade


@LAW
@given(st.floats(0, 1e4), st.floats(1e-3, 60), unit, unit, st.sampled_from(["first", "second"]))
def test_a_fade_begins_and_ends_exactly(since, seconds, start, mix, end):
    fade = Fade(since, seconds, start, end)
    assert fade.share(since, mix) == start
    assert fade.share(fade.over_at, mix) == {"first": 0.0, "second": 1.0}[end]
    assert fade.share(since + 2.0 * seconds, mix) == {"first": 0.0, "second": 1.0}[end]


@LAW
@given(st.floats(1e-3, 60), unit, st.lists(unit, min_size=2), st.sampled_from(["first", "second"]))
def test_a_fade_never_turns_back(seconds, start, moments, end):
    fade = Fade(0.0, seconds, start, end)
    shares = [fade.share(moment * seconds, 0.0) for moment in sorted(moments)]
    sign = 1.0 if end == "second" else -1.0
    # The last binary digit of a sum may go either way; no screen has so many levels.
    assert all(sign * (b - a) >= -1e-15 for a, b in itertools.pairwise(shares))
    assert all(0.0 <= share <= 1.0 for share in shares)


def test_half_way_is_half_and_a_fade_of_no_time_is_a_cut():
    assert Fade(2.0, 4.0, 0.0, "second").share(4.0, 0.0) == 0.5
    assert Fade(2.0, 4.0, 0.5, "first").share(4.0, 0.0) == 0.25
    assert Fade(2.0, 0.0, 0.0, "second").share(2.0, 0.0) == 1.0


@LAW
@given(unit, unit)
def test_a_join_fades_to_wherever_the_crossfader_is(mix, moment):
    fade = Fade(0.0, 1.0, 0.0, "mix")
    assert fade.share(moment, mix) == pytest.approx(moment * mix, abs=1e-15)
    assert fade.share(1.0, mix) == mix


# --- what words do

words = st.tuples(
    st.sampled_from(["load", "join", "part", "ready", "failed", "tell"]), st.integers(1, 4),
    st.sampled_from([0.01, 0.4, 1.0, 3.0]),
)  # fmt: skip


def say(models: Models, word: str, model: int, now: Now) -> Models:
    if word == "failed":
        return models.failed(model)
    if word == "tell":  # the stage, of the model that is really being prepared
        return models.ready(models.incoming, now) if models.incoming else models
    return getattr(models, word)(model, now)


def let_pass(models: Models, now: Now, until: float) -> Models:
    while models.fade is not None and models.fade.over_at <= until:
        models = models.arrived(now._replace(time=max(models.fade.over_at, now.time)))
    return models


def close(a: dict[int, float], b: dict[int, float], within: float = 1e-12) -> bool:
    return all(abs(a.get(model, 0.0) - b.get(model, 0.0)) <= within for model in {*a, *b})


@LAW
@given(st.lists(words, max_size=30), unit, st.sampled_from([0.5, 2.0]))
def test_no_word_makes_the_picture_jump(said, mix, fade):
    models, time = Models(), 0.0
    for word, model, later in said:
        now = Now(time, mix, fade)
        before = seen(models, time, mix)
        models = say(models, word, model, now)
        assert close(seen(models, time, mix), before), (word, model)
        models = let_pass(models, now, time)
        assert close(seen(models, time, mix), before), "what is there already moves on"
        # and in a moment no more changes than a fade changes in it
        moment = min(later, 0.01)
        soon = let_pass(models, now, time + moment)
        assert close(seen(soon, time + moment, mix), before, moment / fade + 1e-9)
        models = let_pass(models, now, time + later)
        time += later


@LAW
@given(st.lists(words, max_size=30), unit, st.sampled_from([0.0, 2.0]))
def test_every_state_is_sound_and_comes_to_rest(said, mix, fade):
    models, time = Models(), 0.0
    for word, model, later in said:
        now = Now(time, mix, fade)
        models = say(models, word, model, now)
        assert models_from_json(json.loads(json.dumps(models.to_json())), time) == models
        assert len(set(models.wanted)) == len(models.wanted) <= 3
        models = let_pass(models, now, time + later)
        time += later
    rest = let_pass(models, Now(time, mix, fade), math.inf)
    assert rest.fade is None and not rest.waits


def after(*said: tuple[str, int], mix: float = 0.25) -> Models:
    """What a second's fade after each word leaves."""
    models = Models()
    for time, (word, model) in enumerate(said):
        now = Now(3.0 * time, mix, 1.0)
        models = let_pass(say(models, word, model, now), now, now.time + 2.0)
    return models


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ([("load", 1)], Models()),
        ([("load", 2)], Models(incoming=2)),
        ([("load", 2), ("load", 2)], Models(incoming=2)),
        ([("load", 2), ("load", 3)], Models(incoming=3)),
        ([("load", 2), ("load", 1)], Models()),
        ([("load", 2), ("failed", 2)], Models()),
        ([("load", 2), ("failed", 3)], Models(incoming=2)),
        ([("load", 2), ("ready", 3)], Models(incoming=2)),
        ([("ready", 2)], Models()),
        ([("load", 2), ("ready", 2)], Models(2)),
        ([("load", 2), ("ready", 2), ("ready", 2)], Models(2)),
        ([("join", 1)], Models()),
        ([("join", 2)], Models(incoming=2, joins=True)),
        ([("join", 2), ("load", 2)], Models(incoming=2)),
        ([("load", 2), ("join", 2), ("ready", 2)], Models(1, 2)),
        ([("join", 2), ("part", 2)], Models()),
        ([("join", 2), ("ready", 2)], Models(1, 2)),
        ([("join", 2), ("ready", 2), ("join", 2)], Models(1, 2)),
        ([("join", 2), ("ready", 2), ("part", 2)], Models()),
        ([("join", 2), ("ready", 2), ("part", 1)], Models(2)),
        ([("join", 2), ("ready", 2), ("part", 3)], Models(1, 2)),
        ([("join", 2), ("ready", 2), ("load", 2)], Models(2)),
        ([("join", 2), ("ready", 2), ("load", 1)], Models()),
        ([("join", 2), ("ready", 2), ("load", 3)], Models(1, 2, incoming=3)),
        ([("join", 2), ("ready", 2), ("load", 3), ("failed", 3)], Models(1, 2)),
        ([("join", 2), ("ready", 2), ("load", 3), ("part", 3)], Models(1, 2)),
    ],
)
def test_what_is_left_after(said, left):
    assert after(*said) == left


@pytest.mark.parametrize("mix", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_a_third_comes_in_once_one_of_two_has_made_room(mix):
    now = Now(9.0, mix, 1.0)
    models = Models(1, 2, incoming=3).ready(3, now)
    assert models.waits and models.fade.end == ("first" if mix < 0.5 else "second")
    stays = 1 if mix < 0.5 else 2
    there = mix in (0.0, 1.0)
    assert models.fade.seconds == (0.0 if there else 1.0), "who is not seen need not fade out"
    models = let_pass(models, now, 9.0 if there else 10.0)
    assert (models.first, models.second, models.waits) == (stays, 3, False)
    assert let_pass(models, now, 12.0) == Models(3)
    joined = let_pass(Models(1, 2, incoming=3, joins=True).ready(3, now), now, 12.0)
    assert joined == Models(1, 3), "who joins takes the second's place"


def test_a_swap_under_way_can_be_turned_round_or_kept():
    swap = Models(incoming=2).ready(2, Now(0.0, 0.7, 2.0))
    half = Now(1.0, 0.7, 2.0)
    back = swap.load(1, half)
    assert back.fade == Fade(1.0, 2.0, 0.5, "first")
    assert back.load(1, Now(1.5, 0.7, 2.0)) == back, "asked twice, it goes on as it was"
    kept = swap.join(2, half)
    assert kept.fade == Fade(1.0, 2.0, 0.5, "mix")
    assert let_pass(kept, half, 4.0) == Models(1, 2)
    next_one = swap.load(3, half)
    assert next_one.fade == swap.fade, "the fade that runs goes on"
    waiting = next_one.ready(3, Now(1.5, 0.7, 2.0))
    assert let_pass(waiting, half, 2.0).fade == Fade(2.0, 2.0, 0.0, "second")
    assert let_pass(waiting, half, 4.0) == Models(3)


# --- in a performance

SWAP = [
    event(0.31, "/model/2/load"), event(0.77, "/model/2/ready"),
    event(0.9, "/raw/model/fade", 0.35),
    event(2.9, "/model/a.pkl/join"), event(3.03, "/model/1/join"), event(3.3, "/model/1/ready"),
    event(3.2, "/model/mix", 0.8), event(3.6, "/knob/1", 0.1), event(3.9, "/model/1/load"),
]  # fmt: skip
SWAP.sort(key=lambda e: e.time)


def test_a_swap_in_a_performance():
    performer = quartet(bindings=(Binding("/knob/1", "/model/mix", smoothing=0.05),))
    times = [0.5, 0.77, 1.77, 2.27, 2.77, 3.2, 3.475, 3.8999, 4.075, 4.25, 6.0]
    told = [playing(performer, p) for p in play(performer, times, SWAP)]
    assert told[:3] == [(1, 0, 0), (1, 2, 0), (1, 2, pytest.approx(0.5))]
    assert told[3] == (1, 2, pytest.approx(0.75)), "a running fade keeps its length"
    assert told[4:6] == [(2, 0, 0), (2, 0, 0)]
    assert told[6] == (2, 1, pytest.approx(0.5 * 0.8)), "half come in, at four fifths"
    nearly = 0.1 + 0.7 * math.exp(-0.2999 / 0.05)
    assert told[7] == (2, 1, pytest.approx(nearly))
    assert told[8][2] == pytest.approx(0.5 * (1.0 + told[7][2]), abs=1e-2)
    assert told[9:] == [(1, 0, 0)] * 2


@pytest.mark.parametrize("rate", [7, 24, 30, 60, 144])
def test_no_frame_rate_leaves_a_trace(rate):
    performer = quartet(bindings=(Binding("/knob/1", "/model/mix", smoothing=0.05),))
    marks = [0.5, 1.0, 1.3, 2.0, 2.7, 3.0, 3.4, 3.7, 4.0, 5.0]
    alone = [playing(performer, p) for p in play(performer, marks, SWAP)]
    jitter = np.random.default_rng(rate).uniform(0, 1.0 / rate, 5 * rate + 1)
    stepped = sorted({*marks, *(t + j for t, j in zip(frames(rate, 5.0), jitter, strict=True))})
    played = dict(zip(stepped, play(performer, stepped, SWAP), strict=True))
    assert [playing(performer, played[mark]) for mark in marks] == alone


def test_models_leave_z_alone():
    with_models = play(quartet(), frames(60, 3.0), SWAP)
    without = play(quartet(), frames(60, 3.0))
    performer = quartet()
    for a, b in zip(with_models, without, strict=True):
        assert np.array_equal(performer.z(a), performer.z(b))


def test_a_performance_is_kept_and_rebased_in_the_middle_of_a_fade():
    performer = quartet()
    (p,) = play(performer, [1.5], SWAP)
    read = performance_from_json(json.loads(json.dumps(p.to_json())), performer.spec)
    assert read.models == p.models
    moved = performer.rebased(p)
    assert playing(performer, moved) == pytest.approx(playing(performer, p))
    on, rebased = performer.advance(p, 2.0), performer.advance(moved, 0.5)
    assert playing(performer, rebased) == pytest.approx(playing(performer, on))


@pytest.mark.parametrize(
    "broken",
    [
        {"first": 0}, {"first": 2, "second": 2}, {"incoming": 1}, {"first": True}, {"second": -1},
        {"second": 1.0}, {"joins": 1}, {"waits": True}, {"waits": True, "incoming": 3, "second": 2},
        {"fade": [0, 1, 0, "second"]}, {"second": 2, "fade": [0, 1, 2, "second"]},
        {"second": 2, "fade": [0, -1, 0, "second"]}, {"second": 2, "fade": [9, 1, 0, "second"]},
        {"second": 2, "fade": [0, 1, 0, "third"]}, {"second": 2, "fade": [0, 1, 0]},
        {"second": 2, "fade": [0, math.nan, 0, "mix"]},
        {"second": 2, "incoming": 3, "waits": True, "fade": [0, 1, 0, "mix"]},
    ],
)  # fmt: skip
def test_models_no_performance_can_have(broken):
    fields = quartet().begin().to_json()
    fields["models"] |= broken
    with pytest.raises(InstrumentError, match="damaged or of another version"):
        performance_from_json(fields, quartet().spec)


def test_panic_resets_the_crossfader_and_lets_the_models_play():
    performer = quartet(values={"/model/mix": 0.25})
    said = [event(0.1, "/model/2/join"), event(0.2, "/model/2/ready")]
    said += [event(3.0, "/model/mix", 0.9)]
    pair, calm = play(performer, [4.0, 5.0], [*said, event(4.5, "/performance/panic")])
    assert playing(performer, pair) == (1, 2, 0.9) and playing(performer, calm) == (1, 2, 0.25)


def test_keys_and_scores_call_models():
    bindings = (
        Binding("/key/m", "/model/night/load"),
        Binding("/key/j", "/model/3/join", mode="toggle"),
        Binding("/key/h", "/model/3/join", mode="momentary"),
    )
    score = Score((Cue(0.5, "/model/night/load"),))
    performer = quartet(bindings=bindings, score=score, values={"/model/mix": 0.5})

    def left(*keys: tuple[str, float]) -> Models:
        said = [event(0.01 * i, key, value) for i, (key, value) in enumerate(keys)]
        return play(performer, [1.0], said)[0].models

    assert left(("/key/m", 1)) == left(("/score/play", 1)) == Models(incoming=2)
    assert left(("/key/m", 0)) == left(("/model/2/load", 0.4)) == Models()
    assert left(("/key/j", 1)) == left(("/key/h", 1)) == Models(incoming=3, joins=True)
    assert left(("/key/j", 1), ("/key/j", 0), ("/key/j", 1)) == Models()
    assert left(("/key/h", 1), ("/key/h", 0)) == left(("/key/h", 0)) == Models()
    joined = (("/key/j", 1), ("/model/3/ready", 1), ("/key/j", 0), ("/key/j", 1))
    parting = left(*joined)
    assert parting.second == 3 and parting.fade.end == "first"
    assert left(*joined, ("/key/j", 0), ("/key/j", 1)).fade.end == "mix", "and back again"


# --- names and addresses


def test_how_models_are_called():
    assert model_words(FOUR) == {"1": 1, "2": 2, "3": 3, "4": 4, "default": 1, "night": 2}
    assert model_words(("../x/y/", "b\\c", "", "two words", "64", "ß")) == {
        "1": 1, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6, "y": 1, "c": 2
    }  # fmt: skip


@pytest.mark.parametrize("address", COLUMNS)
def test_what_is_told_cannot_be_set(address):
    performer = quartet()
    for said in (address, f"/raw{address}"):
        (p,) = play(performer, [1.0], [event(0.5, said, 1.0), event(0.6, said, 2.0)])
        assert playing(performer, p) == (1, 0, 0)
    with pytest.raises(InstrumentError, match="cannot be set"):
        quartet(values={address: 1.0})
    with pytest.raises(InstrumentError, match="cannot be set"):
        quartet(bindings=(Binding("/knob/1", address),))
    for said in (address, f"/raw{address}"):
        with pytest.raises(InstrumentError, match="cannot be set"):
            quartet(score=Score((Cue(0.0, said, 1.0),)))


@pytest.mark.parametrize("address", ["/model/2/ready", "/model/2/failed", "/model/5/load"])
def test_what_no_binding_may_say(address):
    with pytest.raises(InstrumentError, match=r"allowed are .*/model/2/load"):
        quartet(bindings=(Binding("/key/m", address),))


def test_a_model_that_does_not_exist_is_not_called():
    performer = performer_of()
    said = [ControlEvent(f"/model/{n}/{word}", 1.0, 0.1) for n in (0, 2, 9, "x") for word in
            ("load", "join", "ready", "failed")]  # fmt: skip
    (p,) = play(performer, [1.0], said)
    assert p.models == Models()
