"""Where the instrument lies: the files it brings along, and itself for a process of its own."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

from instrument import InstrumentError


def bundled(name: str) -> Path:
    """The folder `name` of the installed package, or of the clone it runs from."""
    package = Path(__file__).resolve().parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise InstrumentError(f"the folder {name!r} is missing beside {package}: install again")


def child_environment(**own: str) -> dict[str, str]:
    """Our environment for a child process, with `own` variables in it.

    This very package can be imported there: a clone need not be installed.
    """
    variables = {**os.environ, **own}
    home = str(Path(__file__).resolve().parent.parent)
    if home not in sysconfig.get_paths().values():
        paths = [home, variables.get("PYTHONPATH", "")]
        variables["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return variables
