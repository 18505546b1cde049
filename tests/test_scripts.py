"""The set-up: what it notices, what it repairs, what it says. Nothing here installs anything."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ("play", "test", "check")


def load_workshop() -> ModuleType:
    spec = importlib.util.spec_from_file_location("workshop", ROOT / "scripts" / "workshop.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["workshop"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


workshop = load_workshop()


@pytest.fixture
def clone(tmp_path: Path):
    """A folder that looks like the project to the set-up."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "constraints.txt").write_text("numpy==2.4.6\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return workshop.Workshop(tmp_path)


def furnish(clone, *, dev: bool = False, works: bool = True, stamped: bool = True) -> None:
    """Put a venv there whose interpreter only pretends."""
    clone.python.parent.mkdir(parents=True, exist_ok=True)
    clone.python.write_text(f"#!/bin/sh\nexit {0 if works else 1}\n")
    clone.python.chmod(0o755)
    if stamped:
        stamp = {"fingerprint": clone.fingerprint(), "dev": dev}
        clone.stamp.write_text(json.dumps(stamp))


def pretend(monkeypatch: pytest.MonkeyPatch, fail_at: str = "") -> list[str]:
    """Set-ups from here on are lists of commands; the one that contains `fail_at` fails."""
    commands: list[str] = []

    def follow(self, command, lock) -> None:
        line = " ".join(command)
        commands.append(line)
        if fail_at and fail_at in line:
            raise workshop.SetupError("no network")
        if "-m venv" in line:
            furnish(self, stamped=False)

    monkeypatch.setattr(workshop.Workshop, "_follow", follow)
    return commands


# --- the programs


