"""How a render is gone about: what may be said of it on the command line, and is checked here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from instrument import InstrumentError

_MOST_WORKERS = 64

ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with a render that was ended, as is done anyway.")
]
RestartOption = Annotated[
    bool, typer.Option("--restart", help="Discard what an unfinished render left, and begin anew.")
]
PartOption = Annotated[
    bool,
    typer.Option("--part", help="Only the chunks of --frames A:B; --assemble makes the film."),
]  # fmt: skip
AssembleOption = Annotated[
    bool, typer.Option("--assemble", help="Make the film of chunks that are all there.")
]
SpareOption = Annotated[
    bool,
    typer.Option("--spare", help="Take chunks away while the film is put together of them: half "
                 "the room; cut short, they are rendered again."),
]  # fmt: skip
BatchOption = Annotated[
    int | None, typer.Option(help="Rows decoded together; another number, other last digits.")
]
ChunkOption = Annotated[
    int | None, typer.Option(help="Frames encoded together: what is lost when a render is killed.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option(help="Decoders side by side; usually as many as are measured to be fastest."),
]
PreviewOption = Annotated[
    Path | None, typer.Option(help="A PNG of the newest frame, about every second.")
]
FarmOption = Annotated[
    str | None,
    typer.Option(help="Many machines: a Ray cluster, HOST:PORT, or auto for the one around."),
]
JobOption = Annotated[
    str | None,
    typer.Option(help="openjd: render nothing, write the job for a queue that takes such."),
]
OpenJdOption = Annotated[
    bool, typer.Option("--openjd", hidden=True, help="Progress as Open Job Description says it.")
]
HashesOption = Annotated[
    Path | None, typer.Option(help="Also write what every frame is (JSON, with its SHA-256).")
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print lines of JSON: events, and a summary as the last one."),
]


@dataclass(frozen=True, slots=True)
class Manner:
    """How it is gone about; nothing of this changes a frame, but `batch` by a level or so.

    None is the usual. `part` makes chunks only, `assemble` makes none. `spare` takes each away
    once it is in the film.
    """

    batch: int | None = None
    chunk: int | None = None
    workers: int | None = None
    part: bool = False
    assemble: bool = False
    resume: bool = False
    restart: bool = False
    farm: str | None = None
    job: str | None = None
    spare: bool = False

    def __post_init__(self) -> None:
        if self.part and self.assemble:
            raise InstrumentError("part, assemble: one or the other")
        if self.restart and (self.part or self.assemble):
            raise InstrumentError("restart: not with part or assemble, which others may be at")
        if self.restart and self.resume:
            raise InstrumentError("resume, restart: one or the other")
        if self.job not in (None, "openjd"):
            raise InstrumentError(f"job {self.job!r}: allowed is openjd")
        if self.farm is not None and (self.part or self.assemble or self.workers):
            raise InstrumentError("farm: not with part, assemble or workers")
        if self.job and (self.farm or self.part or self.assemble or self.resume or self.restart):
            raise InstrumentError("job: not with farm, part, assemble, resume or restart")
        if self.spare and (self.part or self.job):
            raise InstrumentError("spare: not with part or job, which put no film together")
        if self.batch is not None and not 1 <= self.batch <= 1024:
            raise InstrumentError(f"batch {self.batch}: must be 1 to 1024")
        if self.chunk is not None and self.chunk < 1:
            raise InstrumentError(f"chunk {self.chunk}: must be 1 or more")
        if self.workers is not None and not 1 <= self.workers <= _MOST_WORKERS:
            raise InstrumentError(f"workers {self.workers}: must be 1 to {_MOST_WORKERS}")


USUAL = Manner()
