"""Who the API server is, and what an administrator shows to it: bytes alone, so that plain HTTP loads no cryptography."""

from __future__ import annotations

from typing import NamedTuple

ADMIN_NAME, ADMIN_GROUPS = "kubernetes-admin", ("system:masters",)


class Credentials(NamedTuple):
    """What an administrator's kubeconfig holds, PEM. Empty fields: it needs none. Never shown."""

    ca: bytes = b""
    token: str = ""
    certificate: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        return "Credentials(…)"


class Identity(NamedTuple):
    """ca: who vouches for the server, for clients; client_ca: whose client certificates count.

    authority, authority_key: what can sign; empty where certificates of files are used. admin: an administrator's certificate.
    """

    ca: bytes
    client_ca: bytes
    authority: bytes = b""
    authority_key: bytes = b""
    admin: bytes = b""
    admin_key: bytes = b""

    def __repr__(self) -> str:
        return "Identity(…)"
