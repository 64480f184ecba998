"""The types of the served kinds, from one generated table that is read when first needed.

`schemas.json` is written by tools/build_schemas.py from Kubernetes' own API definitions: one definition a line, named
"<group>.<version>.<Kind>" ("core.v1.Pod", "apps.v1.DeploymentSpec", "meta.v1.ObjectMeta"), in the form that
apiserver.meta's `Types` reads: "f" the fields, "r" the required ones, "z" those whose zero is left out, "a" atomic. Do not
edit it by hand.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

import orjson

from apiserver.meta import Type, Types

_API_PREFIX = "io.k8s.api."
_META_PREFIX = "io.k8s.apimachinery.pkg.apis.meta.v1."
# Groups whose types come from elsewhere.
_OTHER_PREFIXES = {
    "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis.",
    "apiregistration": "io.k8s.kube-aggregator.pkg.apis.",
}


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """The table as it is written: {"kubernetes": version, "definitions": {name: definition}}."""
    loaded: dict[str, Any] = orjson.loads(files("apiserver.kinds").joinpath("schemas.json").read_bytes())
    return loaded


@lru_cache(maxsize=1)
def types() -> Types:
    return Types(table()["definitions"])


def find_type(name: str) -> Type:
    """The type of a definition. Raises KeyError for one that no served kind reaches."""
    return types().get(name)


def openapi_name(name: str) -> str:
    """The name under which Kubernetes publishes a definition: "io.k8s.api.core.v1.Pod" of "core.v1.Pod"."""
    if name.startswith("meta.v1."):
        return f"{_META_PREFIX}{name[8:]}"
    return f"{_OTHER_PREFIXES.get(name.partition('.')[0], _API_PREFIX)}{name}"
