"""Runs controllers: builds those that are wanted, starts their informers, and gives each its workers.

    informers ──handlers──► queue ──worker──► reconcile(key) ──ok──► forget
                              ▲                    │ raised
                              └────back-off────────┘

Workers start when every informer has its first list, so that no reconcile mistakes "not seen yet" for "not there". A
reconcile that raises is tried again with back-off, for ever; a Conflict or a NotFound is the ordinary case of it (the informer
was behind) and is not worth a line in the log.
Names are kube-controller-manager's, and so is the language of `names`: "*" all, "name" this one, "-name" not this one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from apiserver.client import (
    Client,
    EventRecorder,
    InformerFactory,
    LoopClock,
    Object,
    QueueClosedError,
    ServerUnreachableError,
    TimerClock,
)
from apiserver.controllers.certificates import CertificateApprover, CertificateCleaner, CertificateSigner
from apiserver.controllers.cluster_role_aggregation import ClusterRoleAggregationController
from apiserver.controllers.context import Context, Controller
from apiserver.controllers.cron_job import CronJobController
from apiserver.controllers.daemon_set import DaemonSetController
from apiserver.controllers.deployment import DeploymentController
from apiserver.controllers.disruption import DisruptionController
from apiserver.controllers.endpoint_slice import EndpointSliceController
from apiserver.controllers.endpoints import EndpointsController
from apiserver.controllers.garbage_collector import GarbageCollector
from apiserver.controllers.job import JobController
from apiserver.controllers.namespace import NamespaceController
from apiserver.controllers.node_lifecycle import NodeLifecycleController
from apiserver.controllers.pod_garbage_collector import PodGarbageCollector
from apiserver.controllers.replica_set import ReplicaSetController, ReplicationControllers
from apiserver.controllers.root_ca import RootCaController
from apiserver.controllers.service_account import ServiceAccountController
from apiserver.controllers.stateful_set import StatefulSetController
from apiserver.controllers.taint_eviction import TaintEvictionController
from apiserver.controllers.token_secrets import TokenSecretController
from apiserver.controllers.ttl_after_finished import TtlAfterFinishedController
from apiserver.controllers.volume_protection import ClaimProtectionController, VolumeProtectionController
from apiserver.errors import StatusError

log = logging.getLogger(__name__)

CONTROLLERS: dict[str, Callable[[Context], Controller]] = {
    "deployment-controller": DeploymentController,
    "replicaset-controller": ReplicaSetController,
    "replicationcontroller-controller": ReplicationControllers,
    "statefulset-controller": StatefulSetController,
    "daemonset-controller": DaemonSetController,
    "job-controller": JobController,
    "cronjob-controller": CronJobController,
    "ttl-after-finished-controller": TtlAfterFinishedController,
    "disruption-controller": DisruptionController,
    "namespace-controller": NamespaceController,
    "serviceaccount-controller": ServiceAccountController,
    "serviceaccount-token-controller": TokenSecretController,
    "root-ca-certificate-publisher-controller": RootCaController,
    "clusterrole-aggregation-controller": ClusterRoleAggregationController,
    "certificatesigningrequest-approving-controller": CertificateApprover,
    "certificatesigningrequest-signing-controller": CertificateSigner,
    "certificatesigningrequest-cleaner-controller": CertificateCleaner,
    "endpointslice-controller": EndpointSliceController,
    "endpoints-controller": EndpointsController,
    "garbage-collector-controller": GarbageCollector,
    "node-lifecycle-controller": NodeLifecycleController,
    "taint-eviction-controller": TaintEvictionController,
    "pod-garbage-collector-controller": PodGarbageCollector,
    "persistentvolumeclaim-protection-controller": ClaimProtectionController,
    "persistentvolume-protection-controller": VolumeProtectionController,
}


class ControllerManager:
    """`await run()` until cancelled. Raises ValueError for a name that is no controller's."""

    def __init__(
        self,
        client: Client,
        clock: TimerClock | None = None,
        names: Iterable[str] = ("*",),
        *,
        informers: InformerFactory | None = None,
        root_ca: str = "",
        signing: Callable[[], tuple[bytes, bytes]] | None = None,
        sign_account_token: Callable[[Object, str], str] | None = None,
    ) -> None:
        clock = clock if clock is not None else LoopClock()
        self._informers = informers if informers is not None else InformerFactory(client, clock)
        self._client = client
        self._clock = clock
        self.recorders: list[EventRecorder] = []
        context = Context(client, self._informers, clock, self._recorder, root_ca, signing, sign_account_token)
        self.controllers = {name: CONTROLLERS[name](context) for name in chosen(names)}

    async def run(self) -> None:
        """Reconciles until cancelled."""
        async with self._informers:
            await self._informers.synced()
            try:
                async with asyncio.TaskGroup() as group:
                    for name, controller in self.controllers.items():
                        for number in range(controller.workers):
                            group.create_task(_work(name, controller), name=f"{name} {number}")
            finally:
                for controller in self.controllers.values():
                    controller.queue.close()
                for recorder in self.recorders:
                    await recorder.close()

    def _recorder(self, component: str) -> EventRecorder:
        recorder = EventRecorder(self._client, component=component, clock=self._clock)
        self.recorders.append(recorder)
        return recorder

    def is_idle(self) -> bool:
        """No key waits or is being reconciled, now; delayed keys may be pending."""
        return all(controller.queue.is_idle() for controller in self.controllers.values())


