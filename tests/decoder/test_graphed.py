"""Recorded decodes and pictures on their way: with a recording that only calls, on the CPU."""

import numpy as np
import pytest
import torch

from instrument.decoder import network as network_module
from instrument.decoder.graphed import GraphedDecoder, record_on_card
from instrument.decoder.models import find_model
from instrument.decoder.network import NetworkDecoder
from instrument.decoder.pinned import HostCopies
from instrument.decoder.protocol import DecodeError
from instrument.decoder.runtime import open_here
from instrument.decoder.snapshots import SNAPSHOT, TRUNCATION

CPU = torch.device("cpu")


class Recorder:
    """Counts recordings; what it records is done again on every replay."""

    def __init__(self):
        self.recordings = self.replays = 0

    def __call__(self, work):
        self.recordings += 1
        for _ in range(3):
            work()

        def replay():
            self.replays += 1
            work()

        return replay


@pytest.fixture(scope="module")
def plain():
    return open_here(find_model("default"), "cpu", 1, "full")


def graphed(plain, record):
    return GraphedDecoder(plain.spec, plain._network, CPU, record)


def on_shell(count, seed=0):
    z = np.random.default_rng(seed).standard_normal((count, 512))
    return (z * np.sqrt(512) / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)


def values(snapshot=None, truncation=None):
    given = {SNAPSHOT: snapshot, TRUNCATION: truncation}
    return {key: np.full(1, value, np.float32) for key, value in given.items() if value is not None}


def test_one_recording_serves_every_z_snapshot_and_truncation(plain):
    recorder = Recorder()
    decoder = graphed(plain, recorder)
    asked = [values(), values(2.0), values(2.5, 0.7), values(0.0), values(None, 0.3), values()]
    seen = []
    for z, given in zip(on_shell(6), asked, strict=True):
        pixels = np.zeros((*plain.spec.size, 4), np.uint8)
        decoder.decode_into(pixels, z[None], given)
        wanted = plain.decode(z[None], given)[0]
        assert np.abs(pixels[..., :3].astype(int) - wanted).max() <= 1
        assert (pixels[..., 3] == 255).all()
        seen.append(pixels.tobytes())
    assert (recorder.recordings, recorder.replays) == (1, 6)
    assert len(set(seen)) == 6


def test_what_stands_in_the_same_memory_is_what_is_replayed(plain):
    decoder = graphed(plain, Recorder())
    pixels = np.zeros((*plain.spec.size, 4), np.uint8)
    z = on_shell(1)
    decoder.decode_into(pixels, z, {})
    places = [t.data_ptr() for t in (decoder._z, decoder._psi, decoder._picture, decoder._total)]
    weights = plain._network._blended.data_ptr()
    decoder.decode_into(pixels, z, values(1.5, 0.5))
    assert places == [
        t.data_ptr() for t in (decoder._z, decoder._psi, decoder._picture, decoder._total)
    ]
    assert weights == plain._network._blended.data_ptr()


def test_a_card_that_cannot_record_decodes_as_ever_and_says_so_once(plain, caplog):
    tries = []

    def refuses(work):
        tries.append(1)
        raise RuntimeError("operation not permitted when stream is capturing")

    decoder = graphed(plain, refuses)
    z = on_shell(2)
    for row in z:
        pixels = np.zeros((*plain.spec.size, 4), np.uint8)
        decoder.decode_into(pixels, row[None], {})
        assert np.array_equal(pixels[..., :3], plain.decode(row[None], {})[0])
    assert len(tries) == 1
    assert caplog.text.count("no graph can be recorded") == 1


def test_what_is_not_finite_is_no_picture_and_the_slot_keeps_what_it_had(plain):
    decoder = graphed(plain, Recorder())
    pixels = np.full((*plain.spec.size, 4), 77, np.uint8)
    for z in (np.full((1, 512), np.nan, np.float32), np.full((1, 512), 3e38, np.float32)):
        with pytest.raises(DecodeError, match="not finite"):
            decoder.decode_into(pixels, z, {})
        assert (pixels == 77).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_real_recording_is_the_same_picture():
    decoder = open_here(find_model("default"), "cuda", 1, "fast")
    if hasattr(decoder, "settle"):
        decoder.settle()
    for z, given in zip(on_shell(3), (values(), values(2.5), values(1.0, 0.5)), strict=True):
        pixels = np.zeros((*decoder.spec.size, 4), np.uint8)
        decoder.decode_into(pixels, z[None], given)
        wanted = decoder.decode(z[None], given)[0].astype(int)
        assert np.abs(pixels[..., :3] - wanted).max() <= 2
    with pytest.raises(RuntimeError):
        record_on_card(lambda: torch.ones(1, device="cuda").item())


