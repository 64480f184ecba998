"""Makes sure that the roles and bindings which a cluster starts with are there: missing ones are made, others completed."""

from __future__ import annotations

import asyncio
from typing import Any

from apiserver.auth import Bootstrap, build_bootstrap_policy, reconcile
from apiserver.errors import StatusError
from apiserver.kinds import decode_object
from apiserver.meta import deep_copy
from apiserver.registry import Registry

GROUP = "rbac.authorization.k8s.io"
AT_ONCE = 16


async def bootstrap_rbac(registry: Registry) -> None:
    """Raises StatusError and what the store says. Another server on the same store may do it at the same time."""
    wanted = list(build_bootstrap_policy())
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for plural in dict.fromkeys(each.plural for each in wanted):
        resource = registry.catalog.find(GROUP, "v1", plural)
        if resource is None:
            continue
        for stored in (await registry.store(resource).list()).items:
            metadata = stored.obj["metadata"]
            found[plural, metadata.get("namespace", ""), metadata["name"]] = stored.obj
    limit = asyncio.Semaphore(AT_ONCE)

    async def ensure(each: Bootstrap) -> None:
        async with limit:
            await _ensure(registry, each, found.get((each.plural, each.namespace, each.name)))

    await asyncio.gather(*(ensure(each) for each in wanted))


async def _ensure(registry: Registry, each: Bootstrap, found: dict[str, Any] | None) -> None:
    resource = registry.catalog.find(GROUP, "v1", each.plural)
    if resource is None:
        return
    if found is None:
        obj = deep_copy(each.obj)
        decode_object(obj, resource.schema, resource.version, resource.kind)
        try:
            await registry.create(resource, each.namespace, obj)
            return
        except StatusError as error:
            if error.reason != "AlreadyExists":  # else another server was quicker
                raise
    elif reconcile(each.obj, found) is None:
        return
    await registry.update(
        resource, each.namespace, each.name, lambda newest: reconcile(each.obj, newest) or newest
    )
