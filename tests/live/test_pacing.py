"""The pacer on stage: what it says is played and recorded as an event, and replayed without it."""

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

from instrument.frame import Frame
from instrument.live.loop import Loop, Show
from instrument.live.projection import Screen
from instrument.performance.response import EVENED
from instrument.take.reader import read_take
from instrument.take.replay import verify
from instrument.take.sampling import resample
from instrument.timebase import FrameRate

FLIGHTS = [event(0.5 + 1.5 * n, f"/waypoint/{2 + n % 3}/go") for n in range(4)]
EVEN = event(0.1, "/pace/even", 1.0)


class Painter(FakeDecoder):
    """Its pictures are z itself, or always the first of them where it is `stuck`."""

    def __init__(self, stuck: bool = False) -> None:
        super().__init__()
        self.stuck = stuck

    def newest(self, after: int, timeout: float) -> Frame | None:
        frame = super().newest(after, timeout)
        if frame is None:
            return None
        _, z, _ = self.posted[0 if self.stuck else -1]
        level = np.resize((128.0 + 40.0 * z).clip(0, 255), (32, 32, 1)).astype(np.uint8)
        return Frame(frame.index, np.broadcast_to(level, (32, 32, 4)))


@pytest.fixture
def stage(tmp_path):
    """``stage(events, ...)`` plays six seconds and hands back loop, presenter and take."""
    plays = iter(range(9))

    def play(events=(), *, seconds=6.0, script=(), screen=True, decoders=None, several=False):
        folder = tmp_path / str(next(plays))
        folder.mkdir()
        made = programme(folder if several else None)
        clock, presenter = SlowClock(), FakePresenter()
        decoders = decoders or [Painter() for _ in made.models]
        surface = FakeSurface(clock, events=list(events))
        tape = tape_into(folder / "takes", made)
        show = Show(made.performer, made.rate, clock, tape, script=script, seconds=seconds,
                    record=True)  # fmt: skip
        if screen:
            show.screen = Screen(surface, presenter, FakeDecks(clock, *decoders))
        loop = Loop(show)
        loop.run()
        return loop, presenter, read_take(tape.summaries[0].folder)

    return play


def said(take):
    return [(e.time, e.value) for e in take.events if e.address == EVENED]


def rates(take):
    return take.parameters[:, list(take.header.addresses).index("/pace/rate")]


def unevenness(take):
    steps = np.linalg.norm(np.diff(take.z[40:], axis=0), axis=-1)
    return float(np.std(steps) / np.mean(steps))


def test_what_the_pacer_says_is_recorded_and_replayed_exactly(stage):
    loop, presenter, take = stage([EVEN, *FLIGHTS])
    words = said(take)
    assert 5 < len(words) <= 60 and len({value for _, value in words}) > 5
    assert rates(take).min() < 0.8
    verified = verify(take, "take")
    assert (verified.largest, verified.parameters) == (0.0, 0.0)
    sampled = resample(take, FrameRate(120), "take")
    assert sampled.z[::2].tobytes() == take.z.tobytes()
    assert any("pace\tx 0." in line for hud in presenter.huds for line in hud.lines)
    hands = len([e for e in take.events if e.address != EVENED])
    assert loop.meters.latency.count <= hands, "no hand waits for a pacer"


def test_it_evens_the_flight(stage):
    _, _, plain = stage(FLIGHTS)
    _, _, even = stage([EVEN, *FLIGHTS])
    assert unevenness(even) < 0.8 * unevenness(plain)
    assert said(plain) == [] and (rates(plain) == 1.0).all()


def test_switched_off_not_a_bit_changes(stage):
    _, presenter, seen = stage(FLIGHTS)
    _, _, unseen = stage(script=FLIGHTS, screen=False)
    assert seen.z.tobytes() == unseen.z.tobytes()
    assert not any(line.startswith("pace") for hud in presenter.huds for line in hud.lines)


def test_nobody_looks_where_nothing_is_decoded(stage):
    _, _, take = stage(script=[EVEN, *FLIGHTS], screen=False)
    assert said(take) == [] and (rates(take) == 1.0).all()


def test_a_script_that_was_a_take_is_played_as_it_was(stage):
    _, _, take = stage([EVEN, *FLIGHTS])
    _, _, again = stage(script=list(take.events))
    assert said(again) == said(take)
    assert again.z.tobytes() == take.z.tobytes()
    _, _, other = stage(script=[e for e in take.events if e.address != EVENED])
    assert said(other), "a script that leaves it to the pacer is paced"


@pytest.mark.parametrize("stuck", ["freeze", "decoder", "dead", "off"])
def test_it_lets_go(stage, stuck):
    class Ends(Painter):
        def newest(self, after, timeout):
            if stuck == "dead" and len(self.posted) > 60:
                return None
            return super().newest(after, timeout)

    then = {"freeze": [event(1.0, "/display/freeze")], "off": [event(1.0, "/pace/even", 0.0)]}
    events = sorted([EVEN, *FLIGHTS, *then.get(stuck, [])], key=lambda e: e.time)
    _, _, take = stage(events, decoders=[Ends(stuck == "decoder")])
    assert rates(take)[-1] == 1.0
    assert all(time < 2.6 for time, _ in said(take))
    assert bool(said(take)) == (stuck != "decoder")
    assert verify(take, "take").largest == 0.0


def test_it_waits_while_two_models_are_mixed(stage):
    mixed = [event(1.0, "/model/4/join"), event(1.01, "/raw/model/fade", 0.1),
             event(1.2, "/model/mix", 0.5)]  # fmt: skip
    events = sorted([EVEN, *FLIGHTS, *mixed], key=lambda e: e.time)
    _, _, take = stage(events, several=True)
    share = take.parameters[:, list(take.header.addresses).index("/model/share")]
    assert 0.0 < share[-1] < 1.0
    assert said(take) and rates(take)[-1] == 1.0
    assert all(time < 3.0 for time, _ in said(take))
    assert verify(take, "take").largest == 0.0


def test_a_take_that_begins_in_between_goes_on_at_the_rate(stage):
    events = sorted([EVEN, *FLIGHTS, event(2.0, "/take/record", 0.0), event(2.2, "/take/record")],
                    key=lambda e: e.time)  # fmt: skip
    loop, _, first = stage(events)
    second = read_take(loop._show.tape.summaries[1].folder)
    assert rates(first)[0] == 1.0 and said(second)
    assert verify(first, "first").largest == verify(second, "second").largest == 0.0


def test_no_picture_is_kept_beyond_its_tick(stage):
    loop, _, _ = stage([EVEN, *FLIGHTS], seconds=2.0)
    assert loop._projection.arrived is None
