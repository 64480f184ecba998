"""From the bytes of a request to an object of a kind: what the API server's decoder does, and what it says.

    obj, warnings = decode_body(PODS, body, field_validation="Warn")

A body may leave out apiVersion and kind; other ones than the resource's are refused. Unknown and duplicate fields are
dropped, and reported as `fieldValidation` says: Ignore, Warn (the default, as texts for Warning headers) or Strict
(BadRequest). Values of a wrong type are BadRequest always.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from apiserver.errors import bad_request
from apiserver.errors import invalid as invalid_object
from apiserver.kinds.resource import Resource
from apiserver.kinds.schemas import find_type
from apiserver.meta import (
    Decoded,
    DecodeError,
    Type,
    decode_changed,
    decode_json,
    decode_typed,
    decode_yaml,
    invalid,
    join_api_version,
    not_supported,
    split_api_version,
)

IGNORE = "Ignore"
WARN = "Warn"
STRICT = "Strict"
FIELD_VALIDATIONS = ("", IGNORE, STRICT, WARN)


class Body(NamedTuple):
    """An object in canonical form (no defaults yet), and what to warn the client of."""

    obj: dict[str, Any]
    warnings: list[str]


def decode_body(resource: Resource, body: bytes, *, yaml: bool = False, field_validation: str = WARN) -> Body:
    """Decodes the body of a create or an update of the resource. Raises BadRequest, or RequestEntityTooLarge."""
    decoded = decode_body_of(
        body, resource.schema, resource.group, resource.version, resource.kind,
        yaml=yaml, field_validation=field_validation, is_custom=resource.is_custom,
    )  # fmt: skip
    decoded.obj.setdefault("metadata", {})
    return decoded


def decode_options(body: bytes, kind: str = "DeleteOptions", *, yaml: bool = False) -> dict[str, Any]:
    """Decodes a meta.k8s.io body such as DeleteOptions, whichever group it says it is of. Raises BadRequest."""
    obj = (decode_yaml if yaml else decode_json)(body, kind).obj
    said = str(obj.get("apiVersion") or "v1")
    version = split_api_version(said)[1]
    if obj.get("kind", kind) != kind:
        raise bad_request(f'no kind "{obj.get("kind")}" is registered for version "{said}"')
    _decode(obj, find_type(f"meta.v1.{kind}"), kind, version, kind)
    return obj


def decode_body_of(
    body: bytes,
    schema: Type,
    group: str,
    version: str,
    kind: str,
    *,
    yaml: bool = False,
    field_validation: str = WARN,
    is_custom: bool = False,
    also: tuple[str, ...] = (),
) -> Body:
    """Decodes a body of a type that is no resource of its own: Binding, Eviction, Scale. Raises BadRequest.

    also: other versions that mean the same.
    """
    parsed = (decode_yaml if yaml else decode_json)(body, kind)
    obj = parsed.obj
    if is_custom:
        _check_custom_type(obj, group, version, kind)
    check_said_type(obj, group, version, kind, also)
    return Body(obj, decode_object(obj, schema, version, kind, parsed, field_validation, is_custom=is_custom))


def decode_object(
    obj: dict[str, Any],
    schema: Type,
    version: str,
    kind: str,
    parsed: Decoded | Iterable[str] = (),
    field_validation: str = WARN,
    *,
    is_custom: bool = False,
    known: dict[str, Any] | None = None,
) -> list[str]:
    """Brings a parsed object (a body, the result of a patch) to canonical form in place; returns the warnings.

    parsed: the body that it came as, or the duplicate fields of the patch. known: what the object was before it was patched,
    in canonical form; what is still the same is passed over. Raises BadRequest.
    """
    metadata = obj.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") == []:
        metadata["managedFields"] = [{}]  # "forget them": an empty list would be dropped
    unknown = _decode(obj, schema, kind, version, kind, known)
    if field_validation == IGNORE:
        return []
    lines = parsed.lines if isinstance(parsed, Decoded) else ()
    problems = _problems(unknown, parsed, is_custom=is_custom)
    if (problems or lines) and field_validation == STRICT:
        said = ["yaml: unmarshal errors:" + "".join(f"\n  {line}" for line in lines)] if lines else []
        text = f"strict decoding error: {', '.join((*said, *problems))}"
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {text}')
    return [*lines, *problems]


def _problems(unknown: list[str], parsed: Decoded | Iterable[str], *, is_custom: bool) -> list[str]:
    """What is wrong with the fields, in the order in which the real server meets it.

    Of a built-in kind's JSON that is the order of the text, and what is unknown is not looked into. A custom resource is read as
    a whole before its schema is asked, and so is a patch.
    """
    if not isinstance(parsed, Decoded) or is_custom or not parsed.duplicates:
        duplicates = parsed.duplicates if isinstance(parsed, Decoded) else parsed
        fields = sorted(unknown) if is_custom else unknown
        return [f'duplicate field "{path}"' for path in duplicates] + [f'unknown field "{path}"' for path in fields]
    places = parsed.places
    found = [(places.get(path, 0), f'unknown field "{path}"') for path in unknown]
    for path in parsed.duplicates:
        if not any(path == each or path.startswith((f"{each}.", f"{each}[")) for each in unknown):
            found.append((places[f"{path} again"], f'duplicate field "{path}"'))
    return [text for _, text in sorted(found)]


def check_field_validation(value: str, options_kind: str = "CreateOptions") -> str:
    """The value of the query parameter, Warn where it is empty. Raises Invalid."""
    if value not in FIELD_VALIDATIONS:
        cause = not_supported("fieldValidation", value, FIELD_VALIDATIONS)
        raise invalid_object("meta.k8s.io", options_kind, "", [cause])
    return value or WARN


def _decode(
    obj: dict[str, Any], schema: Type, said_kind: str, version: str, kind: str, known: dict[str, Any] | None = None
) -> list[str]:
    try:
        return decode_typed(obj, schema) if known is None else decode_changed(obj, schema, known)
    except DecodeError as error:
        raise bad_request(f'{said_kind} in version "{version}" cannot be handled as a {kind}: {error}') from None


def _check_custom_type(obj: dict[str, Any], group: str, version: str, kind: str) -> None:
    """What is said of a custom resource with another type: it can be read whatever it is, and is then not what it should be."""
    expected = join_api_version(group, version)
    said_kind, said_version = obj.get("kind") or kind, obj.get("apiVersion") or expected
    if not isinstance(said_kind, str) or not isinstance(said_version, str):
        return  # what cannot be read at all is said for every kind alike
    if said_version != expected:
        raise bad_request(
            f"the API version in the data ({said_version}) does not match the expected API version ({expected})"
        )
    if said_kind != kind:
        metadata = obj.get("metadata")
        name = metadata.get("name", "") if isinstance(metadata, dict) else ""
        raise invalid_object(group, kind, str(name), [invalid("kind", said_kind, f"must be {kind}")])


def check_said_type(obj: dict[str, Any], group: str, version: str, kind: str, also: tuple[str, ...] = ()) -> None:
    """Fills in apiVersion and kind. Raises BadRequest where the body says others."""
    expected = join_api_version(group, version)
    said_kind, said_version = obj.get("kind"), obj.get("apiVersion")
    if said_version in [join_api_version(group, other) for other in also]:
        said_version = expected
    said_kind = kind if said_kind in (None, "") else said_kind
    said_version = expected if said_version in (None, "") else said_version
    if not isinstance(said_kind, str) or not isinstance(said_version, str):
        field = "Kind" if not isinstance(said_kind, str) else "APIVersion"
        raise bad_request(
            f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse "
            f"error: json: cannot unmarshal into Go struct field .{field.lower()} of type string"
        )
    if said_version == expected and said_kind == kind:
        obj["apiVersion"], obj["kind"] = expected, kind
        return
    said = split_api_version(said_version)[1]
    if said_version == expected or said_kind != kind:
        why = f"converting ({said}.{said_kind}) to ({group.partition('.')[0] or 'core'}.{kind}): unknown conversion"
    else:
        why = (
            f'no kind "{said_kind}" is registered for version "{said_version}" in scheme '
            '"pkg/api/legacyscheme/scheme.go:30"'
        )
    raise bad_request(f'{said_kind} in version "{said}" cannot be handled as a {kind}: {why}')
