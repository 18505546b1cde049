"""What Linux and its neighbours say about MIDI ports beside their names. Reads files, opens none
of the devices.

A client of JACK or ALSA does not tell that its server died or that a device was plugged in again;
``/proc`` and ``/sys`` do.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

# Kernel clients of ALSA's sequencer: 16 global ones, then 4 a sound card; from 128 on, programs.
# (include/sound/seq_kernel.h and sound/core/seq/seq_clientmgr.c of the Linux kernel)
_FIRST_CARD, _CLIENTS_A_CARD, _FIRST_PROGRAM = 16, 4, 128


def sequencer(device: Path = Path("/dev/snd/seq")) -> str:
    """ALSA's sequencer. Raises OSError where there is none: asked in vain, libasound prints."""
    if not device.exists():
        raise OSError("no ALSA sequencer on this machine")
    return "alsa"


def jack_server(sockets: Path = Path("/proc/net/unix")) -> str:
    """The JACK server that listens, another name each time one is started.

    Raises OSError where none does: asked in vain, libjack prints, and starts none.
    """
    wanted = re.escape(os.environ.get("JACK_DEFAULT_SERVER") or "default")
    # Num RefCount Protocol Flags Type St Inode Path, where the flag 10000 is a listening socket
    line = re.compile(rf"\S+ \S+ \S+ 00010000 \S+ \S+ +(\d+) \S*/jack_{wanted}(?:_\d+)+$", re.M)
    try:
        found = line.findall(sockets.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise OSError(f"no JACK server to be seen ({error.strerror})") from error
    if not found:
        raise OSError("no JACK server")
    return f"jack {' '.join(sorted(found))}"


def usb_socket(client: int, cards: Path = Path("/sys/class/sound")) -> tuple[str, str] | None:
    """Where the device of ALSA's sequencer client `client` is plugged in, and since when.

    ("usb 1-2.4", one more word that changes whenever it is plugged in); None: in no USB socket.
    """
    if not _FIRST_CARD <= client < _FIRST_PROGRAM:
        return None
    try:
        card = (cards / f"card{(client - _FIRST_CARD) // _CLIENTS_A_CARD}").resolve(strict=True)
        socket = re.search(r"/([0-9]+-[0-9.]+)(?::[0-9.]+)?/sound/card[0-9]+$", card.as_posix())
        return (f"usb {socket[1]}", f"since {card.stat().st_ino}") if socket else None
    except OSError:
        return None


def steady_name(spelling: str, backend: str, index: int = 0) -> str:
    """The part of a port's name that stays when it is plugged in again.

    ALSA appends the numbers of client and port, Windows the port's index, the bridge from ALSA to
    JACK puts the client's number in the middle.
    """
    if backend == "ALSA":
        return re.sub(r" [0-9]+:[0-9]+$", "", spelling)
    if backend == "WinMM":
        return spelling.removesuffix(f" {index}")
    if backend == "JACK":
        return re.sub(r" \[[0-9]+\]| \((?:capture|playback)\)|^a2j:", "", spelling)
    return spelling


def spoken_name(name: str) -> str:
    """What to call a device nobody has described: ``X:X MIDI 1`` → ``X``, ``X:Pads`` → ``X Pads``.

    ALSA and JACK say CLIENT:PORT, where the port mostly repeats the client.
    """
    client, _, port = name.partition(":")
    rest = port.strip().removeprefix(client).strip()
    if re.fullmatch(r"(?:MIDI|Port|port)?[ -]?[01]?", rest):
        return client
    return f"{client} {rest}"
