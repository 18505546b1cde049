"""The set-up `scripts/play`, `scripts/test` and `scripts/check` share: one `.venv`, made once.

Standard library only, for it runs before anything is installed. It knows how to get the
instrument ready on a bare machine and nothing of what the instrument does.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

State = Literal["ready", "outdated", "broken", "absent"]

# OpenGL with and without a window, and PortAudio, which the Linux wheel of sounddevice lacks.
PLAY_PACKAGES = (
    "libegl1",
    "libgl1",
    "libgl1-mesa-dri",
    "libegl-mesa0",
    "libglx-mesa0",
    "libportaudio2",
)
# The tests open real windows on a screen of their own, plug and unplug its monitors, start real
# servers of MIDI and sound, and hold edits and films against what an editor and ffprobe say.
TEST_PACKAGES = (
    *PLAY_PACKAGES,
    "ffmpeg",
    "git",
    "imagemagick",
    "jackd2",
    "libasound2-plugins",
    "libsox-fmt-pulse",
    "melt",
    "openbox",
    "pulseaudio",
    "sox",
    "x11-utils",
    "x11-xserver-utils",
    "xdotool",
    "xserver-xorg-core",
    "xserver-xorg-video-dummy",
    "xvfb",
)
# python-rtmidi has no wheel for Python 3.13, so there it is compiled.
COMPILE_MIDI_PACKAGES = ("g++", "libasound2-dev", "libjack-jackd2-dev", "pkg-config")

ROOT = Path(__file__).resolve().parent.parent
# How the lines of pip begin that nobody needs to read.
PIP_TALK = (
    *("WARNING", "Collecting", "Downloading", "Using cached", "Requirement", "Looking in"),
    *("Obtaining", "Installing", "Preparing", "Checking", "Getting", "Processing", "[notice]"),
    *("Building", "Created", "Stored", "Attempting", "Found existing", "Successfully"),
)

# What pip mumbles before it blames something else for a network that is away.
NO_NETWORK = (
    *("NewConnectionError", "Failed to establish", "name resolution", "getaddrinfo"),
    *("ConnectTimeout", "ReadTimeout", "ProxyError", "Network is unreachable"),
)

LOCK_PATIENCE = 1800.0  # seconds; a slow line needs a quarter of an hour for PyTorch


class SetupError(Exception):
    """The set-up cannot go on: a line that says what to do."""


def say(text: str) -> None:
    """Tell the person at the keyboard; stdout belongs to the instrument."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Workshop:
    """A clone of the project and the `.venv` inside it."""

    root: Path

    @property
    def venv(self) -> Path:
        """Everything that is installed from Python's package index."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The interpreter of the venv."""
        return self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def stamp(self) -> Path:
        """Written last and removed first: a venv without it was left half done."""
        return self.venv / "set-up.json"

    def fingerprint(self) -> str:
        """What the venv was made from. The folder counts: a venv that was moved does not work."""
        digest = hashlib.sha256(str(self.root).encode())
        for name in ("pyproject.toml", "scripts/constraints.txt"):
            digest.update(b"\0" + (self.root / name).read_bytes())
        return digest.hexdigest()

    def state(self, dev: bool) -> State:
        """Whether the venv can be used as it is; `dev` asks for the tools of the tests, too."""
        if not self.python.exists():
            return "absent"
        stamp = self._read_stamp()
        if not stamp or not self.works():
            return "broken"
        current = stamp.get("fingerprint") == self.fingerprint()
        return "ready" if current and (stamp.get("dev") or not dev) else "outdated"

    def works(self) -> bool:
        """The interpreter starts and finds the instrument."""
        command = [str(self.python), "-P", "-c", "import instrument"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
        return False

    def prepare(self, dev: bool) -> None:
        """Leave a venv that is ready, whatever was there before.

        An update that fails while the old state still works keeps that state (the stamp comes
        back), so a pull without a network never takes away an instrument that played before.
        """
        if self.state(dev) == "ready":
            return
        with self.lock() as lock:
            state = self.state(dev)  # whoever held the lock may have done it all
            if state == "ready":
                return
            started = time.monotonic()
            previous = self._read_stamp() if state == "outdated" else {}
            dev = dev or bool(previous.get("dev"))
            self.stamp.unlink(missing_ok=True)
            try:
                if state == "outdated":
                    say("What the instrument needs has changed: fetching it (about a minute)")
                else:
                    self._rebuild(state, lock)
                    say("Fetching what the instrument needs (1 to 15 minutes; most is PyTorch)")
                self._install(dev, lock)
            except SetupError:
                if previous and self.works():
                    self._write_stamp(previous)
                raise
            self._write_stamp({"fingerprint": self.fingerprint(), "dev": dev})
            say(f"Ready after {time.monotonic() - started:.0f} s. From now on this is skipped.")

    def run(self, *arguments: str) -> int:
        """Run the venv's Python in the root of the project and hand back its exit code."""
        return subprocess.run([str(self.python), *arguments], cwd=self.root).returncode

    def become(self, *arguments: str) -> NoReturn:
        """Turn into the venv's Python, where the person stands: exit code and signals are its own.

        Windows cannot replace a process, so there it is a child.
        """
        command = [str(self.python), "-P", *arguments]
        if os.name == "nt":
            sys.exit(subprocess.run(command).returncode)
        os.execv(command[0], command)  # noqa: S606

    @contextlib.contextmanager
    def lock(self) -> Iterator[int]:
        """One set-up at a time in one clone.

        The system holds the lock for an open file, not for a file that exists: it ends with the
        process, also with a killed one, so no lock is ever stale and none needs to be deleted.
        The installing children inherit it, and keep it should they outlive us.
        """
        self.venv.mkdir(exist_ok=True)
        descriptor = os.open(self.venv / "set-up.lock", os.O_RDWR | os.O_CREAT)
        try:
            deadline = time.monotonic() + LOCK_PATIENCE
            waiting = False
            while not _try_lock(descriptor):
                if not waiting:
                    say("Another set-up is under way in this folder: waiting for it.")
                waiting = True
                if time.monotonic() > deadline:
                    raise SetupError("The other set-up never ends: stop it, then try again.")
                time.sleep(0.2)
            yield descriptor
        finally:
            os.close(descriptor)

    def _read_stamp(self) -> dict[str, object]:
        with contextlib.suppress(OSError, ValueError):
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
            return stamp if isinstance(stamp, dict) else {}
        return {}

    def _write_stamp(self, stamp: dict[str, object]) -> None:
        draft = self.stamp.with_suffix(".draft")
        draft.write_text(json.dumps(stamp), encoding="utf-8")
        draft.replace(self.stamp)

    def _rebuild(self, state: State, lock: int) -> None:
        """Make an empty venv. Only the lock file stays, for it is held."""
        if state == "broken":
            say("The folder .venv was left half done or is damaged: making it anew.")
        for path in self.venv.iterdir():
            if path.name == "set-up.lock":
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        say(f"Making .venv with Python {sys.version.split()[0]}")
        self._follow([sys.executable, "-m", "venv", str(self.venv)], lock)

    def _install(self, dev: bool, lock: int) -> None:
        pins = ["-c", str(self.root / "scripts" / "constraints.txt")]
        # The build backend first and pinned like the rest; without the isolated build an install
        # whose parts are all there needs no network.
        self._pip([*pins, "setuptools"], lock)
        clone = f"{self.root}[dev]" if dev else str(self.root)
        self._pip([*pins, "--no-build-isolation", "-e", clone], lock)
        if self._lacks_midi():
            say("Compiling the MIDI library, which has no ready-made file for this Python")
            try:
                self._pip([*pins, "python-rtmidi"], lock)
            except SetupError:
                say(
                    "There will be no MIDI: the compiler or the ALSA headers are missing. Run this"
                    " with Python 3.12 after deleting .venv, or install "
                    + " ".join(COMPILE_MIDI_PACKAGES)
                    + " and type: .venv/bin/pip install python-rtmidi"
                )

    def _lacks_midi(self) -> bool:
        find = "import importlib.util as u, sys; sys.exit(u.find_spec('rtmidi') is None)"
        return self.run("-c", find) != 0

    def _pip(self, arguments: Sequence[str], lock: int) -> None:
        pip = [str(self.python), "-m", "pip", "--disable-pip-version-check", "install"]
        self._follow([*pip, "--no-input", "--progress-bar", "off", *arguments], lock)

    def _follow(self, command: Sequence[str], lock: int) -> None:
        """Run `command`, tell of large downloads, and on failure show what it complained of."""
        inherited = () if os.name == "nt" else (lock,)
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=inherited,
        ) as child:
            complaints: list[str] = []
            away = False
            for line in child.stdout or ():
                away = away or any(sign in line for sign in NO_NETWORK)
                if download := large_download(line):
                    say(f"  {download}")
                elif is_complaint(line):
                    complaints.append(line.rstrip())
        if child.returncode and away:
            raise SetupError(
                "The package index cannot be reached. When the network is back, run this again:"
                " what was fetched already is not fetched twice."
            )
        if child.returncode:
            raise SetupError("\n".join([*complaints[-20:], "The set-up stopped there."]))


