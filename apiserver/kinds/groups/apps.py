"""apps/v1: workloads that run pods for ever."""

from __future__ import annotations

from apiserver.kinds import rows, workloads
from apiserver.kinds.declaring import declare
from apiserver.kinds.resource import ScalePaths

CONTROLLER_REVISIONS = declare(
    "apps/v1 controllerrevisions",
    prepare_create=workloads.prepare_revision,
    columns=rows.CONTROLLER_REVISION_COLUMNS,
    row=rows.controller_revision_row,
)

DAEMON_SETS = declare(
    "apps/v1 daemonsets",
    tracks_generation=True,
    defaults=workloads.default_daemon_set,
    prepare_create=workloads.prepare_daemon_set,
    prepare_update=workloads.prepare_daemon_set_update,
)

DEPLOYMENTS = declare(
    "apps/v1 deployments",
    tracks_generation=True,
    scale=ScalePaths(),
    defaults=workloads.default_deployment,
    prepare_create=workloads.prepare_deployment,
    prepare_status_update=workloads.prepare_deployment_status,
    generation_changed=workloads.deployment_generation_changed,
    columns=rows.DEPLOYMENT_COLUMNS,
    row=rows.deployment_row,
)

REPLICA_SETS = declare(
    "apps/v1 replicasets",
    tracks_generation=True,
    scale=ScalePaths(),
    defaults=workloads.default_replica_set,
    prepare_create=workloads.prepare_replica_set,
    columns=rows.REPLICA_SET_COLUMNS,
    row=rows.replica_set_row,
)

STATEFUL_SETS = declare(
    "apps/v1 statefulsets",
    tracks_generation=True,
    scale=ScalePaths(),
    defaults=workloads.default_stateful_set,
    prepare_create=workloads.prepare_stateful_set,
)

RESOURCES = (CONTROLLER_REVISIONS, DAEMON_SETS, DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS)
