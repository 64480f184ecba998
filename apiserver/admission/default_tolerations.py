"""DefaultTolerationSeconds: a pod stays five minutes on a node that is not ready or unreachable, unless it says otherwise."""

from __future__ import annotations

from typing import Any

from apiserver.admission.attributes import CREATE, Attributes, Plugin, is_core

KEYS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
SECONDS = 300


def _tolerates(toleration: dict[str, Any], key: str) -> bool:
    return toleration.get("key") in (key, None, "") and toleration.get("effect") in ("NoExecute", None, "")


async def _mutate(attributes: Attributes) -> None:
    if attributes.operation != CREATE or not is_core(attributes, "pods") or attributes.obj is None:
        return
    tolerations = attributes.obj["spec"].setdefault("tolerations", [])
    for key in KEYS:
        if not any(_tolerates(toleration, key) for toleration in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS})


PLUGIN = Plugin("DefaultTolerationSeconds", mutate=_mutate)
