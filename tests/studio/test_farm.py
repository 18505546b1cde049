"""A farm finishes the film whatever its machines do, or says in one line why it cannot."""

from __future__ import annotations

import pytest
from farm_fakes import CHUNK, Cluster, Machine, Told, run, whole
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.studio.farm_order import Policy
from instrument.studio.farm_task import Task


def fails_first(times: int) -> object:
    return lambda number, task: "disk hiccup" if number <= times else ""  # number 0 is the probe


def test_one_node_renders_everything_and_checks_itself() -> None:
    cluster, told = Cluster(Machine("a")), Told()
    report = run(cluster, 5, told=told)
    assert cluster.storage == whole(5)
    assert (report.chunks, report.frames, report.again) == (5, 5 * CHUNK, 0)
    tasks = cluster.machines["a"].given
    assert [t.chunk for t in tasks if t.kind == "render"] == [0, 1, 2, 3, 4]
    assert sorted(t.chunk for t in tasks if t.kind == "check") == [0, 1, 2, 3, 4]
    assert cluster.stopped
    assert told.words == []


def test_nobody_checks_what_it_rendered_while_others_are_there() -> None:
    cluster = Cluster(Machine("a"), Machine("b"))
    run(cluster, 20)
    rendered = {m.name: {t.chunk for t in m.given if t.kind == "render"}
                for m in cluster.machines.values()}  # fmt: skip
    checked = {m.name: {t.chunk for t in m.given if t.kind == "check"}
               for m in cluster.machines.values()}  # fmt: skip
    assert rendered["a"] == checked["b"]
    assert rendered["b"] == checked["a"]
    assert rendered["a"] | rendered["b"] == set(range(20))
    assert min(len(rendered["a"]), len(rendered["b"])) >= 8


def test_two_nodes_take_half_the_time_of_one() -> None:
    one, two = Cluster(Machine("a")), Cluster(Machine("a"), Machine("b"))
    assert run(two, 40).seconds < 0.55 * run(one, 40).seconds


def test_slots_are_filled_side_by_side() -> None:
    wide = Cluster(Machine("a", slots=4))
    assert run(wide, 40).seconds < 0.3 * run(Cluster(Machine("a")), 40).seconds


def test_checked_frames_lie_in_their_chunk_and_differ_from_chunk_to_chunk() -> None:
    cluster = Cluster(Machine("a"))
    run(cluster, 30)
    checks = [task for task in cluster.machines["a"].given if task.kind == "check"]
    assert all(len(set(t.frames)) == 3 for t in checks)
    assert all(t.chunk * CHUNK <= f < (t.chunk + 1) * CHUNK for t in checks for f in t.frames)
    assert len({tuple(f - t.chunk * CHUNK for f in t.frames) for t in checks}) > 10


def test_a_chunk_that_fails_is_tried_elsewhere_first() -> None:
    def trouble(number: int, task: Task) -> str:
        return "broken" if task.chunk == 0 else ""

    cluster = Cluster(Machine("a", trouble=trouble), Machine("b"))
    run(cluster, 6)
    assert cluster.storage == whole(6)
    tries = [t for t in cluster.machines["a"].given if t == Task("render", 0)]
    assert len(tries) <= 1


def test_a_node_that_dies_leaves_no_gap() -> None:
    cluster, told = Cluster(Machine("a"), Machine("b", gone=4.3)), Told()
    report = run(cluster, 20, told=told)
    assert cluster.storage == whole(20)
    assert "b is gone; what it was given goes to others" in told.words
    assert report.again >= 1
    assert {n.name: n.trouble for n in report.nodes}["b"] == "went away"


def test_a_node_that_comes_late_helps() -> None:
    cluster = Cluster(Machine("a"), Machine("b", here=5.0))
    run(cluster, 20)
    assert len([t for t in cluster.machines["b"].given if t.kind == "render"]) >= 5


def test_a_node_that_hangs_holds_nobody_up() -> None:
    cluster = Cluster(Machine("a"), Machine("b", hangs=2.0))
    report = run(cluster, 20)
    assert cluster.storage == whole(20)
    assert report.seconds < 120


def test_a_node_that_never_answers_the_first_question_holds_nobody_up() -> None:
    cluster = Cluster(Machine("a"), Machine("b", hangs=0.0))
    assert run(cluster, 4).seconds < 60
    assert cluster.storage == whole(4)


def test_a_node_that_always_fails_rests_and_the_others_go_on() -> None:
    bad = Machine("bad", trouble=lambda number, task: "out of memory")
    cluster, told = Cluster(bad, Machine("good")), Told()
    report = run(cluster, 30, told=told)
    assert cluster.storage == whole(30)
    assert "bad failed 3 times in a row and rests: out of memory" in told.words
    assert {n.name: n.chunks for n in report.nodes} == {"bad": 0, "good": 30}
    # 30 chunks take 39 s: after three failures it rests 20 s, then has one try.
    assert len(bad.given) <= 6


def test_a_node_that_recovers_is_in_service_again() -> None:
    cluster = Cluster(Machine("a", trouble=fails_first(3)), Machine("b"))
    report = run(cluster, 60)
    assert {n.name: n.chunks > 5 for n in report.nodes} == {"a": True, "b": True}
    assert {n.name: n.trouble for n in report.nodes} == {"a": "", "b": ""}


