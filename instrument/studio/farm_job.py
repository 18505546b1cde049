"""A render as a job of Open Job Description, for studios whose queue takes such.

Two steps: *Render*, a task for every few chunks, each on any machine; and *Assemble*, when all are
done. The tasks are the same commands a person could type. This module writes the template's
values; it knows neither the command line's options nor any queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from instrument import InstrumentError
from instrument.timebase import FrameRange

SPECIFICATION = "jobtemplate-2023-09"
_MOST_TASKS = 1000  # the specification allows 1024 values of a parameter
_LONGEST_NAME = 128


def job_template(
    source: Path, out: Path, words: Sequence[str], chunks: Sequence[FrameRange]
) -> dict[str, Any]:
    """The template of the film `out` of `source`, rendered with the options `words`.

    It is to lie beside `out`. A source elsewhere is a parameter without a default.

    Raises InstrumentError for words that a template would take for its own.
    """
    for word in (*words, str(source), str(out)):
        if "{{" in word:
            why = "holds two braces, which a job template cannot say"
            raise InstrumentError(f"job: {word!r} {why}")
    common = ["render", "{{Param.Source}}", "-o", "{{Param.Out}}", *words]
    part = [*common, "--frames", "{{Task.Param.Frames}}", "--part", "--openjd"]
    return {
        "specificationVersion": SPECIFICATION,
        "name": f"Render {out.name}"[:_LONGEST_NAME],
        "parameterDefinitions": [
            _path("Source", source, out.parent, "IN", "The z-sequence or take."),
            _path("Out", out, out.parent, "OUT", "The film; its chunks lie beside it."),
            {
                "name": "Instrument", "type": "STRING", "default": "instrument",
                "description": "The command, as every machine finds it.",
            },
        ],
        "steps": [
            {
                "name": "Render",
                "parameterSpace": {
                    "taskParameterDefinitions": [
                        {"name": "Frames", "type": "STRING", "range": _parts(chunks)}
                    ]
                },
                "script": _run(part),
            },
            {
                "name": "Assemble",
                "dependencies": [{"dependsOn": "Render"}],
                "script": _run([*common, "--assemble"]),
            },
        ],
    }  # fmt: skip


def _path(name: str, path: Path, folder: Path, flow: str, description: str) -> dict[str, str]:
    """A path; its default is relative to the template's `folder`, and may not lead out of it."""
    fields = {
        "name": name, "type": "PATH", "dataFlow": flow,
        "objectType": "DIRECTORY" if path.is_dir() or not path.suffix else "FILE",
        "description": description,
    }  # fmt: skip
    if path.absolute().is_relative_to(folder.absolute()):
        fields["default"] = path.absolute().relative_to(folder.absolute()).as_posix()
    return fields


def _run(words: list[str]) -> dict[str, Any]:
    return {"actions": {"onRun": {"command": "{{Param.Instrument}}", "args": words}}}


def _parts(chunks: Sequence[FrameRange]) -> list[str]:
    """A:B of every task: one chunk, or as few as the specification lets a long film have."""
    several = -(-len(chunks) // _MOST_TASKS)
    groups = [chunks[start : start + several] for start in range(0, len(chunks), several)]
    return [f"{group[0].start}:{group[-1].stop}" for group in groups]
