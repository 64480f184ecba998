"""Deployments and ReplicaSets on a double of the API server; pods become ready when a test says so."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator

import pytest

from apiserver.controllers import ControllerManager
from apiserver.errors import StatusError

LABELS = {"app": "web"}


def deployment(replicas: int = 3, image: str = "web:1", **spec) -> dict:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "web", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template, **spec},
    }


class World:
    """Short words for the tests."""

    def __init__(self, api, client, clock, eventually) -> None:
        self.api, self.client, self.clock, self.eventually = api, client, clock, eventually

    def pods(self, image: str | None = None) -> list[dict]:
        found = [pod for pod in self.api.all("pods") if not pod["metadata"].get("deletionTimestamp")]
        return [p for p in found if image is None or p["spec"]["containers"][0]["image"] == image]

    def sets(self) -> dict[int, int]:
        """Revision of each ReplicaSet: its wanted replicas."""
        return {
            int(r["metadata"]["annotations"]["deployment.kubernetes.io/revision"]): r["spec"]["replicas"]
            for r in self.api.all("replicasets")
        }

    def status(self) -> dict:
        return self.api.one("deployments", "web").get("status", {})

    def condition(self, type: str) -> tuple[str, str]:
        for condition in self.status().get("conditions", ()):
            if condition["type"] == type:
                return condition["status"], condition["reason"]
        return "", ""

    async def make_ready(self, *pods: dict) -> None:
        for pod in pods or self.pods():
            since = "2023-11-14T22:13:20Z"
            status = {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}],
            }
            try:
                await self.client.patch_status("pods", pod["metadata"]["name"], {"status": status}, "default")
            except StatusError as error:
                assert error.reason == "NotFound"  # a controller was faster

    async def roll_out(self, **change) -> None:
        """Makes pods ready as they come, until the rollout is over."""
        for _ in range(60):
            if self.is_finished():
                return
            await self.make_ready()
            await self.eventually(lambda: self.is_finished() or any(map(_is_pending, self.pods())), turns=200)
        raise AssertionError(f"the rollout stands: {self.status()} {self.sets()}")

    def is_finished(self) -> bool:
        current, status = self.api.one("deployments", "web"), self.status()
        counts = [status.get(f, 0) for f in ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas")]
        seen = status.get("observedGeneration") == current["metadata"]["generation"]
        return seen and counts == [current["spec"]["replicas"]] * 4

    async def edit(self, **spec) -> None:
        await self.client.patch("apps/v1/deployments", "web", {"spec": spec}, "default")

    async def set_image(self, image: str) -> None:
        await self.edit(template={"spec": {"containers": [{"name": "web", "image": image}]}})


def _is_pending(pod: dict) -> bool:
    return pod["status"]["phase"] == "Pending"


@pytest.fixture
async def world(api, client, clock, eventually) -> AsyncIterator[World]:
    manager = ControllerManager(client, clock, ["deployment-controller", "replicaset-controller"])
    task = asyncio.create_task(manager.run())
    yield World(api, client, clock, eventually)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_deployment_gets_its_pods_and_says_so(world):
    await world.client.create("apps/v1/deployments", deployment(3))
    await world.eventually(lambda: len(world.pods()) == 3)
    (replica_set,) = world.api.all("replicasets")
    template_hash = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"web-{template_hash}"
    assert set(template_hash) <= set("bcdfghjklmnpqrstvwxz2456789")
    for pod in world.pods():
        assert pod["metadata"]["labels"] == {**LABELS, "pod-template-hash": template_hash}
        assert pod["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]
    await world.eventually(lambda: world.condition("Available") == ("False", "MinimumReplicasUnavailable"))
    await world.roll_out()
    assert world.status()["unavailableReplicas" if "unavailableReplicas" in world.status() else "readyReplicas"] == 3
    assert world.condition("Available") == ("True", "MinimumReplicasAvailable")
    assert world.condition("Progressing") == ("True", "NewReplicaSetAvailable")
    annotations = world.api.one("deployments", "web")["metadata"]["annotations"]
    assert annotations["deployment.kubernetes.io/revision"] == "1"


async def test_scaling_up_and_down(world):
    await world.client.create("apps/v1/deployments", deployment(3))
    await world.eventually(lambda: len(world.pods()) == 3)
    await world.roll_out()
    await world.client.scale("apps/v1/deployments", "web", "default", 10)
    await world.eventually(lambda: len(world.pods()) == 10)
    await world.roll_out()
    await world.edit(replicas=2)
    await world.eventually(lambda: len(world.pods()) == 2 and world.is_finished())
    assert len(world.api.all("replicasets")) == 1


async def test_a_rolling_update_keeps_within_its_limits(world):
    await world.client.create("apps/v1/deployments", deployment(4))
    await world.eventually(lambda: len(world.pods()) == 4)
    await world.roll_out()
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
    await world.edit(strategy=rolling)
    await world.set_image("web:2")
    most, least = 0, 99
    for _ in range(60):
        if world.is_finished():
            break
        new_pending = [pod for pod in world.pods("web:2") if _is_pending(pod)]
        if new_pending:
            await world.make_ready(new_pending[0])
        world.clock.advance(0.01)
        for _ in range(40):
            await asyncio.sleep(0)
            most = max(most, len(world.pods()))
            least = min(least, sum(not _is_pending(pod) for pod in world.pods()))
    assert world.is_finished()
    assert most <= 5 and least >= 3
    assert len(world.pods("web:2")) == 4 and not world.pods("web:1")
    assert world.sets() == {1: 0, 2: 4}


async def test_a_bad_image_does_not_take_the_good_pods_down(world, settle):
    await world.client.create("apps/v1/deployments", deployment(4))
    await world.eventually(lambda: len(world.pods()) == 4)
    await world.roll_out()
    await world.set_image("web:bad")
    await world.eventually(lambda: len(world.pods("web:bad")) == 2)  # 25 % surge, and one unavailable allowed
    await settle()
    assert len(world.pods("web:1")) == 3
    # Nothing moves any more: after progressDeadlineSeconds the condition says so.
    await world.eventually(lambda: world.condition("Progressing") == ("False", "ProgressDeadlineExceeded"), step_s=5.0)
    await world.set_image("web:1")
    await world.eventually(lambda: len(world.pods("web:1")) == 4 and not world.pods("web:bad"))
    await world.roll_out()
    assert world.sets() == {3: 4, 2: 0}, "the old ReplicaSet is used again under the newest revision"
    (again,) = [r for r in world.api.all("replicasets") if r["spec"]["replicas"]]
    assert again["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"


async def test_recreate_stops_all_old_pods_before_the_first_new_one(world, settle):
    await world.client.create("apps/v1/deployments", deployment(2, strategy={"type": "Recreate"}))
    await world.eventually(lambda: len(world.pods()) == 2)
    for pod in world.pods():
        await world.client.bind(pod["metadata"]["name"], "default", "node-0")
    await world.roll_out()
    await world.set_image("web:2")
    await world.eventually(lambda: not world.pods("web:1"))
    await settle()
    assert len(world.api.all("pods")) == 2, "they are being stopped, and nothing new has started"
    for pod in world.api.all("pods"):
        await world.client.delete("pods", pod["metadata"]["name"], "default", grace_period_s=0)
    await world.eventually(lambda: len(world.pods("web:2")) == 2)


async def test_a_paused_deployment_scales_but_does_not_roll(world, settle):
    await world.client.create("apps/v1/deployments", deployment(2))
    await world.eventually(lambda: len(world.pods()) == 2)
    await world.roll_out()
    await world.edit(paused=True)
    await world.set_image("web:2")
    await world.edit(replicas=4)
    await world.eventually(lambda: len(world.pods("web:1")) == 4)
    await settle()
    assert not world.pods("web:2")
    assert world.condition("Progressing") == ("Unknown", "DeploymentPaused")
    await world.edit(paused=False)
    await world.eventually(lambda: world.pods("web:2"))
    await world.roll_out()
    assert world.condition("Progressing") == ("True", "NewReplicaSetAvailable")


async def test_history_is_kept_to_its_limit(world):
    await world.client.create("apps/v1/deployments", deployment(1, revisionHistoryLimit=1))
    for number in range(1, 5):
        await world.set_image(f"web:{number}")
        await world.eventually(lambda number=number: world.pods(f"web:{number}"))
        await world.roll_out()
    await world.eventually(lambda: len(world.sets()) == 2)
    assert world.sets() == {3: 0, 4: 1} or world.sets() == {4: 0, 5: 1}


async def test_a_deleted_pod_is_replaced_without_waiting_for_its_grace_period(world):
    await world.client.create("apps/v1/deployments", deployment(2))
    await world.eventually(lambda: len(world.pods()) == 2)
    victim = world.pods()[0]["metadata"]["name"]
    await world.client.bind(victim, "default", "node-0")
    await world.client.delete("pods", victim, "default")
    await world.eventually(lambda: len(world.pods()) == 2)
    assert len(world.api.all("pods")) == 3


async def test_orphans_are_adopted_and_strays_released(world):
    orphan = {
        "metadata": {"name": "orphan", "namespace": "default", "labels": LABELS | {"pod-template-hash": "x"}},
        "spec": {"containers": [{"name": "web", "image": "web:0"}]},
        "kind": "Pod",
    }
    await world.client.create("pods", orphan)
    replica_set = deployment(2)
    replica_set["kind"] = "ReplicaSet"
    await world.client.create("apps/v1/replicasets", replica_set)
    await world.eventually(lambda: len(world.pods()) == 2)
    await world.eventually(lambda: world.api.one("pods", "orphan")["metadata"].get("ownerReferences"))
    patch = {"metadata": {"labels": {"app": "other"}}}
    await world.client.patch("pods", "orphan", patch, "default")
    await world.eventually(lambda: not world.api.one("pods", "orphan")["metadata"].get("ownerReferences"))
    await world.eventually(lambda: len(world.pods()) == 3)


async def test_a_refusal_is_tried_in_small_batches_and_again_later(world, settle):
    refused = StatusError(403, "Forbidden", "exceeded quota")
    world.api.fail("POST /api/v1/namespaces/default/pods", refused, times=3)
    await world.client.create("apps/v1/deployments", deployment(100))
    posts = "POST /api/v1/namespaces/default/pods"
    await settle()
    assert world.api.requests.count(posts) <= 3, "one try at a time, not a hundred"
    await world.eventually(lambda: len(world.pods()) == 100)
    assert world.api.requests.count(posts) == 103


async def test_a_lost_watch_makes_no_pods_twice(world, settle):
    await world.client.create("apps/v1/deployments", deployment(5))
    await world.eventually(lambda: len(world.pods()) == 5)
    for _ in range(3):
        world.api.hang_up()
        world.api.compact()
        await world.edit(replicas=len(world.pods()) + 3)
        expected = len(world.pods()) + 3
        await world.eventually(lambda expected=expected: len(world.pods()) == expected, step_s=0.5)
        await settle()
        assert len(world.pods()) == expected


async def test_cached_objects_are_never_mutated(world, api):
    """Whatever the controllers send, what the server holds is what it was told, and equal to the informers' copies."""
    await world.client.create("apps/v1/deployments", deployment(3))
    before = copy.deepcopy(api.one("deployments", "web")["spec"])
    await world.eventually(lambda: len(world.pods()) == 3)
    await world.roll_out()
    assert api.one("deployments", "web")["spec"] == before
