"""StatefulSets: pods with names that stay, one after another (or all at once), each with claims of its own.

    claim pods ─► revision of the template ─► for each ordinal, in order: replace what has finished, create what is missing,
        wait for what is not ready (OrderedReady) ─► beyond the last ordinal, highest first: delete ─►
            RollingUpdate: delete pods of another revision, highest first, down to partition ─► status

OrderedReady makes one step and waits; Parallel makes all that it can. An update deletes a pod, and the next reconcile
makes it anew. Pods below the partition are made of the current revision, the others of the update revision; when all are of
the update revision it becomes the current one.
Pods have fixed names, so no expectations are kept: what was made already is AlreadyExists, and its event is on its way.
Source of the rules: Kubernetes pkg/controller/statefulset.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from apiserver.client import Object, Objects, WorkQueue, key_of, resource_name, split_key
from apiserver.controllers import revisions
from apiserver.controllers.context import Context
from apiserver.controllers.ownership import claim, index_orphans, owner_of
from apiserver.controllers.pod_control import PODS, is_namespace_terminating, slow_start
from apiserver.controllers.pods import gather_s, is_available, is_relevant_change, next_available_s
from apiserver.controllers.rollout import scaled
from apiserver.controllers.stateful_pods import (
    build_claims,
    build_pod,
    claim_names,
    claim_owners,
    first_ordinal,
    identity,
    is_created,
    is_finished,
    is_in_range,
    is_running_and_ready,
    is_terminating,
    ordinal_of,
    parent_and_ordinal,
    replicas_of,
    revision_of,
)
from apiserver.errors import StatusError
from apiserver.meta import label_selector_of

STATEFUL_SETS = resource_name("apps/v1/statefulsets")
CLAIMS = resource_name("persistentvolumeclaims")


class StatefulSetController:
    workers = 5

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._clock = context.clock
        self._sets = context.informers.informer(STATEFUL_SETS)
        self._pods = context.informers.informer(PODS)
        self._claims = context.informers.informer(CLAIMS)
        self._revisions = context.informers.informer(revisions.REVISIONS)
        self._recorder = context.recorder("statefulset-controller")
        index_orphans(self._pods)
        index_orphans(self._revisions)
        self._sets.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)), on_update=lambda old, obj: self.queue.add(key_of(obj))
        )
        self._pods.add_handler(on_add=self._pod_seen, on_update=self._pod_updated, on_delete=self._pod_seen)

    def _pod_seen(self, pod: Object) -> None:
        owner = owner_of(pod, "StatefulSet", self._sets)
        if owner is not None:
            self.queue.add_after(key_of(owner), gather_s(replicas_of(owner)))
        elif not pod["metadata"].get("ownerReferences"):
            found = self._sets.get(parent_and_ordinal(pod["metadata"]["name"])[0], pod["metadata"]["namespace"])
            if found is not None:
                self.queue.add(key_of(found))

    def _pod_updated(self, old: Object, pod: Object) -> None:
        former = owner_of(old, "StatefulSet", self._sets)
        if former is not None and former is not owner_of(pod, "StatefulSet", self._sets):
            self.queue.add(key_of(former))
        if is_relevant_change(old, pod):
            self._pod_seen(pod)

    # ------------------------------------------------------------------------------------------------ reconcile

    async def reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        owner = self._sets.get(name, namespace)
        if owner is None:
            return
        selector = label_selector_of(owner["spec"]["selector"])

        def is_member(pod: Object) -> bool:
            parent, _ = parent_and_ordinal(pod["metadata"]["name"])
            return parent == name and selector.matches(pod["metadata"].get("labels") or {})

        pods = await claim(self._client, PODS, owner, self._pods, is_member)
        known = await claim(
            self._client,
            revisions.REVISIONS,
            owner,
            self._revisions,
            lambda found: selector.matches(found["metadata"].get("labels") or {}),
        )
        old_status = owner.get("status") or {}
        collisions = int(old_status.get("collisionCount") or 0)
        history = await revisions.record(self._client, owner, known, collisions, revisions.HASH_LABEL)
        update = history.current
        names = {revision["metadata"]["name"]: revision for revision in history.revisions}
        current = names.get(old_status.get("currentRevision") or "", update)
        sync = _Sync(self, owner, pods, current, update)
        failure: StatusError | None = None
        try:
            await sync.run()
        except StatusError as error:
            failure = error
        await self._write_status(owner, sync.pods_now(), current, update, history.collisions)
        if failure is not None and not is_namespace_terminating(failure):
            raise failure
        live = [revision_of(pod) for pod in pods]
        live += [current["metadata"]["name"], update["metadata"]["name"]]
        limit = owner["spec"].get("revisionHistoryLimit", 10)
        await revisions.truncate(self._client, history.revisions, live, limit)
        self._revisit(key, owner, pods)

    async def _write_status(
        self, owner: Object, pods: Objects, current: Object, update: Object, collisions: int
    ) -> None:
        status = _status(owner, pods, current, update, collisions, self._clock.now_s())
        if status == {name: (owner.get("status") or {}).get(name, 0) for name in status}:
            return
        conditions = (owner.get("status") or {}).get("conditions")
        if conditions:
            status["conditions"] = conditions
        try:
            await self._client.update_status(STATEFUL_SETS, {**owner, "status": status})
        except StatusError as error:
            if error.reason != "NotFound":
                raise

    def _revisit(self, key: str, owner: Object, pods: Objects) -> None:
        """A pod that is ready becomes available by time alone."""
        wait_s = next_available_s(pods, owner["spec"].get("minReadySeconds") or 0, self._clock.now_s())
        if wait_s is not None:
            self.queue.add_after(key, wait_s)

    # ------------------------------------------------------------------------------------------------ writes

    def tell(self, owner: Object, verb: str, pod: Object, error: StatusError | None) -> None:
        """ "create Pod web-0 in StatefulSet web successful", as Kubernetes says it."""
        done = f"{verb} Pod {pod['metadata']['name']} in StatefulSet {owner['metadata']['name']}"
        if error is None:
            self._recorder.event(owner, "Normal", f"Successful{verb.capitalize()}", f"{done} successful")
        elif not is_namespace_terminating(error):
            message = f"{done} failed error: {error.message}"
            self._recorder.event(owner, "Warning", f"Failed{verb.capitalize()}", message)

    async def create(self, owner: Object, pod: Object) -> Object | None:
        """None where it is there already, though not in sight yet."""
        await self.create_claims(owner, pod)
        try:
            made = await self._client.create(PODS, pod)
        except StatusError as error:
            if error.reason == "AlreadyExists":
                return None
            self.tell(owner, "create", pod, error)
            raise
        self.tell(owner, "create", made, None)
        return made

    async def delete(self, owner: Object, pod: Object) -> None:
        metadata = pod["metadata"]
        try:
            await self._client.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except StatusError as error:
            if error.reason in ("NotFound", "Conflict"):
                return
            self.tell(owner, "delete", pod, error)
            raise
        self.tell(owner, "delete", pod, None)

    async def update_identity(self, owner: Object, pod: Object) -> None:
        """Puts back the labels that say which pod this is."""
        metadata = pod["metadata"]
        wanted = identity(metadata["name"], ordinal_of(pod))
        if wanted.items() <= (metadata.get("labels") or {}).items():
            return
        patch = {"metadata": {"uid": metadata["uid"], "labels": wanted}}
        await self._client.patch(PODS, metadata["name"], patch, metadata["namespace"])

    async def create_claims(self, owner: Object, pod: Object) -> None:
        for built in build_claims(owner, ordinal_of(pod)):
            metadata = built["metadata"]
            if self._claims.get(metadata["name"], metadata["namespace"]) is not None:
                continue
            owners = claim_owners(owner, built, pod)
            if owners:
                metadata["ownerReferences"] = owners
            what = f"Claim {metadata['name']} Pod {pod['metadata']['name']} in StatefulSet {owner['metadata']['name']}"
            try:
                await self._client.create(CLAIMS, built)
            except StatusError as error:
                if error.reason == "AlreadyExists":
                    continue
                if not is_namespace_terminating(error):
                    self._recorder.event(
                        owner, "Warning", "FailedCreate", f"create {what} failed error: {error.message}"
                    )
                raise
            self._recorder.event(owner, "Normal", "SuccessfulCreate", f"create {what} success")

    async def update_claims(self, owner: Object, pod: Object) -> None:
        """The owners of the pod's claims, by the retention policy."""
        namespace = owner["metadata"]["namespace"]
        for name in claim_names(owner, ordinal_of(pod)).values():
            found = self._claims.get(name, namespace)
            if found is None or found["metadata"].get("deletionTimestamp"):
                continue
            owners = claim_owners(owner, found, pod)
            if owners == (found["metadata"].get("ownerReferences") or []):
                continue
            metadata = found["metadata"]
            patch = {
                "metadata": {
                    "uid": metadata["uid"],
                    "resourceVersion": metadata["resourceVersion"],
                    "ownerReferences": owners,
                }
            }
            await self._client.patch(CLAIMS, name, patch, namespace)

    def is_available(self, owner: Object, pod: Object) -> bool:
        min_ready_s = owner["spec"].get("minReadySeconds") or 0
        return is_running_and_ready(pod) and is_available(pod, min_ready_s, self._clock.now_s())


