"""A stage for measuring: performers of any size, a card instead of a model, hands that never rest.

Everything here follows from numbers alone: no preset, no trained model, no device.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from instrument import InstrumentError
from instrument.decoder.models import ModelManifest, read_manifest
from instrument.decoder.process import DecoderProcess
from instrument.display.offscreen import Offscreen
from instrument.display.presenter import Presenter
from instrument.event import ControlEvent
from instrument.latent.space import LatentSpec
from instrument.latent.waypoints import Waypoint, WaypointBank
from instrument.live.decks import Decks
from instrument.live.projection import Screen
from instrument.live.tape import Tape
from instrument.performance.mapping import Binding
from instrument.performance.modulation import Modulation, Routing
from instrument.performance.modulators import Lfo, Shape
from instrument.performance.performer import Performer
from instrument.performance.state import Performance
from instrument.take.header import TakeHeader
from instrument.take.recorder import TakeRecorder
from instrument.timebase import Clock, FrameRate, WallClock

RATE = FrameRate(60)
MOVING = 5  # bindings that move in every frame, while there are so many
_OPENING = 60.0  # s a card may take
# What is steered; of the flight itself, which costs most, two.
_TARGETS = (
    "/spring/frequency", "/noise/rate", "/noise/strength", "/master/gain", "/model/mix",
    "/model/truncation", "/flick/strength", "/tempo/bpm", "/glide/beats", "/spring/damping_ratio",
)  # fmt: skip
_STEERED = _TARGETS[1:]


@dataclass(frozen=True, slots=True)
class Size:
    """How much a performer has to look after; the usual show is what stands here."""

    shape: tuple[int, ...] = (512,)
    bindings: int = 50
    lfos: int = 0
    waypoints: int = 8

    @property
    def spec(self) -> LatentSpec:
        """z on its shell, or a w for every layer."""
        flat = len(self.shape) == 1
        return LatentSpec.shell(self.shape[0]) if flat else LatentSpec(self.shape, "w")

    def __str__(self) -> str:
        words = [f"{'×'.join(map(str, self.shape))}-D", f"{self.bindings} bindings"]
        return ", ".join([*words, f"{self.lfos} LFOs", f"{self.waypoints} waypoints"])


def performer_of(size: Size) -> Performer:
    """A performer of that size, drift on; half of its bindings are smoothed."""
    random = np.random.Generator(np.random.Philox(7))
    places = random.standard_normal((size.waypoints, *size.shape)).astype(np.float32)
    if size.spec.radius is not None:
        lengths = np.linalg.norm(places, axis=-1, keepdims=True)
        places = (places * (size.spec.radius / lengths)).astype(np.float32)
    bank = WaypointBank(
        "bench", size.spec, tuple(Waypoint(f"w{n + 1}", place) for n, place in enumerate(places))
    )
    bindings = tuple(
        Binding(_source(n), _STEERED[n % len(_STEERED)], smoothing=0.0 if n % 2 else 0.1)
        for n in range(size.bindings)
    )
    return Performer(
        bank, values={"/noise/strength": 8.0}, bindings=bindings, modulation=_moving(size.lfos)
    )


def _source(number: int) -> str:
    return f"/midi/bench/cc/{number}"


def _moving(lfos: int) -> Modulation:
    shapes = get_args(Shape)
    made = tuple(Lfo(f"n{n}", shapes[n % len(shapes)], rate=0.1 + 0.05 * n) for n in range(lfos))
    routed = tuple(
        Routing(lfo.address, _TARGETS[n % len(_TARGETS)], 0.1, bipolar=True, grace=0.0)
        for n, lfo in enumerate(made)
    )
    return Modulation(made, routed)


def hands(size: Size, frame: int, now: float, moving: int = MOVING) -> list[ControlEvent]:
    """What is said in frame `frame`, all at `now`: some controls, every two seconds a waypoint."""
    said = []
    if frame % 120 == 0:
        said.append(ControlEvent(f"/waypoint/{frame // 120 % size.waypoints + 1}/go", 1.0, now))
    for n in range(min(moving, size.bindings)):
        said.append(
            ControlEvent(_source((frame * moving + n) % size.bindings), frame % 100 / 100, now)
        )
    return said


def script(size: Size, seconds: float, rate: FrameRate = RATE) -> list[ControlEvent]:
    """Hands for `seconds`, as a script."""
    times = [(frame, rate.time_of(frame)) for frame in range(1, rate.frames_in(seconds))]
    return [event for frame, now in times for event in hands(size, frame, now)]


def card_of(folder: Path, pixels: int, delay: float, spec: LatentSpec) -> ModelManifest:
    """A test card of `pixels` × `pixels` that takes `delay` seconds to paint, in `folder`."""
    fields = {
        "format": "model/1", "name": "card", "architecture": "testcard", "licence": "MIT",
        "size": [pixels, pixels], "latent": spec.to_json(), "delay": delay,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(fields), encoding="utf-8")
    return read_manifest(folder)


@contextmanager
def screen_of(model: ModelManifest, size: tuple[int, int], clock: Clock) -> Iterator[Screen]:
    """A framebuffer of `size` (width, height) that shows `model`, which is ready.

    Raises InstrumentError where there is no OpenGL, or the model cannot be opened.
    """
    with ExitStack() as stack:
        surface = stack.enter_context(Offscreen(size))
        decks = Decks((model.name,), lambda _: DecoderProcess(model), clock)
        stack.enter_context(decks)
        wait_for_model(decks)
        yield Screen(surface, Presenter(surface.ctx), decks)


def wait_for_model(decks: Decks) -> None:
    """Until the first model is ready. Raises InstrumentError where it will never be."""
    clock = WallClock()
    until = clock.now() + _OPENING
    while (news := decks.news(1)) is None and clock.now() < until:
        clock.wait_until(clock.now() + 0.02)
    if news is None or news.word != "ready":
        raise InstrumentError(decks.message(1))


def tape_of(performer: Performer, rate: FrameRate, new_folder: Callable[[], Path]) -> Tape:
    """A tape that waits rather than lose a row; each take lies in a `new_folder`."""

    def open_take(began: Performance) -> TakeRecorder:
        header = TakeHeader("bench", rate, performer.spec, performer.space.addresses)
        return TakeRecorder(new_folder(), header, {}, patient=True).open()

    return Tape(open_take)


def no_tape() -> Tape:
    """Where nothing is recorded."""

    def refuse(began: Performance) -> TakeRecorder:
        raise InstrumentError("nothing is recorded here")

    return Tape(refuse)


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="instrument-bench-") as folder:
        yield Path(folder)
