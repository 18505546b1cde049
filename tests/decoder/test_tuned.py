"""Finding the fastest form between pictures: with decoders whose times and pictures are given."""

import threading

import numpy as np
import pytest
import torch

from instrument import InstrumentError
from instrument.decoder import tuned
from instrument.decoder.choices import Choice
from instrument.decoder.forms import FULL, Form
from instrument.decoder.models import find_model
from instrument.decoder.protocol import DecodeError, DirectDecoder, PatientDecoder
from instrument.decoder.tuned import TunedDecoder, in_forms, likeness

SPEC = find_model("procedural-64").spec
HALF, ROWS, BOTH = (
    Form(torch.bfloat16), Form(torch.float32, "rows"), Form(torch.bfloat16, "rows"),
)  # fmt: skip
FORMS = [FULL, HALF, ROWS, BOTH]
Z = np.ones((1, 64), np.float32)


class Watch:
    """A clock that only decodes move."""

    def __init__(self):
        self.time = 0.0

    def now(self):
        return self.time


class Timed:
    """A decoder that takes `seconds` with one thread; its pictures are `off` levels too light."""

    def __init__(self, stage, seconds, off=0, error=None):
        self.stage, self.seconds, self.off, self.error = stage, seconds, off, error

    def decode(self, z, parameters):
        if self.error:
            raise self.error
        self.stage.watch.time += self.seconds * self.stage.share.get(self.stage.threads, 1.0)
        self.stage.decoded += 1
        level = int(abs(z).sum() * 7) % 200
        return np.full((1, *SPEC.size, 3), level + self.off, np.uint8)

    def decode_into(self, pixels, z, parameters):
        pixels[..., :3] = self.decode(z, parameters)[0]


class Stage:
    """What the decoders of a test share."""

    def __init__(self, monkeypatch, cores=1):
        self.watch, self.threads, self.share, self.decoded = Watch(), 1, {}, 0
        self.kept, self.known, self.opened = [], None, []
        monkeypatch.setattr(tuned, "WallClock", lambda: self.watch)
        monkeypatch.setattr(tuned, "remember", self.kept.append)
        monkeypatch.setattr(tuned, "recall", lambda key: self.known)
        monkeypatch.setattr(tuned, "_counts", lambda: list(range(1, cores + 1)))

    def open(self, timed, threads=1):
        def make(form):
            self.opened.append(form)
            seconds, *rest = timed[form]
            return Timed(self, seconds, *rest)

        return TunedDecoder(SPEC, list(timed), make, "key", threads, self.set_threads)

    def set_threads(self, count):
        self.threads = count


@pytest.fixture
def stage(monkeypatch):
    return Stage(monkeypatch)


def test_the_fastest_plays_and_is_remembered(stage):
    decoder = stage.open({FULL: (0.02,), HALF: (0.025,), ROWS: (0.015,), BOTH: (0.01,)})
    assert decoder.form == FULL and stage.opened == [FULL], "nothing is tried before a picture"
    decoder.settle()
    assert decoder.form == BOTH
    assert stage.kept == [Choice("key", "bfloat16 rows", 1)]
    assert not decoder.idle()


def test_nothing_is_changed_for_next_to_nothing(stage):
    decoder = stage.open({FULL: (0.02,), BOTH: (0.0199,)})
    decoder.settle()
    assert decoder.form == FULL


def test_what_looks_different_does_not_play_however_fast(stage):
    decoder = stage.open({FULL: (0.02,), HALF: (0.001, 2), ROWS: (0.015, 1)})
    decoder.settle()
    assert decoder.form == ROWS  # one level off is 48 dB, two are 42


def test_what_gives_no_picture_does_not_play(stage):
    decoder = stage.open({FULL: (0.02,), HALF: (0.001, 0, DecodeError("not finite"))})
    decoder.settle()
    assert decoder.form == FULL
    assert stage.kept == [Choice("key", "float32 plain", 1)]


@pytest.mark.parametrize(
    "error", [RuntimeError("not implemented for 'Half'"), MemoryError(), InstrumentError("gone")]
)
def test_what_cannot_be_opened_or_run_here_does_not_play(stage, error):
    decoder = stage.open({FULL: (0.02,), HALF: (0.001, 0, error), ROWS: (0.01,)})
    decoder.settle()
    assert decoder.form == ROWS

    def make(form):
        if form != FULL:
            raise error
        return Timed(stage, 0.02)

    decoder = TunedDecoder(SPEC, FORMS, make, "key", 1, stage.set_threads)
    decoder.settle()
    assert decoder.form == FULL


def test_where_nothing_is_to_be_found_out_nobody_tries():
    card, cpu = torch.device("cuda"), torch.device("cpu")
    made = object()
    for device, threads in ((cpu, 1), (cpu, 3), (card, 0), (card, 1)):
        assert in_forms(SPEC, [FULL], lambda form: made, device, threads) is made


def test_two_seconds_are_all_it_may_take(stage):
    decoder = stage.open({form: (0.15,) for form in FORMS})
    longest = 0.0
    while True:
        before = stage.watch.time
        more = decoder.idle()
        longest = max(longest, stage.watch.time - before)
        if not more:
            break
    assert decoder.spent <= 2.0 + longest
    assert longest <= 2 * 0.15 + 1e-9, "one step is two pictures at most"
    assert stage.kept == [Choice("key", "float32 plain", 1)]


