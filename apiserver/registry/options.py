"""What a request may ask for beside the object, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from apiserver.auth import LOOPBACK_USER, User
from apiserver.errors import bad_request, invalid
from apiserver.meta import invalid as invalid_value
from apiserver.meta import not_supported

OWN_MANAGER = "kube-apiserver"
"""The field manager of what the server writes itself."""

PROPAGATIONS = ("Foreground", "Background", "Orphan")


class WriteOptions(NamedTuple):
    """Who writes, under which field manager, and whether it is to be stored.

    may_create: asked where an update turns out to create the object; raises Forbidden. None: nobody needs to be asked.
    """

    dry_run: bool = False
    manager: str = OWN_MANAGER
    user: User = LOOPBACK_USER
    may_create: Callable[[], None] | None = None


class DeleteOptions(NamedTuple):
    """grace_period_s None: the object's own. uid, resource_version: preconditions, "" = none.

    cascades: the request said orphanDependents: false, the older word for a propagation, and is answered 202 while it waits.
    """

    grace_period_s: int | None = None
    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False
    user: User = LOOPBACK_USER
    cascades: bool = False


def parse_delete_options(body: dict[str, Any], query: Mapping[str, str]) -> DeleteOptions:
    """From a DeleteOptions body or, where there is none, from the query. Raises Invalid, BadRequest."""
    if body:
        grace, orphan = body.get("gracePeriodSeconds"), body.get("orphanDependents")
        propagation = body.get("propagationPolicy") or ""
        dry_run = body.get("dryRun") or []
    else:
        grace, orphan = _parse_int(query.get("gracePeriodSeconds", "")), _parse_bool(query.get("orphanDependents", ""))
        propagation = query.get("propagationPolicy", "")
        dry_run = [query["dryRun"]] if query.get("dryRun") else []
    causes = []
    if orphan is not None and propagation:
        text = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(invalid_value("propagationPolicy", propagation, text))
    if propagation and propagation not in PROPAGATIONS:
        causes.append(not_supported("propagationPolicy", propagation, (*PROPAGATIONS, "nil")))
    if dry_run and any(each != "All" for each in dry_run):
        causes.append(not_supported("dryRun", dry_run, ("All",)))
    if causes:
        raise invalid("meta.k8s.io", "DeleteOptions", "", causes)
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    preconditions = body.get("preconditions") or {}
    return DeleteOptions(
        grace,
        propagation,
        preconditions.get("uid") or "",
        preconditions.get("resourceVersion") or "",
        bool(dry_run),
        cascades=orphan is False,
    )


def _parse_int(text: str) -> int | None:
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _parse_bool(text: str) -> bool | None:
    """As Kubernetes reads a flag of a query: everything but a clear no is a yes."""
    return None if not text else text.lower() not in ("false", "0")
