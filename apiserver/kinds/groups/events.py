"""events.k8s.io/v1: the events of the core group in newer words, a view of them.

What is new (who reports, what was done) the core event knows too; what is old is called deprecated here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.kinds import discovered
from apiserver.kinds.declaring import declare
from apiserver.kinds.groups.core import EVENTS as CORE_EVENTS
from apiserver.kinds.rows.core import EVENT

Object = dict[str, Any]

# The names that differ, here and in the core group.
_NAMES = (
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
)


def to_core(event: Object) -> Object:
    for here, there in _NAMES:
        if here in event:
            event[there] = event.pop(here)
    event["apiVersion"] = "v1"
    return event


def from_core(event: Object) -> Object:
    for here, there in _NAMES:
        if there in event:
            event[here] = event.pop(there)
    event["apiVersion"] = "events.k8s.io/v1"
    return event


_LABELS: Mapping[str, Callable[[Object], str]] = {
    label.replace("involvedObject.", "regarding.").replace("reportingComponent", "reportingController"): read
    for label, read in discovered.EVENT_LABELS.items()
    if label != "source"
}

EVENTS = declare(
    "events.k8s.io/v1 events",
    create_on_update=True,
    hub=CORE_EVENTS,
    to_hub=to_core,
    from_hub=from_core,
    field_labels=_LABELS,
    table=EVENT._replace(row=lambda event, now: EVENT.row(to_core(dict(event)), now)),
)

RESOURCES = (EVENTS,)
