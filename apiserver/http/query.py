"""The query parameters of a list or a watch, checked (kubernetes.md 1.4, 1.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from apiserver.errors import Cause, bad_request, invalid
from apiserver.kinds import Resource
from apiserver.meta import FieldSelector, parse_field_selector, parse_label_selector
from apiserver.storage import NEWEST, Stored, Trigger, Wanted, decode_continue

Object = dict[str, Any]

MAX_REVISION = 2**63 - 1
EXACT, NOT_OLDER_THAN = "Exact", "NotOlderThan"


class Selection(NamedTuple):
    """accepts: None where everything is selected; key: equal selections have equal keys; trigger: what a watch is found by."""

    accepts: Callable[[Stored], bool] | None
    key: tuple[str, str, str]
    trigger: Trigger | None = None

    @property
    def accepts_inside(self) -> Callable[[Stored], bool] | None:
        """The same for objects of the namespace only: the keys of one namespace are listed alone."""
        return self.accepts if self.key[1] or self.key[2] else None


def parse_selection(resource: Resource, namespace: str, name: str, query: Mapping[str, str]) -> Selection:
    """Raises BadRequest for a selector that cannot be parsed, or a field that cannot be selected by."""
    labels_text, fields_text = query.get("labelSelector", ""), query.get("fieldSelector", "")
    if not labels_text and not fields_text and not name:
        if not namespace:
            return EVERYTHING
        return Selection(_in_namespace(resource, namespace), (namespace, "", ""), _namespace_trigger(namespace))
    labels = parse_label_selector(labels_text)
    if name:
        fields_text = f"metadata.name={name}" + (f",{fields_text}" if fields_text else "")
    fields = parse_field_selector(fields_text)
    key = (namespace, str(labels), str(fields))
    matches_fields = None if fields.is_everything else resource.bind_field_selector(fields)
    matches_labels = None if labels.is_everything else labels.matches
    if matches_fields is None and matches_labels is None and not namespace:
        return EVERYTHING
    prefix = f"{resource.stored.storage_prefix}/{namespace}/".encode() if namespace else b""
    exact_name = fields.find_exact("metadata.name")
    suffix = b"" if exact_name is None else f"/{exact_name}".encode()

    def accepts(stored: Stored) -> bool:
        if not stored.key.startswith(prefix) or not stored.key.endswith(suffix):
            return False
        if matches_labels is None and matches_fields is None:
            return True  # by its key alone: nothing is decoded
        if matches_labels is not None and not matches_labels(stored.labels):
            return False
        return matches_fields is None or matches_fields(stored.obj)

    return Selection(accepts, key, _find_trigger(resource, namespace, fields))


EVERYTHING = Selection(None, ("", "", ""))


def _in_namespace(resource: Resource, namespace: str) -> Callable[[Stored], bool]:
    prefix = f"{resource.stored.storage_prefix}/{namespace}/".encode()
    return lambda stored: stored.key.startswith(prefix)


def _read_name(stored: Stored) -> str:
    return stored.key[stored.key.rfind(b"/") + 1 :].decode()


def _read_namespace(stored: Stored) -> str:
    return stored.key.rsplit(b"/", 2)[1].decode()


def _read_field(read: Callable[[Object], str], stored: Stored) -> str:
    return read(stored.obj)


def _namespace_trigger(namespace: str) -> Trigger:
    return Trigger("metadata.namespace", _read_namespace, namespace)


def _find_trigger(resource: Resource, namespace: str, fields: FieldSelector) -> Trigger | None:
    """The field with the fewest objects to a value: a name, then what a kind can be selected by (a pod's node)."""
    name = fields.find_exact("metadata.name")
    if name is not None:
        return Trigger("metadata.name", _read_name, name)
    for term in fields.terms:
        read = resource.field_labels.get(term.field)
        if read is not None and not term.negated:
            return Trigger(term.field, partial(_read_field, read), term.value)
    return _namespace_trigger(namespace) if namespace else None


def parse_bool(query: Mapping[str, str], name: str) -> bool:
    """As Go clients mean it: false where it is absent, "false" or "0"; true for all else, "" too."""
    text = query.get(name)
    return text is not None and text.lower() not in ("false", "0")


def parse_wanted(query: Mapping[str, str]) -> Wanted:
    """Which state a list is answered from. Raises BadRequest."""
    text, limit = query.get("resourceVersion", ""), parse_limit(query)
    if query.get("continue"):
        position = decode_continue(query["continue"])
        if text not in ("", "0"):
            parse_revision(query)
            raise bad_request("specifying resource version is not allowed when using continue")
        return Wanted(None, False, limit, position)
    if not text:
        return Wanted(None, False, limit) if limit else NEWEST
    revision = parse_revision(query)
    match = query.get("resourceVersionMatch")
    return Wanted(revision, match == EXACT or (not match and limit > 0 and revision > 0), limit)


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
    """The combinations that Kubernetes refuses. Raises Invalid with all that is wrong."""
    match = query.get("resourceVersionMatch", "")
    initial = query.get("sendInitialEvents", "")
    if not match and not initial and not (is_watch and query.get("continue")):
        return
    causes = (_watch_causes if is_watch else _list_causes)(query, match, initial)
    if causes:
        raise invalid("meta.k8s.io", "ListOptions", "", causes)


def _forbidden(field: str, text: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {text}", field)


def _unsupported(value: str, *supported: str) -> Cause:
    texts = ", ".join(f'"{each}"' for each in supported)
    text = f'Unsupported value: "{value}": supported values: {texts}'
    return Cause("FieldValueNotSupported", text, "resourceVersionMatch")


def _watch_causes(query: Mapping[str, str], match: str, initial: str) -> list[Cause]:
    causes = []
    if initial and match != NOT_OLDER_THAN:
        text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        causes.append(_forbidden("resourceVersionMatch", text))
    if match:
        if not initial:
            text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            causes.append(_forbidden("resourceVersionMatch", text))
        if match != NOT_OLDER_THAN:
            causes.append(_unsupported(match, NOT_OLDER_THAN))
    if query.get("continue"):
        text = "resourceVersionMatch is forbidden when continue is provided"
        causes.append(_forbidden("resourceVersionMatch", text))
    return causes


def _list_causes(query: Mapping[str, str], match: str, initial: str) -> list[Cause]:
    causes = []
    version = query.get("resourceVersion", "")
    if match:
        if not version:
            text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            causes.append(_forbidden("resourceVersionMatch", text))
        if query.get("continue"):
            text = "resourceVersionMatch is forbidden when continue is provided"
            causes.append(_forbidden("resourceVersionMatch", text))
        if match not in (EXACT, NOT_OLDER_THAN):
            causes.append(_unsupported(match, EXACT, NOT_OLDER_THAN, ""))
        if match == EXACT and version == "0":
            text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            causes.append(_forbidden("resourceVersionMatch", text))
    if initial:
        causes.append(_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return causes
