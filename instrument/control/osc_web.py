"""OSCQuery on the wire: HTTP answers what there is, a WebSocket streams what changes.

Both share a TCP port. A WebSocket also takes OSC, in binary frames, through the same gate as UDP.
Web pages from elsewhere are refused: a page the performer happens to read must not play.
"""

from __future__ import annotations

import http
import json
import logging
import socket
import threading
import time
from collections import Counter
from typing import Any, cast
from urllib.parse import unquote, urlsplit
from weakref import WeakSet

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from instrument.control.mirror import Mirror
from instrument.control.osc_feedback import PERIOD, Listener, told_by_osc
from instrument.control.osc_query import ATTRIBUTES, Namespace, host
from instrument.control.osc_routes import RAW
from instrument.control.osc_server import OscServer
from instrument.control.osc_wire import LONGEST, bundles, message, read
from instrument.control.tree import Node, Tree
from instrument.timebase import Clock

_PORTS = 4
_MOST_CONNECTIONS = 16
_HANDSHAKE = 2.0  # s
_STEP = 0.001  # s between two frames of one client: TCP makes a faster one wait
_MOST_TEXT = 4096  # characters of a command
_FRAME = 8192  # bytes of OSC in a frame of ours


class OscQuery:
    """Serves `tree` to whoever `osc` admits; tries `port` and the next three.

    Without a port it goes on without, and says so. `name` is how others see the instrument.
    """

    def __init__(
        self,
        tree: Tree,
        mirror: Mirror,
        clock: Clock,
        osc: OscServer,
        port: int,
        name: str = "latent-instrument",
    ) -> None:
        self._tree = tree
        self._namespace = Namespace(tree)
        self._mirror = mirror
        self._clock = clock
        self._osc = osc
        self._wanted_port = port
        self._name = name
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._live: WeakSet[socket.socket] = WeakSet()
        self._notices: list[str] = []
        self._closing = False
        self.port: int | None = None
        self.turned_away = 0  # connections of hosts and pages that are not on the list

    def start(self) -> None:
        """Open the port and serve. Once only."""
        if self._thread is not None:
            raise RuntimeError("an OscQuery starts once")
        door = self._open()
        if door is None:
            return
        self.port = int(door.getsockname()[1])
        # A logger of its own: what strangers send is no matter for the performer's terminal.
        quiet = logging.Logger("osc-query", logging.CRITICAL + 1)
        self._server = serve(
            self._converse,
            sock=door,
            create_connection=cast(type[ServerConnection], self._admit),  # it may be a wrapper
            process_request=self._request,
            compression=None,
            open_timeout=_HANDSHAKE,
            close_timeout=0.5,
            max_size=LONGEST,
            server_header=None,
            logger=quiet,
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="osc-query", daemon=True
        )
        self._thread.start()

    def notices(self) -> list[str]:
        """What the performer should know since the last asking."""
        notices, self._notices = self._notices, []
        return notices

    def close(self) -> None:
        """Close the port and every connection."""
        if self._server is None:
            return
        self._closing = True
        for one in list(self._live):
            try:
                one.shutdown(socket.SHUT_RDWR)  # also ends a write that nobody reads
            except OSError:
                continue
        ending = threading.Thread(target=self._server.shutdown, daemon=True)
        ending.start()
        ending.join(1.0)

    def _open(self) -> socket.socket | None:
        listen = self._osc.access.listen
        family = socket.AF_INET6 if ":" in listen else socket.AF_INET
        last: OSError | None = None
        for port in range(self._wanted_port, self._wanted_port + _PORTS):
            try:
                door = socket.create_server((listen, port), family=family, backlog=16)
            except OSError as error:
                last = error
                continue
            if port != self._wanted_port:
                self._notices.append(f"OSCQuery: listening on port {port}")
            return door
        self._notices.append(f"OSCQuery: no port from {self._wanted_port} on ({last})")
        return None

    # HTTP.

    def _admit(self, connection: socket.socket, *rest: Any, **more: Any) -> ServerConnection:
        """What the server calls for every connection, in a thread of its own."""
        peer = connection.getpeername()[0]
        live = sum(1 for one in list(self._live) if one.fileno() >= 0)
        welcome = self._osc.access.admits(peer) and live < _MOST_CONNECTIONS
        if self._closing or not welcome:
            self.turned_away += 1
            raise ConnectionRefusedError(peer)  # the server closes it
        self._live.add(connection)
        return ServerConnection(connection, *rest, **more)

    def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request; None opens the WebSocket it asks for."""
        if request.method != "GET":
            return _response(http.HTTPStatus.METHOD_NOT_ALLOWED)
        upgrade = ",".join(request.headers.get_all("Upgrade")).lower()
        if "websocket" in upgrade:
            if all(self._is_welcome(origin) for origin in request.headers.get_all("Origin")):
                return None
            self.turned_away += 1
            return _response(http.HTTPStatus.FORBIDDEN)
        path, _, query = request.path.partition("?")
        return self._look_up(unquote(path), query, connection.local_address[0])

    def _is_welcome(self, origin: str) -> bool:
        try:
            page = urlsplit(origin).hostname or ""
        except ValueError:
            return False
        return page == "localhost" or self._osc.access.admits(page)

    def _look_up(self, path: str, query: str, ip: str) -> Response:
        if query == "HOST_INFO":
            assert self.port is not None
            return _response(content=host(self._name, ip, self._osc.port, self.port))
        described = self._namespace.describe(path, self._mirror.read())
        if described is None:
            return _response(http.HTTPStatus.NOT_FOUND)
        if not query:
            return _response(content=described)
        if query not in ATTRIBUTES:
            return _response(http.HTTPStatus.BAD_REQUEST)
        if query not in described:
            return _response(http.HTTPStatus.NO_CONTENT)
        return _response(content={query: described[query]})

    # WebSocket.

    def _converse(self, connection: ServerConnection) -> None:
        """Read what one client sends, tell it what it listens to. In a thread of its own."""
        client = _Client(self._namespace, Listener(self._tree))
        peer = str(connection.remote_address[0])
        due = 0.0
        try:
            while True:
                try:
                    frame = connection.recv(timeout=PERIOD)
                except TimeoutError:
                    frame = ""
                if isinstance(frame, bytes):
                    self._osc.hand_over(frame, peer)
                    self._note(client.listener, frame)
                elif frame:
                    client.obey(frame)
                now = self._clock.now()
                if now >= due:
                    due = now + PERIOD
                    news = client.listener.news(self._mirror.read(), now)
                    for packet in bundles(client.messages(news), _FRAME):
                        connection.send(packet)
                time.sleep(_STEP)
        except (ConnectionClosed, OSError):
            return

    def _note(self, listener: Listener, frame: bytes) -> None:
        """What a client sets itself it is not told."""
        for one in read(frame, Counter()):
            route = self._osc.routes.find(one.address)
            if route is None or route.node is None or len(one.arguments) != 1:
                continue
            value = one.arguments[0]
            if isinstance(value, float):
                listener.hush(route.node.address, self._clock.now())
                listener.knows(route.node.address, route.native(value))


class _Client:
    """What one client listens to."""

    def __init__(self, namespace: Namespace, listener: Listener) -> None:
        self.listener = listener
        self._namespace = namespace
        self._wanted: set[str] = set()

    def obey(self, text: str) -> None:
        """LISTEN or IGNORE a path; whatever else is said is none of ours."""
        try:
            command = json.loads(text[:_MOST_TEXT])
        except (ValueError, RecursionError):
            return
        path = command.get("DATA") if isinstance(command, dict) else None
        found = self._namespace.find(path) if isinstance(path, str) else None
        if found is None or not isinstance(path, str):
            return
        if command.get("COMMAND") == "LISTEN":
            self._wanted.add(path)
            self.listener.forget(found[0].address)
        elif command.get("COMMAND") == "IGNORE":
            self._wanted.discard(path)

    def messages(self, news: list[tuple[Node, float]]) -> list[bytes]:
        """OSC messages of what is news to this client."""
        messages = []
        for node, value in news:
            if node.address in self._wanted:
                told = told_by_osc(node, value)
                is_trigger = node.kind == "trigger"
                messages.append(message(node.address, bool(told) if is_trigger else told))
            if RAW + node.address in self._wanted:
                messages.append(message(RAW + node.address, value))
        return messages


def _response(status: http.HTTPStatus = http.HTTPStatus.OK, content: Any = None) -> Response:
    body = b"" if content is None else json.dumps(content, ensure_ascii=False).encode()
    headers = Headers({"Connection": "close", "Cache-Control": "no-store"})
    if status is not http.HTTPStatus.NO_CONTENT:
        headers["Content-Type"] = "application/json; charset=utf-8"
        headers["Content-Length"] = str(len(body))
    return Response(status.value, status.phrase, headers, body)
