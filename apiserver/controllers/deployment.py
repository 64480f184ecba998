"""Deployments: one ReplicaSet for each template there ever was, and the pace at which replicas move to the newest.

One reconcile makes one step and writes the status; the change that the step causes brings the key back:

    claim ReplicaSets ─┬─ being deleted ──► status only
                       ├─ paused or being scaled ──► resize in proportion ──► status
                       └─ find or create the new ReplicaSet ─┬─ RollingUpdate: grow the new, else shrink the old
                                                             └─ Recreate: empty the old, wait for their pods, fill the new
                          when complete: delete history beyond revisionHistoryLimit

The sizes are rollout.py's, the status deployment_status.py's. All writes are compare-and-swap on what the informer showed;
a Conflict means that it was late, and the key is tried again.
Source of the rules: Kubernetes pkg/controller/deployment.
"""

from __future__ import annotations

import copy

from apiserver.client import Object, Objects, WorkQueue, key_of, resource_name, split_key
from apiserver.controllers.context import Context
from apiserver.controllers.deployment_status import build_status, deadline_in_s, is_complete, set_condition
from apiserver.controllers.ownership import claim, controller_reference, index_orphans, owner_of
from apiserver.controllers.pods import find_condition
from apiserver.controllers.rollout import (
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    REVISION,
    REVISION_HISTORY,
    TEMPLATE_HASH,
    Resize,
    annotation_int,
    expired_history,
    is_scaling,
    next_new_size,
    oldest_first,
    resolve_limits,
    same_template,
    scale,
    shrink_old,
    template_hash,
    wanted,
    with_hash,
)
from apiserver.errors import StatusError
from apiserver.meta import label_selector_of

DEPLOYMENTS = resource_name("apps/v1/deployments")
REPLICA_SETS = resource_name("apps/v1/replicasets")
PODS = resource_name("pods")

_NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
)


