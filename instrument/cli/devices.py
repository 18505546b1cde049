"""``instrument devices``: what hands and ears there are, and what arrives from them."""

from __future__ import annotations

import importlib.util
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

from instrument import InstrumentError
from instrument.cli.console import console, report, say
from instrument.cli.ports import Wishes, osc_wish, tree_of
from instrument.cli.rig import StageRig
from instrument.cli.sources import Programme, assemble
from instrument.control.microphone import inputs
from instrument.control.midi import MidiRig
from instrument.control.osc_addresses import address_list
from instrument.control.osc_layout import layout
from instrument.event import ControlEvent
from instrument.timebase import WallClock

_SETTLE = 0.7  # s the ports get to be looked at
_FRESH = 0.25  # s between two pictures of the monitor
_MOST_ROWS = 40


def devices(
    preset: Annotated[str, typer.Argument(help="Whose addresses, ears and ports.")] = "default",
    live: Annotated[bool, typer.Option("--live", help="Show what arrives, until Ctrl-C.")] = False,
    seconds: Annotated[float | None, typer.Option(help="With --live: stop after so long.")] = None,
    osc: Annotated[bool, typer.Option("--osc", help="Print every OSC address.")] = False,
    layout_file: Annotated[
        Path | None, typer.Option("--layout", help="Write a TouchOSC layout, NAME.tosc.")
    ] = None,
    osc_port: Annotated[int | None, typer.Option(help="With --live: OSC here; 0: none.")] = None,
    osc_listen: Annotated[str | None, typer.Option(help="With --live: hear others too.")] = None,
    osc_allow: Annotated[list[str] | None, typer.Option(help="A network that is heard.")] = None,
    ear: Annotated[str | None, typer.Option(help="With --live: listen to this input.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List MIDI ports, audio inputs and what is heard beside them; or watch what arrives."""
    if seconds is not None and not 0.0 < seconds <= 1e6:
        raise InstrumentError(f"seconds {seconds}: must be above 0")
    programme = assemble(preset, None, None, None)
    if osc or layout_file is not None:
        _addresses(programme, osc, layout_file, as_json)
    elif live:
        wishes = Wishes(osc_wish(programme.preset, osc_port, osc_listen, osc_allow), ear)
        _monitor(programme, wishes, seconds, as_json)
    else:
        _list(programme, as_json)


def _addresses(programme: Programme, osc: bool, path: Path | None, as_json: bool) -> None:
    tree = tree_of(programme.performer)
    fields: dict[str, Any] = {}
    lines = []
    if path is not None:
        try:
            path.write_bytes(layout(tree))
        except OSError as error:
            reason = error.strerror or error
            raise InstrumentError(f"{path}: cannot be written ({reason})") from error
        fields["layout"] = str(path)
        lines.append(f"layout {path}")
    if osc:
        rows = address_list(tree)
        fields["addresses"] = [asdict(row) for row in rows]
        widths = [max(len(getattr(row, word)) for row in rows) for word in ("address", "takes")]
        for row in rows:
            meaning = row.native or row.does
            lines.append(f"{row.address:<{widths[0]}}  {row.takes:<{widths[1]}}  {meaning}")
    report(fields, as_json, "\n".join(lines))


def _list(programme: Programme, as_json: bool) -> None:
    with MidiRig(lambda event: None, WallClock(), programme.profiles) as rig:
        threading.Event().wait(_SETTLE)
        midi = rig.rows()
    ears, trouble = inputs()
    fields = {
        "midi": [asdict(row) for row in midi],
        "inputs": [asdict(one) for one in ears],
        "audio": trouble,
        "link": importlib.util.find_spec("aalink") is not None,
        "discovery": importlib.util.find_spec("zeroconf") is not None,
    }
    lines = [f"{'ok' if row.live else '--'}  MIDI   {_midi_line(row)}" for row in midi]
    lines += [f"ok  input  {one.name} ({one.channels} channels, {one.rate:g} Hz)" for one in ears]
    if not ears:
        lines.append(f"--  input  {trouble or 'none'}")
    osc = programme.preset.fields.osc
    lines.append(f"ok  OSC    UDP {osc.port} at {osc.listen} while playing")
    lines.append(_optional("link", "Ableton Link", bool(fields["link"])))
    lines.append(_optional("discovery", "mDNS", bool(fields["discovery"])))
    report(fields, as_json, "\n".join(lines))


def _midi_line(row: Any) -> str:
    called = f"  /midi/{row.slug}" if row.slug else ""
    return f"{row.name}{called}" + (f"  ({row.state})" if row.state else "")


def _optional(extra: str, name: str, there: bool) -> str:
    state = "" if there else f"not installed: pip install latent-instrument[{extra}]"
    return f"{'ok' if there else '--'}  {name}  {state}".rstrip()


def _monitor(programme: Programme, wishes: Wishes, seconds: float | None, as_json: bool) -> None:
    """Open everything as a show would, and show the newest event of every source."""
    clock, ended = WallClock(), threading.Event()
    newest: dict[str, ControlEvent] = {}
    counts: dict[str, int] = {}

    def put(event: ControlEvent) -> None:
        newest[event.address] = event
        counts[event.address] = counts.get(event.address, 0) + 1

    with ExitStack() as stack:
        stack.enter_context(_ends(ended))
        rig = stack.enter_context(StageRig(programme, put, clock, wishes, say))
        _show(ended, seconds, lambda: _table(newest, counts, clock.now(), rig))
    fields = {
        "events": {a: {"value": e.value, "count": counts[a]} for a, e in dict(newest).items()},
        "midi": [asdict(row) for row in rig.midi.rows()],
    }
    lines = [f"{a}  {e.value:.4f}  {counts[a]}" for a, e in sorted(newest.items())]
    report(fields, as_json, "\n".join(lines) or "nothing arrived")


def _show(ended: threading.Event, seconds: float | None, table: Callable[[], Table]) -> None:
    clock = WallClock()
    until = None if seconds is None else clock.now() + seconds

    def over() -> bool:
        return until is not None and clock.now() >= until

    screen = console()
    if not screen.is_terminal:
        while not over() and not ended.wait(_FRESH):
            pass
        return
    with Live(table(), console=screen, refresh_per_second=1.0 / _FRESH, transient=True) as shown:
        while not over() and not ended.wait(_FRESH):
            shown.update(table())


def _table(
    newest: dict[str, ControlEvent], counts: dict[str, int], now: float, rig: StageRig
) -> Table:
    table = Table("source", "value", "s ago", "events", box=None, pad_edge=False)
    for row in rig.midi.rows():
        if not row.live:
            table.add_row(_midi_line(row), "", "", "", style="bright_black")
    if rig.ear is not None:
        meter = rig.ear.meter()
        table.add_row("ear", f"{meter.rms:.0f} dB", "", "")
    rows = sorted(dict(newest).items(), key=lambda pair: -pair[1].time)[:_MOST_ROWS]
    for address, event in rows:
        table.add_row(
            address, f"{event.value:.3f}", f"{now - event.time:.1f}", str(counts[address])
        )
    return table


class _ends:  # noqa: N801 - read as a word: `with _ends(event)`
    """Ctrl-C ends the watching, and not the program with a trace."""

    def __init__(self, ended: threading.Event) -> None:
        self._ended = ended
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, lambda *_: self._ended.set())

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)
