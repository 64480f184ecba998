"""DaemonSets: one pod on every node that fits, and the pace at which they are replaced.

    claim pods ─► revision of the template ─► pods by node ─► create where one is missing, delete where none may be,
        where it failed and where there are two ─► RollingUpdate: replace old pods within maxUnavailable or maxSurge ─► status

A node's change wakes every DaemonSet whose verdict about it may have changed. Which pods go where is daemon_pods'.
Source of the rules: Kubernetes pkg/controller/daemon.
"""

from __future__ import annotations

from apiserver.client import Object, Objects, WorkQueue, key_of, resource_name, split_key
from apiserver.controllers import revisions
from apiserver.controllers.context import Context
from apiserver.controllers.daemon_pods import (
    Verdict,
    allows_surge,
    build_pod,
    is_updated,
    judge,
    node_of,
    plan_update,
)
from apiserver.controllers.expectations import Expectations
from apiserver.controllers.ownership import claim, index_orphans, owner_of
from apiserver.controllers.pod_control import BURST, PODS, PodControl, is_namespace_terminating
from apiserver.controllers.pods import gather_s, is_available, is_ready, is_relevant_change, next_available_s
from apiserver.errors import StatusError
from apiserver.meta import label_selector_of

DAEMON_SETS = resource_name("apps/v1/daemonsets")
FIRST_FAILED_WAIT_S, LAST_FAILED_WAIT_S = 1.0, 900.0
"""A pod that fails on a node is replaced after so long, twice as long each time."""


