"""What became of an edit: every clip, dissolve, fade and gap, honoured, approximated or refused.

For programs a JSON object, for people a few lines. All places are said twice: in frames, and in
the editor's own timecode.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from instrument.studio.conform import Conformed
from instrument.studio.mixes import Mix
from instrument.studio.plan import NONE, Flags, Piece
from instrument.studio.timeline import Remark, Timeline, Verdict
from instrument.timebase import FrameRange

FORMAT = "conform-report/1"
_WORST: dict[Verdict, int] = {"honoured": 0, "approximated": 1, "refused": 2}
_FULL = 1.0 - 1e-6  # a gain from which nothing is missing
_TOLD = 5  # remarks on screen; the report has them all


def report_of(conformed: Conformed) -> dict[str, Any]:
    """The whole report, as it is written beside the z-sequence."""
    timeline = conformed.timeline
    entries = [
        *_clips(conformed),
        *_mixes(conformed),
        *_fades(conformed),
        *_gaps(conformed),
        *(_remark(timeline, remark) for remark in remarks_of(conformed)),
    ]
    choices = conformed.choices
    return {
        "format": FORMAT,
        "edit": timeline.name,
        "frames": timeline.length,
        "rate": [timeline.rate.num, timeline.rate.den],
        "start": timeline.timecode(0),
        "retime": choices.retime,
        "dissolve": choices.dissolve,
        "gap": choices.gap,
        "totals": totals_of(entries),
        "sources": [_source(conformed, number) for number in range(len(conformed.sources))],
        "entries": entries,
    }


def totals_of(entries: list[dict[str, Any]]) -> dict[str, int]:
    """How many entries there are of every kind and verdict."""
    kinds = Counter(entry["kind"] for entry in entries)
    verdicts = Counter(entry["verdict"] for entry in entries)
    named = ("clip", "dissolve", "mix", "fade", "gap")
    return {
        **{kind: kinds[kind] for kind in named},
        **{verdict: verdicts[verdict] for verdict in _WORST},
    }


def summary_of(report: dict[str, Any]) -> str:
    """A few lines: "128 clips, 12 dissolves, 3 fades; refused: 1: colour effect at 00:00:12:04"."""
    totals, entries = report["totals"], report["entries"]
    counted = [
        f"{totals[kind]} {word if totals[kind] == 1 else plural}"
        for kind, word, plural in (
            ("clip", "clip", "clips"), ("dissolve", "dissolve", "dissolves"),
            ("mix", "other mix", "other mixes"), ("fade", "fade", "fades"), ("gap", "gap", "gaps"),
        )
        if totals[kind] or kind == "clip"
    ]  # fmt: skip
    lines = [", ".join(counted)]
    for verdict in ("refused", "approximated"):
        said = [entry for entry in entries if entry["verdict"] == verdict]
        lines += [f"{verdict}: {_told(entry)}" for entry in said[:_TOLD]]
        if len(said) > _TOLD:
            lines.append(f"{verdict}: {len(said) - _TOLD} more, see the report")
    return "\n".join(lines)


def remarks_of(conformed: Conformed) -> list[Remark]:
    """Everything that the reader and the conform had to say, in the order of the edit."""
    remarks = [*_of_timelines(conformed.timeline), *conformed.remarks]
    return sorted(remarks, key=lambda remark: remark.record.start if remark.record else -1)


def _of_timelines(timeline: Timeline) -> Iterator[Remark]:
    """The reader's remarks. Those of a nested timeline say where it lies, if that is but once."""
    yield from timeline.remarks
    for inner in timeline.nested():
        if inner is timeline:
            continue
        uses = [
            clip.record for track in timeline.tracks for clip in track.clips if clip.media is inner
        ]
        for remark in inner.remarks:
            where = f"{inner.name}: {remark.what}"
            yield Remark(remark.verdict, where, uses[0] if len(uses) == 1 else None)


