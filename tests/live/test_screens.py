"""What a stage shows and when, on a test clock: slow, dead and hanging decoders, all screens.

The loop is the real one. What is shown is read from what was drawn when a swap returned.
"""

import itertools
from dataclasses import dataclass, field

import pytest
from screen_parts import Drawing, Lasting, Refreshing
from stage_parts import FakeDecks, SlowClock, programme, tape_into

from instrument.event import ControlEvent
from instrument.live.loop import Loop, Show
from instrument.live.projection import Screen
from instrument.take.reader import read_take
from instrument.take.replay import verify

P = 1.0 / 60.0


@dataclass
class Seen:
    """Pictures by when they came on the screen, and how old their z was then."""

    loop: Loop
    decoder: Lasting
    surface: Refreshing
    came: list[tuple[float, int, float]] = field(default_factory=list)  # when, row, age

    def after(self, begin, end=1e9):
        return [one for one in self.came if begin < one[0] < end]

    def holds(self, begin, end=1e9):
        return [b[0] - a[0] for a, b in itertools.pairwise(self.after(begin, end))]


class Fading(Refreshing):
    """A window to which something happens at some second; `happens` is called every poll."""

    happens = staticmethod(lambda surface, now: None)

    def poll(self):
        self.happens(self, self.clock.now())
        return super().poll()


class Troubled(Lasting):
    """A decoder that dies or hangs from `at` on, and is back `back` seconds later."""

    def __init__(self, clock, seconds, at, back, word) -> None:
        super().__init__(clock, seconds)
        self.at, self.back, self.word = at, back, word

    @property
    def _gone(self) -> bool:
        return self.at <= self.clock.now() < self.at + self.back

    @property
    def state(self):
        return "restarting" if self._gone and self.word == "dies" else "ready"

    def _ask(self, now) -> None:
        if not self._gone:
            super()._ask(now)

    def newest(self, after, timeout):
        if not self._gone:
            self._ask(self.clock.now())
            return super().newest(after, timeout)
        self._busy = None  # what it was painting is lost
        self.clock.spend(timeout)
        return None


@pytest.fixture
def play(tmp_path):
    """``play(decode=…)`` plays some seconds and hands back what was `Seen`."""
    numbers = itertools.count()

    def play(*, decode=0.005, jitter=0.0, refresh=60.0, first=0.004, work=0.0005, locked=True,
             waits=True, seconds=8.0, decoder=None, happens=None, record=False,
             events=()):  # fmt: skip
        made, clock = programme(), SlowClock()
        surface = Fading(clock, list(events), refresh=refresh, first=first, work=work,
                         locked=locked, waits_for_refresh=waits)  # fmt: skip
        if happens:
            surface.happens = happens
        decoder = decoder(clock) if decoder else Lasting(clock, decode, jitter)
        presenter = Drawing(clock)
        where = tmp_path / str(next(numbers))
        where.mkdir()
        show = Show(
            made.performer, made.rate, clock, tape_into(where, made), seconds=seconds,
            screen=Screen(surface, presenter, FakeDecks(clock, decoder)), record=record,
        )  # fmt: skip
        loop = Loop(show)
        loop.run()
        seen, last = Seen(loop, decoder, surface), -1
        asked = {}
        for index, _, when in decoder.posted:
            asked.setdefault(index % 256, []).append((when, index))
        for then, mark in zip(surface.returned, presenter.drawn, strict=True):
            if mark >= 0:
                when, index = max(one for one in asked[mark] if one[0] <= then)
                if index != last:
                    assert index > last, "a picture went back"
                    seen.came.append((then, index, then - when))
                    last = index
        return seen

    return play


# --- a decoder that is slower than the screen


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("decode", [0.020, 0.035, 0.1])
def test_slow_pictures_are_evenly_paced(play, decode, waits):
    seen = play(decode=decode, waits=waits, locked=waits, seconds=12.0)
    holds = seen.holds(4.0)
    assert max(holds) - min(holds) < 1.01 * P, "more uneven than a screen must be"
    assert len(holds) >= 0.99 * 8.0 / decode - 2, "the decoder was not kept busy"
    assert seen.loop.meters.on_time > 0.98


