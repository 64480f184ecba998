"""What the API server fills into a pod, and into the pod template of a workload.

Source: Kubernetes pkg/apis/core/v1/defaults.go. Admission (service account, tolerations, priority) is not here.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds.pod_resources import default_pod_resources
from apiserver.kinds.strategy import round_amounts, set_missing
from apiserver.kinds.volume_defaults import default_field_ref, default_volume, pull_policy

Object = dict[str, Any]

_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")


def default_pod(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("enableServiceLinks", True)
    for name in ("initContainers", "containers"):
        for container in spec.get(name) or ():
            _default_requests(container.setdefault("resources", {}))
            if spec.get("hostNetwork"):
                for port in container.get("ports") or ():
                    if not port.get("hostPort"):
                        port["hostPort"] = port.get("containerPort", 0)
    default_pod_resources(spec)
    default_pod_spec(spec)


def default_pod_template(template: Object) -> None:
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))


def default_pod_spec(spec: Object) -> None:
    """The defaults that pods and templates share."""
    set_missing(spec, "restartPolicy", "Always")
    if "terminationGracePeriodSeconds" not in spec:
        spec["terminationGracePeriodSeconds"] = 30
    set_missing(spec, "dnsPolicy", "ClusterFirst")
    set_missing(spec, "schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    if spec.get("serviceAccountName"):  # the deprecated alias follows
        spec["serviceAccount"] = spec["serviceAccountName"]
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for name in _CONTAINER_LISTS:
        for container in spec.get(name) or ():
            _default_container(container)
    for volume in spec.get("volumes") or ():
        default_volume(volume)


def _default_requests(resources: Object) -> None:
    """A limit without a request is also the request."""
    limits = resources.get("limits")
    if limits:
        requests = resources.setdefault("requests", {})
        for name, amount in limits.items():
            requests.setdefault(name, amount)


def _default_container(container: Object) -> None:
    resources = container.setdefault("resources", {})
    if resources:
        round_amounts(resources.get("limits"))
        round_amounts(resources.get("requests"))
    set_missing(container, "terminationMessagePath", "/dev/termination-log")
    set_missing(container, "terminationMessagePolicy", "File")
    set_missing(container, "imagePullPolicy", pull_policy(container.get("image", "")))
    for port in container.get("ports") or ():
        set_missing(port, "protocol", "TCP")
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        default_field_ref(source)
        if source.get("fileKeyRef") is not None:
            source["fileKeyRef"].setdefault("optional", False)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _default_probe(container[name])
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _default_http_get(handler)


def _default_probe(probe: Object) -> None:
    set_missing(probe, "timeoutSeconds", 1)
    set_missing(probe, "periodSeconds", 10)
    set_missing(probe, "successThreshold", 1)
    set_missing(probe, "failureThreshold", 3)
    _default_http_get(probe)
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _default_http_get(handler: Object) -> None:
    if "httpGet" in handler:
        set_missing(handler["httpGet"], "path", "/")
        set_missing(handler["httpGet"], "scheme", "HTTP")
