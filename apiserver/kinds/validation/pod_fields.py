"""References to the pod's own fields and resources: what the downward API can tell, in variables and in files."""

from __future__ import annotations

import re

from apiserver.errors import Cause
from apiserver.kinds.validation.values import Object
from apiserver.meta import canonical_quantity, check_qualified_name, invalid, not_supported, required

ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_KNOWN_FIELDS = (*ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase")
_RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory",
)  # fmt: skip
_SUBSCRIPT = re.compile(r"(.*)\['(.*)'\]", re.DOTALL)
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


def field_ref(reference: Object, path: str, fields: tuple[str, ...]) -> list[Cause]:
    version, text = reference.get("apiVersion", ""), reference.get("fieldPath", "")
    if not version:
        return [required(f"{path}.apiVersion")]
    if not text:
        return [required(f"{path}.fieldPath")]
    match = _SUBSCRIPT.fullmatch(text)
    name, key = match.groups() if match else (text, "")
    if version != "v1":
        return [invalid(f"{path}.fieldPath", text, f"error converting fieldPath: unsupported pod version: {version}")]
    if match:
        if name not in ("metadata.annotations", "metadata.labels"):
            return [invalid(path, name, "does not support subscript")]
        said = key.lower() if name == "metadata.annotations" else key
        return [invalid(path, key, why) for why in check_qualified_name(said)]
    if name not in _KNOWN_FIELDS and name != "spec.host":
        return [invalid(f"{path}.fieldPath", text, f"error converting fieldPath: field label not supported: {text}")]
    return [] if name in fields else [not_supported(f"{path}.fieldPath", name, fields)]


def resource_ref(reference: Object, path: str, *, in_volume: bool = False) -> list[Cause]:
    resource = reference.get("resource", "")
    causes: list[Cause] = []
    huge = resource.startswith(("requests.hugepages-", "limits.hugepages-"))
    if in_volume and not reference.get("containerName"):
        causes.append(required(f"{path}.containerName"))
    elif not resource:
        causes.append(required(f"{path}.resource"))
    elif resource not in _RESOURCES and not huge:
        causes.append(not_supported(f"{path}.resource", resource, _RESOURCES))
    divisor = canonical_quantity(reference.get("divisor") or "0")
    if divisor == "0":
        return causes
    what = resource.partition(".")[2]
    if what == "cpu":
        if divisor not in ("1m", "1"):
            why = "only divisor's values 1m and 1 are supported with the cpu resource"
            causes.append(invalid(f"{path}.divisor", what, why))
    elif divisor not in _SIZES:
        said = {"ephemeral-storage": "local ephemeral storage"}.get(what, "hugepages" if huge else what)
        why = f"only divisor's values {', '.join(_SIZES)} are supported with the {said} resource"
        causes.append(invalid(f"{path}.divisor", what, why))
    return causes
