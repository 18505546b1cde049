"""A survey is looked at once, and what is said of it is what was seen."""

import io

import numpy as np
import pytest
from PIL import Image
from studio_fakes import Barcodes, indexed, read_barcode

from instrument import InstrumentError
from instrument.decoder.protocol import DecoderSpec
from instrument.latent.sequence import ZSequence
from instrument.latent.space import LatentSpec
from instrument.studio.census import take_census
from instrument.studio.encode import count_frames, read_frames
from instrument.studio.onlooker import Onlooker, features_of
from instrument.studio.perception import OwnPerception
from instrument.studio.survey_film import Showing, clusters_sheet, columns_of, film_survey, find_out
from instrument.studio.survey_report import (
    read_report,
    report_to_json,
    report_to_text,
    save_report,
)
from instrument.studio.together import together
from instrument.timebase import FrameRate

RATE = FrameRate(30)
COLOURS = np.array([[220, 30, 30], [30, 200, 40], [40, 40, 230]], np.float64)


class Hues:
    """A world of three kinds: the nearest of the first three numbers of z says which."""

    def __init__(self):
        self.spec = DecoderSpec("hues", LatentSpec((4,)), (32, 32), "bb" * 32)
        self.decoded = 0

    def decode(self, z, parameters):
        self.decoded += len(z)
        shade = 0.9 + 0.1 * np.tanh(z[:, 3])
        colours = COLOURS[np.argmax(z[:, :3], axis=1)] * shade[:, None]
        return np.broadcast_to(colours[:, None, None].astype(np.uint8), (len(z), 32, 32, 3)).copy()


def world(sizes, seed=0):
    """Rows of which so many are red, green and blue, shuffled; and which is which."""
    source = np.random.default_rng(seed)
    truth = source.permutation(np.repeat(np.arange(3), sizes))
    z = np.zeros((len(truth), 4), np.float32)
    z[np.arange(len(truth)), truth] = 1
    z[:, 3] = source.normal(size=len(truth))
    return ZSequence(z, RATE, LatentSpec((4,))), truth


def film(tmp_path, sequence, decoder, **more):
    with together(tmp_path, "w") as stage:
        filmed = film_survey(stage, "w", sequence, decoder, OwnPerception(), Showing(**more))
        stage.publish()
    return filmed


