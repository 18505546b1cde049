"""A whole decode on a graphics card as one recorded graph: z in, RGBA in levels out.

Some 260 kernels a picture are started by Python one by one, which takes longer than they run.
Recorded once, they are started together. A graph reads and writes the same memory each time:

* z and truncation are tensors that are filled before each picture;
* weights are the network's own vector, and a snapshot is blended *into* it (`SnapshotNetwork`),
  so another place in the history needs no other recording;
* the picture is cut to levels and given its fourth band inside the graph.

`Record` is the seam: tests record with a function that only calls. What is behind it on a card
has been written from torch's documentation; it is not measured yet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from instrument.decoder.network import NetworkDecoder, cut_into
from instrument.decoder.pinned import HostCopies
from instrument.decoder.protocol import DecoderSpec
from instrument.decoder.snapshots import SNAPSHOT, TRUNCATION, SnapshotNetwork
from instrument.frame import U8
from instrument.latent.space import F32

Record = Callable[[Callable[[], None]], Callable[[], None]]  # work → what does it again
_WARM_UPS = 3  # torch asks for some before a recording: they choose algorithms and allocate
_LOG = logging.getLogger(__name__)


class GraphedDecoder(NetworkDecoder):
    """A `NetworkDecoder` whose single pictures are replayed. Batches are decoded as ever."""

    def __init__(
        self, spec: DecoderSpec, network: SnapshotNetwork, device: torch.device,
        record: Record | None = None,
    ) -> None:  # fmt: skip
        super().__init__(spec, network, device)
        self._history = network
        self._record: Record | None = record or record_on_card
        self._replay: Callable[[], None] | None = None
        self._z = torch.zeros(1, *spec.latent.shape, device=device)
        self._psi = torch.ones(1, device=device)
        self._picture = torch.full((*spec.size, 4), 255, dtype=torch.uint8, device=device)
        self._total = torch.zeros((), device=device)
        self._copies = HostCopies(self._picture)

    def decode_into(self, pixels: U8, z: F32, parameters: Mapping[str, F32]) -> None:
        """See `NetworkDecoder.decode_into`. A card that cannot record decodes as ever."""
        if not self._recorded():
            super().decode_into(pixels, z, parameters)
            return
        self._replayed(z, parameters)
        self._copies.send(self._picture)
        picture = self._copies.receive()
        self._must_be_finite(self._total)
        pixels[...] = picture

    def _made(self, z: F32, parameters: Mapping[str, F32]) -> Tensor:
        """See `NetworkDecoder._made`."""
        if not self._recorded():
            return super()._made(z, parameters)
        self._replayed(z, parameters)
        self._must_be_finite(self._total)
        return self._picture

    def _replayed(self, z: F32, parameters: Mapping[str, F32]) -> None:
        """Begin the picture of z, to come in `_picture`."""
        z, values = self._checked(z, parameters)
        with torch.inference_mode():
            place = values.get(SNAPSHOT)
            self._history.place(self._history.newest if place is None else float(place[0]))
            self._z.copy_(self._to_device(z))
            psi = values.get(TRUNCATION)
            self._psi.fill_(1.0 if psi is None else float(psi[0]))
            assert self._replay is not None
            self._replay()

    def _recorded(self) -> bool:
        if self._replay is None and self._record is not None:
            try:
                with torch.inference_mode():
                    self._replay = self._record(self._paint)
            except RuntimeError as error:
                _LOG.warning("%s: no graph can be recorded (%s)", self._spec.name, error)
                self._record = None
        return self._replay is not None

    def _paint(self) -> None:
        """All that is done for a picture, from `_z` and `_psi` to `_picture` and `_total`."""
        pictures: Tensor = self._history.paint(self._z, self._psi)
        self._total.copy_(pictures.sum())
        cut_into(self._picture, pictures)


def record_on_card(work: Callable[[], None]) -> Callable[[], None]:
    """Record what `work` does on the current CUDA device. Raises RuntimeError where it cannot."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()

    def replay() -> None:
        graph.replay()

    return replay
