"""A performance in steps: the same bytes every time, and the path the physics asks for."""

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest

from instrument.event import ControlEvent, write_events
from instrument.latent.sequence import load_sequence
from instrument.latent.waypoints import load_bank
from instrument.resources import bundled

BANK = bundled("presets") / "banks" / "first-light.toml"


def perform(run, take: Path, script: Path, *more: object):
    ran = run("play", "--headless", "--clock", "steps", "--script", script, "--take", take,
              "--json", *more)  # fmt: skip
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


@pytest.fixture
def wild_script(tmp_path) -> Path:
    """Everything a performer could do in six seconds, at awkward times."""
    chance = random.Random(4)
    addresses = [
        "/key/1", "/key/2", "/key/7", "/key/f", "/key/h", "/key/left", "/mouse/x", "/mouse/y",
        "/mouse/wheel", "/spring/damping_ratio", "/raw/glide/seconds", "/raw/noise/strength",
        "/glide/beats", "/tempo/bpm", "/performance/home", "/score/play", "/pad/x", "/key/b",
    ]  # fmt: skip
    events = [
        ControlEvent(chance.choice(addresses), round(chance.random() * 3, 3), chance.random() * 6)
        for _ in range(120)
    ]
    path = tmp_path / "wild.jsonl"
    write_events(path, sorted(events, key=lambda event: event.time))
    return path


def test_twice_the_same_bytes(run, tmp_path, wild_script):
    for name in ("a", "b"):
        summary = perform(run, tmp_path / name, wild_script, "--seed", 9, "--seconds", 6)
        assert summary["rows"] == 360
    first, second = ((tmp_path / n / "z.npy").read_bytes() for n in ("a", "b"))
    assert first == second
    perform(run, tmp_path / "c", wild_script, "--seed", 10, "--seconds", 6)
    assert (tmp_path / "c" / "z.npy").read_bytes() != first, "the seed changes nothing"


def test_verify_finds_no_difference_and_a_changed_row(run, tmp_path, wild_script):
    take = tmp_path / "a.take"
    perform(run, take, wild_script, "--seconds", 6)
    verified = run("takes", "verify", take, "--json")
    assert verified.code == 0
    assert json.loads(verified.out)["largest_difference"] == 0.0