def large_download(line: str) -> str:
    """A line of pip about a download one has to wait for, in a few words; else nothing."""
    words = line.split()
    if len(words) < 4 or words[0] != "Downloading" or words[-1] not in ("MB)", "GB)"):
        return ""
    size = words[-2].strip("(")
    if words[-1] == "MB)" and float(size) < 20:
        return ""
    name = words[1].rsplit("/", 1)[-1].split("-")[0]
    return f"{name} ({size} {words[-1]}"


def is_complaint(line: str) -> bool:
    """Whether a line of pip belongs to a failure, and not to its small talk."""
    text = line.strip()
    return bool(text) and not text.startswith(PIP_TALK)


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def system_packages(wanted: Sequence[str]) -> None:
    """On Debian and its children, see to the system libraries; elsewhere they are the person's.

    Never stops: without them OSC, keys and rendering may still work, and the instrument says
    itself what it misses.
    """
    apt, query = shutil.which("apt-get"), shutil.which("dpkg-query")
    if not apt or not query:
        return
    wanted = [*wanted, *python_packages()]
    missing = missing_packages(query, wanted)
    if not missing:
        return
    if os.geteuid() != 0:
        say(f"System libraries are missing. Type this once:\n  {apt_line(missing)}")
        return
    say(f"Installing system libraries (about a minute): {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    patient = [apt, "-qq", "-o", "DPkg::Lock::Timeout=300"]
    install = [*patient, "install", "-y", "--no-install-recommends", *missing]
    for command in ([*patient, "update"], install):
        ended = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
    if ended.returncode:
        say(f"{ended.stderr.strip()}\nThat failed. Type this when it can work:\n  "
            f"{apt_line(missing)}")  # fmt: skip


def python_packages() -> list[str]:
    """What Debian splits off from the running Python, as far as it is needed here."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = []
    if importlib.util.find_spec("ensurepip") is None:
        packages.append(f"{name}-venv")
    if sys.version_info >= (3, 13):
        packages += COMPILE_MIDI_PACKAGES
        if sys.base_prefix == "/usr":
            packages.append(f"{name}-dev")
    return packages


def missing_packages(query: str, wanted: Sequence[str]) -> list[str]:
    """Those of `wanted` that Debian's database does not call installed."""
    command = [query, "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted]
    known = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    installed = {line.split()[0] for line in known if line.endswith(" installed")}
    return [name for name in wanted if name not in installed]


def apt_line(packages: Sequence[str]) -> str:
    """The one line to type."""
    return f"sudo apt-get install -y --no-install-recommends {' '.join(packages)}"


def prepared(wanted: Sequence[str], dev: bool) -> Workshop:
    """This clone's workshop, set up; ends the program with a plain line where that fails."""
    workshop = Workshop(ROOT)
    try:
        system_packages(wanted)
        workshop.prepare(dev)
    except SetupError as error:
        # Tests on the wrong versions prove nothing; a show on last week's versions goes on.
        if dev or workshop.state(dev) != "outdated":
            sys.exit(str(error))
        say(f"{error}\nPlaying with what was installed before.")
    except KeyboardInterrupt:
        say("Stopped. The next run picks it up.")
        sys.exit(130)
    return workshop


def check(workshop: Workshop) -> int:
    """Lint, format and types: 0 when all three are content. All run, so one pass shows all."""
    commands = (
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy", "-n", "2"),
        ("mypy", "--strict", "scripts/workshop.py"),
    )
    return max(workshop.run("-m", *command) for command in commands)
