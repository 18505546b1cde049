"""Comparing two versions: a planted slowdown is found, noise is not, and neither side is favoured.

No clock is asked here: what a version costs is a number, with the noise of a bad machine on it.
"""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.bench.compare import FEWEST, SLOWER, compare, compare_commits
from instrument.bench.parts import PARTS
from instrument.bench.rows import row


def machine_with(costs: dict[str, float], noise: float, seed: int, better: str = "lower"):
    """Measures a fake part whose sides cost `costs`, on a machine of so much noise.

    The noise drifts as that of a machine does: neighbours in time have much of it in common.
    """
    random = np.random.default_rng(seed)
    drift = 1.0
    sides: list[str] = []

    def measure(side: str, number: int):
        nonlocal drift
        drift *= float(np.exp(random.normal(0.0, noise)))
        cost = costs[side] * drift * float(np.exp(random.normal(0.0, noise)))
        sides.append(side)
        value = cost if better == "lower" else 1.0 / cost
        return {"part": "d", "rows": [row("fake", [value], "ms", better=better)]}

    return measure, sides


def judged(costs: dict[str, float], noise: float, seed: int = 1, pairs: int = 10, better="lower"):
    measure, _ = machine_with(costs, noise, seed, better)
    (verdict,) = compare(measure, pairs)
    return verdict


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("seed", range(8))
def test_a_quarter_dearer_is_flagged(seed, better):
    verdict = judged({"old": 100.0, "new": 125.0}, 0.04, seed, better=better)
    assert verdict.is_regression and verdict.word == "SLOWER"
    assert verdict.low > SLOWER and verdict.low <= verdict.ratio <= verdict.high


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("seed", range(8))
def test_three_percent_is_not(seed, better):
    assert not judged({"old": 100.0, "new": 103.0}, 0.04, seed, better=better).is_regression


def test_nothing_is_almost_never_flagged():
    flagged = sum(judged({"old": 1.0, "new": 1.0}, 0.1, seed).is_regression for seed in range(200))
    assert flagged <= 2, "on a machine whose noise is as large as what is looked for"


@settings(deadline=None)
@given(st.floats(0.01, 100.0), st.floats(0.2, 5.0))
def test_without_noise_the_ratio_is_exact(cost, ratio):
    verdict = judged({"old": cost, "new": cost * ratio}, 0.0)
    assert verdict.ratio == pytest.approx(ratio, rel=1e-3)
    # Figures have five digits.
    assert verdict.low == pytest.approx(verdict.high, rel=1e-3)
    if abs(ratio - SLOWER) > 0.01:
        assert verdict.is_regression == (ratio > SLOWER)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.5, 2.0), st.integers(0, 1000))
def test_both_ways_round_say_the_same(ratio, seed):
    one = judged({"old": 1.0, "new": ratio}, 0.05, seed)
    other = judged({"old": 1.0, "new": ratio}, 0.05, seed, better="higher")
    assert one.ratio == pytest.approx(other.ratio, rel=2e-3)


def test_a_tenth_cheaper_is_said_and_what_is_not_known_too():
    assert judged({"old": 1.0, "new": 0.7}, 0.01).word == "faster"
    assert judged({"old": 1.0, "new": 1.0}, 0.01).word == "as before"
    assert judged({"old": 1.0, "new": 1.09}, 0.1).word == "undecided"


@settings(deadline=None)
@given(st.integers(FEWEST, 20))
def test_sides_take_turns(pairs):
    measure, sides = machine_with({"old": 1.0, "new": 1.0}, 0.0, 1)
    (verdict,) = compare(measure, pairs)
    assert verdict.pairs == pairs and len(sides) == 2 * pairs
    for number in range(pairs):
        expected = ["old", "new"] if number % 2 == 0 else ["new", "old"]
        assert sides[2 * number : 2 * number + 2] == expected


def test_a_machine_that_slows_down_all_the_time_favours_no_side():
    now = 0.0

    def measure(side: str, number: int):
        nonlocal now
        now += 1.0
        return {"part": "d", "rows": [row("fake", [100.0 + 5.0 * now], "ms")]}

    (verdict,) = compare(measure, 10)
    assert verdict.ratio == pytest.approx(1.0, abs=0.01) and not verdict.is_regression


def test_a_row_that_one_side_has_not_is_not_judged():
    def measure(side: str, number: int):
        names = ["both", "new one"] if side == "new" else ["both", "old one"]
        return {"part": "d", "rows": [row(name, [1.0], "ms") for name in names]}

    assert [verdict.name for verdict in compare(measure, FEWEST)] == ["both"]


def test_of_what_is_zero_there_is_no_ratio():
    def measure(side: str, number: int):
        return {"part": "i", "rows": [row("leaks", [0.0], "")]}

    assert compare(measure, FEWEST) == []


def test_a_verdict_on_a_busy_machine_says_so():
    def measure(side: str, number: int):
        busy = 0.5 if (side, number) == ("old", 3) else 0.0
        return {"part": "d", "rows": [row("x", [1.0], "ms", background=busy)]}

    (verdict,) = compare(measure, FEWEST)
    assert verdict.doubtful and verdict.to_json()["doubtful"] is True


