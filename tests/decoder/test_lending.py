"""A decoder's pictures on their way: the ring, the pinned slots, and every fault there is."""

import io
import logging

import numpy as np
import pytest
import torch
from pretended_card import Machine, Pretended, paged_slots

from instrument.cuda import CardError, NoCardError, Runtime
from instrument.decoder import lending
from instrument.decoder.exchange import (
    SLOTS,
    Exchange,
    Message,
    Picture,
    Request,
    Word,
    create_memory,
    decode_ring,
    encode_ring,
    read_message,
    write_message,
)
from instrument.decoder.graphed import GraphedDecoder
from instrument.decoder.lending import Delivery, open_lender
from instrument.decoder.models import find_model
from instrument.decoder.network import NetworkDecoder, cut_into
from instrument.decoder.protocol import CardDecoder, DecodeError, OnCard
from instrument.decoder.runtime import open_decoder, open_here

SIZE = (16, 24)
DEFAULT = find_model("default")


def colours(count=4):
    return np.array([[value, 0, 0, 0] for value in (0x123456, 1, 0xFFFFFF, 77)[:count]], np.float32)


def stage_of(card, binding, **keys):
    """A decoder that says it is on a card, its slots, and a delivery between them."""
    manifest = card(card=True, **keys)
    decoder = open_decoder(manifest)
    path, memory = create_memory(manifest.spec)
    path.unlink()
    exchange = Exchange(memory, manifest.spec)
    lender = open_lender(decoder, exchange.slots, lambda: Runtime(binding))
    return decoder, exchange, lender, Delivery(decoder, exchange, lender)


def in_ring(binding, ring, slot):
    """What another process finds there."""
    other = Runtime(Pretended(binding.machine))
    memory = other.from_handle("cudaIpcMemHandle_t", ring.memory)
    base = other("cudaIpcOpenMemHandle", memory, 1)
    height, width = ring.size
    whole = other.binding.memory[base][0]
    start = slot * ring.stride
    pixels = np.frombuffer(whole[start : start + 4 * height * width], np.uint8)
    return pixels.reshape(height, width, 4)


def test_pictures_stay_or_go_as_they_are_wanted_and_are_the_same(card):
    binding = Pretended()
    decoder, exchange, lender, delivery = stage_of(card, binding)
    measured = dict(binding.copied)
    for row, z in enumerate(colours()):
        slot = row % SLOTS
        wanted = decoder.decode(z[None], {})[0]
        exchange.slots[slot][:] = 9
        assert delivery.deliver(slot, True, z[None], {}) is True
        kept = in_ring(binding, lender.lent, slot)
        assert np.array_equal(kept[..., :3], wanted) and (kept[..., 3] == 255).all()
        assert (exchange.slots[slot] == 9).all()
        assert binding.copied["host"] == measured["host"] + row  # nothing on the way to the ring
        assert delivery.deliver(slot, False, z[None], {}) is False
        assert np.array_equal(exchange.slots[slot], kept)


def test_what_is_lent_says_all_and_crosses_the_pipe(card):
    binding = Pretended(Machine("0000:0a:00.0"))
    decoder, exchange, lender, _ = stage_of(card, binding)
    ring = lender.lent
    assert (ring.card, ring.size) == ("0000:0a:00.0", SIZE)
    assert ring.stride % 4096 == 0 and ring.stride >= exchange.slots[0].nbytes
    assert len(set(ring.read)) == SLOTS
    assert ring.host_seconds > 0.0 and ring.card_seconds > 0.0
    assert binding.copied == {"host": 9, "card": 9}
    # The slots are pinned as one, from the first to the end of the last.
    ((start, size),) = binding.pinned.items()
    last = exchange.slots[-1].ctypes.data + exchange.slots[-1].nbytes
    assert start == exchange.slots[0].ctypes.data and last <= start + size < last + 4096
    pipe = io.BytesIO()
    write_message(pipe, Message(Word.LENT, text=encode_ring(ring)))
    pipe.seek(0)
    assert decode_ring(read_message(pipe).text, decoder.spec) == ring


@pytest.mark.parametrize("change", ["", "size", "places", "stride", "handle"])
def test_what_is_no_ring_for_these_pictures_is_none(card, change):
    import dataclasses

    decoder, _, lender, _ = stage_of(card, Pretended())
    ring = lender.lent
    wrong = {
        "": "{}",
        "size": encode_ring(dataclasses.replace(ring, size=(16, 25))),
        "places": encode_ring(dataclasses.replace(ring, read=ring.read[1:])),
        "stride": encode_ring(dataclasses.replace(ring, stride=16)),
        "handle": encode_ring(ring).replace('"memory":"', '"memory":"?'),
    }[change]
    with pytest.raises(ValueError):
        decode_ring(wrong, decoder.spec)


