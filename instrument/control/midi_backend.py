"""MIDI ports of the operating system, through python-rtmidi: ALSA and JACK, CoreMIDI, WinMM.

One client a backend is kept for looking, since every client costs the system memory it does not
soon give back. Whatever goes wrong with a port is an OSError that says why. Knows no message.

python-rtmidi is used without mido, which makes a client for every look and reads a port's bytes
through a parser that drops running status.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from instrument.control.midi_roster import Port
from instrument.control.midi_system import jack_server, sequencer, steady_name, usb_socket

OWN = "latent-instrument"  # how the names of our own clients begin: nobody plays on those
# Clients that show ALSA's ports to JACK: through ALSA itself they come without a detour.
_MIRRORS = ("a2j:", "alsa_midi:", "Midi-Bridge:", "system:midi_")

Receive = Callable[[list[int]], None]  # a whole message; in a thread of the system's


class Output(Protocol):
    """A port messages are sent to. Both raise OSError where the device is gone."""

    def send(self, message: bytes) -> None:
        """Send one message."""
        ...

    def close(self) -> None:
        """Let go of the port."""
        ...


class Backend(Protocol):
    """One way into the system's MIDI. Everything may raise OSError; nothing else."""

    name: str

    def ports(self) -> tuple[list[Port], list[Port]]:
        """Inputs and outputs that are here now."""
        ...

    def open_input(self, port: Port, receive: Receive) -> Callable[[], None]:
        """Have `receive` called with every message of `port`; returns what closes it."""
        ...

    def open_output(self, port: Port) -> Output:
        """Open `port` for sending."""
        ...

    def close(self) -> None:
        """Let go of the client that looks."""
        ...


def backends() -> list[Backend]:
    """Every backend of this machine. Raises OSError where there is no python-rtmidi."""
    try:
        rtmidi = importlib.import_module("rtmidi")
    except ImportError as error:
        raise OSError(f"python-rtmidi is not there ({error})") from error
    found: list[Backend] = []
    for api in rtmidi.get_compiled_api():
        if api == rtmidi.API_LINUX_ALSA:
            found.append(RtMidiBackend(rtmidi, api, "ALSA", sequencer))
        elif api == rtmidi.API_UNIX_JACK and sys.platform == "linux":
            found.append(RtMidiBackend(rtmidi, api, "JACK", jack_server))
        elif api == rtmidi.API_MACOSX_CORE:
            found.append(RtMidiBackend(rtmidi, api, "CoreMIDI", str))
        elif api == rtmidi.API_WINDOWS_MM:
            found.append(RtMidiBackend(rtmidi, api, "WinMM", str))
    if not found:
        raise OSError("python-rtmidi was built without any backend for this system")
    return found