def test_what_cannot_be_compared_is_said():
    with pytest.raises(InstrumentError, match=f"--rounds {FEWEST - 1}: to compare, {FEWEST} or"):
        compare(lambda side, number: {}, FEWEST - 1)

    def measure(side: str, number: int):
        return {"part": "a", "skipped": "no OpenGL"}

    with pytest.raises(InstrumentError, match="part a, old: no OpenGL"):
        compare(measure, FEWEST)


# --- commits, in processes of their own, with a part whose clock is a number in a file

CHILD = """
import json, pathlib, sys
letter, rounds, full, hours, out = sys.argv[1:]
from instrument.cost import COST
from instrument.bench import RULER
turns = pathlib.Path(out).with_name("turns.txt")
with turns.open("a") as file:
    file.write(f"{COST}\\n")
count = len(turns.read_text().splitlines())
value = RULER * COST * (1.0 + 0.02 * (count * 7919 % 5 - 2))
row = {"name": "fake", "value": value, "unit": "ms", "better": "lower", "n": 1,
       "quartiles": [value, value], "background": None, "doubtful": False, "target": None,
       "about": {}}
if letter == "h":
    raise SystemExit("cannot be measured at all")
text = json.dumps({"part": letter, "title": "fake", "rows": [row]})
pathlib.Path(out).write_text(text)
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of an instrument that is nothing but a cost."""
    home = tmp_path / "clone"
    (home / "instrument" / "bench").mkdir(parents=True)
    (home / "instrument" / "__init__.py").write_text("")
    (home / "instrument" / "bench" / "__init__.py").write_text("RULER = 1.0")
    (home / "instrument" / "bench" / "child.py").write_text(CHILD)
    git(home, "init", "-q")
    commit(home, 100.0)
    return home


def git(home: Path, *words: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run(["git", *who, *words], cwd=home, check=True, capture_output=True)


def commit(home: Path, cost: float) -> None:
    (home / "instrument" / "cost.py").write_text(f"COST = {cost}")
    git(home, "add", "-A")
    git(home, "commit", "-q", "-m", "x")


@pytest.mark.parametrize(("cost", "flagged"), [(125.0, True), (103.0, False), (75.0, False)])
def test_a_planted_slowdown_between_commits(clone, cost, flagged):
    commit(clone, cost)
    told: list[str] = []
    found, verdicts = compare_commits(clone, "HEAD~1", [PARTS["d"]], FEWEST, told.append)
    assert [verdict.is_regression for verdict in verdicts] == [flagged]
    assert verdicts[0].ratio == pytest.approx(cost / 100.0, rel=0.05)
    assert len(found) == 40 and told == [f"d: the performer, {FEWEST} times on either side"]


def test_what_is_not_committed_counts_as_this_version(clone):
    (clone / "instrument" / "cost.py").write_text("COST = 200.0")
    _, (verdict,) = compare_commits(clone, "HEAD", [PARTS["d"]], FEWEST, lambda _: None)
    assert verdict.is_regression and verdict.ratio == pytest.approx(2.0, rel=0.05)


def test_another_ruler_is_no_other_length(clone):
    """The benchmark itself changed: both sides are measured by the one of this version."""
    (clone / "instrument" / "bench" / "__init__.py").write_text("RULER = 3.0")
    commit(clone, 100.0)
    _, (verdict,) = compare_commits(clone, "HEAD~1", [PARTS["d"]], FEWEST, lambda _: None)
    assert verdict.ratio == pytest.approx(1.0, rel=0.05) and verdict.old > 250.0


def test_a_version_from_before_there_was_a_benchmark(clone):
    git(clone, "rm", "-rq", "--cached", "instrument/bench")
    git(clone, "commit", "-q", "-m", "x")
    git(clone, "add", "-A")
    commit(clone, 125.0)
    _, (verdict,) = compare_commits(clone, "HEAD~1", [PARTS["d"]], FEWEST, lambda _: None)
    assert verdict.is_regression


def test_the_clone_is_left_as_it_was(clone):
    def state() -> list:
        # Bytecode comes with importing, and the index file with asking git.
        inside = sorted(path for path in clone.rglob("*") if "__pycache__" not in path.parts)
        return [(path, path.stat().st_size) for path in inside]

    before = state()
    compare_commits(clone, "HEAD", [PARTS["d"]], FEWEST, lambda _: None)
    assert state() == before


def test_no_such_commit(clone):
    for wrong in ("nowhere", "--help", "HEAD:instrument/cost.py", ""):
        with pytest.raises(InstrumentError, match="no such commit"):
            compare_commits(clone, wrong, [PARTS["d"]], FEWEST, lambda _: None)


def test_a_part_that_fails_is_told_and_the_others_go_on(clone):
    told: list[str] = []
    parts = [PARTS["h"], PARTS["d"]]
    _, verdicts = compare_commits(clone, "HEAD", parts, FEWEST, told.append)
    assert [verdict.part for verdict in verdicts] == ["d"]
    assert "part h, old: cannot be measured at all" in told
    with pytest.raises(InstrumentError, match="nothing could be compared"):
        compare_commits(clone, "HEAD", [PARTS["h"]], FEWEST, told.append)
