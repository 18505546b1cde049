"""A frozen display: what is held, in rows that lie there and in a performance that is sampled."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parent.parent / "take"))
from test_sampling import RATE as TAKEN_AT
from test_sampling import record_of

from instrument.event import ControlEvent
from instrument.latent.sequence import ZSequence
from instrument.latent.space import LatentSpec
from instrument.latent.trace import Origin, Trace
from instrument.studio import held, performed
from instrument.studio.held import hold_frozen, holding
from instrument.studio.performed import Performed
from instrument.studio.shutter import BetweenRows, Instant, Shutter
from instrument.take.sampling import Sampling
from instrument.timebase import FrameRate

ADDRESSES = ("/model/truncation", "/display/freeze", "/master/gain")


def frozen(flags: list[bool], trace: bool = False) -> ZSequence:
    n = len(flags)
    z = np.random.default_rng(n).normal(size=(n, 4)).astype(np.float32)
    parameters = np.stack([np.arange(n), flags, np.linspace(0, 1, n)], axis=1)
    rows = np.stack([np.zeros(n), np.arange(n), *np.full((2, n), -1.0), np.zeros(n)], axis=1)
    return ZSequence(
        z, FrameRate(25), LatentSpec((4,)), parameters=parameters.astype(np.float32),
        addresses=ADDRESSES, trace=Trace((Origin("a.npy", "", n),), rows) if trace else None,
    )  # fmt: skip


def one_by_one(flags: list[bool]) -> list[int]:
    """Which row is seen: as a person would go through them."""
    seen, last = [], 0
    for row, stopped in enumerate(flags):
        last = last if stopped else row
        seen.append(last)
    return seen


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.sampled_from([1, 7, 4096]))
def test_rows_are_held_while_it_is_frozen(flags: list[bool], together: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held, "_TOGETHER", together)
        walk, seen = frozen(flags, trace=True), one_by_one(flags)
        for shown in (hold_frozen(walk), holding(walk)):
            assert np.array_equal(np.asarray(shown.z), walk.z[seen])
            parameters = np.asarray(shown.parameters)
            assert parameters[:, 0].tolist() == seen  # the model's
            assert np.array_equal(parameters[:, 1:], walk.parameters[:, 1:])  # fades go on
            assert shown.trace is not None and walk.trace is not None
            assert np.asarray(shown.trace.rows)[:, 1].tolist() == seen


def test_what_was_never_frozen_is_as_it_was() -> None:
    walk = frozen([False] * 9)
    assert holding(walk) is walk and hold_frozen(walk) is walk


@pytest.mark.parametrize("exposed", [Instant, lambda s: BetweenRows(s, Shutter(180, 3))])
def test_looked_up_or_copied_they_are_exposed_alike(exposed) -> None:
    walk = frozen([False, True, True, False, False, False, True, False] * 4, trace=True)
    one, other = exposed(hold_frozen(walk)), exposed(holding(walk))
    for start, stop in ((0, 32), (2, 9), (31, 32)):
        for a, b in zip(one.rows(start, stop), other.rows(start, stop), strict=True):
            assert a.tobytes() == b.tobytes()


SWITCHES = st.lists(st.floats(0.0, 1.9), max_size=8, unique=True)


@settings(max_examples=25, deadline=None)
@given(SWITCHES, st.lists(st.tuples(st.integers(0, 59), st.integers(1, 9)), max_size=10),
       st.booleans(), st.sampled_from([3, 256]))  # fmt: skip
def test_a_performance_is_held_whoever_asks_for_what(
    switches: list[float], asked: list[tuple[int, int]], from_the_first: bool, back: int
) -> None:
    times = [*[0.0] * from_the_first, *sorted(switches)]
    events = [ControlEvent("/display/freeze", 1.0 - number % 2, time)
              for number, time in enumerate(times)]  # fmt: skip
    moves = [ControlEvent("/waypoint/2/go", 1.0, 0.1), ControlEvent("/raw/master/gain", 0.3, 0.9),
             ControlEvent("/raw/model/truncation", 0.5, 1.1)]  # fmt: skip
    record = record_of(tuple(sorted([*events, *moves], key=lambda event: event.time)))
    shutter = Shutter(270, 4)
    z, parameters = Sampling(record, "dawn").at(shutter.times(0, 240, TAKEN_AT))
    names = record.header.addresses
    seen = one_by_one((parameters[:, names.index("/display/freeze")] >= 0.5).tolist())
    z, model = z[seen], [k for k, name in enumerate(names) if name.startswith("/model/")]
    parameters[:, model] = parameters[seen][:, model]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(performed, "_BACK", back)
        exposure = Performed(Sampling(record, "dawn"), shutter, TAKEN_AT)
        for start, count in [*asked, (0, 60)]:
            found = exposure.rows(start, min(start + count, 60))
            rows = slice(4 * start, 4 * min(start + count, 60))
            assert found[0].tobytes() == z[rows].tobytes()
            assert found[1].tobytes() == parameters[rows].tobytes()


def test_a_performance_without_such_a_parameter_is_never_held() -> None:
    record = record_of((ControlEvent("/waypoint/2/go", 1.0, 0.1),))
    exposure = Performed(Sampling(record, "dawn"), Shutter(360, 2), TAKEN_AT)
    exposure._freeze = None
    z, _ = Sampling(record, "dawn").at(Shutter(360, 2).times(0, 20, TAKEN_AT))
    assert np.array_equal(exposure.rows(0, 10)[0], z)
    assert exposure.rows(3, 3)[0].shape == (0, *record.z.shape[1:])
