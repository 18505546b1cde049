"""Edits that were made to hurt: one line each, and nothing written."""

import os

import numpy as np
import pytest

from instrument.latent.sequence import ZSequence, save_sequence
from instrument.latent.space import LatentSpec
from instrument.timebase import FrameRate

HEAD = '<mlt LC_NUMERIC="C" producer="main"><profile frame_rate_num="30" frame_rate_den="1"/>'
FOOTAGE = """<producer id="A"><property name="resource">walk.mp4</property>
<property name="mlt_service">avformat</property></producer>"""
TAIL = '<tractor id="main"><multitrack><track producer="t"/></multitrack></tractor></mlt>'


def mlt(entries: str, footage: str = FOOTAGE, head: str = HEAD, tail: str = TAIL) -> str:
    return f'{head}{footage}<playlist id="t">{entries}</playlist>{tail}'


def bomb(tag: str) -> str:
    lines = ['<!DOCTYPE x [<!ENTITY a0 "ha">']
    lines += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)]
    return "\n".join([*lines, f"]><{tag}>&a11;</{tag}>"])


def external(tag: str) -> str:
    return f'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><{tag}>&f;</{tag}>'


ENTRY = '<entry producer="A" in="0" out="9"/>'
OTIO = """{"OTIO_SCHEMA": "Timeline.1", "name": "x", "tracks": {"OTIO_SCHEMA": "Stack.1",
"children": [{"OTIO_SCHEMA": "Track.1", "kind": "Video", "children": [%s]}]}}"""
OTIO_CLIP = """{"OTIO_SCHEMA": "Clip.1", "name": "walk", "source_range": {"OTIO_SCHEMA":
"TimeRange.1", "start_time": {"OTIO_SCHEMA": "RationalTime.1", "value": 0, "rate": %s},
"duration": {"OTIO_SCHEMA": "RationalTime.1", "value": %s, "rate": %s}}}"""
EVENT = "001  walk  V  C  {} {} {} {}\n"
FCPX = """<fcpxml version="1.9"><resources><format id="f" frameDuration="{rate}"/>
<asset id="a" name="walk" src="walk.mp4" start="0s" duration="4s" hasVideo="1" format="f"/>
{more}</resources><library><event><project name="p"><sequence format="f"><spine>{spine}</spine>
</sequence></project></event></library></fcpxml>"""
FCP7 = """<xmeml version="5"><sequence id="s"><name>s</name><rate><timebase>{base}</timebase></rate>
<media><video><track>{items}</track></video></media></sequence></xmeml>"""