@pytest.mark.parametrize("name", [*PROGRAMS, "workshop.py"])
def test_needs_only_the_standard_library(name: str) -> None:
    tree = ast.parse((ROOT / "scripts" / name).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for module in names:
            assert module.split(".")[0] in {*sys.stdlib_module_names, "workshop"}


@pytest.mark.parametrize("name", [*PROGRAMS, "meditation"])
def test_is_a_program(name: str) -> None:
    path = ROOT / "scripts" / name
    assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env python3\n")
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("name", [*PROGRAMS, "meditation"])
def test_says_what_it_is_for(name: str) -> None:
    command = [sys.executable, str(ROOT / "scripts" / name), "--help"]
    ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert ended.returncode == 0
    assert any(word in ended.stdout for word in ("set", "Check", "survey"))


@pytest.mark.parametrize("name", [*PROGRAMS, "meditation"])
def test_an_old_python_gets_one_line(name: str) -> None:
    source = (ROOT / "scripts" / name).read_text(encoding="utf-8")
    pretend_old = f"import sys; sys.version_info = (3, 9, 2); exec({source!r})"
    ended = subprocess.run([sys.executable, "-c", pretend_old], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "needs Python 3.11, 3.12 or 3.13, and this is 3.9" in ended.stderr


def test_ci_runs_the_tests() -> None:
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n") and "scripts/test" in text
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_every_dependency_is_pinned() -> None:
    import tomllib

    pins = {}
    for line in (ROOT / "scripts" / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            pins[name.lower().replace("_", "-")] = version
    assert all(version and "+" not in version for version in pins.values())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {line.split(";")[0].split(">")[0].split("=")[0].strip() for line in wanted}
    assert names - pins.keys() == set()


# --- what it notices


def test_no_venv_is_absent(clone) -> None:
    assert clone.state(dev=False) == "absent"
    clone.venv.mkdir()
    assert clone.state(dev=False) == "absent"


def test_a_venv_left_half_done_is_broken(clone) -> None:
    furnish(clone, stamped=False)
    assert clone.state(dev=False) == "broken"


def test_a_venv_whose_python_fails_is_broken(clone) -> None:
    furnish(clone, works=False)
    assert clone.state(dev=False) == "broken"


def test_a_dangling_python_is_absent(clone) -> None:
    furnish(clone)
    clone.python.unlink()
    clone.python.symlink_to(clone.root / "gone")
    assert clone.state(dev=False) == "absent"


@pytest.mark.parametrize("stamp", ["", "{", "[]", '"x"', "\x00"])
def test_an_unreadable_stamp_is_none(clone, stamp: str) -> None:
    furnish(clone)
    clone.stamp.write_text(stamp)
    assert clone.state(dev=False) == "broken"


def test_a_finished_venv_is_ready_and_the_tests_ask_for_more(clone) -> None:
    furnish(clone)
    assert (clone.state(dev=False), clone.state(dev=True)) == ("ready", "outdated")
    furnish(clone, dev=True)
    assert (clone.state(dev=False), clone.state(dev=True)) == ("ready", "ready")


@pytest.mark.parametrize("name", ["pyproject.toml", "scripts/constraints.txt"])
def test_changed_pins_make_it_outdated(clone, name: str) -> None:
    furnish(clone)
    (clone.root / name).write_text("changed\n")
    assert clone.state(dev=False) == "outdated"


def test_a_moved_clone_is_made_anew(clone, tmp_path: Path) -> None:
    furnish(clone)
    moved = tmp_path / "moved"
    (tmp_path / "scripts").rename(tmp_path / "kept")
    moved.mkdir()
    (tmp_path / "kept").rename(moved / "scripts")
    (tmp_path / "pyproject.toml").rename(moved / "pyproject.toml")
    clone.venv.rename(moved / ".venv")
    assert workshop.Workshop(moved).state(dev=False) != "ready"


# --- what it does about it


def test_a_fresh_clone_is_set_up_once(clone, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = pretend(monkeypatch)
    clone.prepare(dev=False)
    assert clone.state(dev=False) == "ready"
    assert "-m venv" in commands[0]
    assert any("-c" in line and "-e" in line and "[dev]" not in line for line in commands)
    commands.clear()
    clone.prepare(dev=False)
    assert commands == []


def test_tests_bring_their_tools_and_playing_keeps_them(clone, monkeypatch) -> None:
    commands = pretend(monkeypatch)
    clone.prepare(dev=True)
    assert any("[dev]" in line for line in commands)
    (clone.root / "pyproject.toml").write_text("changed\n")
    commands.clear()
    clone.prepare(dev=False)
    assert any("[dev]" in line for line in commands)
    assert not any("-m venv" in line for line in commands)
    assert clone.state(dev=True) == "ready"


def test_a_broken_venv_is_emptied_first(clone, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(clone, stamped=False)
    (clone.venv / "lib").mkdir()
    (clone.venv / "lib" / "half.py").write_text("")
    pretend(monkeypatch)
    clone.prepare(dev=False)
    assert not (clone.venv / "lib").exists()
    assert clone.state(dev=False) == "ready"


def test_a_set_up_that_fails_is_taken_up_by_the_next_run(clone, monkeypatch) -> None:
    with monkeypatch.context() as away:
        pretend(away, fail_at="-e ")
        with pytest.raises(workshop.SetupError, match="no network"):
            clone.prepare(dev=False)
    assert clone.state(dev=False) == "broken"
    pretend(monkeypatch)
    clone.prepare(dev=False)
    assert clone.state(dev=False) == "ready"


def test_an_update_that_fails_leaves_what_worked(clone, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(clone)
    (clone.root / "pyproject.toml").write_text("changed\n")
    pretend(monkeypatch, fail_at="-e ")
    with pytest.raises(workshop.SetupError):
        clone.prepare(dev=False)
    assert clone.state(dev=False) == "outdated"


def test_an_interrupted_update_is_not_trusted(clone, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(clone)
    (clone.root / "pyproject.toml").write_text("changed\n")

    def interrupt(self, command, lock) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(workshop.Workshop, "_follow", interrupt)
    with pytest.raises(KeyboardInterrupt):
        clone.prepare(dev=False)
    assert clone.state(dev=False) == "broken"


# --- one at a time


def test_a_second_set_up_waits_for_the_first(clone, capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def second() -> None:
        with clone.lock():
            order.append("second")

    with clone.lock():
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert "waiting" in capsys.readouterr().err


def test_a_lock_whose_owner_was_killed_is_free(clone) -> None:
    hold = textwrap.dedent(
        f"""
        import pathlib, sys, time
        sys.path.insert(0, {str(ROOT / "scripts")!r})
        import workshop
        with workshop.Workshop(pathlib.Path({str(clone.root)!r})).lock():
            print("held", flush=True)
            time.sleep(60)
        """
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE) as owner:
        assert owner.stdout and owner.stdout.readline() == b"held\n"
        owner.kill()
    with clone.lock():
        pass


def test_a_lock_that_never_opens_is_given_up(clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop, "LOCK_PATIENCE", 0.1)
    with (
        clone.lock(),
        pytest.raises(workshop.SetupError, match="never ends"),
        clone.lock(),
    ):
        pass


# --- what it says


def test_large_downloads_are_told_and_small_talk_is_not() -> None:
    line = "Downloading torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl (532.2 MB)\n"
    assert workshop.large_download(line) == "torch (532.2 MB)"
    assert workshop.large_download("Downloading x.whl (300 kB)\n") == ""
    assert workshop.large_download("Downloading x-1.whl (3.0 MB)\n") == ""
    assert workshop.large_download("Downloading\n") == ""
    assert workshop.is_complaint("ERROR: No matching distribution found for av==99\n")
    assert workshop.is_complaint("OSError: [Errno 28] No space left on device\n")
    assert not workshop.is_complaint("WARNING: Location 'x' is ignored\n")
    assert not workshop.is_complaint("  Using cached av-18.whl (35 MB)\n")
    assert not workshop.is_complaint("\n")


def test_a_failing_command_shows_its_complaint(clone) -> None:
    script = "print('Collecting x'); print('ERROR: no such thing'); raise SystemExit(3)"
    with clone.lock() as lock, pytest.raises(workshop.SetupError) as failure:
        clone._follow([sys.executable, "-c", script], lock)
    assert "ERROR: no such thing" in str(failure.value)
    assert "Collecting" not in str(failure.value)


def test_a_network_that_is_away_is_called_that(clone) -> None:
    script = (
        "print('WARNING: Retrying after NewConnectionError: Failed to establish a connection');"
        "print('ERROR: these package versions have conflicting dependencies'); raise SystemExit(1)"
    )
    with clone.lock() as lock, pytest.raises(workshop.SetupError) as failure:
        clone._follow([sys.executable, "-c", script], lock)
    assert "network" in str(failure.value)
    assert "conflicting" not in str(failure.value)


# --- system libraries


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch):
    """A Debian without libgl1, whose apt-get is written down instead of run."""
    ran: list[list[str]] = []

    def run(command, **options):
        if command[0] == "dpkg-query":
            installed = [name for name in command[4:] if name != "libgl1"]
            text = "".join(f"{name} installed\n" for name in installed)
            return subprocess.CompletedProcess(command, 1, text, "")
        ran.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(workshop.shutil, "which", lambda name: name)
    monkeypatch.setattr(workshop.subprocess, "run", run)
    return ran


def test_root_gets_what_is_missing_and_no_more(debian, monkeypatch) -> None:
    monkeypatch.setattr(workshop.os, "geteuid", lambda: 0)
    workshop.system_packages(["libegl1", "libgl1"])
    update, install = debian
    assert update[-1] == "update"
    assert [word for word in install if word.startswith("lib")] == ["libgl1"]


def test_others_get_one_line_to_type(debian, monkeypatch, capsys) -> None:
    monkeypatch.setattr(workshop.os, "geteuid", lambda: 1000)
    workshop.system_packages(["libegl1", "libgl1"])
    said = capsys.readouterr().err.splitlines()
    assert debian == []
    assert said[-1].strip() == "sudo apt-get install -y --no-install-recommends libgl1"


def test_nothing_is_said_when_nothing_is_missing(debian, capsys) -> None:
    workshop.system_packages(["libegl1"])
    assert debian == []
    assert capsys.readouterr().err == ""


def test_elsewhere_there_is_no_apt(monkeypatch, capsys) -> None:
    monkeypatch.setattr(workshop.shutil, "which", lambda name: None)
    workshop.system_packages(["libgl1"])
    assert capsys.readouterr().err == ""