def good_calls(card):
    """How often each call is made while opening, and in a show in which nothing fails."""
    binding = Pretended()
    _, _, _, delivery = stage_of(card, binding)
    opened = dict(binding.calls)
    for z in colours():
        delivery.deliver(0, True, z[None], {})
        delivery.deliver(1, False, z[None], {})
    return opened, dict(binding.calls)


def test_whatever_call_fails_at_whatever_time_every_picture_comes(card, caplog):
    opened, shown = good_calls(card)
    cases = [(name, 1) for name in shown]
    cases += [
        (name, opened.get(name, 0) + 1) for name in shown if shown[name] > opened.get(name, 0)
    ]
    cases = sorted(set(cases))
    assert len(cases) > 10
    for name, time in cases:
        caplog.clear()
        binding = Pretended()
        binding.fails[name] = time
        decoder, exchange, lender, delivery = stage_of(card, binding)
        for row, z in enumerate(colours()):
            slot = row % SLOTS
            wanted = decoder.decode(z[None], {})[0]
            for on_card in (True, False):
                exchange.slots[slot][:] = 9
                if delivery.deliver(slot, on_card, z[None], {}):
                    found = in_ring(binding, lender.lent, slot)
                else:
                    found = exchange.slots[slot]
                assert np.array_equal(found[..., :3], wanted), (name, time)
                assert (found[..., 3] == 255).all(), (name, time)
        lines = [record.getMessage() for record in caplog.records]
        # A copy that never works ends the ring when it is measured, and the pinned slots when used.
        both = time == 1 and name in ("cudaMemcpyAsync", "cudaStreamSynchronize")
        assert len(lines) == (2 if both else 1), (name, time, lines)
        assert all(name in line and "\n" not in line for line in lines)
        # What is lent is never freed, whatever fails: the stage may be reading it just now.
        lends = lender is not None and lender.lent is not None
        assert +binding.held == ({"memory": 1, "events": SLOTS} if lends else {}), (name, time)


def test_a_card_that_is_lost_is_given_up_once(card, caplog):
    binding = Pretended()
    _, exchange, _, delivery = stage_of(card, binding)
    binding.fails = dict.fromkeys(["cudaMemcpyAsync", "cudaEventRecord", "cudaStreamWaitEvent"], 1)
    for z in colours():
        assert delivery.deliver(1, True, z[None], {}) is False
        assert exchange.slots[1][0, 0, 2] == int(z[0]) & 255
    assert len(caplog.records) == 1
    assert "cudaFree" not in binding.calls


def test_what_the_decoder_refuses_is_refused_and_the_card_is_kept(card):
    _, _, lender, delivery = stage_of(card, Pretended(), fail="decode")
    for on_card in (True, False):
        with pytest.raises(DecodeError):
            delivery.deliver(0, on_card, -colours(1), {})
    assert lender.lent is not None
    assert delivery.deliver(0, True, colours(1), {})


def test_elsewhere_than_on_linux_pictures_go_to_pinned_slots(card, monkeypatch, caplog):
    monkeypatch.setattr(lending.sys, "platform", "win32")
    binding = Pretended()
    decoder, exchange, lender, delivery = stage_of(card, binding)
    assert lender.lent is None and binding.pinned and "cudaMalloc" not in binding.calls
    assert delivery.deliver(2, True, colours(1), {}) is False
    assert np.array_equal(exchange.slots[2][..., :3], decoder.decode(colours(1), {})[0])
    assert binding.copied == {"host": 1} and not caplog.records


def test_a_decoder_that_is_on_no_card_asks_for_none(card):
    def load():
        raise AssertionError("nobody should look for a card")

    for decoder in (
        open_decoder(card()),
        open_decoder(find_model("procedural-64"), "cpu"),
        open_decoder(find_model("default"), "cpu"),
    ):
        slots = paged_slots(decoder.spec.size)
        assert open_lender(decoder, slots, load) is None


@pytest.mark.parametrize(("error", "lines"), [(NoCardError("none"), 0), (CardError("busy"), 1)])
def test_where_there_is_no_card_nothing_is_said(card, caplog, error, lines):
    def load():
        raise error

    decoder = open_decoder(card(card=True))
    assert open_lender(decoder, paged_slots(SIZE), load) is None
    assert len(caplog.records) == lines


# --- what decoders leave on a card, on a card that is the processor


@pytest.fixture(scope="module")
def networks():
    """The default model as it is played on a processor, and as it would be on a card."""
    plain = open_here(DEFAULT, "cpu", 1, "full")

    def record(work):
        work()
        return work

    def refuses(work):
        raise RuntimeError("no graphs here")

    cpu = torch.device("cpu")
    return {
        "plain": plain,
        "graphed": GraphedDecoder(plain.spec, plain._network, cpu, record),
        "refused": GraphedDecoder(plain.spec, plain._network, cpu, refuses),
        "tuned": open_here(DEFAULT, "cpu", 1, "fast"),
    }


