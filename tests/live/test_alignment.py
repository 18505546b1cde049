"""Ticks fall in step with a screen, wherever its refreshes lie, and what is shown is the newest."""

import itertools

import pytest
from screen_parts import Drawing, Lasting, Refreshing
from stage_parts import FakeDecks, SlowClock, programme, tape_into

from instrument.event import ControlEvent
from instrument.live.alignment import Alignment, Shown
from instrument.live.loop import Loop, Show
from instrument.live.projection import Screen

P = 1.0 / 60.0


@pytest.fixture
def seen(tmp_path):
    """``seen(...)`` plays a few seconds and says, for each swap, how old what it showed is."""

    def play(*, first, decode, jitter=0.0, refresh=60.0, work=0.0005, locked=True, seconds=8.0,
             events=()):  # fmt: skip
        made, clock = programme(), SlowClock()
        surface = Refreshing(clock, list(events), refresh=refresh, first=first, work=work,
                             locked=locked)  # fmt: skip
        decoder, presenter = Lasting(clock, decode, jitter), Drawing(clock)
        screen = Screen(surface, presenter, FakeDecks(clock, decoder))
        tape = tape_into(tmp_path, made)
        show = Show(made.performer, made.rate, clock, tape, screen=screen, seconds=seconds)
        loop = Loop(show)
        loop.run()
        asked = {index % 256: [] for index, _, _ in decoder.posted}
        for index, _, when in decoder.posted:
            asked[index % 256].append(when)
        pairs = zip(surface.returned, presenter.drawn, strict=True)
        ages = [
            (then, then - max(when for when in asked[mark] if when <= then))
            for then, mark in pairs if mark >= 0
        ]  # fmt: skip
        return ages, loop, decoder

    return play


def late(ages, begin):
    return [age for then, age in ages if then > begin]


@pytest.mark.parametrize("first", [0.0, 0.003, 0.0055, 0.0062, 0.009, 0.0125, 0.016])
@pytest.mark.parametrize("decode", [0.001, 0.005, 0.012])
def test_wherever_refreshes_lie_z_is_as_young_as_can_be(seen, first, decode) -> None:
    ages, loop, _ = seen(first=first, decode=decode)
    assert max(late(ages, 3.0)) <= decode + 0.004
    assert max(late(ages, 6.0)) <= decode + 0.002
    gaps = [b - a for (a, _), (b, _) in itertools.pairwise(ages) if a > 3.0]
    assert max(gaps) < 1.01 * P  # and no refresh is without its picture
    assert loop.meters.on_time > 0.8  # of all of it, the beginning included


def test_before_it_is_aligned_a_picture_is_older(seen) -> None:
    """The law above can fail: a screen whose refreshes lie anywhere shows older pictures."""
    ages, _, _ = seen(first=0.003, decode=0.005, seconds=0.3)
    assert max(late(ages, 0.1)) > 0.012


def test_a_decoder_that_is_not_regular_misses_hardly_a_refresh(seen) -> None:
    ages, _, _ = seen(first=0.006, decode=0.005, jitter=0.003, seconds=12.0)
    settled = sorted(late(ages, 6.0))
    assert settled[int(0.98 * len(settled))] <= 0.005 + 0.003 + 0.003


def test_what_a_swap_itself_has_to_do_is_left_room_for(seen) -> None:
    ages, _, _ = seen(first=0.006, decode=0.005, work=0.003, seconds=12.0)
    settled = late(ages, 8.0)
    assert max(settled) <= 0.005 + 0.003 + 0.004
    gaps = [b - a for (a, _), (b, _) in itertools.pairwise(ages) if a > 8.0]
    assert sum(gap > 1.5 * P for gap in gaps) <= 2


def test_a_model_that_takes_longer_than_a_refresh_is_shown_as_soon_as_it_can(seen) -> None:
    ages, loop, _ = seen(first=0.004, decode=0.040)
    assert max(late(ages, 3.0)) < 0.040 + 0.040 + 2.5 * P
    assert loop.meters.on_time > 0.9


