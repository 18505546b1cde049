"""Which files belong together, and in which order."""

import pytest

from instrument import InstrumentError
from instrument.decoder.series import find_series


@pytest.fixture
def run(tmp_path):
    """A folder with empty files of these names."""
    folder = tmp_path / "run"
    folder.mkdir()

    def make(*names):
        for name in names:
            (folder / name).touch()
        return folder

    return make


def numbers(series):
    return [(path.name, at) for path, at in series.files]


def test_one_file_is_a_series_of_one(run):
    folder = run("metfaces.pkl", "other.txt")
    series = find_series(str(folder / "metfaces.pkl"))
    assert numbers(series) == [("metfaces.pkl", 0)] and series.name == "metfaces"
    assert numbers(find_series(str(folder))) == [("metfaces.pkl", 0)]
    assert find_series(str(folder)).source == "metfaces.pkl"


def test_nvidias_snapshots_count_thousands_of_images(run):
    folder = run(
        "network-snapshot-000200.pkl", "network-snapshot-000000.pkl", "network-snapshot-001000.pkl",
        "training_options.json", "fakes000200.png", "log.txt",
    )  # fmt: skip
    series = find_series(str(folder))
    assert [at for _, at in series.files] == [0, 200_000, 1_000_000]
    assert series.name == "run" and series.source == "run"
    assert series.notes == ("its snapshots count images",)
    one = find_series(str(folder / "network-snapshot-000200.pkl"))
    assert numbers(one) == [("network-snapshot-000200.pkl", 200_000)]


def test_growing_networks_are_taken_at_their_largest_scale_and_that_is_said(run):
    folder = run(
        *(f"celeba_s{scale}_i{at}.pt" for scale in (4, 5) for at in (16000, 96000)),
        "celeba_refVectors.pt", "celeba_s5_i96000_tmp_config.json", "celeba_losses.pkl",
    )  # fmt: skip
    series = find_series(str(folder))
    assert numbers(series) == [("celeba_s5_i16000.pt", 16000), ("celeba_s5_i96000.pt", 96000)]
    assert "2 files of smaller scales were left out" in series.notes
    assert "2 files of other names were left out" in series.notes


def test_hub_releases_with_a_hash(run):
    folder = run("celebaHQ_s6_i80000-6196db68.pth", "celebaHQ_s6_i90000-0123abcd.pth")
    assert [at for _, at in find_series(str(folder)).files] == [80000, 90000]


def test_several_runs_in_one_folder_are_an_error(run):
    folder = run("one_s5_i1.pt", "two_s5_i1.pt")
    with pytest.raises(InstrumentError, match=r"holds several runs \(one, two\)"):
        find_series(str(folder))
    assert len(find_series(str(folder / "one_*")).files) == 1


def test_rosinality_and_fastgan(run):
    assert [at for _, at in find_series(str(run("010000.pt", "550000.pt"))).files] == [
        10000,
        550000,
    ]
    for name in ("010000.pt", "550000.pt"):
        (run() / name).unlink()
    folder = run("5000.pth", "10000.pth", "all_5000.pth", "all_10000.pth")
    series = find_series(str(folder))
    assert numbers(series) == [("5000.pth", 5000), ("10000.pth", 10000)]
    assert [at for _, at in find_series(str(folder / "all_*.pth")).files] == [5000, 10000]


def test_a_pattern_takes_what_it_matches(run):
    folder = run(*(f"network-snapshot-{at:06d}.pkl" for at in range(0, 1000, 100)))
    series = find_series(str(folder / "network-snapshot-0003*.pkl"))
    assert [at for _, at in series.files] == [300_000]
    assert len(find_series(str(folder / "*0.pkl")).files) == 10
    with pytest.raises(InstrumentError, match="matches no checkpoint"):
        find_series(str(folder / "*.pth"))


def test_names_without_an_order_are_an_error(run):
    folder = run("cats.pkl", "dogs.pkl", "birds.pkl")
    with pytest.raises(InstrumentError, match=r"do not say their order \(birds\.pkl, cats\.pkl"):
        find_series(str(folder))


def test_two_of_the_same_number(run):
    folder = run("a_s5_i100.pt", "a_s5_i100.pth")
    with pytest.raises(InstrumentError, match="two snapshots have the same number"):
        find_series(str(folder))


def test_too_many(run):
    folder = run(*(f"{at}.pt" for at in range(1001)))
    with pytest.raises(InstrumentError, match="1001 snapshots, at most 1000"):
        find_series(str(folder))


def test_what_names_no_checkpoint(run, tmp_path):
    assert find_series(str(run("readme.txt"))) is None
    assert find_series(str(tmp_path / "nothing")) is None
