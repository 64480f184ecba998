"""Is a running pod ready, and does its status still say what its spec asks for.

A pod is ready when its containers are and every readiness gate's condition, which somebody else sets, is True. Its status is
stale when it has not seen the spec as it is now (resized, an ephemeral container), or its gates say otherwise of being ready. The
status of a pod without gates is left as it is: whoever patches Ready to False, in a test, means it.
Pure functions. Source of the texts: Kubernetes pkg/kubelet/status/generate.go.
"""

from __future__ import annotations

from typing import NamedTuple

from apiserver.client import Object


class Readiness(NamedTuple):
    """status: "True" or "False"; reason and message are empty where it is "True"."""

    status: str
    reason: str = ""
    message: str = ""


def readiness_of(pod: Object) -> Readiness:
    conditions = {c["type"]: c.get("status") for c in (pod.get("status") or {}).get("conditions") or ()}
    wrong = []
    for gate in (pod.get("spec") or {}).get("readinessGates") or ():
        type = gate["conditionType"]
        if type not in conditions:
            wrong.append(f'corresponding condition of pod readiness gate "{type}" does not exist.')
        elif conditions[type] != "True":
            wrong.append(f'the status of pod readiness gate "{type}" is not "True", but {conditions[type]}')
    return Readiness("False", "ReadinessGatesNotReady", ", ".join(wrong)) if wrong else Readiness("True")


def is_stale(pod: Object) -> bool:
    status = pod.get("status") or {}
    if status.get("observedGeneration", 0) != pod["metadata"].get("generation", 0):
        return True
    if not (pod.get("spec") or {}).get("readinessGates"):
        return False
    said = {c["type"]: c for c in status.get("conditions") or ()}.get("Ready") or {}
    ready = readiness_of(pod)
    return (said.get("status"), said.get("message") or "") != (ready.status, ready.message)
