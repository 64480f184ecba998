"""What the handlers share: what a write's query asks for, and an answer in the form that the client wants."""

from __future__ import annotations

from typing import Any, NamedTuple

from apiserver.errors import invalid
from apiserver.http.media import OBJECT, PARTIAL, PARTIAL_LIST, TABLE, Wanted
from apiserver.http.messages import Request, Response, bytes_response
from apiserver.http.routes import Target
from apiserver.http.shaping import shape_one
from apiserver.kinds import Resource, check_field_validation
from apiserver.meta import not_supported
from apiserver.registry import Registry, WriteOptions
from apiserver.storage import Stored

Object = dict[str, Any]

READ_FORMS = (OBJECT, TABLE, PARTIAL)
LIST_FORMS = (OBJECT, TABLE, PARTIAL_LIST, PARTIAL)


class Write(NamedTuple):
    """What a write asks for beside its body."""

    options: WriteOptions
    field_validation: str


MAX_MANAGER = 128


def manager_of(request: Request) -> str:
    """The field manager: what the query says, else the client's program (the first word of its User-Agent)."""
    said = request.query.get("fieldManager", "")
    return said or request.headers.get("user-agent", "").partition("/")[0][:MAX_MANAGER]


def write_options(request: Request, kind: str) -> Write:
    dry_run = request.query.get("dryRun", "")
    if dry_run not in ("", "All"):
        raise invalid("meta.k8s.io", kind, "", [not_supported("dryRun", [dry_run], ("All",))])
    options = WriteOptions(dry_run == "All", manager_of(request), request.user)
    return Write(options, check_field_validation(request.query.get("fieldValidation", ""), kind))


def answer(
    registry: Registry, target: Target, stored: Stored, wanted: Wanted, request: Request, status: int = 200
) -> Response:
    include = request.query.get("includeObject", "")
    return bytes_response(shape_one(target.resource, stored, wanted.form, include, registry.clock), status)


def warned(response: Response, resource: Resource, warnings: list[str]) -> Response:
    texts = ([resource.deprecation] if resource.deprecation else []) + warnings
    return response._replace(warnings=tuple(texts)) if texts else response
