"""Files that belong together: all of them, or none."""

import pytest

from instrument import InstrumentError
from instrument.studio.together import together


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_they_appear_when_published_and_not_before(tmp_path):
    with together(tmp_path / "new" / "folder", "walk") as stage:
        stage.write("a", b"1")
        stage.path("b").write_bytes(b"2")
        assert [n for n in names(stage.folder) if not n.startswith(".")] == []
        stage.publish(lambda: (stage.folder / "last").touch())
    assert names(tmp_path / "new" / "folder") == ["a", "b", "last"]


def test_without_publishing_nothing_is_left(tmp_path):
    (tmp_path / "a").write_bytes(b"before")
    with pytest.raises(KeyError), together(tmp_path, "walk") as stage:
        stage.write("a", b"after")
        raise KeyError
    with together(tmp_path, "walk") as stage:
        stage.write("a", b"after")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


def test_what_comes_last_fails(tmp_path):
    def full():
        raise InstrumentError("the disk is full")

    with pytest.raises(InstrumentError, match="full"), together(tmp_path, "walk") as stage:
        stage.write("a", b"1")
        stage.publish(full)
    assert names(tmp_path) == []


def test_a_file_was_promised_and_not_written(tmp_path):
    with pytest.raises(InstrumentError, match="b: cannot be written"):
        with together(tmp_path, "walk") as stage:
            stage.write("a", b"1")
            stage.path("b")
            stage.publish()
    assert names(tmp_path) == []


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(InstrumentError, match="b: cannot be written"):
        with together(tmp_path, "walk") as stage:
            stage.write("a", b"1")
            stage.write("b", b"2")
            stage.publish()
    assert names(tmp_path) == ["b"]


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InstrumentError, match="walk: cannot be written"):
        with together(tmp_path / "file", "walk"):
            pass
    with pytest.raises(InstrumentError, match=r"deep/x: cannot be written"):
        with together(tmp_path, "walk") as stage:
            stage.write("deep/x", b"1")
