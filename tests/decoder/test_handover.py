"""Requests and pictures change hands in every order there is, and nothing is torn or lost.

Both sides are the real ones; in between, instead of pipes, are queues that a test empties when it
likes.
"""

import io
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from instrument.decoder import exchange
from instrument.decoder.child import Child
from instrument.decoder.exchange import Exchange, Message, Picture, Request, Word
from instrument.decoder.protocol import DecoderSpec
from instrument.decoder.serve import Desk
from instrument.latent.space import LatentSpec

SPEC = DecoderSpec("card", LatentSpec((4,), "w"), (2, 3), "0" * 64)


class Pipe:
    """Bytes on their way, as the ends of a pipe see them."""

    def __init__(self) -> None:
        self.bytes: deque[int] = deque()
        self.most = 0

    def write(self, said) -> None:
        self.bytes.extend(said)
        self.most = max(self.most, len(self.bytes))

    def flush(self) -> None: ...


class Handover(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        path, memory = exchange.create_memory(SPEC)
        self.child = Child(None, lambda said: None)
        self.child._exchange = Exchange(memory, SPEC)
        self.down, self.up = Pipe(), Pipe()
        self.child._process = SimpleNamespace(stdin=self.down)
        self.desk = Desk(self.up)
        self.desk.exchange = self.far = Exchange(exchange.open_memory(path, SPEC), SPEC)
        self.sequence = 0
        self.work = None  # the request under way, and its slot
        self.made = []  # the requests that were begun
        self.shown = None

    @precondition(lambda self: self.child.takes_more)
    @rule()
    def ask(self) -> None:
        self.sequence += 1
        z = np.full(4, self.sequence, np.float32)
        self.child.ask(Request(self.sequence, self.sequence, z, b"{}"))

    @precondition(lambda self: self.down.bytes)
    @rule()
    def reach_the_decoder(self) -> None:
        self.desk.hear(self.down.bytes.popleft())

    @precondition(lambda self: self.work is None and self.desk.is_asked)
    @rule()
    def begin(self) -> None:
        self.work = request, slot = self.desk.take()
        assert np.all(request.z == request.sequence)
        self.made.append(request.sequence)
        self.far.slots[slot][...] = 0  # half painted

    @precondition(lambda self: self.work is not None)
    @rule(fails=st.booleans())
    def end(self, fails) -> None:
        (request, slot), self.work = self.work, None
        if fails:
            self.desk.keep(slot)
            self.desk.say(Message(Word.ERROR, text="no", sequence=request.sequence))
            return
        self.far.slots[slot][...] = request.sequence % 255 + 1
        self.far.write_header(slot, Picture(request.sequence, request.index, 0.0, 0.0))
        self.desk.say(Message(Word.PICTURE, slot, sequence=request.sequence))

    @precondition(lambda self: self.up.bytes)
    @rule()
    def reach_the_stage(self) -> None:
        pipe = io.BytesIO(bytes(self.up.bytes))
        message = exchange.read_message(pipe)
        for _ in range(pipe.tell()):
            self.up.bytes.popleft()
        if message.word is Word.TAKEN:
            self.child.taken(message)
        else:
            self.child.answered(message)

    @precondition(lambda self: self.child.picture is not None)
    @rule()
    def show(self) -> None:
        self.shown = self.child.picture.index, self.child.show_newest()

    @invariant()
    def what_is_shown_is_whole(self) -> None:
        if self.shown is not None:
            index, pixels = self.shown
            assert (pixels == index % 255 + 1).all()

    @invariant()
    def what_is_newest_is_whole(self) -> None:
        if self.child.picture is not None:
            newest = self.far.slots[self.child._newest]
            assert (newest == self.child.picture.index % 255 + 1).all()

    @invariant()
    def the_newest_is_made_and_never_an_older_one(self) -> None:
        assert self.made == sorted(set(self.made))

    @invariant()
    def posting_can_never_block(self) -> None:
        assert self.down.most <= exchange.REQUESTS + exchange.SLOTS

    def teardown(self) -> None:
        """Left to themselves, both sides come to rest with nothing owed."""
        for _ in range(100):
            if self.down.bytes:
                self.reach_the_decoder()
            elif self.up.bytes:
                self.reach_the_stage()
            elif self.work is not None:
                self.end(fails=False)
            elif self.desk.is_asked:
                self.begin()
            else:
                break
        assert self.child.idle and self.child.takes_more
        assert not self.sequence or self.made[-1] == self.sequence
        self.shown = None


TestHandover = Handover.TestCase


def test_the_next_z_is_there_before_a_picture_is_done() -> None:
    one = Handover()
    one.ask()
    one.reach_the_decoder()
    one.begin()
    one.reach_the_stage()  # taken
    for _ in range(5):  # rows go on while it paints
        one.ask()
        one.reach_the_decoder()
        one.reach_the_stage()
    one.end(fails=False)
    assert one.desk.is_asked, "the decoder waits for the stage"
    one.begin()
    assert one.made == [1, 6], "newest z wins"


def test_a_decoder_that_hears_nothing_is_asked_twice_and_no_more() -> None:
    one = Handover()
    one.ask()
    one.ask()
    assert not one.child.takes_more
    with pytest.raises(IndexError):
        one.ask()


def test_after_the_end_nothing_is_said() -> None:
    one = Handover()
    one.child.hush()
    assert not one.child.takes_more
    one.ask()
    assert not one.down.bytes


def test_a_decoder_that_has_filled_all_is_given_some_back() -> None:
    """A stage that shows an old picture, and hears late: nothing it posts later is needed."""
    one = Handover()

    def asked() -> None:
        one.ask()
        one.reach_the_decoder()

    for _ in range(2):  # one is shown, one is the newest
        asked()
        one.begin()
        one.end(fails=False)
        while one.up.bytes:
            one.reach_the_stage()
        if one.shown is None:
            one.show()
    asked()
    one.reach_the_stage()  # taken: only that is heard
    one.begin()
    asked()
    one.end(fails=False)
    one.begin()
    one.child._spare_requests.append(0)  # its word that it took one is on its way
    asked()
    one.end(fails=False)
    assert not one.desk.is_asked, "it has a slot: nothing is shown by this"
    while one.up.bytes:
        one.reach_the_stage()
    while one.down.bytes:
        one.reach_the_decoder()
    assert one.desk.is_asked, "it waits for a slot for ever"
    one.begin()
    assert one.made[-1] == one.sequence
