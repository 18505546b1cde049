"""The gate: from datagrams to values that may be played, whatever anybody sends.

Total like the reader below it: nothing raises, nothing waits, and what is kept is bounded. It
knows no socket; who sent what is told to it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from instrument.control.osc_access import Access
from instrument.control.osc_pending import Pending, Sender, Value
from instrument.control.osc_routes import Route, Routes
from instrument.control.osc_wire import Argument, Message, Refused, read
from instrument.event import ControlEvent

_UNIX_EPOCH = 2_208_988_800.0  # 1970 in seconds since 1900
_SOONEST = 0.1  # s: a time tag further ahead means a clock that goes wrong, and is taken as now
_SENDERS = 64
_QUESTIONS = 256  # between two deliveries
_SAID = 32  # notices of a kind


class Question(NamedTuple):
    """Somebody wants an answer: the value at `route`, or its feedback (on `port`, if not 0)."""

    route: Route
    sender: Sender
    port: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """What one sender said last, at `time` on the Clock, and how many messages it sent."""

    sender: Sender
    address: str
    value: float
    time: float
    messages: int


class Receiver:
    """Takes datagrams and hands out events; `refused` counts what was not taken, and why."""

    def __init__(self, routes: Routes, access: Access) -> None:
        self.refused: Refused = Counter()
        self.heard = 0  # messages that came through the gate
        self._routes = routes
        self._access = access
        self._pending = Pending()
        self._questions: list[Question] = []
        self._heard: dict[Sender, _Last] = {}
        self._said: set[str] = set()
        self._notices: list[str] = []

    def __len__(self) -> int:
        """How much waits for `take`."""
        return len(self._pending) + len(self._questions)

    def receive(self, datagram: bytes, sender: Sender, now: float, utc: float) -> int:
        """Take a datagram that arrived at `now`, when the calendar said `utc` (Unix time).

        How many messages it held, at least 1.
        """
        if not self._access.admits(sender[0]):
            self.refused["host not on the list"] += 1
            self._say(f"OSC: {sender[0]} is not on the list of those who may play")
            return 1
        messages = read(datagram, self.refused)
        for message in messages:
            self._take(message, sender, now, utc)
        return len(messages) or 1

    def take(self) -> tuple[list[tuple[ControlEvent, Sender]], list[Question]]:
        """What is to be played, in order of time, and what is to be answered."""
        questions, self._questions = self._questions, []
        return self._pending.take(), questions

    def rows(self) -> list[Row]:
        """The last message of each sender, the newest first."""
        rows = [
            Row(sender, last.address, last.value, last.time, last.messages)
            for sender, last in self._heard.copy().items()
        ]
        return sorted(rows, key=lambda row: -row.time)

    def notices(self) -> list[str]:
        """What the performer should know; each thing once."""
        for reason in list(self.refused):
            self._say(f"OSC: a message was refused ({reason})")
        notices, self._notices = self._notices, []
        return notices

    def _say(self, notice: str) -> None:
        if notice not in self._said and len(self._said) < _SAID:
            self._said.add(notice)
            self._notices.append(notice)

    # From a message to values.

    def _take(self, message: Message, sender: Sender, now: float, utc: float) -> None:
        route = self._routes.find(message.address)
        if route is None:
            self.refused["address"] += 1
            return
        arguments = message.arguments
        self.heard += 1
        value = arguments[0] if arguments and isinstance(arguments[0], float) else None
        self._remember(sender, route.address, 0.0 if value is None else value, now)
        if (
            value is not None
            and message.due is None
            and len(arguments) == 1
            and route.settable
            and route.low <= value <= route.high
        ):
            # Nearly every message is this one, and in a flood all of them.
            if not self._pending.add(route.address, Value(value, now, sender)):
                self.refused["too many addresses at once"] += 1
            return
        ahead = 0.0 if message.due is None else message.due - _UNIX_EPOCH - utc
        time = now + ahead if 0.0 < ahead <= _SOONEST else now
        if route.kind == "foreign":
            self._take_foreign(route, arguments, sender, (now, time))
        elif route.node is None:
            self._ask(Question(route, sender, _port(arguments)))
        elif arguments == ("?",) or (route.kind != "trigger" and arguments in ((), (None,))):
            self._ask(Question(route, sender))
        elif route.node.told:
            self.refused["a value that can only be read"] += 1
        elif len(arguments) > 1 or (arguments and isinstance(arguments[0], str)):
            self.refused["not one number"] += 1
        else:
            value = 1.0 if value is None else value  # a bang
            if not route.low <= value <= route.high:
                self._say(f"OSC: {route.address} takes {route.low:g} to {route.high:g},"
                          f" {value:g} was clamped")  # fmt: skip
                value = min(max(value, route.low), route.high)
            self._play(route.address, value, sender, (now, time))

    def _take_foreign(
        self,
        route: Route,
        arguments: tuple[Argument, ...],
        sender: Sender,
        times: tuple[float, float],
    ) -> None:
        if arguments in ((), (None,)):  # a bang: down and up, or it could press only once
            self._play(route.address, 1.0, sender, times)
            self._play(route.address, 0.0, sender, times)
            return
        played = 0
        for number, argument in enumerate(arguments, start=1):
            if isinstance(argument, float):
                address = route.address if len(arguments) == 1 else f"{route.address}/{number}"
                self._play(address, argument, sender, times)
                played += 1
        if not played:
            self.refused["no number at an address of somebody else's"] += 1

    def _play(self, address: str, value: float, sender: Sender, times: tuple[float, float]) -> None:
        now, time = times
        add = self._pending.plan if time > now else self._pending.add
        if not add(address, Value(value, time, sender)):
            self.refused["too many addresses at once"] += 1

    def _ask(self, question: Question) -> None:
        if len(self._questions) < _QUESTIONS:
            self._questions.append(question)
        else:
            self.refused["too many questions at once"] += 1

    def _remember(self, sender: Sender, address: str, value: float, now: float) -> None:
        last = self._heard.get(sender)
        if last is None:
            if len(self._heard) >= _SENDERS:
                del self._heard[min(self._heard, key=lambda one: self._heard[one].time)]
            last = self._heard[sender] = _Last()
        last.address, last.value, last.time = address, value, now
        last.messages += 1


@dataclass(slots=True)
class _Last:
    """What a sender said last."""

    address: str = ""
    value: float = 0.0
    time: float = 0.0
    messages: int = 0


def _port(arguments: tuple[Argument, ...]) -> int:
    """The port that a verb names; 0 where it names none, or none there can be."""
    port = arguments[0] if arguments else None
    return int(port) if isinstance(port, float) and 1 <= port <= 65535 else 0
