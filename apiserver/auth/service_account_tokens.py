"""Tokens of service accounts: JSON Web Tokens that say which account they are for, and which object they die with.

    issue     claims ─sign─▶ token
    verify    token ─signature, issuer, time, audience─▶ claims ─is what they name still there?─▶ User

The signature of a token is checked once and remembered; time, audience and the objects are looked at every time, so a token dies
with its pod, and at its hour. Tokens of secrets (the form before 1.24) are understood too.
Texts and claims: Kubernetes 1.36, pkg/serviceaccount.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from apiserver.auth.certificates import CREDENTIAL_ID
from apiserver.auth.signing_keys import SigningKeys
from apiserver.auth.user import User, service_account_user
from apiserver.meta import parse_time

Object = dict[str, Any]
Claims = dict[str, Any]

Lookup = Callable[[str, str, str], Awaitable[Object | None]]
"""lookup(plural, namespace, name): a core object as it is now."""

LEGACY_ISSUER = "kubernetes/serviceaccount"
LEGACY_PREFIX = "kubernetes.io/serviceaccount/"
DELETION_LEEWAY_S = 60.0
"""A token stays good for so long after the deletion of its object has begun."""
INVALIDATED = "service account token has been invalidated"

MAX_TOKEN_BYTES = 16 * 1024
MAX_REMEMBERED = 4096

MIN_SECONDS, MAX_SECONDS = 600, 1 << 32
DEFAULT_SECONDS = 3600
WARN_ONLY_SECONDS = 3607
"""What kubelets ask for: such a token lives for a year, and is warned about after this time."""
EXTENDED_SECONDS = 365 * 24 * 3600


# Time and audience are looked at every time, with our own clock; the signature once.
_SIGNATURE_ONLY: Any = {f"verify_{what}": False for what in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}


class InvalidTokenError(Exception):
    """A token that one of our issuers is said to have made, and that is not good. The text never shows it."""


class Verified(NamedTuple):
    user: User
    audiences: tuple[str, ...]


class ServiceAccountTokens:
    """issuers: the first one issues, all are believed. audiences: the API server's own."""

    def __init__(
        self,
        keys: SigningKeys,
        issuers: Sequence[str],
        audiences: Sequence[str],
        now_s: Callable[[], float],
        *,
        max_seconds: int = 0,
        extends: bool = True,
    ) -> None:
        self.keys = keys
        self.issuer = issuers[0]
        self.audiences = tuple(audiences)
        self.max_seconds = max_seconds
        self._issuers = frozenset(issuers)
        self._now_s = now_s
        self._extends = extends
        self._remembered: dict[str, Claims] = {}

    # ---- issue ----

    def issue(
        self,
        account: Object,
        audiences: Sequence[str],
        seconds: int,
        bound: tuple[str, Object] | None,
        node: Object | None,
        token_id: str,
    ) -> tuple[str, float]:
        """(token, when it expires as far as its owner is told). bound: ("pod" | "secret" | "node", the object)."""
        if self.max_seconds:
            seconds = min(seconds, self.max_seconds)
        now = int(self._now_s())
        about: Claims = {
            "namespace": account["metadata"]["namespace"],
            "serviceaccount": _reference(account),
        }
        if bound is not None:
            about[bound[0]] = _reference(bound[1])
        if node is not None:
            about["node"] = _reference(node)
        expires = now + seconds
        is_pods = bound is not None and bound[0] == "pod"
        if self._extends and is_pods and seconds == WARN_ONLY_SECONDS and set(audiences) <= set(self.audiences):
            about["warnafter"] = expires
            expires = now + EXTENDED_SECONDS
        name = account["metadata"]["name"]
        claims: Claims = {
            "aud": list(audiences),
            "exp": expires,
            "iat": now,
            "iss": self.issuer,
            "jti": token_id,
            "kubernetes.io": about,
            "nbf": now,
            "sub": f"system:serviceaccount:{about['namespace']}:{name}",
        }
        return self.keys.sign(claims), float(now + seconds)

    def issue_for_secret(self, account: Object, secret_name: str) -> str:
        """The token of a secret of type kubernetes.io/service-account-token: it has no end."""
        metadata = account["metadata"]
        return self.keys.sign(
            {
                "iss": LEGACY_ISSUER,
                f"{LEGACY_PREFIX}namespace": metadata["namespace"],
                f"{LEGACY_PREFIX}secret.name": secret_name,
                f"{LEGACY_PREFIX}service-account.name": metadata["name"],
                f"{LEGACY_PREFIX}service-account.uid": metadata["uid"],
                "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
            }
        )

    # ---- verify ----

    def is_ours(self, token: str) -> bool:
        """Whether the token says that it is of one of our issuers. Believes nothing else of it."""
        if token in self._remembered:
            return True
        if len(token) > MAX_TOKEN_BYTES or token.count(".") != 2:
            return False
        import jwt

        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, RecursionError, ValueError):
            return False
        issuer = claims.get("iss")
        return isinstance(issuer, str) and (issuer == LEGACY_ISSUER or issuer in self._issuers)

    async def verify(self, token: str, audiences: Sequence[str], lookup: Lookup) -> Verified:
        """Raises InvalidTokenError. Call it for tokens that `is_ours` knows."""
        claims = self._remembered.get(token)
        if claims is None:
            claims = self._check_signature(token)
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[token] = claims
        if claims["iss"] == LEGACY_ISSUER:
            common = tuple(each for each in audiences if each in self.audiences)
            return Verified(await self._check_legacy(token, claims, lookup), common)
        now = self._now_s()
        if claims.get("exp", 0) < now:
            raise InvalidTokenError("service account token has expired")
        if claims.get("nbf", 0) > now + 1:
            raise InvalidTokenError("service account token is not valid yet")
        said = _audiences_of(claims)
        common = tuple(each for each in audiences if each in said)
        if not common:
            raise InvalidTokenError(
                f"token audiences {_listed(said)} is invalid for the target audiences {_listed(audiences)}"
            )
        return Verified(await self._check_objects(claims, lookup), common)

    def _check_signature(self, token: str) -> Claims:
        import jwt

        if self.keys.is_untouched:
            raise InvalidTokenError("invalid signature")
        try:
            wanted = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, RecursionError, ValueError):
            raise InvalidTokenError("invalid token header") from None
        keys = [key for key in self.keys.public if not wanted or key.id == wanted] or self.keys.public
        for key in keys:
            try:
                claims: Claims = jwt.decode(
                    token,
                    key.key,
                    algorithms=[key.algorithm],
                    options=_SIGNATURE_ONLY,
                )
                return claims
            except (jwt.PyJWTError, RecursionError, ValueError):
                continue
        raise InvalidTokenError("invalid signature")

    async def _check_objects(self, claims: Claims, lookup: Lookup) -> User:
        about = claims.get("kubernetes.io")
        about = about if isinstance(about, dict) else {}
        namespace, account = str(about.get("namespace", "")), about.get("serviceaccount") or {}
        name, uid = str(account.get("name", "")), str(account.get("uid", ""))
        if not namespace or not name or claims.get("sub") != f"system:serviceaccount:{namespace}:{name}":
            raise InvalidTokenError("service account token has no valid subject")
        await self._check_account(namespace, name, uid, lookup)
        for field, plural in (("secret", "secrets"), ("pod", "pods")):
            if field in about:
                await self._check_bound(field, plural, namespace, about[field], lookup)
        extra: dict[str, tuple[str, ...]] = {}
        if claims.get("jti"):
            extra[CREDENTIAL_ID] = (f"JTI={claims['jti']}",)
        if "pod" in about:
            extra.update(_extra("pod", about["pod"]))
        if "node" in about:
            if "pod" not in about:
                await self._check_bound("node", "nodes", "", about["node"], lookup)
            extra.update(_extra("node", about["node"]))
        return service_account_user(namespace, name, uid, extra)

    async def _check_account(self, namespace: str, name: str, uid: str, lookup: Lookup) -> None:
        found = await lookup("serviceaccounts", namespace, name)
        if found is None:
            raise InvalidTokenError(f'serviceaccounts "{name}" not found')
        if self._is_deleted(found):
            raise InvalidTokenError(f"service account {namespace}/{name} has been deleted")
        there = found["metadata"].get("uid", "")
        if there != uid:
            raise InvalidTokenError(f"service account UID ({there}) does not match claim ({uid})")

    async def _check_bound(self, field: str, plural: str, namespace: str, reference: Object, lookup: Lookup) -> None:
        found = await lookup(plural, namespace, str(reference.get("name", "")))
        if found is None or self._is_deleted(found):
            raise InvalidTokenError(INVALIDATED)
        there, said = found["metadata"].get("uid", ""), reference.get("uid", "")
        if there != said:
            raise InvalidTokenError(f"{field} UID ({there}) does not match service account {field} ref claim ({said})")

    async def _check_legacy(self, token: str, claims: Claims, lookup: Lookup) -> User:
        namespace, name, uid, secret_name = (
            str(claims.get(LEGACY_PREFIX + field, ""))
            for field in ("namespace", "service-account.name", "service-account.uid", "secret.name")
        )
        if not namespace or not name or not uid or not secret_name:
            raise InvalidTokenError("service account token has no valid subject")
        secret = await lookup("secrets", namespace, secret_name)
        if secret is None or self._is_deleted(secret) or not _holds(secret, token):
            raise InvalidTokenError(INVALIDATED)
        await self._check_account(namespace, name, uid, lookup)
        return service_account_user(namespace, name, uid)

    def _is_deleted(self, obj: Object) -> bool:
        at = obj["metadata"].get("deletionTimestamp")
        return bool(at) and parse_time(at) + DELETION_LEEWAY_S < self._now_s()


def _reference(obj: Object) -> Object:
    metadata = obj["metadata"]
    return {"name": metadata["name"], "uid": metadata.get("uid", "")}


def _extra(field: str, reference: Object) -> dict[str, tuple[str, ...]]:
    prefix = f"authentication.kubernetes.io/{field}"
    said = {f"{prefix}-name": reference.get("name"), f"{prefix}-uid": reference.get("uid")}
    return {key: (str(value),) for key, value in said.items() if value}


def _audiences_of(claims: Claims) -> list[str]:
    said = claims.get("aud") or []
    return [said] if isinstance(said, str) else [str(each) for each in said]


def _listed(texts: Sequence[str]) -> str:
    return "[" + " ".join(f'"{text}"' for text in texts) + "]"


def _holds(secret: Object, token: str) -> bool:
    held = (secret.get("data") or {}).get("token", "")
    return hmac.compare_digest(held.encode(), base64.b64encode(token.encode()))
