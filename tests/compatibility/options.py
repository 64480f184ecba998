"""Options of requests: one probe each, which makes the smallest request that tells whether the option does what it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.compatibility.probes import JSON, PARTIAL, PROTOBUF, Object, Prober

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
Probe = Callable[[Prober], Awaitable[bool]]


def _map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"n": name}}, "data": data}


def _pod(name: str) -> Object:
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n", "terminationGracePeriodSeconds": 30}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


async def _names(prober: Prober, **query: str) -> list[str]:
    answer = await prober.ask("GET", MAPS, **query)
    return [item["metadata"]["name"] for item in answer.body.get("items", [])]


async def prepare(prober: Prober) -> None:
    """Two config maps that the probes look at."""
    for name in ("a", "b"):
        await prober.ask("POST", MAPS, _map(name, k="v"))


async def _limit(prober: Prober) -> bool:
    page = await prober.ask("GET", MAPS, limit="1")
    token = page.body["metadata"].get("continue", "")
    rest = await prober.ask("GET", MAPS, limit="500", **{"continue": token})
    return len(page.body["items"]) == 1 and bool(token) and len(rest.body["items"]) >= 1


async def _remaining(prober: Prober) -> bool:
    return (await prober.ask("GET", MAPS, limit="1")).body["metadata"].get("remainingItemCount", 0) >= 1


async def _label_selector(prober: Prober) -> bool:
    return await _names(prober, labelSelector="n in (a)") == ["a"]


async def _field_selector(prober: Prober) -> bool:
    return await _names(prober, fieldSelector="metadata.name=b") == ["b"]


async def _version_exact(prober: Prober) -> bool:
    version = (await prober.ask("GET", MAPS)).body["metadata"]["resourceVersion"]
    await prober.ask("POST", MAPS, _map("later"))
    names = await _names(prober, resourceVersion=version, resourceVersionMatch="Exact")
    await prober.ask("DELETE", f"{MAPS}/later")
    return "later" not in names and "a" in names


async def _version_not_older(prober: Prober) -> bool:
    version = (await prober.ask("GET", MAPS)).body["metadata"]["resourceVersion"]
    return "a" in await _names(prober, resourceVersion=version, resourceVersionMatch="NotOlderThan")


async def _send_initial_events(prober: Prober) -> bool:
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    events = await prober.events(MAPS, 3, labelSelector="n in (a,b)", **query)
    annotations = events[-1]["object"]["metadata"].get("annotations", {})
    return [event["type"] for event in events] == ["ADDED", "ADDED", "BOOKMARK"] and bool(annotations)


async def _watch_timeout(prober: Prober) -> bool:
    events = await prober.events(MAPS, 3, labelSelector="n in (a,b)", timeoutSeconds="1")
    return len(events) == 2  # and then it ended by itself


async def _watch_path(prober: Prober) -> bool:
    events = await prober.events("/api/v1/watch/namespaces/default/configmaps", 1, labelSelector="n=a")
    return events[0]["object"]["metadata"]["name"] == "a"


async def _dry_run(prober: Prober) -> bool:
    made = await prober.ask("POST", MAPS, _map("dry"), dryRun="All")
    return made.status == 201 and (await prober.ask("GET", f"{MAPS}/dry")).status == 404


async def _field_manager(prober: Prober) -> bool:
    made = await prober.ask("POST", MAPS, _map("managed", k="v"), fieldManager="me")
    await prober.ask("DELETE", f"{MAPS}/managed")
    return made.body["metadata"]["managedFields"][0]["manager"] == "me"


async def _force(prober: Prober) -> bool:
    path, body = f"{MAPS}/forced", _map("forced", k="1")
    await prober.ask("PATCH", path, body, type=APPLY, fieldManager="one")
    refused = await prober.ask("PATCH", path, _map("forced", k="2"), type=APPLY, fieldManager="two")
    forced = await prober.ask("PATCH", path, _map("forced", k="2"), type=APPLY, fieldManager="two", force="true")
    await prober.ask("DELETE", path)
    return refused.status == 409 and forced.status == 200


async def _field_validation(prober: Prober) -> bool:
    refused = await prober.ask("POST", MAPS, {**_map("strict"), "bogus": 1}, fieldValidation="Strict")
    taken = await prober.ask("POST", MAPS, {**_map("strict"), "bogus": 1}, fieldValidation="Ignore", dryRun="All")
    return refused.status == 400 and taken.status == 201


async def _grace(prober: Prober) -> bool:
    await prober.ask("POST", PODS, _pod("graceful"))
    marked = await prober.ask("DELETE", f"{PODS}/graceful", gracePeriodSeconds="7")
    gone = await prober.ask("DELETE", f"{PODS}/graceful", gracePeriodSeconds="0")
    return marked.body["metadata"]["deletionGracePeriodSeconds"] == 7 and gone.is_ok


async def _propagation(prober: Prober) -> bool:
    await prober.ask("POST", MAPS, _map("owner"))
    marked = await prober.ask("DELETE", f"{MAPS}/owner", propagationPolicy="Foreground")
    patch = {"metadata": {"finalizers": None}}
    await prober.ask("PATCH", f"{MAPS}/owner", patch, type=MERGE)
    return marked.body["metadata"].get("finalizers") == ["foregroundDeletion"]


async def _preconditions(prober: Prober) -> bool:
    refused = await prober.ask("DELETE", f"{MAPS}/a", {"preconditions": {"uid": "another"}})
    return refused.status == 409


async def _partial(prober: Prober) -> bool:
    return (await prober.ask("GET", f"{MAPS}/a", accept=PARTIAL)).body["kind"] == "PartialObjectMetadata"


async def _include_object(prober: Prober) -> bool:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    answer = await prober.ask("GET", MAPS, accept=table, includeObject="Object")
    return answer.body["rows"][0]["object"].get("kind") == "ConfigMap"


async def _yaml(prober: Prober) -> bool:
    answer = await prober.ask("GET", f"{MAPS}/a", accept="application/yaml")
    return answer.type.startswith("application/yaml")


async def _protobuf(prober: Prober) -> bool:
    answer = await prober.ask("GET", f"{MAPS}/a", accept=f"{PROTOBUF},{JSON}")
    return answer.type.startswith(PROTOBUF)


async def _aggregated(prober: Prober) -> bool:
    accept = f"{JSON};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,{JSON}"
    return (await prober.ask("GET", "/apis", accept=accept)).body["kind"] == "APIGroupDiscoveryList"


async def _openapi_v3(prober: Prober) -> bool:
    return "apis/apps/v1" in (await prober.ask("GET", "/openapi/v3")).body["paths"]


async def _openapi_v2(prober: Prober) -> bool:
    return (await prober.ask("GET", "/openapi/v2")).body.get("swagger") == "2.0"


async def _shards(prober: Prober) -> bool:
    """Alpha in 1.36: no server that has it off looks at it."""
    return len(await _names(prober, shardSelector="x")) == 0


async def _cbor(prober: Prober) -> bool:
    return (await prober.ask("POST", MAPS, _map("cbor"), type="application/cbor", dryRun="All")).is_ok


OPTIONS: dict[str, dict[str, Probe]] = {
    "lists": {
        "limit, continue": _limit,
        "remainingItemCount": _remaining,
        "labelSelector": _label_selector,
        "fieldSelector": _field_selector,
        "resourceVersionMatch=Exact": _version_exact,
        "resourceVersionMatch=NotOlderThan": _version_not_older,
        "shardSelector (alpha)": _shards,
    },
    "watches": {
        "sendInitialEvents, allowWatchBookmarks": _send_initial_events,
        "timeoutSeconds": _watch_timeout,
        "/watch/ paths (deprecated)": _watch_path,
    },
    "writes": {
        "dryRun": _dry_run,
        "fieldManager": _field_manager,
        "force (apply)": _force,
        "fieldValidation": _field_validation,
        "gracePeriodSeconds": _grace,
        "propagationPolicy": _propagation,
        "preconditions": _preconditions,
    },
    "forms": {
        "PartialObjectMetadata": _partial,
        "includeObject (tables)": _include_object,
        "application/yaml": _yaml,
        "application/vnd.kubernetes.protobuf": _protobuf,
        "application/cbor (alpha)": _cbor,
    },
    "documents": {
        "aggregated discovery v2": _aggregated,
        "OpenAPI v3": _openapi_v3,
        "OpenAPI v2": _openapi_v2,
    },
}  # fmt: skip


async def probe_options(prober: Prober) -> dict[str, dict[str, Any]]:
    """group → option → yes or no."""
    await prepare(prober)
    found: dict[str, dict[str, Any]] = {}
    for group, probes in OPTIONS.items():
        found[group] = {}
        for name, probe in probes.items():
            try:
                found[group][name] = "yes" if await probe(prober) else "no"
            except (KeyError, IndexError):
                found[group][name] = "no"
    return found
