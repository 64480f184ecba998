"""Persistent volumes and claims: what is the server's of them when they are written.

A claim says where its first content comes from in one of two fields, an old and a general one: they are kept equal where
both can say it.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds.strategy import keep_status

Object = dict[str, Any]


def prepare_volume(volume: Object) -> None:
    volume["status"] = {"phase": "Pending"}


def stamp_volume(volume: Object, old: Object | None, now: str) -> None:
    """When the phase last changed; a client that changes it may say so itself."""
    status, before = volume.setdefault("status", {}), (old or {}).get("status") or {}
    field = "lastPhaseTransitionTime"
    is_changed = old is None or status.get("phase") != before.get("phase")
    if is_changed and status.get(field) in (None, before.get(field)):
        status[field] = now


def prepare_claim(claim: Object) -> None:
    claim["status"] = {"phase": "Pending"}
    _align_sources(claim["spec"])


def prepare_claim_update(claim: Object, old: Object) -> None:
    keep_status(claim, old)
    # A claim of before the general field: only what it says now is looked at.
    if "dataSource" not in old["spec"] or "dataSourceRef" in old["spec"]:
        _align_sources(claim["spec"])


def _align_sources(spec: Object) -> None:
    source, general = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and general is None:
        spec["dataSourceRef"] = dict(source)
    elif general is not None and source is None and not general.get("namespace"):
        spec["dataSource"] = {field: value for field, value in general.items() if field != "namespace"}
