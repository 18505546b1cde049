"""The parts: how they are asked for, what a child says, and each measurement itself, in small."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.bench import conforming, display, lasting, starting
from instrument.bench.belongings import Belongings
from instrument.bench.child import document_of, environment_of, main, measured_apart
from instrument.bench.conforming import conform_once, write_edits
from instrument.bench.growing import grown
from instrument.bench.lasting import Held
from instrument.bench.parts import PARTS, Part, chosen
from instrument.bench.performing import EVERYTHING, USUAL, step_seconds
from instrument.bench.performing import measure as perform
from instrument.bench.recording import _SPELL, play_steps, spell_ratios
from instrument.bench.rows import Effort, check_parts
from instrument.bench.stage import RATE, Size, hands, performer_of, script
from instrument.decoder.child import KEEPING
from instrument.take.reader import read_take

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


# --- which


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=14))
def test_parts_come_as_they_are_asked_for_and_once(letters):
    parts = chosen(" , ".join(letters))
    assert [part.letter for part in parts] == list(dict.fromkeys(letters))


def test_without_a_word_the_quick_ones_come():
    assert [part.letter for part in chosen(None)] == list("abcdefgh")
    assert [part.letter for part in chosen(None, everything=True)] == list("abcdefghijk")
    assert [part.letter for part in chosen(None, comparing=True)] == list("adg")


@pytest.mark.parametrize("only", ["", "z", "a,", "a;b", "ab", "A"])
def test_what_there_is_not_is_named(only):
    with pytest.raises(InstrumentError, match=r"--only: no part '.*', allowed are a \(a frame"):
        chosen(only)
    with pytest.raises(InstrumentError, match="--only and --all: one of them"):
        chosen("a", everything=True)


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
def test_every_part_can_be_measured(part: Part):
    import importlib

    module = importlib.import_module(f"instrument.bench.{part.module}")
    assert callable(module.measure) and module.__doc__.startswith(f"({part.letter}) ")


# --- in a process of its own


def test_a_child_measures_and_is_read(tmp_path):
    document = measured_apart(PARTS["d"], Effort(rounds=1), tmp_path / "rows.json")
    check_parts([document], "x")
    names = [one["name"] for one in document["rows"]]
    assert len(names) == len(set(names)) == 9 and document["seconds"] > 0
    assert str(EVERYTHING) in names[-1] and document["rows"][-1]["about"]["scale"]


def test_a_part_that_cannot_be_is_one_line(tmp_path, monkeypatch):
    def no_window(effort):
        raise InstrumentError("needs a window, and there is no display")

    monkeypatch.setattr(starting, "measure", no_window)
    document = document_of(PARTS["h"], Effort())
    assert document["skipped"] == "needs a window, and there is no display"
    assert document["rows"] == []
    main(["h", "1", "quick", "1.0", str(tmp_path / "out.json")])
    assert "needs a window" in (tmp_path / "out.json").read_text()


def test_a_child_that_breaks_is_one_line(tmp_path):
    broken = Part("d", "broken", "nothing_of_that_name")
    main_of = tmp_path / "instrument" / "bench"
    main_of.mkdir(parents=True)
    (tmp_path / "instrument" / "__init__.py").write_text("")
    (main_of / "__init__.py").write_text("")
    (main_of / "child.py").write_text("raise RuntimeError('burst')")
    document = measured_apart(broken, Effort(), tmp_path / "rows.json", tmp_path)
    assert document["skipped"] == "RuntimeError: burst" and document["rows"] == []
    (main_of / "child.py").write_text("import sys; open(sys.argv[-1], 'w').write('{')")
    with pytest.raises(InstrumentError, match="part d: no JSON came back"):
        measured_apart(broken, Effort(), tmp_path / "rows.json", tmp_path)
    (main_of / "child.py").write_text("import sys; sys.exit(3)")
    document = measured_apart(broken, Effort(), tmp_path / "rows.json", tmp_path)
    assert document["skipped"] == "ended with 3", "and not what lay there from before"


def test_a_child_finds_the_version_it_shall_measure(monkeypatch, tmp_path):
    for name in KEEPING:
        monkeypatch.delenv(name, raising=False)
    environment = environment_of(tmp_path)
    assert environment["PYTHONPATH"].split(":")[0] == str(tmp_path)
    for one in (environment, environment_of(None)):
        assert one["OMP_WAIT_POLICY"] == "passive" and one["PYTHONHASHSEED"] == "0"
        assert not set(KEEPING) & set(one)
    for one in (environment_of(tmp_path, decodes=True), environment_of(None, decodes=True)):
        assert KEEPING.items() <= one.items()


# --- the stage


@settings(deadline=None)
@given(
    st.sampled_from([(16,), (512,), (3, 16)]), st.integers(0, 60), st.integers(0, 12),
    st.integers(1, 20), st.integers(0, 500),
)  # fmt: skip
def test_every_size_can_be_played(shape, bindings, lfos, waypoints, frame):
    size = Size(shape, bindings, lfos, waypoints)
    performer = performer_of(size)
    assert len(performer.bindings) == bindings and len(performer.bank) == waypoints
    now = RATE.time_of(frame + 1)
    said = hands(size, frame, now)
    assert len(said) == min(5, bindings) + (frame % 120 == 0)
    performance = performer.advance(performer.begin(), now, said)
    assert performer.z(performance).shape == shape
    assert np.isfinite(performer.z(performance)).all()


def test_hands_move_what_they_are_bound_to():
    size = Size((16,), 10)
    performer = performer_of(size)
    still = performer.advance(performer.begin(), 2.0)
    moved = performer.advance(performer.begin(), 2.0, script(size, 2.0))
    assert not np.array_equal(performer.values(still), performer.values(moved))
    assert not np.array_equal(performer.z(still), performer.z(moved))


# --- each measurement, in small


def test_the_performer_is_measured():
    rows = perform(Effort(rounds=1), (USUAL, Size((16,), 0)))
    usual, small = rows
    assert usual["target"] == 150.0 and usual["about"]["times_the_usual"] == 1.0
    assert 0.0 < small["value"] < usual["value"], "nothing bound costs less than fifty that are"
    assert usual["n"] == 3 and usual["unit"] == "µs"


def test_more_work_is_seen():
    """What is measured is the performer: one whose bindings all move costs more."""
    few, many = step_seconds((Size((16,), 0), Size((16,), 50, 64)), 3)
    assert min(many) > max(few)


def test_a_performance_in_steps_is_recorded(tmp_path):
    take = tmp_path / "x.take"
    loop = play_steps(Size((16,)), 2.0, take)
    assert loop.meters.ticks == 120 and len(read_take(take)) == 120
    assert play_steps(Size((16,)), 2.0, None).meters.ticks == 120


@settings(deadline=None)
@given(st.floats(0.0, 0.002), st.integers(3, 12))
def test_what_a_take_adds_to_a_frame_is_found(more, spells):
    recording = np.arange(spells * _SPELL) // _SPELL % 2 == 1
    overhead = np.where(recording, 0.001 + more, 0.001)
    overhead[np.arange(len(overhead)) % _SPELL < 5] = 0.5  # a file is opened, or closed
    ratios = spell_ratios(overhead, recording)
    assert len(ratios) == spells // 2 - 1
    assert all(ratio == pytest.approx((0.005 + more) / 0.005) for ratio in ratios)


def test_a_conform_is_measured(monkeypatch, tmp_path):
    rows = conforming.measure(Effort(rounds=2), minutes=0.12)
    assert [one["name"] for one in rows] == [
        "conform, an hour of cuts",
        "conform, an hour of mixes",
    ]
    for one in rows:
        steps = one["about"]["seconds"]
        assert one["n"] == 2 and one["about"]["clips"] == 4
        assert steps.keys() == {"read", "open", "conform", "write", "plan"}
    with pytest.raises(InstrumentError, match="an edit needs two clips"):
        write_edits(tmp_path, 0.001)


def test_what_was_conformed_is_checked(tmp_path):
    edits = write_edits(tmp_path, 0.12)
    out = tmp_path / "out.npy"
    made = conform_once(edits["mixes"], out)
    conforming.check(edits["mixes"], out)
    assert made.total == pytest.approx(sum(made.seconds.values()) - made.seconds["plan"])
    np.save(out, np.load(out)[:-1])
    out.with_suffix(".json").unlink()
    with pytest.raises(InstrumentError, match="not what the edit asks for"):
        conforming.check(edits["mixes"], out)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_growth_is_an_exponent(power):
    x = [1.0, 4.0, 16.0]
    told = grown("n → s", x, [[2.0 * n**power, 3.0 * n**power] for n in x], "s", None)
    assert told["value"] == pytest.approx(power, abs=1e-9) and told["n"] == 2
    assert told["about"]["points"][1] == pytest.approx([4.0, 2.5 * 4.0**power])


def test_a_leak_is_seen():
    held = Held()
    for number in range(40):
        held.times.append(90.0 * number)
        grown = int(number * 90.0 * 3.0 * (1 << 20) / 3600.0)  # 3 MB an hour
        files = 10 + number // 10
        held.states.append(Belongings((100 << 20) + grown, 7 << 20, 4, files, 1, 1))
    assert held.mib_an_hour("stage") == pytest.approx(3.0, rel=1e-3)
    assert held.slopes("stage") == pytest.approx([3.0] * 4, rel=1e-3)
    assert held.mib_an_hour("children") == 0.0
    assert max(held.more("descriptors")) == 2 and max(held.more("threads")) == 0


@linux
def test_without_proc_nobody_counts(monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: False)
    with pytest.raises(InstrumentError, match="only Linux has"):
        lasting.play(Size((16,)), 1.0, 0.5)


# --- where a window is needed


def test_a_display_that_is_there_is_taken(monkeypatch):
    monkeypatch.setattr(display, "display_available", lambda: True)
    with display.some_display() as more:
        assert more == {}


def test_where_there_is_no_display_one_line_says_so(monkeypatch):
    monkeypatch.setattr(display, "display_available", lambda: False)
    monkeypatch.setattr(display.shutil, "which", lambda name: None)
    with pytest.raises(InstrumentError, match="needs a window"), display.some_display():
        pass
    monkeypatch.setattr(display.shutil, "which", lambda name: "false")
    with pytest.raises(InstrumentError, match="does not start"), display.some_display():
        pass


def test_a_start_is_measured_and_a_failed_one_is_one_line(monkeypatch):
    class Ended:
        returncode, stdout, stderr = 0, "", "Traceback\nerror: no such preset\n"

    def run(command, **options):
        assert "--json" in command
        return Ended

    now = starting.WallClock().now()
    monkeypatch.setattr(starting.subprocess, "run", run)
    Ended.stdout = f'{{"clock_s": {{"first_picture": {now + 60}, "first_decoded": {now + 90}}}}}'
    found = starting.start({})
    assert found["decoded"] - found["stored"] == pytest.approx(30.0)
    assert 0.0 < found["stored"] <= 60.0
    Ended.stdout = '{"clock_s": {"first_picture": 1.0, "first_decoded": null}}'
    with pytest.raises(InstrumentError, match="no decoded picture within 30 s"):
        starting.start({})
    Ended.returncode = 1
    with pytest.raises(InstrumentError, match="play: error: no such preset"):
        starting.start({})
