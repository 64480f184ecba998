"""ServiceAccount: a pod without one runs as "default".

Not here yet: the token volume, and the check that the account exists (it would make the first pods of a new namespace wait for a
controller).
"""

from __future__ import annotations

from apiserver.admission.attributes import CREATE, Attributes, Plugin, is_core


async def _mutate(attributes: Attributes) -> None:
    if attributes.operation == CREATE and is_core(attributes, "pods") and attributes.obj is not None:
        spec = attributes.obj["spec"]
        if not spec.get("serviceAccountName"):
            spec["serviceAccountName"] = "default"
        spec["serviceAccount"] = spec["serviceAccountName"]


PLUGIN = Plugin("ServiceAccount", mutate=_mutate)
