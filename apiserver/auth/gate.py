"""Everything that decides over a request before anything is done for it, as one value that the pipeline is given."""

from __future__ import annotations

from typing import NamedTuple

from apiserver.auth.access import ALWAYS_ALLOW, Authorizer
from apiserver.auth.authentication import Authenticator
from apiserver.auth.service_account_tokens import Lookup, ServiceAccountTokens


class Gate(NamedTuple):
    """accounts: None = no tokens of service accounts are issued or believed. is_open: nobody has to prove anything."""

    authenticator: Authenticator
    authorizer: Authorizer
    accounts: ServiceAccountTokens | None = None
    is_open: bool = False

    @property
    def asks(self) -> bool:
        """Whether the authorizer has to be asked at all."""
        return self.authorizer is not ALWAYS_ALLOW


async def _nothing(plural: str, namespace: str, name: str) -> None:
    return None


def open_gate(lookup: Lookup = _nothing) -> Gate:
    """Everybody may do everything: a server for one user, on a loopback address."""
    return Gate(Authenticator({}, None, lookup, is_open=True), ALWAYS_ALLOW)
