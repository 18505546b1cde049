"""Pictures into textures by every way: the same to the bit, and no fault of a card is ever seen.

The card is a model of one (`pretended_card`); OpenGL is real.
"""

import numpy as np
import pytest
from pretended_card import Machine, Pretended, paged_slots

from instrument.cuda import CardError, CardPicture, NoCardError, Runtime
from instrument.decoder.exchange import SLOTS
from instrument.decoder.lending import Lender
from instrument.decoder.protocol import OnCard
from instrument.display.card_link import CardLink
from instrument.display.carriage import Carriage
from instrument.display.look import Look
from instrument.display.presenter import Presenter
from instrument.display.trial import FEW, TRIES

SIZE = (96, 128)  # height, width: as the garden


class Lent:
    """A decoder's side: pictures that lie on the card."""

    def __init__(self, machine, size=SIZE):
        self.binding = Pretended(machine)
        self.slots = paged_slots(size)
        self.lender = Lender(Runtime(self.binding), 0, self.slots)
        self.ring = self.lender.lent
        self.next = 0

    def picture(self, pixels):
        pixels = np.ascontiguousarray(pixels)
        self.next = (self.next + 1) % SLOTS
        self.lender.keep(self.next, OnCard(pixels.ctypes.data, 0))
        return CardPicture(self.ring, self.next)


class Stage:
    """A context, a presenter, and its carriage with a link to the card."""

    def __init__(self, offscreen, machine=None, known=None, fails=None, **binding):
        self.surface = offscreen((SIZE[1], SIZE[0]))
        self.machine = machine or Machine()
        self.binding = Pretended(self.machine, ctx=self.surface.ctx, **binding)
        self.binding.fails = fails or {}
        self.memory = {} if known is None else known
        self.carriage = Carriage(
            lambda: CardLink(lambda: Runtime(self.binding)),
            self.memory.get,
            self.memory.__setitem__,
        )
        self.presenter = Presenter(self.surface.ctx, self.carriage)

    def seen(self):
        self.presenter.draw(self.surface.framebuffer, (SIZE[1], SIZE[0]), Look())
        return self.surface.read()

    def settle(self, ring, pixels, lent):
        """Upload as a show does, until it is known which way is best; how many that took."""
        for count in range(200):
            if self.carriage._trial((SIZE[1], SIZE[0]), ring).best:
                return count
            on_card = self.carriage.prefers_card(ring)
            assert self.presenter.upload(lent.picture(pixels) if on_card else pixels)
        raise AssertionError("never settles")


def noise(seed, size=SIZE):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 4), np.uint8)
    pixels[..., 3] = 255
    return pixels


def test_every_way_is_the_same_picture_to_the_bit(offscreen):
    stage = Stage(offscreen)
    lent = Lent(stage.machine)
    texture = stage.surface.ctx.texture((SIZE[1], SIZE[0]), 4)
    carriage = stage.carriage
    for seed in range(5):  # more than there are buffers
        pixels = noise(seed)
        for fill in (
            carriage._fill_plain,
            carriage._fill_through_buffer,
            lambda pixels, texture: carriage._link.write(texture, lent.picture(pixels)),
        ):
            texture.write(bytes(texture.width * texture.height * 4))
            fill(pixels, texture)
            assert texture.read() == pixels.tobytes()
    # What is not one piece of memory, too.
    carriage._fill_through_buffer(noise(1)[::-1], texture)
    assert texture.read() == np.ascontiguousarray(noise(1)[::-1]).tobytes()


def test_no_byte_of_a_picture_that_stays_passes_the_host(offscreen):
    stage = Stage(offscreen)
    lent = Lent(stage.machine)
    before = dict(lent.binding.copied)
    for seed in range(6):
        assert stage.presenter.upload(lent.picture(noise(seed)))
        assert np.array_equal(stage.seen(), noise(seed)[..., :3])
    assert lent.binding.copied["host"] == before["host"]
    assert lent.binding.copied["card"] == before["card"] + 6
    assert stage.binding.copied == {"array": 6}
    # Opened once, registered once for each of the two textures, mapped for each picture.
    assert stage.binding.calls["cudaIpcOpenMemHandle"] == 1
    assert stage.binding.calls["cudaGraphicsGLRegisterImage"] == 2
    assert stage.binding.calls["cudaGraphicsMapResources"] == 6


