"""DefaultTolerationSeconds: a pod stays five minutes on a node that is not ready or unreachable, unless it says otherwise."""

from __future__ import annotations

from typing import Any

from apiserver.admission.attributes import DELETE, Attributes, Plugin, is_about

KEYS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
SECONDS = 300


def _tolerates(toleration: dict[str, Any], key: str) -> bool:
    return toleration.get("key") in (key, None, "") and toleration.get("effect") in ("NoExecute", None, "")


async def _mutate(attributes: Attributes) -> None:
    if attributes.operation == DELETE or not is_about(attributes, "pods") or attributes.obj is None:
        return
    tolerations = attributes.obj["spec"].get("tolerations") or []
    missing = [key for key in KEYS if not any(_tolerates(toleration, key) for toleration in tolerations)]
    if missing:
        attributes.obj["spec"]["tolerations"] = tolerations + [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS} for key in missing
        ]


PLUGIN = Plugin("DefaultTolerationSeconds", mutate=_mutate, resources=("pods",))