class DeploymentController:
    workers = 5

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._clock = context.clock
        self._deployments = context.informers.informer(DEPLOYMENTS)
        self._sets = context.informers.informer(REPLICA_SETS)
        self._pods = context.informers.informer(PODS)
        self._recorder = context.recorder("deployment-controller")
        index_orphans(self._sets)
        self._deployments.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)),
            on_update=lambda old, obj: self.queue.add(key_of(obj)),
            on_delete=lambda obj: self.queue.add(key_of(obj)),
        )
        self._sets.add_handler(on_add=self._set_changed, on_update=self._set_updated, on_delete=self._set_changed)
        self._pods.add_handler(on_delete=self._pod_deleted)

    # ------------------------------------------------------------------------------------------------ events

    def _set_changed(self, replica_set: Object) -> None:
        owner = owner_of(replica_set, "Deployment", self._deployments)
        if owner is not None:
            self.queue.add(key_of(owner))
        elif not replica_set["metadata"].get("ownerReferences"):
            labels = replica_set["metadata"].get("labels") or {}
            for candidate in self._deployments.list(replica_set["metadata"]["namespace"]):
                if label_selector_of(candidate["spec"]["selector"]).matches(labels):
                    self.queue.add(key_of(candidate))

    def _set_updated(self, old: Object, replica_set: Object) -> None:
        former = owner_of(old, "Deployment", self._deployments)
        if former is not None:
            self.queue.add(key_of(former))
        self._set_changed(replica_set)

    def _pod_deleted(self, pod: Object) -> None:
        """Recreate waits for the last old pod to be gone, which no ReplicaSet's status shows."""
        replica_set = owner_of(pod, "ReplicaSet", self._sets)
        owner = owner_of(replica_set, "Deployment", self._deployments) if replica_set is not None else None
        if owner is not None and _strategy(owner) == "Recreate":
            self.queue.add(key_of(owner))

    # ------------------------------------------------------------------------------------------------ reconcile

    async def reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        cached = self._deployments.get(name, namespace)
        if cached is None:
            return
        deployment = copy.deepcopy(cached)
        selector = label_selector_of(deployment["spec"]["selector"])
        sets = await claim(
            self._client,
            REPLICA_SETS,
            deployment,
            self._sets,
            lambda obj: selector.matches(obj["metadata"].get("labels") or {}),
        )
        new = _find_new(deployment, sets)
        old = [replica_set for replica_set in sets if replica_set is not new]
        if deployment["metadata"].get("deletionTimestamp"):
            await self._write_status(deployment, new, old)
            return
        self._note_pause(deployment)
        if deployment["spec"].get("paused") or is_scaling(deployment, sets):
            new, old = await self._resize_all(deployment, new, old, scale(deployment, new, old))
        elif _strategy(deployment) == "Recreate":
            new, old = await self._recreate(deployment, new, old)
        else:
            new, old = await self._roll(deployment, new, old)
        status = await self._write_status(deployment, new, old)
        if not deployment["spec"].get("paused") and is_complete(deployment, status):
            await self._clean_up(deployment, old)
        self._revisit(key, deployment, status)

    async def _roll(self, deployment: Object, new: Object | None, old: Objects) -> tuple[Object, Objects]:
        new = await self._ensure_new(deployment, new, old)
        size = next_new_size(deployment, [*old, new], new)
        if size != wanted(new):
            return await self._resize(deployment, Resize(new, size)), old
        _, old = await self._resize_all(deployment, new, old, shrink_old(deployment, [*old, new], old, new))
        return new, old

    async def _recreate(self, deployment: Object, new: Object | None, old: Objects) -> tuple[Object | None, Objects]:
        busy = [replica_set for replica_set in old if wanted(replica_set)]
        if busy:
            return await self._resize_all(deployment, new, old, [Resize(replica_set, 0) for replica_set in busy])
        if any(self._pods_left(replica_set) for replica_set in old):
            return new, old
        new = await self._ensure_new(deployment, new, old)
        if wanted(new) != wanted(deployment):
            new = await self._resize(deployment, Resize(new, wanted(deployment)))
        return new, old

    def _pods_left(self, replica_set: Object) -> bool:
        """Pods that run or are still being stopped; finished ones hold nothing back."""
        pods = self._pods.owned_by(replica_set["metadata"]["uid"])
        return any((pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed") for pod in pods)

    def _note_pause(self, deployment: Object) -> None:
        """Marks the private copy's status: a paused rollout has no deadline, a resumed one gets a fresh one."""
        status = deployment.setdefault("status", {})
        reason = (find_condition(deployment, "Progressing") or {}).get("reason")
        now_s = self._clock.now_s()
        if deployment["spec"].get("paused") and reason not in ("DeploymentPaused", "ProgressDeadlineExceeded"):
            set_condition(status, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", now_s)
        elif not deployment["spec"].get("paused") and reason == "DeploymentPaused":
            set_condition(status, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed", now_s)

    # ------------------------------------------------------------------------------------------------ new ReplicaSet

    async def _ensure_new(self, deployment: Object, new: Object | None, old: Objects) -> Object:
        """The ReplicaSet of the current template with the highest revision, created where there is none."""
        revision = str(max((annotation_int(replica_set, REVISION) for replica_set in old), default=0) + 1)
        if new is None:
            new = await self._create_new(deployment, old, revision)
        else:
            new = await self._refresh_new(deployment, new, revision)
        await self._note_revision(deployment, new)
        return new

    async def _refresh_new(self, deployment: Object, new: Object, revision: str) -> Object:
        """After a rollback the ReplicaSet is an old one: its revision becomes the highest, and the former is kept."""
        annotations = dict(new["metadata"].get("annotations") or {})
        before = annotations.get(REVISION, "")
        annotations.update(_copied_annotations(deployment))
        if annotation_int(new, REVISION) < int(revision):
            history = [text for text in annotations.get(REVISION_HISTORY, "").split(",") if text]
            if before and before not in history:
                history.append(before)
            if history:
                annotations[REVISION_HISTORY] = ",".join(history)
            annotations[REVISION] = revision
        annotations.update(_size_annotations(deployment))
        min_ready_s = deployment["spec"].get("minReadySeconds") or 0
        if annotations == new["metadata"].get("annotations") and min_ready_s == new["spec"].get("minReadySeconds", 0):
            return new
        updated = copy.deepcopy(new)
        updated["metadata"]["annotations"] = annotations
        updated["spec"]["minReadySeconds"] = min_ready_s
        return await self._client.update(REPLICA_SETS, updated)

    async def _create_new(self, deployment: Object, old: Objects, revision: str) -> Object:
        made = self._build_new(deployment, old, revision)
        name = made["metadata"]["name"]
        now_s = self._clock.now_s()
        try:
            new = await self._client.create(REPLICA_SETS, made)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                message = f'Failed to create new replica set "{name}": {error.message}'
                self._recorder.event(deployment, "Warning", "ReplicaSetCreateError", message)
                raise
            return await self._resolve_collision(deployment, name)
        size = wanted(new)
        if size:
            message = f"Scaled up replica set {name} from 0 to {size}"
            self._recorder.event(deployment, "Normal", "ScalingReplicaSet", message)
        created = f'Created new replica set "{name}"'
        set_condition(deployment["status"], "Progressing", "True", "NewReplicaSetCreated", created, now_s)
        return new

    def _build_new(self, deployment: Object, old: Objects, revision: str) -> Object:
        spec = deployment["spec"]
        value = template_hash(spec["template"], (deployment.get("status") or {}).get("collisionCount") or 0)
        selector = copy.deepcopy(spec["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), TEMPLATE_HASH: value}
        template = with_hash(spec["template"], value)
        made: Object = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{deployment['metadata']['name']}-{value}",
                "namespace": deployment["metadata"]["namespace"],
                "labels": dict(template["metadata"]["labels"]),
                "annotations": {
                    **_copied_annotations(deployment),
                    REVISION: revision,
                    **_size_annotations(deployment),
                },
                "ownerReferences": [controller_reference(deployment)],
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
        }
        if spec.get("minReadySeconds"):
            made["spec"]["minReadySeconds"] = spec["minReadySeconds"]
        made["spec"]["replicas"] = next_new_size(deployment, [*old, made], made)
        return made

    async def _resolve_collision(self, deployment: Object, name: str) -> Object:
        """The name is taken: by our own ReplicaSet that the informer does not show yet, or by one of another template.

        In the second case the status counts a collision, which changes the hash, and the key is tried again.
        """
        taken = await self._client.get(REPLICA_SETS, name, deployment["metadata"]["namespace"])
        owners = taken["metadata"].get("ownerReferences") or ()
        ours = any(owner["uid"] == deployment["metadata"]["uid"] and owner.get("controller") for owner in owners)
        if ours and same_template(taken["spec"]["template"], deployment["spec"]["template"]):
            return taken
        deployment["status"]["collisionCount"] = (deployment["status"].get("collisionCount") or 0) + 1
        await self._client.update_status(DEPLOYMENTS, deployment)
        raise StatusError(409, "Conflict", f'the name "{name}" is taken by another ReplicaSet; trying the next hash')

    async def _note_revision(self, deployment: Object, new: Object) -> None:
        """The Deployment carries its newest revision as an annotation: `kubectl rollout history` reads it."""
        revision = (new["metadata"].get("annotations") or {}).get(REVISION)
        if revision is None or (deployment["metadata"].get("annotations") or {}).get(REVISION) == revision:
            return
        patch = {"metadata": {"annotations": {REVISION: revision}}}
        metadata = deployment["metadata"]
        patched = await self._client.patch(DEPLOYMENTS, metadata["name"], patch, metadata["namespace"])
        metadata["annotations"] = patched["metadata"]["annotations"]
        metadata["resourceVersion"] = patched["metadata"]["resourceVersion"]

    # ------------------------------------------------------------------------------------------------ resizing

    async def _resize_all(
        self, deployment: Object, new: Object | None, old: Objects, resizes: list[Resize]
    ) -> tuple[Object | None, Objects]:
        """Carries the resizes out, one after another; answers the ReplicaSets as they are then."""
        current = {replica_set["metadata"]["uid"]: replica_set for replica_set in old}
        for resize in resizes:
            resized = await self._resize(deployment, resize)
            if new is not None and resize.replica_set is new:
                new = resized
            else:
                current[resized["metadata"]["uid"]] = resized
        return new, list(current.values())

    async def _resize(self, deployment: Object, resize: Resize) -> Object:
        before, name = wanted(resize.replica_set), resize.replica_set["metadata"]["name"]
        sizes = _size_annotations(deployment)
        annotations = resize.replica_set["metadata"].get("annotations") or {}
        if before == resize.replicas and sizes.items() <= annotations.items():
            return resize.replica_set
        updated = copy.deepcopy(resize.replica_set)
        updated["spec"]["replicas"] = resize.replicas
        updated["metadata"]["annotations"] = {**annotations, **sizes}
        updated = await self._client.update(REPLICA_SETS, updated)
        if before != resize.replicas:
            direction = "up" if resize.replicas > before else "down"
            message = f"Scaled {direction} replica set {name} from {before} to {resize.replicas}"
            self._recorder.event(deployment, "Normal", "ScalingReplicaSet", message)
        return updated

    async def _clean_up(self, deployment: Object, old: Objects) -> None:
        for replica_set in expired_history(deployment, old):
            metadata = replica_set["metadata"]
            try:
                await self._client.delete(REPLICA_SETS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
            except StatusError as error:
                if error.reason not in ("NotFound", "Conflict"):
                    raise

    # ------------------------------------------------------------------------------------------------ status

    async def _write_status(self, deployment: Object, new: Object | None, old: Objects) -> Object:
        """Writes the status if it differs from the stored one; answers it."""
        status = build_status(deployment, new, old, self._clock.now_s())
        namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
        stored = self._deployments.get(name, namespace) or {}
        if status != stored.get("status"):
            await self._client.update_status(DEPLOYMENTS, {**deployment, "status": status})
        return status

    def _revisit(self, key: str, deployment: Object, status: Object) -> None:
        """A rollout that stands still changes nothing, so only time can tell that it is stuck."""
        progressing = find_condition({"status": status}, "Progressing")
        left_s = deadline_in_s(deployment, progressing, self._clock.now_s())
        if left_s != float("inf") and not deployment["spec"].get("paused"):
            # A second more: timestamps have whole seconds.
            self.queue.add_after(key, max(left_s, 0.0) + 1.0)


def _strategy(deployment: Object) -> str:
    return (deployment["spec"].get("strategy") or {}).get("type") or "RollingUpdate"


def _find_new(deployment: Object, sets: Objects) -> Object | None:
    """The ReplicaSet of the current template; of several the oldest, so that all who look agree."""
    for replica_set in oldest_first(sets):
        if same_template(replica_set["spec"]["template"], deployment["spec"]["template"]):
            return replica_set
    return None


def _copied_annotations(deployment: Object) -> dict[str, str]:
    annotations = deployment["metadata"].get("annotations") or {}
    return {name: value for name, value in annotations.items() if name not in _NOT_COPIED}


def _size_annotations(deployment: Object) -> dict[str, str]:
    surge, _ = resolve_limits(deployment)
    return {DESIRED_REPLICAS: str(wanted(deployment)), MAX_REPLICAS: str(wanted(deployment) + surge)}