@pytest.mark.parametrize("recorded", ["30", "60000/1001"])
def test_other_rates_sample_the_same_path(run, tmp_path, wild_script, recorded):
    take = tmp_path / "a.take"
    perform(run, take, wild_script, "--seconds", 6, "--rate", recorded)
    rows = {}
    for rate in (24, 30, 60, 120):
        out = tmp_path / f"at{rate}"
        assert run("takes", "export", take, "-o", out, "--rate", rate).code == 0
        rows[rate] = load_sequence(out.with_suffix(".npy")).z
        assert abs(len(rows[rate]) - 6 * rate) <= 1
    common = min(len(rows[rate]) // (rate // 6) for rate in rows)  # every sixth of a second
    for rate in (24, 30, 60):
        mine, finest = rows[rate][:: rate // 6][:common], rows[120][:: 120 // 6][:common]
        np.testing.assert_allclose(mine, finest, atol=1e-6, rtol=0)


def test_an_independent_integrator_finds_the_same_path(run, tmp_path):
    """From bank, preset values and events alone: Newton's law in steps of a quarter millisecond."""
    glides = [(0.35, "iris"), (1.7, "void"), (1.9, "coral"), (4.0001, "dawn")]
    frequency, damping = 0.5, 0.6
    events = [
        ControlEvent("/raw/noise/strength", 0.0, 0.0),
        ControlEvent("/raw/spring/frequency", frequency, 0.0),
        ControlEvent("/raw/spring/damping_ratio", damping, 0.0),
        *(ControlEvent(f"/waypoint/{name}/go", 1.0, time) for time, name in glides),
    ]
    script = tmp_path / "glides.jsonl"
    write_events(script, events)
    perform(run, tmp_path / "t", script, "procedural", "--seconds", 6)
    recorded = np.load(tmp_path / "t" / "z.npy")

    bank = load_bank(BANK)
    omega = 2.0 * math.pi * frequency
    place = bank["dawn"].z.astype(np.float64)
    velocity, target, expected = np.zeros_like(place), place, [place]
    substeps = 64
    step = 1.0 / 60.0 / substeps

    def pull(x, v):
        return omega * omega * (target - x) - 2.0 * damping * omega * v

    pending = list(glides)
    now = 0.0
    for row in range(1, 360):
        edges = sorted({row / 60.0, *(t for t, _ in pending if t <= row / 60.0)})
        for edge in edges:
            count = max(1, math.ceil((edge - now) / step))
            h = (edge - now) / count
            for _ in range(count):  # Runge-Kutta 4
                k1, l1 = velocity, pull(place, velocity)
                k2, l2 = velocity + h / 2 * l1, pull(place + h / 2 * k1, velocity + h / 2 * l1)
                k3, l3 = velocity + h / 2 * l2, pull(place + h / 2 * k2, velocity + h / 2 * l2)
                k4, l4 = velocity + h * l3, pull(place + h * k3, velocity + h * l3)
                place = place + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
                velocity = velocity + h / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
            now = edge
            while pending and pending[0][0] <= now:
                target = bank[pending.pop(0)[1]].z.astype(np.float64)
        expected.append(place * math.sqrt(512) / np.linalg.norm(place))
    assert np.abs(recorded - np.array(expected)).max() < 1e-4


def test_with_no_event_z_rests_at_home(run, tmp_path):
    quiet = tmp_path / "quiet.toml"
    text = (bundled("presets") / "procedural.toml").read_text()
    quiet.write_text(text.replace('"/noise/strength" = 6.0', '"/noise/strength" = 0.0'))
    take = tmp_path / "rest.take"
    ran = run("play", quiet, "--headless", "--clock", "steps", "--seconds", 2, "--take", take)
    assert ran.code == 0, ran.err
    z = np.load(take / "z.npy")
    assert len(z) == 120 and (z == z[0]).all()
    np.testing.assert_allclose(z[0], load_bank(BANK)["dawn"].z, rtol=2e-7)


def test_a_takes_events_are_a_script(run, tmp_path, wild_script):
    perform(run, tmp_path / "a", wild_script, "--seconds", 6)
    perform(run, tmp_path / "b", tmp_path / "a" / "events.jsonl", "--seconds", 6)
    a, b = ((tmp_path / n / "z.npy").read_bytes() for n in "ab")
    assert a == b


def test_a_preset_may_be_called_as_its_bank_is(run, tmp_path):
    preset = tmp_path / "first-light.toml"
    preset.write_text((bundled("presets") / "procedural.toml").read_text())
    ran = run("play", preset, "--headless", "--clock", "steps", "--seconds", 0.1)
    assert ran.code == 0, ran.err


def test_what_was_learnt_into_a_bundled_preset_is_there_the_next_time(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("play", "procedural", "--headless", "--clock", "steps", "--seconds", 0.1)
    as_it_came = run(*words)
    assert as_it_came.code == 0 and "my-presets" not in as_it_came.err
    own = tmp_path / "my-presets" / "procedural.toml"
    own.parent.mkdir()
    text = (bundled("presets") / "procedural.toml").read_text()
    own.write_text(text + '\n[[binding]]\nsource = "/key/g"\ntarget = "/nonesuch"\n')
    mine = run(*words)
    assert mine.code == 1 and "my-presets" in mine.error and "/nonesuch" in mine.error
    own.write_text(text)
    again = run(*words)
    assert again.code == 0 and "my-presets" in again.err


@pytest.mark.parametrize("name", sorted(path.stem for path in bundled("presets").glob("*.toml")))
def test_every_bundled_preset_plays_its_score_and_rests(run, tmp_path, name):
    script = tmp_path / "score.jsonl"
    write_events(script, [ControlEvent("/score/play", 1.0, 0.5)])
    take = tmp_path / "score.take"
    words = ("play", name, "--headless", "--clock", "steps", "--seconds", 3, "--take", take)
    ran = run(*words, "--script", script)
    assert ran.code == 0, ran.err
    z = np.load(take / "z.npy")
    assert len(z) == 180 and np.isfinite(z).all()
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 512**0.5, rtol=1e-5)


@pytest.mark.parametrize(("name", "seconds"), [("ten-seconds", 10), ("one-minute", 60)])
def test_every_bundled_script_moves_and_ends_in_the_dark(run, tmp_path, name, seconds):
    script = bundled("presets") / "scripts" / f"{name}.jsonl"
    take = tmp_path / "t.take"
    ran = run("play", "--headless", "--clock", "steps", "--script", script, "--seconds", seconds,
              "--take", take)  # fmt: skip
    assert ran.code == 0, ran.err
    sequence = load_sequence(take / "z.npy")
    gain, dark = (sequence.column(a)[-1] for a in ("/master/gain", "/display/blackout"))
    assert gain == 0.0 or dark == 1.0, "the last picture is black"
    assert np.linalg.norm(np.diff(sequence.z[::60], axis=0), axis=1).min() > 0.1
    snapshot = sequence.column("/model/snapshot")
    assert snapshot.min() < 13 and snapshot[-1] == 27
