"""The backend on an rtmidi that fails, lists our own ports, and whose server dies."""

from types import SimpleNamespace
from typing import ClassVar

import pytest

from instrument.control import midi_backend
from instrument.control.midi_backend import OWN, RtMidiBackend, backends


class RtMidiError(Exception):
    pass


class FakeClient:
    names: ClassVar[list[str]] = []
    made: ClassVar[list["FakeClient"]] = []
    fails: ClassVar[str] = ""

    def __init__(self, api: int, name: str) -> None:
        if FakeClient.fails:
            raise RtMidiError(FakeClient.fails)
        self.name = name
        self.index: int | None = None
        self.callback = None
        self.ended: list[str] = []
        self.sent: list[bytes] = []
        FakeClient.made.append(self)

    def get_ports(self) -> list[str]:
        return list(FakeClient.names)

    def ignore_types(self, **types: bool) -> None:
        self.ignored = types

    def set_callback(self, callback) -> None:
        self.callback = callback

    def open_port(self, index: int, name: str) -> None:
        if FakeClient.names[index].startswith("busy"):
            raise RtMidiError("in use")
        self.index = index

    def send_message(self, message: bytes) -> None:
        if FakeClient.fails:
            raise RtMidiError(FakeClient.fails)
        self.sent.append(message)

    def cancel_callback(self) -> None:
        self.ended.append("deaf")

    def close_port(self) -> None:
        self.ended.append("closed")

    def delete(self) -> None:
        self.ended.append("deleted")


class FakeIn(FakeClient):
    pass


class FakeOut(FakeClient):
    pass


@pytest.fixture
def stage(monkeypatch):
    monkeypatch.setattr(FakeClient, "names", [])
    monkeypatch.setattr(FakeClient, "made", [])
    monkeypatch.setattr(FakeClient, "fails", "")
    server = SimpleNamespace(name="one")

    def lives_on() -> str:
        if not server.name:
            raise OSError("no server")
        return server.name

    rtmidi = SimpleNamespace(MidiIn=FakeIn, MidiOut=FakeOut, RtMidiError=RtMidiError)
    return server, RtMidiBackend(rtmidi, 3, "JACK", lives_on)


def test_one_client_looks_however_often(stage) -> None:
    _, backend = stage
    FakeClient.names = ["Desk:out", f"{OWN}-1-2:control"]
    for _ in range(5):
        inputs, outputs = backend.ports()
        assert [port.name for port in inputs] == [port.name for port in outputs] == ["Desk:out"]
    assert len(FakeClient.made) == 2


def test_a_port_is_opened_by_its_name_wherever_it_moved(stage) -> None:
    _, backend = stage
    FakeClient.names = ["Desk", "Keys", "Desk"]
    inputs, _ = backend.ports()
    assert [port.key for port in inputs] == ["Desk 1 of 2", "Keys", "Desk 2 of 2"]
    FakeClient.names = ["New", "Desk", "Desk", "Keys"]
    heard: list = []
    close = backend.open_input(inputs[2], heard.append)
    client = FakeClient.made[-1]
    assert client.index == 2
    assert client.ignored == {"sysex": True, "timing": False, "active_sense": True}
    client.callback(([0xB0, 1, 2], 0.0), None)
    assert heard == [[0xB0, 1, 2]]
    close()
    close()
    assert client.ended == ["deaf", "closed", "deleted"]  # deaf first, and all of it once


def test_a_port_that_left_or_refuses_is_an_error_of_the_system(stage) -> None:
    _, backend = stage
    FakeClient.names = ["Desk", "busy one"]
    inputs, outputs = backend.ports()
    with pytest.raises(OSError, match="in use"):
        backend.open_output(outputs[1])
    assert FakeClient.made[-1].ended == ["deleted"]
    FakeClient.names = []
    with pytest.raises(OSError, match="gone again"):
        backend.open_input(inputs[0], print)
    assert FakeClient.made[-1].ended == ["deleted"]


def test_sending_that_fails_is_an_error_of_the_system(stage) -> None:
    _, backend = stage
    FakeClient.names = ["Desk"]
    output = backend.open_output(backend.ports()[1][0])
    output.send(b"\xb0\x01\x02")
    assert FakeClient.made[-1].sent == [b"\xb0\x01\x02"]
    FakeClient.fails = "no such device"
    with pytest.raises(OSError, match="no such device"):
        output.send(b"\xb0\x01\x02")


@pytest.mark.parametrize("after", ["", "two"])
def test_clients_of_a_dead_server_are_never_closed_late(stage, after) -> None:
    """An output of a dead JACK is not even deleted: that would stop the world for a second."""
    server, backend = stage
    FakeClient.names = ["Desk"]
    (port,), _ = backend.ports()
    close = backend.open_input(port, print)
    output = backend.open_output(port)
    looking_in, looking_out, heard, sent = FakeClient.made
    server.name = after
    if after:
        backend.ports()
        assert len(FakeClient.made) == 6  # others look now
        assert len({client.name for client in FakeClient.made}) == 6  # under other names
    else:
        with pytest.raises(OSError, match="no server"):
            backend.ports()
    close()
    output.close()
    assert heard.ended == looking_in.ended == ["deaf", "deleted"]
    assert sent.ended == looking_out.ended == []


def test_letting_go_while_the_server_is_dead(stage) -> None:
    server, backend = stage
    FakeClient.names = ["Desk"]
    (port,), _ = backend.ports()
    output = backend.open_output(port)
    server.name = ""
    output.close()  # before anybody has looked
    backend.close()
    assert FakeClient.made[-1].ended == []


def test_the_client_that_looks_goes_last(stage) -> None:
    _, backend = stage
    backend.ports()
    backend.close()
    assert [client.ended for client in FakeClient.made] == [["deleted"], ["deleted"]]


def test_a_system_without_the_backend_is_an_error_that_says_so(stage) -> None:
    _, backend = stage
    FakeClient.fails = "error creating client"
    with pytest.raises(OSError, match="error creating client"):
        backend.ports()


def test_the_backends_of_a_system(monkeypatch) -> None:
    rtmidi = SimpleNamespace(
        API_LINUX_ALSA=2, API_UNIX_JACK=3, API_MACOSX_CORE=1, API_WINDOWS_MM=4, RtMidiError=OSError
    )
    monkeypatch.setattr(midi_backend.importlib, "import_module", lambda name: rtmidi)
    for apis, system, names in (
        ([2, 3], "linux", ["ALSA", "JACK"]),
        ([1, 3], "darwin", ["CoreMIDI"]),
        ([4], "win32", ["WinMM"]),
    ):
        rtmidi.get_compiled_api = lambda apis=apis: apis
        monkeypatch.setattr(midi_backend.sys, "platform", system)
        assert [backend.name for backend in backends()] == names
    rtmidi.get_compiled_api = lambda: [5]
    with pytest.raises(OSError, match="without any backend"):
        backends()
