"""What computes pictures on this machine, in words that differ where pictures may.

Two devices of one name, with one version of torch, give the same pictures; others may differ by a
level in a few pixels. Asks torch, opens no model.
"""

from __future__ import annotations

import torch

from instrument.decoder.network import choose_device


def arithmetic(device: str = "auto") -> tuple[str, str]:
    """(version of torch, name of `device`): ``("2.13.0", "cpu AVX2")``, or a GPU by its name."""
    chosen = choose_device(device, 1)
    name = chosen.type
    if chosen.type == "cuda":
        name = torch.cuda.get_device_name(chosen)
    elif chosen.type == "cpu":  # which instructions torch uses decides how sums are rounded
        name = f"cpu {torch.backends.cpu.get_cpu_capability()}"
    return torch.__version__.partition("+")[0], name
