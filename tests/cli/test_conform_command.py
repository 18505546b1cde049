"""``instrument conform`` as one types it: footage found, film and report written, or one line."""

import json
import os

import numpy as np
import pytest

from instrument.latent.sequence import ModelReference, ZSequence, load_sequence, save_sequence
from instrument.latent.space import LatentSpec
from instrument.timebase import FrameRate

EDL = """TITLE: walk
FCM: NON-DROP FRAME
001  walk  V  C        00:00:00:10 00:00:01:10 01:00:00:00 01:00:01:00
002  walk  V  C        00:00:03:00 00:00:03:00 01:00:01:00 01:00:01:00
002  fly   V  D    012 00:00:01:00 00:00:02:00 01:00:01:00 01:00:02:00
"""


def z_file(path, rows=120, first=0, **more):
    z = np.zeros((rows, 4), np.float32)
    z[:, 0], z[:, 1] = first + np.arange(rows), 1
    save_sequence(path, ZSequence(z, FrameRate(30), LatentSpec((4,)), **more))
    return path


@pytest.fixture
def show(tmp_path, monkeypatch):
    """An edit of two proxies, with their z-sequences beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cut.edl").write_text(EDL)
    z_file(tmp_path / "walk.npy")
    z_file(tmp_path / "fly.npy", first=1000)
    return tmp_path


def index(path) -> list[float]:
    return load_sequence(path).z[:, 0].round(3).tolist()


def test_an_edit_becomes_a_z_sequence_and_a_report(run, show):
    ran = run("conform", "cut.edl", "-o", "film", "--rate", 30)
    assert ran.code == 0, ran.err
    rows = index(show / "film.npy")
    assert len(rows) == 60
    assert rows[:30] == list(range(10, 40))
    assert rows[42:] == list(range(1042, 1060))
    film = load_sequence(show / "film.npy")
    assert film.trace is not None
    assert [origin.path for origin in film.trace.origins] == [str(show / n) for n in
                                                              ("walk.npy", "fly.npy")]  # fmt: skip
    report = json.loads((show / "film.report.json").read_text())
    assert report["format"] == "conform-report/1"
    assert report["totals"]["dissolve"] == 1
    assert "1 dissolve" in ran.out
    assert "film.report.json" in ran.out


def test_json_is_one_object_and_nothing_else(run, show):
    ran = run("conform", "cut.edl", "-o", "film.npy", "--rate", 30, "--json", "--report", "r.json")
    fields = json.loads(ran.out)
    assert (fields["path"], fields["report"], fields["frames"]) == ("film.npy", "r.json", 60)
    assert fields["refused"] == []
    assert (show / "r.json").exists()
    assert not (show / "film.report.json").exists()


def test_the_same_words_make_the_same_bytes(run, show):
    for name in ("one", "two"):
        assert run("conform", "cut.edl", "-o", name, "--rate", 30).code == 0
    for suffix in (".npy", ".json", ".trace.npy"):
        assert (show / f"one{suffix}").read_bytes() == (show / f"two{suffix}").read_bytes()


def test_a_range_is_frames_or_timecodes(run, show):
    run("conform", "cut.edl", "-o", "all", "--rate", 30)
    run("conform", "cut.edl", "-o", "frames", "--rate", 30, "--range", "20:50")
    run("conform", "cut.edl", "-o", "codes", "--rate", 30, "--range", "01:00:00:20-01:00:01:20")
    assert index(show / "frames.npy") == index(show / "all.npy")[20:50]
    assert index(show / "codes.npy") == index(show / "frames.npy")
    ran = run("conform", "cut.edl", "-o", "x", "--rate", 30, "--range", "01:00:00:20-01:00:09:00")
    assert "must lie within 01:00:00:00-01:00:02:00" in ran.error


# --- where footage is found


def test_footage_is_found_beside_the_edit_or_here(run, tmp_path, monkeypatch):
    for folder in ("edits", "here"):
        (tmp_path / folder).mkdir()
    (tmp_path / "edits" / "cut.edl").write_text(EDL)
    monkeypatch.chdir(tmp_path / "here")
    z_file(tmp_path / "edits" / "walk.npy")
    z_file(tmp_path / "here" / "fly.npy", first=1000)
    assert run("conform", "../edits/cut.edl", "-o", "film", "--rate", 30).code == 0


def test_footage_beside_its_proxy_goes_first(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxies").mkdir()
    (tmp_path / "x.mlt").write_text(mlt("proxies/walk.mp4"))
    z_file(tmp_path / "walk.npy", first=5000)
    z_file(tmp_path / "proxies" / "walk.npy")
    assert run("conform", "x.mlt", "-o", "film").code == 0
    assert index(tmp_path / "film.npy") == [3, 4, 5, 6, 7]


def mlt(resource: str, more: str = "") -> str:
    return f"""<mlt LC_NUMERIC="C"><profile frame_rate_num="30" frame_rate_den="1"/>
