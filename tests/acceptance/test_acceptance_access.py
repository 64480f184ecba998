"""What users were promised of access control: the real kubectl and the Python client over TLS, with roles."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import kubernetes
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubernetes.client.rest import ApiException

from apiserver.cluster import LocalCluster
from apiserver.config import AccessConfig
from apiserver.server import Credentials
from tests.acceptance.conftest import Kubectl


@pytest.fixture
async def secured() -> AsyncIterator[LocalCluster]:
    async with LocalCluster(nodes=0, authorization="RBAC") as cluster:
        yield cluster


@pytest.fixture
def admin(secured: LocalCluster, tmp_path) -> Kubectl:
    return Kubectl(tmp_path, secured.url, credentials=secured.credentials)


async def test_kubectl_asks_who_it_is_and_what_it_may(admin: Kubectl):
    assert "kubernetes-admin" in await admin("auth", "whoami")
    assert await admin("auth", "can-i", "*", "*") == "yes\n"
    listed = await admin("auth", "can-i", "--list")
    assert listed.splitlines()[1].split() == ["*.*", "[]", "[]", "[*]"]
    refused = await admin.run("auth", "can-i", "delete", "nodes", "--as", "eve")
    assert (refused.code, refused.out) == (1, "no\n")
    whoami = json.loads(await admin("auth", "whoami", "-o", "json", "--as", "eve", "--as-group", "dev"))
    assert whoami["status"]["userInfo"] == {"username": "eve", "groups": ["dev", "system:authenticated"]}


async def test_roles_are_made_bound_and_felt(admin: Kubectl):
    refused = await admin.run("get", "pods", "--as", "ada")
    assert refused.code == 1
    assert refused.err == (
        'Error from server (Forbidden): pods is forbidden: User "ada" cannot list resource "pods" in API group "" in '
        'the namespace "default"\n'
    )
    await admin("create", "role", "reader", "--verb=get,list,watch", "--resource=pods")
    await admin("create", "rolebinding", "readers", "--role=reader", "--user=ada", "--group=dev")
    async with asyncio.timeout(30):
        while (await admin.run("get", "pods", "--as", "ada")).code:
            pass
    assert await admin("auth", "can-i", "list", "pods", "--as", "eve", "--as-group", "dev") == "yes\n"
    described = await admin("describe", "rolebinding", "readers")
    assert "User   ada" in described
    manifest = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "x"},
        "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}],
    }  # fmt: skip
    said = await admin("auth", "reconcile", "-f", "-", stdin=yaml.safe_dump(manifest))
    assert "clusterrole.rbac.authorization.k8s.io/x reconciled" in said
    names = await admin("get", "clusterroles", "-o", "name")
    assert "clusterrole.rbac.authorization.k8s.io/system:kube-scheduler" in names.splitlines()


async def test_view_gathers_what_viewers_may(admin: Kubectl):
    await admin("create", "rolebinding", "viewers", "--clusterrole=view", "--user=ada")
    async with asyncio.timeout(30):
        while (await admin.run("auth", "can-i", "list", "deployments.apps", "--as", "ada")).code:
            pass
    assert (await admin.run("auth", "can-i", "list", "secrets", "--as", "ada")).out == "no\n"


async def test_the_python_client_comes_with_the_token_of_a_service_account(
    admin: Kubectl, secured: LocalCluster, tmp_path
):
    await admin("create", "serviceaccount", "bot")
    token = (await admin("create", "token", "bot", "--duration", "10m")).strip()
    await admin("create", "clusterrolebinding", "bots", "--clusterrole=cluster-admin", "--serviceaccount=default:bot")
    authority = tmp_path / "ca.crt"
    authority.write_bytes(secured.credentials.ca)

    def ask() -> list[str]:
        configuration = kubernetes.client.Configuration(host=secured.url)
        configuration.ssl_ca_cert = str(authority)
        configuration.api_key = {"authorization": f"Bearer {token}"}
        with kubernetes.client.ApiClient(configuration) as client:
            core = kubernetes.client.CoreV1Api(client)
            while True:
                try:
                    return [item.metadata.name for item in core.list_namespace().items]
                except ApiException as error:
                    if error.status != 403:  # until the binding is felt
                        raise

    async with asyncio.timeout(30):
        assert "kube-system" in await asyncio.to_thread(ask)
    await admin("delete", "serviceaccount", "bot")
    with pytest.raises(ApiException) as caught:
        await asyncio.to_thread(ask)
    assert caught.value.status == 401
    assert json.loads(caught.value.body)["reason"] == "Unauthorized"


async def test_a_user_gets_a_certificate_and_comes_with_it(admin: Kubectl, secured: LocalCluster, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ada")])
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    manifest = {
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "ada"},
        "spec": {"request": base64.b64encode(asked.public_bytes(pem)).decode(), "usages": ["client auth"],
                 "signerName": "kubernetes.io/kube-apiserver-client", "expirationSeconds": 86400},
    }  # fmt: skip
    await admin("create", "-f", "-", stdin=yaml.safe_dump(manifest))
    assert "Pending" in await admin("get", "csr", "ada")
    assert await admin("certificate", "approve", "ada") == "certificatesigningrequest.certificates.k8s.io/ada approved\n"
    async with asyncio.timeout(30):
        while not (found := await admin("get", "csr", "ada", "-o", "jsonpath={.status.certificate}")):
            pass
    assert "Approved,Issued" in await admin("get", "csr", "ada")
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    credentials = Credentials(secured.credentials.ca, certificate=base64.b64decode(found), key=private)
    (tmp_path / "ada").mkdir()
    ada = Kubectl(tmp_path / "ada", secured.url, credentials=credentials)
    assert "ada" in await ada("auth", "whoami")


async def test_pods_find_the_authority_of_the_cluster(admin: Kubectl, secured: LocalCluster):
    async with asyncio.timeout(30):
        while (found := await admin.run("get", "configmap", "kube-root-ca.crt", "-o", "json")).code:
            pass
    assert json.loads(found.out)["data"]["ca.crt"].encode() == secured.credentials.ca


async def test_a_token_of_a_file_does_as_well(tmp_path):
    tokens = tmp_path / "tokens.csv"
    tokens.write_text("s3cret,ada,7,system:masters\n")
    access = AccessConfig(tls=True, token_auth_file=str(tokens), authorization_modes=("RBAC",))
    async with LocalCluster(nodes=0, controllers=None, scheduler=None, access=access) as cluster:
        nobody = Kubectl(tmp_path, cluster.url, credentials=Credentials(ca=cluster.credentials.ca))
        assert (await nobody.run("get", "pods")).code == 1
        assert "No resources" in (await nobody.run("get", "pods", "--token", "s3cret")).err
        assert (await nobody.run("get", "pods", "--token", "guessed")).err.startswith("error: You must be logged in")
