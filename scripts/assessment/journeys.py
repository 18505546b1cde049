"""The command line of `scripts/assess_journeys`: corners, seams, and what detours keep away from.

What is unwanted is told twice: by the rows of the survey that pictures look most like, which is all
the instrument knows; and by the family the model itself means, which it does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from assessment.model import Model
from instrument import InstrumentError
from instrument.decoder.models import find_model
from instrument.decoder.runtime import open_decoder
from instrument.latent.manner import Manner
from instrument.latent.sequence import ModelReference, ZSequence
from instrument.latent.steps import off_shell, turns
from instrument.studio.detours import Detours
from instrument.studio.journeys import Avoidance, Journey, Terms, around, measured, path_of
from instrument.studio.keys import keys_of_rows
from instrument.studio.loops import loop_path
from instrument.studio.loops import measured as loop_measured
from instrument.studio.onlooker import features_of
from instrument.studio.overview import journey_strip, overview
from instrument.studio.perception import OwnPerception
from instrument.studio.region import Region
from instrument.studio.samples import decode_rows
from instrument.studio.sheet import pick_rows, save_png
from instrument.timebase import FrameRate
from painter import FAMILIES

RATE = FrameRate(30)
TRIPS = (("planet", "mountain", "face"), ("nebula", "forest", "mountain"),
         ("mountain", "flower", "nebula"))  # fmt: skip
SEEN = 72  # pictures of a journey: other ones than those it was led by


class Bench:
    """A survey of the model, its pictures' features, and the families they are of."""

    def __init__(self, model: Model, rows: int) -> None:
        source = np.random.Generator(np.random.Philox(key=[17, 0]))
        z = source.standard_normal((rows, model.dims))
        z *= np.sqrt(model.dims) / np.linalg.norm(z, axis=1, keepdims=True)
        manifest = model.manifest
        self.model, self.decoder = model, open_decoder(manifest, "cpu")
        self.spec = manifest.latent
        reference = ModelReference(manifest.name, manifest.sha256)
        self.sequence = ZSequence(z.astype(np.float32), RATE, self.spec, reference)
        self.features = self.look(z, z)
        self.family = self.families(z)

    def look(self, z: np.ndarray, _parameters: np.ndarray) -> np.ndarray:
        """The features of pictures."""
        seen = ZSequence(z.astype(np.float32), RATE, self.spec)
        return features_of(seen, range(len(z)), self.decoder, OwnPerception())

    def families(self, z: np.ndarray) -> np.ndarray:
        """Which family the model means by each z."""
        return self.model.family(torch.from_numpy(z.astype(np.float32))).numpy()

    def crossing(self, trip: tuple[str, str, str], pairs: int) -> list[tuple[int, int]]:
        """The pairs of rows of two families whose straight way is most in the third."""
        a, b, across = (number_of(name) for name in trip)
        starts, ends = (np.flatnonzero(self.family == f)[:10].tolist() for f in (a, b))
        found = []
        for start in starts:
            for end in ends:
                path = Manner("spherical").path(
                    self.sequence.z[[start, end]].astype(float), self.spec, 1.0, 0
                )
                inside = self.families(path.at(np.linspace(0, 1, 40))) == across
                found.append((float(inside.mean()), start, end))
        found.sort(key=lambda one: (-one[0], *one[1:]))
        return [(start, end) for _, start, end in found[:pairs]]


def number_of(family: str) -> int:
    """Where a family stands among them."""
    return [one.name for one in FAMILIES].index(family)


def corners(bench: Bench, journeys: int = 12) -> dict[str, object]:
    """How sharply journeys through three rows turn, and how near they come: 8 s at 30 a second."""
    told: dict[str, object] = {}
    for kind in ("spherical", "physical"):
        turned, near, off = [], [], []
        for number in range(journeys):
            journey = Journey(
                number, keys_of_rows(bench.sequence, [3 * number + k for k in range(3)]), number
            )
            terms = Terms(Manner("spherical" if kind == "spherical" else "physical"), 8.0, RATE)
            path = path_of(journey, terms, bench.spec)
            # From the middle key outwards, so that no frame steps over a corner.
            middle = path.visits[1] + np.arange(-90, 90) / 30
            turned.append(float(turns(path.at(middle), bench.spec).max()))
            z = path.at(np.arange(terms.frames) / 30)
            off.append(off_shell(z, bench.spec))
            near.append(measured(journey, terms, z, bench.spec)["passes_keys_within_degrees"][1])
        told[kind] = {
            "turn_degrees_mean": round(float(np.degrees(np.mean(turned))), 2),
            "turn_degrees_most": round(float(np.degrees(np.max(turned))), 2),
            "passes_middle_key_within_degrees_mean": round(float(np.mean(near)), 2),
            "off_shell_deviations_most": round(float(np.max(off)), 4),
        }
    return told


