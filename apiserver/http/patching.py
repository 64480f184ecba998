"""The bodies of PATCH: JSON, merge and strategic patches, configurations to be applied; and what is said where they fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from apiserver.errors import StatusError, bad_request, invalid
from apiserver.http.messages import Object
from apiserver.meta import (
    Type,
    decode_json,
    decode_patch,
    decode_yaml,
    encode,
    json_patch,
    merge_patch,
    not_a_patch,
    parse_json,
    strategic_merge,
)
from apiserver.meta import invalid as invalid_value

MAX_SHOWN = 10_000


class Patch(NamedTuple):
    """apply: old object → new; quoted: the patch, where it and not what it makes of the object is quoted as it fails."""

    apply: Callable[[Object], Any]
    duplicates: tuple[str, ...]
    quoted: Any = None

    def refusal(self, error: StatusError, old: Object) -> StatusError:
        """The 422 for a patch whose result is no object of its kind; `error` is what its decoding said."""
        if error.code != 400:
            return error
        why = error.message.partition(" cannot be handled as a ")[2].partition(": ")[2] or error.message
        shown = encode(self.apply(old)).decode() if self.quoted is None else go_text(self.quoted)
        return invalid("", "", "", [invalid_value("patch", shown[:MAX_SHOWN], why)])


def read_patch(kind: str, body: bytes, schema: Type | None) -> Patch:
    """Raises BadRequest for a body that is no patch of its kind."""
    if kind == "json":
        operations = parse_json(body, not_a_patch)
        return Patch(lambda old: json_patch(old, operations), ())
    if kind == "strategic":
        decoded = decode_patch(body, bad_request)
        return Patch(lambda old: strategic_merge(old, decoded.obj, schema), decoded.duplicates, decoded.obj)
    decoded = decode_patch(body, not_a_patch)
    return Patch(lambda old: merge_patch(old, decoded.obj), decoded.duplicates)


def go_text(value: Any) -> str:
    """A JSON value as Go prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(go_text(item) for item in value)}]"
    if value is None:
        return "<nil>"
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def read_configuration(body: bytes, field_validation: str) -> tuple[Object, list[str]]:
    """(what is to be applied, warnings) of a body in YAML, which JSON is. Raises BadRequest."""
    try:
        decoded = decode_yaml(body) if body[:1] != b"{" else decode_json(body)
        if decoded.duplicates:
            decoded = decode_yaml(body)  # which says in which lines
    except StatusError as error:
        if error.code != 400:
            raise
        if body[:1] != b"{":
            raise bad_request(f"error decoding YAML: {error.message}") from None
        try:
            decoded = decode_yaml(body)  # a flow map of YAML that is no JSON
        except StatusError as other:
            raise bad_request(f"error decoding YAML: {other.message}") from None
    if not decoded.lines or field_validation == "Ignore":
        return decoded.obj, []
    if field_validation == "Strict":
        twice = "".join(f"\n  {line}" for line in decoded.lines)
        text = f"error converting YAML to JSON: yaml: unmarshal errors:{twice}"
        raise bad_request(f"error strict decoding YAML: {text}")
    return decoded.obj, list(decoded.lines)
