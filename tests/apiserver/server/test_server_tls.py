"""An API server over TLS: who it is, who comes with a certificate or a token, and tokens of service accounts."""

from __future__ import annotations

import base64
import datetime
import ssl
import subprocess
import sys

import aiohttp
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apiserver.auth import ADMIN_USER, User
from apiserver.config import AccessConfig, ApiServerConfig
from apiserver.pki import Pair, covers, find_pair, issue_client, issue_serving, load_pair, make_authority, write_pair
from apiserver.server import ApiServer
from apiserver.server.access import check_access
from apiserver.server.tls import ServerTls
from tests.apiserver.server.conftest import ask, call

SECURE = AccessConfig(tls=True, authorization_modes=("RBAC",))
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
TOKENS = "/api/v1/namespaces/default/serviceaccounts/bot/token"


def trusting(ca: bytes, client: Pair | None = None, folder=None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca.decode())
    if client is not None:
        write_pair(folder, "client", client)
        context.load_cert_chain(folder / "client.crt", folder / "client.key")
    return context


async def whoami(server, **how):
    status, obj = await call(server, "POST", WHOAMI, {}, **how)
    return status, obj["status"]["userInfo"] if status == 201 else obj


@pytest.fixture
async def secure(start, tmp_path):
    return await start(SECURE._replace(cert_dir=str(tmp_path / "pki")))


async def test_the_administrator_comes_with_a_certificate(secure, tmp_path):
    credentials = secure.credentials
    assert secure.url.startswith("https://")
    context = trusting(credentials.ca, Pair(credentials.certificate, credentials.key), tmp_path)
    status, user = await whoami(secure, context=context)
    assert (status, user["username"]) == (201, "kubernetes-admin")
    assert user["groups"] == ["system:masters", "system:authenticated"]
    assert (await call(secure, "GET", "/api/v1/secrets", context=context))[0] == 200


async def test_a_certificate_says_who_and_the_roles_say_what(secure, tmp_path):
    authority = Pair((tmp_path / "pki/ca.crt").read_bytes(), (tmp_path / "pki/ca.key").read_bytes())
    context = trusting(authority.certificate, issue_client(authority, "ada", ["dev", "ops"]), tmp_path)
    status, user = await whoami(secure, context=context)
    assert (status, user["username"], user["groups"]) == (201, "ada", ["dev", "ops", "system:authenticated"])
    assert (await call(secure, "GET", "/api/v1/secrets", context=context))[0] == 403


async def test_who_shows_nothing_sees_what_is_public(secure):
    context = trusting(secure.credentials.ca)
    assert (await call(secure, "GET", "/readyz", context=context)) == (200, "ok")
    status, obj = await call(secure, "GET", "/api/v1/pods", context=context)
    assert (status, obj["reason"]) == (403, "Forbidden")


async def test_a_bad_token_is_401_with_a_status(secure):
    status, obj = await call(secure, "GET", "/readyz", context=trusting(secure.credentials.ca), token="nope")
    assert status == 401
    assert obj == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "Unauthorized",
        "reason": "Unauthorized", "code": 401,
    }  # fmt: skip


async def test_a_certificate_of_a_stranger_ends_the_handshake(secure, tmp_path):
    context = trusting(secure.credentials.ca, issue_client(make_authority(), "root", ["system:masters"]), tmp_path)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await call(secure, "GET", "/readyz", context=context)


async def test_the_serving_certificate_has_the_names_of_the_cluster(secure, tmp_path):
    names = ("kubernetes.default.svc", "localhost", "127.0.0.1", "10.96.0.1")
    assert covers(find_pair(tmp_path / "pki", "apiserver"), names)


async def test_what_was_made_is_kept_and_for_its_owner_alone(start, tmp_path):
    access = SECURE._replace(cert_dir=str(tmp_path / "pki"))
    first = await start(access)
    second = await start(access)
    assert first.credentials.ca == second.credentials.ca
    for name in ("ca.key", "apiserver.key", "sa.key"):
        assert (tmp_path / "pki" / name).stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in repr(first.credentials) + repr(first._identity)


