"""Rows of apps and batch: workloads."""

from __future__ import annotations

from typing import Any

from apiserver.errors import StatusError
from apiserver.kinds.rows.cells import (
    CONTAINERS,
    IMAGES,
    NONE,
    WORKLOAD_COLUMNS,
    Table,
    container_cells,
    has_condition,
    labels_text,
    name_of,
    part,
    workload_cells,
)
from apiserver.kinds.strategy import AGE, NAME, object_age
from apiserver.meta import Column, age, human_duration, label_selector_of, parse_time

Object = dict[str, Any]

_DEPLOYMENT_COLUMNS = (
    NAME,
    Column("Ready", description="Number of the pod with ready state"),
    Column("Up-to-date"),
    Column("Available"),
    AGE,
    *WORKLOAD_COLUMNS,
)


def _deployment_row(deployment: Object, now: float) -> list[Any]:
    """The selector is written out as it is, also when it is empty."""
    spec, status = part(deployment, "spec"), part(deployment, "status")
    try:
        selector = str(label_selector_of(spec.get("selector")))
    except StatusError:
        selector = "<invalid>"
    return [
        name_of(deployment),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        object_age(deployment, now),
        *container_cells(part(spec, "template")),
        selector,
    ]


_REPLICA_SET_COLUMNS = (
    NAME,
    Column("Desired", "integer"),
    Column("Current", "integer"),
    Column("Ready", "integer"),
    AGE,
    *WORKLOAD_COLUMNS,
)


def _replica_set_row(replica_set: Object, now: float) -> list[Any]:
    spec, status = part(replica_set, "spec"), part(replica_set, "status")
    return [
        name_of(replica_set),
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        object_age(replica_set, now),
        *workload_cells(spec),
    ]


_STATEFUL_SET_COLUMNS = (
    NAME,
    Column("Ready", description="Number of the pod with ready state"),
    AGE,
    CONTAINERS,
    IMAGES,
)


def _stateful_set_row(stateful_set: Object, now: float) -> list[Any]:
    spec, status = part(stateful_set, "spec"), part(stateful_set, "status")
    return [
        name_of(stateful_set),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        object_age(stateful_set, now),
        *container_cells(part(spec, "template")),
    ]


_DAEMON_SET_COLUMNS = (
    NAME,
    Column("Desired", "integer"),
    Column("Current", "integer"),
    Column("Ready", "integer"),
    Column("Up-to-date", "integer"),
    Column("Available", "integer"),
    Column("Node Selector"),
    AGE,
    *WORKLOAD_COLUMNS,
)


def _daemon_set_row(daemon_set: Object, now: float) -> list[Any]:
    spec, status = part(daemon_set, "spec"), part(daemon_set, "status")
    pod_spec = part(part(spec, "template"), "spec")
    return [
        name_of(daemon_set),
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        labels_text(pod_spec.get("nodeSelector")),
        object_age(daemon_set, now),
        *workload_cells(spec),
    ]


_REVISION_COLUMNS = (
    NAME,
    Column("Controller", description="Controller of the object"),
    Column("Revision"),
    AGE,
)


def _revision_row(revision: Object, now: float) -> list[Any]:
    owners = revision["metadata"].get("ownerReferences") or ()
    owner = next((owner for owner in owners if owner.get("controller")), None)
    controller = NONE
    if owner:
        group = owner.get("apiVersion", "").rpartition("/")[0]
        kind = owner.get("kind", "").lower()
        controller = f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"
    return [name_of(revision), controller, revision.get("revision", 0), object_age(revision, now)]


# Jobs ---------------------------------------------------------------------------------------------------------------

_JOB_COLUMNS = (
    NAME,
    Column("Status", description="Status of the job."),
    Column("Completions"),
    Column("Duration", description="Time required to complete the job."),
    AGE,
    *WORKLOAD_COLUMNS,
)

# (condition, word): the first that holds; between Failed and Suspended comes being deleted.
_JOB_ENDS = (("Complete", "Complete"), ("Failed", "Failed"))
_JOB_STATES = (("Suspended", "Suspended"), ("FailureTarget", "FailureTarget"))


def _job_status(job: Object) -> str:
    for condition, word in _JOB_ENDS:
        if has_condition(job, condition):
            return word
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((word for condition, word in _JOB_STATES if has_condition(job, condition)), "Running")


def _completions(spec: Object, status: Object) -> str:
    """Without a number to complete, one success is enough, and all pods work on it."""
    succeeded, parallelism = status.get("succeeded", 0), spec.get("parallelism", 0)
    if "completions" in spec:
        return f"{succeeded}/{spec['completions']}"
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _job_row(job: Object, now: float) -> list[Any]:
    spec, status = part(job, "spec"), part(job, "status")
    took, started, ended = "", status.get("startTime"), status.get("completionTime")
    if started:
        took = human_duration((parse_time(ended) if ended else now) - parse_time(started))
    return [
        name_of(job),
        _job_status(job),
        _completions(spec, status),
        took,
        object_age(job, now),
        *workload_cells(spec),
    ]


_CRON_JOB_COLUMNS = (
    NAME,
    Column("Schedule"),
    Column("Timezone"),
    Column("Suspend", "boolean"),
    Column("Active", "integer"),
    Column("Last Schedule"),
    AGE,
    *WORKLOAD_COLUMNS,
)


def _cron_job_row(cron_job: Object, now: float) -> list[Any]:
    spec, status = part(cron_job, "spec"), part(cron_job, "status")
    last = status.get("lastScheduleTime")
    return [
        name_of(cron_job),
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        "True" if spec.get("suspend") else "False",
        len(status.get("active") or ()),
        age(last, now) if last else NONE,
        object_age(cron_job, now),
        *workload_cells(part(part(spec, "jobTemplate"), "spec")),
    ]


DEPLOYMENT = Table(_DEPLOYMENT_COLUMNS, _deployment_row)
REPLICA_SET = Table(_REPLICA_SET_COLUMNS, _replica_set_row)
STATEFUL_SET = Table(_STATEFUL_SET_COLUMNS, _stateful_set_row)
DAEMON_SET = Table(_DAEMON_SET_COLUMNS, _daemon_set_row)
CONTROLLER_REVISION = Table(_REVISION_COLUMNS, _revision_row)
JOB = Table(_JOB_COLUMNS, _job_row)
CRON_JOB = Table(_CRON_JOB_COLUMNS, _cron_job_row)
