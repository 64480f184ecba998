"""What an update may change, what it keeps, and what selectors and scales see."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.errors import StatusError
from apiserver.kinds import (
    Resource,
    apply_scale,
    catalog,
    check_field_validation,
    decode_body,
    decode_body_of,
    decode_object,
    decode_options,
    find_type,
    scale_of,
    validate_scale,
)
from apiserver.meta import deep_copy, encode, parse_field_selector, set_field, strategic_merge


def find(plural: str, group: str = "") -> Resource:
    resource = catalog.find(group, "v1", plural)
    assert resource is not None
    return resource


def create(resource: Resource, body: dict[str, Any]) -> dict[str, Any]:
    obj = decode_body(resource, encode(body)).obj
    obj["metadata"].setdefault("name", "x")
    if resource.namespaced:
        obj["metadata"].setdefault("namespace", "default")
    resource.defaults(obj)
    resource.prepare_create(obj)
    assert resource.validate(obj) == []
    return obj


def update(resource: Resource, old: dict[str, Any], path: str, value: Any) -> list[str]:
    """Sets one field and answers what is wrong with that: "field: message"."""
    obj = deep_copy(old)
    set_field(obj, path, value)
    before = deep_copy(old)
    resource.defaults(obj)
    resource.prepare_update(obj, old)
    causes = resource.validate(obj) + resource.validate_update(obj, old)
    assert old == before
    return [f"{cause.field}: {cause.message}" for cause in causes]


POD = {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": POD["spec"]}
WORKLOAD = {"metadata": {}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}}


# Pods ---------------------------------------------------------------------------------------------------------------


def test_a_pod_may_change_its_images_and_little_else():
    pods = find("pods")
    pod = create(pods, POD)
    other_image = [{**pod["spec"]["containers"][0], "image": "other"}]
    assert update(pods, pod, "spec.containers", other_image) == []
    assert update(pods, pod, "spec.activeDeadlineSeconds", 5) == []
    assert update(pods, pod, "spec.tolerations", [{"key": "a", "operator": "Exists"}]) == []
    assert update(pods, pod, "metadata.labels", {"a": "b"}) == []
    (refusal,) = update(pods, pod, "spec.nodeName", "n3")
    assert refusal.startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
        "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
    )
    assert '"n3"' in refusal
    assert update(pods, pod, "spec.containers", other_image * 2)[-1] == (
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    )


def test_a_deadline_only_comes_nearer_and_tolerations_only_grow():
    pods = find("pods")
    spec = {**POD["spec"], "activeDeadlineSeconds": 5, "tolerations": [{"key": "a", "operator": "Exists"}]}
    pod = create(pods, {"metadata": {}, "spec": spec})
    assert update(pods, pod, "spec.activeDeadlineSeconds", 4) == []
    assert update(pods, pod, "spec.activeDeadlineSeconds", 6) == [
        "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"
    ]
    assert update(pods, pod, "spec.tolerations", []) == [
        "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
    ]


def test_scheduling_gates_only_open():
    pods = find("pods")
    pod = create(pods, {"metadata": {}, "spec": {**POD["spec"], "schedulingGates": [{"name": "a"}]}})
    assert pod["status"]["conditions"][0]["reason"] == "SchedulingGated"
    assert update(pods, pod, "spec.schedulingGates", []) == []
    assert update(pods, pod, "spec.nodeSelector", {"a": "b"}) == []
    assert update(pods, pod, "spec.schedulingGates", [{"name": "b"}]) == [
        "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'b'"
    ]


def test_status_and_spec_are_written_apart():
    pods = find("pods")
    old = create(pods, POD)
    main = deep_copy(old)
    main["status"] = {"phase": "Failed"}
    pods.prepare_update(main, old)
    assert main["status"] == old["status"]
    status = deep_copy(old)
    status["status"] = {"phase": "Running", "qosClass": "Guaranteed"}
    status["spec"] = {"containers": []}
    status["metadata"]["labels"] = {"a": "b"}
    status["metadata"]["ownerReferences"] = [{"uid": "1"}]
    pods.prepare_status_update(status, old)
    assert status["spec"] == old["spec"]
    assert status["status"] == {"phase": "Running", "qosClass": "BestEffort"}
    assert status["metadata"] == {**old["metadata"], "labels": {"a": "b"}}


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "0"}}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}], "Burstable"),
        ([{"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "1"}}], "BestEffort"),
    ],
)
def test_qos_classes(resources: list[dict[str, Any]], qos: str):
    containers = [{"name": f"c{n}", "image": "i", "resources": given} for n, given in enumerate(resources)]
    assert create(find("pods"), {"metadata": {}, "spec": {"containers": containers}})["status"]["qosClass"] == qos


def test_pod_field_selectors():
    pods = find("pods")
    pod = create(pods, {"metadata": {"name": "p"}, "spec": {**POD["spec"], "nodeName": "n1"}})
    assert pods.bind_field_selector(parse_field_selector("spec.nodeName=n1,status.phase!=Failed,metadata.name=p"))(pod)
    assert pods.bind_field_selector(parse_field_selector("spec.hostNetwork=false,status.podIP="))(pod)
    assert not pods.bind_field_selector(parse_field_selector("spec.restartPolicy=Never"))(pod)
    with pytest.raises(StatusError, match="field label not supported: spec.foo"):
        pods.bind_field_selector(parse_field_selector("spec.foo=x"))


# Workloads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plural", ["deployments", "replicasets"])
def test_a_selector_is_for_ever(plural: str):
    resource = find(plural, "apps")
    workload = create(resource, WORKLOAD)
    both = {"a": "b", "c": "d"}
    workload["spec"]["template"]["metadata"]["labels"] = both
    assert update(resource, workload, "spec.selector", {"matchLabels": {"c": "d"}}) == [
        'spec.selector: Invalid value: {"matchLabels":{"c":"d"}}: field is immutable'
    ]
    assert update(resource, workload, "spec.replicas", 7) == []


def test_generation_of_a_deployment_follows_spec_and_annotations():
    deployments = find("deployments", "apps")
    old = create(deployments, WORKLOAD)
    for path, value, expected in (
        ("spec.replicas", 3, True),
        ("metadata.annotations", {"a": "b"}, True),
        ("metadata.labels", {"a": "b"}, False),
        ("status.replicas", 3, False),
    ):
        new = deep_copy(old)
        set_field(new, path, value)
        assert deployments.generation_changed(new, old) is expected


def test_patching_a_template_as_kube_apiserver_does():
    """The container that is patched in stands first; a directive takes the other one away."""
    deployments = find("deployments", "apps")
    deployment = create(deployments, WORKLOAD)

    def patched(*containers: dict[str, Any]) -> list[str]:
        patch = {"spec": {"template": {"spec": {"containers": list(containers)}}}}
        made = deep_copy(strategic_merge(deployment, patch, deployments.schema))
        assert decode_object(made, deployments.schema, "v1", "Deployment") == []
        return [container["name"] for container in made["spec"]["template"]["spec"]["containers"]]

    assert patched({"name": "d", "image": "two"}) == ["d", "c"]
    assert patched({"name": "d", "image": "two"}, {"name": "c", "$patch": "delete"}) == ["d"]


def test_rolling_updates_must_be_able_to_move():
    deployments = find("deployments", "apps")
    deployment = create(deployments, WORKLOAD)
    path = "spec.strategy.rollingUpdate.maxUnavailable"
    assert update(deployments, deployment, path, "150%") == [
        f'{path}: Invalid value: "150%": must not be greater than 100%'
    ]
    assert update(deployments, deployment, path, -1) == [
        f"{path}: Invalid value: -1: must be greater than or equal to 0"
    ]
    assert update(deployments, deployment, path, "x")[0].startswith(f'{path}: Invalid value: "x": a valid percent')
    assert update(deployments, deployment, "spec.progressDeadlineSeconds", 0) == [
        "spec.progressDeadlineSeconds: Invalid value: 0: must be greater than minReadySeconds"
    ]


def test_scale():
    deployments = find("deployments", "apps")
    deployment = create(deployments, WORKLOAD)
    deployment["metadata"]["labels"] = {"not": "shown"}
    assert scale_of(deployments, deployment) == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {"name": "x", "namespace": "default"},
        "spec": {"replicas": 1},
        "status": {"replicas": 0, "selector": "a=b"},
    }
    apply_scale(deployments, deployment, {"spec": {}})
    assert deployment["spec"]["replicas"] == 0
    assert scale_of(deployments, deployment)["spec"] == {}
    assert validate_scale({"spec": {"replicas": 1}}) == []
    assert [cause.field for cause in validate_scale({"spec": {"replicas": -1}})] == ["spec.replicas"]


# Services and data --------------------------------------------------------------------------------------------------


def test_what_was_allocated_to_a_service_survives_an_apply():
    services = find("services")
    service = create(services, {"metadata": {}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}})
    service["spec"].update(clusterIP="10.96.0.7", clusterIPs=["10.96.0.7"])
    service["spec"]["ports"][0]["nodePort"] = 30080
    sent = decode_body(services, encode({"spec": {"type": "NodePort", "ports": [{"port": 80}, {"port": 81}]}})).obj
    services.defaults(sent)
    services.prepare_update(sent, service)
    assert (sent["spec"]["clusterIP"], sent["spec"]["clusterIPs"]) == ("10.96.0.7", ["10.96.0.7"])
    assert [port.get("nodePort") for port in sent["spec"]["ports"]] == [30080, None]
    assert update(services, service, "spec.clusterIP", "10.96.0.8") != []


def test_a_service_that_becomes_external_lets_go():
    services = find("services")
    service = create(services, {"metadata": {}, "spec": {"ports": [{"port": 80}]}})
    service["spec"].update(clusterIP="10.96.0.7", clusterIPs=["10.96.0.7"])
    sent = decode_body(services, b'{"spec":{"type":"ExternalName","externalName":"a.b"}}').obj
    services.defaults(sent)
    services.prepare_update(sent, service)
    assert sent["spec"] == {"type": "ExternalName", "externalName": "a.b", "sessionAffinity": "None"}


def test_changing_the_type_lets_go_of_what_the_old_type_had():
    services = find("services")
    service = create(services, {"metadata": {}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})
    service["spec"]["ports"][0]["nodePort"] = 30080
    service["spec"].update(clusterIP="10.96.0.7", clusterIPs=["10.96.0.7"])
    patched = strategic_merge(service, {"spec": {"type": "ClusterIP"}}, services.schema)
    patched = deep_copy(patched)
    services.defaults(patched)
    services.prepare_update(patched, service)
    assert services.validate(patched) + services.validate_update(patched, service) == []
    assert patched["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert patched["spec"]["clusterIP"] == "10.96.0.7"
    assert not {"allocateLoadBalancerNodePorts", "externalTrafficPolicy"} & patched["spec"].keys()


@pytest.mark.parametrize(("plural", "value"), [("configmaps", "x"), ("secrets", "eA==")])
def test_immutable_data(plural: str, value: str):
    resource = find(plural)
    obj = create(resource, {"metadata": {}, "data": {"a": value}, "immutable": True})
    text = "Forbidden: field is immutable when `immutable` is set"
    assert update(resource, obj, "data.b", value) == [f"data: {text}"]
    assert update(resource, obj, "immutable", False) == [f"immutable: {text}"]
    assert update(resource, obj, "metadata.labels", {"a": "b"}) == []


def test_a_secret_keeps_its_type_and_holds_what_it_needs():
    secrets = find("secrets")
    secret = create(secrets, {"metadata": {}, "stringData": {"a": "hi"}})
    assert secret["data"] == {"a": "aGk="}
    assert update(secrets, secret, "type", "other") == ['type: Invalid value: "other": field is immutable']
    tls = {"metadata": {"name": "x", "namespace": "d"}, "type": "kubernetes.io/tls", "data": {}}
    assert [cause.field for cause in secrets.validate(tls)] == ["data[tls.crt]", "data[tls.key]"]


# The rest -----------------------------------------------------------------------------------------------------------


def test_metadata_rules():
    config_maps = find("configmaps")
    old = create(config_maps, {"metadata": {"uid": "1"}})
    assert update(config_maps, old, "metadata.name", "y") == ['metadata.name: Invalid value: "y": field is immutable']
    assert update(config_maps, old, "metadata.finalizers", ["x"]) == [
        'metadata.finalizers: Invalid value: "x": name is neither a standard finalizer name nor is it fully qualified'
    ]
    assert update(config_maps, old, "metadata.annotations", {"a": "x" * (256 * 1024)}) == [
        "metadata.annotations: Too long: may not be more than 262144 bytes"
    ]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1", "controller": True}
    assert update(config_maps, old, "metadata.ownerReferences", [owner]) == []
    assert len(update(config_maps, old, "metadata.ownerReferences", [owner, {**owner, "uid": "2"}])) == 1
    old["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    (refusal,) = update(config_maps, old, "metadata.finalizers", ["x.io/a"])
    assert "no new finalizers can be added if the object is being deleted" in refusal


def test_namespaces_keep_their_finalizer_and_their_name_label():
    namespaces = find("namespaces")
    namespace = create(namespaces, {"metadata": {"name": "n"}})
    sent = {"metadata": {"name": "n", "labels": {"a": "b"}}, "spec": {"finalizers": []}}
    namespaces.defaults(sent)
    namespaces.prepare_update(sent, namespace)
    assert sent["spec"] == {"finalizers": ["kubernetes"]}
    assert sent["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": "n"}
    assert sent["status"] == {"phase": "Active"}


def test_nodes_register_with_their_status():
    nodes = find("nodes")
    node = create(nodes, {"metadata": {"name": "n"}, "status": {"capacity": {"cpu": "4000m"}}})
    assert node["status"]["capacity"] == node["status"]["allocatable"] == {"cpu": "4"}
    node["spec"]["providerID"] = "a"
    assert update(nodes, node, "spec.providerID", "b") == [
        'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid'
    ]
    taint = {"key": "k", "effect": "NoSchedule"}
    assert len(update(nodes, node, "spec.taints", [taint, taint])) == 1


def test_events_live_where_their_object_lives():
    events = find("events")
    event = {"metadata": {"name": "e", "namespace": "a"}, "involvedObject": {"namespace": "b"}}
    assert [cause.message for cause in events.validate(event)] == ['Invalid value: "b": does not match event.namespace']
    event = {"metadata": {"name": "e", "namespace": "default"}, "involvedObject": {"kind": "Node", "name": "n"}}
    assert events.validate(event) == []
    assert events.bind_field_selector(parse_field_selector("involvedObject.kind=Node"))(event)


def test_bodies_that_are_no_resources():
    binding = b'{"target":{"kind":"Node","name":"n"},"bogus":1}'
    decoded = decode_body_of(binding, find_type("core.v1.Binding"), "", "v1", "Binding")
    assert decoded.obj["target"] == {"kind": "Node", "name": "n"}
    assert decoded.warnings == ['unknown field "bogus"']
    options = decode_options(b'{"kind":"DeleteOptions","apiVersion":"policy/v1","gracePeriodSeconds":0}')
    assert options["gracePeriodSeconds"] == 0
    for body in (b'{"kind":"Pod","apiVersion":"v1"}', b'{"gracePeriodSeconds":"x"}', b"[]"):
        with pytest.raises(StatusError):
            decode_options(body)


def test_field_validation_has_three_values():
    assert check_field_validation("") == "Warn"
    with pytest.raises(StatusError) as refusal:
        check_field_validation("Nope")
    assert refusal.value.message == (
        'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Nope": supported values: "", '
        '"Ignore", "Strict", "Warn"'
    )


@pytest.mark.parametrize("body", [b'{"kind":5}', b'{"apiVersion":[]}', b'{"apiVersion":"a/b/c"}', b'{"metadata":5}'])
def test_odd_type_names_are_bad_requests(body: bytes):
    with pytest.raises(StatusError) as refusal:
        decode_body(find("pods"), body)
    assert refusal.value.code == 400