class _Sync:
    """One pass over the ordinals of one set."""

    def __init__(
        self, controller: StatefulSetController, owner: Object, pods: Objects, current: Object, update: Object
    ) -> None:
        self._controller = controller
        self._owner = owner
        self._pods = {pod["metadata"]["name"]: pod for pod in pods}
        self._current, self._update = current, update
        self._in_order = owner["spec"].get("podManagementPolicy") != "Parallel"

    def pods_now(self) -> Objects:
        """The pods as they are after the pass, so that the status need not wait for the next."""
        return list(self._pods.values())

    async def run(self) -> None:
        start = first_ordinal(self._owner)
        replicas = [self._pod_or_new(ordinal) for ordinal in range(start, start + replicas_of(self._owner))]
        condemned = [pod for pod in self._pods.values() if not is_in_range(self._owner, ordinal_of(pod))]
        condemned.sort(key=ordinal_of, reverse=True)
        if self._owner["metadata"].get("deletionTimestamp"):
            return
        for pod in condemned:
            await self._controller.update_claims(self._owner, pod)
        unhealthy = next((p for p in [*replicas, *reversed(condemned)] if not self._is_healthy(p)), None)
        if await self._for_each(replicas, self._settle):
            return
        if await self._for_each(condemned, lambda pod: self._condemn(pod, unhealthy)):
            return
        await self._roll(replicas)

    def _pod_or_new(self, ordinal: int) -> Object:
        found = self._pods.get(f"{self._owner['metadata']['name']}-{ordinal}")
        if found is not None:
            return found
        revision = self._current if self._is_below_partition(ordinal) else self._update
        return build_pod(self._owner, revisions.template_of(revision), ordinal, revision["metadata"]["name"])

    def _is_below_partition(self, ordinal: int) -> bool:
        strategy = self._owner["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return False
        partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
        return ordinal < first_ordinal(self._owner) + partition

    def _is_healthy(self, pod: Object) -> bool:
        return is_running_and_ready(pod) and not is_terminating(pod)

    async def _for_each(self, pods: Objects, act: Callable[[Object], Awaitable[bool]]) -> bool:
        """True where the pass is to end. In order: at the first pod that is to be waited for. Parallel: all are looked at."""
        if self._in_order:
            for pod in pods:
                if await act(pod):
                    return True
            return False
        _, failure = await slow_start(pods, act)
        if failure is not None:
            raise failure
        return False

    async def _settle(self, pod: Object) -> bool:
        """Makes one ordinal what it should be. True: the others are to wait for it."""
        if is_created(pod) and is_finished(pod):
            if not is_terminating(pod):
                await self._controller.delete(self._owner, pod)
            return True  # it is made anew when it is gone
        if not is_created(pod):
            made = await self._controller.create(self._owner, pod)
            if made is not None:
                self._pods[made["metadata"]["name"]] = made
            return True
        if (pod.get("status") or {}).get("phase") == "Pending" and not is_terminating(pod):
            await self._controller.create_claims(self._owner, pod)
        if self._in_order and (is_terminating(pod) or not self._controller.is_available(self._owner, pod)):
            return True
        if not is_terminating(pod):
            await self._controller.update_identity(self._owner, pod)
            await self._controller.update_claims(self._owner, pod)
        return False

    async def _condemn(self, pod: Object, unhealthy: Object | None) -> bool:
        if is_terminating(pod):
            return True
        if self._in_order and pod is not unhealthy and not self._controller.is_available(self._owner, pod):
            return True
        await self._controller.delete(self._owner, pod)
        return True

    async def _roll(self, replicas: Objects) -> None:
        strategy = self._owner["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return
        rolling = strategy.get("rollingUpdate") or {}
        allowed = max(scaled(rolling.get("maxUnavailable", 1), replicas_of(self._owner), math.ceil), 1)
        unavailable = sum(
            is_terminating(pod) or not self._controller.is_available(self._owner, pod) for pod in replicas
        )
        chosen = [
            pod
            for pod in reversed(replicas[int(rolling.get("partition") or 0) :])
            if revision_of(pod) != self._update["metadata"]["name"] and not is_terminating(pod) and is_created(pod)
        ]
        doomed = chosen[: max(allowed - unavailable, 0)]
        await asyncio.gather(*(self._controller.delete(self._owner, pod) for pod in doomed))


def _status(owner: Object, pods: Objects, current: Object, update: Object, collisions: int, now_s: float) -> Object:
    current_name, update_name = current["metadata"]["name"], update["metadata"]["name"]
    min_ready_s = owner["spec"].get("minReadySeconds") or 0
    counts = dict.fromkeys(("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"), 0)
    for pod in pods:
        counts["replicas"] += 1
        if is_running_and_ready(pod):
            counts["readyReplicas"] += 1
            counts["availableReplicas"] += is_available(pod, min_ready_s, now_s)
        if not is_terminating(pod):
            counts["currentReplicas"] += revision_of(pod) == current_name
            counts["updatedReplicas"] += revision_of(pod) == update_name
    wanted = replicas_of(owner)
    rolling = (owner["spec"].get("updateStrategy") or {}).get("type") != "OnDelete"
    reached = all(counts[name] == wanted for name in ("replicas", "readyReplicas", "updatedReplicas"))
    if rolling and reached:
        counts["currentReplicas"], current_name = counts["updatedReplicas"], update_name
    return {
        "observedGeneration": owner["metadata"].get("generation", 0),
        **counts,
        "currentRevision": current_name,
        "updateRevision": update_name,
        "collisionCount": collisions,
    }