# --- straight into the stage's memory


def test_a_picture_in_its_slot_is_the_decoded_one_bit_for_bit(plain):
    for decoder in (plain, open_here(find_model("procedural"), "cpu", 1, "full")):
        z = on_shell(1)[:, : decoder.spec.latent.size]
        pixels = np.zeros((*decoder.spec.size, 4), np.uint8)
        decoder.decode_into(pixels, z, {})
        assert np.array_equal(pixels[..., :3], decoder.decode(z, {})[0])
        assert (pixels[..., 3] == 255).all()


class Ramp(torch.nn.Module):
    """Every value that a level begins or ends at, and what lies outside."""

    def __init__(self, bands):
        super().__init__()
        edges = (torch.arange(256) + 0.5) / 255
        values = torch.cat([torch.nextafter(edges, torch.tensor(s)) for s in (0.0, 1.0)])
        values = torch.cat((values, edges, torch.tensor([-1.0, 2.0, 0.0, 1.0] * 64)))  # 1024
        picture = values.view(1, 1, 32, 32).repeat(1, 3, 1, 1)
        ones = torch.ones(1, 1, 32, 32)
        self.picture = picture if bands == 3 else torch.cat((picture, ones), dim=1)

    def forward(self, z, parameters):
        return self.picture


@pytest.mark.parametrize("bands", [3, 4])
def test_levels_are_rounded_by_one_rule(bands, plain):
    import dataclasses

    spec = dataclasses.replace(plain.spec, size=(32, 32))
    module = Ramp(bands)
    decoder = NetworkDecoder(spec, module, CPU)
    pixels = np.zeros((32, 32, 4), np.uint8)
    z = on_shell(1)
    decoder.decode_into(pixels, z, {})
    exact = module.picture[0, 0].clamp(0, 1).mul(255).add(0.5).floor().numpy().astype(np.uint8)
    for band in range(3):
        assert np.array_equal(pixels[..., band], exact)
    assert np.array_equal(decoder.decode(z, {})[0], pixels[..., :3])
    assert decoder.decode_fine(z, {}).shape == (1, 32, 32, 3)
    assert (pixels[..., 3] == 255).all()


def test_a_slot_that_is_refused_keeps_what_it_had(plain):
    pixels = np.full((*plain.spec.size, 4), 9, np.uint8)
    with pytest.raises(DecodeError):
        plain.decode_into(pixels, np.full((1, 512), np.inf, np.float32), {})
    with pytest.raises(ValueError):
        plain.decode_into(pixels, np.zeros((1, 3), np.float32), {})
    assert (pixels == 9).all()


# --- on their way to the host


def test_copies_arrive_in_turn_and_two_at_most():
    copies = HostCopies(torch.zeros(2, 3))
    copies.send(torch.full((2, 3), 1.0))
    copies.send(torch.full((2, 3), 2.0))
    assert copies.full and len(copies) == 2
    first = copies.receive()
    assert (first == 1.0).all() and not copies.full
    copies.send(torch.full((2, 3), 3.0))
    assert (copies.receive() == 2.0).all()
    assert (copies.receive() == 3.0).all()
    with pytest.raises(IndexError):
        copies.receive()


def test_what_was_sent_may_be_written_anew():
    source = torch.ones(4)
    copies = HostCopies(source)
    copies.send(source)
    source.fill_(5.0)
    assert (copies.receive() == 1.0).all()


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_batches_that_overlap_are_the_same_film(plain, rows, monkeypatch):
    """The way of a card, walked on the CPU."""
    z = on_shell(rows)
    wanted = plain.decode(z, {})
    monkeypatch.setattr(plain, "_batch", 2)
    pixels = np.zeros_like(wanted)
    plain._decode_ahead(z, {}, network_module._levels, pixels)
    assert np.abs(pixels.astype(int) - wanted).max() <= 1
