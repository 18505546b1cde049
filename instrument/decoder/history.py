"""Opens a trained model with its snapshots: reads the weights, and builds the forms it plays in.

Knows no architecture: whoever opens a model says how its network is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from instrument.decoder.compiled import CompiledPaint, package_of, with_compiled
from instrument.decoder.forms import Form, Way, forms
from instrument.decoder.graphed import GraphedDecoder
from instrument.decoder.models import HistoryDetails, ModelManifest
from instrument.decoder.network import NetworkDecoder, choose_device
from instrument.decoder.protocol import Precision
from instrument.decoder.snapshots import Playable, SnapshotNetwork
from instrument.decoder.tuned import TunedDecoder, in_forms
from instrument.decoder.weights import Layout, read_weights


def open_history(
    manifest: ModelManifest, layout: Layout, make: Callable[[torch.device, Form], Playable],
    device: str, threads: int, precision: Precision, ways: Sequence[Way] = ("plain",),
) -> NetworkDecoder | TunedDecoder:  # fmt: skip
    """The decoder of a model with snapshots; `make` builds its network in some form.

    `ways` are those it is written in. `threads` 0: as many as turn out to be fastest.
    Raises InstrumentError on device and files.
    """
    details = manifest.details
    assert isinstance(details, HistoryDetails)
    chosen = choose_device(device, threads)
    if precision == "full" and chosen.type == "cuda":
        # Else convolutions round to 10 bits there, and a film differs from that of another card.
        torch.backends.cudnn.allow_tf32 = False
    packed = [
        read_weights(manifest.folder / snapshot.file, snapshot.sha256, layout)
        for snapshot in details.snapshots
    ]

    def opened(form: Form) -> NetworkDecoder:
        with torch.inference_mode():
            network = SnapshotNetwork(make(chosen, form), packed, chosen, form.dtype)
            if form.compiled and precision != "source":
                network.paint = CompiledPaint(package_of(manifest.spec), network)
            live = chosen.type == "cuda" and precision == "fast"
            kind = GraphedDecoder if live else NetworkDecoder
            return kind(manifest.spec, network, chosen)

    found, warmup = with_compiled(manifest, chosen, precision, forms(chosen, precision, ways))
    return in_forms(manifest.spec, found, opened, chosen, threads, warmup)
