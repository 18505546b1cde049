"""Chunks of a film on many machines: who renders what, who is believed, and when it is over.

What a node has rendered is believed once another one (or the same, where there is no other) has
decoded some of its frames again and they are what the chunk's record says. Where two disagree
a judge decides, and who was wrong is left out. What fails is tried again, elsewhere if possible.
Writing a chunk twice does no harm, so one that takes far too long is given to a second node, and
the tasks of a node that dies are given out again. That is decided here and not by the cluster,
which does not know whom to leave out. This module knows neither Ray, decoders nor files.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from instrument import InstrumentError
from instrument.studio.farm_board import Board
from instrument.studio.farm_ledger import Ledger, Standing
from instrument.studio.farm_order import FarmProgress, FarmReport, NodeReport, Order, Policy
from instrument.studio.farm_task import Answer, Pool, Reply, Task
from instrument.timebase import Clock, WallClock

_LOOK = 0.5  # seconds between looks at who is there


@dataclass(slots=True)
class _Run:
    """A task on a node, since when."""

    task: Task
    node: str
    since: float


class Farm:
    """One film on the machines of `pool`; `say` is told what a performer should know."""

    def __init__(
        self,
        pool: Pool,
        order: Order,
        policy: Policy,
        say: Callable[[str], None],
        tell: Callable[[FarmProgress], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._pool = pool
        self._order = order
        self._policy = policy
        self._say = say
        self._tell = tell
        self._clock = clock or WallClock()
        self._ledger = Ledger(policy.in_a_row, policy.rest)
        self._board = Board(order.chunks, policy.sample)
        self._running: dict[int, _Run] = {}
        self._lasted: list[float] = []  # seconds of every render
        self._began = self._alive = self._clock.now()
        self._looked = self._began - _LOOK

    def run(self) -> FarmReport:
        """Render every chunk. Raises InstrumentError where that cannot be done.

        However it ends, nothing runs afterwards, and chunks that are finished stay.
        """
        try:
            while not self._board.finished:
                self._look_around()
                self._hand_out()
                for answer in self._pool.answers(_LOOK):
                    self._take(answer)
                self._check_for_life()
        finally:
            self._pool.stop()
        return self._report()

    # --- who is there

    def _look_around(self) -> None:
        now = self._clock.now()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        for one in self._ledger.call(self._pool.nodes()):
            self._say(f"{one.node.name} is gone; what it was given goes to others")
            for ticket in [t for t, run in self._running.items() if run.node == one.node.id]:
                self._put_back(self._running.pop(ticket))
        for one in self._ledger.among("new"):
            one.state = "probing"
            self._start(Task("probe"), one)

    def _meet(self, one: Standing, answer: Answer) -> None:
        """A node has said that it would render the same film, or why not."""
        if answer.reply is None:
            self._refuse(one, answer.reason)
        else:
            one.state = "serving"

    def _refuse(self, one: Standing, reason: str) -> None:
        if one.state != "refused":
            self._ledger.refuse(one.node.id, reason)
            self._say(f"{one.node.name} is left out: {reason}")

    def _check_for_life(self) -> None:
        now = self._clock.now()
        useful = {one.node.id for one in self._ledger if one.state != "refused"}
        busy = any(run.node in useful for run in self._running.values())
        if busy or self._ledger.among("resting"):
            self._alive = now
        elif now - self._alive > self._policy.alone or self._hopeless():
            raise InstrumentError(f"no node can render: {self._ledger.troubles()}")

    def _hopeless(self) -> bool:
        """Every node that is there was left out: waiting changes nothing."""
        here = [one for one in self._ledger if one.state != "gone"]
        return bool(here) and all(one.state == "refused" for one in here)

    # --- who gets what

    def _hand_out(self) -> None:
        """Give every free slot something to do, those of the least busy nodes first."""
        serving = self._ledger.serving(self._clock.now())
        busy = Counter(run.node for run in self._running.values())
        while True:
            free = [one for one in serving if busy[one.node.id] < one.slots]
            for one in sorted(free, key=lambda one: busy[one.node.id]):
                if task := self._next(one.node.id, [each.node.id for each in serving]):
                    self._start(task, one)
                    busy[one.node.id] += 1
                    break
            else:
                return

    def _next(self, node: str, serving: list[str]) -> Task | None:
        now = self._clock.now()
        checks = [run.task.chunk for run in self._running.values() if run.task.kind == "check"]
        since = now - self._policy.patience if len(serving) > 1 else None
        return (
            self._board.to_check(node, checks, since)
            or self._board.to_render(node, serving)
            or self._straggler(node, now)
        )

    def _straggler(self, node: str, now: float) -> Task | None:
        """What takes so long on another node that this one may as well do it, too."""
        if not self._lasted:
            return None
        late = max(self._policy.patience, self._policy.straggler * statistics.median(self._lasted))
        # Where somebody is at it who is not late, or this node is itself, nobody else is needed.
        cared = {run.task for run in self._running.values()
                 if run.node == node or now - run.since <= late}  # fmt: skip
        for run in self._running.values():
            if run.task.kind == "probe" or run.task in cared:
                continue
            chunk = self._board[run.task.chunk]
            own = run.task.kind == "check" and chunk.by == node and now - run.since <= 2 * late
            awaited = "running" if run.task.kind == "render" else "rendered"
            if chunk.stage == awaited and not own:  # its own work others check, if any are left
                self._board.again += run.task.kind == "render"
                return run.task
        return None

    def _start(self, task: Task, one: Standing) -> None:
        ticket = self._pool.start(task, one.node)
        self._running[ticket] = _Run(task, one.node.id, self._clock.now())

    # --- what came of it

    def _take(self, answer: Answer) -> None:
        run = self._running.pop(answer.ticket, None)
        if run is None:
            return  # of a node that was given up
        one = self._ledger[run.node]
        if run.task.kind == "probe":
            self._meet(one, answer)
        elif answer.reply is None:
            self._failed(run, one, answer.reason)
        elif run.task.kind == "render":
            self._rendered(run, one, answer.reply)
        else:
            self._checked(run, one, answer.reply)

    def _rendered(self, run: _Run, one: Standing, reply: Reply) -> None:
        now = self._clock.now()
        self._ledger.did_well(run.node, reply.frames, reply.seconds)
        self._lasted.append(now - run.since)
        # Also where a late copy has replaced what was checked: it is then checked again.
        self._board.rendered(run.task.chunk, run.node, now)
        if one.state == "refused":
            self._render_anew(run.task.chunk)
        self._progress(run.task.chunk)

    def _checked(self, run: _Run, witness: Standing, reply: Reply) -> None:
        chunk = self._board[run.task.chunk]
        if chunk.stage != "rendered" or run.since < chunk.since:
            return  # checked by another, or rendered anew meanwhile: to be checked anew
        if reply.same:
            chunk.stage = "done"
            return self._progress()
        frames = ", ".join(map(str, run.task.frames))
        if chunk.by != run.node and self._order.judge and self._order.judge(run.task).same:
            return self._refuse(witness, f"decodes frames {frames} to other pictures")
        if chunk.by == run.node:  # who contradicts itself may have found what another wrote
            self._ledger.failed(run.node, f"frames {frames} differ", self._clock.now())
        else:
            self._refuse(self._ledger[chunk.by], f"rendered other pictures for frames {frames}")
        self._render_anew(chunk.number)

    def _render_anew(self, number: int) -> None:
        """What there is of the chunk is wrong."""
        self._order.forget(number)
        self._board.put_back(number)

    def _failed(self, run: _Run, one: Standing, reason: str) -> None:
        chunk = self._board[run.task.chunk]
        self._board.failed(chunk.number, run.node)
        if self._ledger.failed(run.node, reason, self._clock.now()):
            times = self._policy.in_a_row
            self._say(f"{one.node.name} failed {times} times in a row and rests: {reason}")
        if chunk.failures >= self._policy.tries:
            raise InstrumentError(
                f"frames {chunk.frames.start}:{chunk.frames.stop} failed {chunk.failures} times, "
                f"the last time on {one.node.name}: {reason}"
            )
        self._put_back(run)

    def _put_back(self, run: _Run) -> None:
        """What `run` should have done is somebody else's, unless somebody else does it already."""
        elsewhere = any(other.task == run.task for other in self._running.values())
        if run.task.kind == "render" and not elsewhere:
            if self._board[run.task.chunk].stage == "running":
                self._board.put_back(run.task.chunk)

    # --- what is said about it

    def _progress(self, rendered: int | None = None) -> None:
        if not self._tell:
            return
        done = self._board.frames("rendered", "done")
        total = self._board.frames()
        speed = done / max(self._clock.now() - self._began, 1e-9)
        nodes = [(one.node.name, one.frames_a_second) for one in self._ledger.among("serving")]
        left = (total - done) / speed if done else 0.0
        self._tell(FarmProgress(done, total, speed, left, tuple(nodes), rendered))

    def _report(self) -> FarmReport:
        nodes = [
            NodeReport(
                one.node.name, one.chunks, one.frames, one.frames_a_second, one.failures,
                one.trouble,
            )
            for one in self._ledger
        ]  # fmt: skip
        return FarmReport(
            sum(1 for _ in self._board), self._board.frames(), self._board.again,
            self._clock.now() - self._began, tuple(nodes),
        )  # fmt: skip
