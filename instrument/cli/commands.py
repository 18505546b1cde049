"""The command line itself."""

from __future__ import annotations

import typer

from instrument import __version__
from instrument.cli import bench, doctor, play, render, takes

app = typer.Typer(
    name="instrument",
    help="Play the latent space of a generative model as one plays a synthesizer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"latent-instrument {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Play the latent space of a generative model as one plays a synthesizer."""


app.command("play")(play.play)
app.command("render")(render.render_command)
app.add_typer(takes.app, name="takes")
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)
