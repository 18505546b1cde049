"""Which device is which: names hold through unplugging, reordering and other sockets."""

import random

from instrument.control.midi_roster import Port, Roster
from instrument.control.midi_system import spoken_name


def port(name: str, key: str, index: int = 0) -> Port:
    return Port(name, key, "FAKE", f"plugged {key}", f"{name} {index}:0")


def roster() -> Roster:
    return Roster(str.lower)


def slugs(known: Roster) -> dict[str, str]:
    return {seat.port.key: seat.slug for seat in known.seats if seat.port}


def test_a_device_is_called_after_itself_and_the_second_one_too() -> None:
    known = roster()
    known.update([port("Nano", "usb 2"), port("Nano", "usb 1"), port("Keys", "usb 3")])
    assert slugs(known) == {"usb 1": "nano", "usb 2": "nano.2", "usb 3": "keys"}


def test_two_alike_keep_their_names_through_fifty_shuffles() -> None:
    known, rng = roster(), random.Random(5)
    ports = [
        port("Nano", "usb 1"),
        port("Nano", "usb 2"),
        port("Keys", "usb 3"),
        port("X", "usb 4"),
    ]
    known.update(ports)
    first = slugs(known)
    for _ in range(50):
        here = rng.sample(ports, rng.randint(0, 4))
        known.update(
            [port(one.name, one.key, index) for index, one in enumerate(here)]
        )  # under another index each time
        assert slugs(known) == {one.key: first[one.key] for one in here}
    assert len(known.seats) == 4


def test_one_that_returns_through_another_socket_takes_its_empty_seat() -> None:
    known = roster()
    known.update([port("Nano", "usb 1"), port("Nano", "usb 2")])
    known.update([port("Nano", "usb 2")])
    known.update([port("Nano", "usb 2"), port("Nano", "usb 7")])
    assert slugs(known) == {"usb 2": "nano.2", "usb 7": "nano"}
    known.update([port("Nano", "usb 2")])
    known.update([port("Nano", "usb 7"), port("Nano", "usb 2")])
    assert slugs(known) == {"usb 2": "nano.2", "usb 7": "nano"}


def test_a_missing_device_keeps_its_seat() -> None:
    known = roster()
    known.update([port("Nano", "usb 1")])
    known.update([])
    assert [(seat.slug, seat.port) for seat in known.seats] == [("nano", None)]
    known.update([port("Other", "usb 1")])  # something else in that socket
    assert slugs(known) == {"usb 1": "other"}


def test_swap() -> None:
    known = roster()
    known.update([port("Nano", "usb 1"), port("Nano", "usb 2")])
    assert known.swap("nano", "nano.2")
    assert slugs(known) == {"usb 1": "nano.2", "usb 2": "nano"}
    known.update([port("Nano", "usb 2"), port("Nano", "usb 1")])
    assert slugs(known) == {"usb 1": "nano.2", "usb 2": "nano"}
    assert not known.swap("nano", "nano.3")
    seat = known.find("nano")
    assert seat is not None
    assert seat.key == "usb 2"


def test_names_of_different_devices_that_sound_alike_stay_apart() -> None:
    known = roster()
    known.update([port("NANO", "usb 1"), port("nano", "usb 2")])
    assert sorted(slugs(known).values()) == ["nano", "nano.2"]


def test_what_a_device_nobody_described_is_called() -> None:
    names = {
        "Launchkey:Launchkey MIDI 1": "Launchkey",
        "Launchkey:Launchkey DAW": "Launchkey DAW",
        "Midi Through:Midi Through Port-0": "Midi Through",
        "B:out": "B out",
        "USB Keys": "USB Keys",
        "nanoKONTROL2: nanoKONTROL2 MIDI 1": "nanoKONTROL2",
    }
    assert {name: spoken_name(name) for name in names} == names
