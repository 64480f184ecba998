"""PodDisruptionBudgets: how many pods of each may be evicted now.

    expectedPods     what the pods' controllers want (their scale), or the pods that are there
    desiredHealthy   minAvailable of them, or expected - maxUnavailable
    currentHealthy   ready pods that are not being disrupted
    disruptionsAllowed = currentHealthy - desiredHealthy, at least 0

The API server takes one away for each eviction and writes the pod into status.disruptedPods; an entry goes when the pod is
on its way out, or after DISRUPTED_S, for then the eviction came to nothing.
Source of the rules: Kubernetes pkg/controller/disruption.
"""

from __future__ import annotations

import math

from apiserver.client import Object, Objects, WorkQueue, controller_of, key_of, resource_name, split_key
from apiserver.controllers.context import Context
from apiserver.controllers.pods import gather_s, is_ready, is_relevant_change
from apiserver.controllers.rollout import scaled
from apiserver.errors import StatusError
from apiserver.meta import NOTHING, LabelSelector, format_time, label_selector_of, parse_time

BUDGETS = resource_name("policy/v1/poddisruptionbudgets")
PODS = resource_name("pods")
DISRUPTED_S = 120.0

_SCALED = {
    ("apps", "ReplicaSet"): resource_name("apps/v1/replicasets"),
    ("apps", "StatefulSet"): resource_name("apps/v1/statefulsets"),
    ("", "ReplicationController"): resource_name("replicationcontrollers"),
}
_DEPLOYMENTS = resource_name("apps/v1/deployments")


