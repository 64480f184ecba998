"""A double of an API server for the tests of its clients: in memory, in one file, with faults on request.

It keeps what clients depend on (resourceVersions and conflicts, watches from a version, 410, graceful deletion, finalizers,
generation, subresources, generateName) and nothing else: no validation, hardly any defaults. The real server is
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
from apiserver.errors import StatusError, already_exists, conflict, expired, not_found
from apiserver.meta import format_time, merge_patch, parse_field_selector, parse_label_selector

RESOURCES = [
    ("", "v1", "namespaces", "Namespace", False),
    ("", "v1", "nodes", "Node", False),
    ("", "v1", "pods", "Pod", True),
    ("", "v1", "services", "Service", True),
    ("", "v1", "endpoints", "Endpoints", True),
    ("", "v1", "events", "Event", True),
    ("", "v1", "configmaps", "ConfigMap", True),
    ("", "v1", "serviceaccounts", "ServiceAccount", True),
    ("apps", "v1", "deployments", "Deployment", True),
    ("apps", "v1", "replicasets", "ReplicaSet", True),
    ("coordination.k8s.io", "v1", "leases", "Lease", True),
    ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True),
]
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
MERGE_KEYS = {"conditions": "type", "taints": "key", "podIPs": "ip", "hostIPs": "ip", "addresses": "type"}

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
        self.objects: dict[tuple[str, str, str], dict[tuple[str, str], Object]] = {r[:3]: {} for r in RESOURCES}
        self.history: list[tuple[int, tuple[str, str, str], str, Object, Object | None]] = []
        self.watches: list[_Watch] = []
        self.requests: list[str] = []
        self.failures: list[tuple[str, StatusError, dict[str, str]]] = []
        self._kinds = {r[:3]: r[3] for r in RESOURCES}
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
        self.requests.append(f"WATCH {path}")
        asked = dict(query)
        start = int(asked.get("resourceVersion") or 0)
        for failure in self.failures:
            if failure[0] in f"WATCH {path}":
                self.failures.remove(failure)
                return _refusal(failure[1])
        if start < self.compacted:
            return _refusal(expired("too old resource version"))
        watch = _Watch(FakeStream(), _parse(path), _filter(asked))
        for version, resource, kind, obj, old in self.history:
            if version > start and resource == watch.target.resource:
                self._tell(watch, kind, obj, old)
        self.watches.append(watch)
        return watch.stream

    # ---- verbs

    def _answer(self, method: str, path: str, query: Object, headers: Object, body: Any) -> Object:
        if path == "/apis":
            groups = sorted({r[0] for r in RESOURCES if r[0]})
            entry = {"groupVersion": "", "version": "v1"}
            return {"groups": [{"name": g, "versions": [entry], "preferredVersion": entry} for g in groups]}
        if path == "/api/v1" or path.count("/") == 3 and path.startswith("/apis/"):
            group = "" if path == "/api/v1" else path.split("/")[2]
            found = [r for r in RESOURCES if r[0] == group]
            return {"resources": [{"name": r[2], "kind": r[3], "namespaced": r[4], "verbs": VERBS} for r in found]}
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
        accepts = _filter(query)
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
        group, version, _ = target.resource
        api_version = f"{group}/{version}" if group else version
        return {
            "kind": f"{self._kinds[target.resource]}List",
            "apiVersion": api_version,
            "metadata": metadata,
            "items": bare,
        }

    def _create(self, target: _Target, query: Object, headers: Object, body: Any) -> Object:
        obj = copy.deepcopy(body)
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
        metadata.update(uid=f"uid-{self._names}", creationTimestamp=format_time(self.clock.now_s()), generation=1)
        _default(obj)
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
        if target.subresource == "status":
            return self._write(target, {**old, "status": body.get("status")})
        if target.subresource == "finalize":
            return self._write(target, {**old, "spec": body["spec"]})
        return self._write(target, {**body, **({"status": old["status"]} if "status" in old else {})})

    def _patch(self, target: _Target, query: Object, headers: Object, body: Any) -> Object:
        old = self._found(target)
        asked = body.get("metadata") or {}
        for field in ("uid", "resourceVersion"):
            if asked.get(field) and asked[field] != old["metadata"][field]:
                raise conflict(target.resource[0], target.resource[2], target.name)
        strategic = headers["Content-Type"].startswith("application/strategic")
        patched = _strategic(old, body) if strategic else merge_patch(old, body)
        kept = {"spec": old.get("spec")} if target.subresource == "status" else {"status": old.get("status")}
        if target.subresource == "scale":
            kept = {"status": old.get("status")}
        return self._write(target, {**patched, **{k: v for k, v in kept.items() if v is not None}})

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
        if obj.get("spec") != old.get("spec"):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
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
        group, version, _ = resource
        obj.setdefault("kind", self._kinds[resource])
        obj.setdefault("apiVersion", f"{group}/{version}" if group else version)
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


def _filter(query: Object) -> Callable[[Object], bool]:
    labels = parse_label_selector(query.get("labelSelector", ""))
    fields = parse_field_selector(query.get("fieldSelector", ""))

    def accepts(obj: Object) -> bool:
        values = {
            "metadata.name": obj["metadata"]["name"],
            "metadata.namespace": obj["metadata"].get("namespace", ""),
            "spec.nodeName": (obj.get("spec") or {}).get("nodeName", ""),
        }
        return labels.matches(obj["metadata"].get("labels") or {}) and fields.matches(values)

    return accepts


def _strategic(old: Any, patch: Any) -> Any:
    """Enough of it for what clients here send: maps merge, the lists of MERGE_KEYS by key, other lists are replaced."""
    merged = dict(old)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = _strategic(merged[name], value)
        elif isinstance(value, list) and name in MERGE_KEYS and merged.get(name):
            by_key = {item[MERGE_KEYS[name]]: item for item in merged[name]}
            for item in value:
                by_key[item[MERGE_KEYS[name]]] = {**by_key.get(item[MERGE_KEYS[name]], {}), **item}
            merged[name] = list(by_key.values())
        else:
            merged[name] = value
    return merged


def _default(obj: Object) -> None:
    spec = obj.setdefault("spec", {}) if obj.get("kind") in ("Pod", "Namespace", "Deployment", "ReplicaSet") else {}
    if obj.get("kind") == "Namespace":
        spec.setdefault("finalizers", ["kubernetes"])
        obj["status"] = {"phase": "Active"}
    elif obj.get("kind") == "Pod":
        spec.setdefault("restartPolicy", "Always")
        obj["status"] = {"phase": "Pending"}
    elif obj.get("kind") == "Deployment":
        spec.setdefault("replicas", 1)
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)
        rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
        spec.setdefault("strategy", {"type": "RollingUpdate", "rollingUpdate": rolling})


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
