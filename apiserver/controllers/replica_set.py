"""ReplicaSets: as many pods as spec.replicas says, and a status that says how many there are.

One reconcile: claim pods (adopt, release) → create or delete the difference, unless earlier creations and deletions have
not been seen yet (expectations) → write the status if it changed.

How pods are made and deleted is pod_control's. Too many pods: those worth least go first (pods.rank_for_deletion).
A reconcile looks at every pod of the set, and so may not follow every change of a pod: changes that cannot matter are left
out, the others are gathered for a time in proportion to the set's size (pods.gather_s).
A ReplicationController is the same thing with a selector of labels only, and another name: `ReplicationControllers` below.
Source of the rules: Kubernetes pkg/controller/replicaset.
"""

from __future__ import annotations

import copy

from apiserver.client import Object, Objects, WorkQueue, key_of, resource_name, split_key
from apiserver.controllers.context import Context
from apiserver.controllers.expectations import EXPIRY_S, Expectations
from apiserver.controllers.ownership import claim, index_orphans, owner_of
from apiserver.controllers.pod_control import BURST, PODS, PodControl, is_namespace_terminating, pod_from_template
from apiserver.controllers.pods import (
    find_condition,
    gather_s,
    is_active,
    is_available,
    is_ready,
    is_relevant_change,
    is_terminating,
    next_available_s,
    rank_for_deletion,
)
from apiserver.errors import StatusError
from apiserver.meta import LabelSelector, format_time, label_selector_of

REPLICA_SETS = resource_name("apps/v1/replicasets")
REPLICATION_CONTROLLERS = resource_name("replicationcontrollers")


