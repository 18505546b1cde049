"""Films painted in the process of the tests, which has torch already.

What worker processes make is the same (`test_render_workers`), but each takes seconds to start.
"""

from instrument.cli.painting import painting_from_json
from instrument.studio.crew_size import CrewSize
from instrument.studio.worker_process import Machine, Opening
from instrument.studio.worker_wire import Slots
from instrument.studio.workers import Here


class CrewHere(Here):
    """Instead of a `WorkerCrew`."""

    at_work = 1

    def __init__(self, opening: Opening, tell: object) -> None:
        self._painting = painting_from_json(opening.order)
        self.begun = False
        super().__init__(lambda: self._painting.open(1))

    def __enter__(self) -> "CrewHere":
        return self

    def __exit__(self, *exception: object) -> None:
        self.rest()

    def start(self) -> None:
        """Nothing is to be started."""

    def machine(self) -> Machine:
        return Machine(*self._painting.machine())

    def begin(self, slots: Slots, size: CrewSize) -> None:
        super().__init__(lambda: self._painting.open(slots.batch), slots.batch)
        self.begun = True
