"""apiregistration.k8s.io/v1: which server answers for a group version."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.rows import administration as rows
from apiserver.kinds.strategy import replace_only_status

Object = dict[str, Any]


def default_api_service(service: Object) -> None:
    where = service.setdefault("spec", {}).get("service")
    if where is not None:
        where.setdefault("port", 443)


def prepare_create(service: Object) -> None:
    """A group version that this server answers for itself is there from the first moment."""
    service["status"] = {}
    if service["spec"].get("service") is None:
        message = "Local APIServices are always available"
        condition = {"type": "Available", "status": "True", "reason": "Local", "message": message}
        service["status"]["conditions"] = [condition]


def stamp(service: Object, old: Object | None, now: str) -> None:
    """The status may be the old object's own: what is stamped is a copy."""
    status = service.get("status") or {}
    conditions = status.get("conditions") or ()
    if any("lastTransitionTime" not in condition for condition in conditions):
        stamped = [{"lastTransitionTime": now, **condition} for condition in conditions]
        service["status"] = {**status, "conditions": stamped}


API_SERVICES = declare(
    "apiregistration.k8s.io/v1 apiservices",
    table=rows.API_SERVICE,
    unconditional_update=False,
    defaults=default_api_service,
    prepare_create=prepare_create,
    stamp=stamp,
    prepare_status_update=replace_only_status,
)

RESOURCES = (API_SERVICES,)