def test_the_only_node_may_fail_for_a_while() -> None:
    cluster = Cluster(Machine("a", trouble=fails_first(3)))
    run(cluster, 3)
    assert cluster.storage == whole(3)


def test_a_chunk_that_fails_everywhere_ends_the_render_naming_it() -> None:
    def trouble(number: int, task: Task) -> str:
        return "frame 23: z is not finite" if task == Task("render", 2) else ""

    cluster = Cluster(Machine("a", trouble=trouble), Machine("b", trouble=trouble))
    with pytest.raises(InstrumentError, match=r"^frames 20:30 failed 6 times, the last time on "):
        run(cluster, 6)
    assert cluster.stopped
    assert set(cluster.storage) >= {0, 1}


def test_a_liar_is_found_out_and_left_out() -> None:
    cluster, told = Cluster(Machine("liar", lies=True), Machine("honest")), Told()
    report = run(cluster, 20, told=told)
    assert cluster.storage == whole(20)
    assert len(told.words) == 1
    assert told.words[0].startswith("liar is left out: ")
    assert {n.name: bool(n.trouble) for n in report.nodes} == {"liar": True, "honest": False}


def test_without_a_judge_the_one_who_rendered_is_doubted() -> None:
    cluster = Cluster(Machine("liar", lies=True), Machine("a"), Machine("b"))
    run(cluster, 20, judged=False)
    assert all(not isinstance(v, tuple) for v in cluster.storage.values())


def test_a_lone_liar_renders_no_film() -> None:
    """It agrees with itself; a judge is asked only where two disagree, so the end is as good
    as one machine's own render: what it decodes is what it decodes."""
    cluster = Cluster(Machine("liar", lies=True))
    run(cluster, 2)
    assert cluster.storage == {0: ("rubbish", "liar"), 1: ("rubbish", "liar")}


def test_another_version_is_left_out_in_one_line() -> None:
    other = Machine("other", blind='would render another film: torch "2.13.0", here "2.12.0"')
    cluster, told = Cluster(other, Machine("a")), Told()
    run(cluster, 4, told=told)
    assert told.words == [
        'other is left out: would render another film: torch "2.13.0", here "2.12.0"'
    ]
    assert [t.kind for t in other.given] == ["probe"]


def test_nobody_sees_the_work_folder() -> None:
    cluster = Cluster(
        Machine("a", blind="does not see films/.x.render"), Machine("b", blind="nor I")
    )
    with pytest.raises(
        InstrumentError, match=r"^no node can render: a: does not see .*; b: nor I$"
    ):
        run(cluster, 4)
    assert cluster.clock.now() < 10  # waiting would change nothing


def test_no_node_at_all() -> None:
    with pytest.raises(InstrumentError, match="no node can render: no node is there"):
        run(Cluster(), 4, policy=Policy(alone=5))


def test_nothing_to_do_asks_nobody() -> None:
    cluster = Cluster(Machine("a"))
    assert run(cluster, 0).chunks == 0
    assert cluster.machines["a"].given == []


def test_whatever_goes_wrong_nothing_runs_on() -> None:
    def broken(now: float) -> None:
        if now > 3:
            raise KeyboardInterrupt

    cluster = Cluster(Machine("a"), step=broken)
    with pytest.raises(KeyboardInterrupt):
        run(cluster, 50)
    assert cluster.stopped


def test_progress_grows_to_the_whole_and_names_the_nodes() -> None:
    told = Told()
    run(Cluster(Machine("a"), Machine("b", frame=0.2)), 20, told=told)
    frames = [step.frames for step in told.steps]
    assert frames == sorted(frames)
    assert (frames[-1], told.steps[-1].total, told.steps[-1].seconds_left) == (200, 200, 0)
    assert dict(told.steps[-1].nodes) == pytest.approx({"a": 10, "b": 5})


def test_the_report_reads_as_json() -> None:
    made = run(Cluster(Machine("a")), 2).to_json()
    assert made["nodes"] == [
        {"name": "a", "chunks": 2, "frames": 20, "frames_a_second": 10.0, "failures": 0,
         "trouble": ""}
    ]  # fmt: skip
    assert (made["chunks"], made["frames"], made["given_out_again"]) == (2, 20, 0)


machines = st.tuples(
    st.integers(1, 3), st.sampled_from([0.05, 0.1, 0.3]), st.sampled_from([1e9, 3.0, 9.0]),
    st.sampled_from([1e9, 2.0, 8.0]), st.sampled_from([0, 3, 4]), st.sampled_from([0.0, 4.0]),
    st.integers(0, 9),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(others=st.lists(machines, max_size=3), liar=st.booleans(), chunks=st.integers(1, 15))
def test_one_sound_node_is_enough(others: list[tuple], liar: bool, chunks: int) -> None:
    """Whoever else dies, hangs, fails one task in four or lies: every chunk is the right one."""
    around = [
        Machine(f"m{k}", slots=slots, frame=frame, gone=dies, hangs=hangs, here=late,
                trouble=lambda number, task, r=rate, s=seed: "bad luck"
                if r and task.kind != "probe" and (number + s) % r == 0 else "")
        for k, (slots, frame, dies, hangs, rate, late, seed) in enumerate(others)
    ]  # fmt: skip
    if liar:
        around.append(Machine("liar", lies=True))
    cluster = Cluster(*around, Machine("sound"))
    run(cluster, chunks, policy=Policy(tries=100))
    assert cluster.storage == whole(chunks)
    assert cluster.stopped
