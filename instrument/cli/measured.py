"""How measurements are told: rows with a target each, as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

from instrument import __version__
from instrument.cli.console import say

Row = dict[str, Any]


def row(name: str, value: float, target: float, unit: str, **more: Any) -> Row:
    """One measurement, and what it should not be above."""
    return {"name": name, "value": round(float(value), 3), "target": target, "unit": unit, **more}


def report_rows(rows: list[Row], load: float | None, out: Path | None, as_json: bool) -> None:
    """Print `rows`, write them to `out`, and say which are over their target.

    `load` is what the machine was busy with before.
    """
    document = {
        "instrument": __version__,
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_before": load,
        "rows": rows,
    }
    text = json.dumps(document, indent=1)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
    print(text if as_json else _table(rows))
    missed = [row["name"] for row in rows if row["value"] > row["target"]]
    if missed:
        say(f"over target: {', '.join(missed)}")


def load_now() -> float | None:
    """How many processes want a processor, over the last minute; None where nobody counts."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _table(rows: list[Row]) -> str:
    lines = [f"{'what':<52} {'measured':>10} {'target':>8}"]
    for one in rows:
        mark = "" if one["value"] <= one["target"] else "  <- over"
        lines.append(
            f"{one['name']:<52} {one['value']:>10.3f} {one['target']:>8g} {one['unit']}{mark}"
        )
    return "\n".join(lines)
