"""Keeping a preset: whole whatever happens, twenty versions, never what cannot be read."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from stages import bank_of_four
from test_preset_changes import BEGINS, GAIN, LEARNT, TEXT

from instrument import InstrumentError, document
from instrument.document import write_whole
from instrument.performance import preset_writing
from instrument.performance.mapping import Binding
from instrument.performance.preset import Preset, compose, load_preset
from instrument.performance.preset_changes import Changes, changed
from instrument.performance.preset_writing import VERSIONS, free_name, keep, versions_of

ONE = Changes((LEARNT,))
BANK = bank_of_four()


def composing(preset: Preset) -> object:
    return compose(preset, BANK)


@pytest.fixture
def show(tmp_path: Path) -> Path:
    path = tmp_path / "show.toml"
    path.write_text(TEXT)
    return path


def kept(path: Path, changes: Changes = ONE, folder: Path | None = None) -> Preset:
    return keep(load_preset(path), changes, BEGINS, folder or path.parent / "own", composing)


def fader(number: int) -> Changes:
    return Changes((Binding(f"/midi/deck/cc/{number}", GAIN),))


def test_what_was_learnt_stands_in_the_file_and_what_was_there_beside_it(show: Path) -> None:
    written = kept(show)
    assert show.read_text() == changed(TEXT, ONE, BEGINS) == written.text
    assert (written.where, written.folder) == (str(show), show.parent)
    assert LEARNT in compose(load_preset(show), BANK).bindings
    (version,) = versions_of(show)
    assert version.read_text() == TEXT
    assert sorted(p.name for p in show.parent.iterdir()) == ["show.toml", "show.versions"]


def test_nothing_new_is_not_written(show: Path) -> None:
    before = show.stat().st_mtime_ns
    preset = load_preset(show)
    assert keep(preset, Changes(), BEGINS, show.parent, composing) is preset
    assert show.stat().st_mtime_ns == before and versions_of(show) == []


def test_the_last_twenty_versions_are_kept(show: Path) -> None:
    texts = [TEXT]
    for number in range(VERSIONS + 7):
        kept(show, fader(number))
        texts.append(show.read_text())
    assert len(set(texts)) == VERSIONS + 8
    assert [v.read_text() for v in versions_of(show)] == texts[-VERSIONS - 1 : -1]


def test_what_somebody_wrote_meanwhile_is_kept(show: Path) -> None:
    preset = load_preset(show)
    show.write_text(TEXT.replace("# The end.", "# The very end."))
    keep(preset, ONE, BEGINS, show.parent, composing)
    assert "# The very end." in show.read_text() and "cc/1" in show.read_text()


@pytest.mark.parametrize("damage", [b"format = ", b"\xff\xfe", b'format = "preset/1"\nnmae = 1\n'])
def test_what_cannot_be_read_is_not_written_over(show: Path, damage: bytes) -> None:
    preset = load_preset(show)
    show.write_bytes(damage)
    with pytest.raises(InstrumentError, match=r"show\.toml: not saved, somebody") as caught:
        keep(preset, ONE, BEGINS, show.parent, composing)
    assert "\n" not in str(caught.value)
    assert show.read_bytes() == damage and versions_of(show) == []


def test_what_could_not_be_played_is_not_written(show: Path) -> None:
    for wrong in (Binding("/midi/deck/cc/1", "/no/such"), Binding("/key/r", GAIN)):
        with pytest.raises(InstrumentError, match=r"no '/no/such'|reserved"):
            kept(show, Changes((wrong,)))
    assert show.read_text() == TEXT and versions_of(show) == []


def test_a_file_that_is_gone_is_written_again(show: Path) -> None:
    preset = load_preset(show)
    show.unlink()
    keep(preset, ONE, BEGINS, show.parent, composing)
    assert show.read_text() == changed(TEXT, ONE, BEGINS)


def test_a_bundled_preset_is_left_alone_and_copied(show: Path, monkeypatch) -> None:
    monkeypatch.setattr(preset_writing, "bundled", lambda name: show.parent)
    own = show.parent.parent / "mine"
    first, second = kept(show, ONE, own), kept(show, ONE, own)
    assert show.read_text() == TEXT and versions_of(show) == []
    assert [Path(p.where).name for p in (first, second)] == ["show.toml", "show-2.toml"]
    assert Path(first.where).parent == own and Path(first.where).read_text() == first.text
    again = keep(first, fader(7), BEGINS, own, composing)  # goes on in the copy
    assert again.where == first.where and len(versions_of(own / "show.toml")) == 1


def test_the_bundled_presets_are_bundled() -> None:
    from instrument.resources import bundled

    assert preset_writing.is_bundled(bundled("presets") / "default.toml")
    assert not preset_writing.is_bundled(Path("default.toml").absolute().parent / "x.toml")


def test_a_link_stays_one_and_the_mode_of_the_file_too(show: Path) -> None:
    link = show.with_name("link.toml")
    link.symlink_to(show)
    show.chmod(0o640)
    kept(link)
    assert link.is_symlink() and "cc/1" in show.read_text()
    assert show.stat().st_mode & 0o777 == 0o640


def test_a_byte_order_mark_and_line_ends_of_windows_stay(show: Path) -> None:
    show.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    kept(show)
    data = show.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf#") and data.count(b"\n") == data.count(b"\r\n")
    assert LEARNT in compose(load_preset(show), BANK).bindings


def test_nothing_too_large_to_be_read_again_is_written(show: Path, monkeypatch) -> None:
    monkeypatch.setattr(preset_writing, "LARGEST_FILE", len(TEXT) + 10)
    with pytest.raises(InstrumentError, match="not saved, it would be larger"):
        kept(show)
    assert show.read_text() == TEXT


def test_a_free_name(tmp_path: Path) -> None:
    for name in ("a.toml", "a-2.toml"):
        (tmp_path / name).touch()
    assert free_name(tmp_path / "a.toml").name == "a-3.toml"
    assert free_name(tmp_path / "b.toml").name == "b.toml"


# A disk that refuses, at every call there is.


class Refusing:
    """Lets `good` calls of the system through and refuses all others, as a full disk does."""

    def __init__(self, good: int) -> None:
        self.good = good

    def wrap(self, call):
        def refused(*given, **more):
            self.good -= 1
            if self.good < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return call(*given, **more)

        return refused


CALLS = [(os, "replace"), (os, "fsync"), (os, "open"), (Path, "mkdir"), (Path, "open")]
CALLS += [(Path, "read_bytes"), (document.shutil, "copymode")]


def test_whichever_call_the_disk_refuses_the_file_is_whole(show: Path, monkeypatch) -> None:
    preset, outcomes = load_preset(show), []
    new = changed(TEXT, ONE, BEGINS)
    for good in range(40):
        show.write_text(TEXT)
        with monkeypatch.context() as patch:
            disk = Refusing(good)
            for owner, name in CALLS:
                patch.setattr(owner, name, disk.wrap(getattr(owner, name)))
            try:
                keep(preset, ONE, BEGINS, show.parent, composing)
                outcomes.append("kept")
            except InstrumentError as error:
                assert str(error) == f"{show}: not saved (No space left on device)"
                outcomes.append("refused")
        # After the renaming only the folder is still to be told: then it is the new file.
        assert show.read_text() in ((new,) if outcomes[-1] == "kept" else (TEXT, new))
        assert not list(show.parent.rglob(".*.part"))
        if outcomes[-1] == "kept":
            break
    assert outcomes.count("refused") >= 8 and outcomes[-1] == "kept"
    assert [v.read_text() for v in versions_of(show)] == [TEXT]  # once, however often it was tried


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL on Windows")
@pytest.mark.parametrize("where", ["fsync", "replace"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_killed_in_the_middle_of_a_save_the_file_is_whole(show: Path, where, call) -> None:
    """Before the folder is told and after: a process killed at every step of the way."""
    code = f"""
import os, signal, sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[2])]!r}
from pathlib import Path
import test_preset_writing as t
real, calls = os.{where}, 0
def deadly(*given):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given)
os.{where} = deadly
t.kept(Path({str(show)!r}))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    killed = ended.returncode == -signal.SIGKILL
    assert killed or (ended.returncode == 0 and where == "replace" and call == 3), ended.stderr
    new = changed(TEXT, ONE, BEGINS)
    whole = (TEXT,) if killed and (where, call) != ("fsync", 3) else (TEXT, new)
    assert show.read_text() in whole
    kept(show)  # and the next save goes well, whatever was left behind
    assert show.read_text() == new
    assert TEXT in [v.read_text() for v in versions_of(show)]


def test_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError):
        write_whole(tmp_path / "none" / "a", b"x")
