"""Tokens of files, of service accounts, and certificates: who they are of, and when they are good no longer."""

from __future__ import annotations

import asyncio
import base64
import datetime

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from apiserver.auth import (
    ANONYMOUS_USER,
    Authenticator,
    ServiceAccountTokens,
    SigningKeys,
    TokenFileError,
    User,
    find_certificate_user,
    parse_tokens,
)
from apiserver.auth.authentication import UNSECURED_USER
from apiserver.auth.signing_keys import make_key_file
from apiserver.errors import StatusError

ISSUER = "https://kubernetes.default.svc"
ACCOUNT = {"metadata": {"name": "bot", "namespace": "shop", "uid": "u-1"}}
POD = {"metadata": {"name": "p", "namespace": "shop", "uid": "p-1"}, "spec": {"serviceAccountName": "bot"}}
NODE = {"metadata": {"name": "n", "uid": "n-1"}}


class World:
    """A clock, and the objects that tokens are bound to."""

    def __init__(self, keys=None):
        self.now_s = 1_000_000.0
        self.objects = {("serviceaccounts", "shop", "bot"): ACCOUNT, ("pods", "shop", "p"): POD}
        self.tokens = ServiceAccountTokens(keys or SigningKeys(), [ISSUER], [ISSUER], lambda: self.now_s)
        self.authenticator = Authenticator({"s3cret": User("ada", "1", ("dev",))}, self.tokens, self.lookup)

    async def lookup(self, plural, namespace, name):
        return self.objects.get((plural, namespace, name))

    def issue(self, seconds=3600, bound=None, node=None, audiences=(ISSUER,)):
        return self.tokens.issue(ACCOUNT, audiences, seconds, bound, node, "id-1")[0]

    def ask(self, token):
        return asyncio.run(self.authenticator.authenticate({"authorization": f"Bearer {token}"}))

    def review(self, token, audiences=()):
        return asyncio.run(self.authenticator.review(token, audiences))


# ---- token files ----


def test_a_token_file_names_user_uid_and_groups():
    tokens = parse_tokens('abc,ada,7,"dev,ops"\n\nxyz,bob,8\n,nobody,9\n')
    assert tokens == {"abc": User("ada", "7", ("dev", "ops")), "xyz": User("bob", "8", ())}


def test_a_token_file_with_too_few_columns_is_refused_without_showing_the_token():
    with pytest.raises(TokenFileError) as caught:
        parse_tokens("s3cret,ada\n", "f.csv")
    assert "at least 3 columns" in str(caught.value) and "s3cret" not in str(caught.value)


# ---- who shows what ----


def test_a_known_token_is_its_user_and_nothing_is_anonymous():
    world = World()
    assert world.ask("s3cret") == User("ada", "1", ("dev", "system:authenticated"))
    assert asyncio.run(world.authenticator.authenticate({})) is ANONYMOUS_USER


def forged(payload, header='{"alg":"ES256"}'):
    """A token of these texts, with a signature of nothing."""
    return ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in (header, payload, "x"))


@pytest.mark.parametrize(
    "shown",
    ["nope", "a.b.c", "é.x.y", "." * 20_000, forged("[" * 11_000), forged('{"iss":["a"]}'), forged('{"iss":{}}'),
     forged(f'{{"iss":"{ISSUER}"}}', '{"alg":5,"kid":[]}'), forged(f'{{"iss":"{ISSUER}"}}', "[" * 5000)],
    ids=range(9),
)  # fmt: skip
def test_a_token_that_is_not_good_is_401_also_where_anonymous_requests_are_taken(shown):
    with pytest.raises(StatusError) as caught:
        World().ask(shown)
    assert (caught.value.code, caught.value.message, caught.value.reason) == (401, "Unauthorized", "Unauthorized")


def test_without_anonymous_requests_nothing_is_401():
    strict = Authenticator({}, None, World().lookup, anonymous=False)
    with pytest.raises(StatusError) as caught:
        asyncio.run(strict.authenticate({"authorization": "Basic YTpi"}))
    assert caught.value.code == 401


