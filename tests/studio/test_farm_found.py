"""Mistakes that a farm once made, each with a name. The law in `test_farm` had found them."""

from __future__ import annotations

import pytest
from farm_fakes import Cluster, Machine, Told, run, whole

from instrument import InstrumentError
from instrument.studio.farm_order import Policy
from instrument.studio.farm_task import Task

_FOR_EVER = 2000.0  # seconds, of a clock that is only set forward


def on_time(now: float) -> None:
    assert now < _FOR_EVER, "nobody does what is left"


def test_the_liar_that_was_left_to_check_its_own_chunk() -> None:
    """Who was to check it hangs; the liar has nothing else to do and stands first in line."""
    liar, hanging = Machine("a", lies=True), Machine("b", hangs=1.2)
    cluster, told = Cluster(liar, hanging, Machine("c"), step=on_time), Told()
    run(cluster, 1, told=told)
    assert hanging.given[-1].kind == "check"  # else nothing was put to the test
    assert cluster.storage == whole(1)
    assert [words.partition(":")[0] for words in told.words] == ["a is left out"]


def test_the_honest_node_that_was_left_out_for_what_another_had_written() -> None:
    """A liar and a node that was given the same chunk later write it both, and the liar dies."""
    liar = Machine("a", lies=True, frame=5.0, gone=57.0)
    honest = Machine("b", frame=2.5)
    cluster, told = Cluster(liar, honest, step=on_time), Told()
    report = run(cluster, 2, told=told, policy=Policy(straggler=1.0, patience=30.0))
    assert {task.chunk for task in honest.given if task.kind == "render"} == {0, 1}
    assert {n.name: (n.failures > 0, n.trouble) for n in report.nodes}["b"] == (True, "")
    assert not any(words.startswith("b is left out") for words in told.words)
    assert cluster.storage == whole(2)


def test_what_hangs_on_a_node_that_was_left_out_kept_a_farm_waiting_for_ever() -> None:
    """The liar is left out while a task of its hangs; then the honest node dies."""
    liar = Machine("a", slots=2, lies=True, hangs=1.7)
    cluster, told = Cluster(liar, Machine("b", gone=20.0), step=on_time), Told()
    with pytest.raises(InstrumentError, match=r"^no node can render: a: .*other pictures"):
        run(cluster, 100, told=told, policy=Policy(alone=5.0))
    assert cluster.clock.now() < 30
    assert any(words.startswith("a is left out") for words in told.words)
    assert any(words.startswith("b is gone") for words in told.words)


def test_two_nodes_that_hang_on_one_chunk_kept_it_from_a_third() -> None:
    cluster = Cluster(Machine("a", hangs=0.6), Machine("b", hangs=20.0), Machine("c"), step=on_time)
    run(cluster, 4)
    assert cluster.storage == whole(4)
    first = Task("render", 0)
    tried = [name for name, machine in cluster.machines.items() if first in machine.given]
    assert tried == ["a", "b", "c"]
