"""Manifests from files onto an API server: create what is new, patch what is there. For `apiserver up --apply`.

Not a kubectl: no pruning, no three-way merge. An object that exists is patched with a JSON merge patch (RFC 7386) of the
manifest, which is enough to start a cluster twice with the same file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from apiserver.client import Client
from apiserver.errors import StatusError
from apiserver.kinds import Resource, catalog


class ManifestError(ValueError):
    """A file that cannot be applied; the text names the file and the document."""


def load_manifests(path: Path) -> list[dict[str, Any]]:
    """The objects of a YAML or JSON file, Lists flattened. Raises ManifestError."""
    try:
        documents = list(yaml.safe_load_all(path.read_text()))
    except OSError as cause:
        raise ManifestError(f"{path}: {cause.strerror}") from cause
    except (yaml.YAMLError, UnicodeDecodeError) as cause:
        raise ManifestError(f"{path}: not YAML: {cause}") from cause
    objects: list[dict[str, Any]] = []
    for number, document in enumerate(documents, 1):
        if document is None:
            continue
        where = f"{path}, document {number}"
        if not isinstance(document, dict):
            raise ManifestError(f"{where}: expected an object, got {type(document).__name__}")
        if document.get("kind") == "List":
            objects += document.get("items") or []
            continue
        if not document.get("kind") or not document.get("apiVersion"):
            raise ManifestError(f"{where}: needs apiVersion and kind")
        objects.append(document)
    return objects


def _resource_of(obj: dict[str, Any]) -> Resource:
    group, _, version = str(obj["apiVersion"]).rpartition("/")
    resource = catalog.find_kind(group, version, obj["kind"])
    if resource is None:
        raise ManifestError(f'no matches for kind "{obj["kind"]}" in version "{obj["apiVersion"]}"')
    return resource


async def apply_manifests(client: Client, objects: list[dict[str, Any]], namespace: str = "default") -> list[str]:
    """Creates or patches each object, in order; answers lines such as "deployment.apps/web created".

    Raises ManifestError for an unknown kind, StatusError where the server refuses; what came before stays.
    """
    lines = []
    for obj in objects:
        resource = _resource_of(obj)
        metadata = dict(obj.get("metadata") or {})
        if resource.namespaced:
            metadata.setdefault("namespace", namespace)
        obj = {**obj, "metadata": metadata}
        kind = f"{resource.singular}.{resource.group}" if resource.group else resource.singular
        label = f"{kind}/{metadata.get('name', '')}"
        try:
            await client.create(resource, obj)
            lines.append(f"{label} created")
        except StatusError as refusal:
            if refusal.reason != "AlreadyExists":
                raise
            await client.patch(resource, metadata["name"], obj, metadata.get("namespace"))
            lines.append(f"{label} configured")
    return lines
