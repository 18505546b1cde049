"""Models change while the loop plays: what is asked, what is seen, what is said and recorded."""

import numpy as np
import pytest
from stage_parts import (
    FakeDecks,
    FakeDecoder,
    FakePresenter,
    FakeSurface,
    SlowClock,
    event,
    programme,
    tape_into,
)

from instrument.event import ControlEvent
from instrument.frame import Frame
from instrument.live.loop import Loop, Show
from instrument.live.projection import Screen
from instrument.take.reader import read_take
from instrument.take.replay import verify

ONE, TWO, THREE = 10, 20, 30  # what the pictures of three models carry
QUICK = ControlEvent("/raw/model/fade", 0.5, 0.0)


class Stage:
    """A show of three models on fakes; `played` is set by `play`."""

    def __init__(self, folder, **decks):
        self.made = programme(folder)
        self.clock = SlowClock()
        self.surface = FakeSurface(self.clock)
        self.presenter = FakePresenter()
        self.decoders = [FakeDecoder(ONE), FakeDecoder(TWO), FakeDecoder(THREE)]
        self.decks = FakeDecks(self.clock, *self.decoders, **decks)
        self.tape = tape_into(folder, self.made)

    def play(self, *events, seconds=2.0, script=()):
        self.surface.events = sorted([QUICK, *events], key=lambda event: event.time)
        self.screen = Screen(self.surface, self.presenter, self.decks)
        show = Show(
            self.made.performer, self.made.rate, self.clock, self.tape,
            script=script, screen=self.screen, seconds=seconds, record=True,
        )  # fmt: skip
        self.loop = Loop(show)
        self.loop.run()
        self.take = read_take(self.tape.summaries[0].folder)
        assert verify(self.take, "take").largest == verify(self.take, "take").parameters == 0.0
        return self

    def column(self, word):
        return self.take.sequence.column(f"/model/{word}")

    def asked(self, number):
        """The rows a model was asked for."""
        return [index for index, _, _ in self.decoders[number - 1].posted]

    def messages(self):
        said = [hud.message for hud in self.presenter.huds]
        return [a for a, b in zip(said, [None, *said], strict=False) if a and a != b]


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def test_a_swap_is_asked_shown_and_recorded_alike(stage):
    stage.play(event(0.5, "/model/2/load"))
    (ready,) = [e for e in stage.take.events if e.address == "/model/2/ready"]
    assert 0.6 <= ready.time <= 0.64, "a tenth of a second after it was wanted"
    first, second, share = (stage.column(word) for word in ("first", "second", "share"))
    begins = round(60 * ready.time)
    assert (second[begins : begins + 30] == 2).all()
    np.testing.assert_allclose(share[begins : begins + 30], np.arange(30) / 30, atol=1e-6)
    assert (first[: begins + 30] == 1).all() and (first[begins + 30 :] == 2).all()
    # Who is seen is asked, and nobody else.
    assert stage.asked(1) == list(range(begins + 30))
    assert stage.asked(2) == list(range(begins + 1, 120))
    # What is seen is what is recorded.
    for row, lit in enumerate(stage.presenter.lit):
        part = {1: 1.0 - share[row], 2: float(share[row])}
        own = {ONE: part[1], TWO: part[2]} if second[row] else {(ONE, TWO)[int(first[row]) - 1]: 1}
        assert lit == pytest.approx({mark: p for mark, p in own.items() if p}, abs=1e-6), row
    assert stage.decks.followed == [(1, 2), (1, 2), (2,)], "at the end the old one goes"


def test_two_at_once_follow_the_crossfader(stage):
    stage.play(
        event(0.1, "/model/2/join"), event(1.0, "/model/mix", 0.25), event(1.2, "/model/mix", 0.0),
        event(1.4, "/model/mix", 1.0), event(1.6, "/model/mix", 0.75), seconds=2.0,
    )  # fmt: skip
    lit = stage.presenter.lit
    assert lit[61] == {ONE: 0.75, TWO: 0.25} and lit[73] == {ONE: 1.0}
    assert lit[85] == {TWO: 1.0} and lit[97] == {ONE: 0.25, TWO: 0.75}
    assert not set(range(72, 84)) & set(stage.asked(2)), "at 0 the second is not decoded"
    assert not set(range(84, 96)) & set(stage.asked(1)), "at 1 the first is not"
    rows = stage.asked(2)
    for row in (60, 96):
        assert row in rows and row in stage.asked(1)
        assert np.array_equal(stage.take.z[row], stage.decoders[1].posted[rows.index(row)][1])


