"""Pictures that stay on a card, as the show meets them: refused, not looked at, remembered."""

import types

import numpy as np
from stage_parts import FakeDecks, FakeDecoder, FakePresenter, FakeSurface, SlowClock, programme

from instrument.cli import on_screen
from instrument.cuda import CardPicture
from instrument.decoder import choices
from instrument.event import ControlEvent
from instrument.frame import Frame
from instrument.live.loop import Loop, Show
from instrument.live.pacer import Pacer, Row
from instrument.live.projection import Screen
from instrument.live.tape import Tape


class Refusing(FakePresenter):
    """Takes the first five pictures and no other; says which rows came."""

    def upload(self, pixels, layer=0):
        return super().upload(pixels, layer) if len(self.uploads) < 5 else False


def play(presenter, carriage=None, events=(), decoder=None, seconds=0.5):
    made, clock = programme(), SlowClock()
    surface = FakeSurface(clock, list(events))
    screen = Screen(
        surface, presenter, FakeDecks(clock, decoder or FakeDecoder()), carriage=carriage
    )
    show = Show(
        made.performer, made.rate, clock, Tape(lambda began: None), screen=screen, seconds=seconds
    )
    loop = Loop(show)
    loop.run()
    return loop, surface


def test_a_picture_that_is_refused_is_not_shown_and_the_show_goes_on():
    loop, surface = play(Refusing())
    assert loop.meters.ticks == 30 and surface.swaps == 30
    assert loop.meters.shown == 5
    everything, _ = play(FakePresenter())
    assert everything.meters.shown == 30


def test_while_the_pacer_looks_no_picture_is_to_stay_on_the_card():
    seen = []

    class Watched(FakePresenter):
        def draw(self, *given, **named):
            super().draw(*given, **named)
            seen.append(carriage.looked_at)

    carriage = types.SimpleNamespace(looked_at=None)
    hands = [ControlEvent("/pace/even", 1.0, 0.1), ControlEvent("/pace/even", 0.0, 0.3)]
    play(Watched(), carriage, hands)
    assert seen[0] is False and seen[-1] is False and True in seen
    changes = [index for index in range(1, 30) if seen[index] != seen[index - 1]]
    assert changes == [6, 18]


def test_the_pacer_does_not_look_at_what_the_host_has_not():
    pacer, along = Pacer(), np.ones(4, np.float32)
    frame = Frame(0, CardPicture(None, 0))
    assert frame.on_host is None
    for index in range(200):
        z = np.float32(index / 60.0) * along
        frame = Frame(index, CardPicture(None, index % 3))
        row = Row(index, index / 60.0, z, np.float64(z), 1.0, 1.0, 1.0)
        assert pacer.follow(row, frame) is None


def test_what_was_found_is_kept_where_decoders_keep_it(tmp_path, monkeypatch):
    monkeypatch.setattr(choices, "cache_folder", lambda: tmp_path / "own" / "models")
    key = "ab" * 16
    first = on_screen.carriage()
    assert first._recall(key) is None
    first._remember(key, "buffers")
    assert on_screen.carriage()._recall(key) == "buffers"
    assert choices.recall(key).form == "buffers"