def test_an_open_server_takes_everybody_for_the_same():
    opened = Authenticator({}, None, World().lookup, is_open=True)
    assert asyncio.run(opened.authenticate({})) == UNSECURED_USER
    assert asyncio.run(opened.authenticate({"authorization": "Bearer whatever"})) == UNSECURED_USER


def test_a_browser_says_its_token_as_a_protocol():
    headers = {"sec-websocket-protocol": "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.czNjcmV0"}
    assert asyncio.run(World().authenticator.authenticate(headers)).name == "ada"


# ---- service accounts ----


def test_a_service_account_token_is_its_account_with_its_pod_and_node():
    world = World()
    user = world.ask(world.issue(bound=("pod", POD), node=NODE))
    assert user.name == "system:serviceaccount:shop:bot"
    assert user.uid == "u-1"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated")
    assert user.extra == {
        "authentication.kubernetes.io/credential-id": ("JTI=id-1",),
        "authentication.kubernetes.io/pod-name": ("p",),
        "authentication.kubernetes.io/pod-uid": ("p-1",),
        "authentication.kubernetes.io/node-name": ("n",),
        "authentication.kubernetes.io/node-uid": ("n-1",),
    }


def test_the_claims_of_a_token_are_those_of_kubernetes():
    world = World()
    claims = jwt.decode(world.issue(600, bound=("pod", POD)), options={"verify_signature": False})
    assert claims == {
        "aud": [ISSUER],
        "exp": 1_000_600,
        "iat": 1_000_000,
        "iss": ISSUER,
        "jti": "id-1",
        "kubernetes.io": {
            "namespace": "shop",
            "pod": {"name": "p", "uid": "p-1"},
            "serviceaccount": {"name": "bot", "uid": "u-1"},
        },
        "nbf": 1_000_000,
        "sub": "system:serviceaccount:shop:bot",
    }


def test_the_token_of_a_kubelet_lives_on_and_is_warned_about():
    world = World()
    token, expires_s = world.tokens.issue(ACCOUNT, [ISSUER], 3607, ("pod", POD), None, "id")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert expires_s == 1_003_607
    assert claims["exp"] == 1_000_000 + 365 * 24 * 3600
    assert claims["kubernetes.io"]["warnafter"] == 1_003_607


def refused(world, token, audiences=()):
    result = world.review(token, audiences)
    assert result.user is None
    return result.error


def test_a_token_dies_with_its_time_its_account_and_its_pod():
    world = World()
    token = world.issue(bound=("pod", POD))
    assert world.review(token).user is not None
    world.now_s += 3601
    assert refused(world, token) == "[invalid bearer token, service account token has expired]"
    world.now_s -= 3601
    world.objects["pods", "shop", "p"] = {"metadata": {**POD["metadata"], "uid": "p-2"}}
    why = "pod UID (p-2) does not match service account pod ref claim (p-1)"
    assert refused(world, token) == f"[invalid bearer token, {why}]"
    del world.objects["pods", "shop", "p"]
    assert refused(world, token) == "[invalid bearer token, service account token has been invalidated]"
    world.objects["serviceaccounts", "shop", "bot"] = {"metadata": {**ACCOUNT["metadata"], "uid": "u-2"}}
    assert refused(world, token) == "[invalid bearer token, service account UID (u-2) does not match claim (u-1)]"
    del world.objects["serviceaccounts", "shop", "bot"]
    assert refused(world, token) == '[invalid bearer token, serviceaccounts "bot" not found]'
    with pytest.raises(StatusError):
        world.ask(token)


def test_a_pod_that_is_going_keeps_its_token_for_a_minute():
    world = World()
    token = world.issue(bound=("pod", POD))
    going = {"metadata": {**POD["metadata"], "deletionTimestamp": "1970-01-12T13:46:40Z"}}  # now
    world.objects["pods", "shop", "p"] = going
    assert world.review(token).user is not None
    world.now_s += 61
    assert refused(world, token) == "[invalid bearer token, service account token has been invalidated]"


