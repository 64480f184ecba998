"""Questions about access on a server that lets everybody do everything: who am I, may I, whose token is this."""

from __future__ import annotations

import pytest

AUTHENTICATION = "/apis/authentication.k8s.io/v1"
AUTHORIZATION = "/apis/authorization.k8s.io/v1"


def attributes(**more):
    return {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}, **more}}


async def test_everybody_is_the_same_and_may_do_everything(http):
    status, obj, _ = await http.call("POST", f"{AUTHENTICATION}/selfsubjectreviews", {"metadata": {"name": "x"}})
    assert status == 201
    assert list(obj["metadata"]) == ["creationTimestamp"]
    groups = ["system:masters", "system:authenticated"]
    assert obj["status"] == {"userInfo": {"username": "system:unsecured", "groups": groups}}

    status, obj, _ = await http.call("POST", f"{AUTHORIZATION}/selfsubjectaccessreviews", attributes())
    assert (status, obj["status"], obj["metadata"]) == (201, {"allowed": True}, {})

    status, obj, _ = await http.call(
        "POST", f"{AUTHORIZATION}/selfsubjectrulesreviews", {"spec": {"namespace": "default"}}
    )
    assert obj["status"] == {
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": False,
    }


async def test_an_unknown_token_is_reviewed_as_kubernetes_does(http):
    body = {"metadata": {"name": "x"}, "spec": {"token": "nope"}}
    status, obj, _ = await http.call("POST", f"{AUTHENTICATION}/tokenreviews?dryRun=All", body)
    assert status == 201
    assert obj == {
        "kind": "TokenReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": "x"},
        "spec": {"token": "nope"},
        "status": {"user": {}, "error": "invalid bearer token"},
    }


@pytest.mark.parametrize(
    ("plural", "body", "message"),
    [
        (
            "selfsubjectaccessreviews",
            {},
            "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or "
            "resourceAttributes must be specified",
        ),
        (
            "selfsubjectaccessreviews",
            attributes(nonResourceAttributes={"path": "/", "verb": "get"}),
            'spec.nonResourceAttributes: Invalid value: {"path":"/","verb":"get"}: cannot be specified in combination '
            "with resourceAttributes",
        ),
        (
            "subjectaccessreviews",
            attributes(),
            'spec.user: Invalid value: "": at least one of user or group must be specified',
        ),
        ("selfsubjectaccessreviews", {"metadata": {"name": "x"}, **attributes()},
         'metadata: Invalid value: {"name":"x"}: must be empty'),
    ],
)  # fmt: skip
async def test_a_question_that_cannot_be_asked_is_refused(http, plural, body, message):
    status, obj, _ = await http.call("POST", f"{AUTHORIZATION}/{plural}", body)
    assert (status, obj["reason"]) == (422, "Invalid")
    assert obj["message"] == f'.authorization.k8s.io "" is invalid: {message}'


async def test_a_local_question_is_about_its_own_namespace(http):
    path = f"{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews"
    status, obj, _ = await http.call("POST", path, attributes(user="ada"))
    assert (status, obj["status"], obj["spec"]["user"]) == (201, {"allowed": True}, "ada")
    elsewhere = {"spec": {"resourceAttributes": {"verb": "get", "namespace": "other"}, "user": "ada"}}
    status, obj, _ = await http.call("POST", path, elsewhere)
    assert status == 422
    assert "must match metadata.namespace" in obj["message"]


async def test_no_answer_to_a_question_is_a_table(http):
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    status, obj, _ = await http.call("POST", f"{AUTHORIZATION}/selfsubjectaccessreviews", attributes(), Accept=table)
    assert (status, obj["reason"]) == (406, "NotAcceptable")


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_questions_are_only_asked(http, method):
    status, obj, _ = await http.call(method, f"{AUTHORIZATION}/subjectaccessreviews")
    assert (status, obj["reason"]) == (405, "MethodNotAllowed")
