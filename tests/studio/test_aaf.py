"""AAF through its adapter: cuts, gaps, dissolves, speeds; without it, and damaged."""

import sys
import time
import warnings

import edit_oracle as oracle
import numpy as np
import pytest
from opentimelineio import opentime, schema

from instrument import InstrumentError
from instrument.studio import aaf
from instrument.timebase import FrameRate

adapter = pytest.importorskip("otio_aaf_adapter.adapters.advanced_authoring_format")


def at(value):
    return opentime.RationalTime(value, 30)


def clip(name, start, length, *effects):
    media = schema.ExternalReference(f"{name}.mp4", opentime.TimeRange(at(0), at(300)))
    made = schema.Clip(name, media, opentime.TimeRange(at(start), at(length)))
    made.effects.extend(effects)
    return made


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Writes the items of one track as an AAF."""

    def write(*items):
        path = tmp_path_factory.mktemp("aaf") / "e.aaf"
        timeline, track = schema.Timeline("t"), schema.Track("V1", kind="Video")
        track.extend(items)
        timeline.tracks.append(track)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            adapter.write_to_file(timeline, str(path), use_empty_mob_ids=True)
        return path

    return write


def test_cuts_and_gaps(written):
    gap = schema.Gap(source_range=opentime.TimeRange(at(0), at(9)))
    made = aaf.read(written(clip("proxyA", 200, 30), gap, clip("proxyB", 60, 28)))
    assert (made.rate, made.length, made.remarks) == (FrameRate(30), 67, ())
    assert oracle.indexes(made) == [*range(200, 230), *[None] * 9, *range(5060, 5088)]
    assert [m.places[0] for m in made.media()] == ["proxyA.mp4", "proxyB.mp4"]


def test_a_track_by_its_number(written):
    path = written(clip("proxyA", 5, 3))
    assert oracle.indexes(aaf.read(path, track="1")) == [5, 6, 7]
    with pytest.raises(InstrumentError, match="no track '7'"):
        aaf.read(path, track="7")
    with pytest.raises(InstrumentError, match="no sequence 'x'"):
        aaf.read(path, sequence="x")


def test_dissolves(written):
    metadata = {
        "AAF": {
            "PointList": [{"Time": 0.0, "Value": 0.0}, {"Time": 1.0, "Value": 1.0}],
            "OperationGroup": {
                "Operation": {
                    "Name": "Video Dissolve", "Description": "",
                    "DataDefinition": {"Name": "Picture"},
                    "IsTimeWarp": False, "Bypass": 1, "NumberInputs": 2,
                    "Identification": "0c3bea40-fc05-11d2-8a29-0050040ef7d2",
                    "OperationCategory": "OperationCategory_Effect",
                }
            },
            "CutPoint": 4,
        }
    }  # fmt: skip
    mix = schema.Transition("mix", "SMPTE_Dissolve", at(4), at(4), metadata)
    try:
        path = written(clip("proxyA", 100, 30), mix, clip("proxyB", 60, 28))
    except Exception as error:  # noqa: BLE001 - the adapter's own, of its own making
        pytest.skip(f"this adapter writes no dissolve: {error!r}"[:200])
    made = aaf.read(path)
    assert made.length == 58
    shown = oracle.painted(made)
    assert shown[25] == {125: 1.0}
    mixed = [frame for frame in range(58) if len(shown[frame]) == 2]
    assert mixed == list(range(27, 34))
    assert shown[30] == {130: 0.5, 5060: 0.5}


def test_damage_is_one_line(written, tmp_path):
    good = written(clip("proxyA", 5, 3)).read_bytes()
    rng = np.random.Generator(np.random.Philox(5))
    begin, refused = time.perf_counter(), 0
    for trial in range(12):
        data = bytearray(good)
        if trial % 2:
            del data[int(rng.integers(600, len(data))) :]
        for place in rng.integers(8, len(data), 40):
            data[place] = int(rng.integers(256))
        path = tmp_path / f"{trial}.aaf"
        path.write_bytes(bytes(data))
        try:
            aaf.read(path)
        except InstrumentError as error:
            refused += 1
            assert "\n" not in str(error) and path.name in str(error)
    assert refused > 0
    assert time.perf_counter() - begin < 60


@pytest.mark.parametrize("data", [b"", b"make it nice", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])
def test_what_is_no_aaf(tmp_path, data):
    path = tmp_path / "e.aaf"
    path.write_bytes(data)
    with pytest.raises(InstrumentError, match="not an AAF"):
        aaf.read(path)
    with pytest.raises(InstrumentError, match="cannot be read"):
        aaf.read(tmp_path / "none.aaf")


def test_without_the_extra_one_line_says_how_to_get_it(written, monkeypatch):
    path = written(clip("proxyA", 5, 3))
    monkeypatch.setitem(sys.modules, aaf._ADAPTER, None)
    with pytest.raises(InstrumentError, match=r"pip install latent-instrument\[aaf\]"):
        aaf.read(path)


def test_a_huge_one_is_not_opened(written, monkeypatch):
    monkeypatch.setattr(aaf, "LARGEST", 1000)
    with pytest.raises(InstrumentError, match="without embedded media"):
        aaf.read(written(clip("proxyA", 5, 3)))
