"""The arithmetic of rollouts and the order of deletion, on plain values."""

from __future__ import annotations

import pytest

from apiserver.controllers.expectations import Expectations
from apiserver.controllers.pods import rank_for_deletion
from apiserver.controllers.rollout import (
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    next_new_size,
    resolve_limits,
    same_template,
    scale,
    shrink_old,
    template_hash,
    with_hash,
)


def deployment(replicas: int, surge: int | str = "25%", unavailable: int | str = "25%") -> dict:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}}


def replica_set(name: str, replicas: int, available: int = 0, **annotations: int) -> dict:
    metadata = {"name": name, "uid": name, "creationTimestamp": f"2024-01-01T00:00:0{name[-1]}Z"}
    metadata["annotations"] = {key: str(value) for key, value in annotations.items()}
    return {"metadata": metadata, "spec": {"replicas": replicas}, "status": {"availableReplicas": available}}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),  # up for surge, down for unavailable
        (1, "25%", "25%", (1, 0)),
        (3, 0, "25%", (0, 1)),  # both would be 0: nothing could ever move
        (4, 1, 1, (1, 1)),
        (4, "100%", 0, (4, 0)),
    ],
)
def test_limits(replicas, surge, unavailable, expected):
    assert resolve_limits(deployment(replicas, surge, unavailable)) == expected


def test_the_new_set_grows_into_the_surge():
    old, new = replica_set("rs1", 10, 10), replica_set("rs2", 0)
    assert next_new_size(deployment(10, 3, 2), [old, new], new) == 3
    assert next_new_size(deployment(10, 0, 2), [old, new], new) == 0
    assert (
        next_new_size(deployment(10, 3, 2), [replica_set("rs1", 5), replica_set("rs2", 8)], replica_set("rs2", 8)) == 8
    )


def test_old_sets_shrink_by_what_is_available_above_the_minimum():
    old, new = replica_set("rs1", 10, 10), replica_set("rs2", 3, 0)
    (resize,) = shrink_old(deployment(10, 3, 2), [old, new], [old], new)
    assert resize.replicas == 8
    assert shrink_old(deployment(10, 3, 0), [old, new], [old], new) == []


def test_unhealthy_old_replicas_go_first():
    older, old, new = replica_set("rs1", 8, 8), replica_set("rs2", 2, 0), replica_set("rs3", 2, 2)
    resizes = shrink_old(deployment(10, 2, 2), [older, old, new], [older, old], new)
    assert {r.replica_set["metadata"]["name"]: r.replicas for r in resizes} == {"rs1": 6, "rs2": 0}


def test_scaling_in_the_middle_of_a_rollout_is_proportional():
    sizes = {DESIRED_REPLICAS: 10, MAX_REPLICAS: 13}
    old, new = replica_set("rs1", 8, 8, **sizes), replica_set("rs2", 5, 0, **sizes)
    resizes = {r.replica_set["metadata"]["name"]: r.replicas for r in scale(deployment(20, 3, 2), new, [old])}
    assert sum(resizes.values()) == 23
    assert resizes == {"rs1": 14, "rs2": 9}
    none = {r.replica_set["metadata"]["name"]: r.replicas for r in scale(deployment(0, 3, 2), new, [old])}
    assert none == {"rs1": 0, "rs2": 0}


def test_the_hash_is_of_the_template_alone():
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    value = template_hash(template)
    assert value == template_hash({"spec": template["spec"], "metadata": template["metadata"]})
    assert value != template_hash(template, collisions=1)
    assert same_template(with_hash(template, value), template)
    assert template["metadata"]["labels"] == {"a": "b"}, "the template itself is not touched"


def pod(name: str, **fields) -> dict:
    ready = fields.get("ready_since")
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": ready}] if ready else []
    restarts = [{"restartCount": fields.get("restarts", 0)}]
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": fields.get("created", "2024-01-01T00:00:00Z"),
            "annotations": {"controller.kubernetes.io/pod-deletion-cost": str(fields["cost"])}
            if "cost" in fields
            else {},
        },
        "spec": {"nodeName": fields.get("node", "")},
        "status": {"phase": fields.get("phase", "Running"), "conditions": conditions, "containerStatuses": restarts},
    }


NOON = "2024-01-01T12:00:00Z"
ONE = "2024-01-01T13:00:00Z"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pod("x"), pod("y", node="n")),
        (pod("x", node="n", phase="Pending"), pod("y", node="m")),
        (pod("x", node="n"), pod("y", node="m", ready_since=NOON)),
        (pod("x", node="n", ready_since=NOON, cost=-1), pod("y", node="m", ready_since=NOON)),
        (pod("x", node="n", ready_since=ONE), pod("y", node="m", ready_since=NOON)),
        (pod("x", node="n", ready_since=NOON, restarts=3), pod("y", node="m", ready_since=NOON)),
        (pod("x", node="n", ready_since=NOON, created=ONE), pod("y", node="m", ready_since=NOON, created=NOON)),
    ],
)
def test_what_is_worth_least_goes_first(first, second):
    assert rank_for_deletion([second, first])[0] is first
    assert rank_for_deletion([first, second])[0] is first


def test_of_pods_on_one_node_one_goes_before_a_lonely_one():
    pods = [
        pod("a", node="n", ready_since=NOON),
        pod("b", node="m", ready_since=NOON),
        pod("c", node="m", ready_since=NOON),
    ]
    assert rank_for_deletion(pods)[0]["spec"]["nodeName"] == "m"


def test_expectations_are_kept_until_seen_or_given_up(clock):
    expectations = Expectations(clock)
    expectations.expect_creations("k", 2)
    assert not expectations.satisfied("k")
    expectations.creation_seen("k")
    expectations.creation_seen("k")
    assert expectations.satisfied("k")
    expectations.expect_deletions("k", ["u", "v"])
    expectations.deletion_seen("k", "u")
    expectations.deletion_seen("k", "u")
    assert not expectations.satisfied("k")
    clock.advance(300.0)
    assert expectations.satisfied("k")
