"""OSCQuery, by a real HTTP client and a real WebSocket client."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from osc_stage import KILLERS, PAD, TREE, VALUES, mirror, number, until
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from instrument.control.osc import Osc, OscSettings
from instrument.control.osc_query import ATTRIBUTES, Namespace
from instrument.control.osc_wire import read
from instrument.event import ControlEvent
from instrument.timebase import WallClock


class House:
    """The whole device on ports of its own."""

    def __init__(self) -> None:
        self.events: list[ControlEvent] = []
        self.mirror = mirror(VALUES, "/take/record")
        self.osc = Osc(
            TREE, self.mirror, self.events.append, WallClock(), OscSettings(port=0, name="stage 1")
        )

    @property
    def port(self) -> int:
        assert self.osc.query.port is not None
        return self.osc.query.port

    def get(self, path: str, source: str = "127.0.0.1") -> tuple[int, object]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, 10, source_address=(source, 0))
        try:
            client.request("GET", path)
            answer = client.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if body else None
        finally:
            client.close()

    def listen(self, **more) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}/", compression=None, **more)


@pytest.fixture(scope="module")
def running() -> Iterator[House]:
    house = House()
    with house.osc:
        yield house


@pytest.fixture
def house(running: House) -> House:
    running.events.clear()
    running.mirror.write(mirror(VALUES, "/take/record").read())
    return running


def command(client: ClientConnection, word: str, path: object) -> None:
    client.send(json.dumps({"COMMAND": word, "DATA": path}))


def told(client: ClientConnection, seconds: float = 10.0) -> dict[str, float]:
    """Everything of the next packet."""
    packet = client.recv(timeout=seconds)
    assert isinstance(packet, bytes)
    return {m.address.decode(): m.arguments[0] for m in read(packet, Counter())}


def is_silent(client: ClientConnection, seconds: float = 0.2) -> bool:
    try:
        client.recv(timeout=seconds)
    except TimeoutError:
        return True
    return False


# --- what there is


def methods(node: dict) -> Iterator[dict]:
    if "TYPE" in node:
        yield node
    for below in node.get("CONTENTS", {}).values():
        yield from methods(below)


def test_the_root_holds_every_address(house: House) -> None:
    status, root = house.get("/")
    assert status == 200 and isinstance(root, dict)
    assert root["FULL_PATH"] == "/"
    found = {node["FULL_PATH"]: node for node in methods(root)}
    expected = {node.address for node in TREE}
    expected |= {"/raw" + node.address for node in TREE if node.kind == "parameter"}
    assert set(found) == expected
    assert root["CONTENTS"]["pad"]["CONTENTS"]["x"]["FULL_PATH"] == "/pad/x"
    assert root["CONTENTS"]["pad"]["FULL_PATH"] == "/pad"
    for path, node in found.items():
        assert {"FULL_PATH", "TYPE", "ACCESS", "VALUE", "DESCRIPTION"} <= set(node), path


def test_a_parameter_is_described_twice(house: House) -> None:
    assert house.get("/spring/frequency") == (
        200,
        {
            "FULL_PATH": "/spring/frequency",
            "TYPE": "f",
            "ACCESS": 3,
            "RANGE": [{"MIN": 0.0, "MAX": 1.0}],
            "CLIPMODE": ["both"],
            "DESCRIPTION": "how fast z follows (0.01 to 100 Hz, exponential)",
            "VALUE": [0.5],
        },
    )
    _, native = house.get("/raw/spring/frequency")
    assert isinstance(native, dict)
    assert native["RANGE"] == [{"MIN": 0.01, "MAX": 100.0}]
    assert (native["UNIT"], native["VALUE"]) == (["time.hz"], [1.0])


def test_triggers_and_what_can_only_be_read(house: House) -> None:
    _, record = house.get("/take/record")
    assert isinstance(record, dict)
    assert (record["TYPE"], record["VALUE"], record["ACCESS"]) == ("T", [True], 3)
    assert house.get("/waypoint/dawn/go?VALUE") == (200, {"VALUE": [False]})
    assert house.get("/model/share?ACCESS") == (200, {"ACCESS": 1})


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/pad/y?VALUE", (200, {"VALUE": [0.25]})),
        ("/pad/y?RANGE", (200, {"RANGE": [{"MIN": 0.0, "MAX": 1.0}]})),
        ("/pad/y?FULL_PATH", (200, {"FULL_PATH": "/pad/y"})),
        ("/pad/y/", (200, None)),
        ("/pad/y?UNIT", (204, None)),
        ("/pad?VALUE", (204, None)),
        ("/take/record?RANGE", (204, None)),
        ("/pad/y?value", (400, None)),
        ("/pad/y?VALUE&RANGE", (400, None)),
        ("/pad/z", (404, None)),
        ("/pad/z?VALUE", (404, None)),
        ("/..%2F..%2Fetc", (404, None)),
        ("/%ff%00", (404, None)),
        ("/" + "a" * 4000, (404, None)),
    ],
)
def test_questions_over_http(house: House, path: str, answer: tuple) -> None:
    status, body = house.get(path)
    assert status == answer[0]
    if answer[1] is not None:
        assert body == answer[1]


def test_values_are_of_now(house: House) -> None:
    house.mirror.write(mirror([0.5, 0.875, 1.0, 0.0, 0.75]).read())
    assert house.get("/pad/y?VALUE") == (200, {"VALUE": [0.875]})


def test_host_info_says_where_osc_is_heard(house: House) -> None:
    status, info = house.get("/?HOST_INFO")
    assert status == 200 and isinstance(info, dict)
    assert (info["NAME"], info["OSC_IP"], info["OSC_TRANSPORT"]) == ("stage 1", "127.0.0.1", "UDP")
    assert (info["OSC_PORT"], info["WS_PORT"]) == (house.osc.server.port, house.port)
    extensions = info["EXTENSIONS"]
    assert extensions["LISTEN"] and extensions["VALUE"] and extensions["RANGE"]
    assert set(extensions) - {"LISTEN"} < ATTRIBUTES
    assert house.get("/pad/x?HOST_INFO") == (200, info)


def test_a_path_may_be_a_method_and_a_container() -> None:
    from instrument.control.tree import Node, Tree

    tree = Tree((Node("/a", "trigger"), Node("/a/b", "trigger"), Node("/a/c/d", "trigger")))
    described = Namespace(tree).describe("/a", mirror().read())
    assert described is not None
    assert described["TYPE"] == "T" and set(described["CONTENTS"]) == {"b", "c"}


# --- what changes


def test_what_is_listened_to_is_told(house: House) -> None:
    with house.listen() as client:
        assert is_silent(client)  # nothing unasked
        command(client, "LISTEN", "/pad/y")
        assert told(client) == {"/pad/y": 0.25}
        command(client, "LISTEN", "/raw/spring/frequency")
        assert told(client) == {"/raw/spring/frequency": 1.0}
        command(client, "LISTEN", "/take/record")
        assert told(client) == {"/take/record": 1.0}
        house.mirror.write(mirror([0.9, 0.75, 2.0, 1.0, 0.75]).read())
        news = told(client)
        assert news == {"/pad/y": 0.75, "/raw/spring/frequency": 2.0, "/take/record": 0.0}
        command(client, "IGNORE", "/pad/y")
        command(client, "IGNORE", "/raw/spring/frequency")
        command(client, "IGNORE", "/take/record")
        time.sleep(0.1)
        house.mirror.write(mirror(VALUES, "/take/record").read())
        assert is_silent(client)


def test_a_client_plays_over_the_websocket_and_is_not_told_its_own_words(house: House) -> None:
    with house.listen() as client, house.listen() as other:
        for one in (client, other):
            command(one, "LISTEN", "/pad/x")
            assert told(one) == {"/pad/x": 0.5}
        client.send(number(b"/pad/x", 0.75))
        assert until(lambda: [e.value for e in house.events] == [0.75])
        house.mirror.write(mirror([0.75, 0.25, 1.0, 0.0, 0.75]).read())
        assert told(other) == {"/pad/x": 0.75}
        assert is_silent(client)


@pytest.mark.parametrize(
    "text",
    [
        "", "LISTEN", "[]", "7", '{"COMMAND": "LISTEN"}', '{"COMMAND": "LISTEN", "DATA": 3}',
        '{"COMMAND": "LISTEN", "DATA": "/nothing"}', '{"COMMAND": "QUIT", "DATA": "/pad/x"}',
        "[" * 4000, '{"COMMAND": ["LISTEN"], "DATA": ["/pad/x"]}',
    ],
)  # fmt: skip
def test_other_words_do_nothing(house: House, text: str) -> None:
    with house.listen() as client:
        client.send(text)
        command(client, "LISTEN", "/pad/y")
        assert told(client) == {"/pad/y": 0.25}


def test_killers_over_the_websocket_are_refused(house: House) -> None:
    with house.listen() as client:
        for datagram in KILLERS.values():
            if len(datagram) <= 8192:  # a longer frame ends the conversation
                client.send(datagram)
        client.send(PAD)
        assert until(lambda: [e.value for e in house.events] == [0.25])


def test_a_frame_too_long_ends_that_conversation_only(house: House) -> None:
    with house.listen() as client:
        client.send(b"\0" * 20_000)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
    assert house.get("/pad/y?VALUE")[0] == 200


# --- who is welcome


def test_hosts_off_the_list_get_nothing(house: House) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux answers to all of 127.0.0.0/8")
    before = house.osc.query.turned_away
    with pytest.raises(OSError):
        house.get("/", source="127.0.0.2")
    # Closed before, while or after it greets: the client has a name for each.
    with pytest.raises((OSError, InvalidHandshake, ConnectionClosed)):
        house.listen(source_address=("127.0.0.2", 0))
    assert house.osc.query.turned_away == before + 2


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        (None, True),
        ("http://localhost:3000", True),
        ("http://127.0.0.1", True),
        ("http://evil.example", False),
        ("https://127.0.0.1.evil.example", False),
        ("null", False),
        ("http://[", False),
    ],
)
def test_pages_from_elsewhere_do_not_play(house: House, origin: str | None, welcome: bool) -> None:
    if welcome:
        with house.listen(origin=origin) as client:
            client.send(PAD)
            assert until(lambda: len(house.events) == 1)
    else:
        with pytest.raises(InvalidStatus) as refusal:
            house.listen(origin=origin)
        assert refusal.value.response.status_code == 403


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\n\r\n",
        b"GET\r\n\r\n",
        b"\0" * 100 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 500 + b"\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        PAD,
    ],
)
def test_what_is_no_http_is_turned_away_quietly(house: House, request_bytes: bytes, capfd) -> None:
    with socket.create_connection(("127.0.0.1", house.port), 10) as one:
        one.sendall(request_bytes)
        one.shutdown(socket.SHUT_WR)
        assert not one.recv(65536).startswith(b"HTTP/1.1 2")
    assert house.get("/pad/y?VALUE")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_connections_are_bounded(house: House) -> None:
    def served() -> bool:
        try:
            return house.get("/pad/y?VALUE")[0] == 200
        except OSError:
            return False

    with ExitStack() as stack:
        assert until(lambda: sum(one.fileno() >= 0 for one in list(house.osc.query._live)) == 0)
        for _ in range(16):
            stack.enter_context(house.listen())
        assert not served() and not served()
    assert until(served)


# --- the port


def test_it_ends_at_once_with_clients_connected_and_asleep() -> None:
    house = House()
    house.osc.start()
    with house.listen() as awake:
        command(awake, "LISTEN", "/pad/y")
        told(awake)
        asleep = socket.create_connection(("127.0.0.1", house.port), 10)
        house.osc.close()
        with pytest.raises(ConnectionClosed):
            while True:
                awake.recv(timeout=10)
    asleep.close()
    for thread in (*house.osc.server._threads, house.osc.query._thread):
        assert thread is not None and until(lambda thread=thread: not thread.is_alive())


def test_a_port_in_use_gives_the_next_and_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        house = House()
        house.osc.query._wanted_port = taken.getsockname()[1]
        with house.osc:
            assert house.port in range(taken.getsockname()[1] + 1, taken.getsockname()[1] + 4)
            assert house.osc.notices() == [f"OSCQuery: listening on port {house.port}"]
            assert house.get("/pad/y?VALUE")[0] == 200


def test_without_a_port_the_rest_goes_on(monkeypatch) -> None:
    def refuse(*_, **__):
        raise OSError("no more ports")

    monkeypatch.setattr(socket, "create_server", refuse)
    house = House()
    with house.osc:
        assert house.osc.query.port is None and house.osc.server.port
        assert "no more ports" in house.osc.notices()[0]
