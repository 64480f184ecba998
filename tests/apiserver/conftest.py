"""A double of an API server for the tests of its clients: in memory, in one file, with faults on request.

It keeps what clients depend on (resourceVersions and conflicts, watches from a version, 410, graceful deletion, finalizers,
generation, subresources, generateName), and asks the real kinds for defaults, strict decoding and validation, so that a
client cannot send what the real server would refuse. No admission, no authentication, no storage. The real server is
tested by its own tests, and clients meet it in the end-to-end tests.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest

from apiserver.client import Client, ManualTimerClock
from apiserver.errors import Cause, StatusError, already_exists, conflict, expired, invalid, not_found
from apiserver.kinds import Resource, catalog, decode_body, prepare_finalize
from apiserver.meta import format_time, merge_patch, parse_field_selector, parse_label_selector, strategic_merge

Object = dict[str, Any]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class FakeStream:
    """Lines until the server hangs up."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            line = await self.lines.get()
            if line is None:
                return
            yield line

    async def close(self) -> None:
        self.closed = True
        self.lines.put_nowait(None)


class _Target(NamedTuple):
    resource: tuple[str, str, str]
    namespace: str
    name: str
    subresource: str


class _Watch(NamedTuple):
    stream: FakeStream
    target: _Target
    accepts: Callable[[Object], bool]