def seams(bench: Bench, loops: int = 8) -> list[dict[str, object]]:
    """Seams of physical loops, with and without noise."""
    told = []
    for number in range(loops):
        keys = keys_of_rows(bench.sequence, [5 * number + k for k in range(5)])
        manner = Manner(noise=np.radians(6.0) if number % 2 else 0.0)
        path, frames = loop_path(keys, bench.spec, manner, 20.0, RATE, number)
        told.append(loop_measured(path, frames, RATE, bench.spec, keys))
    return told


def detours(bench: Bench, trip: tuple[str, str, str], pairs: int, strips: list) -> dict:  # type: ignore[type-arg]
    """What journeys of one trip show of the third family, straight and led around."""
    unwanted = bench.family == number_of(trip[2])
    region = Region(bench.features, unwanted)
    places = keys_of_rows(bench.sequence, range(len(bench.sequence)))
    finder = Detours(places, bench.spec, region, bench.look)
    avoidance = Avoidance(region, places, bench.look, finder)
    terms, shares, led = Terms(Manner(), 8.0, RATE), [], 0
    for start, end in bench.crossing(trip, pairs):
        straight = Journey(1, keys_of_rows(bench.sequence, [start, end]), 1)
        other, over, _ = around(straight, avoidance, terms, bench.spec)
        led += len(over[0])
        for journey in (straight, other):
            path = path_of(journey, terms, bench.spec)
            z = path.at(np.linspace(0.0, path.seconds, SEEN))
            by_family = float((bench.families(z) == number_of(trip[2])).mean())
            shares.append((region.share(bench.look(z, z)), by_family))
            strips.append(
                (
                    strip_of(bench, z, 2 * pairs * len(TRIPS)),
                    f"{' > '.join(journey.keys.names)}: {trip[2]} {by_family:.0%}",
                )
            )
    by_rows, by_family = np.array(shares).T.reshape(2, -1, 2).mean(axis=1)
    return {
        "trip": "{} to {} without {}".format(*trip),
        "journeys": len(shares) // 2, "keys_put_in": led,
        "by_rows": {"straight": round(by_rows[0], 4), "around": round(by_rows[1], 4)},
        "by_family": {"straight": round(by_family[0], 4), "around": round(by_family[1], 4)},
    }  # fmt: skip


def strip_of(bench: Bench, z: np.ndarray, count: int) -> np.ndarray:
    """Pictures along a journey."""
    rows = ZSequence(z.astype(np.float32), RATE, bench.spec)
    return journey_strip(decode_rows(rows, bench.decoder, pick_rows(len(z), 10)), count)


def main(argv: list[str] | None = None) -> int:
    """Print the assessment as JSON; 1 where there is nothing to assess."""
    parser = argparse.ArgumentParser(prog="assess_journeys", description=__doc__)
    parser.add_argument("--model", default="default", help="a bundled model, or a model's folder")
    parser.add_argument("--rows", type=int, default=200, help="rows of the survey")
    parser.add_argument("--pairs", type=int, default=3, help="journeys of each trip")
    parser.add_argument("--sheet", type=Path, help="strips of all of them, straight and around")
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)
    begun, strips = time.perf_counter(), []
    try:
        with torch.no_grad():
            bench = Bench(Model(find_model(asked.model), 1), asked.rows)
            trips = [detours(bench, trip, asked.pairs, strips) for trip in TRIPS]
            report = {"corners": corners(bench), "seams": seams(bench), "detours": trips}
        if asked.sheet:
            save_png(asked.sheet, overview([s for s, _ in strips], [text for _, text in strips]))
    except (InstrumentError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps({**report, "seconds": round(time.perf_counter() - begun, 1)}, indent=1))
    return 0
