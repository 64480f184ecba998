"""The scheduling queue, with a clock moved by hand; and the cache against its own checker."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.scheduler import Cache, PodInfo, SchedulingQueue
from kvcluster.clock import ManualClock


def make_pod(name: str, *, priority: int = 0, node: str = "", gates: bool = False, uid: str = "") -> PodInfo:
    spec = {"priority": priority, "nodeName": node, "containers": [{"resources": {"requests": {"cpu": "100m"}}}]}
    if gates:
        spec["schedulingGates"] = [{"name": "g"}]
    return PodInfo({"metadata": {"namespace": "d", "name": name, "uid": uid or name}, "spec": spec})


def make_queue(clock: ManualClock) -> SchedulingQueue:
    return SchedulingQueue(clock, lambda info, added_s: (-info.priority, added_s), lambda info: bool(info.gates))


def names(queue: SchedulingQueue) -> list[str]:
    popped = []
    while (queued := queue.pop()) is not None:
        popped.append(queued.info.key[1])
    return popped


def test_higher_priority_first_then_first_come():
    clock = ManualClock()
    queue = make_queue(clock)
    for name, priority in (("a", 0), ("b", 10), ("c", 0), ("d", 10)):
        queue.add(make_pod(name, priority=priority))
        clock.advance(1)
    assert names(queue) == ["b", "d", "a", "c"]


def test_an_event_that_helps_moves_a_pod_after_its_backoff():
    clock = ManualClock()
    queue = make_queue(clock)
    queue.add(make_pod("a"))
    queued = queue.pop()
    queue.park(queued, ("Node/Add",))
    queue.happened("Pod/Delete")
    assert queue.counts()["unschedulable"] == 1
    queue.happened("Node/Add")
    assert queue.pop() is None
    assert queue.next_due_s() == 1.0
    clock.advance(1)
    assert queue.pop() is queued
    queue.park(queued, ("Node/Add",))
    queue.happened("Node/Add")
    assert queue.next_due_s() == 2.0, "the backoff doubles"


def test_backoff_is_bounded():
    queue = make_queue(ManualClock())
    assert [queue.backoff_s(n) for n in (0, 1, 2, 3, 4, 5, 50)] == [0, 1, 2, 4, 8, 10, 10]


def test_an_event_during_the_cycle_is_not_missed():
    clock = ManualClock()
    queue = make_queue(clock)
    queue.add(make_pod("a"))
    queued = queue.pop()
    queue.happened("Node/Add")
    queue.park(queued, ("Node/Add",))
    assert queue.counts()["unschedulable"] == 0
    clock.advance(1)
    assert queue.pop() is queued


def test_an_unschedulable_pod_is_tried_again_after_five_minutes():
    clock = ManualClock()
    queue = make_queue(clock)
    queue.add(make_pod("a"))
    queue.park(queue.pop(), ())
    assert queue.next_due_s() == 300.0
    clock.advance(300)
    assert names(queue) == ["a"]


def test_gated_pods_wait_outside_until_their_gates_are_gone():
    queue = make_queue(ManualClock())
    queue.add(make_pod("a", gates=True))
    assert queue.pop() is None
    assert queue.counts()["gated"] == 1
    queue.add(make_pod("a"))
    assert names(queue) == ["a"]


def test_a_removed_pod_does_not_come_back():
    queue = make_queue(ManualClock())
    queue.add(make_pod("a"))
    queued = queue.pop()
    queue.remove(queued.info.key)
    queue.park(queued, ("*",))
    assert len(queue) == 0
    assert queue.next_due_s() is None


def test_a_new_pod_of_the_same_name_starts_afresh():
    queue = make_queue(ManualClock())
    queue.add(make_pod("a"))
    old = queue.pop()
    queue.add(make_pod("a", uid="new"))
    new = queue.pop()
    assert new is not old
    assert new.attempts == 1


def make_node(name: str) -> dict:
    return {"metadata": {"name": name}, "status": {"allocatable": {"cpu": "4", "pods": "10"}}}


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["assume", "forget", "set_pod", "remove_pod", "set_node", "remove_node", "snapshot"]),
            st.integers(0, 3),
            st.integers(0, 2),
        ),
        max_size=60,
    )
)
def test_cache_keeps_its_invariants(steps: list[tuple[str, int, int]]):
    cache = Cache()
    kept: list[tuple[dict, dict]] = []
    for action, pod_number, node_number in steps:
        pod, node = f"p{pod_number}", f"n{node_number}"
        if action == "assume":
            if cache.node_of(("d", pod)) is None:
                cache.assume(make_pod(pod), node)
        elif action == "forget":
            cache.forget(("d", pod))
        elif action == "set_pod":
            cache.set_pod(make_pod(pod, node=node))
        elif action == "remove_pod":
            cache.remove_pod(("d", pod))
        elif action == "set_node":
            cache.set_node(make_node(node))
        elif action == "remove_node":
            cache.remove_node(node)
        else:
            snapshot = cache.snapshot()
            kept.append((snapshot, {name: sorted(info.pods) for name, info in snapshot.items()}))
        cache._check()
    for snapshot, then in kept:
        assert {name: sorted(info.pods) for name, info in snapshot.items()} == then, "a snapshot never changes"


def test_the_watch_wins_over_an_assumption():
    cache = Cache()
    cache.set_node(make_node("n0"))
    cache.set_node(make_node("n1"))
    cache.assume(make_pod("p"), "n0")
    cache.set_pod(make_pod("p", node="n1"))
    cache.forget(("d", "p"))
    assert cache.node_of(("d", "p")) == "n1"