def test_the_first_pictures_try_all_ways_and_the_choice_is_remembered(offscreen):
    stage = Stage(offscreen)
    lent = Lent(stage.machine)
    count = stage.settle(lent.ring, noise(0), lent)
    assert 3 * FEW <= count <= 3 * TRIES
    ((key, way),) = stage.memory.items()
    assert way in ("plain", "buffers", "card") and len(key) == 32
    again = Stage(offscreen, stage.machine, stage.memory)
    assert again.settle(lent.ring, noise(0), lent) == 0
    assert again.carriage.prefers_card(lent.ring) == (way == "card")
    # Another card, another size: measured anew.
    other = Lent(Machine("0000:02:00.0"))
    assert again.carriage._key((SIZE[1], SIZE[0])) == key
    fresh = Stage(offscreen, other.binding.machine, stage.memory)
    assert fresh.settle(other.ring, noise(0), other) >= 3 * FEW
    assert len(stage.memory) == 2


@pytest.mark.parametrize("fastest", ["plain", "buffers", "card"])
def test_the_fastest_is_what_plays(offscreen, monkeypatch, fastest):
    stage = Stage(offscreen)
    lent = Lent(stage.machine)
    costs = dict.fromkeys(("plain", "buffers", "card"), 0.5) | {fastest: 0.01}
    monkeypatch.setattr(
        stage.carriage,
        "_time",
        lambda trial, way, texture, fill: (fill(), trial.took(way, costs[way])),
    )
    stage.settle(lent.ring, noise(0), lent)
    assert stage.carriage.prefers_card(lent.ring) == (fastest == "card")
    calls = []
    for name in ("_fill_plain", "_fill_through_buffer"):
        monkeypatch.setattr(stage.carriage, name, lambda p, t, n=name: calls.append(n))
    stage.presenter.upload(noise(3))
    if fastest != "card":
        assert calls == [{"plain": "_fill_plain", "buffers": "_fill_through_buffer"}[fastest]]


def test_while_somebody_looks_none_stays(offscreen):
    stage = Stage(offscreen)
    lent = Lent(stage.machine)
    stage.carriage._trial((SIZE[1], SIZE[0]), lent.ring)._known = "card"
    assert stage.carriage.prefers_card(lent.ring)
    stage.carriage.looked_at = True
    assert not stage.carriage.prefers_card(lent.ring)
    stage.carriage.looked_at = False
    assert stage.carriage.prefers_card(lent.ring)


def good_calls(offscreen):
    stage = Stage(offscreen)
    lent = Lent(stage.machine)
    opened = dict(stage.binding.calls)
    for seed in range(3):
        stage.presenter.upload(lent.picture(noise(seed)))
    shown = dict(stage.binding.calls)
    stage.presenter.release()
    return opened, shown, dict(stage.binding.calls)


def test_whatever_call_fails_the_last_picture_stays_and_the_next_one_comes(offscreen, caplog):
    opened, shown, closed = good_calls(offscreen)
    cases = {(name, opened.get(name, 0) + 1) for name in shown if shown[name] > opened.get(name, 0)}
    cases |= {(name, opened.get(name, 0) + 2) for name, _ in cases if shown[name] > 1}
    cases |= {(name, 1) for name in closed}
    assert len(cases) > 15
    for name, time in sorted(cases):
        caplog.clear()
        stage = Stage(offscreen, fails={name: time})
        lent = Lent(stage.machine)
        assert stage.presenter.upload(noise(99))
        last, lost = noise(99), 0
        for seed in range(4):
            if stage.presenter.upload(lent.picture(noise(seed))):
                last = noise(seed)
            else:
                lost += 1
                assert not stage.carriage.prefers_card(lent.ring)
            assert np.array_equal(stage.seen(), last[..., :3]), (name, time)
        assert stage.presenter.upload(noise(7))
        assert np.array_equal(stage.seen(), noise(7)[..., :3])
        lines = [record.getMessage() for record in caplog.records]
        assert len(lines) <= 1 and all(name in line for line in lines)
        assert bool(lines) == bool(lost), (name, time, lines)
        stage.presenter.release()
        undoing = ("Unregister", "Unmap", "Close", "Destroy")
        if not any(word in name for word in undoing):
            assert not +stage.binding.held, (name, time, stage.binding.held)


