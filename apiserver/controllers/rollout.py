"""The arithmetic of a Deployment: hashes, limits, and how many replicas each of its ReplicaSets should have next.

Pure functions over objects; deployment.py carries out what they say. `old` is every ReplicaSet but the one of the current
template, which is `new`. Sizes asked for are in spec.replicas, sizes reached in status.

Source of the rules: Kubernetes pkg/controller/deployment (rolling.go, sync.go) and deployment/util.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from apiserver.client import Object, Objects

TEMPLATE_HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"

_SAFE = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and nothing that looks like another character: the alphabet of Kubernetes' generated names."""


class Resize(NamedTuple):
    """One ReplicaSet is to have this many replicas."""

    replica_set: Object
    replicas: int


# ------------------------------------------------------------------------------------------------ templates


def template_hash(template: Object, collisions: int = 0) -> str:
    """FNV-1a (32 bits) of the template in canonical JSON, in Kubernetes' safe alphabet. Deterministic.

    Not the real controller's value, which hashes a Go dump of the struct; only equality with itself matters.
    """
    text = json.dumps(template, sort_keys=True, separators=(",", ":")) + (str(collisions) if collisions else "")
    value = 2166136261
    for byte in text.encode():
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return safe_encode(str(value))


def safe_encode(text: str) -> str:
    return "".join(_SAFE[ord(character) % len(_SAFE)] for character in text)


def same_template(left: Object, right: Object) -> bool:
    """Equal but for the pod-template-hash label, and for what is empty rather than absent."""
    return _bare(left) == _bare(right)


def _bare(template: Object) -> Object:
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {k: v for k, v in (metadata.get("labels") or {}).items() if k != TEMPLATE_HASH}
    metadata.pop("creationTimestamp", None)
    return {"metadata": {k: v for k, v in metadata.items() if v}, "spec": template.get("spec")}


def with_hash(template: Object, value: str) -> Object:
    """A copy of the template whose labels carry the hash."""
    made = copy.deepcopy(template)
    metadata = made.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), TEMPLATE_HASH: value}
    return made


# ------------------------------------------------------------------------------------------------ sizes


def wanted(replica_set: Object) -> int:
    return int(replica_set["spec"].get("replicas") or 0)


def available(replica_set: Object) -> int:
    return int((replica_set.get("status") or {}).get("availableReplicas") or 0)


def total(replica_sets: Iterable[Object], count: Any = wanted) -> int:
    return sum(count(replica_set) for replica_set in replica_sets)


def oldest_first(replica_sets: Objects) -> Objects:
    return sorted(replica_sets, key=lambda r: (r["metadata"].get("creationTimestamp") or "", r["metadata"]["name"]))


def annotation_int(obj: Object, name: str) -> int:
    """0 where it is absent or no number."""
    try:
        return int((obj["metadata"].get("annotations") or {}).get(name, 0))
    except ValueError:
        return 0


