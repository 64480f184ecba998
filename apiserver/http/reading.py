"""GET: one object, a list, or a watch."""

from __future__ import annotations

from apiserver.errors import too_large_resource_version
from apiserver.http.answers import LIST_FORMS, READ_FORMS, Object, answer, warned
from apiserver.http.media import negotiate
from apiserver.http.messages import Request, Response, bytes_response
from apiserver.http.query import EXACT, check_list_options, parse_limit, parse_revision, parse_selection
from apiserver.http.routes import Target
from apiserver.http.shaping import shape_list
from apiserver.http.watching import open_watch
from apiserver.registry import Registry
from apiserver.storage import decode_continue


async def get(registry: Registry, request: Request, target: Target) -> Response:
    wanted = negotiate(request.headers.get("accept", ""), READ_FORMS)
    stored = await registry.get(target.resource, target.namespace, target.name)
    return warned(answer(registry, target, stored, wanted, request), target.resource, [])


async def list_or_watch(registry: Registry, request: Request, target: Target) -> Response:
    query = request.query
    is_watch = target.is_watch_path or query.get("watch", "").lower() in ("1", "true")
    wanted = negotiate(request.headers.get("accept", ""), LIST_FORMS)
    check_list_options(query, is_watch=is_watch)
    selection = parse_selection(target.resource, target.namespace, target.name, query)
    if is_watch:
        response = await open_watch(registry, target.resource, selection, query, wanted.form)
        return warned(response, target.resource, [])
    revision = parse_revision(query)
    position = decode_continue(query["continue"]) if query.get("continue") else None
    limit = parse_limit(query)
    match = query.get("resourceVersionMatch")
    exact = match == EXACT or (not match and limit > 0 and revision > 0)
    # The keys of one namespace are listed alone, so only the selectors are left to look at.
    accepts = selection.accepts if selection.key[1:] != ("", "") else None
    if query.get("resourceVersion") and position is None and not exact and (not limit or revision == 0):
        page = await registry.list_not_older(target.resource, target.namespace, revision, accepts)
    else:
        page = await registry.list(
            target.resource,
            target.namespace,
            revision=revision if exact else 0,
            limit=limit,
            position=position,
            accepts=accepts,
        )
    if revision > page.revision and position is None:
        raise too_large_resource_version(revision, page.revision)
    metadata: Object = {"resourceVersion": str(page.revision)}
    if page.token:
        metadata["continue"] = page.token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    include = query.get("includeObject", "")
    body = shape_list(target.resource, page.items, metadata, wanted.form, include, registry.clock)
    return warned(bytes_response(body), target.resource, [])
