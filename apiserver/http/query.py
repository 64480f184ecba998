"""The query parameters of a list or a watch, checked (kubernetes.md 1.4, 1.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from apiserver.errors import Cause, StatusError, bad_request, invalid
from apiserver.kinds import Resource
from apiserver.meta import parse_field_selector, parse_label_selector
from apiserver.storage import Stored

MAX_REVISION = 2**63 - 1
EXACT, NOT_OLDER_THAN = "Exact", "NotOlderThan"


class Selection(NamedTuple):
    """accepts: None where everything is selected; key: equal selections have equal keys."""

    accepts: Callable[[Stored], bool] | None
    key: tuple[str, str, str]


def parse_selection(resource: Resource, namespace: str, name: str, query: Mapping[str, str]) -> Selection:
    """Raises BadRequest for a selector that cannot be parsed, or a field that cannot be selected by."""
    labels = parse_label_selector(query.get("labelSelector", ""))
    fields_text = query.get("fieldSelector", "")
    if name:
        fields_text = f"metadata.name={name}" + (f",{fields_text}" if fields_text else "")
    fields = parse_field_selector(fields_text)
    key = (namespace, str(labels), str(fields))
    matches_fields = None if fields.is_everything else resource.bind_field_selector(fields)
    matches_labels = None if labels.is_everything else labels.matches
    if matches_fields is None and matches_labels is None and not namespace:
        return Selection(None, key)

    prefix = f"{resource.storage_prefix}/{namespace}/".encode() if namespace else b""

    def accepts(stored: Stored) -> bool:
        if not stored.key.startswith(prefix):
            return False
        if matches_labels is None and matches_fields is None:
            return True  # by its key alone: nothing is decoded
        obj = stored.obj
        if matches_labels is not None and not matches_labels(obj["metadata"].get("labels") or {}):
            return False
        return matches_fields is None or matches_fields(obj)

    return Selection(accepts, key)


def _refuse(field: str, reason: str, message: str) -> StatusError:
    return invalid("meta.k8s.io", "ListOptions", "", [Cause(reason, message, field)])


def parse_revision(query: Mapping[str, str]) -> int:
    """resourceVersion as a number; 0 where it is empty or "0". Raises BadRequest for other text."""
    text = query.get("resourceVersion", "")
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal()):
        why = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f"invalid resource version: resourceVersion: {why}")
    if len(text) > 19 or int(text) > MAX_REVISION:
        why = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": value out of range'
        raise bad_request(f"invalid resource version: resourceVersion: {why}")
    return int(text)


def parse_limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", "")
    if not text:
        return 0
    try:
        limit = int(text)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    return min(max(limit, 0), MAX_REVISION)


def check_list_options(query: Mapping[str, str], *, is_watch: bool) -> None:
    """The combinations that Kubernetes refuses."""
    match = query.get("resourceVersionMatch", "")
    version = query.get("resourceVersion", "")
    initial = query.get("sendInitialEvents", "")
    if is_watch:
        if query.get("continue"):
            text = "Forbidden: resourceVersionMatch is forbidden when continue is provided"
            raise _refuse("resourceVersionMatch", "FieldValueForbidden", text)
        if initial and match != NOT_OLDER_THAN:
            text = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise _refuse("resourceVersionMatch", "FieldValueForbidden", text)
        if match and not initial:
            text = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            raise _refuse("resourceVersionMatch", "FieldValueForbidden", text)
        return
    if initial:
        text = "Forbidden: sendInitialEvents is forbidden for list"
        raise _refuse("sendInitialEvents", "FieldValueForbidden", text)
    if not match:
        return
    if query.get("continue"):
        text = "Forbidden: resourceVersionMatch is forbidden when continue is provided"
        raise _refuse("resourceVersionMatch", "FieldValueForbidden", text)
    if not version:
        text = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise _refuse("resourceVersionMatch", "FieldValueForbidden", text)
    if match not in (EXACT, NOT_OLDER_THAN):
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        raise _refuse("resourceVersionMatch", "FieldValueNotSupported", text)
    if match == EXACT and version == "0":
        text = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        raise _refuse("resourceVersionMatch", "FieldValueForbidden", text)
