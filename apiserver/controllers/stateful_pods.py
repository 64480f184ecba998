"""What a StatefulSet's pods and claims are like: names, labels, volumes, and who owns a claim.

Pure functions. Source of the rules: Kubernetes pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

import copy

from apiserver.client import Object, Objects
from apiserver.controllers.ownership import controller_reference
from apiserver.controllers.pod_control import pod_from_template
from apiserver.controllers.pods import is_ready
from apiserver.controllers.revisions import REVISION_LABEL

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"


def parent_and_ordinal(name: str) -> tuple[str, int]:
    """("web", 3) of "web-3"; ordinal -1 for a name that is not of that form."""
    parent, dash, ordinal = name.rpartition("-")
    if not dash or not (ordinal.isascii() and ordinal.isdigit()) or (len(ordinal) > 1 and ordinal[0] == "0"):
        return "", -1
    return parent, int(ordinal)


def ordinal_of(pod: Object) -> int:
    return parent_and_ordinal(pod["metadata"]["name"])[1]


def first_ordinal(owner: Object) -> int:
    return int((owner["spec"].get("ordinals") or {}).get("start") or 0)


def replicas_of(owner: Object) -> int:
    return int(owner["spec"].get("replicas", 1))


def is_in_range(owner: Object, ordinal: int) -> bool:
    start = first_ordinal(owner)
    return start <= ordinal < start + replicas_of(owner)


def revision_of(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(REVISION_LABEL, ""))


def is_created(pod: Object) -> bool:
    return "uid" in pod["metadata"]


def is_terminating(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_finished(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_running_and_ready(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running" and is_ready(pod)


def build_pod(owner: Object, template: Object, ordinal: int, revision: str) -> Object:
    """The pod of an ordinal, with its identity and the volumes of its claims."""
    name = f"{owner['metadata']['name']}-{ordinal}"
    pod = pod_from_template(template, owner)
    metadata, spec = pod["metadata"], pod["spec"]
    del metadata["generateName"]
    metadata["name"] = name
    metadata["labels"] = {**(metadata.get("labels") or {}), **identity(name, ordinal), REVISION_LABEL: revision}
    spec["hostname"] = name
    if owner["spec"].get("serviceName"):
        spec["subdomain"] = owner["spec"]["serviceName"]
    claims = claim_names(owner, ordinal)
    if claims:
        others = [volume for volume in spec.get("volumes") or () if volume.get("name") not in claims]
        own = [{"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in claims.items()]
        spec["volumes"] = own + others
    return pod


def identity(name: str, ordinal: int) -> dict[str, str]:
    """The labels by which a Service or a person finds one pod of the set."""
    return {POD_NAME: name, POD_INDEX: str(ordinal)}


# ------------------------------------------------------------------------------------------------ claims


def claim_names(owner: Object, ordinal: int) -> dict[str, str]:
    """Volume name: claim name."""
    name = owner["metadata"]["name"]
    templates = owner["spec"].get("volumeClaimTemplates") or ()
    return {t["metadata"]["name"]: f"{t['metadata']['name']}-{name}-{ordinal}" for t in templates}


def build_claims(owner: Object, ordinal: int) -> Objects:
    """Labels are the template's and the set's own selector's, so that `kubectl get pvc -l` finds them."""
    claims = []
    names = claim_names(owner, ordinal)
    for template in owner["spec"].get("volumeClaimTemplates") or ():
        metadata = template["metadata"]
        made: Object = {
            "name": names[metadata["name"]],
            "namespace": owner["metadata"]["namespace"],
            "labels": {
                **(metadata.get("labels") or {}),
                **((owner["spec"].get("selector") or {}).get("matchLabels") or {}),
            },
        }
        if metadata.get("annotations"):
            made["annotations"] = dict(metadata["annotations"])
        spec = copy.deepcopy(template.get("spec") or {})
        claims.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": made, "spec": spec})
    return claims


def claim_owners(owner: Object, claim: Object, pod: Object | None) -> Objects:
    """The owner references a claim should have by persistentVolumeClaimRetentionPolicy; others' are kept.

    whenDeleted: Delete    the set owns it, so that it goes with the set
    whenScaled: Delete     the pod owns it while the pod is being scaled away
    """
    policy = owner["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    uids = {owner["metadata"]["uid"]}
    if pod is not None and is_created(pod):
        uids.add(pod["metadata"]["uid"])
    kept = [r for r in claim["metadata"].get("ownerReferences") or () if r["uid"] not in uids and not _is_stale(r, pod)]
    condemned = pod is not None and not is_in_range(owner, ordinal_of(pod))
    if policy.get("whenScaled") == "Delete" and condemned and pod is not None and is_created(pod):
        return [*kept, controller_reference({"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"]})]
    if policy.get("whenDeleted") == "Delete" and not (condemned and policy.get("whenScaled") == "Delete"):
        return [*kept, controller_reference(owner)]
    return kept


def _is_stale(reference: Object, pod: Object | None) -> bool:
    """A reference to a former pod of the same name."""
    return pod is not None and reference.get("kind") == "Pod" and reference.get("name") == pod["metadata"].get("name")
