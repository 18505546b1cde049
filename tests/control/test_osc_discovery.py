"""Found by a real mDNS browser, on the loopback interface alone."""

from __future__ import annotations

import threading
import time

import pytest
from osc_stage import TREE, mirror, until

from instrument.control import osc_discovery
from instrument.control.osc import Osc, OscSettings
from instrument.control.osc_access import Access
from instrument.control.osc_discovery import Announcement
from instrument.timebase import WallClock

zeroconf = pytest.importorskip("zeroconf")


def found(kind: str, name: str, seconds: float = 10.0):
    """The service `name` as somebody else finds it; None when it is not there."""
    with zeroconf.Zeroconf(interfaces=["127.0.0.1"]) as browser:
        return browser.get_service_info(kind, f"{name}.{kind}", timeout=int(seconds * 1000))


def test_both_services_are_found_and_taken_back() -> None:
    name = f"stage {time.perf_counter_ns()}"
    settings = OscSettings(port=0, announce=True, name=name)
    with Osc(TREE, mirror(), list, WallClock(), settings) as osc:
        for kind, port in (
            ("_osc._udp.local.", osc.server.port),
            ("_oscjson._tcp.local.", osc.query.port),
        ):
            service = found(kind, name)
            assert service is not None, kind
            assert (service.port, service.parsed_addresses()) == (port, ["127.0.0.1"])
        assert osc.notices() == []
    assert until(lambda: not any(t.name == "osc-discovery" for t in threading.enumerate()))
    assert found("_osc._udp.local.", name, 1.0) is None


def test_by_itself_nothing_is_announced() -> None:
    with Osc(TREE, mirror(), list, WallClock(), OscSettings(port=0)) as osc:
        assert osc._announcement is None


def test_without_the_library_it_says_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setattr(osc_discovery, "find_spec", lambda name: None)
    announcement = Announcement(Access(), "stage", 7770, 7770)
    announcement.start()
    assert "latent-instrument[discovery]" in announcement.notices()[0]
    assert announcement.notices() == []
    announcement.close()


def test_a_network_that_cannot_be_used_is_a_notice() -> None:
    announcement = Announcement(Access("192.0.2.1", ["192.0.2.0/24"]), "stage", 7770, None)
    announcement.start()
    said: list[str] = []
    assert until(lambda: bool(said.extend(announcement.notices()) or said))
    assert "cannot be announced" in said[0]
    announcement.close()


def test_everywhere_means_the_addresses_others_can_reach() -> None:
    addresses = osc_discovery._addresses("0.0.0.0")
    assert addresses and ("127.0.0.1" not in addresses or addresses == ["127.0.0.1"])
    assert osc_discovery._addresses("192.168.1.4") == ["192.168.1.4"]