class DisruptionController:
    """Keys are PodDisruptionBudgets."""

    workers = 1

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._clock = context.clock
        self._budgets = context.informers.informer(BUDGETS)
        self._pods = context.informers.informer(PODS)
        self._owners = {kind: context.informers.informer(resource) for kind, resource in _SCALED.items()}
        self._deployments = context.informers.informer(_DEPLOYMENTS)
        self._recorder = context.recorder("controllermanager")
        self._budgets.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)), on_update=lambda old, obj: self.queue.add(key_of(obj))
        )
        self._pods.add_handler(on_add=self._pod_seen, on_update=self._pod_updated, on_delete=self._pod_seen)
        for informer in (*self._owners.values(), self._deployments):
            informer.add_handler(on_update=self._owner_updated)

    def _pod_seen(self, pod: Object) -> None:
        labels = pod["metadata"].get("labels") or {}
        for budget in self._budgets.list(pod["metadata"]["namespace"]):
            if _selector(budget).matches(labels):
                expected = (budget.get("status") or {}).get("expectedPods") or 0
                self.queue.add_after(key_of(budget), gather_s(expected))

    def _pod_updated(self, old: Object, pod: Object) -> None:
        if not is_relevant_change(old, pod):
            return
        self._pod_seen(pod)
        if old["metadata"].get("labels") != pod["metadata"].get("labels"):
            self._pod_seen(old)

    def _owner_updated(self, old: Object, owner: Object) -> None:
        if old["spec"].get("replicas") != owner["spec"].get("replicas"):
            for budget in self._budgets.list(owner["metadata"]["namespace"]):
                self.queue.add(key_of(budget))

    # ------------------------------------------------------------------------------------------------ reconcile

    async def reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        budget = self._budgets.get(name, namespace)
        if budget is None:
            return
        selector = _selector(budget)
        pods = [p for p in self._pods.list(namespace) if selector.matches(p["metadata"].get("labels") or {})]
        if not pods:
            self._recorder.event(budget, "Normal", "NoPods", "No matching pods found")
        try:
            expected, desired = await self._expect(budget, pods)
        except StatusError as error:
            message = f"Failed to calculate the number of expected pods: {error.message}"
            self._recorder.event(budget, "Warning", "CalculateExpectedPodCountFailed", message)
            await self._write(budget, {**(budget.get("status") or {}), "disruptionsAllowed": 0}, error.message)
            return
        now_s = self._clock.now_s()
        disrupted, recheck_s = self._disrupted(budget, pods, now_s)
        healthy = sum(
            is_ready(pod) and not pod["metadata"].get("deletionTimestamp") and pod["metadata"]["name"] not in disrupted
            for pod in pods
        )
        allowed = healthy - desired
        if expected <= 0 or allowed <= 0:
            allowed = 0
        status: Object = {
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": allowed,
            "expectedPods": expected,
            "observedGeneration": budget["metadata"].get("generation", 0),
        }
        if disrupted:
            status["disruptedPods"] = disrupted
        await self._write(budget, status)
        if recheck_s is not None:
            self.queue.add_after(key, recheck_s)

    async def _expect(self, budget: Object, pods: Objects) -> tuple[int, int]:
        """(expected, desired). Raises StatusError where the pods' owners cannot be asked."""
        spec = budget["spec"]
        least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
        if most is not None:
            expected = await self._expected_scale(pods)
            return expected, max(expected - scaled(most, expected, math.ceil), 0)
        if isinstance(least, str):
            expected = await self._expected_scale(pods)
            return expected, scaled(least, expected, math.ceil)
        return len(pods), int(least or 0)

    async def _expected_scale(self, pods: Objects) -> int:
        """The sum of what the pods' controllers are asked for; each is counted once."""
        sizes: dict[str, int] = {}
        for pod in pods:
            reference = controller_of(pod)
            if reference is None:
                continue  # a pod without a controller is nobody's expectation
            if reference["uid"] not in sizes:
                uid, size = await self._scale_of(reference, pod)
                sizes[uid] = size
                sizes.setdefault(reference["uid"], 0)
        return sum(sizes.values())

    async def _scale_of(self, reference: Object, pod: Object) -> tuple[str, int]:
        namespace = pod["metadata"]["namespace"]
        group = str(reference["apiVersion"]).rpartition("/")[0]
        informer = self._owners.get((group, reference["kind"]))
        owner = informer.get(reference["name"], namespace) if informer is not None else None
        if owner is not None and owner["metadata"]["uid"] == reference["uid"]:
            parent = controller_of(owner)
            if parent is not None and parent.get("kind") == "Deployment":
                deployment = self._deployments.get(parent["name"], namespace)
                if deployment is not None and deployment["metadata"]["uid"] == parent["uid"]:
                    return parent["uid"], int(deployment["spec"].get("replicas", 1))
            return reference["uid"], int(owner["spec"].get("replicas", 1))
        if informer is not None:
            return reference["uid"], 0
        return reference["uid"], await self._ask_scale(reference, pod)

    async def _ask_scale(self, reference: Object, pod: Object) -> int:
        """Of any other kind, by its scale subresource. Raises StatusError with Kubernetes' text where it has none."""
        metadata = pod["metadata"]
        plural = f"{reference['kind'].lower()}s"
        try:
            resource = resource_name(
                f"{reference['apiVersion']}/{plural}" if "/" in reference["apiVersion"] else plural
            )
            found = await self._client.get_subresource(resource, reference["name"], "scale", metadata["namespace"])
        except StatusError as error:
            if error.code not in (404, 405):
                raise
            why = (
                f"found no controllers for pod {metadata['name']!r}: {reference['kind']} does not implement the scale "
                "subresource"
            ).replace("'", '"')
            raise StatusError(500, "InternalError", why) from error
        return int((found.get("spec") or {}).get("replicas") or 0)

    def _disrupted(self, budget: Object, pods: Objects, now_s: float) -> tuple[dict[str, str], float | None]:
        """(pods whose eviction is under way, seconds until the first of them is given up)."""
        kept: dict[str, str] = {}
        waits: list[float] = []
        alive = {pod["metadata"]["name"]: pod for pod in pods if not pod["metadata"].get("deletionTimestamp")}
        for name, since in ((budget.get("status") or {}).get("disruptedPods") or {}).items():
            if name not in alive:
                continue
            left_s = parse_time(since) + DISRUPTED_S - now_s
            if left_s < 0:
                message = f"Pod {name} was expected to be deleted by PDB {budget['metadata']['name']} but it wasn't"
                self._recorder.event(alive[name], "Warning", "NotDeleted", message)
                continue
            kept[name] = since
            waits.append(left_s)
        return kept, (min(waits) + 1.0 if waits else None)

    async def _write(self, budget: Object, status: Object, failure: str = "") -> None:
        before = budget.get("status") or {}
        old = next((c for c in before.get("conditions") or () if c["type"] == "DisruptionAllowed"), None)
        allowed = status.get("disruptionsAllowed", 0) > 0
        reason = "SyncFailed" if failure else "SufficientPods" if allowed else "InsufficientPods"
        value = "True" if allowed and not failure else "False"
        since = format_time(self._clock.now_s())
        condition = {
            "type": "DisruptionAllowed",
            "status": value,
            "observedGeneration": budget["metadata"].get("generation", 0),
            "lastTransitionTime": old["lastTransitionTime"] if old and old["status"] == value else since,
            "reason": reason,
            "message": failure,
        }
        others = [c for c in before.get("conditions") or () if c["type"] != "DisruptionAllowed"]
        status = {**status, "conditions": [*others, condition]}
        if status == before:
            return
        try:
            await self._client.update_status(BUDGETS, {**budget, "status": status})
        except StatusError as error:
            if error.reason != "NotFound":
                raise


def _selector(budget: Object) -> LabelSelector:
    """policy/v1: an absent selector is nothing, an empty one everything."""
    selector = budget["spec"].get("selector")
    return NOTHING if selector is None else label_selector_of(selector)
