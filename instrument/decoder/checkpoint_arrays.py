"""The plain tensors in a file of ``torch.save``: what tables are kept in that are no network.

The same machine reads them that reads checkpoints, and with the same table of what may be
mentioned. Nothing is run. It knows no torch.
"""

from __future__ import annotations

import numpy as np

from instrument import InstrumentError
from instrument.decoder.checkpoint import State
from instrument.decoder.checkpoint_torch import TORCH_GLOBALS
from instrument.decoder.foreign_tensors import Tensor
from instrument.decoder.records import entries, is_dict
from instrument.decoder.torch_file import OLD_MAGIC, ZIP_MAGIC, read_stream, read_zip
from instrument.latent.space import F32

ALONE = "array"  # the name of an array that is the whole file
_MOST_NUMBERS = 1 << 24
_MOST_ARRAYS = 100


def read_arrays(data: memoryview) -> State:
    """Every tensor of floats, by its key; the rest of the file is passed over.

    Raises InstrumentError; the message does not name the file, which nobody here knows.
    """
    head = bytes(data[:16])
    if head.startswith(ZIP_MAGIC):
        value = read_zip(data, TORCH_GLOBALS, whole_file=True)
    elif head.startswith(OLD_MAGIC):
        value = read_stream(data, TORCH_GLOBALS)
    else:
        raise InstrumentError("is no file of torch.save")
    named = entries(value, "it") if is_dict(value) else {ALONE: value}
    found: State = {}
    for key, one in named.items():
        numbers = _numbers(one)
        if numbers is not None and isinstance(key, str):
            found[key] = numbers
    if not found:
        raise InstrumentError("holds no array of floats")
    if len(found) > _MOST_ARRAYS:
        raise InstrumentError(f"holds {len(found)} arrays")
    return found


def _numbers(value: object) -> F32 | None:
    if not isinstance(value, Tensor):
        return None
    found = value.array()
    if not np.issubdtype(found.dtype, np.floating) or not 1 <= found.size <= _MOST_NUMBERS:
        return None
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        return np.asarray(found, np.float32)
