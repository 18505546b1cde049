"""The commands. The only place that prints, and where the parts are put together by hand."""

from __future__ import annotations

import sys

from instrument import InstrumentError
from instrument.cli.console import fail


def main() -> None:
    """Run ``instrument``: exit 0 done, 1 what a performer can put right, 2 wrong usage."""
    from instrument.cli.commands import command_line

    try:
        command_line(*sys.argv[1:2])(prog_name="instrument")
    except InstrumentError as error:
        fail(str(error))
    except BrokenPipeError:  # somebody closed the pipe we print to: nothing is wrong
        sys.stderr.close()
        raise SystemExit(0) from None
