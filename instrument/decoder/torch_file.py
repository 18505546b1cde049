"""Files of ``torch.save``: zip archives, and the streams that torch before 1.6 wrote.

Both hold a pickle and, beside it, the storages its tensors lie in. NVIDIA's pickles are neither,
but every tensor in them is one such old stream again, inside a string of bytes: `inner_storage`
reads those. All three go through the machine in `unpickle`, with tables that name what each may
mention.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from functools import partial

from instrument import InstrumentError
from instrument.decoder.foreign_tensors import (
    STORAGES,
    Counter,
    Storage,
    rebuild_parameter,
    storage_of,
)
from instrument.decoder.records import MOST_ENTRIES, sequence, text
from instrument.decoder.unpickle import Globals, unpickle

ZIP_MAGIC = b"PK\x03\x04"
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
OLD_MAGIC = b"\x80\x02\x8a\x0a" + _MAGIC_NUMBER.to_bytes(10, "little")
_OLD_PROTOCOL = 1001
_LARGEST_DIRECTORY = 4 << 20  # bytes of a zip's directory: 40 000 entries
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_NO_GLOBALS: Globals = {}


def tensor_globals(counter: Counter) -> Globals:
    """What every pickle with torch's tensors in it may mention."""
    return {
        **dict.fromkeys(STORAGES, None),
        "torch._utils._rebuild_tensor_v2": counter.rebuild,
        "torch._utils._rebuild_parameter": rebuild_parameter,
        "collections.OrderedDict": None,
    }


def read_zip(data: memoryview, extra: Globals, whole_file: bool) -> object:
    """The object of a zip archive of ``torch.save``.

    `extra` are globals beside those of tensors. `whole_file`: check the checksums too, which
    reads every weight. Raises InstrumentError.
    """
    archive = _Archive(data)
    counter = Counter()
    find = partial(_find_in_zip, archive, counter)
    table = {**tensor_globals(counter), **extra}
    if whole_file:
        archive.verify()
    value, _ = unpickle(archive.read("data.pkl"), table, find)
    return value


def _find_in_zip(archive: _Archive, counter: Counter, arguments: tuple[object, ...]) -> Storage:
    storage, key = storage_of(arguments)
    known = counter.storages.get(key)
    if known is not None:
        if (known.kind, known.count) != (storage.kind, storage.count):
            raise InstrumentError(f"storage {key[:40]!r} is two different things")
        return known
    storage.fill(archive.read(f"data/{key}"))
    counter.storages[key] = storage
    return storage


