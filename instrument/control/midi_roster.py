"""Which device is which: names that stay with a device while ports come, go and change places.

A device is called after what it is (``nanokontrol2``), the second one alike ``nanokontrol2.2``.
It is known again by its key where the system tells one (the USB socket it is in), else by its
name and order among those alike; never by its index. Pure: knows no backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Port:
    """A port as its backend lists it.

    `name` is the part of its name that stays the same when it is plugged in again. `key` tells
    it from others of that name, and if it can, stays the same too. `life` is another one every
    time it is plugged in, where the system tells. The backend opens it by its `spelling`, the
    `nth` of that spelling, from 0.
    """

    name: str
    key: str
    backend: str = ""
    life: str = ""
    spelling: str = ""
    nth: int = 0


@dataclass(slots=True)
class Seat:
    """A device that is, or was, here: `port` is None while it is missing."""

    slug: str
    name: str
    backend: str
    key: str
    port: Port | None


class Roster:
    """The seats, in the order in which they were first taken. `called` gives a port's first name.

    A seat once taken is kept for the device that left it.
    """

    def __init__(self, called: Callable[[str], str]) -> None:
        self._called = called
        self.seats: list[Seat] = []

    def update(self, ports: Iterable[Port]) -> None:
        """These ports are here now, and no others."""
        for seat in self.seats:
            seat.port = None
        homeless = [port for port in ports if not self._seat_known(port)]
        for port in sorted(homeless, key=lambda port: port.key):
            seat = self._free_seat(port) or self._new_seat(port)
            seat.port, seat.key = port, port.key

    def swap(self, first: str, second: str) -> bool:
        """Exchange the slugs of two seats; False where one of them does not exist."""
        found = [next((s for s in self.seats if s.slug == slug), None) for slug in (first, second)]
        one, other = found
        if one is None or other is None:
            return False
        one.slug, other.slug = other.slug, one.slug
        return True

    def find(self, slug: str) -> Seat | None:
        """The seat called `slug`."""
        return next((seat for seat in self.seats if seat.slug == slug), None)

    def _seat_known(self, port: Port) -> bool:
        for seat in self.seats:
            if (seat.backend, seat.name, seat.key) == (port.backend, port.name, port.key):
                if seat.port is None:
                    seat.port = port
                    return True
        return False

    def _free_seat(self, port: Port) -> Seat | None:
        """A seat of the same name whose device is missing: it came back through another socket."""
        alike = (s for s in self.seats if (s.backend, s.name) == (port.backend, port.name))
        free = [seat for seat in alike if seat.port is None]
        return min(free, key=lambda seat: _order(seat.slug), default=None)

    def _new_seat(self, port: Port) -> Seat:
        first = self._called(port.name)
        taken = {seat.slug for seat in self.seats}
        number = 1
        while (slug := first if number == 1 else f"{first}.{number}") in taken:
            number += 1
        seat = Seat(slug, port.name, port.backend, port.key, port)
        self.seats.append(seat)
        return seat


def _order(slug: str) -> tuple[int, str]:
    last = slug.rpartition(".")[2]
    return (int(last) if last.isdigit() else 1, slug)
