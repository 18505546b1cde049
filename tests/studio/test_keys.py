"""Keys with their origins, and rows along a path that lead back to them."""

from __future__ import annotations

import numpy as np
import pytest
from journey_parts import PHYSICAL, SPEC, SPHERICAL, survey

from instrument import InstrumentError
from instrument.latent.sequence import ModelReference
from instrument.latent.space import LatentSpec
from instrument.latent.waypoints import Waypoint, WaypointBank
from instrument.studio.keys import joined, key_of_waypoint, keys_of_rows, sampled


def bank(spec: LatentSpec = SPEC) -> WaypointBank:
    places = np.random.default_rng(8).normal(size=(3, *spec.shape)).astype(np.float32)
    ways = (
        Waypoint("dawn", places[0]),
        Waypoint("nova", places[1], 3.0),
        Waypoint("sea", places[2]),
    )
    return WaypointBank("three", spec, ways, ModelReference("colours", "cc" * 32))


def test_rows_are_keys() -> None:
    sequence = survey(20, snapshots=True)
    keys = keys_of_rows(sequence, [7, 3, 7])
    assert keys.names == ("7", "3", "7")
    assert (keys.z == sequence.z[[7, 3, 7]]).all()
    assert (keys.parameters == sequence.parameters[[7, 3, 7]]).all()
    assert keys.rows.tolist() == [7, 3, 7]
    assert keys.origins.tolist() == [0, 0, 0]


@pytest.mark.parametrize("row", [-1, 20, 10**9])
def test_a_row_that_is_none(row: int) -> None:
    with pytest.raises(InstrumentError, match=f"row {row}: there are rows 0 to 19"):
        keys_of_rows(survey(20), [3, row])


def test_a_waypoint_brings_its_snapshot_and_else_is_as_the_rows() -> None:
    sequence = survey(20, snapshots=True)
    dawn = key_of_waypoint(bank(), "dawn", sequence, newest=6.0)
    nova = key_of_waypoint(bank(), "nova", sequence, newest=6.0)
    assert dawn.parameters.tolist() == [[6.0, sequence.parameters[0, 1]]]
    assert nova.parameters.tolist() == [[3.0, sequence.parameters[0, 1]]]
    assert (nova.origins[0], nova.rows[0], nova.names) == (1, 1, ("nova",))
    both = joined([keys_of_rows(sequence, [4]), nova])
    assert both.names == ("4", "nova")
    assert both.origins.tolist() == [0, 1]


def test_a_waypoint_that_is_none() -> None:
    with pytest.raises(InstrumentError, match="no waypoint 'dusk', only dawn, nova, sea"):
        key_of_waypoint(bank(), "dusk", survey(4), 0.0)
    with pytest.raises(InstrumentError, match=r"bank 'three' holds z9, the z-sequence holds z6"):
        key_of_waypoint(bank(LatentSpec.shell(9)), "dawn", survey(4), 0.0)


@pytest.mark.parametrize("manner", [SPHERICAL, PHYSICAL], ids=lambda m: m.kind)
def test_every_row_leads_back_to_its_keys(manner) -> None:
    sequence = survey(20)
    keys = joined([keys_of_rows(sequence, [7, 3]), key_of_waypoint(bank(), "sea", sequence, 0.0)])
    path = manner.path(keys.z, SPEC, 4.0, seed=1)
    block = sampled(path, keys, np.linspace(0.0, 4.0, 81), ())
    origin, row, other, other_row, weight = block.trace.T
    assert block.trace[0].tolist() == [0, 7, -1, -1, 0]
    assert block.trace[-1].tolist() == [1, 2, -1, -1, 0]
    assert set(zip(origin, row, strict=True)) <= {(0, 7), (0, 3), (1, 2)}
    assert set(zip(other, other_row, strict=True)) == {(-1, -1), (0, 3), (1, 2)}
    assert ((weight > 0) == (other >= 0)).all()
    assert (weight < 1).all()


def test_a_chain_is_what_its_trace_says() -> None:
    from instrument.latent import geometry

    sequence = survey(20)
    keys = keys_of_rows(sequence, [7, 3, 12])
    block = sampled(SPHERICAL.path(keys.z, SPEC, 4.0, 1), keys, np.linspace(0, 4, 50), ())
    for z, (_, row, _, other, weight) in zip(block.z, block.trace, strict=True):
        a, b = (sequence.z[int(max(r, 0))].astype(float) for r in (row, other))
        assert np.allclose(z, geometry.slerp(a, b, float(weight)) if weight else a, atol=1e-9)


def test_snapshots_blend_and_switches_leap() -> None:
    sequence = survey(20, snapshots=True)
    keys = keys_of_rows(sequence, [0, 2])  # snapshots 0 and 4, switches 1 and 5
    path = SPHERICAL.path(keys.z, SPEC, 1.0, 1)
    block = sampled(path, keys, np.linspace(0.0, 1.0, 5), sequence.addresses)
    assert block.parameters[:, 0] == pytest.approx([0.0, 1.0, 2.0, 3.0, 4.0])
    assert block.parameters[:4, 1].tolist() == [1.0] * 4
