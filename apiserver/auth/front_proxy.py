"""A proxy in front of the API server says who asks: X-Remote-User, X-Remote-Group, X-Remote-Extra-*, X-Remote-Uid.

It is believed for the certificate that it shows: one that the proxies' authority signed itself, of an allowed name. TLS takes
certificates of both authorities, so here is told apart whose they are: a client's own is one that the clients' authority signed
itself. Everything else, also what some authority between them signed, is nobody's.
Headers that came several times are one value, with newlines. Source: Kubernetes' documentation of the authenticating proxy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from apiserver.auth.user import User

MAX_CERTIFICATES = 1024
"""Certificates that are remembered; then all are forgotten and checked again as they come."""


class ProxyHeaders(NamedTuple):
    """Names in lower case, tried in order; extra: prefixes."""

    user: tuple[str, ...] = ("x-remote-user",)
    group: tuple[str, ...] = ("x-remote-group",)
    extra: tuple[str, ...] = ("x-remote-extra-",)
    uid: tuple[str, ...] = ("x-remote-uid",)


class _Shown(NamedTuple):
    """A certificate, looked at once."""

    is_proxys: bool
    is_clients: bool
    common_name: str


class FrontProxies:
    """authority: certificates, PEM. allowed_names: Common Names of proxies; none = every one."""

    def __init__(
        self,
        authority: bytes,
        allowed_names: Sequence[str] = (),
        headers: ProxyHeaders = ProxyHeaders(),  # noqa: B008 - immutable
    ) -> None:
        """Raises ValueError for what is no certificate."""
        from cryptography import x509

        self._authorities = x509.load_pem_x509_certificates(authority)
        self._client_authorities: list[Any] = []
        self._allowed = frozenset(allowed_names)
        self._headers = headers
        self._known: dict[bytes, _Shown] = {}

    def trust_clients(self, authority: bytes) -> None:
        """Whose client certificates count, PEM; until then none do. Raises ValueError."""
        from cryptography import x509

        self._client_authorities = x509.load_pem_x509_certificates(authority)
        self._known.clear()

    def _look_at(self, der: bytes) -> _Shown:
        known = self._known.get(der)
        if known is None:
            if len(self._known) >= MAX_CERTIFICATES:
                self._known.clear()
            known = self._known[der] = _examine(der, self._authorities, self._client_authorities)
        return known

    def is_clients(self, der: bytes) -> bool:
        """Whether the certificate is a client's own."""
        return self._look_at(der).is_clients

    def find_user(self, headers: Mapping[str, str], der: bytes) -> User | None:
        """Whom the proxy speaks for; None where it names nobody, or is not one of ours."""
        name = next((headers[header] for header in self._headers.user if headers.get(header)), "")
        if not name:
            return None
        shown = self._look_at(der)
        if not shown.is_proxys or (self._allowed and shown.common_name not in self._allowed):
            return None
        groups = [group for header in self._headers.group for group in headers.get(header, "").split("\n") if group]
        uid = next((headers[header] for header in self._headers.uid if headers.get(header)), "")
        extra: dict[str, tuple[str, ...]] = {}
        for prefix in self._headers.extra:
            for header, value in headers.items():
                if header.startswith(prefix) and len(header) > len(prefix):
                    key = unquote(header[len(prefix) :]).lower()
                    extra[key] = (*extra.get(key, ()), *value.split("\n"))
        return User(name.partition("\n")[0], uid, tuple(groups), extra)


def _examine(der: bytes, proxies: Sequence[Any], clients: Sequence[Any]) -> _Shown:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        certificate = x509.load_der_x509_certificate(der)
        names = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except ValueError:
        return _Shown(False, False, "")
    return _Shown(_is_of(certificate, proxies), _is_of(certificate, clients), names[-1] if names else "")


def _is_of(certificate: Any, authorities: Sequence[Any]) -> bool:
    from cryptography.exceptions import InvalidSignature

    for authority in authorities:
        try:
            certificate.verify_directly_issued_by(authority)
            return True
        except (ValueError, TypeError, InvalidSignature):
            continue
    return False
