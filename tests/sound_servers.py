"""Sound servers on names of their own: PulseAudio with a sink that goes nowhere, and JACK.

A context manager each; the environment leads this process and its children there meanwhile. Only
processes that were started here are ended, by their number.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SINK = "concert"
HEARD = "concert-monitor"  # what the sink plays, as an input
_ASOUNDRC = f"""
pcm.{HEARD} {{ type pulse
 device {SINK}.monitor
 hint {{ show on
  description "{HEARD}" }} }}
ctl.{HEARD} {{ type pulse }}
"""


def need(*programs: str) -> None:
    """Skip only where they cannot exist; on Linux they are installed by the set-up of the tests."""
    if not sys.platform.startswith("linux"):
        pytest.skip("these sound servers are Linux's")
    for program in programs:
        if not shutil.which(program):
            if os.environ.get("CI"):
                pytest.fail(f"{program} is not installed")
            pytest.skip(f"{program} is not installed")


class Server:
    """A process that can be killed and started again."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._command, self._log = command, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def end(self) -> None:
        """In peace: a JACK that is killed keeps one of the machine's eight places."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def surroundings(**variables: str) -> Iterator[None]:
    """The environment with these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def pulse(folder: Path) -> Iterator[Server]:
    """PulseAudio with the sink `SINK`, which is an input by the name of `HEARD`."""
    need("pulseaudio", "sox")
    run, home = folder / "run", folder / "home"
    for place in (run, run / "pulse", home):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / ".asoundrc").write_text(_ASOUNDRC)
    command = [
        "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
        "--log-target=stderr", "-L", "module-native-protocol-unix",
        "-L", f"module-null-sink sink_name={SINK} rate=48000 channels=2",
        "-L", "module-always-sink",
    ]  # fmt: skip
    server = Server(command, folder / "pulse.log")
    with surroundings(
        XDG_RUNTIME_DIR=str(run),
        PULSE_RUNTIME_PATH=str(run / "pulse"),
        HOME=str(home),
        AUDIODRIVER="pulseaudio",
        AUDIODEV=SINK,
        JACK_DEFAULT_SERVER=f"none-{uuid.uuid4().hex[:8]}",
    ):
        server.start()
        wait_for(lambda: (run / "pulse" / "native").exists(), 10, "PulseAudio")
        try:
            yield server
        finally:
            server.end()


@contextmanager
def jack(folder: Path) -> Iterator[Server]:
    """JACK on a sound card that is none, 48 kHz; periods long enough for a busy machine."""
    need("jackd", "jack_metro", "jack_connect", "jack_lsp")
    # A few names, used again and again: whoever was killed gives its place to its namesake.
    name = next(name for name in (f"ear-{n}" for n in range(4)) if not jack_ports(name))
    command = ["jackd", "--no-realtime", "-n", name, "-d", "dummy", "-r", "48000", "-p", "4096"]
    server = Server(command, folder / "jack.log")
    with surroundings(JACK_DEFAULT_SERVER=name, JACK_NO_START_SERVER="1", HOME=str(folder)):
        server.start()
        wait_for(lambda: bool(jack_ports()), 15, "JACK")
        try:
            yield server
        finally:
            server.end()


def jack_ports(name: str = "") -> list[str]:
    """The ports of the server called `name`, or of the one that the environment names."""
    server = {"JACK_DEFAULT_SERVER": name} if name else {}
    asked = subprocess.run(
        ["jack_lsp"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
        env=os.environ | {"JACK_NO_START_SERVER": "1"} | server,
    )
    return asked.stdout.split() if asked.returncode == 0 else []


def wait_for(condition, seconds: float, what: str) -> float:
    """Until `condition()`; how long it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"{what}: not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - begun