<producer id="A"><property name="resource">{resource}</property>{more}
<property name="mlt_service">avformat</property></producer>
<playlist id="t"><entry producer="A" in="3" out="7"/></playlist>
<tractor id="main"><multitrack><track producer="t"/></multitrack></tractor></mlt>"""


def test_a_take_is_footage_too(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "night.take").mkdir()
    z_file(tmp_path / "night.take" / "z.npy")
    (tmp_path / "x.mlt").write_text(mlt("night.mp4"))
    assert run("conform", "x.mlt", "-o", "film").code == 0
    assert index(tmp_path / "film.npy") == [3, 4, 5, 6, 7]
    (tmp_path / "y.mlt").write_text(mlt("other.mp4"))
    assert run("conform", "y.mlt", "-o", "film", "--source", "night.take").code == 0


def test_the_proxy_of_an_editor_leads_to_its_original(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    original = '<property name="kdenlive:originalurl">walk.mp4</property>'
    (tmp_path / "x.kdenlive").write_text(mlt("cache/7f3a.mkv", original))
    z_file(tmp_path / "walk.npy")
    assert run("conform", "x.kdenlive", "-o", "film").code == 0


@pytest.mark.parametrize("name", ["walk", "walk.mp4", "clips/walk.mp4", "./clips/walk.mp4", "full"])
def test_footage_is_told_by_stem_file_name_or_path(run, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.mlt").write_text(mlt("clips/walk.mp4"))
    z_file(tmp_path / "a=b.npy")
    name = tmp_path / "clips/walk.mp4" if name == "full" else name
    assert run("conform", "x.mlt", "-o", "film", "--source", f"{name}=a=b.npy").code == 0
    assert index(tmp_path / "film.npy") == [3, 4, 5, 6, 7]


def test_one_z_sequence_alone_is_enough_for_one_medium(run, show):
    (show / "x.mlt").write_text(mlt("clips/other.mp4"))
    assert run("conform", "x.mlt", "-o", "film", "--source", "fly.npy").code == 0
    assert index(show / "film.npy") == [1003, 1004, 1005, 1006, 1007]
    ran = run("conform", "cut.edl", "-o", "film2", "--rate", 30, "--source", "fly.npy")
    assert "the edit has 2 media" in ran.error
    assert not (show / "film2.npy").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--source", "walk=nope.npy"), "no z-sequence nope.npy, write PROXY=Z.npy"),
        (("--source", "nope=walk.npy"), "the edit has no 'nope', allowed are"),
        (("--source", "nope"), "no z-sequence nope, write PROXY=Z.npy"),
        (("--gap", "grey"), "--gap 'grey': allowed are black, hold, slerp"),
        (("--dissolve", "cut"), "--dissolve 'cut': allowed are slerp, hold, spring"),
        (("--retime", "fast"), "--retime 'fast': allowed are auto, nearest, path"),
        (("--range", "90:99"), "must lie within 0:60"),
        (("--range", "x"), "write it as A:B"),
        (("--rate", "zero"), "frame rate 'zero'"),
        (("--report", "nowhere/r.json"), "there is no folder nowhere"),
        (("--report", "."), "is a folder"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(run, show, words, says):
    before = sorted(os.listdir(show))
    rate = () if "--rate" in words else ("--rate", 30)
    ran = run("conform", "cut.edl", "-o", "film", *rate, *words)
    assert ran.code == 1
    assert says in ran.error
    assert sorted(os.listdir(show)) == before


def test_missing_footage_says_where_it_was_looked_for(run, show):
    (show / "fly.npy").unlink()
    ran = run("conform", "cut.edl", "-o", "film", "--rate", 30)
    assert ran.code == 1
    assert "no z-sequence for 'fly'" in ran.error
    assert "looked for fly.npy" in ran.error
    assert "--source fly=Z.npy" in ran.error
    assert not (show / "film.npy").exists()


def test_the_negative_is_not_written_over(run, show):
    before = (show / "walk.npy").read_bytes()
    ran = run("conform", "cut.edl", "-o", "walk", "--rate", 30)
    assert "is footage of this edit" in ran.error
    assert (show / "walk.npy").read_bytes() == before


def test_footage_of_two_spaces_is_one_line(run, show):
    z = np.ones((120, 8), np.float32)
    save_sequence(show / "fly.npy", ZSequence(z, FrameRate(30), LatentSpec((8,))))
    ran = run("conform", "cut.edl", "-o", "film", "--rate", 30)
    assert "fly.npy: is z8 (free), but" in ran.error
    assert not (show / "film.npy").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_one_line(run, show):
    (show / "locked").mkdir(mode=0o500)
    ran = run("conform", "cut.edl", "-o", "locked/film", "--rate", 30)
    assert "cannot be written" in ran.error


def test_what_an_edit_cannot_say_in_z_is_said_aloud(run, show):
    blur = '<filter in="3" out="5"><property name="mlt_service">boxblur</property></filter>'
    (show / "x.mlt").write_text(mlt("walk.mp4").replace('out="7"/>', f'out="7">{blur}</entry>'))
    ran = run("conform", "x.mlt", "-o", "film", "--json")
    (refused,) = json.loads(ran.out)["refused"]
    assert "blur" in refused["name"]
    assert refused["timecode"][0] == "00:00:00:00"
    assert "refused: " in run("conform", "x.mlt", "-o", "film").out


def test_takes_of_two_snapshots_mix_them(run, show):
    """One source says its snapshot, the other is of the newest: which that is the model knows."""
    model = ModelReference("default", "")
    table = np.zeros((120, 1), np.float32)
    z_file(show / "walk.npy", model=model, parameters=table, addresses=("/model/snapshot",))
    z_file(show / "fly.npy", first=1000, model=model)
    assert run("conform", "cut.edl", "-o", "film", "--rate", 30).code == 0
    snapshot = load_sequence(show / "film.npy").column("/model/snapshot")
    assert snapshot[0] == 0
    assert snapshot[-1] >= 1
    assert 0 < snapshot[36] < snapshot[-1]


def test_a_film_of_a_film_keeps_its_way_back(run, show):
    run("conform", "cut.edl", "-o", "first", "--rate", 30)
    (show / "x.mlt").write_text(mlt("first.mp4"))
    assert run("conform", "x.mlt", "-o", "second").code == 0
    assert index(show / "second.npy") == [13, 14, 15, 16, 17]
    ran = run("trace", "second.npy", "--row", 2, "--json")
    steps = json.loads(ran.out)["steps"]
    names = [(os.path.basename(s["path"]), s["row"], s["state"]) for s in steps]
    assert names == [("second.npy", 2, "made"), ("first.npy", 5, "made"), ("walk.npy", 15, "first")]
