"""The loop keeps its promises whatever the parts around it do."""

import gc
import sys

import numpy as np
import pytest
from stage_parts import (
    FakeDecks,
    FakeDecoder,
    FakePresenter,
    FakeSurface,
    SlowClock,
    programme,
    tape_into,
)

from instrument.event import ControlEvent
from instrument.live.loop import Loop, Show
from instrument.live.projection import Screen
from instrument.take.reader import read_take
from instrument.take.replay import verify


@pytest.fixture
def stage(tmp_path):
    """``stage(events, ...)`` plays a show on fakes and hands everything back."""

    plays = iter(range(9))

    def play(events=(), *, seconds=1.0, record=True, clock=None, decoder=None, surface=None,
             script=(), before=None):  # fmt: skip
        made = programme()
        clock = clock or SlowClock()
        surface = surface or FakeSurface(clock)
        surface.events = list(events)
        decoder, presenter = decoder or FakeDecoder(), FakePresenter()
        tape = tape_into(tmp_path / str(next(plays)), made)
        screen = Screen(surface, presenter, FakeDecks(clock, decoder))
        show = Show(
            made.performer, made.rate, clock, tape,
            script=script, screen=screen, seconds=seconds, record=record,
        )  # fmt: skip
        loop = Loop(show)
        if before:
            before(loop)
        loop.run()
        return loop, presenter, decoder, tape

    return play


def occupy(folder):
    """Something lies where the take was to go."""
    folder.mkdir(parents=True)
    (folder / "shopping.txt").write_text("milk")


def takes(tape):
    return [read_take(summary.folder) for summary in tape.summaries]


def test_a_second_has_as_many_rows_as_the_rate_says(stage):
    loop, _, decoder, tape = stage(seconds=2.0)
    assert len(takes(tape)[0]) == 120
    assert loop.meters.ticks == 120
    assert [index for index, _, _ in decoder.posted] == list(range(120))


def test_what_hands_do_moves_z_and_is_replayed_exactly(stage):
    hands = [ControlEvent("/key/4", 1.0, 0.2503), ControlEvent("/mouse/x", 0.9, 0.61)]
    _, _, _, tape = stage(hands, seconds=1.5)
    (take,) = takes(tape)
    assert [(e.address, e.time) for e in take.events] == [("/key/4", 0.2503), ("/mouse/x", 0.61)]
    assert verify(take, "take").largest == 0.0
    still, _, _, _ = stage(seconds=1.5, record=False)
    assert not np.array_equal(take.z[-1], still.z)


def test_a_slow_screen_drops_pictures_and_never_a_row(stage):
    clock = SlowClock()
    surface = FakeSurface(clock, swap_costs=0.05)  # three periods of 60 a second
    hands = [ControlEvent("/key/3", 1.0, 0.333)]
    _, _, _, tape = stage(hands, seconds=2.0, clock=clock, surface=surface)
    (take,) = takes(tape)
    assert len(take) == 120
    assert surface.swaps < 60
    assert verify(take, "take").largest == 0.0
    _, _, _, other = stage(hands, seconds=2.0)
    assert np.array_equal(take.z, takes(other)[0].z), "the record depends on the screen"


def test_an_event_that_comes_late_is_played_late_and_recorded_as_played(stage):
    class LateSurface(FakeSurface):
        def poll(self):
            due = super().poll()
            # A thread slept: the event of .1 s arrives at .5 s.
            return [e for e in due if e.address != "/key/2"] + self.release()

        def release(self):
            if self.clock.now() < 0.5 or not self.held:
                return []
            held, self.held = self.held, []
            return held

    clock = SlowClock()
    surface = LateSurface(clock)
    surface.held = [ControlEvent("/key/2", 1.0, 0.1)]
    _, _, _, tape = stage(seconds=1.0, clock=clock, surface=surface)
    (take,) = takes(tape)
    (event,) = take.events
    assert 0.48 < event.time < 0.5
    assert verify(take, "take").largest == 0.0


def test_one_failure_holds_the_picture_and_is_said_once(stage, caplog):
    decoder = FakeDecoder()
    decoder.fails_at = set(range(20, 40))
    _, presenter, _, tape = stage(seconds=1.0, decoder=decoder)
    (take,) = takes(tape)
    assert len(take) == 60 and verify(take, "take").largest == 0.0
    assert len([r for r in caplog.records if "burst" in r.getMessage()]) == 1
    assert any(hud and hud.message and "burst" in hud.message for hud in presenter.huds)
    assert len(presenter.uploads) == 40


def test_a_row_whose_z_fails_is_held_and_never_left_out(stage):
    def trip(loop):
        z, calls = loop._performer.z, iter(range(1000))

        def sometimes(performance):
            if next(calls) == 20:
                raise RuntimeError("no z today")
            return z(performance)

        loop._performer.z = sometimes

    hands = [ControlEvent("/key/3", 1.0, 0.1)]
    _, _, _, tape = stage(hands, seconds=1.0, before=trip)
    (take,) = takes(tape)
    assert len(take) == 60
    assert np.array_equal(take.z[20], take.z[19]) and not np.array_equal(take.z[21], take.z[20])
    _, _, _, other = stage(hands, seconds=1.0)
    assert np.array_equal(take.z[21:], takes(other)[0].z[21:]), "the rows after it moved up"


