"""MLT documents as text, for tests: one line each for what they are made of."""

from pathlib import Path

from instrument.studio import mlt
from instrument.studio.timeline import Timeline

A = '<producer id="A"><property name="resource">a.mp4</property></producer>'
B = '<producer id="B"><property name="resource">b.mp4</property></producer>'


def tags(**named: object) -> str:
    """Properties; ``kdenlive__id`` is ``kdenlive:id``."""
    return "".join(
        f'<property name="{key.replace("__", ":")}">{value}</property>'
        for key, value in named.items()
    )


def producer(name: str, attributes: str = "", inside: str = "", **named: object) -> str:
    return f'<producer id="{name}" {attributes}>{tags(**named)}{inside}</producer>'


def entry(name: str, first: object, last: object, inside: str = "") -> str:
    return f'<entry producer="{name}" in="{first}" out="{last}">{inside}</entry>'


def blank(frames: object) -> str:
    return f'<blank length="{frames}"/>'


def playlist(name: str, *inside: str) -> str:
    return f'<playlist id="{name}">{"".join(inside)}</playlist>'


def tractor(name: str, *inside: str, attributes: str = "") -> str:
    return f'<tractor id="{name}" {attributes}>{"".join(inside)}</tractor>'


def track(name: str, hide: str = "") -> str:
    return f'<track producer="{name}"{f" hide={hide!r}" if hide else ""}/>'


def transition(service: str, first: object = "", last: object = "", **named: object) -> str:
    span = f'in="{first}" out="{last}"' if last != "" else ""
    return f"<transition {span}>{tags(mlt_service=service, **named)}</transition>"


def filter_(service: str, first: object = "", last: object = "", **named: object) -> str:
    span = f'in="{first}" out="{last}"' if last != "" else ""
    return f"<filter {span}>{tags(mlt_service=service, **named)}</filter>"


def document(*inside: str, rate: tuple[int, int] = (30, 1), attributes: str = "") -> str:
    profile = (
        f'<profile width="192" height="64" frame_rate_num="{rate[0]}" frame_rate_den="{rate[1]}"/>'
    )
    return f"<mlt {attributes}>{profile}{''.join(inside)}</mlt>"


def read(
    folder: Path,
    *inside: str,
    rate: tuple[int, int] = (30, 1),
    attributes: str = "",
    track: str | None = None,
    sequence: str | None = None,
) -> Timeline:
    """The timeline of a document of these elements."""
    path = folder / "edit.mlt"
    path.write_text(document(*inside, rate=rate, attributes=attributes), encoding="utf-8")
    return mlt.read(path, track=track, sequence=sequence)
