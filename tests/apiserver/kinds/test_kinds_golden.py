"""What a real kube-apiserver 1.36.2 answered, replayed through the hooks of the kinds.

testdata/golden_defaults.json holds creations of minimal objects and the objects they became;
testdata/golden_refusals.json holds creations that were refused, and the words.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from apiserver.errors import StatusError, invalid
from apiserver.kinds import Resource, catalog, decode_body

DATA = Path(__file__).parent / "testdata"


def _interactions(name: str) -> list[Any]:
    loaded = json.loads((DATA / name).read_text())["interactions"]
    return [pytest.param(interaction, id=interaction["name"].replace(" ", "-")) for interaction in loaded]


def _resource(path: str) -> tuple[Resource, str]:
    """The resource and namespace of a collection's URL."""
    steps = urlsplit(path).path.strip("/").split("/")
    group, version, rest = ("", steps[1], steps[2:]) if steps[0] == "api" else (steps[1], steps[2], steps[3:])
    namespace = ""
    if len(rest) == 3:
        namespace, rest = rest[1], rest[2:]
    resource = catalog.find(group, version, rest[0])
    assert resource is not None
    return resource, namespace


def _admitted(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    """What validation sees: admission has named the service account already."""
    if resource.plural != "pods":
        return obj
    return {**obj, "spec": {"serviceAccountName": "default", **obj["spec"]}}


def _create(interaction: dict[str, Any], uid: str = "") -> dict[str, Any]:
    """What the registry does to a new object, less most of the metadata that is its own."""
    served, namespace = _resource(interaction["path"])
    resource = served.stored
    raw = interaction.get("rawBody")
    body = raw.encode() if raw is not None else json.dumps(interaction["body"]).encode()
    field_validation = parse_qs(urlsplit(interaction["path"]).query).get("fieldValidation", ["Warn"])[0]
    obj = served.to_hub(decode_body(served, body, field_validation=field_validation).obj)
    metadata = obj.setdefault("metadata", {})
    if namespace:
        metadata["namespace"] = namespace
    if uid:
        metadata["uid"] = uid
    resource.defaults(obj)
    resource.prepare_create(obj)
    causes = resource.validate(_admitted(resource, obj))
    if causes:
        raise invalid(resource.group, resource.kind, metadata.get("name", ""), causes)
    return served.from_hub(obj)


# What the real server's answer has beyond these hooks, each with its reason.


def _without_service_account(pod: dict[str, Any]) -> None:
    """Admission (ServiceAccount) names the account and mounts its token."""
    spec = pod["spec"]
    for field in ("serviceAccount", "serviceAccountName"):
        del spec[field]
    spec["volumes"] = [volume for volume in spec["volumes"] if not volume["name"].startswith("kube-api-access-")]
    if not spec["volumes"]:
        del spec["volumes"]
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        container["volumeMounts"] = [
            mount for mount in container["volumeMounts"] if not mount["name"].startswith("kube-api-access-")
        ]
        if not container["volumeMounts"]:
            del container["volumeMounts"]


def _without_tolerations(pod: dict[str, Any]) -> None:
    """Admission (DefaultTolerationSeconds) tolerates failing nodes for five minutes."""
    spec = pod["spec"]
    spec["tolerations"] = [t for t in spec["tolerations"] if not t["key"].startswith("node.kubernetes.io/")]
    if not spec["tolerations"]:
        del spec["tolerations"]


def _without_priority(pod: dict[str, Any]) -> None:
    """Admission (Priority) resolves the class."""
    del pod["spec"]["priority"], pod["spec"]["preemptionPolicy"]


def _without_allocations(service: dict[str, Any]) -> None:
    """Families, cluster addresses and node ports are given by the registry."""
    spec = service["spec"]
    for field in ("ipFamilies", "ipFamilyPolicy"):
        spec.pop(field, None)
    if spec.get("clusterIP", "None") != "None":
        del spec["clusterIP"], spec["clusterIPs"]
    for port in spec.get("ports", ()):
        port.pop("nodePort", None)


def _without_taint(node: dict[str, Any]) -> None:
    """Admission (TaintNodesByCondition) keeps pods off a node that has not reported yet."""
    del node["spec"]["taints"]


def _without_protection(volume: dict[str, Any]) -> None:
    """Admission (StorageObjectInUseProtection) holds what a pod may still use."""
    del volume["metadata"]["finalizers"]


def _without_time(volume: dict[str, Any]) -> None:
    """The time of the request."""
    del volume["status"]["lastPhaseTransitionTime"]


ALLOWED = {
    "Pod": (_without_service_account, _without_tolerations, _without_priority),
    "Service": (_without_allocations,),
    "Node": (_without_taint,),
    "PersistentVolume": (_without_protection, _without_time),
    "PersistentVolumeClaim": (_without_protection,),
}

REGISTRY_METADATA = ("uid", "creationTimestamp", "generation")  # of every kind: the registry's


def _uid(response: dict[str, Any]) -> str:
    """A job's labels and selector repeat its uid."""
    labels = response["metadata"].get("labels") or {}
    return str(labels.get("batch.kubernetes.io/controller-uid", ""))


@pytest.mark.parametrize("interaction", _interactions("golden_defaults.json"))
def test_a_minimal_object_becomes_what_kubernetes_makes_of_it(interaction: dict[str, Any]):
    expected = interaction["response"]
    if _resource(interaction["path"])[0].is_virtual:
        pytest.skip("answered by the server, not stored: its handlers have tests")
    if interaction["status"] != 201:
        with pytest.raises(StatusError) as refusal:
            _create(interaction)
        assert refusal.value.to_status() == expected
        return
    for adjust in ALLOWED.get(expected["kind"], ()):
        adjust(expected)
    uid = _uid(expected)
    for field in REGISTRY_METADATA:
        expected["metadata"].pop(field, None)
    if "generateName" in expected["metadata"]:
        interaction["body"]["metadata"]["name"] = expected["metadata"]["name"]
    made = _create(interaction, uid)
    made["metadata"].pop("uid", None)
    assert made == expected


@pytest.mark.parametrize("interaction", _interactions("golden_refusals.json"))
def test_a_bad_object_is_refused_in_the_words_of_kubernetes(interaction: dict[str, Any]):
    with pytest.raises(StatusError) as refusal:
        _create(interaction)
    assert refusal.value.to_status() == interaction["response"]
