"""What a kind does unless it says otherwise: the hooks that most resources share.

Status belongs to controllers and spec to users. A main write cannot set status, a status write can set only status
(and, as in Kubernetes, the metadata that the registry allows). Every hook works in place on a private copy and never
changes `old`.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Any

from apiserver.errors import Cause
from apiserver.meta import Column, age, format_quantity, parse_quantity

Object = dict[str, Any]

_NOT_SPEC = ("apiVersion", "kind", "metadata", "status")


def as_it_is(obj: Object) -> Object:
    """to_hub and from_hub of what is no view."""
    return obj


def nothing_on_delete(obj: Object, now: str) -> None:
    """prepare_delete of kinds whose deletion nobody else has to finish."""


def set_missing(obj: Object, field: str, value: Any) -> None:
    """Sets a field that is absent or, as Go cannot tell the two apart, empty."""
    if not obj.get(field):
        obj[field] = value


_MILLI = Decimal("0.001")


def round_amounts(amounts: Object | None) -> None:
    """A resource list is kept in thousandths: what is finer is rounded up. Canonical text says it in its last letter."""
    for name, text in (amounts or {}).items():
        if text[-1:] in "nu" and amounts is not None:
            thousandths = (parse_quantity(text) / _MILLI).to_integral_value(ROUND_CEILING)
            amounts[name] = format_quantity(thousandths * _MILLI, "DecimalSI")


def no_defaults(obj: Object) -> None:
    """A kind without defaults."""


def drop_status(obj: Object) -> None:
    """prepare_create: what a client says about status is not true yet."""
    obj.pop("status", None)


def default_spec(obj: Object) -> None:
    """defaults of kinds that have none but an object `spec`, which is always written out."""
    obj.setdefault("spec", {})


def empty_status(obj: Object) -> None:
    """prepare_create of kinds whose status is written out while it is empty."""
    obj["status"] = {}


def keep_status(obj: Object, old: Object) -> None:
    """prepare_update: status stays as it was."""
    obj.pop("status", None)
    if "status" in old:
        obj["status"] = old["status"]


def replace_status(obj: Object, old: Object) -> None:
    """prepare_status_update: everything but status and metadata stays as it was."""
    for key in [key for key in obj if key not in _NOT_SPEC]:
        del obj[key]
    for key, value in old.items():
        if key not in _NOT_SPEC:
            obj[key] = value


_METADATA_OF_USERS = ("labels", "annotations", "finalizers", "ownerReferences")


def replace_only_status(obj: Object, old: Object) -> None:
    """prepare_status_update of newer kinds: what users say in metadata stays as it was, too."""
    replace_status(obj, old)
    for field in _METADATA_OF_USERS:
        obj["metadata"].pop(field, None)
        if field in old["metadata"]:
            obj["metadata"][field] = old["metadata"][field]


def no_causes(obj: Object) -> list[Cause]:
    return []


def no_update_causes(obj: Object, old: Object) -> list[Cause]:
    return []


def spec_changed(obj: Object, old: Object) -> bool:
    """Whether metadata.generation goes up: anything changed that is neither metadata nor status."""
    return {key: value for key, value in obj.items() if key not in _NOT_SPEC} != {
        key: value for key, value in old.items() if key not in _NOT_SPEC
    }


_NAME_TEXT = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
_AGE_TEXT = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)

NAME = Column("Name", "string", "name", _NAME_TEXT)
AGE = Column("Age", "string", "", _AGE_TEXT)
CREATED_AT = Column("Created At", "date", "", _AGE_TEXT)

DEFAULT_COLUMNS = (NAME, CREATED_AT)


def default_row(obj: Object, now: float) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata.get("name"), metadata.get("creationTimestamp")]


def object_age(obj: Object, now: float) -> str:
    """The AGE cell."""
    return age(obj["metadata"].get("creationTimestamp"), now)