def at(made, size):
    """The pixels at an address."""
    import ctypes

    count = 4 * size[0] * size[1]
    return np.frombuffer(ctypes.string_at(made.address, count), np.uint8).reshape(*size, 4)


@pytest.mark.parametrize("kind", ["plain", "graphed", "refused", "tuned"])
def test_what_stays_on_the_card_is_what_would_have_come(networks, kind):
    decoder = networks[kind]
    assert isinstance(decoder, CardDecoder) and decoder.card is None
    chance = np.random.default_rng(3)
    for given in ({}, {"/model/snapshot": np.full(1, 1.5, np.float32)}):
        z = chance.standard_normal((1, 512)).astype(np.float32)
        made = decoder.decode_on_card(z, given)
        assert made.stream == 0
        kept = at(made, decoder.spec.size)
        pixels = np.zeros_like(kept)
        decoder.decode_into(pixels, z, given)
        assert np.array_equal(kept, pixels) and (kept[..., 3] == 255).all()
        assert kept[..., :3].std() > 5


@pytest.mark.parametrize("kind", ["plain", "graphed", "refused", "tuned"])
def test_what_is_not_finite_stays_nowhere(networks, kind):
    for bad in (np.nan, 3e38):
        with pytest.raises(DecodeError, match="not finite"):
            networks[kind].decode_on_card(np.full((1, 512), bad, np.float32), {})
    with pytest.raises(ValueError):
        networks[kind].decode_on_card(np.zeros((2, 3), np.float32), {})


class Bands(torch.nn.Module):
    """A picture of every level and what lies between, of three bands or four."""

    def __init__(self, bands):
        super().__init__()
        colours = torch.linspace(-0.1, 1.1, 3 * 30 * 20).view(1, 3, 30, 20)
        self.picture = torch.cat((colours, torch.ones(1, bands - 3, 30, 20)), dim=1)

    def forward(self, z, parameters):
        return self.picture


@pytest.mark.parametrize("bands", [3, 4])
def test_the_way_of_apples_and_of_all_devices_is_the_same_picture(bands, card):
    """`decode_into` on a device that is no processor, walked on one (no card, no recording)."""
    import dataclasses

    spec = dataclasses.replace(card().spec, size=(30, 20))
    decoder = NetworkDecoder(spec, Bands(bands), torch.device("cpu"))
    z = np.zeros((1, 4), np.float32)
    wanted = np.zeros((30, 20, 4), np.uint8)
    decoder.decode_into(wanted, z, {})
    decoder._device = torch.device("mps")
    decoder._to_device = lambda rows: torch.from_numpy(np.array(rows))
    made = decoder._made
    decoder._made = lambda *given: on_processor(decoder, made, *given)
    pixels = np.zeros((30, 20, 4), np.uint8)
    decoder.decode_into(pixels, z, {})
    assert decoder.card is None
    assert np.array_equal(pixels, wanted)


def on_processor(decoder, made, *given):
    decoder._device = torch.device("cpu")
    return made(*given)


def test_colours_are_cut_in_place_and_opacity_is_left():
    rgba = torch.full((4, 4, 4), 255, dtype=torch.uint8)
    place = rgba.data_ptr()
    cut_into(rgba, torch.full((1, 3, 4, 4), 0.5))
    assert rgba.data_ptr() == place
    assert (rgba[..., :3] == 128).all() and (rgba[..., 3] == 255).all()


@pytest.mark.parametrize("on_card", [True, False])
def test_the_wish_goes_with_its_request(card, on_card):
    spec = card().spec
    path, memory = create_memory(spec)
    path.unlink()
    exchange = Exchange(memory, spec)
    exchange.write_request(1, Request(3, 4, np.zeros(4, np.float32), b"{}", on_card))
    found = exchange.read_request(1)
    assert (found.sequence, found.index, found.parameters) == (3, 4, b"{}")
    assert found.on_card is on_card


@pytest.mark.parametrize("on_card", [True, False])
def test_the_header_says_where_the_picture_is(card, on_card):
    spec = card().spec
    path, memory = create_memory(spec)
    path.unlink()
    exchange = Exchange(memory, spec)
    exchange.write_header(1, Picture(3, 4, 0.5, 6.0, on_card))
    found = exchange.read_picture(1)
    assert found == Picture(3, 4, 0.5, 6.0, on_card) and isinstance(found.on_card, bool)


def test_address_and_stream_are_what_a_call_takes():
    assert OnCard(4096, 7)._asdict() == {"address": 4096, "stream": 7}
    assert logging.getLogger("instrument.decoder.lending").getEffectiveLevel() <= logging.WARNING