def test_decoded_once_for_everything(tmp_path):
    sequence, _ = world([20, 12, 8])
    decoder = Hues()
    filmed = film(tmp_path, sequence, decoder, tiles=16)
    assert decoder.decoded == 40
    assert count_frames(tmp_path / "w.mp4") == len(filmed.features) == 40
    assert filmed.sheets == ("w.01.png", "w.02.png", "w.03.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted((*filmed.sheets, "w.mp4"))


def test_the_film_shows_the_rows(tmp_path):
    film(tmp_path, indexed(20, RATE), Barcodes(), tiles=None)
    assert [read_barcode(f) for f in read_frames(tmp_path / "w.mp4")] == list(range(20))


def test_planted_kinds_are_counted(tmp_path):
    sequence, truth = world([60, 25, 15])
    filmed = film(tmp_path, sequence, Hues())
    findings = find_out(sequence, filmed.features, OwnPerception(), None, 0)
    kinds = findings.census.kinds
    assert [kind.rows for kind in kinds] == [60, 25, 15]
    assert findings.census.separated
    assert [kind.presence for kind in kinds] == ["over", "even", "under"]
    for kind in kinds:
        assert len(set(truth[list(kind.examples)].tolist())) == 1
    text = report_to_text(findings)
    assert "cluster 1: 60.0 % (1.8 x its even share, over-represented)" in text
    assert "no islands" not in text


def test_effective_size_counts_origins(tmp_path):
    sequence, _ = world([4, 4, 4])
    features = film(tmp_path, sequence, Hues()).features
    alone = find_out(sequence, features, OwnPerception(), 3, 0)
    assert (alone.distinct_rows, alone.effective_rows) == (12, pytest.approx(12))
    origins = np.array([0] * 9 + [1, 2, 3])
    drawn = find_out(sequence, features, OwnPerception(), 3, 0, origins)
    assert drawn.effective_rows == pytest.approx(144 / (81 + 3))


def test_the_report_is_read_back(tmp_path):
    sequence, truth = world([30, 12, 8])
    snapshots = np.repeat(np.float32([1, 6]), 25)[:, None]
    sequence = ZSequence(sequence.z, RATE, sequence.spec, parameters=snapshots,
                         addresses=("/model/snapshot",))  # fmt: skip
    filmed = film(tmp_path, sequence, Hues())
    findings = find_out(sequence, filmed.features, OwnPerception(), None, 0)
    fields = report_to_json(findings, {"seed": 3})
    assert sum(fields["distances"]["shares"]) == pytest.approx(1)
    assert sum(cluster["share"] for cluster in fields["clusters"]) == pytest.approx(1)
    assert [sum(shares) for shares in fields["snapshots"]["shares"]] == pytest.approx([1, 1])
    assert fields["snapshots"]["snapshots"] == [1.0, 6.0]
    path = tmp_path / "w.report.json"
    save_report(path, fields)
    found = read_report(path, 50)
    counted = np.bincount(found.labels)[1:]
    assert list(counted) == [cluster["rows"] for cluster in fields["clusters"]] == [30, 12, 8]
    for cluster in found.clusters:
        assert {found.labels[row] for row in cluster.examples} == {cluster.number}
    assert "snapshot 1 to 6:" in report_to_text(findings)
    assert len(np.unique(truth)) == 3


def test_the_sheet_of_clusters_has_a_line_for_each():
    sequence, _ = world([20, 12, 3])
    decoder = Hues()
    features = features_of(sequence, range(35), decoder, OwnPerception())
    kinds = take_census(find_out(sequence, features, OwnPerception(), 3, 0).clusters).kinds
    sheet = np.asarray(Image.open(io.BytesIO(clusters_sheet(sequence, decoder, kinds))))
    left = sheet[:, 60].astype(int)
    order = [int(np.argmax(p)) for p in left if p.max() > 120 and p.max() - p.min() > 80]
    runs = [value for i, value in enumerate(order) if i == 0 or order[i - 1] != value]
    assert runs == [0, 1, 2]  # red, green, blue: the order of their sizes


def test_features_are_in_order_whatever_the_lots():
    sequence, _ = world([20, 12, 5])
    decoder, perception = Hues(), OwnPerception()
    onlooker = Onlooker(perception)
    pictures = decoder.decode(sequence.z, {})
    for row, picture in enumerate(pictures):
        onlooker.see(row, picture)
    assert np.array_equal(onlooker.features(), perception.features(pictures))


def test_rows_differ_by_their_parameters_too():
    z, snapshots = np.ones((2, 4), np.float32), np.float32([[0], [1]])
    sequence = ZSequence(
        z, RATE, LatentSpec((4,)), parameters=snapshots, addresses=("/model/snapshot",)
    )
    assert len(columns_of(sequence)) == 2
    assert len(columns_of(world([1, 1, 1])[0])) == 1


GOOD = (
    '{"format":"survey-report/1","labels":[1,1],'
    '"clusters":[{"number":1,"share":1,"examples":[%s]}]}'
)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no report"), ("[]", "no report"), ("{}", "labels|format"), ("\xff", "no report"),
        (GOOD.replace("survey-report/1", "report/9") % 0, "format"),
        (GOOD % 2, "no rows of 0:2"), (GOOD % -1, "no rows"), (GOOD % "", "no rows"),
        (GOOD % "null", "no report"), ("[" * 100_000, "no report"),
    ],
)  # fmt: skip
def test_reports_that_are_none(tmp_path, text, word):
    path = tmp_path / "x.report.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InstrumentError, match=word) as raised:
        read_report(path)
    assert "x.report.json" in str(raised.value)


def test_reports_that_are_missing_or_of_another_survey(tmp_path):
    with pytest.raises(InstrumentError, match="no such report"):
        read_report(tmp_path / "x.report.json")
    with pytest.raises(InstrumentError, match="cannot be read"):
        read_report(tmp_path)
    path = tmp_path / "x.report.json"
    path.write_text(GOOD % 0)
    assert read_report(path, 2).clusters[0].examples == [0]
    with pytest.raises(InstrumentError, match="of 2 rows, the z-sequence has 3"):
        read_report(path, 3)
