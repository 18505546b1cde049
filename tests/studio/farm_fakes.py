"""Machines that are not there: they render, fail, lie, hang, die and arrive as told.

A picture is a number: chunk k rendered by an honest node is ``k``, by a liar something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from instrument.studio.farm import Farm
from instrument.studio.farm_order import FarmProgress, FarmReport, Order, Policy
from instrument.studio.farm_task import Answer, Node, Reply, Task
from instrument.timebase import FrameRange, StepClock

CHUNK = 10  # frames
Trouble = Callable[[int, Task], str]  # (which of its tasks, task) → why it fails, or nothing


@dataclass
class Machine:
    """One fake node. Times in seconds."""

    name: str
    slots: int = 1
    gpu: bool = False
    frame: float = 0.1
    lies: bool = False
    blind: str = ""  # why it cannot be probed
    trouble: Trouble = lambda number, task: ""
    here: float = 0.0
    gone: float = 1e9
    hangs: float = 1e9  # from when on nothing it was given ends
    given: list[Task] = field(default_factory=list)


@dataclass
class Given:
    ticket: int
    task: Task
    machine: Machine
    ends: float
    number: int


class Cluster:
    """A `Pool` of `Machine`, and the storage they share: chunk → what was rendered."""

    def __init__(self, *machines: Machine, step: Callable[[float], None] = lambda now: None):
        self.machines = {machine.name: machine for machine in machines}
        self.clock = StepClock()
        self.storage: dict[int, object] = {}
        self.given: list[Given] = []
        self.stopped = False
        self.tickets = 0
        self.step = step

    def nodes(self) -> Sequence[Node]:
        now = self.clock.now()
        return [
            Node(m.name, m.name, m.slots, m.gpu)
            for m in self.machines.values()
            if m.here <= now < m.gone
        ]

    def start(self, task: Task, node: Node) -> int:
        machine = self.machines[node.id]
        assert len([g for g in self.given if g.machine is machine]) < machine.slots + 1
        frames = {"probe": 1, "render": CHUNK, "check": len(task.frames)}[task.kind]
        self.tickets += 1
        ends = self.clock.now() + frames * machine.frame
        if ends > machine.hangs:
            ends = 1e9
        self.given.append(Given(self.tickets, task, machine, ends, len(machine.given)))
        machine.given.append(task)
        return self.tickets

    def answers(self, seconds: float) -> Sequence[Answer]:
        now = self.clock.now()
        nearest = min([g.ends for g in self.given], default=1e9)
        self.clock.wait_until(min(now + seconds, max(now, nearest)))
        now = self.clock.now()
        self.step(now)
        dead = [g for g in self.given if g.machine.gone <= now]
        ended = [g for g in self.given if g.ends <= now and g not in dead]
        self.given = [g for g in self.given if g not in ended and g not in dead]
        lost = [Answer(g.ticket, None, "its process ended") for g in dead]
        return [*lost, *(self._answer(g) for g in ended)]

    def _answer(self, given: Given) -> Answer:
        machine, task = given.machine, given.task
        if task.kind == "probe":
            return Answer(given.ticket, Reply() if not machine.blind else None,
                          machine.blind)  # fmt: skip
        if reason := machine.trouble(given.number, task):
            return Answer(given.ticket, None, reason)
        picture = ("rubbish", machine.name) if machine.lies else task.chunk
        if task.kind == "render":
            self.storage.setdefault(task.chunk, picture)  # what is finished is not made again
            return Answer(given.ticket, Reply(frames=CHUNK, seconds=CHUNK * machine.frame))
        return Answer(given.ticket, Reply(same=self.storage.get(task.chunk) == picture))

    def forget(self, chunk: int) -> None:
        self.storage.pop(chunk, None)

    def judge(self, task: Task) -> Reply:
        return Reply(same=self.storage.get(task.chunk) == task.chunk)

    def stop(self) -> None:
        self.stopped = True
        self.given.clear()


@dataclass
class Told:
    """What a farm said, and how it went on."""

    words: list[str] = field(default_factory=list)
    steps: list[FarmProgress] = field(default_factory=list)


def run(
    cluster: Cluster, chunks: int = 12, *, told: Told | None = None, judged: bool = True,
    policy: Policy | None = None,
) -> FarmReport:  # fmt: skip
    told = told or Told()
    numbers = {k: FrameRange(k * CHUNK, (k + 1) * CHUNK) for k in range(chunks)}
    order = Order(numbers, cluster.forget, cluster.judge if judged else None)
    farm = Farm(
        cluster, order, policy or Policy(), told.words.append, told.steps.append, cluster.clock
    )
    return farm.run()


def whole(chunks: int) -> dict[int, object]:
    """What the storage holds after an honest render."""
    return {k: k for k in range(chunks)}
