"""The worker process of a film: paints what it is told to. Started by `render`, never by hand."""

from __future__ import annotations

from instrument.cli.painting import painting_from_json
from instrument.studio.worker_child import work

if __name__ == "__main__":
    work(painting_from_json)
