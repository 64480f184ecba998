"""The core group, v1."""

from __future__ import annotations

from typing import Any

from apiserver.kinds import (
    cluster_scope,
    configuration,
    discovered,
    pod_defaults,
    pod_subresources,
    pods,
    services,
    strategy,
    volume_defaults,
    volumes,
    workloads,
)
from apiserver.kinds.declaring import declare
from apiserver.kinds.resource import ScalePaths, read_text
from apiserver.kinds.rows import core as rows
from apiserver.kinds.rows import storage as storage_rows
from apiserver.kinds.rows.cells import ONLY_AGE
from apiserver.kinds.rows.pods import POD

Object = dict[str, Any]


def default_limit_range(limit_range: Object) -> None:
    """What a container is limited to by default is the maximum, what it requests is that limit, or else the minimum."""
    for item in limit_range.setdefault("spec", {}).setdefault("limits", None) or ():
        if item.get("type") != "Container":
            continue
        default, request = dict(item.get("default") or {}), dict(item.get("defaultRequest") or {})
        default = {**(item.get("max") or {}), **default}
        request = {**(item.get("min") or {}), **default, **request}
        for field, amounts in (("default", default), ("defaultRequest", request)):
            if amounts:
                item[field] = amounts


def default_pod_template_object(obj: Object) -> None:
    pod_defaults.default_pod_template(obj.setdefault("template", {}))


BINDINGS = declare("v1 bindings", is_virtual=True)

COMPONENT_STATUSES = declare(
    "v1 componentstatuses",
    table=rows.COMPONENT_STATUS,
    is_virtual=True,
    deprecation="v1 ComponentStatus is deprecated in v1.19+",
)

CONFIG_MAPS = declare(
    "v1 configmaps",
    table=rows.CONFIG_MAP,
)

ENDPOINTS = declare(
    "v1 endpoints",
    table=rows.ENDPOINTS,
    deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    create_on_update=True,
    defaults=discovered.default_endpoints,
)

EVENTS = declare(
    "v1 events",
    table=rows.EVENT,
    create_on_update=True,
    defaults=discovered.default_event,
    field_labels=discovered.EVENT_LABELS,
)

LIMIT_RANGES = declare("v1 limitranges", create_on_update=True, defaults=default_limit_range)

NAMESPACES = declare(
    "v1 namespaces",
    table=rows.NAMESPACE,
    defaults=cluster_scope.default_namespace,
    prepare_create=cluster_scope.prepare_namespace,
    prepare_update=cluster_scope.prepare_namespace_update,
    field_labels=cluster_scope.NAMESPACE_LABELS,
)

NODES = declare(
    "v1 nodes",
    table=rows.NODE,
    defaults=cluster_scope.default_node,
    prepare_create=cluster_scope.prepare_node,
    field_labels=cluster_scope.NODE_LABELS,
)

PERSISTENT_VOLUME_CLAIMS = declare(
    "v1 persistentvolumeclaims",
    table=storage_rows.PERSISTENT_VOLUME_CLAIM,
    defaults=volume_defaults.default_claim,
    prepare_create=volumes.prepare_claim,
    prepare_update=volumes.prepare_claim_update,
)

PERSISTENT_VOLUMES = declare(
    "v1 persistentvolumes",
    table=storage_rows.PERSISTENT_VOLUME,
    defaults=volume_defaults.default_persistent_volume,
    prepare_create=volumes.prepare_volume,
    stamp=volumes.stamp_volume,
)

POD_TEMPLATES = declare(
    "v1 podtemplates",
    table=rows.POD_TEMPLATE,
    tracks_generation=True,
    defaults=default_pod_template_object,
)

PODS = declare(
    "v1 pods",
    table=POD,
    tracks_generation=True,
    graceful=True,
    defaults=pod_defaults.default_pod,
    prepare_create=pods.prepare_create,
    prepare_update=pods.prepare_update,
    prepare_status_update=pods.prepare_status_update,
    parts=pod_subresources.PARTS,
    field_labels=pods.FIELD_LABELS,
)

REPLICATION_CONTROLLERS = declare(
    "v1 replicationcontrollers",
    table=rows.REPLICATION_CONTROLLER,
    tracks_generation=True,
    scale=ScalePaths(selector="spec.selector"),
    defaults=workloads.default_replication_controller,
    prepare_create=workloads.prepare_replica_set,
    field_labels={"status.replicas": read_text("status", "replicas", default="0")},
)

RESOURCE_QUOTAS = declare(
    "v1 resourcequotas", table=rows.RESOURCE_QUOTA, defaults=strategy.default_spec, prepare_create=strategy.empty_status
)

SECRETS = declare(
    "v1 secrets",
    table=rows.SECRET,
    defaults=configuration.default_secret,
    field_labels={"type": read_text("type")},
)

SERVICE_ACCOUNTS = declare(
    "v1 serviceaccounts",
    table=ONLY_AGE,
    prepare_create=configuration.prepare_service_account,
    prepare_update=configuration.prepare_service_account_update,
)

SERVICES = declare(
    "v1 services",
    table=rows.SERVICE,
    create_on_update=True,
    defaults=services.defaults,
    prepare_create=services.prepare_create,
    prepare_update=services.prepare_update,
    field_labels=services.FIELD_LABELS,
)

RESOURCES = (
    BINDINGS,
    COMPONENT_STATUSES,
    CONFIG_MAPS,
    ENDPOINTS,
    EVENTS,
    LIMIT_RANGES,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    POD_TEMPLATES,
    PODS,
    REPLICATION_CONTROLLERS,
    RESOURCE_QUOTAS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
