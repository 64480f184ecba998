"""The built-in resources, declared. To serve another kind of Kubernetes, add its `Resource` here.

A module beside this one exists only for kinds that need hooks. Names, verbs and storage prefixes are Kubernetes 1.36's.
"""

from __future__ import annotations

from apiserver.kinds import (
    cluster_scope,
    configuration,
    discovered,
    pod_defaults,
    pod_row,
    pods,
    rows,
    services,
    workloads,
)
from apiserver.kinds.catalogs import Catalog
from apiserver.kinds.metadata import update_validator, validator
from apiserver.kinds.resource import Resource, ScalePaths, Subresource, read_text

_STATUS_VERBS = ("get", "patch", "update")


def _status(kind: str) -> Subresource:
    return Subresource("status", kind, _STATUS_VERBS)


_SCALE = Subresource("scale", "Scale", _STATUS_VERBS, "autoscaling", "v1")

NAMESPACES = Resource(
    group="",
    version="v1",
    plural="namespaces",
    singular="namespace",
    kind="Namespace",
    namespaced=False,
    schema_name="core.v1.Namespace",
    storage_prefix="/registry/namespaces",
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    short_names=("ns",),
    subresources=(Subresource("finalize", "Namespace", ("update",)), _status("Namespace")),
    has_status=True,
    defaults=cluster_scope.default_namespace,
    prepare_create=cluster_scope.prepare_namespace,
    prepare_update=cluster_scope.prepare_namespace_update,
    validate=cluster_scope.validate_namespace,
    validate_update=update_validator(),
    field_labels=cluster_scope.NAMESPACE_LABELS,
    columns=rows.NAMESPACE_COLUMNS,
    row=rows.namespace_row,
)

NODES = Resource(
    group="",
    version="v1",
    plural="nodes",
    singular="node",
    kind="Node",
    namespaced=False,
    schema_name="core.v1.Node",
    storage_prefix="/registry/minions",
    short_names=("no",),
    subresources=(_status("Node"),),
    has_status=True,
    defaults=cluster_scope.default_node,
    prepare_create=cluster_scope.prepare_node,
    validate=cluster_scope.validate_node,
    validate_update=cluster_scope.validate_node_update,
    field_labels=cluster_scope.NODE_LABELS,
    columns=rows.NODE_COLUMNS,
    row=rows.node_row,
)

PODS = Resource(
    group="",
    version="v1",
    plural="pods",
    singular="pod",
    kind="Pod",
    namespaced=True,
    schema_name="core.v1.Pod",
    storage_prefix="/registry/pods",
    short_names=("po",),
    categories=("all",),
    subresources=(
        Subresource("binding", "Binding", ("create",)),
        Subresource("eviction", "Eviction", ("create",), "policy", "v1"),
        _status("Pod"),
    ),
    has_status=True,
    tracks_generation=True,
    graceful=True,
    defaults=pod_defaults.default_pod,
    prepare_create=pods.prepare_create,
    prepare_update=pods.prepare_update,
    prepare_status_update=pods.prepare_status_update,
    validate=pods.validate,
    validate_update=pods.validate_update,
    field_labels=pods.FIELD_LABELS,
    columns=pod_row.COLUMNS,
    row=pod_row.row,
)

SERVICES = Resource(
    group="",
    version="v1",
    plural="services",
    singular="service",
    kind="Service",
    namespaced=True,
    schema_name="core.v1.Service",
    storage_prefix="/registry/services/specs",
    short_names=("svc",),
    categories=("all",),
    subresources=(_status("Service"),),
    has_status=True,
    defaults=services.defaults,
    prepare_create=services.prepare_create,
    prepare_update=services.prepare_update,
    validate=services.validate,
    validate_update=services.validate_update,
    field_labels=services.FIELD_LABELS,
    columns=rows.SERVICE_COLUMNS,
    row=rows.service_row,
)

ENDPOINTS = Resource(
    group="",
    version="v1",
    plural="endpoints",
    singular="endpoints",
    kind="Endpoints",
    namespaced=True,
    schema_name="core.v1.Endpoints",
    storage_prefix="/registry/services/endpoints",
    deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    short_names=("ep",),
    create_on_update=True,
    defaults=discovered.default_endpoints,
    validate=discovered.validate_endpoints,
    validate_update=update_validator(),
    columns=rows.ENDPOINTS_COLUMNS,
    row=rows.endpoints_row,
)

CONFIG_MAPS = Resource(
    group="",
    version="v1",
    plural="configmaps",
    singular="configmap",
    kind="ConfigMap",
    namespaced=True,
    schema_name="core.v1.ConfigMap",
    storage_prefix="/registry/configmaps",
    short_names=("cm",),
    validate=configuration.validate_config_map,
    validate_update=configuration.validate_config_map_update,
    columns=rows.CONFIG_MAP_COLUMNS,
    row=rows.config_map_row,
)

SECRETS = Resource(
    group="",
    version="v1",
    plural="secrets",
    singular="secret",
    kind="Secret",
    namespaced=True,
    schema_name="core.v1.Secret",
    storage_prefix="/registry/secrets",
    defaults=configuration.default_secret,
    validate=configuration.validate_secret,
    validate_update=configuration.validate_secret_update,
    field_labels={"type": read_text("type")},
    columns=rows.SECRET_COLUMNS,
    row=rows.secret_row,
)

