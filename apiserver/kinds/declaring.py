"""How a built-in resource is declared: its name, and what is special about it.

    DAEMON_SETS = declare("apps/v1 daemonsets", table=rows.DAEMON_SET, tracks_generation=True, …)

What discovery says of a resource (kind, verbs, short names, categories, subresources, whether it lives in a namespace)
is not written by hand: it comes from `resources.json`, which tools/build_schemas.py makes of Kubernetes' own discovery.
So do the name of its type and the place where its objects are stored, unless the declaration says otherwise. All other
arguments are fields of `Resource`; a hook that is left out does what most kinds do (strategy.py). What may be stored is
looked up in validation/ by the same name; the rules of `metadata` are checked in any case.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

import orjson

from apiserver.kinds.metadata import update_validator, validator
from apiserver.kinds.resource import Resource, Subresource
from apiserver.kinds.rows.cells import Table
from apiserver.kinds.strategy import no_update_causes
from apiserver.kinds.validation import find_rules, find_status_rules
from apiserver.kinds.warnings import find_warner

# Where etcd keeps what has had another name once.
STORAGE_NAMES = {
    "nodes": "minions",
    "services": "services/specs",
    "endpoints": "services/endpoints",
    "replicationcontrollers": "controllers",
    "ingresses": "ingress",
    "customresourcedefinitions": "apiextensions.k8s.io/customresourcedefinitions",
    "apiservices": "apiregistration.k8s.io/apiservices",
}


@lru_cache(maxsize=1)
def _discovered() -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = orjson.loads(files("apiserver.kinds").joinpath("resources.json").read_bytes())[
        "resources"
    ]
    return loaded


def declare(name: str, *, table: Table | None = None, **special: Any) -> Resource:
    """name: "<group>/<version> <plural>", without the group for the core. table: how `kubectl get` shows it.

    Raises KeyError for what Kubernetes has not.
    """
    group_version, _, plural = name.partition(" ")
    group, _, version = group_version.rpartition("/")
    said = _discovered()[name]
    subresources = tuple(
        Subresource(sub, kind, tuple(verbs), sub_group, sub_version)
        for sub, (kind, verbs, sub_group, sub_version) in said.get("subresources", {}).items()
    )
    namespaced = said.get("namespaced", False)
    validate, validate_update = find_rules(name) or (validator(namespaced=namespaced), update_validator())
    facts: dict[str, Any] = {
        "kind": said["kind"],
        "singular": said["singular"],
        "namespaced": namespaced,
        "verbs": tuple(said["verbs"]),
        "short_names": tuple(said.get("shortNames", ())),
        "categories": tuple(said.get("categories", ())),
        "subresources": subresources,
        "has_status": "status" in said.get("subresources", {}),
        "schema_name": f"{group.partition('.')[0] or 'core'}.{version}.{said['kind']}",
        "storage_prefix": f"/registry/{STORAGE_NAMES.get(plural, plural)}",
        "warn": find_warner(name),
        "validate": validate,
        "validate_update": validate_update,
        "validate_status": find_status_rules(name) or no_update_causes,
    }
    if table is not None:
        facts["columns"], facts["row"] = table
    return Resource(group=group, version=version, plural=plural, **{**facts, **special})
