"""apiextensions.k8s.io/v1: kinds that users declare (kinds/custom)."""

from __future__ import annotations

from apiserver.kinds.custom import definitions
from apiserver.kinds.declaring import declare
from apiserver.kinds.strategy import replace_only_status

CUSTOM_RESOURCE_DEFINITIONS = declare(
    "apiextensions.k8s.io/v1 customresourcedefinitions",
    tracks_generation=True,
    unconditional_update=False,
    own_type=definitions.definition_type,
    defaults=definitions.defaults,
    prepare_create=definitions.prepare_create,
    prepare_update=definitions.prepare_update,
    prepare_status_update=replace_only_status,
    prepare_delete=definitions.prepare_delete,
    validate=definitions.validate,
    warn=definitions.warn,
    validate_change=definitions.validate_change,
)

RESOURCES = (CUSTOM_RESOURCE_DEFINITIONS,)