def test_a_model_nobody_performs_with_is_tried_with_few_pictures(stage):
    decoder = stage.open({FULL: (3.0,), BOTH: (1.0,)})
    decoder.settle()
    assert decoder.form == BOTH
    assert stage.decoded <= 6


def test_what_is_known_plays_at_once(stage):
    stage.known = Choice("key", "bfloat16 rows", 1)
    decoder = stage.open({form: (0.01,) for form in FORMS})
    assert decoder.form == BOTH and stage.opened == [BOTH]
    assert not decoder.idle() and not stage.kept


@pytest.mark.parametrize("known", [Choice("key", "int8 tree", 1), Choice("key", FULL.name, 64)])
def test_what_this_machine_has_not_is_measured_anew(stage, known):
    stage.known = known
    decoder = stage.open({FULL: (0.02,), BOTH: (0.01,)})
    assert decoder.form == FULL
    decoder.settle()
    assert decoder.form == BOTH


@pytest.mark.parametrize(
    ("share", "threads"),
    [({2: 0.6, 3: 0.55, 4: 0.2}, 2), ({2: 0.6, 3: 0.45, 4: 0.3}, 4), ({2: 20.0}, 1), ({2: 0.9}, 1)],
)
def test_threads_are_added_as_long_as_each_pays(monkeypatch, share, threads):
    stage = Stage(monkeypatch, cores=4)
    stage.share = share
    decoder = stage.open({FULL: (0.01,)}, threads=0)
    decoder.settle()
    assert decoder.threads == stage.threads == threads
    assert stage.kept == [Choice("key", "float32 plain", threads)]


def test_a_count_that_was_asked_for_stays(monkeypatch):
    stage = Stage(monkeypatch, cores=4)
    stage.share = {4: 0.1}
    decoder = stage.open({FULL: (0.01,), BOTH: (0.005,)}, threads=2)
    decoder.settle()
    assert (decoder.threads, stage.threads) == (2, 2)


def test_pictures_go_on_while_a_form_is_opened(stage):
    gate = threading.Event()
    plain = Timed(stage, 0.02)

    def make(form):
        if form != FULL:
            assert gate.wait(20)
        return plain

    decoder = TunedDecoder(SPEC, [FULL, BOTH], make, "key", 1, stage.set_threads)
    for _ in range(8):
        assert decoder.idle()
        assert decoder.decode(Z, {}).shape == (1, *SPEC.size, 3)
    gate.set()
    decoder.settle()
    assert stage.kept


def test_it_says_that_it_is_patient_and_direct(stage):
    decoder = stage.open({FULL: (0.01,)})
    assert isinstance(decoder, PatientDecoder) and isinstance(decoder, DirectDecoder)
    assert not isinstance(Timed(stage, 1.0), PatientDecoder)


def test_likeness_is_of_levels():
    one = np.full((1, 4, 4, 3), 100, np.uint8)
    assert likeness(one, one) == np.inf
    assert likeness(one, one + 1) == pytest.approx(48.13, abs=0.01)
    assert likeness(one, one - 1) == pytest.approx(48.13, abs=0.01)


@pytest.mark.parametrize("error", [InstrumentError("gone"), RuntimeError("damaged")])
def test_a_chosen_form_that_is_here_no_longer_leaves_the_safe_one(stage, error):
    stage.known = Choice("key", HALF.name, 1)

    def make(form):
        if form == HALF:
            raise error
        return Timed(stage, 0.01)

    decoder = TunedDecoder(SPEC, [FULL, HALF, ROWS], make, "key", 1, stage.set_threads)
    assert decoder.form == FULL and decoder.decode(Z, {}).shape == (1, *SPEC.size, 3)
    decoder.settle()
    assert decoder.form == FULL
    with pytest.raises(type(error)):
        TunedDecoder(SPEC, [HALF], make, "key", 1, stage.set_threads)


# --- a form that is made while others play


class Making:
    """A warm-up that is asked `asked` times before it knows."""

    def __init__(self, form, ready, asked=3):
        self.form, self.ready, self.left = form, ready, asked

    def poll(self):
        self.left -= 1
        return self.ready if self.left <= 0 else None


COMPILED = Form(torch.bfloat16, "rows", compiled=True)


@pytest.mark.parametrize(
    ("seconds", "off", "ready", "plays"),
    [(0.004, 0, True, COMPILED), (0.020, 0, True, FULL), (0.004, 40, True, FULL),
     (0.004, 0, False, FULL)],
    ids=["faster", "slower", "unlike", "failed"],
)  # fmt: skip
def test_a_form_that_is_made_meanwhile_plays_if_it_is_better(stage, seconds, off, ready, plays):
    decoder = stage.open({FULL: (0.010,), COMPILED: (seconds, off)})
    decoder.forms, decoder._warmup = [FULL], Making(COMPILED, ready)
    decoder.settle()
    assert decoder.form == FULL and len(stage.kept) == 1
    while decoder._warmup is not None:  # as a process does after every picture
        if not decoder.idle():
            assert decoder.form == FULL, "it goes on as it was"
    decoder.settle()
    assert decoder.form == plays
    assert decoder.idle() is False


def test_while_a_form_is_made_nobody_is_kept_busy(stage):
    decoder = stage.open({FULL: (0.010,)})
    decoder.settle()
    decoder._warmup = Making(COMPILED, True, asked=1000)
    before = stage.watch.time
    assert not any(decoder.idle() for _ in range(100))
    assert stage.watch.time == before
