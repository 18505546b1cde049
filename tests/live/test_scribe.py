"""The scribe writes on a thread of its own, the newest, once, and says what came of it."""

import sys
import threading
from pathlib import Path

import pytest

from instrument import InstrumentError
from instrument.latent.waypoints import WaypointBank
from instrument.live.scribe import Scribe
from instrument.performance.mapping import Binding
from instrument.performance.preset import compose, load_preset, preset_from_text
from instrument.performance.preset_changes import Changes
from instrument.performance.preset_writing import keep, versions_of

sys.path.append(str(Path(__file__).parent.parent / "performance"))
from stages import bank_of_four

PRESET = 'format = "preset/1"\nmodel = "m"\nbank = "four"\n'


def fader(number: int) -> Changes:
    return Changes(tuple(Binding(f"/midi/deck/cc/{n}", "/master/gain") for n in range(number)))


def test_of_many_changes_the_newest_is_written_once() -> None:
    preset, written = preset_from_text(PRESET, "p"), []

    def keeping(given, changes):
        written.append((given, changes, threading.current_thread()))
        return given

    scribe = Scribe(preset, keeping, quiet=30.0)
    many = [fader(n) for n in range(1, 9)]
    for changes in many:
        scribe.write(changes)
    scribe.close()  # does not wait for the quiet
    ((given, changes, thread),) = written
    assert (given, changes) == (preset, many[-1])
    assert thread is not threading.current_thread()
    assert scribe.message == "kept in p"


def test_after_a_quiet_moment_it_writes_and_goes_on_with_what_it_wrote() -> None:
    done = threading.Semaphore(0)
    given = []

    def keeping(preset, changes):
        given.append(preset.where)
        done.release()
        return preset_from_text(PRESET, f"copy-{len(given)}")

    scribe = Scribe(preset_from_text(PRESET, "p"), keeping, quiet=0.001)
    for number in (1, 2):
        scribe.write(fader(number))
        assert done.acquire(timeout=30.0)
    scribe.close()
    assert given == ["p", "copy-1"]


def test_a_refusal_is_a_line_for_the_performer_and_no_end() -> None:
    answers = [InstrumentError("p: not saved (No space left on device)"), None]
    tried = threading.Semaphore(0)

    def keeping(preset, changes):
        answer = answers.pop(0)
        tried.release()
        if answer:
            raise answer
        return preset

    scribe = Scribe(preset_from_text(PRESET, "p"), keeping, quiet=0.001)
    scribe.write(fader(1))
    assert tried.acquire(timeout=30.0)
    scribe.write(fader(2))
    scribe.close()
    assert answers == [] and scribe.message == "kept in p"


def test_nothing_to_write_is_no_thread() -> None:
    before = threading.active_count()
    scribe = Scribe(preset_from_text(PRESET, "p"), pytest.fail)
    assert threading.active_count() == before
    scribe.close()


def test_with_a_file(tmp_path: Path) -> None:
    path, bank = tmp_path / "show.toml", bank_of_four()
    path.write_text(PRESET)
    assert isinstance(bank, WaypointBank)

    def keeping(preset, changes):
        return keep(preset, changes, {}, tmp_path, lambda p: compose(p, bank))

    scribe = Scribe(load_preset(path), keeping)
    scribe.write(fader(3))
    scribe.close()
    assert path.read_text().count("[[binding]]") == 3
    assert len(versions_of(path)) == 1
