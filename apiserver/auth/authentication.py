"""Who is it: the ways to prove it, tried in a flat order.

    front proxy → client certificate → token file and tokens made at the start → service-account token → nobody

A credential that is shown and is not good ends in 401, also where anonymous requests are taken: only who shows nothing is
anonymous. An API server without any access control (`is_open`: plain HTTP on a loopback address, as tests and laptops use it)
takes everybody for `UNSECURED_USER`, whatever unknown token they show; service-account tokens are still checked.

A token is known by a look-up in a dictionary; nothing here logs one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from apiserver.auth.certificates import find_certificate_user
from apiserver.auth.front_proxy import FrontProxies
from apiserver.auth.service_account_tokens import InvalidTokenError, Lookup, ServiceAccountTokens
from apiserver.auth.user import ALL_AUTHENTICATED, ANONYMOUS_USER, MASTERS, User, with_authenticated
from apiserver.errors import unauthorized

UNSECURED_USER = User("system:unsecured", groups=(MASTERS, ALL_AUTHENTICATED))

MAX_CERTIFICATES = 1024
"""Certificates whose users are remembered; then all are forgotten and read again as they come."""

BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io."
"""A WebSocket client in a browser can send no header, so it names a protocol with its token."""

INVALID_BEARER = "invalid bearer token"


class TokenResult(NamedTuple):
    """What a TokenReview says: user None and why, or the user and the audiences that the token is for."""

    user: User | None
    audiences: tuple[str, ...] = ()
    error: str = ""


class Authenticator:
    """tokens: of a file and made at the start; accounts: None = there are no service-account tokens."""

    def __init__(
        self,
        tokens: Mapping[str, User],
        accounts: ServiceAccountTokens | None,
        lookup: Lookup,
        *,
        anonymous: bool = True,
        is_open: bool = False,
        proxies: FrontProxies | None = None,
    ) -> None:
        self._proxies = proxies
        self._tokens = {token: with_authenticated(user) for token, user in tokens.items()}
        self._accounts = accounts
        self._lookup = lookup
        self._anonymous = anonymous
        self._is_open = is_open
        self._certificates: dict[bytes, User | None] = {}

    def __repr__(self) -> str:
        return f"Authenticator({len(self._tokens)} tokens)"

    async def authenticate(self, headers: Mapping[str, str], certificate: bytes = b"") -> User:
        """headers with lower-case names; certificate: the client's, as DER, checked by TLS. Raises Unauthorized."""
        if certificate:
            user = self._find_shown(headers, certificate)
            if user is not None:
                return user
        token = find_bearer(headers)
        if token:
            user = self._tokens.get(token)
            if user is not None:
                return user
            return await self._authenticate_account(token)
        if self._is_open:
            return UNSECURED_USER
        if self._anonymous:
            return ANONYMOUS_USER
        raise unauthorized()

    def _find_shown(self, headers: Mapping[str, str], der: bytes) -> User | None:
        if self._proxies is not None:
            user = self._proxies.find_user(headers, der)
            if user is not None:
                return with_authenticated(user)
            if not self._proxies.is_clients(der):
                return None
        return self._find_certificate(der)

    def _find_certificate(self, der: bytes) -> User | None:
        if der in self._certificates:
            return self._certificates[der]
        try:
            user = find_certificate_user(der)
        except ValueError:
            user = None
        if len(self._certificates) >= MAX_CERTIFICATES:
            self._certificates.clear()
        found = self._certificates[der] = None if user is None else with_authenticated(user)
        return found

    async def _authenticate_account(self, token: str) -> User:
        if self._accounts is not None and self._accounts.is_ours(token):
            try:
                return (await self._accounts.verify(token, self._accounts.audiences, self._lookup)).user
            except InvalidTokenError:
                raise unauthorized() from None
        if self._is_open:
            return UNSECURED_USER
        raise unauthorized()

    async def review(self, token: str, audiences: Sequence[str] = ()) -> TokenResult:
        """Says of a token what `authenticate` would make of it. audiences: who wants to know; none = the API server."""
        own = self._accounts.audiences if self._accounts is not None else ()
        wanted = tuple(audiences) or own
        user = self._tokens.get(token)
        if user is not None:
            common = tuple(each for each in wanted if each in own)
            return TokenResult(user, common) if common or not wanted else TokenResult(None)
        if self._accounts is None or not self._accounts.is_ours(token):
            return TokenResult(None, error=INVALID_BEARER)
        try:
            verified = await self._accounts.verify(token, wanted, self._lookup)
        except InvalidTokenError as error:
            return TokenResult(None, error=f"[{INVALID_BEARER}, {error}]")
        return TokenResult(verified.user, verified.audiences)


def find_bearer(headers: Mapping[str, str]) -> str:
    """The bearer token of a request, "" where it shows none."""
    said = headers.get("authorization")
    if said:
        parts = said.split()
        return parts[1] if len(parts) >= 2 and parts[0].lower() == "bearer" else ""
    protocols = headers.get("sec-websocket-protocol")
    if not protocols or BEARER_PROTOCOL not in protocols:
        return ""
    return _decode_protocol(next(part for part in protocols.split(",") if BEARER_PROTOCOL in part))


def _decode_protocol(part: str) -> str:
    text = part.strip().removeprefix(BEARER_PROTOCOL)
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise unauthorized() from None
