"""Who asks, and may they: what services ask where authentication is on (member.auth.is_enabled), and only there.

    a token (metadata "token", or "authorization")      its user, at the revision that it was given out at
    no token, but a client certificate with its name    the user of that name (--client-cert-auth; not through the gateway)
    neither                                             nobody

Changes carry the answer into the log, where it counts (kvcluster/apply/auth.py); reads and what is this member's own are
checked here. A simple token may be known to another member and not yet to this one: it is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvcluster.auth import NOBODY, SYSTEM, Identity
from kvcluster.errors import EtcdError, InvalidAuthTokenError
from kvcluster.member import Applied, Member
from kvcluster.rpc.status import status_of
from kvcluster.rpc.tokens import Tokens
from kvcluster.wire import ServiceCall

GATEWAY_MARK = "grpcgateway-accept"


def token_of(call: ServiceCall) -> str | None:
    metadata = call.metadata
    token = metadata.get("token")
    if token is None:
        token = metadata.get("authorization")
        token = None if token is None else _text(token).removeprefix("Bearer ")
    return None if token is None else _text(token)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


class Access:
    """One member's. use_common_name: a client certificate's name is its user (etcd: --client-cert-auth); trusts_callers: who
    says no name is the server itself."""

    __slots__ = ("auth", "_member", "_tokens", "_use_common_name", "_unnamed")

    def __init__(
        self, member: Member, tokens: Tokens, *, use_common_name: bool = False, trusts_callers: bool = False
    ) -> None:
        self.auth = member.auth
        self._member = member
        self._tokens = tokens
        self._use_common_name = use_common_name
        self._unnamed = SYSTEM if trusts_callers else NOBODY

    def who(self, call: ServiceCall) -> Identity:
        """Raises InvalidAuthTokenError."""
        token = token_of(call)
        if token is not None:
            found = self._tokens.find(token)
            if found is None:
                raise InvalidAuthTokenError
            return found
        if self._use_common_name and call.common_name and GATEWAY_MARK not in call.metadata:
            return Identity(call.common_name, self.auth.revision)
        return self._unnamed

    def resolve(self, call: ServiceCall, then: Callable[[Identity], object]) -> None:
        """then(who), now or as soon as this member can know; or the call fails."""
        token = token_of(call)
        if token is not None and self._tokens.must_wait_for(token):
            self._member.read_barrier(lambda error: self._resolve(call, then, error))
        else:
            self._resolve(call, then, None)

    def _resolve(self, call: ServiceCall, then: Callable[[Identity], object], error: EtcdError | None) -> None:
        try:
            if error is not None:
                raise error
            who = self.who(call) if self.auth.is_enabled else NOBODY
        except EtcdError as refusal:
            call.fail(*status_of(refusal))
            return
        then(who)

    def propose(
        self, call: ServiceCall, op: int, payload: bytes, done: Callable[[Applied], object], parsed: Any = None
    ) -> None:
        """Member.propose in the name of whoever calls."""
        if self.auth.is_enabled:
            self.resolve(call, lambda who: self._member.propose(op, payload, done, parsed, who))
        else:
            self._member.propose(op, payload, done, parsed)

    def check(self, call: ServiceCall, check: Callable[[Identity], None], then: Callable[[], object]) -> None:
        """then(), if `check` of who calls does not raise; else the call fails with what it raised."""

        def checked(who: Identity) -> None:
            try:
                check(who)
            except EtcdError as error:
                call.fail(*status_of(error))
                return
            then()

        self.resolve(call, checked)

    def guard(self, check: Callable[[Access, Identity], None], handler: Callable[..., None]) -> Callable[..., None]:
        """A unary handler that runs only for those whom `check` lets."""

        def guarded(call: ServiceCall, payload: bytes) -> None:
            if self.auth.is_enabled:
                self.check(call, lambda who: check(self, who), lambda: handler(call, payload))
            else:
                handler(call, payload)

        return guarded


def need_user(access: Access, who: Identity) -> None:
    access.auth.check_authenticated(who)


def need_admin(access: Access, who: Identity) -> None:
    access.auth.check_admin(who)
