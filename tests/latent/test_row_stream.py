"""Streams of rows: the same files as `save_sequence`, whole or not at all, and no more memory."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from path_parts import LAYERS, SHELL

from instrument import InstrumentError
from instrument.latent.row_stream import Block, blank, open_rows, stream_sequence
from instrument.latent.sequence import ModelReference, ZSequence, load_sequence, save_sequence
from instrument.latent.space import LatentSpec
from instrument.latent.trace import Origin, Trace
from instrument.timebase import FrameRate

ORIGINS = (Origin("source.npy", "ab" * 32, 90),)
NTSC = FrameRate(30000, 1001)


def sequence_of(frames: int, spec: LatentSpec, parameters: bool) -> ZSequence:
    rng = np.random.default_rng(frames)
    z = rng.normal(size=(frames, *spec.shape)).astype(np.float32)
    rows = np.stack([np.zeros(frames), np.arange(frames), np.full(frames, -1.0),
                     np.full(frames, -1.0), np.zeros(frames)], axis=1)  # fmt: skip
    columns = rng.normal(size=(frames, 2 * parameters)).astype(np.float32)
    addresses = ("/model/snapshot", "/master/gain") if parameters else ()
    return ZSequence(
        z, NTSC, spec, ModelReference("m", "cd" * 32), columns if parameters else np.zeros(
            (0, 0), np.float32), addresses, 5, "a test", (), Trace(ORIGINS, rows),
    )  # fmt: skip


def blocks_of(sequence: ZSequence, size: int):
    for start in range(0, len(sequence), size):
        rows = slice(start, start + size)
        assert sequence.trace is not None
        columns = sequence.parameters[rows] if sequence.addresses else sequence.parameters
        yield Block(sequence.z[rows], sequence.trace.rows[rows], columns)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("spec", [SHELL, LAYERS], ids=str)
@pytest.mark.parametrize("parameters", [False, True])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_stream_writes_the_bytes_of_a_whole(tmp_path, spec, parameters, size) -> None:
    sequence = sequence_of(23, spec, parameters)
    for folder in ("whole", "stream"):
        (tmp_path / folder).mkdir()
    save_sequence(tmp_path / "whole" / "a.npy", sequence)
    header = blank(sequence, 23)
    stream_sequence(tmp_path / "stream" / "a.npy", header, blocks_of(sequence, size), ORIGINS)
    assert files_in(tmp_path / "stream") == files_in(tmp_path / "whole")
    again = load_sequence(tmp_path / "stream" / "a.npy")
    assert (again.z == sequence.z).all()
    assert again.trace is not None


def test_a_header_weighs_nothing() -> None:
    tracemalloc.start()
    header = blank(sequence_of(2, SHELL, True), 10**9)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(header) == 10**9
    assert peak < 100_000


@pytest.mark.parametrize("frames", [22, 24])
def test_too_few_and_too_many_rows_leave_what_was_there(tmp_path, frames) -> None:
    sequence = sequence_of(23, SHELL, True)
    save_sequence(tmp_path / "a.npy", sequence)
    before = files_in(tmp_path)
    with pytest.raises(InstrumentError, match=r"a\.npy|a\.trace|a\.params"):
        stream_sequence(
            tmp_path / "a.npy", blank(sequence, frames), blocks_of(sequence, 5), ORIGINS
        )
    assert files_in(tmp_path) == before


def test_rows_that_are_no_numbers_leave_nothing(tmp_path) -> None:
    sequence = sequence_of(23, SHELL, False)
    sequence.z[11, 3] = np.nan
    with pytest.raises(InstrumentError, match="row after 10 is not finite"):
        stream_sequence(tmp_path / "a.npy", blank(sequence, 23), blocks_of(sequence, 5), ORIGINS)
    assert files_in(tmp_path) == {}


def test_too_large_for_single_precision_is_not_finite(tmp_path) -> None:
    with (
        pytest.raises(InstrumentError, match="not finite"),
        open_rows(tmp_path / "a.npy", (2, 3), np.float32) as add,
    ):
        add(np.full((2, 3), 1e39))
    assert files_in(tmp_path) == {}


def test_a_failure_half_way_leaves_nothing(tmp_path) -> None:
    sequence = sequence_of(23, SHELL, True)

    def failing():
        yield from list(blocks_of(sequence, 5))[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream_sequence(tmp_path / "a.npy", blank(sequence, 23), failing(), ORIGINS)
    assert files_in(tmp_path) == {}


def test_a_place_that_cannot_be_written(tmp_path) -> None:
    sequence = sequence_of(4, SHELL, False)
    for path in (tmp_path / "missing" / "a.npy", tmp_path / "a.txt", tmp_path / "a.trace.npy"):
        with pytest.raises(InstrumentError, match=path.name.split(".")[0]):
            stream_sequence(path, blank(sequence, 4), blocks_of(sequence, 2), ORIGINS)
    if os.getuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(InstrumentError, match=r"a\.npy"):
            stream_sequence(tmp_path / "a.npy", blank(sequence, 4), blocks_of(sequence, 2), ORIGINS)
    assert not list(tmp_path.iterdir())


def test_rows_of_another_shape(tmp_path) -> None:
    with (
        pytest.raises(InstrumentError, match=r"rows \[2, 5\] after 0"),
        open_rows(tmp_path / "a.npy", (2, 3), np.float32) as add,
    ):
        add(np.zeros((2, 5)))