async def test_a_certificate_of_files_is_read_again_when_it_changes(start, tmp_path):
    authority = make_authority()
    write_pair(tmp_path, "tls", issue_serving(authority, ["127.0.0.1"]))
    files = {"tls_cert_file": str(tmp_path / "tls.crt"), "tls_private_key_file": str(tmp_path / "tls.key")}
    tls = ServerTls(AccessConfig(**files), "127.0.0.1")
    assert tls.check_files() == ""
    (tmp_path / "tls.key").write_text("no key")
    assert "tls.crt" in tls.check_files()
    write_pair(tmp_path, "tls", issue_serving(authority, ["127.0.0.1", "late.example"]))
    assert tls.check_files() == ""


async def test_a_file_of_authorities_that_has_none_is_named(start, tmp_path):
    (tmp_path / "ca.crt").write_text("nonsense")
    with pytest.raises(OSError, match=r"ca\.crt: not certificates in PEM"):
        await start(AccessConfig(tls=True, client_ca_file=str(tmp_path / "ca.crt")))


async def test_token_files_and_impersonation_over_the_socket(start, tmp_path):
    tokens = tmp_path / "tokens.csv"
    tokens.write_text('s3cret,ada,7,"dev,ops"\nroot,root,0,system:masters\n')
    server = await start(AccessConfig(token_auth_file=str(tokens), authorization_modes=("RBAC",)))
    assert (await whoami(server, token="s3cret"))[1] == {
        "username": "ada", "uid": "7", "groups": ["dev", "ops", "system:authenticated"],
    }  # fmt: skip
    headers = [("Impersonate-User", "eve"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b"),
               ("Impersonate-Extra-Reason", "x"), ("Impersonate-Extra-Reason", "y")]  # fmt: skip
    assert (await whoami(server, token="root", headers=headers))[1] == {
        "username": "eve", "groups": ["a", "b", "system:authenticated"], "extra": {"reason": ["x", "y"]},
    }  # fmt: skip
    assert (await whoami(server, token="s3cret", headers=headers))[0] == 403


async def test_without_anonymous_requests_nobody_is_let_in(start):
    server = await start(AccessConfig(anonymous_auth=False))
    assert (await call(server, "GET", "/readyz"))[0] == 401
    assert (await call(server, "GET", "/readyz", token=server.credentials.token))[0] == 200


# ---- service accounts ----


@pytest.fixture
async def bot(secure):
    path = "/api/v1/namespaces/default/serviceaccounts"
    status, account = await ask(secure, ADMIN_USER, "POST", path, {"metadata": {"name": "bot"}})
    assert status == 201
    return account


def token_request(**spec):
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}


async def test_a_token_that_was_asked_for_is_its_account_until_that_is_gone(secure, bot):
    status, obj = await ask(secure, ADMIN_USER, "POST", TOKENS, token_request(expirationSeconds=600))
    assert status == 201
    assert obj["spec"] == {
        "audiences": ["https://kubernetes.default.svc"], "expirationSeconds": 600, "boundObjectRef": None,
    }  # fmt: skip
    assert list(obj["metadata"]) == ["name", "namespace", "uid", "creationTimestamp"]
    token = obj["status"]["token"]
    context = trusting(secure.credentials.ca)
    status, user = await whoami(secure, context=context, token=token)
    assert (user["username"], user["uid"]) == ("system:serviceaccount:default:bot", bot["metadata"]["uid"])
    assert user["groups"][:2] == ["system:serviceaccounts", "system:serviceaccounts:default"]
    review = {"spec": {"token": token}}
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    _, obj = await ask(secure, ADMIN_USER, "POST", path, review)
    assert obj["status"]["authenticated"] is True
    assert obj["status"]["audiences"] == ["https://kubernetes.default.svc"]
    await ask(secure, ADMIN_USER, "DELETE", "/api/v1/namespaces/default/serviceaccounts/bot")
    await secure.registry.list(secure.registry.catalog.find("", "v1", "serviceaccounts"))
    assert (await whoami(secure, context=context, token=token))[0] == 401
    _, obj = await ask(secure, ADMIN_USER, "POST", path, review)
    assert obj["status"] == {"user": {}, "error": '[invalid bearer token, serviceaccounts "bot" not found]'}


