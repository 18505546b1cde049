"""Names, channels and byte marks of ``take.mcap``. Knows no file and no time.

A take is an MCAP file with a few promises on top: the header stands twice at its start as
an attachment, every message lies in a zstd chunk with a checksum, the sequence number of a
row *is* its frame index, and a chunk of its own at the end says how many rows there were.
"""

from __future__ import annotations

from pathlib import Path

from instrument import InstrumentError

FORMAT = "take/1"
SUFFIX = ".take"
RECORD = "take.mcap"
DAMAGED = "take.mcap.damaged"
SEQUENCE = "z.npy"  # the same rows as a plain z-sequence, written when a take is stopped

Z, PARAMETERS, EVENTS, STATS = "/z", "/parameters", "/events", "/stats"
# In this order, so that their ids are 1..4 even when the chunk that declares them is lost.
CHANNELS = (Z, PARAMETERS, EVENTS, STATS)

HEADER = "take.json"
HEADER_COPY = "take.copy.json"  # behind the other attachments: one bad bit cannot cost the take

MAGIC = b"\x89MCAP0\r\n"
MEDIA_TYPE = "application/octet-stream"
# What every chunk and every attachment of ours holds at a known distance from its start.
# Lengths can be torn; these are searched for, and then a checksum decides.
CHUNK_MARK = b"\x04\x00\x00\x00zstd"
ATTACHMENT_MARK = len(MEDIA_TYPE).to_bytes(4, "little") + MEDIA_TYPE.encode()

CHUNK_BYTES = 1 << 20  # a chunk is closed once it holds this much
# No chunk of ours is larger than that and one row; a hostile one is not unpacked at all.
_CHUNK_SLACK = 4 << 20


def largest_chunk(row_bytes: int) -> int:
    """How many bytes a chunk may hold, unpacked, when z and parameters take `row_bytes`."""
    return _CHUNK_SLACK + 4 * row_bytes


def take_folder(root: Path, name: str) -> Path:
    """``root/NAME.take``. Raises InstrumentError for a name that is no plain file name."""
    check_name(name)
    return root / f"{name}{SUFFIX}"


def check_name(name: str) -> None:
    """Raise InstrumentError unless `name` can be the stem of a folder anywhere."""
    bad = not name or len(name.encode()) > 200 or name[0] in ". " or name[-1] in ". "
    if bad or not name.isprintable() or any(c in '/\\:*?"<>|' for c in name):
        raise InstrumentError(f"take name {name[:60]!r}: must be a plain file name")


def record_of(path: Path) -> Path:
    """The ``take.mcap`` of a take folder, or `path` itself when it is a file.

    Raises InstrumentError when there is none.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise InstrumentError(f"{path}: no such take")
    # A repair that was cut short may have moved the original and not yet put the new one.
    for name in (RECORD, DAMAGED):
        if (path / name).is_file():
            return path / name
    raise InstrumentError(f"{path}: not a take, there is no {RECORD} in it")
