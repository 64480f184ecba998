"""Makes sure that the roles and bindings which a cluster starts with are there: missing ones are made, others completed.

On an empty store they are made by two transactions (bootstrap.py), without admission: what the server itself makes asks nobody.
"""

from __future__ import annotations

from typing import Any

from apiserver.auth import build_bootstrap_policy, reconcile
from apiserver.kinds import decode_object
from apiserver.meta import deep_copy
from apiserver.registry import Registry, WriteOptions
from apiserver.server.bootstrap import MANAGER, put_missing
from kvcluster.client import Client

GROUP = "rbac.authorization.k8s.io"


async def bootstrap_rbac(registry: Registry, kv: Client) -> None:
    """Raises StatusError and what the store says. Another server on the same store may do it at the same time."""
    options = WriteOptions(manager=MANAGER)
    policy = list(build_bootstrap_policy())
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for plural in dict.fromkeys(each.plural for each in policy):
        resource = registry.catalog.find(GROUP, "v1", plural)
        if resource is None:
            return
        for stored in (await registry.store(resource).list()).items:
            metadata = stored.obj["metadata"]
            found[plural, metadata.get("namespace", ""), metadata["name"]] = stored.obj
    missing: list[tuple[bytes, bytes]] = []
    for plural, namespace, name, wanted in policy:
        resource = registry.catalog.find(GROUP, "v1", plural)
        assert resource is not None
        known = found.get((plural, namespace, name))
        if known is None:
            obj = deep_copy(wanted)
            decode_object(obj, resource.schema, resource.version, resource.kind)
            key = registry.store(resource).key(namespace, name)
            missing.append((key, registry.form_new(resource, namespace, obj, options)))
        elif reconcile(wanted, known) is not None:
            await registry.update(resource, namespace, name, _completed(wanted), options=options)
    await put_missing(kv, missing)


def _completed(wanted: dict[str, Any]) -> Any:
    return lambda newest: reconcile(wanted, newest) or newest
