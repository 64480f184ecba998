"""Evictions and disruption budgets."""

from __future__ import annotations

import pytest

PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
MERGE = "application/merge-patch+json"


async def running_pod(api, name="p", ready="True", phase="Running"):
    body = {"metadata": {"name": name, "labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    await api.ok("POST", PODS, body)
    await api.ok(
        "POST", f"{PODS}/{name}/binding", {"metadata": {"name": name}, "target": {"kind": "Node", "name": "n"}}
    )
    conditions = [{"type": "Ready", "status": ready}]
    return await api.ok(
        "PATCH", f"{PODS}/{name}/status", {"status": {"phase": phase, "conditions": conditions}}, type=MERGE
    )


async def budget(api, name="b", allowed=1, observed=None, policy=None, current=3, desired=2):
    spec = {"selector": {"matchLabels": {"app": "x"}}, "minAvailable": desired}
    if policy:
        spec["unhealthyPodEvictionPolicy"] = policy
    made = await api.ok("POST", BUDGETS, {"metadata": {"name": name}, "spec": spec})
    status = {
        "disruptionsAllowed": allowed,
        "currentHealthy": current,
        "desiredHealthy": desired,
        "expectedPods": 3,
        "observedGeneration": made["metadata"]["generation"] if observed is None else observed,
    }
    return await api.ok("PATCH", f"{BUDGETS}/{name}/status", {"status": status}, type=MERGE)


async def evict(api, name="p", query="", **options):
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    if options:
        body["deleteOptions"] = options
    return await api.call("POST", f"{PODS}/{name}/eviction{query}", body)


async def test_an_eviction_marks_why(api):
    await running_pod(api)
    assert (await evict(api))[0] == 201
    pod = await api.ok("GET", f"{PODS}/p")
    assert pod["metadata"]["deletionTimestamp"]
    (condition,) = [each for each in pod["status"]["conditions"] if each["type"] == "DisruptionTarget"]
    assert (condition["status"], condition["reason"]) == ("True", "EvictionByEvictionAPI")
    assert condition["message"] == "Eviction API: evicting"


async def test_a_budget_is_charged_once_a_pod(api):
    await running_pod(api)
    await running_pod(api, "q")
    await budget(api, allowed=1, current=2)
    assert (await evict(api))[0] == 201
    charged = (await api.ok("GET", f"{BUDGETS}/b"))["status"]
    assert charged["disruptionsAllowed"] == 0 and list(charged["disruptedPods"]) == ["p"]
    assert charged["conditions"][0]["reason"] == "InsufficientPods"
    status, error = await evict(api, "q")
    assert (status, error["reason"]) == (429, "TooManyRequests")
    assert error["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert error["details"] == {
        "causes": [
            {
                "reason": "DisruptionBudget",
                "message": "The disruption budget b needs 2 healthy pods and has 2 currently",
            }
        ]
    }
    assert not (await api.ok("GET", f"{PODS}/q"))["metadata"].get("deletionTimestamp")


@pytest.mark.parametrize(
    ("condition", "current", "said"),
    [
        (("False", "SyncFailed", "no scale"), 1, " because it failed sync: no scale"),
        (("False", "Odd", "of late"), 3, " (Odd): of late"),
        (("True", "Odd", "of late"), 3, ""),
        (("False", "InsufficientPods", ""), 3, ""),
        (None, 3, ""),
    ],
)
async def test_a_budget_says_why_it_allows_nothing(api, condition, current, said):
    await running_pod(api)
    await budget(api, allowed=0, current=current)
    if condition:
        status, reason, message = condition
        set_ = {"type": "DisruptionAllowed", "status": status, "reason": reason, "message": message}
        set_["lastTransitionTime"] = "2026-01-01T00:00:00Z"
        await api.ok("PATCH", f"{BUDGETS}/b/status", {"status": {"conditions": [set_]}}, type=MERGE)
    status, error = await evict(api)
    assert status == 429
    text = f"The disruption budget b does not allow evicting pods currently{said}"
    assert error["details"]["causes"][0]["message"] == text


async def test_a_budget_that_lags_asks_to_come_back(api):
    await running_pod(api)
    await budget(api, observed=0)
    status, error = await evict(api)
    assert (status, error["details"]["retryAfterSeconds"]) == (429, 10)
    assert api.headers["retry-after"] == "10"
    assert error["details"]["causes"][0]["message"] == "The disruption budget b is still being processed by the server."


async def test_two_budgets_are_one_too_many(api):
    await running_pod(api)
    await budget(api)
    await budget(api, "b2")
    status, error = await evict(api)
    assert status == 500
    assert error["message"] == (
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    )


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Pending"])
async def test_pods_that_do_not_count_go_unasked(api, phase):
    await running_pod(api, phase=phase)
    await budget(api, allowed=0)
    assert (await evict(api))[0] == 201


async def test_unhealthy_pods(api):
    await running_pod(api, ready="False")
    await budget(api, allowed=0, current=1, desired=2)
    assert (await evict(api))[0] == 429
    await api.ok("PATCH", f"{BUDGETS}/b/status", {"status": {"currentHealthy": 2}}, type=MERGE)
    assert (await evict(api))[0] == 201, "the healthy ones are enough without it"
    assert (await api.ok("GET", f"{BUDGETS}/b"))["status"]["disruptionsAllowed"] == 0


async def test_unhealthy_pods_may_always_go_where_the_budget_says_so(api):
    await running_pod(api, ready="False")
    await budget(api, allowed=0, current=0, desired=2, policy="AlwaysAllow")
    assert (await evict(api))[0] == 201


async def test_a_dry_run_charges_nothing(api):
    before = await running_pod(api)
    await budget(api)
    assert (await evict(api, query="?dryRun=All"))[0] == 201
    assert (await evict(api, dryRun=["All"]))[0] == 201
    assert await api.ok("GET", f"{PODS}/p") == before
    assert (await api.ok("GET", f"{BUDGETS}/b"))["status"]["disruptionsAllowed"] == 1


async def test_preconditions_and_names(api):
    await running_pod(api)
    assert (await evict(api, preconditions={"uid": "other"}))[0] == 409
    status, error = await api.call("POST", f"{PODS}/p/eviction", {"metadata": {"name": "q"}})
    assert (status, error["message"]) == (400, "name in URL does not match name in Eviction object")
    assert (await evict(api, "none"))[0] == 404
