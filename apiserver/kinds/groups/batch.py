"""batch/v1: pods that run to their end, once or by the clock."""

from __future__ import annotations

from apiserver.kinds.declaring import declare
from apiserver.kinds.resource import read_text

CRON_JOBS = declare("batch/v1 cronjobs", tracks_generation=True)

JOBS = declare(
    "batch/v1 jobs",
    tracks_generation=True,
    field_labels={"status.successful": read_text("status", "succeeded", default="0")},
)

RESOURCES = (CRON_JOBS, JOBS)
