"""The client of an API server: objects in, objects out, errors as `StatusError`.

Works against any Kubernetes API server, over any `Transport`. Objects are plain dicts as JSON decodes them. Every
method raises

    StatusError             the server said no (or a watch carried an ERROR event); switch on `.reason`
    ServerUnreachableError  nobody answered
    ValueError              an argument that cannot be sent

A 429 that carries Retry-After is waited out and tried again, up to ten times, as client-go does; nothing else is
retried here, because only the caller knows whether a repeat is safe.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import orjson

from apiserver.client.resources import ResourceLike, path_of
from apiserver.client.timing import LoopClock, TimerClock
from apiserver.client.transport import Answer, Pairs, Stream, Transport
from apiserver.errors import StatusError

Object = dict[str, Any]
Objects = list[dict[str, Any]]
Named = ResourceLike | str

PATCH_MEDIA_TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
MAX_THROTTLED_RETRIES = 10
PAGE_SIZE = 500

_JSON = (("Content-Type", "application/json"),)
_PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""The annotation of the bookmark that ends the initial events of a watch."""


class WatchEvent(NamedTuple):
    """type: ADDED, MODIFIED, DELETED or BOOKMARK. An ERROR event is raised as StatusError instead."""

    type: str
    object: Object


class WatchStream:
    """An open watch: `async for event in stream`. It ends when the server ends it; `close` is safe at any time."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[WatchEvent]:
        async for line in self._stream:
            if not line or line.isspace():
                continue
            try:
                event = orjson.loads(line)
                kind, obj = event["type"], event["object"]
            except (orjson.JSONDecodeError, KeyError, TypeError) as error:
                raise StatusError(
                    500, "InternalError", f"unable to decode an event from the watch stream: {error}"
                ) from error
            if kind == "ERROR":
                raise _status_error(int(obj.get("code") or 500), obj, b"")
            yield WatchEvent(kind, obj)

    async def close(self) -> None:
        await self._stream.close()


class Client:
    """One server, reached through `transport`. `clock` only times the waits that the server asks for (Retry-After).

    user_agent: who writes, as the managed fields of what is written say it (the part before the slash); "": the transport's.
    """

    def __init__(self, transport: Transport, *, clock: TimerClock | None = None, user_agent: str = "") -> None:
        self.transport = transport
        self._headers = [("User-Agent", user_agent)] if user_agent else []
        self._clock: TimerClock = clock if clock is not None else LoopClock()

    # ------------------------------------------------------------------------------------------------ reading

    async def get(
        self, resource: Named, name: str, namespace: str | None = None, *, resource_version: str = ""
    ) -> Object:
        """The object. Raises StatusError NotFound."""
        query = _pairs(resourceVersion=resource_version)
        return await self._call("GET", path_of(resource, namespace, name), query)

    async def get_subresource(
        self, resource: Named, name: str, subresource: str, namespace: str | None = None
    ) -> Object:
        """GET of a subresource that answers an object: "scale", "status"."""
        return await self._call("GET", path_of(resource, namespace, name, subresource))

    async def list(
        self,
        resource: Named,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
        resource_version_match: str = "",
        metadata_only: bool = False,
    ) -> Object:
        """One List object, as the server answers it: `items`, and `metadata` with resourceVersion and continue.

        metadata_only: items are PartialObjectMetadata.
        """
        query = _pairs(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            limit=limit,
            resourceVersion=resource_version,
            resourceVersionMatch=resource_version_match,
        )
        if continue_token:
            query += _pairs(**{"continue": continue_token})
        accept = (("Accept", f"{_PARTIAL_LIST},application/json"),) if metadata_only else ()
        return await self._call("GET", path_of(resource, namespace), query, headers=accept)

    async def list_all(
        self,
        resource: Named,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        page_size: int = PAGE_SIZE,
        metadata_only: bool = False,
    ) -> tuple[Objects, str]:
        """(every item, the list's resourceVersion), read in pages of one revision.

        Where that revision is compacted between two pages (410), the list is read again whole, unpaged, as client-go's
        pager does. Items get the kind and apiVersion that a List leaves out.
        """
        items: Objects = []
        token, limit = "", page_size
        while True:
            try:
                page = await self.list(
                    resource,
                    namespace,
                    label_selector=label_selector,
                    field_selector=field_selector,
                    limit=limit,
                    continue_token=token,
                    metadata_only=metadata_only,
                )
            except StatusError as error:
                if not token or error.code != 410:
                    raise
                items, token, limit = [], "", 0
                continue
            items.extend(_typed(page))
            metadata = page.get("metadata") or {}
            token = metadata.get("continue") or ""
            if not token:
                return items, metadata.get("resourceVersion", "")

    async def watch(
        self,
        resource: Named,
        namespace: str | None = None,
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        bookmarks: bool = True,
        timeout_s: int = 0,
        metadata_only: bool = False,
        initial_events: bool = False,
    ) -> WatchStream:
        """Opens a watch. resource_version "": the current objects as ADDED first; "N": what happens after N.

        initial_events: the current objects (not older than resource_version) as ADDED, then a BOOKMARK that carries the
        annotation INITIAL_EVENTS_END, then what happens. A server that has no such thing refuses it as Invalid.
        Raises StatusError at once where the server refuses it (410 Expired for a resourceVersion no longer kept).
        """
        query = _pairs(
            watch="true",
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
            allowWatchBookmarks="true" if bookmarks else "",
            timeoutSeconds=timeout_s,
            sendInitialEvents="true" if initial_events else "",
            resourceVersionMatch="NotOlderThan" if initial_events else "",
        )
        headers = [*self._headers, *((("Accept", f"{_PARTIAL},application/json"),) if metadata_only else ())]
        stream = await self.transport.stream("GET", path_of(resource, namespace), query=query, headers=headers)
        if stream.status != 200:
            body = b"\n".join([line async for line in stream])
            await stream.close()
            raise _status_error(stream.status, _decode(body), body)
        return WatchStream(stream)

    async def raw(self, path: str, *, accept: str = "") -> Object:
        """A GET of any path that answers JSON: "/version", "/apis", "/api/v1"."""
        return await self._call("GET", path, headers=(("Accept", accept),) if accept else ())

    # ------------------------------------------------------------------------------------------------ writing

    async def create(
        self,
        resource: Named,
        obj: Object,
        namespace: str | None = None,
        *,
        dry_run: bool = False,
        field_manager: str = "",
    ) -> Object:
        """The object as stored. namespace: by default the object's own. Raises StatusError AlreadyExists, Invalid, …"""
        query = _pairs(dryRun="All" if dry_run else "", fieldManager=field_manager)
        return await self._call("POST", path_of(resource, namespace or _namespace(obj)), query, obj)

    async def update(self, resource: Named, obj: Object, *, dry_run: bool = False, field_manager: str = "") -> Object:
        """PUT of the whole object; Conflict when its resourceVersion is not the stored one."""
        query = _pairs(dryRun="All" if dry_run else "", fieldManager=field_manager)
        return await self._call("PUT", path_of(resource, _namespace(obj), _name(obj)), query, obj)

    async def update_status(self, resource: Named, obj: Object) -> Object:
        """PUT of /status: only the status is taken; Conflict as with update."""
        return await self._call("PUT", path_of(resource, _namespace(obj), _name(obj), "status"), (), obj)

    async def patch(
        self,
        resource: Named,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        patch_type: str = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        """patch_type: "merge", "strategic" (built-in kinds only), "json" (a list of operations), "apply" (server side)."""
        media_type = PATCH_MEDIA_TYPES.get(patch_type)
        if media_type is None:
            raise ValueError(f"patch_type {patch_type!r}: one of {', '.join(PATCH_MEDIA_TYPES)}")
        query = _pairs(fieldManager=field_manager, force="true" if force else "", dryRun="All" if dry_run else "")
        path = path_of(resource, namespace, name, subresource)
        return await self._call("PATCH", path, query, patch, (("Content-Type", media_type),))

    async def apply(
        self,
        resource: Named,
        obj: Object,
        *,
        field_manager: str,
        force: bool = False,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Object:
        """Server-side apply: the fields of `obj` are to be as they are here, and are the manager's from now on.

        Conflict where a field is another manager's, unless forced.
        """
        metadata = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
        return await self.patch(
            resource,
            _name(obj),
            {**obj, "metadata": metadata},
            _namespace(obj),
            patch_type="apply",
            subresource=subresource,
            field_manager=field_manager,
            force=force,
            dry_run=dry_run,
        )

    async def patch_status(
        self, resource: Named, name: str, patch: Any, namespace: str | None = None, *, patch_type: str = "strategic"
    ) -> Object:
        return await self.patch(resource, name, patch, namespace, patch_type=patch_type, subresource="status")

    async def delete(
        self,
        resource: Named,
        name: str,
        namespace: str | None = None,
        *,
        grace_period_s: int | None = None,
        uid: str = "",
        resource_version: str = "",
        propagation_policy: str = "",
    ) -> Object:
        """Deletes, or starts to: the answer is a Status, or the object where finalizers or a grace period hold it.

        uid, resource_version: preconditions; Conflict where the object is another by now. propagation_policy:
        "Background", "Foreground" or "Orphan".
        """
        options = _delete_options(grace_period_s, uid, resource_version, propagation_policy)
        return await self._call("DELETE", path_of(resource, namespace, name), (), options)

    async def delete_collection(
        self,
        resource: Named,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        grace_period_s: int | None = None,
        propagation_policy: str = "",
    ) -> Object:
        query = _pairs(labelSelector=label_selector, fieldSelector=field_selector)
        options = _delete_options(grace_period_s, "", "", propagation_policy)
        return await self._call("DELETE", path_of(resource, namespace), query, options)

    # ------------------------------------------------------------------------------------------------ subresources

    async def scale(self, resource: Named, name: str, namespace: str | None, replicas: int) -> Object:
        """Sets spec.replicas through /scale (autoscaling/v1)."""
        patch = {"spec": {"replicas": replicas}}
        return await self.patch(resource, name, patch, namespace, subresource="scale")

    async def bind(
        self, name: str, namespace: str, node: str, *, uid: str = "", annotations: Mapping[str, str] = {}
    ) -> Object:  # noqa: B006
        """Puts a pod on a node. Conflict where it is bound already, or its uid is not the one given."""
        metadata: Object = {"name": name, "namespace": namespace}
        if uid:
            metadata["uid"] = uid
        if annotations:
            metadata["annotations"] = dict(annotations)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": metadata,
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        return await self._call("POST", path_of("pods", namespace, name, "binding"), (), binding)

    async def evict(self, name: str, namespace: str, *, grace_period_s: int | None = None) -> Object:
        """Asks for a pod to go; StatusError TooManyRequests where a disruption budget forbids it now."""
        eviction: Object = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
        }
        if grace_period_s is not None:
            eviction["deleteOptions"] = {"gracePeriodSeconds": grace_period_s}
        return await self._call("POST", path_of("pods", namespace, name, "eviction"), (), eviction)

    async def finalize(self, namespace: Object) -> Object:
        """PUT of a Namespace's /finalize: takes its spec.finalizers."""
        return await self._call("PUT", path_of("namespaces", None, _name(namespace), "finalize"), (), namespace)

    async def logs(
        self,
        name: str,
        namespace: str,
        *,
        container: str = "",
        follow: bool = False,
        previous: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
    ) -> AsyncIterator[str]:
        """The lines of a container's log, as they come; with follow, until the container ends. Close it early with aclose()."""
        query = _pairs(
            container=container,
            follow="true" if follow else "",
            previous="true" if previous else "",
            timestamps="true" if timestamps else "",
            tailLines="" if tail is None else str(tail),
        )
        path = path_of("pods", namespace, name, "log")
        stream = await self.transport.stream("GET", path, query=query, headers=self._headers)
        try:
            if stream.status != 200:
                body = b"\n".join([line async for line in stream])
                raise _status_error(stream.status, _decode(body), body)
            async for line in stream:
                yield line.decode("utf-8", "replace").rstrip("\r\n")
        finally:
            await stream.close()

    # ------------------------------------------------------------------------------------------------ the wire

    async def _call(self, method: str, path: str, query: Pairs = (), body: Any = None, headers: Pairs = ()) -> Object:
        payload = b"" if body is None else orjson.dumps(body)
        sent = [*self._headers, *(headers or (_JSON if payload else ()))]
        for attempt in range(MAX_THROTTLED_RETRIES + 1):
            answer = await self.transport.request(method, path, query=query, headers=sent, body=payload)
            if answer.status != 429 or attempt == MAX_THROTTLED_RETRIES:
                break
            retry_after_s = _retry_after_s(answer)
            if retry_after_s is None:
                break
            await self._clock.sleep(retry_after_s)
        decoded = _decode(answer.body)
        if answer.status >= 300:
            raise _status_error(answer.status, decoded, answer.body)
        if not isinstance(decoded, dict):
            raise StatusError(500, "InternalError", f"{method} {path}: the server's answer is not a JSON object")
        return decoded


def _pairs(**query: str | int) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in query.items() if value]


def _delete_options(
    grace_period_s: int | None, uid: str, resource_version: str, propagation_policy: str
) -> Object | None:
    options: Object = {}
    if grace_period_s is not None:
        options["gracePeriodSeconds"] = grace_period_s
    preconditions = {"uid": uid, "resourceVersion": resource_version}
    if uid or resource_version:
        options["preconditions"] = {name: value for name, value in preconditions.items() if value}
    if propagation_policy:
        options["propagationPolicy"] = propagation_policy
    return {"apiVersion": "v1", "kind": "DeleteOptions", **options} if options else None


def _typed(page: Object) -> Objects:
    items: Objects = page.get("items") or []
    kind = page.get("kind", "")
    if kind == "PartialObjectMetadataList":
        return items
    if kind.endswith("List"):
        for item in items:
            item.setdefault("apiVersion", page.get("apiVersion", ""))
            item.setdefault("kind", kind.removesuffix("List"))
    return items


def _namespace(obj: Object) -> str | None:
    return obj["metadata"].get("namespace") if "metadata" in obj else None


def _name(obj: Object) -> str:
    name = obj.get("metadata", {}).get("name", "")
    if not name:
        raise ValueError("the object has no metadata.name")
    return str(name)


def _decode(body: bytes) -> Any:
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return None


def _retry_after_s(answer: Answer) -> float | None:
    for name, value in answer.headers.items():
        if name.lower() == "retry-after":
            try:
                return max(float(value), 0.0)
            except ValueError:
                return None
    return None


_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Gone",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def _status_error(code: int, status: Any, body: bytes) -> StatusError:
    """The error that a Status body says; for a body that is none (a proxy's page), one made from the code."""
    if isinstance(status, dict) and status.get("kind") == "Status":
        return StatusError(
            status.get("code") or code,
            status.get("reason") or _REASONS.get(code, "Unknown"),
            status.get("message") or "",
            status.get("details"),
        )
    text = body[:512].decode("utf-8", "replace").strip() or f"the server answered {code}"
    return StatusError(code, _REASONS.get(code, "Unknown"), text)