@pytest.mark.parametrize(
    ("error", "lines"),
    [(NoCardError("no cuda-bindings"), 0), (CardError("cudaSetDevice: busy"), 1)],
)
def test_a_stage_without_a_card_plays_from_the_host(offscreen, caplog, error, lines):
    def none():
        raise error

    surface = offscreen((SIZE[1], SIZE[0]))
    carriage = Carriage(none)
    presenter = Presenter(surface.ctx, carriage)
    lent = Lent(Machine())
    assert not carriage.prefers_card(lent.ring)
    assert not presenter.upload(lent.picture(noise(0)))
    assert presenter.upload(noise(1))
    presenter.draw(surface.framebuffer, (SIZE[1], SIZE[0]), Look())
    assert np.array_equal(surface.read(), noise(1)[..., :3])
    assert len(caplog.records) == lines


def test_a_window_that_another_card_draws_is_told_so(offscreen, caplog):
    stage = Stage(offscreen, draws=False)
    assert not stage.carriage.prefers_card(Lent(stage.machine).ring)
    assert "a card that does not speak CUDA" in caplog.text
    caplog.clear()
    stage = Stage(offscreen, Machine("0000:01:00.0"))
    stranger = Lent(Machine("0000:65:00.0"))
    assert not stage.presenter.upload(stranger.picture(noise(0)))
    assert not stage.carriage.prefers_card(stranger.ring)
    (record,) = caplog.records
    assert "cudaDeviceGetByPCIBusId" in record.getMessage()


def test_handles_that_are_none_are_refused(offscreen, caplog):
    import dataclasses

    for change in ({"memory": b"x" * 64}, {"memory": b"short"}, {"read": (b"y" * 64,) * SLOTS}):
        caplog.clear()
        stage = Stage(offscreen)
        lent = Lent(stage.machine)
        bad = dataclasses.replace(lent.ring, **change)
        assert not stage.presenter.upload(CardPicture(bad, 0))
        assert len(caplog.records) == 1
        assert not +stage.binding.held


def test_a_model_that_is_gone_is_let_go_once_nobody_shows_it(offscreen):
    stage = Stage(offscreen)
    first, second = Lent(stage.machine), Lent(stage.machine)
    for seed in range(4):
        stage.presenter.upload(first.picture(noise(seed)), 0)
        stage.presenter.upload(second.picture(noise(seed)), 1)
    assert stage.binding.held["opened"] == 2
    third = Lent(stage.machine)  # the first one's process was started anew
    stage.presenter.upload(third.picture(noise(9)), 0)
    assert stage.binding.held["opened"] == 3  # of the two textures one still shows the first
    stage.presenter.upload(third.picture(noise(10)), 0)
    assert stage.binding.held["opened"] == 2
    assert np.array_equal(stage.seen(), noise(10)[..., :3])
    stage.presenter.release()
    assert not +stage.binding.held


def test_pictures_of_another_size_have_textures_of_their_own(offscreen):
    stage = Stage(offscreen)
    large, small = Lent(stage.machine), Lent(stage.machine, (24, 32))
    for _ in range(3):
        assert stage.presenter.upload(large.picture(noise(1)))
        assert np.array_equal(stage.seen(), noise(1)[..., :3])
        assert stage.presenter.upload(small.picture(np.full((24, 32, 4), 90, np.uint8)))
        assert stage.presenter.area((SIZE[1], SIZE[0]), Look()) is not None
        assert (np.abs(stage.seen().astype(int) - 90) <= 1).all()
        assert stage.presenter.upload(noise(2))
        assert np.array_equal(stage.seen(), noise(2)[..., :3])
        assert stage.binding.held["textures"] <= 2  # those that went are forgotten
    stage.presenter.release()
    assert not +stage.binding.held


def test_buffers_change_with_the_size_and_are_given_back(offscreen):
    surface = offscreen((64, 64))
    carriage = Carriage()
    carriage.prepare(surface.ctx)
    for size in ((8, 8), (16, 4), (30, 20), (8, 8)):
        texture = surface.ctx.texture(size, 4)
        pixels = noise(size[0], (size[1], size[0]))
        for _ in range(3):
            carriage._fill_through_buffer(pixels, texture)
            assert texture.read() == pixels.tobytes()
    carriage.release()
    assert carriage._buffers == []
