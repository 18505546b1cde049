"""``instrument plot``: what a z-sequence looks like, and how it moves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from instrument import InstrumentError
from instrument.cli.console import report
from instrument.cli.looking import looking_bar, open_footage, ruler_of
from instrument.latent.arrays import write_atomically
from instrument.latent.trajectory import Trajectory
from instrument.studio.evenness import Evenness
from instrument.studio.motion import Motion
from instrument.studio.pace import Eye
from instrument.studio.plot_paper import KINDS
from instrument.studio.plots import need_matplotlib, sequence_figure


def plot_command(
    source: Annotated[Path, typer.Argument(help="A z-sequence NAME.npy.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="NAME.png, NAME.svg or NAME.pdf.")],
    other: Annotated[Path | None, typer.Argument(help="A second one, beside it.")] = None,
    look: Annotated[
        bool, typer.Option("--look", help="Decode every row: perceptual speed, too.")
    ] = False,
    distance: Annotated[str, typer.Option(help="own, or lpips where it is installed.")] = "own",
    model: Annotated[str | None, typer.Option(help="Another model of the same shape.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Draw one or two z-sequences: heat map, speed, turns, and how they are spread."""
    kind = out.suffix.lower().removeprefix(".")
    if kind not in KINDS:
        raise InstrumentError(f"{out}: a plot is named NAME.png, NAME.svg or NAME.pdf")
    need_matplotlib()
    footages = [open_footage(path) for path in (source, other) if path is not None]
    motions = [Motion.of(footage.sequence, footage.path.stem) for footage in footages]
    looks = []
    if look:
        for footage in footages:
            path = Trajectory(footage.sequence)
            with looking_bar(footage.path.stem) as tell:
                eye = Eye(path, footage.open(model), ruler_of(distance), tell)
                rows = np.arange(len(footage.sequence), dtype=np.float64)
                looks.append(eye.steps(rows, "looking"))
    figure = sequence_figure(motions, looks, kind)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InstrumentError(f"{out}: cannot be written ({error.strerror})") from error
    with write_atomically(out) as file:
        file.write(figure)
    shown = [
        {
            "sequence": str(footage.path), "frames": motion.frames,
            "speed": Evenness.of(motion.speed / motion.rate.num * motion.rate.den,
                                 motion.rate).to_json(),
            "largest_turn_deg": float(motion.turns.max(initial=0.0)),
            **({"look": Evenness.of(looks[i], motion.rate).to_json()} if look else {}),
        }
        for i, (footage, motion) in enumerate(zip(footages, motions, strict=True))
    ]  # fmt: skip
    report({"plot": str(out), "sequences": shown}, as_json, f"plot    {out}")
