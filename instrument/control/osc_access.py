"""Who may play: the address to listen on, and the networks that are heard.

Knows addresses, no sockets. Nobody but this machine is heard unless the performer says so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from instrument import InstrumentError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOCAL = "127.0.0.1"
_REMEMBERED = 1024  # hosts whose answer is kept


class Access:
    """The address to listen on, and who is heard there.

    `allow` are networks or hosts, ``192.168.1.0/24`` or ``10.0.0.7``; this machine (127.0.0.1 and
    ::1) is always among them. Raises InstrumentError on what is no address, and where the
    instrument would listen to a network without saying to whom.
    """

    def __init__(self, listen: str = LOCAL, allow: Iterable[str] = ()) -> None:
        address = _address(listen)
        self.allow = tuple(allow)
        networks = [_network(text) for text in self.allow]
        if not address.is_loopback and not networks:
            raise InstrumentError(
                f"OSC on {listen}: say who may play, for instance --osc-allow 192.168.1.0/24"
            )
        self.listen = str(address)
        self._networks = [ipaddress.ip_network(LOCAL), ipaddress.ip_network("::1"), *networks]
        self._known: dict[str, bool] = {}

    @property
    def local(self) -> bool:
        """Whether nothing beyond this machine can be heard."""
        return ipaddress.ip_address(self.listen).is_loopback

    def admits(self, host: str) -> bool:
        """Whether what comes from `host` is heard. Never raises."""
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[host] = self._on_the_list(host)
        return known

    def _on_the_list(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # an IPv4 host, seen by a socket for both
        return any(address in network for network in self._networks)


def _address(text: str) -> _Address:
    try:
        return ipaddress.ip_address(LOCAL if text == "localhost" else text)
    except ValueError:
        raise InstrumentError(
            f"OSC: {text[:60]!r} is no address to listen on; allowed are this machine's"
            " addresses, 0.0.0.0 (all of them) and 127.0.0.1 (nobody else hears)"
        ) from None


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise InstrumentError(
            f"OSC: {text[:60]!r} is no network; write 192.168.1.0/24, or 192.168.1.7 for one host"
        ) from None
