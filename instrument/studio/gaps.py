"""Where an edit shows nothing: what z is there, for it is never nothing.

A z of zeros is no picture, least of all black: black is gain 0. So z stays what it was before, or
is on its way to what comes after. Frames that are black by a clip's will stay black.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from instrument import InstrumentError
from instrument.latent.space import F64
from instrument.studio.plan import Flags, Plan
from instrument.studio.retiming import I64

Gap = Literal["black", "hold", "slerp"]


def bridge(plan: Plan, gap: Gap) -> Flags:
    """Give every frame of `plan` a layer; returns which ``[n]`` were gaps.

    ``black``: dark, with z from before (at the head, from after). ``hold``: the same, lit as it
    was. ``slerp``: on the way from before to after. Raises InstrumentError where nothing is shown
    at all.
    """
    plan.light_nothing()
    gaps, shows = plan.gaps, plan.shows
    if not shows.any():
        raise InstrumentError("shows no footage at all: nothing to conform")
    before, after = _neighbours(shows)
    bare = np.flatnonzero(~shows)
    if gap != "slerp":
        lit = gaps[bare] if gap == "hold" else np.zeros(len(bare), np.bool_)
        _lay(plan, bare, before[bare], np.ones(len(bare)), lit.astype(np.float64))
        return gaps
    dark, flown = bare[~gaps[bare]], bare[gaps[bare]]
    share = (flown - before[flown]) / np.maximum(after[flown] - before[flown], 1)
    share = np.clip(share, 0.0, 1.0)  # at either end of the edit both neighbours are the same
    # Read before anything is laid: what lies before a gap is no gap itself.
    _lay(plan, dark, before[dark], np.ones(len(dark)), np.zeros(len(dark)))
    _lay(plan, flown, before[flown], 1.0 - share, np.ones(len(flown)))
    _lay(plan, flown, after[flown], share, np.ones(len(flown)))
    return gaps


def _neighbours(shows: Flags) -> tuple[I64, I64]:
    """The nearest frames with a layer, before and after each ``[n]``; at an end, the other one."""
    frames = np.arange(len(shows))
    there = np.flatnonzero(shows)
    before = np.maximum.accumulate(np.where(shows, frames, -1))
    after = np.minimum.accumulate(np.where(shows, frames, len(shows))[::-1])[::-1]
    return (
        np.where(before < 0, there[0], before),
        np.where(after == len(shows), there[-1], after),
    )


def _lay(plan: Plan, frames: I64, like: I64, share: F64, lit: F64) -> None:
    """Lay at `frames` what the frames `like` show, to `share`, and as bright times `lit`."""
    piece, place = plan.piece[like], plan.place[like]
    cover = plan.weight[like]
    light = plan.light[like] * (share * lit)[:, None]
    weight = cover * (share / cover.sum(axis=1))[:, None]
    for layer in range(piece.shape[1]):
        plan.add(frames, piece[:, layer], place[:, layer], weight[:, layer], light[:, layer])
