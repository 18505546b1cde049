"""A process that does nothing but listen to one input of the sound system and pass it on.

It is a process because of how sound systems die. When a JACK server is killed, PortAudio waits for
it for ever, in closing the stream as in ending itself; when a PulseAudio server is, the callback
just stops. From here the way out is to end, and whoever started this starts it again. It also is
the only way to see a device that came after PortAudio had looked around while another is open.

``python -m instrument.control.listener NAME CHANNELS`` writes messages to standard output until
standard input ends: one byte what, four bytes how long, and the body. See `instrument.control.
microphone`, which reads them. NAME may be empty: the system's default input.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import struct
import sys
import threading
import time
from collections import deque
from typing import Any, BinaryIO

import numpy as np

from instrument.control.features import hop_of
from instrument.control.sound_source import mix

HEADER = struct.Struct("<cI")
BLOCK = struct.Struct("<dQI")  # arrived (time.perf_counter), count, overflows; then float32
OPENED, SOUND, ABSENT, NAMES = b"o", b"b", b"a", b"n"
LONGEST = 1 << 20  # bytes of a body

_PATIENCE = 0.5  # s without a block: it is gone
_FIRST_PATIENCE = 2.5  # s for the first one; PulseAudio takes half a second
_RETRY = 1.5  # s between two looks for the device: a server is to be heard again within 3
_HANG = 8.0  # s to look around and open: a server that was stopped in mid-word never answers
_BACKLOG = 512  # blocks that may wait for the reader
_LOST = 3  # exit code
_NUMBERED = re.compile(r" \(hw:\d+,\d+\)$|: \d+$")  # ALSA counts cards as they come


class Listener:
    """Writes what the input called `name` hears to `out`."""

    def __init__(self, out: BinaryIO, name: str, channels: tuple[int, ...]) -> None:
        self._out, self._name, self._channels = out, name, channels
        self._blocks: deque[tuple[float, int, Any]] = deque(maxlen=_BACKLOG)
        self._ready = threading.Event()
        self._count = self._overflows = 0

    def run(self) -> None:
        """Until the device is lost."""
        guard = _guard()
        try:
            import sounddevice
        except OSError:  # the binding is there, the library is not
            self._say(ABSENT, {"why": "PortAudio is not installed", "final": True})
            return
        except ImportError as error:
            self._say(ABSENT, {"why": f"sounddevice cannot be loaded ({error})", "final": True})
            return
        while True:
            why = self._listen(sounddevice, guard)
            guard.cancel()
            self._say(ABSENT, {"why": why, "final": False})
            time.sleep(_RETRY)
            guard = _guard()
            # Only now, with no stream open: this ends all streams of the process.
            sounddevice._terminate()
            sounddevice._initialize()

    def _listen(self, sounddevice: Any, guard: threading.Timer) -> str:
        """Why it could not begin. Once it has begun there is no way back from here."""
        devices = inputs(sounddevice)
        index = find(self._name, devices)
        if index is None:
            there = ", ".join(dict.fromkeys(name for _, name, _, _ in devices)) or "none at all"
            return f"no input is called {self._name or 'default'}; there are: {there}"
        name, rate, channels = next(d[1:] for d in devices if d[0] == index)
        try:
            stream = sounddevice.InputStream(
                device=index,
                channels=min(channels, max(self._channels)),
                samplerate=rate,
                blocksize=hop_of(rate),
                latency="low",
                dtype="float32",
                callback=self._hear,
            )
            stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            return f"{name} cannot be opened ({error})"
        guard.cancel()
        # A device that was found by default is from now on meant by its name.
        self._say(OPENED, {"name": name, "rate": rate})
        self._pass_on()
        os._exit(_LOST)  # not one more word to PortAudio, see above

    def _hear(self, samples: Any, frames: int, times: Any, status: Any) -> None:
        """Called by PortAudio, from its own thread: copy and go."""
        arrived = time.perf_counter()
        self._count += frames
        self._overflows += bool(status.input_overflow)
        self._blocks.append((arrived, self._count, samples.copy()))
        self._ready.set()

    def _pass_on(self) -> None:
        patience = _FIRST_PATIENCE
        while self._ready.wait(patience):
            self._ready.clear()
            patience = _PATIENCE
            while self._blocks:
                arrived, count, samples = self._blocks.popleft()
                body = BLOCK.pack(arrived, count, self._overflows)
                mono = mix(samples, self._channels).astype("<f4")
                self._write(SOUND, body + mono.tobytes())
        self._say(ABSENT, {"why": "it has fallen silent: no more blocks", "final": False})

    def _say(self, what: bytes, words: dict[str, Any]) -> None:
        self._write(what, json.dumps(words).encode())

    def _write(self, what: bytes, body: bytes) -> None:
        try:
            self._out.write(HEADER.pack(what, len(body)) + body)
            self._out.flush()
        except OSError:
            os._exit(0)  # nobody reads any more


def _guard() -> threading.Timer:
    """Ends this process unless it is called off."""
    timer = threading.Timer(_HANG, os._exit, (_LOST,))
    timer.daemon = True
    timer.start()
    return timer


def inputs(sounddevice: Any) -> list[tuple[int, str, float, int]]:
    """Index, name, default rate and channels of every device that can be listened to."""
    return [
        (index, str(one["name"]), float(one["default_samplerate"]), int(one["max_input_channels"]))
        for index, one in enumerate(sounddevice.query_devices())
        if one["max_input_channels"] > 0
    ]


def find(name: str, devices: list[tuple[int, str, float, int]]) -> int | None:
    """The index of the input called `name`: exactly so, or but for the number of its card, or the
    first whose name holds it, whatever the case. Without a name, the one called ``default``, or the
    first. Never another one.
    """
    if not name:
        named = [index for index, other, _, _ in devices if other == "default"]
        return next(iter([*named, *(index for index, *_ in devices)]), None)
    wanted = name.casefold()
    bare = _NUMBERED.sub("", wanted)
    for fits in (
        lambda other: other == wanted,
        lambda other: _NUMBERED.sub("", other) == bare,
        lambda other: bare in other,
    ):
        for index, other, _, _ in devices:
            if fits(other.casefold()):
                return index
    return None


def _end_with_input() -> None:
    with contextlib.suppress(OSError):
        while sys.stdin.buffer.read(1024):
            pass
    os._exit(0)


def main(words: list[str]) -> None:
    """``NAME CHANNELS``, or ``--list``: only say which inputs there are."""
    # Sound libraries talk on standard output. Theirs goes where errors go.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.environ["JACK_NO_START_SERVER"] = "1"
    if words == ["--list"]:
        _say_names(out)
        return
    threading.Thread(target=_end_with_input, daemon=True).start()
    name, channels = words
    Listener(out, name, tuple(int(channel) for channel in channels.split(","))).run()


def _say_names(out: BinaryIO) -> None:
    try:
        import sounddevice

        found = [[name, rate, channels] for _, name, rate, channels in inputs(sounddevice)]
        words = {"inputs": found, "why": ""}
    except (OSError, ImportError):
        words = {"inputs": [], "why": "PortAudio is not installed"}
    body = json.dumps(words).encode()
    out.write(HEADER.pack(NAMES, len(body)) + body)
    out.flush()


if __name__ == "__main__":
    np.seterr(all="ignore")  # what comes from a device may be NaN; it is dealt with elsewhere
    main(sys.argv[1:])
