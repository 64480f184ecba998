"""Deployments, replica sets and controller revisions: what `apps/v1` adds to a pod template.

The selector says which pods are the workload's own: it must match the template's labels, and it never changes.

Source: Kubernetes pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation, pkg/registry/apps.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds.pod_defaults import default_pod_template
from apiserver.kinds.strategy import keep_status, replace_status, set_missing, spec_changed
from apiserver.kinds.volume_defaults import default_claim

Object = dict[str, Any]

RECREATE = "Recreate"
ROLLING_UPDATE = "RollingUpdate"


TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""How often the template changed: a field of old, kept as an annotation for those who read it still."""


def default_deployment(deployment: Object) -> None:
    spec = deployment.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_pod_template(spec.setdefault("template", {}))
    strategy = spec.setdefault("strategy", {})
    set_missing(strategy, "type", ROLLING_UPDATE)
    if strategy["type"] == ROLLING_UPDATE:
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def default_replica_set(replica_set: Object) -> None:
    spec = replica_set.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_pod_template(spec.setdefault("template", {}))


def default_stateful_set(stateful_set: Object) -> None:
    spec = stateful_set.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_pod_template(spec.setdefault("template", {}))
    set_missing(spec, "podManagementPolicy", "OrderedReady")
    update = spec.setdefault("updateStrategy", {})
    if not update.get("type"):
        update["type"] = ROLLING_UPDATE
        update.setdefault("rollingUpdate", {})
    if update["type"] == ROLLING_UPDATE and "rollingUpdate" in update:
        update["rollingUpdate"].setdefault("partition", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    set_missing(retention, "whenDeleted", "Retain")
    set_missing(retention, "whenScaled", "Retain")
    for claim in spec.get("volumeClaimTemplates") or ():
        claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
        default_claim(claim)


def default_daemon_set(daemon_set: Object) -> None:
    spec = daemon_set.setdefault("spec", {})
    # Who writes a set owns the annotation, though its number is the server's: in Kubernetes it stands for a field of old.
    daemon_set["metadata"].setdefault("annotations", {}).setdefault(TEMPLATE_GENERATION, "0")
    default_pod_template(spec.setdefault("template", {}))
    update = spec.setdefault("updateStrategy", {})
    set_missing(update, "type", ROLLING_UPDATE)
    if update["type"] == ROLLING_UPDATE:
        rolling = update.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)


def default_replication_controller(controller: Object) -> None:
    """Its selector and its own labels follow from the template's labels."""
    spec = controller.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    template = spec.get("template")
    if template is None:
        return
    default_pod_template(template)
    labels = template["metadata"].get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not controller["metadata"].get("labels"):
            controller["metadata"]["labels"] = dict(labels)


def prepare_daemon_set(daemon_set: Object) -> None:
    daemon_set["status"] = {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    }
    daemon_set["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = "1"


def prepare_daemon_set_update(daemon_set: Object, old: Object) -> None:
    keep_status(daemon_set, old)
    before = (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "0")
    count = int(before) if before.isdecimal() else 0
    if daemon_set["spec"].get("template") != old["spec"].get("template"):
        count += 1
    if count:
        daemon_set["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = str(count)


def prepare_stateful_set(stateful_set: Object) -> None:
    stateful_set["status"] = {"replicas": 0, "availableReplicas": 0}


def prepare_deployment(deployment: Object) -> None:
    deployment["status"] = {}


def prepare_replica_set(replica_set: Object) -> None:
    replica_set["status"] = {"replicas": 0}


def prepare_deployment_status(deployment: Object, old: Object) -> None:
    """A status write of a deployment may bring annotations, but no labels."""
    replace_status(deployment, old)
    deployment["metadata"].pop("labels", None)
    if "labels" in old["metadata"]:
        deployment["metadata"]["labels"] = old["metadata"]["labels"]


def deployment_generation_changed(deployment: Object, old: Object) -> bool:
    """Annotations count: the rollout's change cause stands there."""
    return spec_changed(deployment, old) or deployment["metadata"].get("annotations") != old["metadata"].get(
        "annotations"
    )


# Rules --------------------------------------------------------------------------------------------------------------


# Controller revisions -----------------------------------------------------------------------------------------------


def prepare_revision(revision: Object) -> None:
    revision.setdefault("revision", 0)
