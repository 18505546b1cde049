"""``instrument models compile``: a model made faster for this processor, before the show."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Annotated

import numpy as np
import typer

from instrument.cli.console import report, say
from instrument.cli.models import AsJson
from instrument.decoder.models import ModelManifest, find_model
from instrument.decoder.protocol import Decoder
from instrument.decoder.spaces import in_space
from instrument.timebase import WallClock

_ROUNDS = 9


def compile_command(
    model: Annotated[str, typer.Argument(help="A bundled model's name, a folder, a checkpoint.")],
    space: Annotated[str | None, typer.Option(help="As it is going to be played.")] = None,
    as_json: AsJson = False,
) -> None:
    """Have torch compile a model for this processor; `play` takes it from then on, if faster."""
    manifest = in_space(find_model(model, say), space)
    from instrument.decoder.compiled import compile_apart, package_of  # torch: only if needed

    path, clock = package_of(manifest.spec), WallClock()
    begun = clock.now()
    if not path.is_file():
        say(f"compiling {manifest.name} for this processor: a minute or two, once")
        compile_apart(manifest)
    seconds = clock.now() - begun
    before, after, form = _compared(manifest)
    fields = {
        "model": manifest.name, "package": str(path), "seconds": round(seconds, 1),
        "ms_before": before, "ms_after": after, "form": form,
    }  # fmt: skip
    report(fields, as_json, f"{manifest.name}: {before} -> {after} ms a picture, as {form}")


def _compared(manifest: ModelManifest) -> tuple[float, float, str]:
    """ms a picture of the safe form and of the one that will play, in turn; that one's name."""
    from instrument.decoder.forms import FULL
    from instrument.decoder.runtime import open_decoder
    from instrument.decoder.tuned import TunedDecoder

    best, form = open_decoder(manifest, "cpu", 1, "fast"), FULL.name
    if isinstance(best, TunedDecoder):
        best.settle()
        form = best.form.name
    works = [_once(open_decoder(manifest, "cpu")), _once(best)]
    taken = [[work() for work in works] for _ in range(_ROUNDS)]
    before, after = (round(1e3 * statistics.median(one), 2) for one in zip(*taken, strict=True))
    return before, after, form


def _once(decoder: Decoder) -> Callable[[], float]:
    z = np.ones((1, *decoder.spec.latent.shape), np.float32)
    clock = WallClock()

    def timed() -> float:
        begun = clock.now()
        decoder.decode(z, {})
        return clock.now() - begun

    timed()
    return timed