def _clips(conformed: Conformed) -> Iterator[dict[str, Any]]:
    shown = conformed.seen.piece[(conformed.seen.share > 0.0) & ~conformed.gaps[:, None]]
    frames = np.bincount(shown[shown != NONE], minlength=len(conformed.pieces))
    for number, piece in enumerate(conformed.pieces):
        source = conformed.sources[piece.source]
        notes = _notes(piece, len(source))
        first, last = (_number(place) for place in piece.places)
        yield {
            "kind": "clip",
            "verdict": "approximated" if notes else "honoured",
            "name": piece.name,
            "track": piece.track,
            **_where(conformed.timeline, piece.record),
            "frames_seen": int(frames[number]),
            "source": source.origin.path,
            "rows": [first, last],
            "speed": round(piece.speed, 6),
            "frame_choice": "between rows" if piece.evaluated else "whole rows",
            "notes": notes,
        }


def _notes(piece: Piece, rows: int) -> list[str]:
    if not piece.held:
        return []
    return [f"{piece.held} frames lie outside its {rows} rows: the nearest is held"]


def _mixes(conformed: Conformed) -> Iterator[dict[str, Any]]:
    for mix in conformed.mixes:
        notes = _mix_notes(conformed, mix)
        names = [conformed.pieces[piece].name for piece in mix.pieces]
        yield {
            "kind": "dissolve" if mix.is_dissolve else "mix",
            "verdict": "approximated" if notes else "honoured",
            "name": " + ".join(names),
            **_where(conformed.timeline, mix.record),
            "from": conformed.pieces[mix.outgoing].name,
            "to": conformed.pieces[mix.incoming].name,
            "rule": conformed.choices.dissolve,
            "weights": [round(weight, 6) for weight in mix.weights],
            "notes": notes,
        }


def _mix_notes(conformed: Conformed, mix: Mix) -> list[str]:
    notes = []
    if len(mix.pieces) > 2:
        notes.append(f"{len(mix.pieces)} clips at once: their mean; the trace names two of them")
    models = {
        conformed.sources[conformed.pieces[piece].source].sequence.model for piece in mix.pieces
    }
    if len(models) > 1:
        names = " and ".join(sorted(model.name or "an unnamed one" for model in models))
        notes.append(f"across models ({names}): z is mixed, and so are their pictures")
    return notes


def _fades(conformed: Conformed) -> Iterator[dict[str, Any]]:
    gain = conformed.seen.gain
    for record in _runs((gain < _FULL) & ~conformed.gaps):
        first, last = float(gain[record.start]), float(gain[record.stop - 1])
        yield {
            "kind": "fade",
            "verdict": "honoured",
            "name": "in" if last > first else "out" if last < first else "level",
            **_where(conformed.timeline, record),
            "gain": [round(first, 6), round(last, 6)],
            "notes": [],
        }


def _gaps(conformed: Conformed) -> Iterator[dict[str, Any]]:
    for record in _runs(conformed.gaps):
        yield {
            "kind": "gap",
            "verdict": "honoured",
            "name": conformed.choices.gap,
            **_where(conformed.timeline, record),
            "notes": [],
        }


def _remark(timeline: Timeline, remark: Remark) -> dict[str, Any]:
    where = _where(timeline, remark.record) if remark.record else {"record": None, "timecode": None}
    return {"kind": "remark", "verdict": remark.verdict, "name": remark.what, **where, "notes": []}


def _source(conformed: Conformed, number: int) -> dict[str, Any]:
    source = conformed.sources[number]
    origin = source.origin
    used = sum(piece.source == number for piece in conformed.pieces)
    return {"path": origin.path, "sha256": origin.sha256, "rows": origin.frames, "clips": used}


def _where(timeline: Timeline, record: FrameRange) -> dict[str, Any]:
    return {
        "record": [record.start, record.stop],
        "timecode": [timeline.timecode(record.start), timeline.timecode(record.stop)],
    }


def _told(entry: dict[str, Any]) -> str:
    what = "; ".join(entry["notes"])
    name = f"{entry['name']}: {what}" if what else str(entry["name"])
    return f"{name} at {entry['timecode'][0]}" if entry["timecode"] else name


def _number(place: float) -> float | int:
    return int(place) if place == int(place) else round(place, 6)


def _runs(flags: Flags) -> list[FrameRange]:
    """Where `flags` ``[n]`` are set, run by run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [FrameRange(start, stop) for start, stop in edges.reshape(-1, 2).tolist()]
