"""The benches of the film run as anybody would run them, and their figures add up."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from instrument.resources import child_environment

ROOT = Path(__file__).resolve().parent.parent


def bench(name: str, *words: object) -> dict:
    ran = subprocess.run(
        [sys.executable, ROOT / "scripts" / name, *map(str, words)], capture_output=True, text=True,
        env=child_environment(), timeout=240,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="looks into /proc")
def test_an_hour_in_small(tmp_path: Path) -> None:
    said = bench("render_hour", "--frames", 150, "--workers", 1, "--folder", tmp_path / "kept",
                 "--samples", tmp_path / "samples.json")  # fmt: skip
    assert said["frames"] == said["frames_read_back"] == 150
    assert said["model"]["name"] == "procedural-64" and said["size"] == [64, 64]
    assert (tmp_path / "kept" / "hour.mp4").stat().st_size == said["bytes"]
    samples = json.loads((tmp_path / "samples.json").read_text())
    assert len(samples) == said["samples"] > 1
    assert max(rss for _, rss, _ in samples) > 50e6  # an interpreter with torch is not smaller


def test_a_farm_in_small() -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    said = bench("bench_farm", "--frames", 16, "--chunk", 8, "--delay", 0.01, "--nodes", 1)
    assert [row["nodes"] for row in said["table"]] == [1]
    assert all(row["same_film"] for row in said["table"])
    assert [sum(row["chunks_of_each"]) for row in said["table"]] == [2]
    assert said["table"][0]["scaling"] == 1.0
    cost, plain = said["cost"], said["plain"]["render"]
    expected = cost["start"] + plain + 2 * (cost["checks"] + cost["chunk"])
    assert expected == pytest.approx(said["table"][0]["farm"], abs=0.1)
    hours = {(row["seconds_a_frame"], row["channels"]): row["hours"] for row in said["hour_of_4k"]}
    assert hours[1.0, 5]["1"] >= 5 * 216_000 / 3600 > hours[1.0, 5]["8"]


def test_a_render_in_small() -> None:
    said = bench("bench_render", "--sizes", 64, "--frames", 6, "--rounds", 1, "--workers", 2)
    assert (said["size"], said["frames"], said["workers"]) == ([64, 64], 6, 2)
    walls = said["ms_a_frame"]
    assert walls.keys() == {"decode", "plain", "encode", "render", "parallel"}
    assert all(taken > 0.0 for taken in walls.values())
    slower = max(walls["decode"], walls["encode"])
    assert said["overlap"]["all_in"] == pytest.approx(walls["render"] / slower, rel=0.02)
    assert said["parallel"]["all_in"] == pytest.approx(
        walls["parallel"] / walls["decode"], rel=0.02
    )
    for share in (said["overlap"], said["parallel"]):
        assert share["long"] < share["all_in"], "a film has an end"
    assert said["command"]["frames"] == 18 and said["start_up"] > 0.0
