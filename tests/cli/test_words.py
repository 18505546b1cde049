"""Which words lead to which command."""

import pytest
import typer.main

from instrument.cli.commands import command_line

ALL = typer.main.get_command(command_line())


def described(command) -> object:
    """What a command says of itself, and all that it can be told."""
    options = [(p.name, p.opts, p.required, p.default) for p in command.params]
    below = getattr(command, "commands", {})
    return command.name, command.help, options, {n: described(c) for n, c in below.items()}


@pytest.mark.parametrize("word", ALL.commands)
def test_a_branch_alone_is_the_branch_of_the_whole_tree(word):
    alone = typer.main.get_command(command_line(word))
    assert list(alone.commands) == [word]
    assert described(alone.commands[word]) == described(ALL.commands[word])
    assert [p.opts for p in alone.params] == [p.opts for p in ALL.params]


@pytest.mark.parametrize("word", ["", "--help", "--version", "tak", "takes list", "Play"])
def test_what_is_no_branch_leads_to_all_of_them(word):
    assert list(typer.main.get_command(command_line(word)).commands) == list(ALL.commands)


def test_every_command_is_told_and_a_slip_is_answered(run):
    told = run("--help")
    assert told.code == 0 and all(f" {word} " in told.out for word in ALL.commands)
    for words in (("tak",), ("takes", "lisst"), ("--versoin",), ("play", "--taek", "x")):
        ran = run(*words)
        assert ran.code == 2 and "Traceback" not in ran.err
    assert "'takes'" in run("tak").err
    assert run("takes", "verify", "--help").out.startswith("Usage: instrument takes verify")
    assert run("--version").out.startswith("latent-instrument ")
