"""Certificate requests: who asks, who approves, who signs."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apiserver.auth import ADMIN_USER, User
from apiserver.config import AccessConfig
from tests.apiserver.server.conftest import ask

PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ADA = User("ada", "7", ("dev", "system:authenticated"), {"scopes": ("a", "b")})


def request_pem(common_name="ada", *organizations):
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    key = ec.generate_private_key(ec.SECP256R1())
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


def signing_request(name="r", pem=None, signer="kubernetes.io/kube-apiserver-client", **spec):
    said = {"request": pem or request_pem(), "signerName": signer, "usages": ["client auth"], **spec}
    return {"metadata": {"name": name}, "spec": said}


def decided(obj, kind="Approved"):
    condition = {"type": kind, "status": "True", "reason": "Because", "message": "so"}
    return {**obj, "status": {**obj.get("status", {}), "conditions": [condition]}}


@pytest.fixture
async def server(start):
    server = await start(AccessConfig(authorization_modes=("RBAC",)))
    rule = {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests",
            "certificatesigningrequests/approval", "certificatesigningrequests/status"], "verbs": ["*"]}  # fmt: skip
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "asks"}
    subjects = [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "ada"}]
    await ask(server, ADMIN_USER, "POST", f"{RBAC}/clusterroles", {"metadata": {"name": "asks"}, "rules": [rule]})
    body = {"metadata": {"name": "asks"}, "roleRef": reference, "subjects": subjects}
    await ask(server, ADMIN_USER, "POST", f"{RBAC}/clusterrolebindings", body)
    await server.registry.list(server.registry.catalog.find("rbac.authorization.k8s.io", "v1", "clusterrolebindings"))
    return server


async def test_a_request_says_who_asked_whatever_its_body_says(server):
    body = signing_request(username="root", groups=["system:masters"], uid="0", extra={"x": ["y"]})
    status, obj = await ask(server, ADA, "POST", PATH, body)
    assert status == 201, obj
    said = {field: obj["spec"].get(field) for field in ("username", "uid", "groups", "extra")}
    assert said == {"username": "ada", "uid": "7", "groups": ["dev", "system:authenticated"],
                    "extra": {"scopes": ["a", "b"]}}  # fmt: skip


async def test_approving_and_signing_take_the_leave_of_the_signer(server):
    _, obj = await ask(server, ADA, "POST", PATH, signing_request())
    status, refused = await ask(server, ADA, "PUT", f"{PATH}/r/approval", decided(obj))
    assert status == 403
    assert refused["message"] == (
        'certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to approve requests with '
        'signerName "kubernetes.io/kube-apiserver-client"'
    )
    status, approved = await ask(server, ADMIN_USER, "PUT", f"{PATH}/r/approval", decided(obj))
    assert status == 200
    [condition] = approved["status"]["conditions"]
    assert condition["type"] == "Approved" and condition["lastUpdateTime"] == condition["lastTransitionTime"]
    signed = {**approved, "status": {**approved["status"], "certificate": base64.b64encode(b"x").decode()}}
    status, refused = await ask(server, ADA, "PUT", f"{PATH}/r/status", signed)
    assert (status, "user not permitted to sign requests" in refused["message"]) == (403, True)


async def test_a_decision_is_made_through_its_own_door(server):
    _, obj = await ask(server, ADMIN_USER, "POST", PATH, decided(signing_request()))
    assert "conditions" not in obj.get("status", {})
    _, obj = await ask(server, ADMIN_USER, "PUT", f"{PATH}/r/status", decided(obj))
    assert "conditions" not in obj.get("status", {})
    _, obj = await ask(server, ADMIN_USER, "PUT", f"{PATH}/r/approval", decided(obj, "Denied"))
    assert [condition["type"] for condition in obj["status"]["conditions"]] == ["Denied"]
    status, obj = await ask(server, ADMIN_USER, "PUT", f"{PATH}/r/approval", decided(obj))
    assert (status, obj["reason"]) == (422, "Invalid")


async def test_nobody_becomes_a_master_by_a_certificate(server):
    pem = request_pem("ada", "system:masters")
    status, obj = await ask(server, ADA, "POST", PATH, signing_request(pem=pem))
    assert status == 403
    assert obj["message"].endswith(
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
    )
