"""What /proc and /sys say: a fake tree of them, and the real ones where they exist."""

import pytest

from instrument.control.midi_system import jack_server, sequencer, steady_name, usb_socket

HEAD = "Num       RefCount Protocol Flags    Type St Inode Path\n"


def test_where_a_device_is_plugged_in(tmp_path) -> None:
    cards = tmp_path / "class"
    cards.mkdir()
    for card, place in (
        (1, "usb1/1-2/1-2.4/1-2.4:1.0"),
        (2, "usb1/1-3/1-3:1.0"),
        (3, "0000:00:1b"),
    ):
        real = tmp_path / "devices" / place / "sound" / f"card{card}"
        real.mkdir(parents=True)
        (cards / f"card{card}").symlink_to(real)
    found = {client: usb_socket(client, cards) for client in (20, 21, 24, 28, 32, 14, 128)}
    assert found[20][0] == found[21][0] == "usb 1-2.4"  # two clients of one card
    assert found[24][0] == "usb 1-3"
    assert [found[client] for client in (28, 32, 14, 128)] == [None] * 4
    real = (cards / "card1").resolve()
    keep = tmp_path / "keep"  # so that the number of the old folder is not given out again
    real.rename(keep)
    real.mkdir()
    again = usb_socket(20, cards)
    assert again[0] == "usb 1-2.4"
    assert again[1] != found[20][1]  # plugged in anew


@pytest.mark.parametrize(
    ("backend", "spelling", "index", "steady"),
    [
        ("ALSA", "nanoKONTROL2:nanoKONTROL2 MIDI 1 24:0", 2, "nanoKONTROL2:nanoKONTROL2 MIDI 1"),
        ("WinMM", "nanoKONTROL2 1", 1, "nanoKONTROL2"),
        ("WinMM", "nanoKONTROL2 1", 0, "nanoKONTROL2 1"),
        ("JACK", "a2j:nanoKONTROL2 [20] (capture): MIDI 1", 0, "nanoKONTROL2: MIDI 1"),
        ("JACK", "B:out", 0, "B:out"),
        ("CoreMIDI", "nanoKONTROL2 SLIDER/KNOB", 0, "nanoKONTROL2 SLIDER/KNOB"),
    ],
)
def test_what_stays_of_a_name(backend, spelling, index, steady) -> None:
    assert steady_name(spelling, backend, index) == steady


def test_the_sequencer_is_there_or_not(tmp_path) -> None:
    with pytest.raises(OSError, match="no ALSA sequencer"):
        sequencer(tmp_path / "seq")
    (tmp_path / "seq").touch()
    assert sequencer(tmp_path / "seq")


def test_a_jack_server_is_told_by_its_socket(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("JACK_DEFAULT_SERVER", raising=False)
    table = tmp_path / "unix"
    listening = "0000: 00000002 00000000 00010000 0001 01 {} /dev/shm/jack_{}_0_0\n"
    connected = "0000: 00000003 00000000 00000000 0001 03 {} /dev/shm/jack_{}_0_0\n"
    table.write_text(HEAD + connected.format(7, "default") + listening.format(8, "other"))
    with pytest.raises(OSError, match="no JACK server"):
        jack_server(table)
    table.write_text(HEAD + listening.format(9, "default"))
    first = jack_server(table)
    table.write_text(HEAD + listening.format(12, "default"))
    assert jack_server(table) != first
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "a.b")
    with pytest.raises(OSError, match="no JACK server"):
        jack_server(table)
    table.write_text(HEAD + listening.format(9, "axb"))
    with pytest.raises(OSError, match="no JACK server"):
        jack_server(table)
    with pytest.raises(OSError, match="no JACK server"):
        jack_server(tmp_path / "absent")