HOSTILE = {
    "bomb.mlt": bomb("mlt"),
    "bomb.xml": bomb("xmeml"),
    "bomb.fcpxml": bomb("fcpxml"),
    "external.mlt": external("mlt"),
    "external.xml": external("xmeml"),
    "external.fcpxml": external("fcpxml"),
    "dtd.mlt": '<!DOCTYPE mlt SYSTEM "http://127.0.0.1:9/x.dtd">' + mlt(ENTRY),
    "deep.mlt": HEAD + "<property>" * 200_000,
    "cut-short.mlt": mlt(ENTRY)[:-20],
    "empty.mlt": "",
    "nothing.mlt": mlt(""),
    "negative.mlt": mlt('<entry producer="A" in="0" out="-5"/>'),
    "in-after-out.mlt": mlt('<entry producer="A" in="9" out="3"/>'),
    "blank.mlt": mlt(f'<blank length="-7"/>{ENTRY}'),
    "endless.mlt": mlt(f'<blank length="999999999999"/>{ENTRY}'),
    "huge-number.mlt": mlt(f'<entry producer="A" in="0" out="{"9" * 5000}"/>'),
    "no-producer.mlt": mlt('<entry producer="B" in="0" out="9"/>'),
    "no-rate.mlt": mlt(ENTRY, head='<mlt><profile frame_rate_num="0" frame_rate_den="0"/>'),
    "cycle.mlt": mlt('<entry producer="main" in="0" out="9"/>'),
    "missing-proxy.mlt": mlt(ENTRY, FOOTAGE.replace("walk.mp4", "gone.mp4")),
    "bad.otio": "{",
    "deep.otio": '{"OTIO_SCHEMA": "Stack.1", "children": [' * 50_000,
    "rate.otio": OTIO % (OTIO_CLIP % (0, 10, 0)),
    "negative.otio": OTIO % (OTIO_CLIP % (30, -10, 30)),
    "endless.otio": OTIO % (OTIO_CLIP % (30, "1e18", 30)),
    "nan.otio": OTIO % (OTIO_CLIP % (30, "NaN", 30)),
    "unknown.otio": '{"OTIO_SCHEMA": "UnknownSchema.1"}',
    "twice.otio": OTIO % (OTIO_CLIP % (0, '10, "value": 9', 30)),
    "words.edl": "these are no events\n",
    "frames.edl": EVENT.format("00:00:00:99", "00:00:01:00", "00:00:00:00", "00:00:01:00"),
    "endless.edl": EVENT.format("00:00:00:00", "99:00:00:00", "00:00:00:00", "99:00:00:00")
    + EVENT.format("00:00:00:00", "99:00:00:00", "999999:00:00:00", "9999999:00:00:00"),
    "rate.fcpxml": FCPX.format(rate="0/30s", more="", spine=""),
    "negative.fcpxml": FCPX.format(
        rate="1/30s", more="", spine='<asset-clip ref="a" offset="0s" duration="-1s"/>'
    ),
    "missing.fcpxml": FCPX.format(
        rate="1/30s", more="", spine='<asset-clip ref="b" offset="0s" duration="1s"/>'
    ),
    "cycle.fcpxml": FCPX.format(
        rate="1/30s", spine='<ref-clip ref="m" offset="0s" duration="1s"/>',
        more='<media id="m"><sequence format="f"><spine><ref-clip ref="m" offset="0s" '
        'duration="1s"/></spine></sequence></media>',
    ),
    "rate.xml": FCP7.format(base=0, items=""),
    "cycle.xml": FCP7.format(
        base=30, items='<clipitem><start>0</start><end>9</end><in>0</in><out>9</out>'
        '<sequence id="s"/></clipitem>',
    ),
    "in-after-out.xml": FCP7.format(
        base=30, items='<clipitem><name>walk</name><start>0</start><end>9</end><in>9</in>'
        '<out>3</out><file id="f"><pathurl>walk.mp4</pathurl></file></clipitem>',
    ),
    "svg.xml": "<svg/>",
    "no.aaf": "no AAF",
}  # fmt: skip


@pytest.fixture
def show(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    z = np.ones((120, 4), np.float32)
    save_sequence(tmp_path / "walk.npy", ZSequence(z, FrameRate(30), LatentSpec((4,))))
    return tmp_path


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_edit_is_one_line_and_nothing_is_written(run, show, name):
    (show / name).write_text(HOSTILE[name])
    before = sorted(os.listdir(show))
    ran = run("conform", name, "-o", "film", "--rate", 30)
    assert ran.code == 1, ran.out
    assert name.partition(".")[0] in ran.error
    assert len(ran.error) < 600
    assert sorted(os.listdir(show)) == before


@pytest.mark.parametrize(
    "suffix", [".mlt", ".kdenlive", ".otio", ".edl", ".xml", ".fcpxml", ".aaf"]
)
def test_a_file_too_large_is_one_line(run, show, suffix):
    path = show / f"large{suffix}"
    with path.open("wb") as file:
        file.write(b"<mlt>" if suffix == ".xml" else b"")
        file.truncate(300 << 20)  # on the disk it is nothing
    ran = run("conform", path, "-o", "film", "--rate", 30)
    assert ran.code == 1
    assert f"large{suffix}" in ran.error
    assert not (show / "film.npy").exists()


def test_a_clip_past_the_end_of_its_footage_is_held_and_told(run, show):
    (show / "x.mlt").write_text(mlt('<entry producer="A" in="0" out="199"/>'))
    ran = run("conform", "x.mlt", "-o", "film")
    assert ran.code == 0
    assert "80 frames lie outside its 120 rows" in ran.out
