"""POST pods/NAME/eviction: a delete that asks the pod's disruption budget first.

    finished, pending or already deleted       deleted, no budget is asked
    no budget                                  deleted
    more than one budget                       500: nobody can say which one counts
    unhealthy, and the policy or the numbers allow it     deleted, the budget is not charged
    otherwise                                  the budget's disruptionsAllowed goes down by one, and the pod is named in its
                                               disruptedPods until its controller has seen it go; 429 where nothing is left

A pod that is evicted gets the condition DisruptionTarget, so that its owner knows why. Source: kubernetes.md 1.9,
registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from typing import Any

from apiserver.errors import StatusError, bad_request, forbidden
from apiserver.kinds import Resource
from apiserver.meta import format_time, label_selector_of
from apiserver.registry.options import DeleteOptions, WriteOptions, parse_delete_options
from apiserver.registry.registry import Registry

Object = dict[str, Any]

MAX_DISRUPTED_PODS = 2000
EVICTION_RETRIES = 20
RETRY_AFTER_S = 10

_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


async def evict(
    registry: Registry, resource: Resource, namespace: str, name: str, eviction: Object, asked: WriteOptions
) -> None:
    """resource: pods. Raises NotFound, Conflict, TooManyRequests, Forbidden, BadRequest."""
    said = (eviction.get("metadata") or {}).get("name")
    if said != name:
        raise bad_request("name in URL does not match name in Eviction object")
    options = _delete_options(eviction, asked)
    for _ in range(EVICTION_RETRIES):
        stored = await registry.get(resource, namespace, name)
        pod = stored.obj
        if not _needs_no_budget(pod):
            break
        guarded = options
        if (pod.get("status") or {}).get("phase") == "Pending" and not pod["metadata"].get("deletionTimestamp"):
            guarded = _at_version(options, pod)
        try:
            await _delete(registry, resource, namespace, name, guarded)
            return
        except StatusError as error:
            if error.reason != "Conflict" or options.resource_version:
                raise
            last = error
    else:
        raise last
    budget = await _find_budget(registry, pod)
    if budget is None:
        await _delete(registry, resource, namespace, name, options)
        return
    if _may_go_unhealthy(pod, budget):
        try:
            await _delete(registry, resource, namespace, name, _at_version(options, pod))
            return
        except StatusError as error:
            if error.reason == "Conflict" and not options.resource_version:
                raise _still_processing(budget["metadata"]["name"]) from None
            raise
    await _charge(registry, namespace, budget["metadata"]["name"], name, asked, dry_run=options.dry_run)
    await _delete(registry, resource, namespace, name, options)


def _delete_options(eviction: Object, asked: WriteOptions) -> DeleteOptions:
    said = eviction.get("deleteOptions") or {}
    inner = bool(said.get("dryRun"))
    if inner and asked.dry_run and said["dryRun"] != ["All"]:
        raise bad_request(f"Non-matching dry-run options in request and content: [All] and {said['dryRun']}")
    options = parse_delete_options(said or {"kind": "DeleteOptions"}, {})
    return options._replace(dry_run=options.dry_run or asked.dry_run, user=asked.user)


def _needs_no_budget(pod: Object) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or bool(pod["metadata"].get("deletionTimestamp"))


def _at_version(options: DeleteOptions, pod: Object) -> DeleteOptions:
    if options.resource_version:
        return options
    return options._replace(resource_version=pod["metadata"]["resourceVersion"])


async def _delete(registry: Registry, resource: Resource, namespace: str, name: str, options: DeleteOptions) -> None:
    if not options.dry_run:
        now = format_time(registry.clock.now_s())

        def disrupt(pod: Object) -> Object:
            if options.resource_version:
                pod["metadata"]["resourceVersion"] = options.resource_version
            set_condition(
                pod, "DisruptionTarget", now, reason="EvictionByEvictionAPI", message="Eviction API: evicting"
            )
            return pod

        stored = await registry.update(
            resource, namespace, name, disrupt, subresource="status", is_free=True, prepare=_as_it_is,
            options=WriteOptions(user=options.user),
        )  # fmt: skip
        if options.resource_version:
            options = options._replace(resource_version=stored.obj["metadata"]["resourceVersion"])
    await registry.delete(resource, namespace, name, options)


def _as_it_is(obj: Object, old: Object) -> None:
    """Only the condition changes."""


def set_condition(pod: Object, kind: str, now: str, *, reason: str = "", message: str = "") -> None:
    """Sets a condition of a pod's status to True; its time changes only where it was not."""
    status = pod.setdefault("status", {})
    conditions = status.get("conditions") or []
    condition: Object = {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    if reason:
        condition |= {"reason": reason, "message": message}
    if status.get("observedGeneration"):
        condition["observedGeneration"] = pod["metadata"].get("generation", 0)
    for index, known in enumerate(conditions):
        if known.get("type") == kind:
            if known.get("status") == "True":
                condition["lastTransitionTime"] = known.get("lastTransitionTime")
            status["conditions"] = [*conditions[:index], condition, *conditions[index + 1 :]]
            return
    status["conditions"] = [*conditions, condition]


# The budget -----------------------------------------------------------------------------------------------------------


async def _find_budget(registry: Registry, pod: Object) -> Object | None:
    labels = pod["metadata"].get("labels") or {}
    budgets = registry.catalog.find("policy", "v1", "poddisruptionbudgets")
    if budgets is None:
        return None
    page = await registry.list(budgets, pod["metadata"]["namespace"])
    found = [stored.obj for stored in page.items if _selects(stored.obj, labels)]
    if len(found) > 1:
        text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise StatusError(500, "", text)
    return found[0] if found else None


def _selects(budget: Object, labels: Object) -> bool:
    selector = (budget.get("spec") or {}).get("selector")
    try:
        return selector is not None and label_selector_of(selector).matches(labels)
    except (StatusError, ValueError):
        return False  # what cannot be read selects nothing


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _may_go_unhealthy(pod: Object, budget: Object) -> bool:
    """Whether a pod that is not ready may go without being counted."""
    if _is_ready(pod):
        return False
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy", 0)
    return bool(desired > 0 and status.get("currentHealthy", 0) >= desired)


async def _charge(
    registry: Registry, namespace: str, budget_name: str, pod_name: str, asked: WriteOptions, *, dry_run: bool
) -> None:
    """Takes one disruption from the budget, as it is now. Raises TooManyRequests, Forbidden."""
    budgets = registry.catalog.find("policy", "v1", "poddisruptionbudgets")
    assert budgets is not None
    now = format_time(registry.clock.now_s())

    def take(budget: Object) -> Object:
        _check_charge(budget)
        status = budget["status"]
        status["disruptionsAllowed"] -= 1
        if not status["disruptionsAllowed"]:
            _set_not_allowed(budget, now)
        status["disruptedPods"] = {**(status.get("disruptedPods") or {}), pod_name: now}
        return budget

    options = WriteOptions(dry_run=dry_run, user=asked.user)
    await registry.update(budgets, namespace, budget_name, take, subresource="status", options=options)


def _check_charge(budget: Object) -> None:
    metadata, status = budget["metadata"], budget.setdefault("status", {})
    name = metadata["name"]
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        raise _still_processing(name)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise forbidden("policy", "poddisruptionbudget", name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or ()) > MAX_DISRUPTED_PODS:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise forbidden("policy", "poddisruptionbudget", name, why)
    if not allowed:
        raise _too_many(_why_not(name, status), 0)


def _why_not(name: str, status: Object) -> str:
    """What the cause says of a budget that allows nothing."""
    needs, has = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    said = f"The disruption budget {name} does not allow evicting pods currently"
    conditions = [each for each in status.get("conditions") or () if each.get("type") == "DisruptionAllowed"]
    condition = conditions[0] if conditions and conditions[0].get("status") == "False" else {}
    reason, message = condition.get("reason", ""), condition.get("message", "")
    if message and reason == "SyncFailed":
        return f"{said} because it failed sync: {message}"
    if has <= needs:
        return f"The disruption budget {name} needs {needs} healthy pods and has {has} currently"
    return f"{said} ({reason}): {message}" if message else said


def _too_many(said: str, retry_after_s: int) -> StatusError:
    details: Object = {"causes": [{"reason": "DisruptionBudget", "message": said}]}
    if retry_after_s:
        details["retryAfterSeconds"] = retry_after_s
    return StatusError(429, "TooManyRequests", _REFUSED, details)


def _still_processing(name: str) -> StatusError:
    return _too_many(f"The disruption budget {name} is still being processed by the server.", RETRY_AFTER_S)


def _set_not_allowed(budget: Object, now: str) -> None:
    status = budget["status"]
    condition: Object = {
        "type": "DisruptionAllowed",
        "status": "False",
        "observedGeneration": status.get("observedGeneration", 0),
        "lastTransitionTime": now,
        "reason": "InsufficientPods",
        "message": "",
    }
    known = status.get("conditions") or []
    before = next((each for each in known if each.get("type") == "DisruptionAllowed"), None)
    if before is not None and before.get("status") == "False":
        condition["lastTransitionTime"] = before.get("lastTransitionTime", now)
    others = [each for each in known if each.get("type") != "DisruptionAllowed"]
    status["conditions"] = [*others, condition]
