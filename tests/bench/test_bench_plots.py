"""Figures of a run: what is drawn, what is not, and that matplotlib is asked for."""

import builtins
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from instrument import InstrumentError
from instrument.bench.plots import (
    growth_figure,
    history_figure,
    nearness,
    need_matplotlib,
    target_figure,
)
from instrument.bench.rows import row


def part(*rows: object) -> dict:
    return {"part": "a", "title": "t", "rows": list(rows)}


ROWS = (
    row("well", [1.0, 1.1, 1.2], "ms", target=2.0),
    row("missed", [3.0, 4.0, 9.0], "ms", target=2.0, background=1.0),
    row("rate", [0.9, 0.95, 0.96], "", better="higher", target=0.97),
    row("no target", [5.0], "s"),
    row("leaks", [0.0], "", target=0),
    row("n → s", [1.0], "exponent", target=1.1, points=[[1, 2.0], [10, 20.0]], of="s"),
)


def test_every_figure_is_a_picture():
    run = {"commit": "a" * 40, "parts": [part(*ROWS)]}
    for figure in (
        target_figure([part(*ROWS)]), growth_figure([part(*ROWS)]), history_figure([run, run]),
    ):  # fmt: skip
        assert figure is not None
        width, height = Image.open(io.BytesIO(figure)).size
        assert width > 400 and height > 200


def test_the_same_rows_give_the_same_bytes():
    assert target_figure([part(*ROWS)], "svg") == target_figure([part(*ROWS)], "svg")


def test_what_is_drawn_is_what_has_a_target():
    text = (target_figure([part(*ROWS)], "svg") or b"").decode()
    one_less = (target_figure([part(*ROWS[1:])], "svg") or b"").decode()
    assert len(text) > len(one_less)


def test_of_nothing_nothing_is_drawn():
    assert target_figure([part(ROWS[3])]) is None and target_figure([]) is None
    assert growth_figure([part(*ROWS[:5])]) is None
    run = {"commit": None, "parts": [part(*ROWS)]}
    assert history_figure([run]) is None and history_figure([]) is None
    assert history_figure([run, {"commit": None, "parts": []}]) is None, "one point is no line"


@settings(deadline=None)
@given(st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_above_one_is_missed_whichever_way_is_good(value, target):
    for better in ("lower", "higher"):
        one = row("x", [value], "ms", better=better, target=target)
        share = nearness(one, value)
        assert share is not None and share > 0.0
        if abs(value / target - 1.0) > 1e-9:
            assert (share > 1.0) == ((value > target) == (better == "lower"))


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def refuse(name, *more, **still):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *more, **still)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InstrumentError, match=r"latent-instrument\[plots\]"):
        need_matplotlib()
