"""A stage without window, torch or disk: what the loop meets, as small as it can be."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from instrument.cli.sources import Programme, assemble
from instrument.display.hud import Hud
from instrument.display.look import Look
from instrument.event import ControlEvent
from instrument.frame import Frame
from instrument.latent.sequence import ModelReference
from instrument.live.decks import News
from instrument.live.tape import Tape
from instrument.performance.state import Performance
from instrument.resources import bundled
from instrument.take.header import TakeHeader
from instrument.take.recorder import TakeRecorder
from instrument.take.replay import attachments_of
from instrument.timebase import Clock, StepClock


def event(time: float, address: str, value: float = 1.0) -> ControlEvent:
    return ControlEvent(address, value, time)


class SlowClock(StepClock):
    """A step clock that also moves while work is done: `spend` seconds pass at once."""

    def spend(self, seconds: float) -> None:
        self._seconds += seconds


@dataclass
class FakeSurface:
    """Says `events` once each, at their times; counts what it shows; `swap_costs` seconds."""

    clock: Clock
    events: list[ControlEvent] = field(default_factory=list)
    swap_costs: float = 0.0
    swaps: int = 0
    closes_after: int | None = None
    fullscreen: bool = False
    framebuffer: None = None
    framebuffer_size: tuple[int, int] = (64, 64)
    picture_area: object = None
    controller: object = None
    waits_for_refresh: bool = False

    @property
    def closed(self) -> bool:
        return self.closes_after is not None and self.swaps >= self.closes_after

    def poll(self) -> list[ControlEvent]:
        now = self.clock.now()
        said = [event for event in self.events if event.time <= now]
        self.events = [event for event in self.events if event.time > now]
        return said

    def wait_until_drawn(self) -> None: ...

    def swap(self) -> float:
        self.swaps += 1
        if isinstance(self.clock, SlowClock):
            self.clock.spend(self.swap_costs)
        return self.swap_costs

    def toggle_fullscreen(self) -> None:
        self.fullscreen = not self.fullscreen

    def notices(self) -> list[str]:
        return []


class FakePresenter:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.uploads: list[np.ndarray] = []
        self.layers: list[np.ndarray | None] = [None, None]
        self.looks: list[Look] = []
        self.huds: list[Hud | None] = []
        self.prepared: Hud | None = None
        self.lit: list[dict[int, float]] = []  # what is seen, by the first byte of the picture

    def upload(self, pixels, layer=0) -> bool:
        self.uploads.append(np.array(pixels))  # a copy, as a texture is one
        self.layers[layer] = self.uploads[-1]
        return True

    def area(self, size, look, layer=0) -> None:
        return None

    def prepare(self, size, hud=None, controller=None) -> None:
        self.prepared = hud

    def draw(self, target, size, look, hud=None, mix=0.0, controller=None) -> None:
        assert self.prepared == hud, "what is written is laid out while the picture is decoded"
        self.looks.append(look)
        self.huds.append(hud)
        parts = zip(self.layers, (1.0 - mix, mix), strict=True)
        self.lit.append({int(p[0, 0, 0]): part for p, part in parts if p is not None and part})


class FakeDecoder:
    """Answers every row at once with a picture that carries its index; may be told to fail.

    `mark`: all its pictures carry that number instead.
    """

    state = "ready"
    message = "ready"
    decode_seconds = 0.001

    def __init__(self, mark: int | None = None) -> None:
        self.mark = mark
        self.posted: list[tuple[int, np.ndarray, dict]] = []
        self.fails_at: set[int] = set()

    def post(self, index, z, parameters) -> None:
        if index in self.fails_at:
            raise RuntimeError("the decoder's pipe burst")
        self.posted.append((index, np.array(z), dict(parameters)))

    def newest(self, after: int, timeout: float) -> Frame | None:
        if not self.posted or self.posted[-1][0] <= after:
            return None
        index = self.posted[-1][0]
        mark = index % 256 if self.mark is None else self.mark
        return Frame(index, np.full((4, 4, 4), mark, np.uint8), 0.001)


class FakeDecks:
    """Decoders by their model's number, each ready `takes` seconds after it is wanted.

    What is in `fails` fails instead. Remembers what the loop wanted, in `followed`.
    """

    def __init__(self, clock: SlowClock, *decoders: FakeDecoder, takes: float = 0.1) -> None:
        self.clock, self.takes = clock, takes
        self.decoders = dict(enumerate(decoders, start=1))
        self.fails: dict[int, str] = {}
        self.since = {1: -1e9}
        self.followed: list[tuple[int, ...]] = []

    def follow(self, wanted) -> None:
        self.followed.append(tuple(wanted))
        now = self.clock.now()
        self.since = {number: self.since.get(number, now) for number in wanted}

    def process(self, number):
        return self.decoders[number] if self._is_open(number) else None

    def _is_open(self, number) -> bool:
        return number in self.since and self.seconds(number) >= self.takes

    def news(self, number):
        if not self._is_open(number):
            return None
        if number in self.fails:
            return News("failed", self.fails[number])
        return News("ready", f"{self.name(number)}: ready")

    def name(self, number) -> str:
        return f"model {number}"

    def seconds(self, number) -> float:
        return self.clock.now() - self.since[number]

    def message(self, number) -> str:
        return f"{self.name(number)}: loading"


def programme(folder: Path | None = None) -> Programme:
    """The preset "procedural"; with a folder to write to, one of four models, the last small."""
    if folder is None:
        return assemble("procedural", None, None, None)
    text = (bundled("presets") / "procedural.toml").read_text(encoding="utf-8")
    models = 'models = ["procedural", "default", "nowhere", "procedural-64"]'
    path = folder / "several.toml"
    path.write_text(text.replace('model = "procedural"', models), encoding="utf-8")
    return assemble(str(path), None, None, None)


def tape_into(folder: Path, made: Programme) -> Tape:
    """A tape whose takes are named one.take, two.take … in `folder`."""
    names = iter(["one", "two", "three", "four"])

    def open_take(began: Performance) -> TakeRecorder:
        performer = made.performer
        header = TakeHeader(
            name="t", rate=made.rate, spec=performer.spec, addresses=performer.space.addresses,
            model=ModelReference(made.model.name, made.model.sha256), seed=performer.seed,
        )  # fmt: skip
        attachments = attachments_of(performer, made.preset, began)
        target = folder / f"{next(names)}.take"
        return TakeRecorder(target, header, attachments, patient=True).open()

    return Tape(open_take)
