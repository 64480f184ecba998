"""Stages as data: what is accepted, what is refused and how, and what a template becomes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from apiserver.nodes import StageError, load_stages
from apiserver.nodes.addresses import AddressesExhaustedError, PodAddresses, pod_network
from apiserver.nodes.stages import delay_s, find_stage, parse_stage, render

GOOD = {"name": "s", "resource": "pods", "next": {"delete": True}}


def pod(phase: str | None = None, deleting: bool = False, **annotations: str) -> dict:
    metadata: dict = {"name": "p", "annotations": annotations}
    if deleting:
        metadata["deletionTimestamp"] = "2024-01-01T00:00:00Z"
    return {"metadata": metadata, "spec": {"restartPolicy": "Never"}, "status": {"phase": phase} if phase else {}}


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (pod(), "pod-ready"),
        (pod("Pending"), "pod-ready"),
        (pod("Running"), None),
        (pod("Running", **{"nodes.kvcluster/complete-after-seconds": "3"}), "pod-complete"),
        (pod("Running", deleting=True), "pod-terminate"),
        (pod("Pending", deleting=True), "pod-remove"),
        (pod("Succeeded", deleting=True), "pod-remove"),
        (pod("Succeeded"), None),
    ],
)
def test_the_default_set(subject, expected):
    stage = find_stage(load_stages(), subject)
    assert (stage.name if stage else None) == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ""}, "name: a text is required"),
        ({"resource": "nodes"}, "resource: 'nodes'; only pods have stages"),
        ({"nxt": {}}, "'nxt' is unknown; there are: delay, name, next, resource, selector"),
        ({"next": {}}, "next: exactly one of status or delete: true is required"),
        ({"next": {"delete": False}}, "next: exactly one of"),
        ({"next": {"status": {"podIP": "$(ip)"}}}, "next.status.podIP: $(ip) is unknown; there are: finalPhase"),
        ({"next": {"status": {"a": "x $(now)"}}}, "a variable stands alone"),
        ({"next": {"status": {"a": "$(container.name)"}}}, "$(container.name) is unknown"),
        ({"next": {"status": {"a": {"$each": "pods", "$item": {}}}}}, "$each: containers, initContainers or"),
        ({"selector": {"matchPhase": "Running"}}, "selector.matchPhase: a list of texts is required"),
        ({"selector": {"deleting": "no"}}, "selector.deleting: true or false is required"),
        ({"selector": {"matchConditions": {"Ready": True}}}, "matchConditions.Ready: True; a text is required"),
        ({"delay": {"seconds": -1}}, "delay.seconds: -1; a number of seconds"),
        ({"delay": {"jitterSeconds": float("nan")}}, "delay.jitterSeconds: nan; a number"),
    ],
)
def test_what_is_wrong_is_named(change, said):
    with pytest.raises(StageError) as refused:
        parse_stage({**GOOD, **change}, "file.yaml")
    assert said in str(refused.value) and str(refused.value).startswith("file.yaml")


def test_files_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(StageError, match="No such file"):
        load_stages(tmp_path / "absent.yaml")
    with pytest.raises(StageError, match="no stages there"):
        load_stages(tmp_path)
    (tmp_path / "a.yaml").write_text("a: [")
    with pytest.raises(StageError, match="not YAML"):
        load_stages(tmp_path)
    (tmp_path / "a.yaml").write_text(yaml.safe_dump_all([GOOD, GOOD]))
    with pytest.raises(StageError, match="two stages are named 's'"):
        load_stages(tmp_path)


def test_delays():
    stage = parse_stage({**GOOD, "delay": {"seconds": 1, "jitterSeconds": 2, "secondsFromAnnotation": "a"}}, "x")
    assert delay_s(stage, pod(), lambda: 0.5) == 2.0
    assert delay_s(stage, pod(a="7"), lambda: 0.0) == 7.0
    assert delay_s(stage, pod(a="soon"), lambda: 0.0) == 1.0


def test_rendering():
    template = {
        "ip": "$(podIP)",
        "items": {"$each": "containers", "$item": {"name": "$(container.name)", "at": "$(now)"}},
        "none": {"$each": "initContainers", "$item": {}},
        "empty": [],
    }
    containers = {"containers": [{"container.name": "a"}, {"container.name": "b"}], "initContainers": []}
    rendered = render(template, {"podIP": "1.2.3.4", "now": 5}, containers)
    items = [{"name": "a", "at": 5}, {"name": "b", "at": 5}]
    assert rendered == {"ip": "1.2.3.4", "items": items, "empty": []}


def test_addresses_go_round_and_are_unique():
    addresses = PodAddresses("10.128.3.0/29")
    taken = [addresses.take(f"u{n}") for n in range(5)]
    assert taken == [f"10.128.3.{n}" for n in range(2, 7)]
    assert addresses.take("u0") == taken[0], "a pod keeps its address"
    with pytest.raises(AddressesExhaustedError):
        addresses.take("one too many")
    addresses.release("u3")
    assert addresses.take("next") == taken[3]
    assert pod_network(0) == "10.128.0.0/24" and pod_network(257) == "10.129.1.0/24"
    with pytest.raises(ValueError, match="at most"):
        pod_network(40_000)
