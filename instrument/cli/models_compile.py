"""``instrument models compile``: a model made faster for this processor, before the show."""

from __future__ import annotations

from typing import Annotated

import typer

from instrument.cli.console import report, say
from instrument.cli.models import AsJson
from instrument.decoder.models import find_model
from instrument.decoder.spaces import in_space
from instrument.timebase import WallClock


def compile_command(
    model: Annotated[str, typer.Argument(help="A bundled model's name, a folder, a checkpoint.")],
    space: Annotated[str | None, typer.Option(help="As it is going to be played.")] = None,
    as_json: AsJson = False,
) -> None:
    """Have torch compile a model for this processor; `play` takes it from then on, if faster."""
    manifest = in_space(find_model(model, say), space)
    # torch: only if needed
    from instrument.decoder.compiled import compare_apart, compile_apart, package_of

    path, clock = package_of(manifest.spec), WallClock()
    begun = clock.now()
    if not path.is_file():
        say(f"compiling {manifest.name} for this processor: a minute or two, once")
        compile_apart(manifest)
    seconds = clock.now() - begun
    *taken, form = compare_apart(manifest)
    before, after = (round(1e3 * seconds, 2) for seconds in taken)
    fields = {
        "model": manifest.name, "package": str(path), "seconds": round(seconds, 1),
        "ms_before": before, "ms_after": after, "form": form,
    }  # fmt: skip
    report(fields, as_json, f"{manifest.name}: {before} -> {after} ms a picture, as {form}")