class DaemonSetController:
    workers = 2

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._clock = context.clock
        self._sets = context.informers.informer(DAEMON_SETS)
        self._pods = context.informers.informer(PODS)
        self._nodes = context.informers.informer("nodes")
        self._revisions = context.informers.informer(revisions.REVISIONS)
        self._expectations = Expectations(context.clock)
        self._recorder = context.recorder("daemonset-controller")
        self._control = PodControl(context.client, self._recorder, self._expectations)
        self._failed: dict[tuple[str, str], tuple[float, float]] = {}
        index_orphans(self._pods)
        index_orphans(self._revisions)
        self._sets.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)),
            on_update=lambda old, obj: self.queue.add(key_of(obj)),
            on_delete=self._set_deleted,
        )
        self._pods.add_handler(on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_deleted)
        self._nodes.add_handler(on_add=self._node_seen, on_update=self._node_updated, on_delete=self._node_seen)

    # ------------------------------------------------------------------------------------------------ events

    def _set_deleted(self, obj: Object) -> None:
        self._expectations.forget(key_of(obj))
        for known in [known for known in self._failed if known[0] == obj["metadata"]["uid"]]:
            del self._failed[known]

    def _node_seen(self, node: Object) -> None:
        for owner in self._sets.list():
            self.queue.add(key_of(owner))

    def _node_updated(self, old: Object, node: Object) -> None:
        """Heartbeats wake nobody: only labels, taints and being cordoned can change a verdict."""
        same_labels = old["metadata"].get("labels") == node["metadata"].get("labels")
        if same_labels and (old.get("spec") or {}).get("taints") == (node.get("spec") or {}).get("taints"):
            return
        for owner in self._sets.list():
            if judge(owner, old) != judge(owner, node):
                self.queue.add(key_of(owner))

    def _pod_added(self, pod: Object) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            self._pod_deleted(pod)
            return
        owner = owner_of(pod, "DaemonSet", self._sets)
        if owner is not None:
            self._expectations.creation_seen(key_of(owner))
            self._wake(owner)
        elif not pod["metadata"].get("ownerReferences"):
            labels = pod["metadata"].get("labels") or {}
            for candidate in self._sets.list(pod["metadata"]["namespace"]):
                if label_selector_of(candidate["spec"]["selector"]).matches(labels):
                    self.queue.add(key_of(candidate))

    def _pod_updated(self, old: Object, pod: Object) -> None:
        owner, former = owner_of(pod, "DaemonSet", self._sets), owner_of(old, "DaemonSet", self._sets)
        if owner is not None and pod["metadata"].get("deletionTimestamp"):
            self._expectations.deletion_seen(key_of(owner), pod["metadata"]["uid"])
        if former is not None and former is not owner:
            self.queue.add(key_of(former))
        if owner is not None and (former is not owner or is_relevant_change(old, pod)):
            self._wake(owner)

    def _pod_deleted(self, pod: Object) -> None:
        owner = owner_of(pod, "DaemonSet", self._sets)
        if owner is not None:
            self._expectations.deletion_seen(key_of(owner), pod["metadata"]["uid"])
            self._wake(owner)

    def _wake(self, owner: Object) -> None:
        """Reconciles soon; not at all while more of what was asked for is still to be seen."""
        if self._expectations.satisfied(key_of(owner)):
            self.queue.add_after(key_of(owner), gather_s(len(self._nodes.store)))

    # ------------------------------------------------------------------------------------------------ reconcile

    async def reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        owner = self._sets.get(name, namespace)
        if owner is None:
            self._expectations.forget(key)
            return
        selector = label_selector_of(owner["spec"]["selector"])
        if selector.is_everything:
            self._recorder.event(
                owner,
                "Warning",
                "SelectingAll",
                "This daemon set is selecting all pods. A non-empty selector is required.",
            )
            return
        if owner["metadata"].get("deletionTimestamp"):
            return

        def is_ours(obj: Object) -> bool:
            return selector.matches(obj["metadata"].get("labels") or {})

        known = await claim(self._client, revisions.REVISIONS, owner, self._revisions, is_ours)
        collisions = int((owner.get("status") or {}).get("collisionCount") or 0)
        history = await revisions.record(self._client, owner, known, collisions, revisions.REVISION_LABEL)
        hash_value = revisions.hash_of(history.current)
        pods = await claim(self._client, PODS, owner, self._pods, is_ours)
        by_node: dict[str, Objects] = {}
        for pod in sorted(pods, key=_age_order):
            by_node.setdefault(node_of(pod), []).append(pod)
        verdicts = {node["metadata"]["name"]: judge(owner, node) for node in self._nodes.list()}
        failure: StatusError | None = None
        if self._expectations.satisfied(key):
            try:
                await self._manage(key, owner, verdicts, by_node, hash_value)
            except StatusError as error:
                failure = error
        await self._write_status(owner, verdicts, by_node, hash_value, history.collisions)
        if failure is not None and not is_namespace_terminating(failure):
            raise failure
        live_hashes = {(pod["metadata"].get("labels") or {}).get(revisions.REVISION_LABEL) for pod in pods}
        live = [r["metadata"]["name"] for r in history.revisions if revisions.hash_of(r) in live_hashes]
        limit = owner["spec"].get("revisionHistoryLimit", 10)
        live.append(history.current["metadata"]["name"])
        await revisions.truncate(self._client, history.revisions, live, limit)
        self._revisit(key, owner, pods)

    async def _manage(
        self, key: str, owner: Object, verdicts: dict[str, Verdict], by_node: dict[str, Objects], hash_value: str
    ) -> None:
        """by_node: the pods of each node, oldest first."""
        needing: list[str] = []
        doomed: Objects = []
        for node, verdict in verdicts.items():
            missing, surplus = self._look_at(key, owner, node, verdict, by_node.get(node, []), hash_value)
            needing += missing
            doomed += surplus
        for node, found in by_node.items():
            if node not in verdicts:
                # The node is gone; a pod that never reached it goes too, the others are the pod garbage collector's.
                doomed += [pod for pod in found if not pod["spec"].get("nodeName") and not _is_going(pod)]
        if not needing and not doomed and (owner["spec"].get("updateStrategy") or {}).get("type") != "OnDelete":
            wanted = {node: by_node.get(node, []) for node, verdict in verdicts.items() if verdict.run}
            doomed, needing = plan_update(
                owner, wanted, hash_value, len(wanted), lambda pod: self._is_available(owner, pod)
            )
        needing, doomed = needing[:BURST], doomed[:BURST]
        if not needing and not doomed:
            return
        self._expectations.expect(key, len(needing), [pod["metadata"]["uid"] for pod in doomed])
        await self._control.create_expected(key, owner, [build_pod(owner, node, hash_value) for node in needing])
        await self._control.delete_expected(key, owner, doomed)

    def _look_at(
        self, key: str, owner: Object, node: str, verdict: Verdict, pods: Objects, hash_value: str
    ) -> tuple[list[str], Objects]:
        """(the node, if a pod is missing there; pods that must go), for one node. pods: oldest first."""
        alive = [pod for pod in pods if not _is_going(pod)]
        if not verdict.stay:
            return [], alive
        doomed: Objects = []
        running: Objects = []
        for pod in alive:
            phase = (pod.get("status") or {}).get("phase")
            if phase not in ("Failed", "Succeeded"):
                running.append(pod)
                continue
            if phase == "Failed" and not self._may_replace(key, owner, node):
                continue
            how = ("Warning", "FailedDaemonPod", "failed", "kill") if phase == "Failed" else (
                "Normal", "SucceededDaemonPod", "succeeded", "delete"
            )  # fmt: skip
            message = f"Found {how[2]} daemon pod {key_of(pod)} on node {node}, will try to {how[3]} it"
            self._recorder.event(owner, how[0], how[1], message)
            doomed.append(pod)
        if not pods and verdict.run:
            return [node], []
        if not allows_surge(owner):
            return [], doomed + running[1:]
        new = [pod for pod in running if is_updated(owner, pod, hash_value)]
        old = [pod for pod in running if not is_updated(owner, pod, hash_value)]
        return ([node] if not running and not doomed and verdict.run else []), doomed + new[1:] + old[1:]

    def _may_replace(self, key: str, owner: Object, node: str) -> bool:
        """A pod that fails again and again is replaced more and more slowly."""
        now_s = self._clock.monotonic_s()
        known = (owner["metadata"]["uid"], node)
        since_s, wait_s = self._failed.get(known, (now_s, 0.0))
        if now_s - since_s < wait_s:
            self.queue.add_after(key, wait_s - (now_s - since_s))
            return False
        self._failed[known] = (now_s, min(max(wait_s * 2.0, FIRST_FAILED_WAIT_S), LAST_FAILED_WAIT_S))
        return True

    def _is_available(self, owner: Object, pod: Object) -> bool:
        return is_available(pod, owner["spec"].get("minReadySeconds") or 0, self._clock.now_s())

    # ------------------------------------------------------------------------------------------------ status

    async def _write_status(
        self,
        owner: Object,
        verdicts: dict[str, Verdict],
        by_node: dict[str, Objects],
        hash_value: str,
        collisions: int,
    ) -> None:
        names = ("desired", "current", "misscheduled", "ready", "available", "updated")
        counts = dict.fromkeys(names, 0)
        for node, verdict in verdicts.items():
            found = by_node.get(node) or []
            if not verdict.run:
                counts["misscheduled"] += bool(found)
                continue
            counts["desired"] += 1
            if not found:
                continue
            counts["current"] += 1
            if is_ready(found[0]):
                counts["ready"] += 1
                counts["available"] += self._is_available(owner, found[0])
            counts["updated"] += is_updated(owner, found[0], hash_value)
        status: Object = {
            "currentNumberScheduled": counts["current"],
            "numberMisscheduled": counts["misscheduled"],
            "desiredNumberScheduled": counts["desired"],
            "numberReady": counts["ready"],
            "observedGeneration": owner["metadata"].get("generation", 0),
            "updatedNumberScheduled": counts["updated"],
            "numberAvailable": counts["available"],
            "numberUnavailable": counts["desired"] - counts["available"],
            "collisionCount": collisions,
        }
        before = owner.get("status") or {}
        if status == {name: before.get(name, 0) for name in status} and "observedGeneration" in before:
            return
        always = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
        status = {name: value for name, value in status.items() if value or name in always}
        if before.get("conditions"):
            status["conditions"] = before["conditions"]
        try:
            await self._client.update_status(DAEMON_SETS, {**owner, "status": status})
        except StatusError as error:
            if error.reason != "NotFound":
                raise

    def _revisit(self, key: str, owner: Object, pods: Objects) -> None:
        wait_s = next_available_s(pods, owner["spec"].get("minReadySeconds") or 0, self._clock.now_s())
        if wait_s is not None:
            self.queue.add_after(key, wait_s)


def _is_going(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _age_order(pod: Object) -> tuple[str, str]:
    return pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]