class ReplicaSetController:
    workers = 5
    resource, kind, component = REPLICA_SETS, "ReplicaSet", "replicaset-controller"
    counts_terminating = True

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._clock = context.clock
        self._sets = context.informers.informer(self.resource)
        self._pods = context.informers.informer(PODS)
        self._expectations = Expectations(context.clock)
        self._control = PodControl(context.client, context.recorder(self.component), self._expectations)
        index_orphans(self._pods)
        self._sets.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)),
            on_update=lambda old, obj: self.queue.add(key_of(obj)),
            on_delete=self._set_deleted,
        )
        self._pods.add_handler(on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_deleted)

    # ------------------------------------------------------------------------------------------------ events

    def _set_deleted(self, obj: Object) -> None:
        self._expectations.forget(key_of(obj))
        self.queue.add(key_of(obj))

    def _pod_added(self, pod: Object) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            self._pod_deleted(pod)
            return
        owner = owner_of(pod, self.kind, self._sets)
        if owner is not None:
            self._expectations.creation_seen(key_of(owner))
            self._wake(owner)
        else:
            self._wake_matching(pod)

    def _pod_updated(self, old: Object, pod: Object) -> None:
        owner = owner_of(pod, self.kind, self._sets)
        if pod["metadata"].get("deletionTimestamp") and owner is not None:
            # On its way out is as good as gone: the replacement need not wait for the grace period.
            self._expectations.deletion_seen(key_of(owner), pod["metadata"]["uid"])
        former = owner_of(old, self.kind, self._sets)
        if former is not None and former is not owner:
            self.queue.add(key_of(former))
        if owner is not None:
            if former is not owner or is_relevant_change(old, pod):
                self._wake(owner)
        elif old["metadata"].get("labels") != pod["metadata"].get("labels") or former is not None:
            self._wake_matching(pod)

    def _pod_deleted(self, pod: Object) -> None:
        owner = owner_of(pod, self.kind, self._sets)
        if owner is not None:
            self._expectations.deletion_seen(key_of(owner), pod["metadata"]["uid"])
            self._wake(owner)

    def _wake(self, owner: Object) -> None:
        """Reconciles soon; not at all while more of what was asked for is still to be seen."""
        if self._expectations.satisfied(key_of(owner)):
            self.queue.add_after(key_of(owner), gather_s(owner["spec"].get("replicas") or 0))

    def _wake_matching(self, pod: Object) -> None:
        """A pod nobody controls may be somebody's to adopt."""
        if pod["metadata"].get("ownerReferences"):
            return
        labels = pod["metadata"].get("labels") or {}
        for candidate in self._sets.list(pod["metadata"].get("namespace") or ""):
            if self.selector_of(candidate).matches(labels):
                self.queue.add(key_of(candidate))

    def selector_of(self, owner: Object) -> LabelSelector:
        return label_selector_of(owner["spec"]["selector"])

    # ------------------------------------------------------------------------------------------------ reconcile

    async def reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        owner = self._sets.get(name, namespace)
        if owner is None:
            self._expectations.forget(key)
            return
        may_manage = self._expectations.satisfied(key) and not owner["metadata"].get("deletionTimestamp")
        selector = self.selector_of(owner)
        claimed = await claim(
            self._client, PODS, owner, self._pods, lambda pod: selector.matches(pod["metadata"].get("labels") or {})
        )
        active = [pod for pod in claimed if is_active(pod)]
        failure: Exception | None = None
        if may_manage:
            try:
                await self._manage(key, owner, active)
            except StatusError as error:
                failure = error
        terminating = sum(map(is_terminating, claimed)) if self.counts_terminating else None
        await self._write_status(owner, active, terminating, failure)
        if failure is not None and not is_namespace_terminating(failure):
            raise failure
        self._revisit(key, owner, active)

    async def _manage(self, key: str, owner: Object, active: Objects) -> None:
        difference = (owner["spec"].get("replicas") or 0) - len(active)
        if difference > 0:
            pods = [pod_from_template(owner["spec"]["template"], owner) for _ in range(min(difference, BURST))]
            await self._control.create_all(key, owner, pods)
        elif difference < 0:
            await self._control.delete_all(key, owner, rank_for_deletion(active)[: min(-difference, BURST)])

    # ------------------------------------------------------------------------------------------------ status

    async def _write_status(
        self, owner: Object, active: Objects, terminating: int | None, failure: Exception | None
    ) -> None:
        status = self._status_of(owner, active, failure)
        if terminating is not None:
            status["terminatingReplicas"] = terminating
        if _said(status) == _said(owner.get("status") or {}):
            return
        updated = copy.deepcopy(owner)
        updated["status"] = status
        try:
            await self._client.update_status(self.resource, updated)
        except StatusError as error:
            if error.reason != "NotFound":
                raise

    def _status_of(self, owner: Object, active: Objects, failure: Exception | None) -> Object:
        spec = owner["spec"]
        now_s = self._clock.now_s()
        wanted = ((spec["template"].get("metadata") or {}).get("labels") or {}).items()
        min_ready_s = spec.get("minReadySeconds") or 0
        counts = {
            "fullyLabeledReplicas": sum(wanted <= (pod["metadata"].get("labels") or {}).items() for pod in active),
            "readyReplicas": sum(is_ready(pod) for pod in active),
            "availableReplicas": sum(is_available(pod, min_ready_s, now_s) for pod in active),
        }
        old = owner.get("status") or {}
        status: Object = {"replicas": len(active)}
        status.update((name, count) for name, count in counts.items() if count)
        status["observedGeneration"] = owner["metadata"].get("generation", 0)
        conditions = [c for c in old.get("conditions") or () if c["type"] != "ReplicaFailure"]
        if failure is not None:
            conditions.append(self._failure_condition(owner, failure))
        if conditions:
            status["conditions"] = conditions
        return status

    def _failure_condition(self, owner: Object, failure: Exception) -> Object:
        """The old one where it says the same, so that a repeated failure does not write again and again."""
        old = find_condition(owner, "ReplicaFailure")
        if old is not None and old.get("message") == str(failure):
            return old
        return {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": str(failure),
            "lastTransitionTime": format_time(self._clock.now_s()),
        }

    def _revisit(self, key: str, owner: Object, active: Objects) -> None:
        """Comes back when time alone changes something: expectations expire, minReadySeconds make a pod available."""
        if not self._expectations.satisfied(key):
            self.queue.add_after(key, EXPIRY_S)
        wait_s = next_available_s(active, owner["spec"].get("minReadySeconds") or 0, self._clock.now_s())
        if wait_s is not None:
            self.queue.add_after(key, wait_s)


class ReplicationControllers(ReplicaSetController):
    """The older form: its selector is a map of labels."""

    resource, kind, component = REPLICATION_CONTROLLERS, "ReplicationController", "replication-controller"
    counts_terminating = False

    def selector_of(self, owner: Object) -> LabelSelector:
        return label_selector_of({"matchLabels": owner["spec"].get("selector") or {}})


def _said(status: Object) -> Object:
    """A status without its zeros, which one server writes out and another leaves out."""
    return {name: value for name, value in status.items() if value}