@pytest.mark.parametrize("decode", [0.020, 0.035])
def test_slow_pictures_are_of_the_newest_row_there_was(play, decode):
    """A row old when decoding begins, at most; then decoded, and shown at the next tick."""
    seen = play(decode=decode, seconds=10.0)
    assert max(age for _, _, age in seen.after(4.0)) <= P + decode + P + 0.002


def test_every_row_is_asked_for_and_the_last_one_is_shown(play):
    seen = play(decode=0.035, seconds=2.0)
    assert [index for index, _, _ in seen.decoder.posted] == list(range(120))
    assert seen.came[-1][1] >= 115


def test_a_decoder_of_nearly_a_period_is_shown_at_every_refresh(play):
    seen = play(decode=0.0125, jitter=0.003, seconds=12.0)
    assert max(seen.holds(6.0)) < 1.01 * P
    assert max(age for _, _, age in seen.after(6.0)) < 2.2 * P


def test_a_decoder_that_often_comes_too_late_is_a_tick_behind_and_smooth(play):
    """4 to 21 ms, where a tick can wait for 14: each picture is shown by the next tick."""
    seen = play(decode=0.004, jitter=0.017, seconds=20.0)
    holds = seen.holds(14.0)
    assert sum(hold > 1.5 * P for hold in holds) < 0.25 * len(holds)
    assert seen.loop.meters.on_time > 0.5


# --- a decoder in trouble


@pytest.mark.parametrize("word", ["dies", "hangs"])
@pytest.mark.parametrize("waits", [True, False])
def test_ticks_go_on_while_a_decoder_is_gone(play, word, waits):
    seen = play(
        decoder=lambda clock: Troubled(clock, 0.005, 4.0, 2.0, word), seconds=12.0, waits=waits,
        locked=waits, record=True,
    )  # fmt: skip
    assert len(seen.surface.returned) > 0.95 * 720, "the screen was left alone"
    assert not seen.after(4.05, 6.0)
    back = seen.after(6.0)
    assert back[0][0] < 6.0 + 4.0 * P
    assert max(age for _, _, age in back[-60:]) < 0.005 + 1.2 * P
    (summary,) = seen.loop._show.tape.summaries
    take = read_take(summary.folder)
    assert len(take) == 720 and verify(take, "take").largest == 0.0


def test_once_it_is_back_from_a_hang_its_pictures_are_waited_for_again(play):
    seen = play(decoder=lambda clock: Troubled(clock, 0.005, 6.0, 2.0, "hangs"), seconds=22.0)
    assert max(age for _, _, age in seen.after(20.0)) < 0.005 + 0.004


def test_a_slow_model_after_a_quick_one_is_as_even_as_ever(play):
    class Slower(Lasting):
        """5 ms a picture, and 35 from second 5 on."""

        def _go_on(self, now):
            if now >= 5.0:
                self.seconds = self.decode_seconds = 0.035
            super()._go_on(now)

    seen = play(decoder=lambda clock: Slower(clock, 0.005), seconds=14.0)
    assert max(age for _, _, age in seen.after(3.0, 5.0)) < 0.005 + 0.004
    holds = seen.holds(6.0)
    assert max(holds) - min(holds) < 1.01 * P
    assert max(age for _, _, age in seen.after(6.0)) <= 2.0 * P + 0.035 + 0.02


# --- screens


@pytest.mark.parametrize(("refresh", "oldest"), [
    # Two rows may fall between two refreshes, and then a picture waits for its own.
    (50.0, 0.0201), (59.94, 0.0168), (60.0, 0.006), (75.0, 0.0175), (120.0, 0.006),
    (144.0, 0.0125),
])  # fmt: skip
def test_on_any_screen_z_is_no_older_than_it_must_be(play, refresh, oldest):
    """On a screen of another rate no phase is the right one; it was 40, 33, 33, 17, 12, 12 ms."""
    seen = play(refresh=refresh, seconds=12.0)
    ages = [age for _, _, age in seen.after(6.0)]
    assert max(ages) <= oldest
    assert len(ages) > 0.98 * 6.0 * min(refresh, 60.0)
    assert seen.loop.meters.ticks == 720