NOT_HERE = frozenset(
    (
        "bootstrap-signer-controller",
        "cloud-node-lifecycle-controller",
        "device-taint-eviction-controller",
        "endpointslice-mirroring-controller",
        "ephemeral-volume-controller",
        "horizontal-pod-autoscaler-controller",
        "kube-apiserver-serving-clustertrustbundle-publisher-controller",
        "legacy-serviceaccount-token-cleaner-controller",
        "node-ipam-controller",
        "node-route-controller",
        "persistentvolume-attach-detach-controller",
        "persistentvolume-binder-controller",
        "persistentvolume-expander-controller",
        "resourceclaim-controller",
        "resourcequota-controller",
        "selinux-warning-controller",
        "service-cidr-controller",
        "service-lb-controller",
        "storageversion-garbage-collector-controller",
        "storage-version-migrator-controller",
        "token-cleaner-controller",
        "ttl-controller",
        "validatingadmissionpolicy-status-controller",
        "volumeattributesclass-protection-controller",
    )
)
"""kube-controller-manager's others: a command line that turns them off is understood."""


def chosen(names: Iterable[str]) -> list[str]:
    """The controllers that `names` choose, in the table's order. Raises ValueError."""
    wanted = list(names)
    for name in wanted:
        if name.startswith("-") and name.removeprefix("-") in NOT_HERE:
            continue
        if name != "*" and name.removeprefix("-") not in CONTROLLERS:
            raise ValueError(f"{name!r} is not a controller; there are: {', '.join(CONTROLLERS)}")
    return [name for name in CONTROLLERS if name in wanted or ("*" in wanted and f"-{name}" not in wanted)]


async def _work(name: str, controller: Controller) -> None:
    queue = controller.queue
    while True:
        try:
            key = await queue.get()
        except QueueClosedError:
            return
        try:
            await controller.reconcile(key)
        except Exception as error:
            _report(name, key, error)
            queue.add_rate_limited(key)
        else:
            queue.forget(key)
        finally:
            queue.done(key)


def _report(name: str, key: str, error: Exception) -> None:
    if isinstance(error, StatusError):
        log.log(
            logging.DEBUG if error.reason in ("Conflict", "NotFound") else logging.WARNING,
            "%s %s: %s",
            name,
            key,
            error,
        )
    elif isinstance(error, ServerUnreachableError):
        log.warning("%s %s: %s", name, key, error)
    else:
        log.exception("%s %s", name, key)
