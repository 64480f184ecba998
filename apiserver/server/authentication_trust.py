"""ConfigMap kube-system/extension-apiserver-authentication: whose client certificates this API server believes.

kube-controller-manager, the scheduler and extension API servers read it, and believe the same ones. It is written at each start
and follows the authority that is used then.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from apiserver.config import AccessConfig
from apiserver.errors import StatusError
from apiserver.kinds import decode_object
from apiserver.registry import Registry

NAMESPACE, NAME = "kube-system", "extension-apiserver-authentication"


def _data_of(client_ca: bytes, config: AccessConfig) -> dict[str, str]:
    data = {"client-ca-file": client_ca.decode()} if client_ca else {}
    if config.requestheader_client_ca_file:
        data["requestheader-client-ca-file"] = Path(config.requestheader_client_ca_file).read_text()
        for field, names in (
            ("allowed-names", config.requestheader_allowed_names),
            ("username-headers", config.requestheader_username_headers),
            ("group-headers", config.requestheader_group_headers),
            ("extra-headers-prefix", config.requestheader_extra_headers_prefix),
            ("uid-headers", config.requestheader_uid_headers),
        ):
            data[f"requestheader-{field}"] = json.dumps(list(names), separators=(",", ":"))
    return data


async def publish_trust(registry: Registry, client_ca: bytes, config: AccessConfig) -> None:
    """Raises StatusError and what the store says. Several servers on one store agree on the last one's authority."""
    resource = registry.catalog.find("", "v1", "configmaps")
    if resource is None:
        return
    data = _data_of(client_ca, config)
    obj: dict[str, Any] = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "data": data,
    }
    decode_object(obj, resource.schema, resource.version, resource.kind)

    def change(found: dict[str, Any]) -> dict[str, Any]:
        return {**found, "data": {**(found.get("data") or {}), **data}}

    try:
        await registry.create(resource, NAMESPACE, obj)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise
        await registry.update(resource, NAMESPACE, NAME, change)