class Tardy(FakeDecoder):
    """Its picture is there two rows after it was asked for."""

    def newest(self, after, timeout):
        if len(self.posted) < 3 or self.posted[-3][0] <= after:
            return None
        return Frame(self.posted[-3][0], np.full((4, 4, 4), self.mark, np.uint8), 0.03)


def test_until_its_picture_is_there_the_other_one_stands_in(stage):
    stage.decoders[1] = stage.decks.decoders[2] = Tardy(TWO)
    stage.play(
        event(0.0, "/model/fade", 0.0), event(0.1, "/model/2/join"), event(0.5, "/model/mix", 0.5),
        event(1.0, "/model/mix", 0.0), event(1.5, "/model/mix", 1.0),
    )  # fmt: skip
    lit = stage.presenter.lit
    assert lit[30] == lit[31] == {ONE: 1.0} and lit[32] == {ONE: 0.5, TWO: 0.5}
    assert lit[59] == {ONE: 0.5, TWO: 0.5} and lit[60] == {ONE: 1.0}
    # Its picture of a second ago is not shown for one of now: the first stays until then.
    assert lit[90] == lit[91] == {ONE: 1.0} and lit[92] == {TWO: 1.0}


class Dying(FakeDecoder):
    """Has nothing new to show from row 40 on, as if it were being started anew."""

    def newest(self, after, timeout):
        return None if self.posted[-1][0] >= 40 else super().newest(after, timeout)


@pytest.mark.parametrize("dies", [1, 2])
def test_the_last_picture_of_a_decoder_that_died_stays_in_the_mix(stage, dies):
    mark = (ONE, TWO)[dies - 1]
    stage.decoders[dies - 1] = stage.decks.decoders[dies] = Dying(mark)
    stage.play(
        event(0.1, "/model/2/join"), event(0.2, "/model/mix", 0.5), event(1.0, "/model/mix", 0.75)
    )
    assert stage.presenter.lit[-1] == {ONE: 0.25, TWO: 0.75}
    late = [int(pixels[0, 0, 0]) for pixels in stage.presenter.uploads[-60:]]
    assert mark not in late, "the other one plays on alone"
    assert stage.loop.meters.longest_hold < 0.02


def test_a_frozen_picture_keeps_its_mix(stage):
    stage.play(
        event(0.1, "/model/2/load"), event(0.3, "/key/space"), event(1.5, "/display/freeze", 0.0)
    )
    lit, share = stage.presenter.lit, stage.column("share")
    assert 0 < share[17] < share[20]
    assert all(lit[row] == lit[17] for row in range(18, 90)), "the fade is over meanwhile"
    assert lit[-1] == {TWO: 1.0}


def test_a_model_that_fails_leaves_the_show_as_it_was(stage, caplog):
    stage.decks.fails = {3: "nowhere: no such folder"}
    stage.play(event(0.3, "/model/3/load"), event(1.0, "/waypoint/3/go"))
    assert (stage.column("first") == 1).all() and (stage.column("second") == 0).all()
    assert stage.messages() == ["recording one.take", "nowhere: no such folder"]
    assert [r.getMessage() for r in caplog.records] == ["nowhere: no such folder"]
    assert stage.decks.followed == [(1, 3), (1,)]
    assert stage.asked(1) == list(range(120))


