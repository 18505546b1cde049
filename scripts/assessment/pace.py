"""Journeys through places of a bank, paced: CV of perceptual steps before and after."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from instrument.decoder.models import find_model
from instrument.decoder.protocol import Decoder
from instrument.decoder.runtime import open_decoder
from instrument.latent.manner import Manner
from instrument.latent.pacing import Curve
from instrument.latent.sequence import ModelReference, ZSequence
from instrument.latent.space import F64
from instrument.latent.trajectory import Trajectory, off_segment
from instrument.latent.waypoints import load_bank
from instrument.resources import bundled
from instrument.studio.pace import Paced, Wish, pace, report_of
from instrument.studio.perception import FeatureRuler, OwnPerception
from instrument.timebase import FrameRate

RATE = FrameRate(30)
BANKS = {"default": "brief-history", "procedural": "first-light"}
# What a journey is called, the manner of it, whether it is a loop, and the pace that is wanted.
JOURNEYS = (
    ("spherical", Manner("spherical"), False, "even"),
    ("physical", Manner("physical"), False, "even"),
    ("loop", Manner("physical"), True, "even"),
    ("breathing", Manner("spherical"), False, "breathe:2"),
)


def main() -> int:
    """Pace every journey and say what came of it; 1 where one is not half as uneven."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--iterations", type=int, default=1)
    parser.add_argument("--model", default="default", choices=sorted(BANKS))
    asked = parser.parse_args()
    decoder = open_decoder(find_model(asked.model))
    keys = _places(BANKS[asked.model])
    print("journey     frames  CV before  after   rest   furthest off the path  pictures")
    found = []
    for number, (name, manner, closed, curve) in enumerate(JOURNEYS):
        some = keys[np.random.Generator(np.random.Philox(number)).permutation(len(keys))[:4]]
        sequence = _journey(decoder, some, manner, closed, asked.seconds)
        wish = Wish(len(sequence), Curve.parse(curve), 1.0, closed, asked.iterations)
        found.append({"journey": name, **_assess(sequence, decoder, wish)})
        print(_line(found[-1]), flush=True)
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    kept = all(f["rest"] <= 0.5 and f["brute_force_distance_rad"] <= 1e-3 for f in found)
    return 0 if kept else 1


def _places(bank: str) -> F64:
    return np.array(
        [w.z for w in load_bank(bundled("presets") / "banks" / f"{bank}.toml")], np.float64
    )


def _journey(
    decoder: Decoder, keys: F64, manner: Manner, closed: bool, seconds: float
) -> ZSequence:
    spec = decoder.spec
    path = manner.path(keys, spec.latent, seconds, 0, closed)
    frames = RATE.frames_in(seconds)
    z = path.at(np.arange(frames) * RATE.period).astype(np.float32)
    return ZSequence(z, RATE, spec.latent, ModelReference(spec.name, spec.sha256))


def _assess(sequence: ZSequence, decoder: Decoder, wish: Wish) -> dict[str, Any]:
    """The report, and the distance to the whole path, looked for along all of it.

    `rest` is what is left of the unevenness: what misses the wanted pace, over the CV before.
    """
    paced = pace(sequence, decoder, FeatureRuler(OwnPerception()), wish)
    report = report_of(paced, wish, sequence, "own")
    rest = report["off_the_curve"] / report["before"]["cv"]
    return {**report, "rest": rest, "brute_force_distance_rad": _furthest(sequence, paced, wish)}


def _furthest(sequence: ZSequence, paced: Paced, wish: Wish) -> float:
    """How far the furthest row lies from the nearest of all segments, in radians."""
    path = Trajectory(sequence, wish.closed)
    z = path.z(paced.positions).astype(np.float64)
    rows = np.asarray(sequence.z, np.float64)
    nearest = np.full(len(z), np.inf)
    for segment in range(path.segments):
        a, b = rows[segment], rows[(segment + 1) % len(rows)]
        off = off_segment(z, *(np.broadcast_to(end, z.shape) for end in (a, b)), sequence.spec)
        nearest = np.minimum(nearest, off)
    return float(nearest.max())


def _line(found: dict[str, Any]) -> str:
    return (
        f"{found['journey']:<10}  {found['frames']['after']:>6}  {found['before']['cv']:>9.3f}"
        f"  {found['off_the_curve']:>5.3f}  {100 * found['rest']:>4.1f} %"
        f"  {found['brute_force_distance_rad']:>17.1e} rad  {found['pictures_decoded']:>8}"
    )


if __name__ == "__main__":
    sys.exit(main())
