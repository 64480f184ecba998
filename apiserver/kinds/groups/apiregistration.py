"""apiregistration.k8s.io/v1: which server answers for a group version."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.rows import administration as rows
from apiserver.kinds.strategy import empty_status, replace_only_status

Object = dict[str, Any]


def default_api_service(service: Object) -> None:
    where = service.setdefault("spec", {}).get("service")
    if where is not None:
        where.setdefault("port", 443)


API_SERVICES = declare(
    "apiregistration.k8s.io/v1 apiservices",
    table=rows.API_SERVICE,
    unconditional_update=False,
    defaults=default_api_service,
    prepare_create=empty_status,
    prepare_status_update=replace_only_status,
)

RESOURCES = (API_SERVICES,)
