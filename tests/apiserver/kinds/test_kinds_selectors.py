"""Field selectors: what each kind can be selected by, beside its name and namespace (kubernetes.md 1.7)."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.errors import StatusError
from apiserver.kinds import BUILTIN, Resource, catalog
from apiserver.meta import parse_field_selector

_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

LABELS: dict[str, set[str]] = {
    "v1 pods": {
        "spec.nodeName",
        "spec.host",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    },
    "v1 nodes": {"spec.unschedulable"},
    "v1 replicationcontrollers": {"status.replicas"},
    "v1 events": {
        *(f"involvedObject.{field}" for field in _INVOLVED),
        "reason",
        "reportingComponent",
        "source",
        "type",
    },
    "events.k8s.io/v1 events": {
        *(f"regarding.{field}" for field in _INVOLVED),
        "reason",
        "reportingController",
        "type",
    },
    "v1 namespaces": {"status.phase", "name"},
    "v1 secrets": {"type"},
    "v1 services": {"spec.clusterIP", "spec.type"},
    "batch/v1 jobs": {"status.successful"},
    "certificates.k8s.io/v1 certificatesigningrequests": {"spec.signerName"},
    "resource.k8s.io/v1 resourceslices": {"spec.nodeName", "spec.driver"},
}


@pytest.mark.parametrize("resource", BUILTIN, ids=lambda r: f"{r.group}-{r.version}-{r.plural}")
def test_the_labels_are_those_of_kubernetes(resource: Resource):
    assert set(resource.field_labels) == LABELS.get(f"{resource.api_version} {resource.plural}", set())
    with pytest.raises(StatusError, match=r"field label not supported: spec\.bogus"):
        resource.bind_field_selector(parse_field_selector("spec.bogus=x"))
    named = resource.bind_field_selector(parse_field_selector("metadata.name=x"))
    assert named({"metadata": {"name": "x"}}) and not named({"metadata": {"name": "y"}})


SELECTED: list[tuple[str, str, dict[str, Any]]] = [
    ("pods", "spec.nodeName=n,status.phase!=Failed", {"spec": {"nodeName": "n"}, "status": {"phase": "Running"}}),
    ("pods", "spec.hostNetwork=false", {"spec": {}}),
    ("pods", "status.podIPs=10.0.0.1", {"status": {"podIPs": [{"ip": "10.0.0.1"}]}}),
    ("nodes", "spec.unschedulable=true", {"spec": {"unschedulable": True}}),
    ("nodes", "spec.unschedulable=false", {"spec": {}}),
    ("replicationcontrollers", "status.replicas=0", {"status": {}}),
    ("services", "spec.clusterIP!=None", {"spec": {"clusterIP": "10.0.0.1"}}),
    ("secrets", "type=Opaque", {"type": "Opaque"}),
    ("namespaces", "status.phase=Active,name=x", {"metadata": {"name": "x"}, "status": {"phase": "Active"}}),
    ("events", "source=kubelet", {"reportingComponent": "kubelet"}),
]


@pytest.mark.parametrize(("plural", "selector", "obj"), SELECTED, ids=[f"{s[0]}-{s[1]}" for s in SELECTED])
def test_an_object_is_selected_by_what_it_says(plural: str, selector: str, obj: dict[str, Any]):
    resource = catalog.find("", "v1", plural)
    assert resource is not None
    assert resource.bind_field_selector(parse_field_selector(selector))({"metadata": {}, **obj})
