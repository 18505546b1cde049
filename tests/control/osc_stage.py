"""A small tree to play by OSC, and datagrams nobody should send."""

from __future__ import annotations

import math
import socket
import struct
import time
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np

from instrument.control.mirror import Mirror, Reflection
from instrument.control.tree import Node, Tree


def exponential(low: float, high: float):
    return {
        "low": low,
        "high": high,
        "curve": "exponential",
        "map": lambda x: low * (high / low) ** min(max(x, 0.0), 1.0),
        "unmap": lambda v: math.log(v / low) / math.log(high / low),
    }


TREE = Tree(
    (
        Node("/pad/x", "parameter", column=0, default=0.5),
        Node("/pad/y", "parameter", column=1, default=0.5),
        Node("/spring/frequency", "parameter", "how fast z follows", 2, unit="Hz",
             default=1.0, **exponential(0.01, 100.0)),
        Node("/display/freeze", "parameter", column=3, curve="switch"),
        Node("/model/share", "parameter", column=4, told=True),
        Node("/waypoint/1/go", "trigger", "glide to dawn"),
        Node("/waypoint/dawn/go", "trigger", "glide to dawn"),
        Node("/take/record", "trigger", "start a take; 0 ends it"),
    )
)  # fmt: skip
VALUES = np.array([0.5, 0.25, 1.0, 0.0, 0.75])


def mirror(values: np.ndarray = VALUES, *lit: str) -> Mirror:
    shown = Mirror()
    shown.write(Reflection(np.array(values), frozenset(lit)))
    return shown


def until(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it comes true; the machine may be busy."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    return true()


@contextmanager
def udp(host: str = "127.0.0.1"):
    """A socket of somebody who sends and is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((host, 0))
        one.settimeout(10.0)
        yield one


# What is known to break readers of OSC.

BUNDLE = b"#bundle\0" + (1).to_bytes(8, "big")


def element(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def number(address: bytes, value: float, tag: bytes = b"f") -> bytes:
    padded = address + b"\0" * (4 - len(address) % 4)
    return (
        padded + b"," + tag + b"\0\0" + struct.pack(">" + {b"h": "q"}.get(tag, tag.decode()), value)
    )


def nested(depth: int, inside: bytes) -> bytes:
    for _ in range(depth):
        inside = BUNDLE + element(inside)
    return inside


PAD = number(b"/pad/x", 0.25)
KILLERS = {
    "size -4": BUNDLE + struct.pack(">i", -4) + b"\0\0\0\0",
    "size 0": BUNDLE + struct.pack(">ii", 0, 0),
    "size 3": BUNDLE + struct.pack(">i", 3) + b"/a\0\0",
    "size beyond": BUNDLE + struct.pack(">i", 64) + PAD,
    "largest size": BUNDLE + struct.pack(">i", 2**31 - 4) + PAD,
    "size without element": BUNDLE + struct.pack(">i", 4),
    "five deep": nested(5, PAD),
    "400 deep": nested(400, PAD),
    "257 wide": BUNDLE + element(PAD) * 257,
    "bundles wide": BUNDLE + element(BUNDLE) * 300,
    "half a bundle head": b"#bundle\0\0\0\0\0",
    "not a bundle": b"#bundel\0" + (1).to_bytes(8, "big") + element(PAD),
    "empty": b"",
    "one byte": b"/",
    "odd length": PAD + b"\0",
    "no end of address": b"/pad" * 8,
    "address padded with noise": b"/pad/x\0!,f\0\0\0\0\0\0",
    "8 KiB address": b"/" + b"a" * 8179 + b"\0\0\0\0,f\0\0\0\0\0\0",
    "9 KiB": b"/pad/x\0\0,s\0\0" + b"a" * 9000 + b"\0\0\0\0",
    "no comma": b"/pad/x\0\0f\0\0\0\0\0\0\0",
    "tags without end": b"/pad/x\0\0,fff",
    "too few bytes": b"/pad/x\0\0,d\0\0\0\0\0\0",
    "too many bytes": PAD + b"\0\0\0\0",
    "blob": b"/pad/x\0\0,b\0\0\0\0\0\4abcd",
    "blob of size -1": b"/pad/x\0\0,b\0\0\xff\xff\xff\xff",
    "array": b"/pad/x\0\0,[f]\0\0\0\0\0\0\0\0",
    "array that never ends": b"/pad/x\0\0," + b"[" * 2043 + b"\0\0\0\0",
    "8000 true": b"/pad/x\0\0," + b"T" * 8000 + b"\0\0\0",
    "unknown tag": b"/pad/x\0\0,q\0\0\0\0\0\0",
    "bad UTF-8": b"/pad/x\0\0,s\0\0\xff\xfe\xfd\0",
    "NaN": number(b"/pad/x", math.nan),
    "infinity": number(b"/pad/x", -math.inf),
    "NaN as double": number(b"/pad/x", math.nan, b"d"),
    "too large": number(b"/pad/x", 2**62, b"h"),
}