@pytest.mark.parametrize("work", [0.0003, 0.004])
def test_without_vsync_every_tick_shows_its_own_picture(play, work):
    for waits in (False, True):  # the driver may be told by somebody else not to wait
        seen = play(locked=False, waits=waits, work=work, seconds=12.0)
        assert max(age for _, _, age in seen.after(6.0)) <= 0.005 + 0.0003 + work + 1e-6
        assert max(seen.holds(6.0)) < 1.06 * P


def test_a_screen_nobody_waits_for_moves_no_tick(play):
    seen = play(locked=False, waits=False, seconds=6.0)
    assert seen.loop._origin == 0.0


def test_a_driver_that_does_not_wait_is_found_out_and_left_alone(play):
    """Ticks were tried earlier and later; then the clock of the performance stands still."""
    seen = play(locked=False, waits=True, work=0.004, seconds=30.0)
    assert seen.loop._projection._alignment.is_screen is False
    assert abs(seen.loop._origin) < P


def minimised(surface, now) -> None:
    away = 4.0 <= now < 6.0
    surface.framebuffer_size = (0, 0) if away else (64, 64)
    surface.locked = not away


def test_a_window_that_was_minimised_is_in_step_again(play):
    """Meanwhile swaps return at once: that says nothing of the screen."""
    seen = play(happens=minimised, seconds=14.0)
    assert max(age for _, _, age in seen.after(10.0)) <= 0.005 + 0.002
    assert seen.loop._projection._alignment.is_screen is not False
    assert seen.loop.meters.ticks == 840


def covered(surface, now) -> None:
    """A compositor that shows a covered window once a second; after three the window gives up."""
    away = 4.0 <= now < 8.0
    surface.refresh = 1.0 if away and surface.waits_for_refresh else 60.0
    slow = [b - a for a, b in itertools.pairwise(surface.returned[-4:])]
    if away and len(slow) == 3 and min(slow) > 0.1:
        surface.waits_for_refresh = surface.locked = False
    if now >= 8.0:
        surface.waits_for_refresh = surface.locked = True


def test_a_covered_window_costs_pictures_and_no_row(play):
    seen = play(happens=covered, seconds=16.0, record=True)
    (summary,) = seen.loop._show.tape.summaries
    take = read_take(summary.folder)
    assert len(take) == 960 and verify(take, "take").largest == 0.0
    assert max(age for _, _, age in seen.after(13.0)) <= 0.005 + 0.002


def other_output(surface, now) -> None:
    """From second 5 on it is on another output, whose refreshes lie elsewhere."""
    if now >= 5.0:
        surface.first, surface.framebuffer_size = 0.0113, (128, 64)


def test_on_another_output_ticks_fall_in_step_with_that(play):
    seen = play(happens=other_output, seconds=14.0)
    assert max(age for _, _, age in seen.after(3.5, 5.0)) <= 0.005 + 0.002
    assert max(age for _, _, age in seen.after(10.0)) <= 0.005 + 0.002


def test_a_hand_waits_a_decode_and_a_refresh_and_no_more(play):
    """From the event's own time to the swap that shows it: the law of the whole path."""
    hands = [ControlEvent("/noise/strength", k % 2, 5.0 + 0.0437 * k) for k in range(150)]
    for locked in (True, False):
        seen = play(locked=locked, waits=locked, events=hands, seconds=12.0)
        latency = seen.loop.meters.latency
        assert latency.count > 140
        assert latency.percentile(99) <= 0.005 + P + 0.002
        late = [age for _, _, age in seen.after(5.0)]
        assert max(late) - min(late) < 0.003, "jitter from z on"
