"""apps/v1: workloads that run pods for ever."""

from __future__ import annotations

from apiserver.kinds import workloads
from apiserver.kinds.declaring import declare
from apiserver.kinds.resource import ScalePaths
from apiserver.kinds.rows import apps as rows

CONTROLLER_REVISIONS = declare(
    "apps/v1 controllerrevisions",
    table=rows.CONTROLLER_REVISION,
    prepare_create=workloads.prepare_revision,
)

DAEMON_SETS = declare(
    "apps/v1 daemonsets",
    table=rows.DAEMON_SET,
    tracks_generation=True,
    defaults=workloads.default_daemon_set,
    prepare_create=workloads.prepare_daemon_set,
    prepare_update=workloads.prepare_daemon_set_update,
)

DEPLOYMENTS = declare(
    "apps/v1 deployments",
    table=rows.DEPLOYMENT,
    tracks_generation=True,
    scale=ScalePaths(),
    defaults=workloads.default_deployment,
    prepare_create=workloads.prepare_deployment,
    prepare_status_update=workloads.prepare_deployment_status,
    generation_changed=workloads.deployment_generation_changed,
)

REPLICA_SETS = declare(
    "apps/v1 replicasets",
    table=rows.REPLICA_SET,
    tracks_generation=True,
    scale=ScalePaths(),
    defaults=workloads.default_replica_set,
    prepare_create=workloads.prepare_replica_set,
)

STATEFUL_SETS = declare(
    "apps/v1 statefulsets",
    table=rows.STATEFUL_SET,
    tracks_generation=True,
    scale=ScalePaths(),
    defaults=workloads.default_stateful_set,
    prepare_create=workloads.prepare_stateful_set,
)

RESOURCES = (CONTROLLER_REVISIONS, DAEMON_SETS, DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS)
