"""A record file writes all or says why, and belongs to one writer."""

from __future__ import annotations

import pytest

from instrument.take.disk import RecordFile, lock


class _Reluctant:
    """A raw file that takes seven bytes at a time, as the system may."""

    def __init__(self, file):
        self._file = file

    def write(self, data):
        return self._file.write(bytes(data[:7]))

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_a_write_in_parts_is_a_whole_write(tmp_path):
    file = RecordFile(tmp_path / "x")
    file._file = _Reluctant(file._file)
    assert file.write(bytes(range(100))) == 100
    assert file.tell() == 100
    file.close()
    assert (tmp_path / "x").read_bytes() == bytes(range(100))


def test_what_is_written_needs_no_flush(tmp_path):
    file = RecordFile(tmp_path / "x")
    file.write(b"abc")
    assert (tmp_path / "x").read_bytes() == b"abc"
    file.mark()
    file.write(b"torn")
    file.rewind()
    file.sync()
    file.close()
    assert (tmp_path / "x").read_bytes() == b"abc"


def test_a_file_is_new_and_locked_while_open(tmp_path):
    pytest.importorskip("fcntl")
    file = RecordFile(tmp_path / "x")
    with pytest.raises(FileExistsError):
        RecordFile(tmp_path / "x")
    with (tmp_path / "x").open("rb") as other:
        assert not lock(other)
        file.close()
        assert lock(other)
