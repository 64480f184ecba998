"""What a request may ask for beside the object, checked."""

from __future__ import annotations

from typing import Any, NamedTuple

from apiserver.auth import LOOPBACK_USER, User
from apiserver.errors import Cause, invalid

OWN_MANAGER = "kube-apiserver"
"""The field manager of what the server writes itself."""

PROPAGATIONS = ("Background", "Foreground", "Orphan")


class WriteOptions(NamedTuple):
    """Who writes, under which field manager, and whether it is to be stored."""

    dry_run: bool = False
    manager: str = OWN_MANAGER
    user: User = LOOPBACK_USER


class DeleteOptions(NamedTuple):
    """grace_period_s None: the object's own. uid, resource_version: preconditions, "" = none."""

    grace_period_s: int | None = None
    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False
    user: User = LOOPBACK_USER


def parse_delete_options(body: dict[str, Any], query: dict[str, str]) -> DeleteOptions:
    """From a DeleteOptions body and the query, which fills what the body leaves out. Raises Invalid."""
    grace = body.get("gracePeriodSeconds")
    if grace is None and query.get("gracePeriodSeconds"):
        try:
            grace = int(query["gracePeriodSeconds"])
        except ValueError:
            raise _invalid("gracePeriodSeconds", query["gracePeriodSeconds"], "must be an integer") from None
    propagation = body.get("propagationPolicy") or query.get("propagationPolicy") or ""
    orphan = body.get("orphanDependents")
    if orphan is None and query.get("orphanDependents"):
        orphan = query["orphanDependents"] == "true"
    if propagation and propagation not in PROPAGATIONS:
        raise _invalid("propagationPolicy", propagation, f"must be one of {', '.join(PROPAGATIONS)}")
    if orphan is not None and not propagation:
        propagation = "Orphan" if orphan else "Background"
    preconditions = body.get("preconditions") or {}
    dry_run = body.get("dryRun") or ([query["dryRun"]] if query.get("dryRun") else [])
    if dry_run not in ([], ["All"]):
        raise _invalid("dryRun", dry_run, 'must be "All"')
    return DeleteOptions(
        grace,
        propagation,
        preconditions.get("uid") or "",
        preconditions.get("resourceVersion") or "",
        bool(dry_run),
    )


def _invalid(field: str, value: Any, text: str) -> Exception:
    cause = Cause("FieldValueInvalid", f'Invalid value: "{value}": {text}', field)
    return invalid("meta.k8s.io", "DeleteOptions", "", [cause])
