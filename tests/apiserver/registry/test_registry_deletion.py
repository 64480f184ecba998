"""Deletes: what is answered, what stays, what is marked; by kind, policy, grace and finalizers."""

from __future__ import annotations

import pytest

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"


def configmap(name="c", **metadata):
    return {"metadata": {"name": name, **metadata}, "data": {}}


def pod(name="p", **spec):
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


def job(name="j"):
    return {
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
    }


async def test_most_kinds_answer_with_a_status_some_with_the_object(api):
    made = await api.ok("POST", CONFIGMAPS, configmap())
    gone = await api.ok("DELETE", f"{CONFIGMAPS}/c")
    assert gone["details"] == {"name": "c", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await api.ok("POST", accounts, {"metadata": {"name": "a"}})
    assert (await api.ok("DELETE", f"{accounts}/a"))["kind"] == "ServiceAccount"


async def test_a_pod_without_a_node_is_marked_and_gone(api):
    made = await api.ok("POST", PODS, pod())
    gone = await api.ok("DELETE", f"{PODS}/p")
    assert gone["metadata"]["deletionGracePeriodSeconds"] == 0
    assert gone["metadata"]["generation"] == made["metadata"]["generation"] + 1
    assert (await api.call("GET", f"{PODS}/p"))[0] == 404


async def test_grace_is_shortened_never_lengthened(api):
    await api.ok("POST", PODS, pod(nodeName="n"))
    marked = await api.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=100")
    again = await api.ok("DELETE", f"{PODS}/p")
    assert again == marked, "without a period nothing is asked for"
    assert await api.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=200") == marked
    shorter = await api.ok("DELETE", f"{PODS}/p", {"gracePeriodSeconds": -5})
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 1
    assert shorter["metadata"]["generation"] == marked["metadata"]["generation"]
    await api.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
    assert (await api.call("GET", f"{PODS}/p"))[0] == 404


async def test_finalizers_hold_and_let_go(api):
    await api.ok("POST", CONFIGMAPS, configmap(finalizers=["ex.io/hold"]))
    marked = await api.ok("DELETE", f"{CONFIGMAPS}/c")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    assert await api.ok("DELETE", f"{CONFIGMAPS}/c") == marked
    await api.ok("PATCH", f"{CONFIGMAPS}/c", {"metadata": {"finalizers": None}}, type=MERGE)
    assert (await api.call("GET", f"{CONFIGMAPS}/c"))[0] == 404


@pytest.mark.parametrize(
    ("query", "finalizers"),
    [
        ("propagationPolicy=Foreground", ["foregroundDeletion"]),
        ("propagationPolicy=Orphan", ["orphan"]),
        ("orphanDependents=true", ["orphan"]),
        ("propagationPolicy=Background", None),
        ("", None),
    ],
)
async def test_policies_are_finalizers(api, query, finalizers):
    await api.ok("POST", CONFIGMAPS, configmap())
    answered = await api.ok("DELETE", f"{CONFIGMAPS}/c?{query}")
    assert answered.get("metadata", {}).get("finalizers") == finalizers


async def test_a_later_policy_replaces_the_first(api):
    await api.ok("POST", CONFIGMAPS, configmap(finalizers=["ex.io/hold"]))
    await api.ok("DELETE", f"{CONFIGMAPS}/c?propagationPolicy=Foreground")
    marked = await api.ok("DELETE", f"{CONFIGMAPS}/c?propagationPolicy=Orphan")
    assert marked["metadata"]["finalizers"] == ["ex.io/hold", "orphan"]


async def test_jobs_and_replication_controllers_orphan_by_default(api):
    jobs = "/apis/batch/v1/namespaces/default/jobs"
    await api.ok("POST", jobs, job())
    marked = await api.ok("DELETE", f"{jobs}/j")
    assert marked["metadata"]["finalizers"] == ["orphan"]
    assert "child pods are preserved by default when jobs are deleted" in api.headers["warning"]
    await api.ok("POST", jobs, job("k"))
    assert (await api.ok("DELETE", f"{jobs}/k?propagationPolicy=Background"))["kind"] == "Status"
    assert "warning" not in api.headers


async def test_cascading_in_the_old_words_is_answered_202_while_it_waits(api):
    await api.ok("POST", CONFIGMAPS, configmap(finalizers=["ex.io/hold"]))
    status, _ = await api.call("DELETE", f"{CONFIGMAPS}/c?orphanDependents=false")
    assert status == 202


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"orphanDependents": True, "propagationPolicy": "Orphan"},
            'propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
        ),
        (
            {"propagationPolicy": "Never"},
            'propagationPolicy: Unsupported value: "Never": supported values: "Foreground", "Background", "Orphan", "nil"',
        ),
        ({"dryRun": ["Some"]}, 'dryRun: Unsupported value: ["Some"]: supported values: "All"'),
    ],
)
async def test_options_are_checked(api, options, text):
    await api.ok("POST", CONFIGMAPS, configmap())
    status, error = await api.call("DELETE", f"{CONFIGMAPS}/c", options)
    assert (status, error["message"]) == (422, f'DeleteOptions.meta.k8s.io "" is invalid: {text}')
    assert (await api.call("DELETE", f"{CONFIGMAPS}/c?gracePeriodSeconds=x"))[0] == 400