@pytest.mark.parametrize("refresh", [59.94, 50.0, 75.0, 144.0])
def test_a_screen_of_another_rate_is_no_worse_than_before(seen, refresh) -> None:
    ages, _loop, _decoder = seen(first=0.004, decode=0.005, refresh=refresh)
    settled = sorted(late(ages, 3.0))
    assert settled[len(settled) // 2] < 0.005 + 1.5 / refresh + 0.002
    assert settled[-1] < 0.005 + 2.5 / min(refresh, 60.0)
    assert len(settled) > 0.8 * min(refresh, 60.0) * 5.0


def test_a_swap_that_waits_for_no_screen_is_found_out(seen) -> None:
    ages, loop, _ = seen(first=0.0, decode=0.005, work=0.004, locked=False)
    assert loop._projection._alignment.is_screen is False
    assert max(late(ages, 3.0)) <= 0.005 + 0.0003 + 0.004 + 1e-6


def test_z_is_sampled_at_the_latest_time_there_is(seen) -> None:
    """What a hand does until the very moment a row is due is in the picture of that row."""
    events = [ControlEvent("/noise/strength", k % 2, 4.0 + 0.0137 * k) for k in range(50)]
    _, loop, decoder = seen(first=0.008, decode=0.005, events=events)
    origin = loop._origin
    rows = {index: when for index, _, when in decoder.posted}
    # A row is asked for at the moment it is due, nothing comes between.
    due = [when - origin - index * P for index, when in rows.items() if when > 3.0]
    assert max(due) - min(due) < 1e-3 and abs(max(due)) < 1e-3
    assert loop.meters.latency.percentile(99) <= P + 0.005 + 0.003


# The alignment by itself.


def told(alignment, phase: float, work: float, ticks: int, drift=0.0, longer=None) -> list:
    """What it says of `ticks` ticks before a screen whose refreshes lie `phase` after them.

    `longer` are ticks that take so much more.
    """
    origin, said = 0.0, []
    for tick in range(ticks):
        due = origin + tick * P
        took = work + (longer or {}).get(tick, 0.0)
        ready = due + took
        gone = (ready - phase) / (P + drift)
        swapped = phase + (P + drift) * -(-gone // 1)
        step = alignment.swapped(Shown(due, due, took, swapped))
        origin += step
        said.append(step)
    return said


def test_steps_are_small_once_a_show_has_begun() -> None:
    alignment = Alignment(P)
    told(alignment, 0.008, 0.005, 400)
    assert alignment.is_screen and alignment.aligned
    later = told(alignment, 0.012, 0.005, 200)  # the screen was changed under it
    assert any(later) and max(map(abs, later)) <= 0.001 * P + 1e-12


def test_a_screen_that_runs_away_slowly_is_followed() -> None:
    alignment = Alignment(P)
    said = told(alignment, 0.008, 0.005, 6000, drift=5e-5 * P)
    assert alignment.aligned
    assert sum(said[3000:]) == pytest.approx(3000 * 5e-5 * P, abs=6e-4)


def test_time_that_a_show_is_moved_by_is_bounded() -> None:
    for phase in (0.0, 0.002, 0.006, 0.01, 0.016):
        assert abs(sum(told(Alignment(P), phase, 0.005, 2000))) <= P


@pytest.mark.parametrize("held_up", [1, 3, 6])
def test_a_machine_that_is_held_up_for_a_moment_does_not_make_all_pictures_wait(held_up) -> None:
    alignment = Alignment(P)
    ticks = {1000 + tick: 0.012 for tick in range(held_up)}
    said = told(alignment, 0.008, 0.005, 1500, longer=ticks)
    assert alignment.aligned
    assert max(abs(sum(said[900:end])) for end in range(900, 1500)) < 0.0015


def test_what_takes_longer_every_now_and_then_is_allowed_for() -> None:
    often = {tick: 0.002 for tick in range(0, 3000, 40)}
    alignment, usual = Alignment(P), Alignment(P)
    moved = sum(told(usual, 0.008, 0.005, 3000)) - sum(
        told(alignment, 0.008, 0.005, 3000, longer=often)
    )
    assert alignment.aligned
    assert moved == pytest.approx(0.002, abs=0.0007)  # so much earlier do all ticks begin


@pytest.mark.parametrize(("when", "counted"), [(0.01, False), (1.5, True)])
def test_before_there_is_light_nobody_waits_for_it(seen, when, counted) -> None:
    """Else the display said for minutes how long the model took to load."""
    events = [ControlEvent("/noise/strength", 0.5, when)]
    _, loop, _ = seen(first=0.0, decode=0.3, seconds=3.0, events=events)
    assert (loop.meters.last_latency() is not None) == counted
