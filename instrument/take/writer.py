"""Messages → the chunks of ``take.mcap``. Knows neither threads nor time.

Used by the recorder while somebody plays, and by the repair of a damaged take.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mcap.writer import CompressionType, Writer

from instrument import InstrumentError
from instrument.take import layout
from instrument.take.disk import RecordFile
from instrument.take.header import TakeHeader, header_to_bytes

_EVENT_SCHEMA = {
    "type": "object",
    "properties": {
        "time": {"type": "number"},
        "address": {"type": "string"},
        "value": {"type": "number"},
    },
}
# What the library and the index add to a message, roughly; only decides when a chunk is full.
_MESSAGE_BYTES = 64
_LARGEST_STATS = 1 << 16


class TakeWriter:
    """Writes one take into `file`. Everything raises OSError when the disk says no.

    A chunk never holds more than half a second of rows, however fast they come, so that a
    bad bit costs no more than that.
    """

    def __init__(self, file: RecordFile, header: TakeHeader) -> None:
        self._file = file
        self._header = header
        self._mcap: Any = Writer(
            file,  # type: ignore[arg-type]  # it asks for write, tell and flush only
            chunk_size=1 << 30,  # chunks are closed by `flush`, never between z and parameters
            compression=CompressionType.ZSTD,
            enable_crcs=True,
            enable_data_crcs=True,
        )
        self._channels: dict[str, int] = {}
        self._chunk_rows = max(1, header.rate.num // (2 * header.rate.den))
        self._held_rows = self._held_events = self._held_bytes = 0
        self._next_event = 0
        self.rows = 0  # flushed, so that they outlive this process
        self.events = 0

    def begin(self, attachments: Mapping[str, bytes], names: tuple[str, ...] = ()) -> None:
        """Write header and attachments, and a first chunk that declares the channels.

        `names` are the attachments the take once had, where that is more than it has now.
        """
        names = names or tuple(attachments)
        for name in attachments:
            if name in (layout.HEADER, layout.HEADER_COPY) or not 0 < len(name.encode()) < 256:
                raise InstrumentError(f"attachment {name[:60]!r}: this name cannot be used")
        head = header_to_bytes(self._header, names)
        self._mcap.start(profile="", library=f"latent-instrument {layout.FORMAT}")
        self._attach(layout.HEADER, head)
        for name, body in attachments.items():
            self._attach(name, bytes(body))
        self._attach(layout.HEADER_COPY, head)
        self._declare_channels()
        self.stats(0, {"armed": self._header.started})
        self.flush()

    def row(self, index: int, nanoseconds: int, z: bytes, parameters: bytes) -> None:
        """Add frame `index`: z and its parameters, little-endian float32."""
        self.message(layout.Z, index, nanoseconds, z)
        if self._header.addresses:
            self.message(layout.PARAMETERS, index, nanoseconds, parameters)

    def event(self, nanoseconds: int, line: str) -> None:
        """Add one line of ``events.jsonl``."""
        self.message(layout.EVENTS, self._next_event, nanoseconds, line.encode())

    def stats(self, nanoseconds: int, fields: Mapping[str, Any]) -> None:
        """Add figures about the performance. Raises TypeError or ValueError if they are no JSON."""
        body = json.dumps(fields, allow_nan=False).encode()
        if len(body) > _LARGEST_STATS:
            raise ValueError(f"stats of {len(body)} bytes")
        self.message(layout.STATS, 0, nanoseconds, body)

    def message(self, topic: str, sequence: int, nanoseconds: int, data: bytes) -> None:
        """Add a message as it is; `sequence` is the frame index of a row, the count of an event."""
        if topic == layout.Z:
            self._held_rows += 1
        elif topic == layout.EVENTS:
            self._held_events += 1
            self._next_event = sequence + 1
        self._held_bytes += len(data) + _MESSAGE_BYTES
        self._mcap.add_message(
            channel_id=self._channels[topic],
            log_time=nanoseconds,
            publish_time=nanoseconds,
            sequence=sequence,
            data=data,
        )

    @property
    def full(self) -> bool:
        """Whether the chunk should be flushed before the next row."""
        return self._held_rows >= self._chunk_rows or self._held_bytes >= layout.CHUNK_BYTES

    def flush(self) -> None:
        """Close the chunk: from here on it outlives this process."""
        self._mcap.flush()
        self._file.mark()
        self.rows += self._held_rows
        self.events += self._held_events
        self._held_rows = self._held_events = self._held_bytes = 0

    def finish(self, frames: int) -> None:
        """Say that the take was `frames` long, write the index, and have all of it on the disk."""
        self.flush()
        # Alone in its chunk: if the last rows rot, their number is still known.
        closing = {"closed": {"rows": frames, "events": self._next_event}}
        self.stats(round(self._header.rate.time_of(frames) * 1e9), closing)
        self.flush()
        self._mcap.finish()
        self._file.sync()
        self._file.mark()

    def _attach(self, name: str, body: bytes) -> None:
        self._mcap.add_attachment(0, 0, name, layout.MEDIA_TYPE, body)

    def _declare_channels(self) -> None:
        shape = "×".join(map(str, self._header.spec.shape))
        columns = len(self._header.addresses)
        addresses = {"addresses": json.dumps(self._header.addresses)}
        self._declare(layout.Z, "float32le", f"float32[{shape}]", {})
        self._declare(layout.PARAMETERS, "float32le", f"float32[{columns}]", addresses)
        self._declare(layout.EVENTS, "json", "ControlEvent", {}, _EVENT_SCHEMA)
        self._declare(layout.STATS, "json", "Stats", {}, {"type": "object"})

    def _declare(
        self,
        topic: str,
        encoding: str,
        schema: str,
        metadata: dict[str, str],
        fields: dict[str, Any] | None = None,
    ) -> None:
        body = json.dumps(fields).encode() if fields else b""
        number = self._mcap.register_schema(schema, "jsonschema" if fields else "", body)
        self._channels[topic] = self._mcap.register_channel(topic, encoding, number, metadata)