async def test_preconditions(api):
    made = await api.ok("POST", CONFIGMAPS, configmap())
    status, error = await api.call("DELETE", f"{CONFIGMAPS}/c", {"preconditions": {"resourceVersion": "1"}})
    version = made["metadata"]["resourceVersion"]
    assert (status, error["message"]) == (
        409,
        'Operation cannot be fulfilled on ConfigMap "c": the ResourceVersion in the precondition (1) does not match the '
        f"ResourceVersion in record ({version}). The object might have been modified",
    )
    status, error = await api.call("DELETE", "/api/v1/namespaces/kube-node-lease", {"preconditions": {"uid": "x"}})
    assert status == 409 and "Precondition failed: UID in precondition: x, UID in object meta:" in error["message"]


async def test_a_dry_run_deletes_nothing(api):
    made = await api.ok("POST", CONFIGMAPS, configmap())
    assert (await api.ok("DELETE", f"{CONFIGMAPS}/c?dryRun=All"))["status"] == "Success"
    assert (await api.ok("DELETE", f"{CONFIGMAPS}/c", {"dryRun": ["All"], "propagationPolicy": "Orphan"}))["metadata"][
        "finalizers"
    ] == ["orphan"]
    await api.ok("DELETE", f"{CONFIGMAPS}?dryRun=All")
    assert await api.ok("GET", f"{CONFIGMAPS}/c") == made


async def test_a_namespace_waits_without_a_grace_period(api):
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
    marked = await api.ok("DELETE", "/api/v1/namespaces/team")
    assert marked["status"]["phase"] == "Terminating"
    assert "deletionGracePeriodSeconds" not in marked["metadata"]
    finalized = {"metadata": {"name": "team"}, "spec": {"finalizers": []}}
    await api.ok("PUT", "/api/v1/namespaces/team/finalize", finalized)
    assert (await api.call("GET", "/api/v1/namespaces/team"))[0] == 404


async def test_a_collection_goes_page_by_page(api):
    for name in "abcde":
        await api.ok("POST", CONFIGMAPS, configmap(name, labels={"x": "y"}))
    page = await api.ok("DELETE", f"{CONFIGMAPS}?labelSelector=x%3Dy".replace("%3D", "=") + "&limit=2")
    assert [item["metadata"]["name"] for item in page["items"]] == ["a", "b"]
    assert page["metadata"]["continue"]
    left = await api.ok("GET", f"{CONFIGMAPS}?labelSelector=x")
    assert [item["metadata"]["name"] for item in left["items"]] == ["c", "d", "e"]


async def test_generated_names_that_are_all_taken(api, monkeypatch):
    monkeypatch.setattr("apiserver.registry.registry.generate_name", lambda base, choice: f"{base}same")
    body = {"metadata": {"generateName": "web-"}}
    await api.ok("POST", CONFIGMAPS, body)
    status, error = await api.call("POST", CONFIGMAPS, body)
    assert (status, error["reason"]) == (409, "AlreadyExists")
    assert error["message"] == (
        'configmaps "web-same" already exists, the server was not able to generate a unique name for the object'
    )
    assert error["details"]["retryAfterSeconds"] == 1
