"""Found without typing an address: the instrument's ports by multicast DNS (RFC 6762, 6763).

Services ``_osc._udp`` and, as OSCQuery has it, ``_oscjson._tcp``. The library is LGPL and so
optional; without it the instrument plays on, and says how to get it.
"""

from __future__ import annotations

import socket
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING

from instrument.control.osc_access import LOCAL, Access

if TYPE_CHECKING:
    from zeroconf import Zeroconf


class Announcement:
    """Tells the network of `access` that `name` is heard at these ports (None: not there)."""

    def __init__(self, access: Access, name: str, udp: int | None, tcp: int | None) -> None:
        self._access = access
        self._name = name
        self._ports = {"_osc._udp.local.": udp, "_oscjson._tcp.local.": tcp}
        self._zeroconf: Zeroconf | None = None
        self._thread: threading.Thread | None = None
        self._notices: list[str] = []

    def start(self) -> None:
        """Announce, in the background: others are asked first whether the name is free."""
        if find_spec("zeroconf") is None:
            self._notices.append(
                "OSC: others will not find the instrument by themselves"
                " (pip install latent-instrument[discovery])"
            )
            return
        self._thread = threading.Thread(target=self._announce, name="osc-discovery", daemon=True)
        self._thread.start()

    def notices(self) -> list[str]:
        """What the performer should know since the last asking."""
        notices, self._notices = self._notices, []
        return notices

    def close(self) -> None:
        """Take it back, and wait for that at most a second."""
        if self._thread is None:
            return
        self._thread.join(1.0)
        ending = threading.Thread(target=self._withdraw, daemon=True)
        ending.start()
        ending.join(1.0)

    def _withdraw(self) -> None:
        if self._zeroconf is not None:
            self._zeroconf.close()  # says goodbye for every service

    def _announce(self) -> None:
        import zeroconf

        addresses = _addresses(self._access.listen)
        try:
            self._zeroconf = zeroconf.Zeroconf(interfaces=addresses)
            for kind, port in self._ports.items():
                if port is None:
                    continue
                service = zeroconf.ServiceInfo(
                    kind,
                    f"{self._name}.{kind}",
                    port=port,
                    parsed_addresses=addresses,
                    properties={"txtvers": "1"},
                    server=f"{socket.gethostname().partition('.')[0]}.local.",
                )
                self._zeroconf.register_service(service, allow_name_change=True)
        except (zeroconf.Error, OSError) as error:
            self._notices.append(f"OSC: cannot be announced ({error or type(error).__name__})")


def _addresses(listen: str) -> list[str]:
    """Where the instrument can be reached when it listens on `listen`."""
    if listen not in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not bound to
        return [listen]
    import ifaddr  # which zeroconf brings along

    found = {str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4}
    return sorted(found - {LOCAL}) or [LOCAL]
