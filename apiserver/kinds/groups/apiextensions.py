"""apiextensions.k8s.io/v1: kinds that users declare.

What a definition means for the server (names, discovery, the new resource itself) is not here; these are the fields that
the server fills in when a definition is written.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.strategy import keep_status, replace_only_status
from apiserver.kinds.volume_defaults import set_missing

Object = dict[str, Any]


def default_definition(definition: Object) -> None:
    spec = definition.setdefault("spec", {})
    names = spec.setdefault("names", {})
    set_missing(names, "singular", names.get("kind", "").lower())
    if names.get("kind"):
        set_missing(names, "listKind", f"{names['kind']}List")
    conversion = spec.setdefault("conversion", {})
    set_missing(conversion, "strategy", "None")
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", 443)
    status = definition.setdefault("status", {})
    status.setdefault("conditions", None)
    accepted = status.setdefault("acceptedNames", {})
    accepted.setdefault("plural", "")
    accepted.setdefault("kind", "")
    status.setdefault("storedVersions", None)


def prepare_create(definition: Object) -> None:
    definition["status"] = {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": None}
    _remember_storage(definition)


def prepare_update(definition: Object, old: Object) -> None:
    keep_status(definition, old)
    _remember_storage(definition)


def _remember_storage(definition: Object) -> None:
    """The version in which objects are stored from now on joins those in which some may be stored already."""
    status = definition.setdefault("status", {})
    stored = list(status.get("storedVersions") or ())
    for version in definition["spec"].get("versions") or ():
        if version.get("storage") and version.get("name") not in stored:
            stored.append(version.get("name"))
    if stored:
        definition["status"] = {**status, "storedVersions": stored}  # the old object's status is shared


CUSTOM_RESOURCE_DEFINITIONS = declare(
    "apiextensions.k8s.io/v1 customresourcedefinitions",
    tracks_generation=True,
    unconditional_update=False,
    defaults=default_definition,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status_update=replace_only_status,
)

RESOURCES = (CUSTOM_RESOURCE_DEFINITIONS,)