SERVICE_ACCOUNTS = Resource(
    group="",
    version="v1",
    plural="serviceaccounts",
    singular="serviceaccount",
    kind="ServiceAccount",
    namespaced=True,
    schema_name="core.v1.ServiceAccount",
    storage_prefix="/registry/serviceaccounts",
    short_names=("sa",),
    validate=validator(),
    validate_update=update_validator(),
    columns=rows.SERVICE_ACCOUNT_COLUMNS,
    row=rows.service_account_row,
)

EVENTS = Resource(
    group="",
    version="v1",
    plural="events",
    singular="event",
    kind="Event",
    namespaced=True,
    schema_name="core.v1.Event",
    storage_prefix="/registry/events",
    short_names=("ev",),
    create_on_update=True,
    defaults=discovered.default_event,
    validate=discovered.validate_event,
    validate_update=update_validator(),
    field_labels=discovered.EVENT_LABELS,
    columns=rows.EVENT_COLUMNS,
    row=rows.event_row,
)

DEPLOYMENTS = Resource(
    group="apps",
    version="v1",
    plural="deployments",
    singular="deployment",
    kind="Deployment",
    namespaced=True,
    schema_name="apps.v1.Deployment",
    storage_prefix="/registry/deployments",
    short_names=("deploy",),
    categories=("all",),
    subresources=(_SCALE, _status("Deployment")),
    has_status=True,
    tracks_generation=True,
    scale=ScalePaths(),
    defaults=workloads.default_deployment,
    prepare_create=workloads.prepare_deployment,
    prepare_status_update=workloads.prepare_deployment_status,
    validate=workloads.validate_deployment,
    validate_update=workloads.validate_update,
    generation_changed=workloads.deployment_generation_changed,
    columns=rows.DEPLOYMENT_COLUMNS,
    row=rows.deployment_row,
)

REPLICA_SETS = Resource(
    group="apps",
    version="v1",
    plural="replicasets",
    singular="replicaset",
    kind="ReplicaSet",
    namespaced=True,
    schema_name="apps.v1.ReplicaSet",
    storage_prefix="/registry/replicasets",
    short_names=("rs",),
    categories=("all",),
    subresources=(_SCALE, _status("ReplicaSet")),
    has_status=True,
    tracks_generation=True,
    scale=ScalePaths(),
    defaults=workloads.default_replica_set,
    prepare_create=workloads.prepare_replica_set,
    validate=workloads.validate_replica_set,
    validate_update=workloads.validate_update,
    columns=rows.REPLICA_SET_COLUMNS,
    row=rows.replica_set_row,
)

CONTROLLER_REVISIONS = Resource(
    group="apps",
    version="v1",
    plural="controllerrevisions",
    singular="controllerrevision",
    kind="ControllerRevision",
    namespaced=True,
    schema_name="apps.v1.ControllerRevision",
    storage_prefix="/registry/controllerrevisions",
    prepare_create=workloads.prepare_revision,
    validate=workloads.validate_revision,
    validate_update=workloads.validate_revision_update,
    columns=rows.CONTROLLER_REVISION_COLUMNS,
    row=rows.controller_revision_row,
)

PRIORITY_CLASSES = Resource(
    group="scheduling.k8s.io",
    version="v1",
    plural="priorityclasses",
    singular="priorityclass",
    kind="PriorityClass",
    namespaced=False,
    schema_name="scheduling.v1.PriorityClass",
    storage_prefix="/registry/priorityclasses",
    short_names=("pc",),
    tracks_generation=True,
    defaults=cluster_scope.default_priority_class,
    validate=cluster_scope.validate_priority_class,
    validate_update=cluster_scope.validate_priority_class_update,
    columns=rows.PRIORITY_CLASS_COLUMNS,
    row=rows.priority_class_row,
)

LEASES = Resource(
    group="coordination.k8s.io",
    version="v1",
    plural="leases",
    singular="lease",
    kind="Lease",
    namespaced=True,
    schema_name="coordination.v1.Lease",
    storage_prefix="/registry/leases",
    unconditional_update=False,
    create_on_update=True,
    defaults=discovered.default_lease,
    validate=discovered.validate_lease,
    validate_update=update_validator(),
    columns=rows.LEASE_COLUMNS,
    row=rows.lease_row,
)

ENDPOINT_SLICES = Resource(
    group="discovery.k8s.io",
    version="v1",
    plural="endpointslices",
    singular="endpointslice",
    kind="EndpointSlice",
    namespaced=True,
    schema_name="discovery.v1.EndpointSlice",
    storage_prefix="/registry/endpointslices",
    tracks_generation=True,
    defaults=discovered.default_slice,
    validate=discovered.validate_slice,
    validate_update=discovered.validate_slice_update,
    generation_changed=discovered.slice_generation_changed,
    columns=rows.ENDPOINT_SLICE_COLUMNS,
    row=rows.endpoint_slice_row,
)

BUILTIN: tuple[Resource, ...] = (
    CONFIG_MAPS,
    ENDPOINTS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    REPLICA_SETS,
    PRIORITY_CLASSES,
    LEASES,
    ENDPOINT_SLICES,
)

catalog = Catalog(BUILTIN)
