"""apiregistration.k8s.io/v1: which server answers for a group version."""

from __future__ import annotations

from apiserver.kinds.declaring import declare
from apiserver.kinds.metadata import check_path_segment, validator

API_SERVICES = declare(
    "apiregistration.k8s.io/v1 apiservices",
    unconditional_update=False,
    validate=validator(check_name=check_path_segment, namespaced=False),
)

RESOURCES = (API_SERVICES,)
