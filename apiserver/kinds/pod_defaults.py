"""What the API server fills into a pod, and into the pod template of a workload.

Source: Kubernetes pkg/apis/core/v1/defaults.go. Admission (service account, tolerations, priority) is not here.
"""

from __future__ import annotations

import re
from typing import Any

Object = dict[str, Any]

_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
_FILE_MODE = 0o644
_TOKEN_SECONDS = 3600

_DIGEST = re.compile(r"@[A-Za-z0-9_+.-]+:[0-9a-fA-F]{32,}$")
_TAG = re.compile(r":([\w][\w.-]*)$")


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
    if "resources" in spec:
        _default_requests(spec["resources"])
    default_pod_spec(spec)


def default_pod_template(template: Object) -> None:
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
        _default_volume(volume)


def set_missing(obj: Object, field: str, value: Any) -> None:
    """Sets a field that is absent or, as Go cannot tell the two apart, empty."""
    if not obj.get(field):
        obj[field] = value


def _default_requests(resources: Object) -> None:
    """A limit without a request is also the request."""
    limits = resources.get("limits")
    if limits:
        requests = resources.setdefault("requests", {})
        for name, amount in limits.items():
            requests.setdefault(name, amount)


def _default_container(container: Object) -> None:
    container.setdefault("resources", {})
    set_missing(container, "terminationMessagePath", "/dev/termination-log")
    set_missing(container, "terminationMessagePolicy", "File")
    set_missing(container, "imagePullPolicy", "Always" if _is_latest(container.get("image", "")) else "IfNotPresent")
    for port in container.get("ports") or ():
        set_missing(port, "protocol", "TCP")
    for variable in container.get("env") or ():
        _default_field_ref(variable.get("valueFrom") or {})
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _default_probe(container[name])
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _default_http_get(handler)


def _is_latest(image: str) -> bool:
    """Whether the image names no version: no digest, and no tag or the tag "latest"."""
    if _DIGEST.search(image):
        return False
    tag = _TAG.search(image.rpartition("/")[2])
    return tag is None or tag[1] == "latest"


def _default_field_ref(source: Object) -> None:
    if source.get("fieldRef"):
        set_missing(source["fieldRef"], "apiVersion", "v1")


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


def _default_volume(volume: Object) -> None:
    if all(key == "name" for key in volume):
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        if kind in volume:
            volume[kind].setdefault("defaultMode", _FILE_MODE)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    if "iscsi" in volume:
        set_missing(volume["iscsi"], "iscsiInterface", "default")
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _default_field_ref(item)
    for source in (volume.get("projected") or {}).get("sources") or ():
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _default_field_ref(item)
        if "serviceAccountToken" in source:
            set_missing(source["serviceAccountToken"], "expirationSeconds", _TOKEN_SECONDS)
    claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if claim:
        set_missing(claim.setdefault("spec", {}), "volumeMode", "Filesystem")
