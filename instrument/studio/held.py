"""What a frozen picture means for a film: the rows of before, for as long as it lasts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from instrument.latent.sequence import ZSequence

_FREEZE = "/display/freeze"
_MODEL = "/model/"


def hold_frozen(sequence: ZSequence) -> ZSequence:
    """`sequence` with z and the model's parameters held wherever the display was frozen.

    Fades go on over a frozen picture, as they did on stage. Frozen from the very first row,
    nothing came before, and the first row is what is held.
    """
    freeze = sequence.column(_FREEZE)
    if freeze is None or not (freeze >= 0.5).any():
        return sequence
    rows = np.where(freeze >= 0.5, 0, np.arange(len(sequence)))
    shown = np.maximum.accumulate(rows)
    parameters = sequence.parameters.copy()
    for column, address in enumerate(sequence.addresses):
        if address.startswith(_MODEL):
            parameters[:, column] = parameters[shown, column]
    trace = sequence.trace.at(shown) if sequence.trace else None
    return replace(sequence, z=sequence.z[shown], parameters=parameters, trace=trace)
