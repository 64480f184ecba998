"""Waiting for a cluster to become what was asked of it: events, not polling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.client import Client

Object = dict[str, Any]


def is_pod_running(pod: Object) -> bool:
    """Running and Ready."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def is_node_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


async def wait_for(
    client: Client,
    resource: str,
    done: Callable[[dict[str, Object]], bool],
    namespace: str | None = None,
    *,
    label_selector: str = "",
) -> list[Object]:
    """Lists and watches until `done({name: object})`; answers the objects of that moment, by name.

    Bound it with asyncio.timeout. Raises StatusError from the server.
    """
    while True:
        items, version = await client.list_all(resource, namespace, label_selector=label_selector)
        known = {item["metadata"]["name"]: item for item in items}
        if done(known):
            return [known[name] for name in sorted(known)]
        stream = await client.watch(resource, namespace, resource_version=version, label_selector=label_selector)
        try:
            async for event in stream:
                name = event.object["metadata"].get("name", "")
                if event.type == "DELETED":
                    known.pop(name, None)
                elif event.type != "BOOKMARK":
                    known[name] = event.object
                if done(known):
                    return [known[name] for name in sorted(known)]
        finally:
            await stream.close()
