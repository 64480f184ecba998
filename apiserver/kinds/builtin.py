"""The built-in resources, declared. To serve another kind of Kubernetes, add its `Resource` here.

A module beside this one exists only for kinds that need hooks. Names, verbs and storage prefixes are Kubernetes 1.36's.
"""

from __future__ import annotations

from apiserver.kinds.catalogs import Catalog
from apiserver.kinds.resource import Resource, ScalePaths, Subresource

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
    short_names=("ep",),
    create_on_update=True,
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
