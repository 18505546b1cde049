"""Decks follow what is wanted without ever waiting, and leave nothing behind."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from nobody_waits import nobody_waits
from stage_parts import FakePresenter, FakeSurface, event, tape_into

from instrument import InstrumentError
from instrument.cli.play import open_decks
from instrument.cli.sources import assemble
from instrument.decoder.models import read_manifest
from instrument.decoder.process import DecoderProcess
from instrument.live.decks import Decks, News, Rehearsal
from instrument.live.loop import Loop, Show
from instrument.live.projection import Screen
from instrument.resources import bundled
from instrument.take.reader import read_take
from instrument.take.replay import verify
from instrument.timebase import WallClock

LONG = 20.0  # s
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")
CARD = {
    "format": "model/1", "architecture": "testcard", "licence": "MIT", "size": [64, 64],
    "latent": {"shape": [512], "space": "z", "radius": 22.627416997969522},
}  # fmt: skip


def card(folder: Path, **keys: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({**CARD, "name": folder.name, **keys}))
    return folder


def until(condition, seconds=LONG):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def runs(pid) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except FileNotFoundError:  # the thread has ended meanwhile
        return []


def belongings() -> tuple[int, int, int, int]:
    """Threads, descriptors, children and shared pictures of this process."""
    children = [
        child
        for task in Path("/proc/self/task").iterdir()
        for child in children_of(task)
        if runs(child)
    ]
    shared = Path("/proc/self/maps").read_text().count("latent-instrument-")
    return threading.active_count(), len(os.listdir("/proc/self/fd")), len(children), shared


class Slow:
    """A process that takes its time in everything but answering."""

    state, message, decode_seconds, restarts, pid = "loading", "slow: loading", 0.0, 0, None

    def __init__(self) -> None:
        self.dismissed, self.ended = threading.Event(), False

    def start(self, gently=False) -> None:
        self.gently = gently
        time.sleep(0.3)

    def dismiss(self) -> None:
        self.dismissed.set()

    def close(self) -> None:
        self.ended = True


def test_following_never_waits_and_who_came_too_late_goes_again():
    made = []

    def open_model(number):
        time.sleep(0.3)
        made.append(Slow())
        return made[-1]

    with Decks(["a", "b"], open_model, WallClock()) as decks:
        with nobody_waits():
            decks.follow((1, 2))
            decks.follow((1,))
            assert decks.news(1) is None and decks.process(1) is None and decks.process(2) is None
        assert decks.message(1) == "a: loading" and decks.message(2) == "b: not open"
        until(lambda: decks.process(1) is not None)
        until(lambda: sum(process.dismissed.is_set() for process in made) == 1)
        assert decks.message(1) == "slow: loading"
        assert 0.5 < decks.seconds(1) < LONG
    assert all(process.ended for process in made) and len(made) == 2


def test_what_cannot_be_opened_is_news():
    def open_model(number):
        raise InstrumentError("b wants z of 64 numbers, the bank has 512")

    with Decks(["a"], open_model, WallClock()) as decks:
        until(lambda: decks.news(1) is not None)
        assert decks.news(1) == News("failed", "b wants z of 64 numbers, the bank has 512")
        assert decks.message(1).startswith("b wants")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_opening_leaves_nobody_waiting():
    with Decks(["a"], lambda number: 1 // 0, WallClock()) as decks:
        until(lambda: decks.news(1) is not None)
        assert decks.news(1) == News("failed", "a: cannot be opened")


def test_no_thread_to_be_had(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with Decks(["a"], lambda number: Slow(), WallClock()) as decks:
        assert decks.news(1) == News("failed", "a: cannot be opened (can't start new thread)")


def test_a_model_whose_process_dies_again_and_again_is_given_up():
    process = Slow()
    with Decks(["slow"], lambda number: process, WallClock()) as decks:
        until(lambda: decks.process(1) is process)
        process.state, process.message = "restarting", "slow: decoder was killed (Killed)"
        for process.restarts in (1, 2):
            assert decks.news(1) is None
        process.restarts = 3
        assert decks.news(1) == News("failed", "slow: decoder was killed (Killed)")
        process.decode_seconds = 0.01  # it has shown pictures: it will again
        assert decks.news(1) is None
        process.state, process.message = "failed", "RuntimeError: out of memory"
        assert decks.news(1) == News("failed", "slow: RuntimeError: out of memory")


def test_in_a_rehearsal_whoever_is_asked_for_is_ready():
    assert Rehearsal().news(2).word == "ready"
    refused = Rehearsal({1: None, 2: "too small"}.get)
    refused.follow((1, 2))
    assert refused.news(1).word == "ready" and refused.news(2) == News("failed", "too small")


@posix
def test_coming_and_going_leaves_nothing_behind(tmp_path):
    manifests = [read_manifest(card(tmp_path / name)) for name in ("a", "b", "c")]
    manifests.append(read_manifest(card(tmp_path / "d", fail="open")))
    before = belongings()
    with Decks("abcd", lambda n: DecoderProcess(manifests[n - 1]), WallClock()) as decks:
        until(lambda: decks.news(1) == News("ready", "a: ready"))
        alone = belongings()
        pids = {decks.process(1).pid}
        for number in (2, 3, 4, 2):
            with nobody_waits():
                decks.follow((1, number))
            until(lambda number=number: decks.news(number) is not None)
            assert decks.news(number).word == ("failed" if number == 4 else "ready")
            pids.add(decks.process(number).pid)
            with nobody_waits():
                decks.follow((1,))
        until(lambda: belongings() == alone)
        assert decks.process(1).restarts == 0
    assert belongings() == before
    assert not any(runs(pid) for pid in pids - {None})


# --- the loop, with processes that are killed


@pytest.fixture
def show(tmp_path):
    """``show(script, over)`` plays on real processes of two test cards; kills whom `victim` names.

    It goes on for a second and a bit after `over`: how long processes take is not its affair.
    """
    text = (bundled("presets") / "procedural.toml").read_text()
    models = f'models = ["{card(tmp_path / "a")}", "{card(tmp_path / "b", size=[48, 80])}"]'
    (tmp_path / "p.toml").write_text(text.replace('model = "procedural"', models))

    def play(script, over, victim=None):
        made = assemble(str(tmp_path / "p.toml"), None, None, None)
        clock, presenter = WallClock(), FakePresenter()
        killed = []
        with open_decks(made, clock) as decks:
            until(lambda: decks.news(1) is not None)
            surface = FakeSurface(clock)
            loop = Loop(Show(
                made.performer, made.rate, clock, tape_into(tmp_path, made), script=script,
                screen=Screen(surface, presenter, decks), seconds=3 * LONG, record=True,
            ))  # fmt: skip

            def direct():
                try:
                    if victim:
                        until(lambda: (pid := victim(loop, decks)) and not killed.append(pid))
                        os.kill(killed[0], signal.SIGKILL)
                    until(lambda: over(loop, decks))
                    time.sleep(1.2)
                finally:
                    loop.stop()

            director = threading.Thread(target=direct)
            director.start()
            loop.run()
            director.join()
            take = read_take(loop._show.tape.summaries[0].folder)
            restarts = [decks.process(n) and decks.process(n).restarts for n in (1, 2)]
        assert not any(runs(pid) for pid in killed) and len(killed) == bool(victim)
        assert verify(take, "take").largest == verify(take, "take").parameters == 0.0
        assert len(take) == loop.meters.ticks
        return loop, presenter, take, restarts

    return play


SWAP = [event(0.0, "/raw/model/fade", 0.8), event(0.3, "/model/b/load")]
MIX = [
    event(0.0, "/raw/model/fade", 0.1), event(0.1, "/model/b/join"), event(0.2, "/model/mix", 0.4),
]  # fmt: skip


def loading(loop, decks):
    process = decks.process(2)
    return process and process.state == "loading" and process.pid


def fading(number):
    def victim(loop, decks):
        models = loop.models
        if not models.second:
            return None
        time.sleep(0.25)
        return decks.process(number).pid

    return victim


def mixing(number):
    def victim(loop, decks):
        models = loop.models
        return models.second == 2 and models.fade is None and decks.process(number).pid

    return victim


def swapped(loop, decks):
    return loop.models.first == 2 and not loop.models.second and decks.process(1) is None


def mixed_again(number):
    def both_play(loop, decks):
        processes = [decks.process(1), decks.process(2)]
        return processes[number - 1].restarts == 1 and {p.state for p in processes} == {"ready"}

    return both_play


@posix
@pytest.mark.parametrize(
    "victim", [None, loading, fading(1), fading(2)], ids=["none", "loading", "old", "new"]
)
def test_a_swap_ends_well_whoever_is_killed_in_it(show, victim):
    before = belongings()
    loop, presenter, take, restarts = show(SWAP, swapped, victim)
    assert take.sequence.column("/model/first")[-1] == 2
    assert take.sequence.column("/model/second")[-1] == 0
    assert restarts[0] is None, "the old model is gone"
    assert presenter.uploads[-1].shape == (48, 80, 4), "the new one is seen"
    assert loop.meters.shown > 70
    assert belongings() == before


@posix
@pytest.mark.parametrize("number", [1, 2])
def test_a_mix_goes_on_whoever_is_killed_in_it(show, number):
    before = belongings()
    loop, presenter, take, restarts = show(MIX, mixed_again(number), mixing(number))
    assert (take.sequence.column("/model/share")[-60:] == 0.4).all()
    assert restarts[number - 1] == 1 and restarts[2 - number] == 0
    shapes = {pixels.shape for pixels in presenter.uploads[-30:]}
    assert shapes == {(64, 64, 4), (48, 80, 4)}, "both are seen again"
    assert loop.meters.longest_hold < 0.5, "meanwhile the other one moved on"
    assert belongings() == before
