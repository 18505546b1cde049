"""The command line itself: which words lead to which command."""

from __future__ import annotations

from typing import Annotated

import typer

from instrument import __version__
from instrument.cli import (
    bank,
    bench,
    bench_swap,
    conform,
    devices,
    directions,
    doctor,
    journeys,
    loop,
    models,
    models_compile,
    pace,
    play,
    plot,
    render,
    snapshots,
    survey,
    takes,
    trace,
)


def command_line(word: str = "") -> typer.Typer:
    """The tree of commands: the branch called `word` alone, or all where there is no such branch.

    What a command may be told is read from the types of its function, which takes a while for all.
    """
    app = _branch("Play the latent space of a generative model as one plays a synthesizer.")
    app.callback()(_about)
    app.command("play")(play.play)
    app.command("render")(render.render_command)
    app.command("survey")(survey.survey_command)
    app.command("journeys")(journeys.journeys_command)
    app.command("loop")(loop.loop_command)
    app.command("pace")(pace.pace_command)
    app.command("snapshots")(snapshots.snapshots_command)
    app.command("plot")(plot.plot_command)
    app.command("bank")(bank.bank_command)
    app.command("conform")(conform.conform_command)
    app.command("trace")(trace.trace_command)
    app.add_typer(_takes(), name="takes")
    app.add_typer(_models(), name="models")
    app.command("devices")(devices.devices)
    app.command("doctor")(doctor.doctor)
    app.command("bench")(bench.bench)
    app.command("bench-swap")(bench_swap.bench_swap)
    commands = [command for command in app.registered_commands if command.name == word]
    branches = [branch for branch in app.registered_groups if branch.name == word]
    if commands or branches:
        app.registered_commands, app.registered_groups = commands, branches
    return app


def _takes() -> typer.Typer:
    app = _branch("List, verify, repair and export takes.")
    app.command("list")(takes.list_command)
    app.command("verify")(takes.verify_command)
    app.command("repair")(takes.repair_command)
    app.command("export")(takes.export_command)
    return app


def _models() -> typer.Typer:
    app = _branch("List, inspect, convert and compile models.")
    app.command("list")(models.list_command)
    app.command("inspect")(models.inspect_command)
    app.command("convert")(models.convert_command)
    app.command("compile")(models_compile.compile_command)
    app.command("directions")(directions.directions_command)
    return app


def _branch(text: str) -> typer.Typer:
    return typer.Typer(
        help=text,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def _version(wanted: bool) -> None:
    if wanted:
        print(f"latent-instrument {__version__}")
        raise typer.Exit


def _about(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
) -> None:
    """Play the latent space of a generative model as one plays a synthesizer."""