class FakeApi:
    """A Transport. `requests` is a log of "METHOD path"; `fail` and friends make it misbehave."""

    def __init__(self, clock: ManualTimerClock) -> None:
        self.clock = clock
        self.version = 0
        self.compacted = 0
        self.objects: dict[tuple[str, str, str], dict[tuple[str, str], Object]] = {
            (kind.group, kind.version, kind.plural): {} for kind in catalog.resources() if kind.hub is None
        }
        self.history: list[tuple[int, tuple[str, str, str], str, Object, Object | None]] = []
        self.watches: list[_Watch] = []
        self.requests: list[str] = []
        self.failures: list[tuple[str, StatusError, dict[str, str]]] = []
        self._names = 0

    # ---- faults

    def fail(self, what: str, error: StatusError, times: int = 1, headers: dict[str, str] | None = None) -> None:
        """The next `times` requests whose "METHOD path" contains `what` are answered with `error`."""
        self.failures += [(what, error, headers or {})] * times

    def hang_up(self) -> None:
        """Ends every open watch."""
        for watch in self.watches:
            watch.stream.lines.put_nowait(None)
        self.watches.clear()

    def compact(self) -> None:
        """Forgets all events so far: a watch from an earlier version gets 410."""
        self.compacted = self.version
        self.history.clear()

    # ---- reading for assertions

    def all(self, plural: str) -> list[Object]:
        (table,) = [table for resource, table in self.objects.items() if resource[2] == plural]
        return list(table.values())

    def one(self, plural: str, name: str, namespace: str = "default") -> Object:
        (table,) = [table for resource, table in self.objects.items() if resource[2] == plural]
        return table[namespace, name]

    # ---- the transport

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Iterable[tuple[str, str]] = (),
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Answer:
        await asyncio.sleep(0)
        self.requests.append(f"{method} {path}")
        for failure in self.failures:
            if failure[0] in f"{method} {path}":
                self.failures.remove(failure)
                return Answer(failure[1].code, failure[2], json.dumps(failure[1].to_status()).encode())
        try:
            answer = self._answer(method, unquote(path), dict(query), dict(headers), json.loads(body) if body else None)
        except StatusError as error:
            return Answer(error.code, {}, json.dumps(error.to_status()).encode())
        return Answer(200, {}, json.dumps(answer).encode())

    async def stream(
        self, method: str, path: str, *, query: Iterable[tuple[str, str]] = (), headers: Iterable[tuple[str, str]] = ()
    ) -> FakeStream:
        await asyncio.sleep(0)
        asked = dict(query)
        if asked.get("sendInitialEvents"):  # an old server: it does not stream lists
            return _refusal(StatusError(422, "Invalid", "sendInitialEvents is forbidden for watch"))
        self.requests.append(f"WATCH {path}")
        start = int(asked.get("resourceVersion") or 0)
        for failure in self.failures:
            if failure[0] in f"WATCH {path}":
                self.failures.remove(failure)
                return _refusal(failure[1])
        if start < self.compacted:
            return _refusal(expired("too old resource version"))
        target = _parse(path)
        watch = _Watch(FakeStream(), target, _filter(_kind(target), asked))
        for version, resource, kind, obj, old in self.history:
            if version > start and resource == watch.target.resource:
                self._tell(watch, kind, obj, old)
        self.watches.append(watch)
        return watch.stream

    # ---- verbs

    def _answer(self, method: str, path: str, query: Object, headers: Object, body: Any) -> Object:
        if path == "/apis":
            groups = [(group, [{"version": version} for version in versions]) for group, versions in catalog.groups()]
            return {"groups": [{"name": g, "versions": v, "preferredVersion": v[0]} for g, v in groups if g]}
        if path == "/api/v1" or path.count("/") == 3 and path.startswith("/apis/"):
            group = "" if path == "/api/v1" else path.split("/")[2]
            return {"resources": [_served(kind) for kind in catalog.resources() if kind.group == group]}
        target = _parse(path)
        if target.resource not in self.objects:
            raise StatusError(404, "NotFound", "the server could not find the requested resource")
        handle = {
            ("GET", False): self._list,
            ("GET", True): self._get,
            ("POST", False): self._create,
            ("POST", True): self._bind,
            ("PUT", True): self._update,
            ("PATCH", True): self._patch,
            ("DELETE", True): self._delete,
            ("DELETE", False): self._delete_all,
        }[method, bool(target.name)]
        return copy.deepcopy(handle(target, query, headers, body))

    def _found(self, target: _Target) -> Object:
        table = self.objects[target.resource]
        if (target.namespace, target.name) not in table:
            raise not_found(target.resource[0], target.resource[2], target.name)
        return table[target.namespace, target.name]

    def _get(self, target: _Target, query: Object, headers: Object, body: Any) -> Object:
        return self._found(target)

    def _list(self, target: _Target, query: Object, headers: Object, body: Any) -> Object:
        accepts = _filter(_kind(target), query)
        items = [
            obj
            for (namespace, _), obj in self.objects[target.resource].items()
            if (not target.namespace or namespace == target.namespace) and accepts(obj)
        ]
        metadata = {"resourceVersion": str(self.version)}
        limit, start = int(query.get("limit") or 0), int(query.get("continue") or 0)
        page = items[start : start + limit] if limit else items[start:]
        if limit and start + limit < len(items):
            metadata["continue"] = str(start + limit)
        bare = [{k: v for k, v in item.items() if k not in ("kind", "apiVersion")} for item in page]
        kind = _kind(target)
        return {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": metadata, "items": bare}

    def _create(self, target: _Target, query: Object, headers: Object, body: Any) -> Object:
        kind = _kind(target)
        obj = decode_body(kind, json.dumps(body).encode(), field_validation="Strict").obj
        metadata = obj["metadata"]
        namespace = self.objects["", "v1", "namespaces"].get(("", target.namespace))
        if namespace is not None and namespace["metadata"].get("deletionTimestamp"):
            cause = {"reason": "NamespaceTerminating", "message": "", "field": "metadata.namespace"}
            raise StatusError(403, "Forbidden", "namespace is being terminated", {"causes": [cause]})
        self._names += 1
        if "name" not in metadata:
            metadata["name"] = f"{metadata['generateName']}{self._names:05d}"
        if target.namespace:
            metadata["namespace"] = target.namespace
        key = (target.namespace, metadata["name"])
        if key in self.objects[target.resource]:
            raise already_exists(target.resource[0], target.resource[2], metadata["name"])
        metadata.update(uid=f"uid-{self._names}", creationTimestamp=format_time(self.clock.now_s()))
        if kind.tracks_generation:
            metadata["generation"] = 1
        kind.defaults(obj)
        kind.prepare_create(obj)
        _refuse(kind, obj, kind.validate(obj))
        self._store(target.resource, key, obj, "ADDED", None)
        return obj

    def _bind(self, target: _Target, query: Object, headers: Object, body: Any) -> Object:
        pod = copy.deepcopy(self._found(target))
        pod["spec"]["nodeName"] = body["target"]["name"]
        self._write(target, pod)
        return {"kind": "Status", "status": "Success"}

    def _update(self, target: _Target, query: Object, headers: Object, body: Any) -> Object:
        old = self._found(target)
        version = body["metadata"].get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            raise conflict(target.resource[0], target.resource[2], target.name)
        return self._prepare(target, old, body)

    def _patch(self, target: _Target, query: Object, headers: Object, body: Any) -> Object:
        old = self._found(target)
        asked = body.get("metadata") or {}
        for field in ("uid", "resourceVersion"):
            if asked.get(field) and asked[field] != old["metadata"][field]:
                raise conflict(target.resource[0], target.resource[2], target.name)
        if headers["Content-Type"].startswith("application/strategic"):
            patched = strategic_merge(copy.deepcopy(old), body, _kind(target).schema)
        else:
            patched = merge_patch(copy.deepcopy(old), body)
        return self._prepare(target, old, patched)

    def _prepare(self, target: _Target, old: Object, changed: Object) -> Object:
        """What a write means, by its subresource; decoded strictly, defaulted and validated by the kind."""
        kind = _kind(target)
        obj = decode_body(kind, json.dumps(changed).encode(), field_validation="Strict").obj
        for field in ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"):
            if field in old["metadata"]:
                obj["metadata"][field] = copy.deepcopy(old["metadata"][field])
        if target.subresource == "finalize":
            prepare_finalize(obj, old)
        elif target.subresource == "status":
            kind.prepare_status_update(obj, old)
        else:
            kind.defaults(obj)
            kind.prepare_update(obj, old)
            _refuse(kind, obj, [*kind.validate(obj), *kind.validate_update(obj, old)])
        if kind.tracks_generation and kind.generation_changed(obj, old):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        return self._write(target, obj)

    def _delete(self, target: _Target, query: Object, headers: Object, body: Any) -> Object:
        obj = copy.deepcopy(self._found(target))
        metadata, options = obj["metadata"], body or {}
        uid = (options.get("preconditions") or {}).get("uid")
        if uid and uid != metadata["uid"]:
            raise conflict(target.resource[0], target.resource[2], target.name)
        finalizers = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}
        policy = finalizers.get(options.get("propagationPolicy", ""))
        if policy and policy not in metadata.get("finalizers", []):
            metadata["finalizers"] = [*metadata.get("finalizers", []), policy]
        grace_s = options.get("gracePeriodSeconds")
        graceful = (
            target.resource[2] == "pods"
            and obj["spec"].get("nodeName")
            and obj["status"]["phase"] in ("Pending", "Running")
            and grace_s != 0
        )
        held = metadata.get("finalizers") or (obj.get("spec") or {}).get("finalizers")
        if graceful or held:
            if "deletionTimestamp" not in metadata:
                metadata["deletionTimestamp"] = format_time(self.clock.now_s())
                if "generation" in metadata:
                    metadata["generation"] += 1
            if graceful:
                metadata["deletionGracePeriodSeconds"] = 30 if grace_s is None else grace_s
            return self._write(target, obj)
        self._store(target.resource, (target.namespace, target.name), obj, "DELETED", obj)
        return {"kind": "Status", "status": "Success"}

    def _delete_all(self, target: _Target, query: Object, headers: Object, body: Any) -> Object:
        for namespace, name in [key for key in self.objects[target.resource] if key[0] == target.namespace]:
            self._delete(target._replace(namespace=namespace, name=name), query, headers, body)
        return {"kind": "Status", "status": "Success"}

    # ---- storing and telling

    def _write(self, target: _Target, obj: Object) -> Object:
        old = self._found(target)
        obj = copy.deepcopy(obj)
        obj["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        if obj == old:
            return old
        metadata = obj["metadata"]
        held = metadata.get("finalizers") or (obj.get("spec") or {}).get("finalizers")
        if metadata.get("deletionTimestamp") and not held and "deletionGracePeriodSeconds" not in metadata:
            self._store(target.resource, (target.namespace, target.name), obj, "DELETED", old)
        else:
            self._store(target.resource, (target.namespace, target.name), obj, "MODIFIED", old)
        return obj

    def _store(
        self, resource: tuple[str, str, str], key: tuple[str, str], obj: Object, kind: str, old: Object | None
    ) -> None:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        if kind == "DELETED":
            self.objects[resource].pop(key, None)
        else:
            self.objects[resource][key] = obj
        self.history.append((self.version, resource, kind, obj, old))
        for watch in self.watches:
            if watch.target.resource == resource and not watch.stream.closed:
                self._tell(watch, kind, obj, old)

    def _tell(self, watch: _Watch, kind: str, obj: Object, old: Object | None) -> None:
        if watch.target.namespace and obj["metadata"].get("namespace") != watch.target.namespace:
            return
        before, now = old is not None and watch.accepts(old), watch.accepts(obj) and kind != "DELETED"
        if not before and not now:
            return
        kind = "MODIFIED" if before and now else "ADDED" if now else "DELETED"
        watch.stream.lines.put_nowait(json.dumps({"type": kind, "object": obj}).encode() + b"\n")


def _refusal(error: StatusError) -> FakeStream:
    stream = FakeStream(error.code)
    stream.lines.put_nowait(json.dumps(error.to_status()).encode())
    stream.lines.put_nowait(None)
    return stream


def _parse(path: str) -> _Target:
    parts = path.strip("/").split("/")
    group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    rest += ["", ""]
    return _Target((group, version, rest[0]), namespace, rest[1], rest[2])


def _kind(target: _Target) -> Resource:
    kind = catalog.find(*target.resource)
    assert kind is not None
    return kind


def _served(kind: Resource) -> Object:
    return {"name": kind.plural, "kind": kind.kind, "namespaced": kind.namespaced, "verbs": list(kind.verbs)}


def _refuse(kind: Resource, obj: Object, causes: list[Cause]) -> None:
    if causes:
        raise invalid(kind.group, kind.kind, obj["metadata"]["name"], causes)


def _filter(kind: Resource, query: Object) -> Callable[[Object], bool]:
    labels = parse_label_selector(query.get("labelSelector", ""))
    fields = kind.bind_field_selector(parse_field_selector(query.get("fieldSelector", "")))
    return lambda obj: labels.matches(obj["metadata"].get("labels") or {}) and fields(obj)


@pytest.fixture
def clock() -> ManualTimerClock:
    """Time moved by hand, with timers."""
    return ManualTimerClock()


@pytest.fixture
def api(clock: ManualTimerClock) -> FakeApi:
    return FakeApi(clock)


@pytest.fixture
def client(api: FakeApi, clock: ManualTimerClock) -> Client:
    return Client(api, clock=clock)


@pytest.fixture
def eventually(clock: ManualTimerClock) -> Callable[..., Any]:
    """`await eventually(condition, step_s=…)`: lets tasks run, and time by steps, until the condition holds."""

    async def wait(condition: Callable[[], Any], *, step_s: float = 0.01, turns: int = 2000) -> None:
        for _ in range(turns):
            if condition():
                return
            for _ in range(10):
                await asyncio.sleep(0)
            clock.advance(step_s)
        raise AssertionError("it did not come to pass")

    return wait


@pytest.fixture
def settle() -> Callable[[], Any]:
    """`await settle()`: lets tasks run without moving time."""

    async def turns() -> None:
        for _ in range(200):
            await asyncio.sleep(0)

    return turns
