"""Who may write what: status and spec apart, what starts empty, what counts as a generation (kubernetes.md 1.8)."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.kinds import BUILTIN, Resource, catalog
from apiserver.kinds.groups.certificates import prepare_approval
from apiserver.kinds.strategy import replace_only_status
from apiserver.meta import deep_copy

STORED = [resource for resource in BUILTIN if resource.hub is None and not resource.is_virtual]
WITH_STATUS = [resource for resource in STORED if resource.has_status]


def _name(resource: Resource) -> str:
    return f"{resource.api_version} {resource.plural}"


def _find(where: str) -> Resource:
    (found,) = [resource for resource in BUILTIN if _name(resource) == where]
    return found


# A PUT without a resourceVersion is refused.
CONDITIONAL = {
    "apiextensions.k8s.io/v1 customresourcedefinitions",
    "apiregistration.k8s.io/v1 apiservices",
    "coordination.k8s.io/v1 leases",
    "policy/v1 poddisruptionbudgets",
    "node.k8s.io/v1 runtimeclasses",
    "storage.k8s.io/v1 csidrivers",
    "storage.k8s.io/v1 csinodes",
    "storage.k8s.io/v1 csistoragecapacities",
    "storage.k8s.io/v1 volumeattachments",
    *(_name(resource) for resource in STORED if resource.group == "admissionregistration.k8s.io"),
}

# A PUT creates what is not there.
CREATED_BY_UPDATE = {
    "v1 endpoints",
    "v1 events",
    "events.k8s.io/v1 events",
    "v1 limitranges",
    "v1 services",
    "coordination.k8s.io/v1 leases",
    *(_name(resource) for resource in STORED if resource.group == "rbac.authorization.k8s.io"),
}

WITH_GENERATION = {
    "v1 pods",
    "v1 podtemplates",
    "v1 replicationcontrollers",
    "apps/v1 daemonsets",
    "apps/v1 deployments",
    "apps/v1 replicasets",
    "apps/v1 statefulsets",
    "batch/v1 cronjobs",
    "batch/v1 jobs",
    "scheduling.k8s.io/v1 priorityclasses",
    "networking.k8s.io/v1 ingressclasses",
    "networking.k8s.io/v1 ingresses",
    "networking.k8s.io/v1 networkpolicies",
    "discovery.k8s.io/v1 endpointslices",
    "policy/v1 poddisruptionbudgets",
    "resource.k8s.io/v1 deviceclasses",
    "resource.k8s.io/v1 resourceslices",
    "flowcontrol.apiserver.k8s.io/v1 flowschemas",
    "flowcontrol.apiserver.k8s.io/v1 prioritylevelconfigurations",
    "apiextensions.k8s.io/v1 customresourcedefinitions",
    *(_name(resource) for resource in STORED if resource.group == "admissionregistration.k8s.io"),
}


def test_flags_are_those_of_kubernetes():
    assert {_name(resource) for resource in STORED if not resource.unconditional_update} == CONDITIONAL
    assert {_name(resource) for resource in BUILTIN if resource.create_on_update} == CREATED_BY_UPDATE
    assert {_name(resource) for resource in STORED if resource.tracks_generation} == WITH_GENERATION
    assert [_name(resource) for resource in BUILTIN if resource.graceful] == ["v1 pods"]


@pytest.mark.parametrize("resource", WITH_STATUS, ids=_name)
def test_status_and_spec_are_written_apart(resource: Resource):
    # What only the server writes is left out of the changes: Kubernetes' hooks treat it in ways of their own.
    old: dict[str, Any] = {"metadata": {"name": "x"}, "spec": {}, "status": {}}
    resource.defaults(old)
    resource.prepare_create(old)
    old["status"] = {**(old.get("status") or {}), "observedGeneration": 1}
    before = deep_copy(old)

    main = deep_copy(old)
    main["status"] = {"observedGeneration": 7}
    resource.prepare_update(main, old)
    assert main["status"] == before["status"]

    status = deep_copy(old)
    status["spec"] = {**(status.get("spec") or {}), "bogus": 1}
    status["status"] = {**before["status"], "observedGeneration": 7}
    resource.prepare_status_update(status, old)
    assert status["spec"] == before["spec"]
    assert status["status"]["observedGeneration"] == 7
    assert old == before  # hooks never change what is there


@pytest.mark.parametrize("resource", WITH_STATUS, ids=_name)
def test_a_new_object_cannot_bring_its_status(resource: Resource):
    if resource.plural == "nodes":
        return  # registers with it
    obj: dict[str, Any] = {"metadata": {"name": "x"}, "status": {"observedGeneration": 5}}
    resource.defaults(obj)
    resource.prepare_create(obj)
    assert "observedGeneration" not in (obj.get("status") or {})


@pytest.mark.parametrize("resource", [r for r in STORED if r.tracks_generation], ids=_name)
def test_a_generation_is_a_change_of_the_spec(resource: Resource):
    old: dict[str, Any] = {"metadata": {"name": "x"}, "spec": {"a": 1}, "status": {"b": 1}}
    assert not resource.generation_changed(deep_copy(old), old)
    assert not resource.generation_changed({**deep_copy(old), "status": {"b": 2}}, old)
    assert resource.generation_changed({**deep_copy(old), "spec": {"a": 2}}, old)


def test_newer_kinds_keep_their_metadata_out_of_status_writes():
    old = {"metadata": {"name": "x", "labels": {"a": "b"}}, "spec": {}, "status": {}}
    new = {
        "metadata": {"name": "x", "labels": {"a": "c"}, "annotations": {"k": "v"}, "finalizers": ["f.io/x"]},
        "spec": {},
        "status": {"ok": True},
    }
    replace_only_status(new, old)
    assert new == {"metadata": {"name": "x", "labels": {"a": "b"}}, "spec": {}, "status": {"ok": True}}


# Jobs ---------------------------------------------------------------------------------------------------------------


def _job(**spec: Any) -> dict[str, Any]:
    job = {"metadata": {"name": "j", "uid": "u-1"}, "spec": {"template": {"spec": {}}, **spec}}
    jobs = _find("batch/v1 jobs")
    jobs.defaults(job)
    jobs.prepare_create(job)
    return job


def test_a_job_finds_its_pods_by_its_uid():
    job = _job()
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}
    assert job["spec"]["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": "u-1",
        "batch.kubernetes.io/job-name": "j",
        "controller-uid": "u-1",
        "job-name": "j",
    }
    assert job["metadata"]["labels"] == job["spec"]["template"]["metadata"]["labels"]


def test_a_job_with_a_selector_of_its_own_is_left_alone():
    selector = {"matchLabels": {"a": "b"}}
    job = _job(manualSelector=True, selector=selector)
    assert job["spec"]["selector"] == selector
    assert "labels" not in job["spec"]["template"]["metadata"]


# Others -------------------------------------------------------------------------------------------------------------


def test_a_daemon_set_counts_the_changes_of_its_template():
    sets = _find("apps/v1 daemonsets")
    old: dict[str, Any] = {"metadata": {"name": "x"}, "spec": {"template": {"spec": {}}}}
    sets.defaults(old)
    sets.prepare_create(old)
    annotation = "deprecated.daemonset.template.generation"
    assert old["metadata"]["annotations"] == {annotation: "1"}
    new = deep_copy(old)
    del new["metadata"]["annotations"]
    sets.prepare_update(new, old)
    assert new["metadata"]["annotations"] == {annotation: "1"}
    new["spec"]["template"]["spec"]["nodeName"] = "n"
    sets.prepare_update(new, old)
    assert new["metadata"]["annotations"] == {annotation: "2"}


def test_the_two_sources_of_a_claim_say_the_same():
    claims = _find("v1 persistentvolumeclaims")
    source = {"kind": "PersistentVolumeClaim", "name": "other"}
    for given, follows in (("dataSource", "dataSourceRef"), ("dataSourceRef", "dataSource")):
        claim: dict[str, Any] = {"metadata": {"name": "x"}, "spec": {given: dict(source)}}
        claims.defaults(claim)
        claims.prepare_create(claim)
        assert claim["spec"][follows] == source
    claim = {"metadata": {"name": "x"}, "spec": {"dataSourceRef": {**source, "namespace": "n"}}}
    claims.prepare_create(claim)
    assert "dataSource" not in claim["spec"]


def test_a_volume_says_when_its_phase_changed():
    volumes = _find("v1 persistentvolumes")
    assert volumes.stamp is not None
    volume: dict[str, Any] = {"metadata": {"name": "x"}}
    volumes.defaults(volume)
    volumes.prepare_create(volume)
    volumes.stamp(volume, None, "2026-01-02T03:04:05Z")
    assert volume["status"] == {"phase": "Pending", "lastPhaseTransitionTime": "2026-01-02T03:04:05Z"}
    bound = deep_copy(volume)
    volumes.stamp(bound, volume, "2026-01-02T03:04:06Z")
    assert bound == volume
    bound["status"]["phase"] = "Bound"
    volumes.stamp(bound, volume, "2026-01-02T03:04:06Z")
    assert bound["status"]["lastPhaseTransitionTime"] == "2026-01-02T03:04:06Z"


def test_a_definition_remembers_every_version_it_stored():
    definitions = catalog.find("apiextensions.k8s.io", "v1", "customresourcedefinitions")
    assert definitions is not None
    old: dict[str, Any] = {
        "metadata": {"name": "x"},
        "spec": {"names": {"kind": "W"}, "versions": [{"name": "v1", "storage": True}]},
    }
    definitions.defaults(old)
    definitions.prepare_create(old)
    assert old["status"]["storedVersions"] == ["v1"]
    new = deep_copy(old)
    new["spec"]["versions"] = [{"name": "v1", "storage": False}, {"name": "v2", "storage": True}]
    definitions.prepare_update(new, old)
    assert new["status"]["storedVersions"] == ["v1", "v2"]
    assert old["status"]["storedVersions"] == ["v1"]


def test_a_local_api_service_is_available_at_once():
    services = _find("apiregistration.k8s.io/v1 apiservices")
    assert services.stamp is not None
    service: dict[str, Any] = {"metadata": {"name": "v1.x.io"}, "spec": {"group": "x.io", "version": "v1"}}
    services.prepare_create(service)
    services.stamp(service, None, "2026-01-02T03:04:05Z")
    (condition,) = service["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Available", "True", "Local")
    assert condition["lastTransitionTime"] == "2026-01-02T03:04:05Z"


def test_an_account_names_secrets_and_nothing_else():
    accounts = _find("v1 serviceaccounts")
    account = {"metadata": {"name": "x"}, "secrets": [{"name": "s", "namespace": "other", "kind": "Secret"}]}
    accounts.prepare_create(account)
    assert account["secrets"] == [{"name": "s"}]


def test_signing_and_approving_are_different_rights():
    requests = _find("certificates.k8s.io/v1 certificatesigningrequests")
    approved = {"type": "Approved", "status": "True"}
    old: dict[str, Any] = {
        "metadata": {"name": "x"},
        "spec": {"signerName": "a/b"},
        "status": {"conditions": [approved]},
    }
    signed = {**deep_copy(old), "status": {"certificate": "LQ==", "conditions": [{"type": "Denied", "status": "True"}]}}
    requests.prepare_status_update(signed, old)
    assert signed["status"] == {"certificate": "LQ==", "conditions": [approved]}

    decided = {"metadata": {"name": "x"}, "spec": {}, "status": {"certificate": "mine", "conditions": [approved]}}
    prepare_approval(decided, {**old, "status": {}})
    assert (decided["spec"], decided["status"]) == ({"signerName": "a/b"}, {"conditions": [approved]})


def test_what_is_said_of_a_device_goes_with_its_allocation():
    claims = _find("resource.k8s.io/v1 resourceclaims")
    device = {"driver": "d", "pool": "p", "device": "gpu-0"}
    status = {"allocation": {"devices": {"results": [{"request": "r", **device}]}}, "devices": [device]}
    old = {"metadata": {"name": "x"}, "spec": {}, "status": status}
    new = {"metadata": {"name": "x"}, "spec": {}, "status": {"devices": [device]}}
    claims.prepare_status_update(new, old)
    assert new["status"] == {}


# Pods ---------------------------------------------------------------------------------------------------------------


def _pod(**spec: Any) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "metadata": {"name": "x", "labels": {"app": "web", "rev": "2"}},
        "spec": {"containers": [{"name": "c", "image": "nginx:1"}], **spec},
    }
    pods = _find("v1 pods")
    pods.defaults(pod)
    pods.prepare_create(pod)
    return pod


def test_selectors_by_the_pods_own_labels_are_written_out():
    term = {
        "topologyKey": "zone",
        "labelSelector": {"matchLabels": {"app": "web"}},
        "matchLabelKeys": ["rev", "absent"],
        "mismatchLabelKeys": ["app"],
    }
    spread = {"topologyKey": "zone", "labelSelector": {}, "matchLabelKeys": ["rev"]}
    pod = _pod(
        affinity={"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": term}]}},
        topologySpreadConstraints=[spread, {"topologyKey": "zone", "matchLabelKeys": ["rev"]}],
    )
    assert term["labelSelector"] == {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "rev", "operator": "In", "values": ["2"]},
            {"key": "app", "operator": "NotIn", "values": ["web"]},
        ],
    }
    first, second = pod["spec"]["topologySpreadConstraints"]
    assert first["labelSelector"]["matchExpressions"] == [{"key": "rev", "operator": "In", "values": ["2"]}]
    assert "labelSelector" not in second  # which matches nothing


@pytest.mark.parametrize(
    ("said", "profile"),
    [
        ("runtime/default", {"type": "RuntimeDefault"}),
        ("unconfined", {"type": "Unconfined"}),
        ("localhost/mine", {"type": "Localhost", "localhostProfile": "mine"}),
        ("nonsense", None),
    ],
)
def test_an_annotation_of_a_profile_becomes_a_field(said: str, profile: dict[str, Any] | None):
    pod = _pod()
    pod["metadata"]["annotations"] = {"container.apparmor.security.beta.kubernetes.io/c": said}
    _find("v1 pods").prepare_create(pod)
    assert (pod["spec"]["containers"][0].get("securityContext") or {}).get("appArmorProfile") == profile


def test_a_pod_that_asks_as_a_whole_is_judged_as_a_whole():
    both = {"cpu": "1", "memory": "1Gi"}
    assert _pod(resources={"requests": both, "limits": both})["status"]["qosClass"] == "Guaranteed"
    assert _pod(resources={"limits": {"cpu": "1"}})["status"]["qosClass"] == "Burstable"
    assert _pod(resources={})["status"]["qosClass"] == "BestEffort"
