"""A bank of waypoints for the model and the space it is to be played in.

Waypoints chosen in z are carried over to w by the model itself. There is no way back: w of a
StyleGAN leads to no z.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from instrument import InstrumentError
from instrument.decoder.mapped import map_rows
from instrument.decoder.models import ModelManifest
from instrument.decoder.spaces import spaces_of
from instrument.latent.space import F32, LatentSpec
from instrument.latent.waypoints import WaypointBank

Tell = Callable[[str], None]


def fit_bank(
    bank: WaypointBank, manifest: ModelManifest, snapshot: float | None, tell: Tell
) -> WaypointBank:
    """`bank` in the space that `manifest` is played in.

    A waypoint that names no training snapshot is meant for `snapshot`, the newest where that is
    None. `tell` hears what takes long, or looks wrong. Raises InstrumentError naming bank and
    model where the waypoints mean nothing to it.
    """
    held, latent = bank.spec, manifest.latent
    z = spaces_of(manifest).get("z")
    if held == latent and latent.radius is not None:
        return bank
    if latent.space == "w" and z is not None and (held.shape, held.space) == (z.shape, "z"):
        return _mapped(bank, manifest, snapshot, tell)
    if held not in (latent, LatentSpec(latent.shape[-1:], latent.space)):
        raise InstrumentError(misfit(bank, manifest))
    scale = latent.scale
    if latent.space == "w":
        _ask_whose(bank, manifest, tell)
        if scale is None and z is not None:
            nothing = np.zeros((0, z.size), np.float32)
            scale = map_rows(manifest, nothing, nothing[:, 0], tell).scale
    rows = np.array([waypoint.z for waypoint in bank])
    return _moved(bank, rows, replace(latent, scale=scale or None))


def measured(latent: LatentSpec, manifest: ModelManifest, tell: Tell) -> LatentSpec:
    """`latent` of `manifest`, with the scale of its w, so that degrees mean something there."""
    z = spaces_of(manifest).get("z")
    if latent.space != "w" or latent.scale is not None or z is None:
        return latent
    nothing = np.zeros((0, z.size), np.float32)
    return replace(latent, scale=map_rows(manifest, nothing, nothing[:, 0], tell).scale or None)


def _mapped(
    bank: WaypointBank, manifest: ModelManifest, snapshot: float | None, tell: Tell
) -> WaypointBank:
    """`bank`, whose waypoints are z, in w: each by the mapping of the snapshot it is meant for."""
    default = float(manifest.spec.snapshots - 1) if snapshot is None else snapshot
    wanted = [default if w.snapshot is None else w.snapshot for w in bank]
    z = np.array([waypoint.z for waypoint in bank], np.float32)
    found = map_rows(manifest, z, np.array(wanted, np.float32), tell)
    return _moved(bank, found.w, replace(manifest.latent, scale=found.scale or None))


def _moved(bank: WaypointBank, rows: F32, latent: LatentSpec) -> WaypointBank:
    """`bank` at other places; one row for all layers where there are layers."""
    if rows.ndim == len(latent.shape):
        rows = np.broadcast_to(rows[:, None], (len(rows), *latent.shape))
    waypoints = tuple(
        replace(waypoint, z=np.array(row, np.float32))
        for waypoint, row in zip(bank, rows, strict=True)
    )
    return replace(bank, spec=latent, waypoints=waypoints)


def _ask_whose(bank: WaypointBank, manifest: ModelManifest, tell: Tell) -> None:
    if bank.model.sha256 not in ("", manifest.sha256):
        tell(f"bank {bank.name!r} was made with another model than {manifest.name!r}, "
             f"whose w may mean other pictures")  # fmt: skip


def misfit(bank: WaypointBank, manifest: ModelManifest) -> str:
    """Why `bank` cannot be played, naming both; and in which space it could be."""
    reason = f"{manifest.name} takes {manifest.latent}, the bank {bank.name} holds {bank.spec}"
    for name, latent in spaces_of(manifest).items():
        if latent == bank.spec and latent != manifest.latent:
            return f"{reason}: play it with --space {name}, there is no way from w back to z"
    return f"{reason}: choose a bank made for that model"
