"""Creating and deleting the pods of a workload: what ReplicaSets, DaemonSets and Jobs do alike.

Pods are created in slow-start batches of 1, 2, 4, …: where each creation is refused (quota, admission), one is refused and
not five hundred. What was asked for is written down as an expectation first, and taken back where it failed.
Source of the rules: Kubernetes pkg/controller/controller_utils.go (RealPodControl, slowStartBatch).
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from apiserver.client import Client, EventRecorder, Object, Objects, resource_name
from apiserver.controllers.expectations import Expectations
from apiserver.controllers.ownership import controller_reference
from apiserver.errors import StatusError

PODS = resource_name("pods")
BURST = 500
"""At most so many creations or deletions in one reconcile."""

Item = TypeVar("Item")


def pod_from_template(template: Object, owner: Object, name_prefix: str = "") -> Object:
    """A pod of the owner's. name_prefix: of the generated name, by default the owner's name."""
    metadata = template.get("metadata") or {}
    made: Object = {
        "generateName": name_prefix or f"{owner['metadata']['name']}-",
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [controller_reference(owner)],
    }
    for field in ("labels", "annotations", "finalizers"):
        if metadata.get(field):
            made[field] = copy.deepcopy(metadata[field])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": copy.deepcopy(template.get("spec") or {})}


async def slow_start(items: Sequence[Item], act: Callable[[Item], Awaitable[object]]) -> tuple[int, Exception | None]:
    """(how many succeeded, the first failure). After a failure no further batch is begun."""
    done, batch, start = 0, 1, 0
    while start < len(items):
        some = items[start : start + batch]
        results = await asyncio.gather(*(act(item) for item in some), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        done += len(some) - len(failures)
        for failure in failures:
            if not isinstance(failure, Exception):
                raise failure
        if failures:
            return done, failures[0]  # type: ignore[return-value]
        start += batch
        batch *= 2
    return done, None


class PodControl:
    """Of one controller. Every pod it makes or deletes is an event of its owner."""

    def __init__(self, client: Client, recorder: EventRecorder, expectations: Expectations) -> None:
        self._client = client
        self._recorder = recorder
        self._expectations = expectations

    async def create_all(self, key: str, owner: Object, pods: Objects) -> None:
        """Raises the first failure, a StatusError mostly; what was made by then stays."""
        self._expectations.expect_creations(key, len(pods))
        await self.create_expected(key, owner, pods)

    async def create_expected(self, key: str, owner: Object, pods: Objects) -> None:
        """As create_all, for pods that are in the expectations already."""
        done, failure = await slow_start(pods, lambda pod: self.create(owner, pod))
        if failure is not None:
            # What failed and what was not tried will never be seen.
            self._expectations.creation_seen(key, len(pods) - done)
            raise failure

    async def create(self, owner: Object, pod: Object) -> Object:
        try:
            made = await self._client.create(PODS, pod)
        except StatusError as error:
            if not is_namespace_terminating(error):
                self._recorder.event(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
        return made

    async def delete_all(self, key: str, owner: Object, pods: Objects) -> None:
        self._expectations.expect_deletions(key, [pod["metadata"]["uid"] for pod in pods])
        await self.delete_expected(key, owner, pods)

    async def delete_expected(self, key: str, owner: Object, pods: Iterable[Object]) -> None:
        """As delete_all, for pods that are in the expectations already."""
        results = await asyncio.gather(*(self._delete(key, owner, pod) for pod in pods), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _delete(self, key: str, owner: Object, pod: Object) -> None:
        metadata = pod["metadata"]
        try:
            await self._client.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except BaseException as error:
            self._expectations.deletion_seen(key, metadata["uid"])
            if isinstance(error, StatusError) and error.reason in ("NotFound", "Conflict"):
                return  # gone already, or another pod of that name by now
            if isinstance(error, StatusError):
                self._recorder.event(owner, "Warning", "FailedDelete", f"Error deleting: {error.message}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {metadata['name']}")


def is_namespace_terminating(error: Exception | None) -> bool:
    """No use trying again: the namespace takes no new objects, and this one will be deleted with it."""
    if not isinstance(error, StatusError):
        return False
    causes = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
