"""What the handlers share: what a write's query asks for, and an answer in the form that the client wants."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from apiserver.errors import Cause, invalid
from apiserver.http.media import JSON, OBJECT, PARTIAL, PARTIAL_LIST, TABLE, Wanted, negotiate
from apiserver.http.messages import Object, Request, Response, bytes_response
from apiserver.http.request_info import check_create
from apiserver.http.routes import Target
from apiserver.http.shaping import encode_as, list_head, list_tail, shape_list, shape_one
from apiserver.kinds import Resource, check_field_validation
from apiserver.meta import forbidden, not_supported, required, too_long
from apiserver.meta import invalid as invalid_value
from apiserver.registry import Registry, WriteOptions
from apiserver.storage import Page, Stored

MAX_SHARED_BYTES = 32 * 1024 * 1024
"""Of a list that is kept for the next who asks."""

READ_FORMS = (OBJECT, TABLE, PARTIAL)
LIST_FORMS = (OBJECT, TABLE, PARTIAL_LIST, PARTIAL)


class Write(NamedTuple):
    """What a write asks for beside its body."""

    options: WriteOptions
    field_validation: str


MAX_MANAGER_BYTES = 128


def manager_of(request: Request) -> str:
    """The field manager: what the query says, else the client's program (its User-Agent up to the first slash)."""
    said = request.query.get("fieldManager", "")
    if said:
        return said
    program = request.headers.get("user-agent", "").partition("/")[0]
    if not program.isprintable():
        program = "".join(char for char in program if char.isprintable())
    return program.encode()[:MAX_MANAGER_BYTES].decode(errors="ignore")


def write_options(request: Request, kind: str, causes: list[Cause] | None = None) -> Write:
    """causes: what is wrong with the options already. Raises Invalid for all of it."""
    query = request.query
    causes = causes or []
    manager = query.get("fieldManager", "")
    if manager:
        if len(manager.encode()) > MAX_MANAGER_BYTES:
            causes.append(too_long("fieldManager", MAX_MANAGER_BYTES))
        for place, char in enumerate(manager):
            if not char.isprintable():
                why = f"invalid character U+{ord(char):04X} (at position {place})"
                causes.append(invalid_value("fieldManager", manager, why))
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        causes.append(not_supported("dryRun", [dry_run], ("All",)))
    if causes:
        raise invalid("meta.k8s.io", kind, "", causes)
    may_create = partial(check_create, request) if request.gate.asks and request.method != "POST" else None
    options = WriteOptions(dry_run == "All", manager_of(request), request.user, may_create)
    return Write(options, check_field_validation(query.get("fieldValidation", ""), kind))


def patch_options(request: Request, patch: str) -> Write:
    """The options of a PATCH; `patch` is its kind."""
    causes = []
    if patch == "apply":
        if not request.query.get("fieldManager"):
            causes.append(required("fieldManager", "is required for apply patch"))
    elif request.query.get("force"):
        causes.append(forbidden("force", "may not be specified for non-apply patch"))
    return write_options(request, "PatchOptions", causes)


def answer(
    registry: Registry, target: Target, stored: Stored, wanted: Wanted, request: Request, status: int = 200
) -> Response:
    include = request.query.get("includeObject", "")
    body = shape_one(target.resource, stored, wanted, include, registry.clock)
    return bytes_response(body, status, wanted.media)


def answer_list(
    registry: Registry, target: Target, items: Sequence[Stored], metadata: Object, wanted: Wanted, include: str = ""
) -> Response:
    body = shape_list(target.resource, items, metadata, wanted, include, registry.clock)
    return bytes_response(body, 200, wanted.media)


def answer_page(
    registry: Registry, target: Target, page: Page, metadata: Object, wanted: Wanted, include: str = ""
) -> Response:
    """The same of a page, whose items in JSON are joined once for all who read it while nothing changes."""
    shared, resource = page.shared, target.resource
    if shared is None or wanted.form != OBJECT or wanted.media != JSON:
        return answer_list(registry, target, page.items, metadata, wanted, include)
    tail = shared.get(resource)
    if tail is None:
        tail = list_tail(page.items)
        if len(tail) <= MAX_SHARED_BYTES:
            shared[resource] = tail
    return Response(200, {"Content-Type": JSON}, list_head(resource, metadata), rest=tail)


def object_response(request: Request, obj: Object, status: int = 200) -> Response:
    """An object that is not stored and says its own type: a Status, a Scale, a review. Raises NotAcceptable."""
    media = negotiate(request.headers.get("accept", "")).media
    return bytes_response(encode_as(media, obj), status, media)


def wanted_of(request: Request, resource: Resource, forms: tuple[str, ...], *, is_watch: bool = False) -> Wanted:
    """What form and media type the client wants. Raises NotAcceptable."""
    return negotiate(request.headers.get("accept", ""), forms, is_custom=resource.is_custom, is_watch=is_watch)


def warned(response: Response, resource: Resource, warnings: list[str]) -> Response:
    texts = ([resource.deprecation] if resource.deprecation else []) + warnings
    return response._replace(warnings=tuple(texts)) if texts else response