class RtMidiBackend:
    """One of python-rtmidi's. `server` names what the backend lives on, another one when that
    was started anew, or raises OSError when it is not there."""

    def __init__(self, rtmidi: Any, api: int, name: str, server: Callable[[], str]) -> None:
        self.name = name
        self._rtmidi = rtmidi
        self._api = api
        self._server = server
        self._lives_on: str | None = None
        self._lookers: tuple[Any, Any] | None = None
        self._open: list[Any] = []
        self._clients = 0

    def ports(self) -> tuple[list[Port], list[Port]]:
        """Inputs and outputs, without our own."""
        with _as_os_errors(self._rtmidi):
            self._check_server()
            if self._lookers is None:
                self._lookers = (self._client("MidiIn"), self._client("MidiOut"))
            inputs, outputs = (looker.get_ports() for looker in self._lookers)
        return self._listed(inputs), self._listed(outputs)

    def open_input(self, port: Port, receive: Receive) -> Callable[[], None]:
        """Listen to `port`: clocks too, no SysEx and no active sensing."""
        with _as_os_errors(self._rtmidi):
            self._check_server()
            client = self._client("MidiIn")
            client.ignore_types(sysex=True, timing=False, active_sense=True)
            # Before the port opens, or its first messages would wait in rtmidi's own queue.
            client.set_callback(lambda event, _: receive(event[0]))
            self._open_port(client, port)
        return lambda: self._close(client)

    def open_output(self, port: Port) -> Output:
        """Send to `port`."""
        with _as_os_errors(self._rtmidi):
            self._check_server()
            client = self._client("MidiOut")
            self._open_port(client, port)
        return _RtMidiOutput(self._rtmidi, client, self._close)

    def close(self) -> None:
        """Let go of the clients that look."""
        if not self._server_lives():
            return
        lookers, self._lookers = self._lookers, None
        for looker in lookers or ():
            looker.delete()

    def _client(self, kind: str) -> Any:
        self._clients += 1  # JACK remembers the names of the dead for a while
        return getattr(self._rtmidi, kind)(self._api, f"{OWN}-{os.getpid()}-{self._clients}")

    def _open_port(self, client: Any, port: Port) -> None:
        """By name: between the look and now, the indexes may have moved."""
        alike = [n for n, name in enumerate(client.get_ports()) if name == port.spelling]
        if len(alike) <= port.nth:
            client.delete()
            raise OSError("it is gone again")
        try:
            client.open_port(alike[port.nth], "control")
        except Exception:
            client.delete()
            raise
        self._open.append(client)

    def _close(self, client: Any) -> None:
        if not self._server_lives() or client not in self._open:
            return  # abandoned with its server
        self._open.remove(client)
        if isinstance(client, self._rtmidi.MidiIn):
            client.cancel_callback()
        client.close_port()
        client.delete()

    def _server_lives(self) -> bool:
        try:
            self._check_server()
        except OSError:
            return False
        return True

    def _check_server(self) -> None:
        """Notice a server that died: its clients go on listing what was there, for ever."""
        try:
            server = self._server()
        except OSError:
            self._abandon()
            self._lives_on = None
            raise
        if self._lives_on not in (None, server):
            self._abandon()
        self._lives_on = server

    def _abandon(self) -> None:
        """Forget the clients of a dead JACK server, before the first client of a new one.

        libjack frees them when a new client comes: closed after that, they would take the process
        with them. Closing an output before that waits a second with the interpreter locked, so
        outputs are never closed at all; inputs are, at once.
        """
        for client in (*self._open, *(self._lookers or ())):
            if isinstance(client, self._rtmidi.MidiIn):
                client.cancel_callback()
                client.delete()
            else:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(client))
        self._open.clear()
        self._lookers = None

    def _listed(self, spellings: list[str]) -> list[Port]:
        hidden = (OWN, *(_MIRRORS if self.name == "JACK" and Path("/dev/snd/seq").exists() else ()))
        ports = []
        for index, spelling in enumerate(spellings):
            if spelling.startswith(hidden):
                continue
            count, nth = spellings.count(spelling), spellings[:index].count(spelling)
            key = spelling if count == 1 else f"{spelling} {nth + 1} of {count}"
            life = f"{self._lives_on} {spelling}"
            if self.name == "ALSA" and (number := re.search(r" ([0-9]+):[0-9]+$", spelling)):
                key, life = usb_socket(int(number[1])) or (key, life)
            name = steady_name(spelling, self.name, index)
            ports.append(Port(name, key, self.name, life, spelling, nth))
        return ports


class _RtMidiOutput:
    def __init__(self, rtmidi: Any, client: Any, close: Callable[[Any], None]) -> None:
        self._rtmidi = rtmidi
        self._client = client
        self._close = close

    def send(self, message: bytes) -> None:
        """Send one message."""
        with _as_os_errors(self._rtmidi):
            self._client.send_message(message)

    def close(self) -> None:
        """Let go of the port."""
        self._close(self._client)


@contextmanager
def _as_os_errors(rtmidi: Any) -> Iterator[None]:
    try:
        yield
    except (rtmidi.RtMidiError, ValueError, TypeError) as error:
        raise OSError(str(error)) from error
