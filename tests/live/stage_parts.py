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
from instrument.live.tape import Tape
from instrument.performance.state import Performance
from instrument.take.header import TakeHeader
from instrument.take.recorder import TakeRecorder
from instrument.take.replay import attachments_of
from instrument.timebase import StepClock


class SlowClock(StepClock):
    """A step clock that also moves while work is done: `spend` seconds pass at once."""

    def spend(self, seconds: float) -> None:
        self._seconds += seconds


@dataclass
class FakeSurface:
    """Says `events` once each, at their times; counts what it shows; `swap_costs` seconds."""

    clock: SlowClock
    events: list[ControlEvent] = field(default_factory=list)
    swap_costs: float = 0.0
    swaps: int = 0
    closes_after: int | None = None
    fullscreen: bool = False
    framebuffer: None = None
    framebuffer_size: tuple[int, int] = (64, 64)
    picture_area: object = None

    @property
    def closed(self) -> bool:
        return self.closes_after is not None and self.swaps >= self.closes_after

    def poll(self) -> list[ControlEvent]:
        now = self.clock.now()
        said = [event for event in self.events if event.time <= now]
        self.events = [event for event in self.events if event.time > now]
        return said

    def swap(self) -> float:
        self.swaps += 1
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
        self.looks: list[Look] = []
        self.huds: list[Hud | None] = []

    def upload(self, pixels) -> None:
        self.uploads.append(pixels)

    def area(self, size, look) -> None:
        return None

    def draw(self, target, size, look, hud=None) -> None:
        self.looks.append(look)
        self.huds.append(hud)


class FakeDecoder:
    """Answers every row at once with a picture that carries its index; may be told to fail."""

    state = "ready"
    message = "ready"
    decode_seconds = 0.001

    def __init__(self) -> None:
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
        return Frame(index, np.full((4, 4, 4), index % 256, np.uint8), 0.001)


def programme() -> Programme:
    return assemble("default", None, None, None)


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
