"""The core group, v1."""

from __future__ import annotations

from typing import Any

from apiserver.kinds import (
    cluster_scope,
    configuration,
    discovered,
    pod_defaults,
    pod_row,
    pods,
    rows,
    services,
    strategy,
    volume_defaults,
    volumes,
    workloads,
)
from apiserver.kinds.declaring import declare
from apiserver.kinds.resource import ScalePaths, read_text

Object = dict[str, Any]


def default_limit_range(limit_range: Object) -> None:
    """What a container is limited to by default is the maximum, what it requests is that limit, or else the minimum."""
    for item in limit_range.setdefault("spec", {}).get("limits") or ():
        if item.get("type") != "Container":
            continue
        default, request = dict(item.get("default") or {}), dict(item.get("defaultRequest") or {})
        default = {**(item.get("max") or {}), **default}
        request = {**(item.get("min") or {}), **default, **request}
        for field, amounts in (("default", default), ("defaultRequest", request)):
            if amounts:
                item[field] = amounts


def default_quota(quota: Object) -> None:
    quota.setdefault("spec", {})


def default_pod_template_object(obj: Object) -> None:
    pod_defaults.default_pod_template(obj.setdefault("template", {}))


BINDINGS = declare("v1 bindings", is_virtual=True)

COMPONENT_STATUSES = declare(
    "v1 componentstatuses", is_virtual=True, deprecation="v1 ComponentStatus is deprecated in v1.19+"
)

CONFIG_MAPS = declare(
    "v1 configmaps",
    columns=rows.CONFIG_MAP_COLUMNS,
    row=rows.config_map_row,
)

ENDPOINTS = declare(
    "v1 endpoints",
    deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    create_on_update=True,
    defaults=discovered.default_endpoints,
    columns=rows.ENDPOINTS_COLUMNS,
    row=rows.endpoints_row,
)

EVENTS = declare(
    "v1 events",
    create_on_update=True,
    defaults=discovered.default_event,
    field_labels=discovered.EVENT_LABELS,
    columns=rows.EVENT_COLUMNS,
    row=rows.event_row,
)

LIMIT_RANGES = declare("v1 limitranges", create_on_update=True, defaults=default_limit_range)

NAMESPACES = declare(
    "v1 namespaces",
    defaults=cluster_scope.default_namespace,
    prepare_create=cluster_scope.prepare_namespace,
    prepare_update=cluster_scope.prepare_namespace_update,
    field_labels=cluster_scope.NAMESPACE_LABELS,
    columns=rows.NAMESPACE_COLUMNS,
    row=rows.namespace_row,
)

NODES = declare(
    "v1 nodes",
    defaults=cluster_scope.default_node,
    prepare_create=cluster_scope.prepare_node,
    field_labels=cluster_scope.NODE_LABELS,
    columns=rows.NODE_COLUMNS,
    row=rows.node_row,
)

PERSISTENT_VOLUME_CLAIMS = declare(
    "v1 persistentvolumeclaims",
    defaults=volume_defaults.default_claim,
    prepare_create=volumes.prepare_claim,
    prepare_update=volumes.prepare_claim_update,
)

PERSISTENT_VOLUMES = declare(
    "v1 persistentvolumes",
    defaults=volume_defaults.default_persistent_volume,
    prepare_create=volumes.prepare_volume,
)

POD_TEMPLATES = declare(
    "v1 podtemplates",
    tracks_generation=True,
    defaults=default_pod_template_object,
)

PODS = declare(
    "v1 pods",
    tracks_generation=True,
    graceful=True,
    defaults=pod_defaults.default_pod,
    prepare_create=pods.prepare_create,
    prepare_update=pods.prepare_update,
    prepare_status_update=pods.prepare_status_update,
    field_labels=pods.FIELD_LABELS,
    columns=pod_row.COLUMNS,
    row=pod_row.row,
)

REPLICATION_CONTROLLERS = declare(
    "v1 replicationcontrollers",
    tracks_generation=True,
    scale=ScalePaths(selector="spec.selector"),
    defaults=workloads.default_replication_controller,
    prepare_create=workloads.prepare_replica_set,
    field_labels={"status.replicas": read_text("status", "replicas", default="0")},
)

RESOURCE_QUOTAS = declare("v1 resourcequotas", defaults=default_quota, prepare_create=strategy.empty_status)

SECRETS = declare(
    "v1 secrets",
    defaults=configuration.default_secret,
    field_labels={"type": read_text("type")},
    columns=rows.SECRET_COLUMNS,
    row=rows.secret_row,
)

SERVICE_ACCOUNTS = declare(
    "v1 serviceaccounts",
    columns=rows.SERVICE_ACCOUNT_COLUMNS,
    row=rows.service_account_row,
)

SERVICES = declare(
    "v1 services",
    create_on_update=True,
    defaults=services.defaults,
    prepare_create=services.prepare_create,
    prepare_update=services.prepare_update,
    field_labels=services.FIELD_LABELS,
    columns=rows.SERVICE_COLUMNS,
    row=rows.service_row,
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
