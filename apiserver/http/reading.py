"""GET: one object, a list, or a watch."""

from __future__ import annotations

from apiserver.http.answers import LIST_FORMS, READ_FORMS, answer, answer_page, wanted_of, warned
from apiserver.http.messages import Object, Request, Response
from apiserver.http.query import check_list_options, parse_bool, parse_revision, parse_selection, parse_wanted
from apiserver.http.routes import Target
from apiserver.http.shaping import encode_ahead
from apiserver.http.watching import open_watch
from apiserver.registry import Registry


async def get(registry: Registry, request: Request, target: Target) -> Response:
    wanted = wanted_of(request, target.resource, READ_FORMS)
    revision = parse_revision(request.query) if request.query.get("resourceVersion") else None
    stored = await registry.get(target.resource, target.namespace, target.name, revision)
    return warned(answer(registry, target, stored, wanted, request), target.resource, [])


async def list_or_watch(registry: Registry, request: Request, target: Target) -> Response:
    query = request.query
    is_watch = target.is_watch_path or parse_bool(query, "watch")
    wanted = wanted_of(request, target.resource, LIST_FORMS, is_watch=is_watch)
    check_list_options(query, is_watch=is_watch)
    selection = parse_selection(target.resource, target.namespace, target.name, query)
    if is_watch:
        response = await open_watch(registry, target.resource, selection, query, wanted)
        return warned(response, target.resource, [])
    page = await registry.list(target.resource, target.namespace, parse_wanted(query), accepts=selection.accepts_inside)
    await encode_ahead(target.resource, page.items, wanted)
    metadata: Object = {"resourceVersion": str(page.revision)}
    if page.token:
        metadata["continue"] = page.token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    include = query.get("includeObject", "")
    return warned(answer_page(registry, target, page, metadata, wanted, include), target.resource, [])
