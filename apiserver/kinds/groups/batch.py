"""batch/v1: pods that run to their end, once or by the clock.

A job finds its pods by its own uid: unless it says `manualSelector`, its selector and the labels of its template are made
for it when it is created.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.pod_defaults import default_pod_template
from apiserver.kinds.resource import read_text
from apiserver.kinds.rows import apps as rows
from apiserver.kinds.strategy import empty_status, set_missing

Object = dict[str, Any]

UID_LABEL, NAME_LABEL = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
OLD_UID_LABEL, OLD_NAME_LABEL = "controller-uid", "job-name"

_BACKOFF_LIMIT = 6
_NO_LIMIT = 2**31 - 1


def default_job(job: Object) -> None:
    spec = job.setdefault("spec", {})
    if "parallelism" not in spec:
        spec.setdefault("completions", 1)
        spec["parallelism"] = 1
    spec.setdefault("backoffLimit", _NO_LIMIT if "backoffLimitPerIndex" in spec else _BACKOFF_LIMIT)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    spec.setdefault("podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")
    _default_job_template(spec)
    _copy_labels(job)


def _default_job_template(spec: Object) -> None:
    """The defaults that a job shares with the template of one."""
    default_pod_template(spec.setdefault("template", {}))
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            set_missing(pattern, "status", "True")


def _copy_labels(job: Object) -> None:
    """A job without labels has those of its pods."""
    labels = job["spec"]["template"]["metadata"].get("labels")
    if labels and not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)


def prepare_job(job: Object) -> None:
    job["status"] = {}
    spec, metadata = job["spec"], job["metadata"]
    if not spec.get("manualSelector"):
        labels = spec["template"]["metadata"].setdefault("labels", {})
        for label in (OLD_NAME_LABEL, NAME_LABEL):
            labels.setdefault(label, metadata.get("name", ""))
        for label in (OLD_UID_LABEL, UID_LABEL):
            labels.setdefault(label, metadata.get("uid", ""))
        selected = spec.setdefault("selector", {}).setdefault("matchLabels", {})
        selected.setdefault(UID_LABEL, metadata.get("uid", ""))
    _copy_labels(job)


def default_cron_job(cron_job: Object) -> None:
    spec = cron_job.setdefault("spec", {})
    set_missing(spec, "concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    template = spec.setdefault("jobTemplate", {})
    template.setdefault("metadata", {})
    _default_job_template(template.setdefault("spec", {}))
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)


CRON_JOBS = declare(
    "batch/v1 cronjobs",
    table=rows.CRON_JOB,
    tracks_generation=True,
    defaults=default_cron_job,
    prepare_create=empty_status,
)

JOBS = declare(
    "batch/v1 jobs",
    table=rows.JOB,
    tracks_generation=True,
    defaults=default_job,
    prepare_create=prepare_job,
    field_labels={"status.successful": read_text("status", "succeeded", default="0")},
)

RESOURCES = (CRON_JOBS, JOBS)