class _Archive:
    """The entries of a zip file as views: all are stored, none is compressed.

    `torch.save` never compresses, so a bomb cannot even be lit: what is packed is refused.
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        entries = directory(data)
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise InstrumentError(
                    f"{entry.filename[:60]!r} in it is compressed, which torch.save never does"
                )
        if sum(entry.file_size for entry in entries) > len(data):
            raise InstrumentError("a zip archive whose entries overlap")
        self._entries = {entry.filename: entry for entry in entries}
        roots = [name[: -len("data.pkl")] for name in self._entries if name.endswith("data.pkl")]
        if len(roots) != 1:
            raise InstrumentError("a zip archive, but not one of torch.save (it has no data.pkl)")
        self._root = roots[0]
        order = f"{self._root}byteorder"
        if order in self._entries and bytes(self.read("byteorder")) != b"little":
            raise InstrumentError("written on a machine of the other byte order")

    def read(self, name: str) -> memoryview:
        """The content of an entry."""
        entry = self._entries.get(self._root + name)
        if entry is None:
            raise InstrumentError(f"the zip archive has no {name[:60]!r}")
        return stored(self._data, entry)

    def verify(self) -> None:
        """Compare every checksum. Raises InstrumentError."""
        for entry in self._entries.values():
            if zlib.crc32(stored(self._data, entry)) != entry.CRC:
                raise InstrumentError(f"damaged: {entry.filename[:60]!r} fails its checksum")


def directory(data: memoryview) -> list[zipfile.ZipInfo]:
    """The entries of a zip file; nothing of their content is read. Raises InstrumentError."""
    try:
        with zipfile.ZipFile(_Bounded(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise InstrumentError(f"not a whole zip archive ({error})") from error
    if len(entries) > MOST_ENTRIES + 100:
        raise InstrumentError(f"a zip archive of {len(entries)} entries")
    return entries


def stored(data: memoryview, entry: zipfile.ZipInfo) -> memoryview:
    """The content of an entry that is not compressed, as a view. Raises InstrumentError."""
    name = entry.filename[:60]
    head = data[entry.header_offset : entry.header_offset + _LOCAL_HEADER.size]
    if len(head) < _LOCAL_HEADER.size or bytes(head[:4]) != ZIP_MAGIC:
        raise InstrumentError(f"the zip archive is damaged at {name!r}")
    _, name_length, extra_length = _LOCAL_HEADER.unpack(head)
    start = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    content = data[start : start + entry.file_size]
    if len(content) < entry.file_size:
        raise InstrumentError(f"the zip archive ends in the middle of {name!r}")
    return content


class _Bounded(io.RawIOBase):
    """A file of bytes in memory that hands out little at a time: zipfile trusts what it reads."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, len(self._data))[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            size = len(self._data) - self._at
        if size > _LARGEST_DIRECTORY:
            raise ValueError("its directory is too large")
        found = bytes(self._data[self._at : self._at + size])
        self._at += len(found)
        return found


def read_stream(data: memoryview, extra: Globals) -> object:
    """The object of a stream of torch before 1.6. Raises InstrumentError."""
    counter = Counter()
    find = partial(_find_in_stream, counter)
    return _stream(data, {**tensor_globals(counter), **extra}, counter, find)


def inner_storage(arguments: tuple[object, ...]) -> Storage:
    """``torch.storage._load_from_bytes(bytes)``: a stream whose object is one storage."""
    if len(arguments) != 1 or not isinstance(arguments[0], memoryview):
        raise InstrumentError("a tensor's storage is no string of bytes")
    counter = Counter()
    table: Globals = dict.fromkeys(STORAGES, None)
    value = _stream(arguments[0], table, counter, partial(_find_in_stream, counter))
    if not isinstance(value, Storage):
        raise InstrumentError("a tensor's storage is no storage")
    return value


def _find_in_stream(counter: Counter, arguments: tuple[object, ...]) -> Storage:
    storage, key = storage_of(arguments)
    return counter.storages.setdefault(key, storage)


def _stream(data: memoryview, table: Globals, counter: Counter, find: partial[Storage]) -> object:
    """Magic number, protocol, system, object, keys; then each key's count and numbers."""
    magic, at = unpickle(data, _NO_GLOBALS)
    protocol, at = unpickle(data, _NO_GLOBALS, start=at)
    if magic != _MAGIC_NUMBER or protocol != _OLD_PROTOCOL:
        raise InstrumentError("not a stream of torch.save")
    system, at = unpickle(data, _NO_GLOBALS, start=at)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise InstrumentError("written on a machine of the other byte order")
    value, at = unpickle(data, table, find, start=at)
    keys, at = unpickle(data, _NO_GLOBALS, start=at)
    for key in sequence(keys, "the list of storages"):
        storage = counter.storages.get(text(key, "a storage's key"))
        if storage is None:
            raise InstrumentError("numbers of a storage no tensor has")
        stop = at + 8 + storage.count * storage.width
        if len(data) < stop:
            raise InstrumentError(f"ends in the middle of its weights (byte {len(data)})")
        if int.from_bytes(data[at : at + 8], "little") != storage.count:
            raise InstrumentError("a storage whose size is written twice and differs")
        storage.fill(data[at + 8 : stop])
        at = stop
    return value
