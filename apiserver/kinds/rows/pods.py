"""The row of a pod in `kubectl get pods`: one word for everything that can go on in it.

The STATUS cell is computed, and people read nothing else; the order of the rules is kubectl's (pkg/printers).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from apiserver.kinds.rows.cells import NONE, Table
from apiserver.kinds.strategy import AGE, NAME, object_age
from apiserver.meta import Column, age, parse_time

Object = dict[str, Any]

_COLUMNS = (
    NAME,
    Column("Ready", description="The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", description="The aggregate status of the containers in this pod."),
    Column(
        "Restarts",
        description="The number of times the containers in this pod have been restarted and when the last container "
        "in this pod has restarted.",
    ),
    AGE,
    Column("IP", priority=1, description="podIP address allocated to the pod."),
    Column("Node", priority=1, description="NodeName indicates in which node this pod is scheduled."),
    Column("Nominated Node", priority=1, description="The node that preemption made room on for this pod."),
    Column("Readiness Gates", priority=1, description="How many of the readiness gates are true."),
)


class _Summary(NamedTuple):
    """What the containers say together. last_restart: the RFC 3339 time, "" if none restarted."""

    reason: str
    ready: int
    restarts: int
    last_restart: str


def _row(pod: Object, now: float) -> list[Any]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    sidecars = {c.get("name") for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
    total = len(spec.get("containers") or ()) + len(sidecars)
    summary = _summarize(spec, status, sidecars)
    restarts = str(summary.restarts)
    if summary.restarts and summary.last_restart:
        restarts = f"{summary.restarts} ({age(summary.last_restart, now)} ago)"
    addresses = status.get("podIPs") or [{"ip": status.get("podIP", "")}]
    return [
        pod["metadata"].get("name"),
        f"{summary.ready}/{total}",
        _deletion(pod, status) or summary.reason,
        restarts,
        object_age(pod, now),
        addresses[0].get("ip") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(spec, status),
    ]


def _deletion(pod: Object, status: Object) -> str:
    if not pod["metadata"].get("deletionTimestamp"):
        return ""
    if status.get("reason") == "NodeLost":
        return "Unknown"
    return "" if status.get("phase") in ("Failed", "Succeeded") else "Terminating"


def _summarize(spec: Object, status: Object, sidecars: set[Any]) -> _Summary:
    reason = status.get("reason") or status.get("phase", "")
    if any(c.get("type") == "PodScheduled" and c.get("reason") == "SchedulingGated" for c in _conditions(status)):
        reason = "SchedulingGated"
    init, sidecar, waiting = _summarize_init(spec, status, sidecars)
    if waiting and not _is_true(status, "Initialized"):
        return init._replace(reason=waiting)
    ready, restarts, last = init.ready, sidecar.restarts, sidecar.last_restart
    reason = waiting or reason
    has_running = False
    for container in reversed(status.get("containerStatuses") or ()):
        restarts += container.get("restartCount", 0)
        last = _later(last, container)
        state = container.get("state") or {}
        terminated = state.get("terminated")
        if (state.get("waiting") or {}).get("reason"):
            reason = state["waiting"]["reason"]
        elif terminated is not None:
            reason = _exit_reason(terminated)
        elif container.get("ready") and "running" in state:
            has_running = True
            ready += 1
    if reason == "Completed" and has_running:
        reason = "Running" if _is_true(status, "Ready") else "NotReady"
    return _Summary(reason, ready, restarts, last)


def _summarize_init(spec: Object, status: Object, sidecars: set[Any]) -> tuple[_Summary, _Summary, str]:
    """Of all init containers, of the sidecars alone, and the "Init:…" word of the one that the pod waits for."""
    ready = restarts = sidecar_restarts = 0
    last = sidecar_last = ""
    waiting = ""
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        restarts += container.get("restartCount", 0)
        last = _later(last, container)
        is_sidecar = container.get("name") in sidecars
        if is_sidecar:
            sidecar_restarts += container.get("restartCount", 0)
            sidecar_last = _later(sidecar_last, container)
        state = container.get("state") or {}
        terminated = state.get("terminated")
        if terminated is not None and terminated.get("exitCode", 0) == 0:
            continue
        if is_sidecar and container.get("started"):
            ready += bool(container.get("ready"))
            continue
        waiting = _init_reason(state, index, len(spec.get("initContainers") or ()))
        break
    return _Summary("", ready, restarts, last), _Summary("", 0, sidecar_restarts, sidecar_last), waiting


def _init_reason(state: Object, index: int, total: int) -> str:
    if state.get("terminated") is not None:
        return f"Init:{_exit_reason(state['terminated'])}"
    reason = (state.get("waiting") or {}).get("reason", "")
    if reason and reason != "PodInitializing":
        return f"Init:{reason}"
    return f"Init:{index}/{total}"


def _exit_reason(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    signal = terminated.get("signal", 0)
    return f"Signal:{signal}" if signal else f"ExitCode:{terminated.get('exitCode', 0)}"


def _later(last: str, container: Object) -> str:
    """The later of a time and the container's last end."""
    ended = ((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt") or ""
    if not last or not ended:
        return last or ended
    return ended if parse_time(ended) > parse_time(last) else last


def _conditions(status: Object) -> list[Object]:
    return status.get("conditions") or []


def _is_true(status: Object, kind: str) -> bool:
    return any(c.get("type") == kind and c.get("status") == "True" for c in _conditions(status))


def _gates(spec: Object, status: Object) -> str:
    gates = spec.get("readinessGates")
    if not gates:
        return NONE
    return f"{sum(_is_true(status, gate.get('conditionType', '')) for gate in gates)}/{len(gates)}"


POD = Table(_COLUMNS, _row)
