"""Certificate requests in a whole cluster: signed where they are approved, and refused where the signer does not sign them."""

from __future__ import annotations

import asyncio
import base64
from contextlib import AsyncExitStack

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apiserver.auth import find_certificate_user
from apiserver.cluster import LocalCluster
from tests.apiserver.changes import changed


@pytest.fixture
async def start():
    """start(controllers…) → (client, cluster)"""
    async with AsyncExitStack() as stack:

        async def started(*controllers):
            cluster = LocalCluster(nodes=0, scheduler=None, controllers=controllers)
            await stack.enter_async_context(cluster)
            return cluster.client(), cluster

        yield started


REQUESTS = "certificates.k8s.io/v1/certificatesigningrequests"
CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT, KUBELET_SERVING = f"{CLIENT}-kubelet", "kubernetes.io/kubelet-serving"


def signing_request(name, signer, subject, usages, names=()):
    key = ec.generate_private_key(ec.SECP256R1())
    oids = {"O": NameOID.ORGANIZATION_NAME, "CN": NameOID.COMMON_NAME}
    builder = x509.CertificateSigningRequestBuilder()
    builder = builder.subject_name(x509.Name([x509.NameAttribute(oids[what], value) for what, value in subject]))
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(alternatives, critical=False)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {"request": base64.b64encode(pem).decode(), "signerName": signer, "usages": usages},
    }


async def approve(client, name):
    condition = {"type": "Approved", "status": "True", "reason": "Test", "message": ""}
    patch = {"status": {"conditions": [condition]}}
    await client.patch(REQUESTS, name, patch, subresource="approval")


def types(request):
    return [condition["type"] for condition in request.get("status", {}).get("conditions", ())]


async def test_an_approved_request_is_signed(start):
    client, cluster = await start("certificatesigningrequest-signing-controller")
    subject = [("O", "dev"), ("CN", "ada")]
    await client.create(REQUESTS, signing_request("ada", CLIENT, subject, ["client auth", "digital signature"]))
    await approve(client, "ada")
    done = await changed(client, REQUESTS, "ada", lambda obj: obj.get("status", {}).get("certificate"))
    certificate = x509.load_pem_x509_certificate(base64.b64decode(done["status"]["certificate"]))
    certificate.verify_directly_issued_by(
        x509.load_pem_x509_certificate(cluster.credentials.ca or cluster._server.signing()[0])
    )
    user = find_certificate_user(certificate.public_bytes(serialization.Encoding.DER))
    assert (user.name, user.groups) == ("ada", ("dev",))
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize(
    ("signer", "subject", "usages", "names"),
    [
        (CLIENT, [("CN", "ada")], ["server auth"], ()),
        (KUBELET_SERVING, [("O", "system:nodes"), ("CN", "system:node:n")], ["server auth"], ()),
        (KUBELET_SERVING, [("O", "dev"), ("CN", "system:node:n")], ["server auth"], ("n",)),
        (KUBELET_CLIENT, [("O", "system:nodes"), ("CN", "n")], ["client auth"], ()),
        (KUBELET_CLIENT, [("O", "system:nodes"), ("CN", "system:node:n")], ["client auth"], ("n",)),
    ],
)
async def test_what_a_signer_does_not_sign_fails(start, signer, subject, usages, names):
    client, _ = await start("certificatesigningrequest-signing-controller")
    await client.create(REQUESTS, signing_request("bad", signer, subject, usages, names))
    await approve(client, "bad")
    done = await changed(client, REQUESTS, "bad", lambda obj: "Failed" in types(obj))
    assert "certificate" not in done["status"]


async def test_the_request_of_a_kubelet_is_approved(start):
    client, _ = await start("certificatesigningrequest-approving-controller")
    subject = [("O", "system:nodes"), ("CN", "system:node:n")]
    usages = ["client auth", "digital signature"]
    await client.create(REQUESTS, signing_request("kubelet", KUBELET_CLIENT, subject, usages))
    done = await changed(client, REQUESTS, "kubelet", lambda obj: "Approved" in types(obj))
    assert done["status"]["conditions"][0]["reason"] == "AutoApproved"


# ---- tokens of secrets ----


async def test_a_token_secret_gets_its_token_and_dies_with_its_account(start):
    client, cluster = await start("serviceaccount-token-controller")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot", "namespace": "default"}}
    account = await client.create("serviceaccounts", account)
    annotations = {"kubernetes.io/service-account.name": "bot"}
    secret = {
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "bot-token", "namespace": "default", "annotations": annotations},
    }  # fmt: skip
    await client.create("secrets", secret)
    filled = await changed(client, "secrets", "bot-token", lambda obj: (obj.get("data") or {}).get("token"))
    assert filled["metadata"]["annotations"]["kubernetes.io/service-account.uid"] == account["metadata"]["uid"]
    assert base64.b64decode(filled["data"]["namespace"]) == b"default"
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
              "spec": {"token": base64.b64decode(filled["data"]["token"]).decode()}}  # fmt: skip
    answer = await client.create("authentication.k8s.io/v1/tokenreviews", review)
    assert answer["status"]["user"]["username"] == "system:serviceaccount:default:bot"
    stream = await client.watch("secrets", "default", resource_version=filled["metadata"]["resourceVersion"])
    await client.delete("serviceaccounts", "bot", "default")
    async with asyncio.timeout(10):
        async for event in stream:
            if event.type == "DELETED":
                break
    await stream.close()