def test_the_hud_counts_the_seconds_and_names_who_plays(tmp_path):
    stage = Stage(tmp_path, takes=2.2)
    stage.play(event(0.5, "/model/default/load"), seconds=3.5)
    lines = [hud.lines for hud in stage.presenter.huds]
    assert lines[29][-1] == "model\tmodel 1"
    assert lines[40][-1] == "next\tloading model 2 0 s"
    assert lines[130][-1] == "next\tloading model 2 2 s"
    assert lines[180][-1].startswith("model\tmodel 1 ") and ", model 2 " in lines[180][-1]
    assert lines[-1][-1] == "model\tmodel 2"
    assert "model 2: ready" in stage.messages()


def test_one_model_alone_needs_no_line(tmp_path):
    stage = Stage(tmp_path)
    stage.made = programme()
    stage.play(seconds=0.2)
    assert not any(line.startswith("model\t") for line in stage.presenter.huds[-1].lines)


def test_a_third_waits_and_says_so(tmp_path):
    stage = Stage(tmp_path)
    stage.play(
        event(0.0, "/raw/model/fade", 0.8), event(0.1, "/model/2/load"),
        event(0.4, "/model/3/load"), seconds=3.0,
    )  # fmt: skip
    assert stage.decks.followed[1:4] == [(1, 2), (1, 2, 3), (1, 2, 3)]
    assert any(hud.lines[-1] == "next\tmodel 3, ready" for hud in stage.presenter.huds)
    assert stage.presenter.lit[-1] == {THREE: 1.0}
    assert (stage.column("first")[-1], stage.column("second")[-1]) == (3, 0)
    assert all(sum(lit.values()) == pytest.approx(1.0) for lit in stage.presenter.lit[1:])


def test_back_before_the_first_picture_of_the_next(stage):
    """Three cuts faster than anybody decodes: whatever is shown is a picture of somebody."""
    stage.decoders[1] = stage.decks.decoders[2] = Tardy(TWO)
    stage.decoders[2] = stage.decks.decoders[3] = Tardy(THREE)
    stage.decks.takes = 0.0
    stage.play(
        event(0.0, "/model/fade", 0.0), event(0.5, "/model/2/load"), event(0.53, "/model/3/load"),
        event(0.56, "/model/1/load"), event(0.6, "/model/2/load"), seconds=1.0,
    )  # fmt: skip
    lit = stage.presenter.lit
    assert all(sum(parts.values()) == pytest.approx(1.0) for parts in lit)
    assert lit[29] == {ONE: 1.0} and lit[-1] == {TWO: 1.0}


def test_a_take_begun_in_the_middle_of_a_fade_replays_exactly(tmp_path):
    stage = Stage(tmp_path)
    stage.play(
        event(0.1, "/model/2/load"), event(0.35, "/take/record", 0.0),
        event(0.4, "/take/record"), event(0.9, "/model/1/join"),
    )  # fmt: skip
    second = read_take(stage.tape.summaries[1].folder)
    assert verify(second, "take").largest == verify(second, "take").parameters == 0.0
    assert 0.0 < second.sequence.column("/model/share")[0] < 1.0
    assert second.header.models == ()  # the tape of these tests lists none


def test_what_a_script_tells_comes_at_its_own_time(stage):
    script = [event(0.2, "/model/2/load"), event(1.0, "/model/2/ready")]
    stage.play(script=script)
    assert [e for e in stage.take.events if e.address.startswith("/model/2")] == script
    assert stage.column("second")[59] == 0 and stage.column("second")[61] == 2


def test_a_script_that_tells_of_a_model_too_early(tmp_path):
    """The record follows the script; on stage the first stands in for what is not there."""
    stage = Stage(tmp_path, takes=1.0)
    script = [event(0.1, "/model/2/load"), event(0.3, "/model/2/ready")]
    stage.play(script=script)
    assert stage.column("first")[60] == 2
    assert stage.presenter.lit[60] == {ONE: 1.0} and stage.presenter.lit[-1] == {TWO: 1.0}


def test_what_fails_here_fails_whatever_the_script_tells(stage):
    stage.decks.fails = {2: "model 2: broken"}
    script = [event(0.1, "/model/2/load"), event(1.0, "/model/2/ready")]
    stage.play(script=script)
    assert (stage.column("first") == 1).all() and (stage.column("second") == 0).all()