async def test_anybody_can_check_a_token_with_the_published_keys(secure, bot):
    _, obj = await ask(secure, ADMIN_USER, "POST", TOKENS, token_request(audiences=["vault"]))
    token = obj["status"]["token"]
    _, configuration = await ask(secure, ADMIN_USER, "GET", "/.well-known/openid-configuration")
    _, root = await ask(secure, ADMIN_USER, "GET", "/")
    assert {"/.well-known/openid-configuration", "/openid/v1/jwks"} <= set(root["paths"])
    assert configuration["issuer"] == "https://kubernetes.default.svc"
    assert configuration["jwks_uri"] == f"{secure.url}/openid/v1/jwks"
    _, keys = await ask(secure, ADMIN_USER, "GET", "/openid/v1/jwks")
    [key] = jwt.PyJWKSet.from_dict(keys).keys
    claims = jwt.decode(token, key.key, [key.algorithm_name], audience="vault", issuer=configuration["issuer"])
    assert claims["kubernetes.io"]["serviceaccount"]["name"] == "bot"


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        (
            {"expirationSeconds": 599},
            422,
            'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: may not '
            "specify a duration less than 10 minutes",
        ),
        (
            {"expirationSeconds": 2**32 + 1},
            422,
            'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 4294967297: may '
            "not specify a duration larger than 2^32 seconds",
        ),
        (
            {"boundObjectRef": {"kind": "Deployment", "apiVersion": "apps/v1", "name": "x"}},
            400,
            "cannot bind token to object of type apps/v1, Kind=Deployment",
        ),
        ({"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "x"}}, 404, 'secrets "x" not found'),
    ],
)
async def test_a_token_that_cannot_be_is_refused(secure, bot, spec, code, message):
    status, obj = await ask(secure, ADMIN_USER, "POST", TOKENS, token_request(**spec))
    assert (status, obj["message"]) == (code, message)


async def test_a_token_is_bound_to_the_very_object(secure, bot):
    secrets = "/api/v1/namespaces/default/secrets"
    _, secret = await ask(secure, ADMIN_USER, "POST", secrets, {"metadata": {"name": "s"}})
    reference = {"kind": "Secret", "apiVersion": "v1", "name": "s", "uid": "another"}
    status, obj = await ask(secure, ADMIN_USER, "POST", TOKENS, token_request(boundObjectRef=reference))
    assert (status, obj["reason"]) == (409, "Conflict")
    reference["uid"] = secret["metadata"]["uid"]
    status, obj = await ask(secure, ADMIN_USER, "POST", TOKENS, token_request(boundObjectRef=reference))
    assert status == 201
    await ask(secure, ADMIN_USER, "DELETE", f"{secrets}/s")
    await secure.registry.list(secure.registry.catalog.find("", "v1", "secrets"))
    assert (await whoami(secure, context=trusting(secure.credentials.ca), token=obj["status"]["token"]))[0] == 401


# ---- what cannot be meant ----


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_an_open_server_stays_on_the_loopback_address(host):
    with pytest.raises(ValueError, match="serve TLS"):
        check_access(AccessConfig(), host)
    with pytest.raises(ValueError, match="serve TLS"):
        check_access(AccessConfig(token_auth_file="t"), host)
    check_access(AccessConfig(is_exposed=True), host)
    check_access(SECURE, host)