def test_a_token_is_good_for_its_audience_only():
    world = World()
    token = world.issue(audiences=["vault"])
    with pytest.raises(StatusError):
        world.ask(token)
    assert world.review(token, ["vault", "other"]).audiences == ("vault",)
    why = f'token audiences ["vault"] is invalid for the target audiences ["{ISSUER}"]'
    assert refused(world, token) == f"[invalid bearer token, {why}]"


def test_a_token_of_another_key_is_refused():
    world, stranger = World(), World()
    world.issue()
    assert refused(world, stranger.issue()) == "[invalid bearer token, invalid signature]"
    unsigned = jwt.encode({"iss": ISSUER}, None, algorithm="none")
    assert refused(world, unsigned) == "[invalid bearer token, invalid signature]"


def test_the_token_of_a_secret_lives_as_long_as_the_secret():
    world = World()
    token = world.tokens.issue_for_secret(ACCOUNT, "bot-token")
    assert refused(world, token) == "[invalid bearer token, service account token has been invalidated]"
    held = {"metadata": {"name": "bot-token"}, "data": {"token": base64.b64encode(token.encode()).decode()}}
    world.objects["secrets", "shop", "bot-token"] = held
    assert world.ask(token).name == "system:serviceaccount:shop:bot"


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
def test_keys_come_from_files_and_are_published_as_jwks(tmp_path, kind):
    curves = {"p256": ec.SECP256R1, "p384": ec.SECP384R1}
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(curves[kind]())
    pem = serialization.Encoding.PEM
    private = tmp_path / "sa.key"
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    world = World(SigningKeys(str(private), [str(private)]))
    token = world.issue()
    published = world.tokens.keys.public[0].jwk()
    assert jwt.get_unverified_header(token) == {"alg": published["alg"], "kid": published["kid"]}
    checked = jwt.decode(
        token, jwt.PyJWK(published).key, [published["alg"]], audience=ISSUER, options={"verify_exp": False}
    )
    assert checked["sub"] == "system:serviceaccount:shop:bot"

    public = tmp_path / "sa.pub"
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    checker = World(SigningKeys("", [str(public)]))
    assert not checker.tokens.keys.can_sign
    assert checker.ask(token).name == "system:serviceaccount:shop:bot"


def test_a_key_file_that_is_made_is_for_its_owner_alone(tmp_path):
    make_key_file(tmp_path / "sa.key")
    assert (tmp_path / "sa.key").stat().st_mode & 0o777 == 0o600
    assert SigningKeys(str(tmp_path / "sa.key")).can_sign


# ---- certificates ----


def certificate(*attributes):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_a_certificate_says_user_groups_and_uid():
    uid = x509.ObjectIdentifier("1.3.6.1.4.1.57683.2")
    der = certificate((NameOID.COMMON_NAME, "ada"), (NameOID.ORGANIZATION_NAME, "dev"),
                      (NameOID.ORGANIZATION_NAME, "ops"), (uid, "u-7"))  # fmt: skip
    user = find_certificate_user(der)
    assert (user.name, user.uid, user.groups) == ("ada", "u-7", ("dev", "ops"))
    assert user.extra["authentication.kubernetes.io/credential-id"][0].startswith("X509SHA256=")
    shown = asyncio.run(World().authenticator.authenticate({}, der))
    assert shown.groups == ("dev", "ops", "system:authenticated")


def test_a_certificate_without_a_common_name_is_nobody():
    assert find_certificate_user(certificate((NameOID.ORGANIZATION_NAME, "dev"))) is None


def test_nothing_that_holds_tokens_shows_them():
    world = World()
    token = world.issue()
    for each in (world.authenticator, world.tokens, world.tokens.keys, world.ask(token)):
        assert token not in repr(each) and "s3cret" not in repr(each)
