"""Foreign code runs in a process of its own, on stage and in films, and may hang or die there."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from queue import SimpleQueue

import foreign_programs as made
import numpy as np
import pytest
import torch
from torch import nn

from instrument import InstrumentError
from instrument.decoder import apart
from instrument.decoder.child import environment
from instrument.decoder.models import find_model
from instrument.decoder.process import DecoderProcess
from instrument.decoder.program import open_model
from instrument.decoder.protocol import DecodeError
from instrument.decoder.runtime import open_decoder

LONG = 60.0  # s
Z = np.random.default_rng(3).standard_normal((3, made.LATENT)).astype(np.float32)
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


class Wilful(nn.Module):
    """Fails where z[0] is above 100, and never answers where it is below -100."""

    def __init__(self):
        super().__init__()
        self.net = made.Net()

    def forward(self, z):
        if bool(z[0, 0] > 100):
            raise ValueError("too far out")
        x = z[0, 0]
        while bool(x < -100):
            x = x - 1
        return self.net(z)


@pytest.fixture(scope="module")
def wilful(tmp_path_factory):
    return find_model(made.write(tmp_path_factory.mktemp("wilful"), made.scripted(Wilful())))


def at(value):
    """A z whose first number is `value`."""
    z = Z[:1].copy()
    z[0, 0] = value
    return z


def until(condition, seconds=LONG):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def runs(pid):
    """Whether a process of that number runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@posix
def test_a_film_is_decoded_in_another_process(wilful):
    decoder = open_decoder(wilful, "cpu")
    assert decoder.pid not in (None, os.getpid())
    here = open_model(wilful, "cpu", 1)
    assert decoder.spec == here.spec == wilful.spec
    pixels = decoder.decode(Z, {"/model/truncation": np.ones(3, np.float32)})
    assert np.array_equal(pixels, here.decode(Z, {}))
    for wrong, words in ((at(101), "net: the network fails"), (at(np.nan), "net: z is not finite")):
        with pytest.raises(DecodeError, match=words):
            decoder.decode(wrong, {})
    assert np.array_equal(decoder.decode(Z[:1], {}), pixels[:1])
    os.kill(decoder.pid, signal.SIGKILL)
    with pytest.raises(InstrumentError, match=r"net: its process was killed \(Killed\)"):
        decoder.decode(Z[:1], {})
    with pytest.raises(InstrumentError, match="net: its process has ended"):
        decoder.decode(Z[:1], {})


class Deaf:
    """A process that takes everything and answers nothing."""

    pid, ended = None, 0

    def ask(self, request):
        pass

    def end(self):
        self.ended += 1


def test_a_network_that_hangs_ends_a_film_and_a_forgotten_decoder_its_process(wilful, monkeypatch):
    monkeypatch.setattr(apart, "_PICTURE", 0.01)
    child = Deaf()
    decoder = apart.ApartDecoder(wilful, child, SimpleQueue())
    with pytest.raises(InstrumentError, match="net: no answer within"):
        decoder.decode(Z[:1], {})
    assert child.ended == 1
    child = Deaf()
    decoder = apart.ApartDecoder(wilful, child, SimpleQueue())
    del decoder
    gc.collect()
    assert child.ended == 1


def test_whoever_asks_for_it_loads_no_torch_and_leaves_nothing_behind(wilful):
    code = (
        "import sys; from instrument.decoder.models import find_model\n"
        "from instrument.decoder.runtime import open_decoder\n"
        "decoder = open_decoder(find_model(sys.argv[1]), 'cpu')\n"
        "print(decoder.pid, 'torch' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(wilful.folder)]
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    pid, torch_is_here = ran.stdout.split()
    assert torch_is_here == "False"
    until(lambda: not runs(int(pid)))


def test_on_stage_a_network_may_fail_and_hang_and_the_show_goes_on(wilful):
    with DecoderProcess(wilful, "cpu") as process:
        process.post(0, Z[0], {})
        first = process.newest(-1, LONG)
        assert first.pixels.std() > 30
        process.post(1, at(101)[0], {})
        until(lambda: "net: the network fails on z" in process.message)
        assert process.restarts == 0
        process.post(2, at(-101)[0], {})
        until(lambda: process.restarts == 1)
        process.post(3, Z[0], {})
        again = process.newest(2, LONG)
        assert np.array_equal(again.pixels, first.pixels)


@posix
def test_no_orphan_when_the_stage_is_killed_while_a_network_hangs(wilful):
    code = (
        "import sys, time, numpy as np\n"
        "from instrument.decoder.models import find_model\n"
        "from instrument.decoder.process import DecoderProcess\n"
        "process = DecoderProcess(find_model(sys.argv[1]), 'cpu')\n"
        "process.start()\n"
        "process.post(0, np.ones(16, np.float32), {})\n"
        "process.newest(-1, 60)\n"
        "process.post(1, np.full(16, -101, np.float32), {})\n"
        "print(process.pid, flush=True)\n"
        "time.sleep(300)\n"
    )
    command = [sys.executable, "-c", code, str(wilful.folder)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE) as stage:
        pid = int(stage.stdout.readline())
        time.sleep(0.3)
        assert runs(pid)
        stage.kill()
    until(lambda: not runs(pid))


def test_a_model_that_changed_since_it_was_chosen_fails_once(tmp_path):
    network = made.write(tmp_path, made.scripted(made.Net()))
    model = find_model(network)
    network.write_bytes(made.traced(made.Net(), torch.randn(1, made.LATENT)))
    with pytest.raises(InstrumentError, match=r"net\.pt: the model has changed since it was"):
        open_decoder(model, "cpu")
    with DecoderProcess(model, "cpu") as process:
        until(lambda: process.state == "failed")
        assert process.message == f"{network}: the model has changed since it was chosen"
        network.unlink()
    with DecoderProcess(model, "cpu") as process:
        until(lambda: process.state == "failed")
        assert process.message == f"{network}: no such file"


def test_other_models_are_opened_here():
    assert not isinstance(open_decoder(find_model("procedural-64"), "cpu"), apart.ApartDecoder)