def test_freeze_holds_the_picture_and_nothing_else(stage):
    hands = [ControlEvent("/key/space", 1.0, 0.5), ControlEvent("/key/2", 1.0, 0.6)]
    _, presenter, _, tape = stage(hands, seconds=1.5)
    assert len(presenter.uploads) == 30  # rows 0..29, before the freeze at .5 s
    (take,) = takes(tape)
    assert not np.array_equal(take.z[-1], take.z[36]), "z goes on under a frozen picture"


def test_blackout_fades_within_a_fifth_of_a_second(stage):
    _, presenter, _, _ = stage([ControlEvent("/key/b", 1.0, 0.5)], seconds=1.5)
    levels = [look.level for look in presenter.looks]
    assert levels[29] == 1.0 and 0.02 < levels[35] < 0.98 and levels[44] < 0.06
    assert levels[-1] < 0.001


def test_r_starts_and_ends_takes_that_replay_exactly(stage):
    hands = [
        ControlEvent("/key/2", 1.0, 0.2),
        ControlEvent("/key/r", 1.0, 0.51), ControlEvent("/key/r", 0.0, 0.55),
        ControlEvent("/key/5", 1.0, 0.8),
        ControlEvent("/key/r", 1.0, 1.2), ControlEvent("/key/r", 0.0, 1.25),
        ControlEvent("/mouse/y", 0.1, 1.4),
        ControlEvent("/take/record", 1.0, 1.5),
    ]  # fmt: skip
    _, presenter, _, tape = stage(hands, seconds=2.0, record=False)
    first, second = sorted(takes(tape), key=lambda take: take.path)
    assert len(first) == pytest.approx(42, abs=1) and len(second) == 30
    for take in (first, second):
        assert verify(take, "take").largest == 0.0
    assert "/key/5" in {event.address for event in first.events}
    assert first.events[0].time < 0.4, "time 0 is where the take began"
    lamp = [bool(hud and hud.recording) for hud in presenter.huds]
    assert not lamp[20] and lamp[40] and not lamp[80] and lamp[-1]


def test_recording_leaves_the_path_as_it_was(stage):
    hands = [ControlEvent("/key/2", 1.0, 0.2), ControlEvent("/mouse/wheel", 5.0, 0.3)]
    silent, _, _, _ = stage(hands, seconds=1.0, record=False)
    start = ControlEvent("/take/record", 1.0, 0.5)
    taped, _, _, _ = stage([*hands, start], seconds=1.0, record=False)
    np.testing.assert_allclose(taped.z, silent.z, atol=1e-5)


def test_a_script_plays_at_its_own_times(stage):
    script = [ControlEvent("/waypoint/iris/go", 1.0, 0.25)]
    _, _, _, tape = stage(seconds=1.0, script=script)
    (take,) = takes(tape)
    assert take.events == tuple(script)


def test_the_hud_says_where_z_is_going_and_tab_hides_it(stage):
    hands = [ControlEvent("/key/4", 1.0, 0.3), ControlEvent("/key/tab", 1.0, 0.6)]
    _, presenter, _, _ = stage(hands, seconds=1.0)
    assert any("ember" in line for line in presenter.huds[25].lines)
    assert presenter.huds[-1].lines == () and presenter.huds[-1].recording


def test_latency_counts_from_the_event_to_its_swap(stage):
    clock = SlowClock()
    surface = FakeSurface(clock, swap_costs=0.004)
    loop, _, _, _ = stage([ControlEvent("/key/4", 1.0, 0.493)], clock=clock, surface=surface)
    assert loop.meters.latency.count == 1
    assert loop.meters.last_latency() == pytest.approx(0.5 + 0.004 - 0.493, abs=1e-6)


def test_closing_the_window_ends_the_show_and_keeps_the_take(stage):
    clock = SlowClock()
    surface = FakeSurface(clock, closes_after=30)
    _, _, _, tape = stage(seconds=None, clock=clock, surface=surface)
    assert len(takes(tape)[0]) == 30


def test_the_interpreter_is_as_it_was_afterwards(stage):
    interval = sys.getswitchinterval()
    stage(seconds=0.2)
    assert gc.isenabled() and sys.getswitchinterval() == interval
    assert gc.get_freeze_count() == 0


def test_a_machine_that_slept_goes_on_where_it_was(stage):
    class Sleepy(SlowClock):
        slept = False

        def wait_until(self, seconds: float) -> None:
            super().wait_until(seconds)
            if seconds > 0.5 and not self.slept:
                self.slept = True
                self.spend(3600.0)

    loop, _, _, tape = stage(seconds=1.0, clock=Sleepy())
    (take,) = takes(tape)
    assert len(take) == 60 and verify(take, "take").largest == 0.0
    assert loop.meters.ticks == 60


def test_without_a_disk_there_is_no_show_that_counts_on_a_take(stage, tmp_path):
    occupy(tmp_path / "0" / "one.take")
    loop, _, _, tape = stage(seconds=1.0)
    assert loop.meters.ticks == 0 and "one.take" in tape.refused


def test_without_a_disk_the_show_goes_on_when_r_is_pressed(stage, tmp_path):
    occupy(tmp_path / "0" / "one.take")
    hands = [ControlEvent("/key/r", 1.0, 0.2)]
    loop, presenter, _, tape = stage(hands, seconds=1.0, record=False)
    assert loop.meters.ticks == 60 and tape.summaries == []
    assert any(hud and hud.message and "no take" in hud.message for hud in presenter.huds)