@pytest.mark.parametrize(
    "config",
    [AccessConfig(authorization_modes=("Webhook",)), AccessConfig(authorization_modes=()),
     AccessConfig(authorization_modes=("RBAC", "RBAC")), AccessConfig(tls_private_key_file="x"),
     AccessConfig(service_account_issuers=())],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(config):
    with pytest.raises(ValueError):
        check_access(config, "127.0.0.1")


async def test_a_server_that_takes_everybody_still_checks_service_accounts(start):
    server = await start(AccessConfig())
    assert (await whoami(server, token="anything"))[1]["username"] == "system:unsecured"
    bad = base64.urlsafe_b64encode(b"{}").decode()
    made = jwt.encode({"iss": "https://kubernetes.default.svc", "sub": "x"}, "k" * 32, algorithm="HS256")
    assert (await whoami(server, token=made))[0] == 401
    assert (await whoami(server, token=f"{bad}.{bad}.x"))[0] == 201


def test_the_server_is_made_without_cryptography():
    code = "import sys, apiserver.server; assert 'cryptography' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_config_is_told_when_the_server_is_made():
    with pytest.raises(ValueError, match="serve TLS"):
        ApiServer(ApiServerConfig(host="0.0.0.0"), None)


async def test_others_learn_whose_certificates_count(secure):
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    status, obj = await ask(secure, User("system:kube-scheduler", groups=("system:authenticated",)), "GET", path)
    assert (status, obj["data"]["client-ca-file"].encode()) == (200, secure.credentials.ca)


async def test_no_log_shows_a_token(secure, bot, caplog):
    caplog.set_level("DEBUG")
    _, obj = await ask(secure, ADMIN_USER, "POST", TOKENS, token_request())
    token = obj["status"]["token"]
    context = trusting(secure.credentials.ca)
    for shown in (token, token[:-4] + "AAAA", "s3cret"):
        await call(secure, "GET", "/api/v1/pods", context=context, token=shown)
        assert shown not in caplog.text


# ---- proxies ----


def issue_authority(authority, name):
    """An authority that another one signed."""
    signer, key = load_pair(authority)
    own = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(signer.subject).public_key(own.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = serialization.Encoding.PEM
    private = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(builder.sign(key, hashes.SHA256()).public_bytes(pem), private)


async def test_a_proxy_says_who_asks_and_is_nobody_itself(start, tmp_path):
    proxies, clients = make_authority("front-proxy"), make_authority("clients")
    (tmp_path / "proxies.crt").write_bytes(proxies.certificate)
    (tmp_path / "clients.crt").write_bytes(clients.certificate)
    files = {"client_ca_file": str(tmp_path / "clients.crt"), "requestheader_client_ca_file": str(tmp_path / "proxies.crt")}
    server = await start(SECURE._replace(**files, requestheader_allowed_names=("front",)))
    headers = [("X-Remote-User", "ada"), ("X-Remote-Group", "dev"), ("X-Remote-Group", "ops"),
               ("X-Remote-Uid", "7"), ("X-Remote-Extra-Acme.com%2fproject", "x")]  # fmt: skip
    ca = server.credentials.ca
    front = trusting(ca, issue_client(proxies, "front"), tmp_path)
    assert (await whoami(server, context=front, headers=headers))[1] == {
        "username": "ada", "uid": "7", "groups": ["dev", "ops", "system:authenticated"],
        "extra": {"acme.com/project": ["x"]},
    }  # fmt: skip
    # Its certificate proves nothing by itself, whatever it says; and no other one's headers are believed.
    master = trusting(ca, issue_client(proxies, "front", ["system:masters"]), tmp_path)
    assert (await whoami(server, context=master))[0] == 403
    stranger = trusting(ca, issue_client(proxies, "other"), tmp_path)
    assert (await whoami(server, context=stranger, headers=headers))[0] == 403
    between = issue_authority(proxies, "between")
    chained = issue_client(between, "front", ["system:masters"])
    chained = Pair(chained.certificate + between.certificate, chained.key)
    chain = trusting(ca, chained, tmp_path)
    assert (await whoami(server, context=chain))[0] == 403
    assert (await whoami(server, context=chain, headers=headers))[0] == 403
    client = trusting(ca, issue_client(clients, "eve"), tmp_path)
    assert (await whoami(server, context=client, headers=headers))[1]["username"] == "eve"
    assert (await whoami(server, context=trusting(ca), headers=headers))[0] == 403
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    _, obj = await ask(server, ADMIN_USER, "GET", path)
    assert obj["data"]["requestheader-allowed-names"] == '["front"]'
    assert obj["data"]["requestheader-client-ca-file"].encode() == proxies.certificate
