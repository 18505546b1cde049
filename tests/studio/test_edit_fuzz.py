"""Damaged edits of every interchange format: read, or refused in one line; nothing else."""

import re
from pathlib import Path

import edit_oracle as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.studio import edl, fcp7, fcpx, otio
from instrument.studio.retiming import Footage
from instrument.timebase import FrameRate

READERS = {
    "edl.edl": edl.read, "nle.otio": otio.read, "nle_fcp7.xml": fcp7.read,
    "nle_fcpx.fcpxml": fcpx.read,
}  # fmt: skip
# What stands in for a word or a number: of other kinds, of no kind, and far too large.
ODD = ["-1", "0", "1", "-7/30s", "1/0s", "99999999999999999999", "1e308", "NaN", "null", '"x"',
       "TRUE", "r2", "asset-clip", "track", "[]", "{}", "é\u202e", "",
       "01:00:00:00", "D", "30.5"]  # fmt: skip
_WORDS = re.compile(r"[A-Za-z0-9_./:-]+")


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_words_exchanged(tmp_path_factory, name, data):
    text = (oracle.EDITS / name).read_text()
    spans = [match.span() for match in _WORDS.finditer(text)]
    for _ in range(data.draw(st.integers(1, 4))):
        start, stop = spans[data.draw(st.integers(0, len(spans) - 1))]
        text = text[:start] + data.draw(st.sampled_from(ODD)) + text[stop:]
    _read(tmp_path_factory.mktemp("fuzz") / name, text.encode(), READERS[name])


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_pieces_lost_and_doubled(tmp_path_factory, name, data):
    lines = (oracle.EDITS / name).read_text().splitlines(keepends=True)
    start = data.draw(st.integers(0, len(lines) - 1))
    stop = data.draw(st.integers(start, len(lines)))
    lines[start:stop] = lines[start:stop] * data.draw(st.sampled_from([0, 2, 3]))
    _read(tmp_path_factory.mktemp("fuzz") / name, "".join(lines).encode(), READERS[name])


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=40, deadline=None)
@given(noise=st.binary(max_size=300), place=st.integers(0, 1000))
def test_bytes_thrown_in(tmp_path_factory, name, noise, place):
    data = bytearray((oracle.EDITS / name).read_bytes())
    data[place:place] = noise
    _read(tmp_path_factory.mktemp("fuzz") / name, bytes(data), READERS[name])


def _read(path: Path, data: bytes, read) -> None:
    path.write_bytes(data)
    try:
        made = read(path, rate=FrameRate(30) if path.suffix == ".edl" else None)
    except InstrumentError as error:
        assert "\n" not in str(error) and path.name in str(error)
        return
    footage = Footage(FrameRate(30), 300)
    for timeline in made.nested():
        for clip in timeline.visible():
            offsets = np.arange(min(len(clip.record), 1000))
            try:
                frames = clip.retiming.frames(offsets, footage)
            except InstrumentError:
                continue
            assert frames.min(initial=0) >= 0
            assert np.isfinite(clip.retiming.positions(offsets, footage)).all()
