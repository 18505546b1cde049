"""Which reader a file is for."""

from pathlib import Path

import pytest

from instrument import InstrumentError
from instrument.studio.edits import read_edit

MLT = """<mlt LC_NUMERIC="C"><profile frame_rate_num="25" frame_rate_den="1"/>
<producer id="A"><property name="resource">a.mp4</property>
<property name="mlt_service">avformat</property></producer>
<playlist id="t"><entry producer="A" in="3" out="7"/></playlist>
<tractor id="main"><multitrack><track producer="t"/></multitrack></tractor></mlt>"""
EDL = """TITLE: x
001  a  V  C  00:00:00:03 00:00:00:08 00:00:00:00 00:00:00:05
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.mlt", MLT),
        ("x.KDENLIVE", MLT),
        ("x.xml", MLT),
        ("x.xml", '<?xml version="1.0"?>\n<!-- <xmeml> was here -->\n' + MLT),
        ("x", MLT),
        ("x.edl", EDL),
    ],
)
def test_a_name_or_the_first_tag_says_what_an_edit_is(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    edit = read_edit(path)
    (clip,) = edit.visible()
    assert (len(clip.record), next(edit.media()).places[0].endswith(("a", "a.mp4"))) == (5, True)


def test_two_bytes_a_letter_are_read_too(tmp_path):
    path = tmp_path / "x.xml"
    path.write_text(MLT, encoding="utf-16")
    assert read_edit(path).length == 5


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.xml", "<svg/>", "begins with <svg>, allowed are .kdenlive"),
        ("x.xml", "", "no edit, allowed are"),
        ("x.xml", "\0\1\2" * 999, "no edit, allowed are"),
        ("x.mp4", "ftyp", "no edit, allowed are"),
        ("x", "{}", "no edit, allowed are"),
        ("x.xml", "<" + "a" * 10**6, "allowed are"),
        ("x.xml", "<!--" * 10**5, "allowed are"),
    ],
)
def test_what_is_no_edit_is_one_line(tmp_path, name, text, says):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InstrumentError) as caught:
        read_edit(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(path))


def test_what_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InstrumentError, match="no such file"):
        read_edit(tmp_path / "missing.edl")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InstrumentError, match="cannot be read"):
        read_edit(tmp_path / "folder")
    with pytest.raises(InstrumentError):
        read_edit(Path("\0.xml"))
