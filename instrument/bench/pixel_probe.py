"""Watches one pixel of a virtual X server, and says when it changed.

Run by its path, in a process of its own, so that nothing of the show holds it up. Xvfb keeps its
screen in a file (`-fbdir`, in the format XWD); the file is mapped and looked at every .15 ms.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import threading
import time
from pathlib import Path

_EVERY = 0.00015  # s


def main() -> int:
    """``FILE X Y``: a line ``second 0xRRGGBB`` for every change, once standard input ends."""
    path, x, y = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    over = threading.Event()

    def listen() -> None:
        while os.read(0, 64):
            pass
        over.set()

    threading.Thread(target=listen, daemon=True).start()
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    (header,) = struct.unpack_from(">I", memory, 0)
    (line,) = struct.unpack_from(">I", memory, 48)
    (colours,) = struct.unpack_from(">I", memory, 76)
    place = header + 12 * colours + y * line + 4 * x
    seen, found = b"", list[tuple[float, int]]()
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    while not over.wait(_EVERY):
        pixel = memory[place : place + 4]
        if pixel != seen:
            now, seen = time.perf_counter(), pixel
            found.append((now, int.from_bytes(pixel[:3], "little")))  # blue lies first
    sys.stdout.write("\n".join(f"{when!r} {colour}" for when, colour in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
