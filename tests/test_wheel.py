"""What a stranger gets: the built wheel, installed where no clone is, plays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str | Path, cwd: Path, seconds: float = 120) -> str:
    """Run `command` as somebody without this clone would, and hand back its stdout."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def tracked() -> list[str]:
    """What a fresh clone would hold."""
    # As root in a container the clone may belong to somebody else, which git refuses by default.
    names = run("git", "-c", "safe.directory=*", "ls-files", "-z", cwd=ROOT).split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from the tracked files alone."""
    source = tmp_path_factory.mktemp("source")
    for name in tracked():
        if name.split("/")[0] not in ("tests", "scripts", ".ci"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out)
    run(*build, source, cwd=source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def stranger(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a venv that holds the wheel and borrows its dependencies from this one."""
    venv = tmp_path_factory.mktemp("stranger") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=venv.parent)
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    site = Path(run(python, "-c", "import site; print(site.getsitepackages()[-1])", cwd=venv)[:-1])
    # A plain path in a .pth adds that folder, but runs none of the .pth files inside it: the
    # editable install of the clone stays out of sight.
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "lent.pth").write_text("\n".join(sorted(lent)) + "\n")
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "-q", "--no-index", "--no-deps", "--no-warn-conflicts", wheel, cwd=venv)
    return scripts


def test_the_wheel_holds_every_module_and_every_bundled_file(wheel: Path) -> None:
    expected = {name for name in tracked() if name.startswith("instrument/")}
    expected |= {f"instrument/{n}" for n in tracked() if n.startswith(("shaders/", "presets/"))}
    held = set(zipfile.ZipFile(wheel).namelist())
    assert expected - held == set()
    assert {name.split("/")[0] for name in held if ".dist-info/" not in name} == {"instrument"}


def test_presets_and_shaders_are_found_without_the_clone(stranger: Path, tmp_path: Path) -> None:
    look = (
        "import json, instrument; from instrument.resources import bundled;"
        "print(json.dumps([instrument.__file__, str(bundled('presets')), str(bundled('shaders'))]))"
    )
    told = run(stranger / "python", "-c", look, cwd=tmp_path)
    places = [Path(place) for place in json.loads(told)]
    assert all(stranger.parent in place.parents for place in places)
    assert all(ROOT not in place.parents for place in places)
    for name, place in zip(("presets", "shaders"), places[1:], strict=True):
        bundled = {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()}
        assert bundled == {n.partition("/")[2] for n in tracked() if n.startswith(f"{name}/")}


def test_it_plays_without_the_clone(stranger: Path, tmp_path: Path) -> None:
    play = ("play", "--headless", "--seconds", "1", "--rate", "30", "--take", "evening.take")
    run(stranger / "instrument", *play, cwd=tmp_path)
    record = tmp_path / "evening.take" / "z.npy"
    assert np.load(record, allow_pickle=False).shape[0] == 30
