"""The objects of a run: bench-0 … bench-N in the plan's namespace, of one of a few resources, with the stamp in an annotation.

    put number n      object n % objects      round n // objects: 0 create, 1 update, 2 update, 3 delete, and again

An update is a merge patch of the stamp, which works for every kind. A deletion has no place for a stamp: it is checked like all
events, and has no latency.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kvcluster.load.links import LoadError
from kvcluster.load.watching import stamp_text

STAMP = "kvcluster/written"
PADDING = "kvcluster/padding"
LABEL = "kvcluster-load"
SELECTOR = f"labelSelector={LABEL}%3Dtrue"
CYCLE = ("create", "update", "update", "delete")


class Resource(NamedTuple):
    group_path: str
    api_version: str
    kind: str
    fields: dict[str, Any]


RESOURCES = {
    "configmaps": Resource("/api/v1", "v1", "ConfigMap", {}),
    "secrets": Resource("/api/v1", "v1", "Secret", {}),
    "leases": Resource("/apis/coordination.k8s.io/v1", "coordination.k8s.io/v1", "Lease", {"spec": {}}),
    "pods": Resource(
        "/api/v1",
        "v1",
        "Pod",
        # Nobody runs it: no scheduler has this name.
        {"spec": {"schedulerName": "nobody", "containers": [{"name": "none", "image": "none"}]}},
    ),
}


def find_resource(name: str) -> Resource:
    """Raises LoadError."""
    if name not in RESOURCES:
        raise LoadError(f"resource must be one of {', '.join(RESOURCES)}, not {name!r}")
    return RESOURCES[name]


def collection_path(resource: str, namespace: str) -> str:
    return f"{find_resource(resource).group_path}/namespaces/{namespace}/{resource}"


def object_name(number: int) -> str:
    return f"bench-{number}"


def verb_of(put: int, objects: int) -> str:
    return CYCLE[put // objects % len(CYCLE)]


def build_object(resource: str, name: str, written_ns: int, number: int, val_size: int) -> dict[str, Any]:
    kind = find_resource(resource)
    annotations = {STAMP: stamp_text(written_ns, number), PADDING: "x" * val_size}
    metadata = {"name": name, "labels": {LABEL: "true"}, "annotations": annotations}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **kind.fields}


def build_patch(written_ns: int, number: int) -> dict[str, Any]:
    return {"metadata": {"annotations": {STAMP: stamp_text(written_ns, number)}}}