def resolve_limits(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods: percentages round up for surge, down for unavailable; never both 0.

    Recreate has neither: (0, 0).
    """
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    replicas = wanted(deployment)
    surge = scaled(rolling.get("maxSurge", "25%"), replicas, math.ceil)
    unavailable = scaled(rolling.get("maxUnavailable", "25%"), replicas, math.floor)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def scaled(value: int | str | None, replicas: int, rounded: Any) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return int(rounded(int(value[:-1]) * replicas / 100))
    return int(value or 0)


# ------------------------------------------------------------------------------------------------ rolling update


def next_new_size(deployment: Object, replica_sets: Objects, new: Object) -> int:
    """How many the new ReplicaSet may have now: up to the wanted number, within maxSurge over all."""
    replicas = wanted(deployment)
    if wanted(new) >= replicas:
        return replicas
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        return replicas
    surge, _ = resolve_limits(deployment)
    room = replicas + surge - total(replica_sets)
    return wanted(new) + max(min(room, replicas - wanted(new)), 0)


def shrink_old(deployment: Object, replica_sets: Objects, old: Objects, new: Object) -> list[Resize]:
    """Which old ReplicaSets may shrink now: first what is not available anyway, then as far as maxUnavailable lets.

    Unavailable replicas of the new ReplicaSet count against the old ones, so that a bad template cannot take
    the whole Deployment down.
    """
    if total(old) == 0:
        return []
    _, max_unavailable = resolve_limits(deployment)
    least = wanted(deployment) - max_unavailable
    room = total(replica_sets) - least - (wanted(new) - available(new))
    if room <= 0:
        return []
    sizes = {replica_set["metadata"]["uid"]: wanted(replica_set) for replica_set in old}
    ordered = oldest_first(old)
    for replica_set in ordered:
        uid = replica_set["metadata"]["uid"]
        unhealthy = min(room, max(sizes[uid] - available(replica_set), 0))
        sizes[uid] -= unhealthy
        room -= unhealthy
    spare = min(room, total(replica_sets, available) - least)
    for replica_set in ordered:
        uid = replica_set["metadata"]["uid"]
        healthy = min(max(spare, 0), sizes[uid])
        sizes[uid] -= healthy
        spare -= healthy
    return [Resize(r, sizes[r["metadata"]["uid"]]) for r in ordered if sizes[r["metadata"]["uid"]] != wanted(r)]


# ------------------------------------------------------------------------------------------------ scaling


def is_scaling(deployment: Object, replica_sets: Objects) -> bool:
    """spec.replicas changed since an active ReplicaSet was last resized."""
    return any(
        wanted(replica_set)
        and DESIRED_REPLICAS in (replica_set["metadata"].get("annotations") or {})
        and annotation_int(replica_set, DESIRED_REPLICAS) != wanted(deployment)
        for replica_set in replica_sets
    )


def scale(deployment: Object, new: Object | None, old: Objects) -> list[Resize]:
    """The sizes after a change of spec.replicas, in the middle of a rollout or not.

    One active ReplicaSet takes it all; a finished rollout empties the others; in between, each grows or shrinks in
    proportion to its share, the largest taking what rounding leaves over.
    """
    everything = [*old, *([new] if new is not None else [])]
    active = [replica_set for replica_set in everything if wanted(replica_set) > 0]
    replicas = wanted(deployment)
    if len(active) <= 1:
        chosen = active[0] if active else new
        return [Resize(chosen, replicas)] if chosen is not None and wanted(chosen) != replicas else []
    if new is not None and _is_saturated(deployment, new):
        return [Resize(replica_set, 0) for replica_set in old if wanted(replica_set)]
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        return []
    surge, _ = resolve_limits(deployment)
    allowed = replicas + surge if replicas else 0
    missing = allowed - total(active)
    # Largest first; among equals the newest first when growing, the oldest first when shrinking.
    ordered = oldest_first(active)
    if missing > 0:
        ordered.reverse()
    ordered.sort(key=wanted, reverse=True)
    sizes: list[int] = []
    left = missing
    for replica_set in ordered:
        share = _share(replica_set, allowed, replicas) if left else 0
        share = max(min(share, left), 0) if missing > 0 else min(max(share, left), 0)
        sizes.append(wanted(replica_set) + share)
        left -= share
    sizes[0] = max(sizes[0] + left, 0)
    return [Resize(r, size) for r, size in zip(ordered, sizes, strict=True)]


def _share(replica_set: Object, allowed: int, replicas: int) -> int:
    """How many more (or fewer) replicas in proportion to what the Deployment's maximum was when it was last resized."""
    if replicas == 0:
        return -wanted(replica_set)
    before = annotation_int(replica_set, MAX_REPLICAS) or allowed
    return math.floor(wanted(replica_set) * allowed / before + 0.5) - wanted(replica_set)


def _is_saturated(deployment: Object, new: Object) -> bool:
    replicas = wanted(deployment)
    return wanted(new) == replicas and annotation_int(new, DESIRED_REPLICAS) == replicas and available(new) == replicas


# ------------------------------------------------------------------------------------------------ history


def expired_history(deployment: Object, old: Objects) -> Objects:
    """The old, empty and settled ReplicaSets beyond revisionHistoryLimit, lowest revision first."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit is None:
        return []
    kept = [replica_set for replica_set in old if not replica_set["metadata"].get("deletionTimestamp")]
    kept.sort(key=lambda r: (annotation_int(r, REVISION), r["metadata"].get("creationTimestamp") or ""))
    surplus = kept[: max(len(kept) - limit, 0)]
    return [replica_set for replica_set in surplus if _is_settled_empty(replica_set)]


def _is_settled_empty(replica_set: Object) -> bool:
    status = replica_set.get("status") or {}
    seen = status.get("observedGeneration", 0) >= replica_set["metadata"].get("generation", 0)
    return wanted(replica_set) == 0 and not status.get("replicas") and seen
