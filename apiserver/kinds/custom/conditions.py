"""What a server says of a definition: whether its names are accepted, whether it is served, whether it is going away.

    accept_names(definition, taken, now)   the status that it should have, seen beside the names that are taken in its group

Names belong to whoever had them first (acceptedNames); a definition whose names are partly taken keeps the rest, is not
established if it was not yet, and stays established if it was. Texts: apiextensions' naming and establishing controllers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.errors import Cause
from apiserver.meta import deep_copy
from apiserver.meta.structural import check_structural, describe

Object = dict[str, Any]

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"

ESTABLISHED = {
    "type": "Established",
    "status": "True",
    "reason": "InitialNamesAccepted",
    "message": "the initial names have been accepted",
}
NOT_ACCEPTED = {
    "type": "Established", "status": "False", "reason": "NotAccepted", "message": "not all names are accepted"
}  # fmt: skip
DELETION_PENDING = {
    "type": "Terminating",
    "status": "True",
    "reason": "InstanceDeletionPending",
    "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
}
DELETION_GOES_ON = {
    "type": "Terminating",
    "status": "True",
    "reason": "InstanceDeletionInProgress",
    "message": "CustomResource deletion is in progress",
}
DELETION_DONE = {
    "type": "Terminating", "status": "False", "reason": "InstanceDeletionCompleted", "message": "removed all instances"
}  # fmt: skip

# The field of names, the reason where it is taken, and among which names of others it must be new.
_SINGLE_NAMES = (
    ("plural", "PluralConflict", "resources"),
    ("singular", "SingularConflict", "resources"),
    ("shortNames", "ShortNamesConflict", "resources"),
    ("kind", "KindConflict", "kinds"),
    ("listKind", "ListKindConflict", "kinds"),
)


def find_condition(definition: Object, type: str) -> Object | None:
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == type), None)


def is_true(definition: Object, type: str) -> bool:
    found = find_condition(definition, type)
    return found is not None and found.get("status") == "True"


def set_condition(status: Object, condition: Object, now: str) -> None:
    """Sets or adds a condition in place; its time moves with its status only."""
    conditions = status["conditions"] = list(status.get("conditions") or ())
    for index, found in enumerate(conditions):
        if found.get("type") == condition["type"]:
            moved = now if found.get("status") != condition["status"] else found.get("lastTransitionTime", now)
            conditions[index] = {"lastTransitionTime": moved, **condition}
            return
    conditions.append({"lastTransitionTime": now, **condition})


def remove_condition(status: Object, type: str) -> None:
    kept = [each for each in status.get("conditions") or () if each.get("type") != type]
    if len(kept) != len(status.get("conditions") or ()):
        status["conditions"] = kept


class Names:
    """The names of a group that are taken, and by which definition (its uid)."""

    __slots__ = ("_owners",)

    def __init__(self, definitions: Iterable[Object] = ()) -> None:
        self._owners: dict[tuple[str, str], str] = {}
        for definition in definitions:
            self.take(
                definition["metadata"].get("uid", ""), (definition.get("status") or {}).get("acceptedNames") or {}
            )

    def take(self, uid: str, names: Object) -> None:
        for field, _, among in _SINGLE_NAMES:
            for name in _listed(names.get(field)):
                self._owners.setdefault((among, name), uid)

    def is_taken(self, among: str, name: str, uid: str) -> bool:
        """By another."""
        return self._owners.get((among, name), uid) != uid


def _listed(names: Any) -> list[str]:
    return names if isinstance(names, list) else [names] if names else []


def accept_names(definition: Object, taken: Names, now: str) -> Object:
    """A new status for the definition. What it is given joins `taken`."""
    uid = definition["metadata"].get("uid", "")
    status: Object = deep_copy(definition.get("status") or {})
    requested, accepted = definition["spec"]["names"], dict(status.get("acceptedNames") or {})
    problem: Object | None = None
    for field, reason, among in _SINGLE_NAMES:
        wanted, had = requested.get(field), accepted.get(field)
        conflicts = [
            f'"{name}" is already in use'
            for name in _listed(wanted)
            if wanted != had and taken.is_taken(among, name, uid)
        ]
        if conflicts:
            message = conflicts[0] if len(conflicts) == 1 else f"[{', '.join(conflicts)}]"
            problem = {"type": "NamesAccepted", "status": "False", "reason": reason, "message": message}
        elif wanted:
            accepted[field] = wanted
        else:
            accepted.pop(field, None)
    if requested.get("categories"):
        accepted["categories"] = requested["categories"]
    else:
        accepted.pop("categories", None)
    status["acceptedNames"] = accepted
    taken.take(uid, accepted)
    fine = {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found"}
    set_condition(status, problem or fine, now)
    if not is_true({"status": status}, "Established"):
        set_condition(status, NOT_ACCEPTED if problem else ESTABLISHED, now)
    return status


def structural_condition(definition: Object) -> Object | None:
    """The condition NonStructuralSchema; None where every schema is structural (as all are that this server lets in)."""
    causes: list[Cause] = []
    for index, version in enumerate(definition["spec"].get("versions") or ()):
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is not None:
            causes += check_structural(schema, f"spec.versions[{index}].schema.openAPIV3Schema")
    if not causes:
        return None
    return {"type": "NonStructuralSchema", "status": "True", "reason": "Violations", "message": describe(causes)}
