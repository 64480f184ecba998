"""Access control, put together from the configuration: who is believed, what they may do, and what our own kubeconfig says.

    check_access    what cannot be meant is refused before anything is started
    Access          tokens, certificates, roles → the gate of the pipeline, and the admission that goes with it
"""

from __future__ import annotations

import ipaddress
import secrets
from pathlib import Path
from typing import Any

from apiserver.admission import Plugin, certificates, role_escalation
from apiserver.auth import (
    ALWAYS_ALLOW,
    Authenticator,
    Authorizer,
    Decision,
    FrontProxies,
    Gate,
    ProxyHeaders,
    Rules,
    ServiceAccountTokens,
    SigningKeys,
    User,
    load_token_file,
    make_key_file,
)
from apiserver.auth import Access as AskedAccess
from apiserver.config import AccessConfig
from apiserver.registry import Registry
from apiserver.server.authentication_trust import publish_trust
from apiserver.server.identity import ADMIN_GROUPS, ADMIN_NAME, Credentials, Identity
from apiserver.server.rbac_bootstrap import bootstrap_rbac
from apiserver.server.roles import RoleFeed
from apiserver.storage import find_one
from kvcluster.client import Client

MODES = ("AlwaysAllow", "AlwaysDeny", "Node", "RBAC")
RBAC_GROUP = "rbac.authorization.k8s.io"

ALWAYS_DENY = Authorizer(
    allows=lambda access: False,
    decide=lambda access: Decision(False, "Everything is forbidden."),
    rules=lambda user, namespace: Rules([]),
)


def check_access(config: AccessConfig, host: str) -> None:
    """Raises ValueError for what cannot be meant."""
    unknown = [mode for mode in config.authorization_modes if mode not in MODES]
    if unknown or not config.authorization_modes:
        raise ValueError(f"authorization mode {', '.join(unknown) or '(none)'}: expected some of {', '.join(MODES)}")
    if len(set(config.authorization_modes)) != len(config.authorization_modes):
        raise ValueError("authorization modes: each may be named once")
    if config.tls_private_key_file and not config.tls_cert_file:
        raise ValueError("a TLS private key file goes with a TLS certificate file")
    if config.requestheader_client_ca_file and not config.serves_tls:
        raise ValueError("proxies in front of the API server show certificates, so it has to serve TLS")
    if not config.service_account_issuers or not all(config.service_account_issuers):
        raise ValueError("a service account issuer may not be empty")
    if not config.is_exposed and not is_loopback(host) and (config.is_open or not config.serves_tls):
        raise ValueError(
            f"on {host} everybody who reaches this machine could do everything, or read the credentials of those who "
            "may: serve TLS and authorize by RBAC (--tls --authorization-mode RBAC), or say --insecure"
        )


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Access:
    """Made before the registry's first request; `start` when its caches may be opened."""

    def __init__(self, config: AccessConfig, registry: Registry) -> None:
        """Raises OSError or ValueError for files that cannot be used."""
        self._config = config
        self._registry = registry
        self._roles = RoleFeed(registry) if "RBAC" in config.authorization_modes else None
        self.authorizer = self._build_authorizer()
        self.admin_token = "" if config.is_open else secrets.token_urlsafe(32)
        tokens = load_token_file(config.token_auth_file) if config.token_auth_file else {}
        if self.admin_token:
            tokens[self.admin_token] = User(ADMIN_NAME, "", ADMIN_GROUPS)
        audiences = config.api_audiences or config.service_account_issuers[:1]
        accounts = ServiceAccountTokens(
            SigningKeys(*self._key_files()),
            config.service_account_issuers,
            audiences,
            registry.clock.now_s,
            max_seconds=config.service_account_max_token_expiration_s,
            extends=config.service_account_extend_token_expiration,
        )
        anonymous = config.anonymous_auth
        if anonymous is None or self.authorizer is ALWAYS_ALLOW:
            anonymous = self.authorizer is not ALWAYS_ALLOW  # who may do everything has to say who it is
        self._proxies = self._build_proxies()
        authenticator = Authenticator(
            tokens, accounts, self._lookup, anonymous=anonymous, is_open=config.is_open, proxies=self._proxies
        )
        self.gate = Gate(authenticator, self.authorizer, accounts, config.is_open and not config.is_exposed)

    def _build_proxies(self) -> FrontProxies | None:
        config = self._config
        if not config.requestheader_client_ca_file:
            return None
        authority = Path(config.requestheader_client_ca_file).read_bytes()
        lowered = [
            tuple(name.lower() for name in names)
            for names in (
                config.requestheader_username_headers,
                config.requestheader_group_headers,
                config.requestheader_extra_headers_prefix,
                config.requestheader_uid_headers,
            )
        ]
        return FrontProxies(authority, config.requestheader_allowed_names, ProxyHeaders(*lowered))

    def _key_files(self) -> tuple[str, tuple[str, ...]]:
        """Named ones; else one in the certificate folder, made once; else none: a key that lives as long as the process."""
        config = self._config
        signing = config.service_account_signing_key_file
        if not signing and not config.service_account_key_files and config.cert_dir:
            folder = Path(config.cert_dir)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = folder / "sa.key"
            if not path.exists():
                make_key_file(path)
            signing = str(path)
        return signing, config.service_account_key_files

    def _build_authorizer(self) -> Authorizer:
        modes = self._config.authorization_modes
        if "AlwaysAllow" in modes:
            return ALWAYS_ALLOW
        if self._roles is None:
            return ALWAYS_DENY
        authorizer = self._roles.authorizer()
        if "Node" not in modes:
            return authorizer

        def rules(user: User, namespace: str) -> Rules:
            why = "node authorizer does not support user rule resolution"
            return authorizer.rules(user, namespace)._replace(is_incomplete=True, error=why)

        return authorizer._replace(rules=rules)

    async def _lookup(self, plural: str, namespace: str, name: str) -> dict[str, Any] | None:
        resource = self._registry.catalog.find("", "v1", plural)
        if resource is None:
            return None
        cache = await self._registry.cache(resource)
        # What is in the cache was there a moment ago at least; what is not may have been made since.
        stored = cache.find(namespace, name) or await find_one(cache, namespace, name)
        return None if stored is None else stored.obj

    def plugins(self) -> tuple[Plugin, ...]:
        """Admission that asks the authorizer."""
        requests = certificates.build_plugin(self._ask, self._registry.clock.now_s)
        if self._roles is None:
            return (requests,)
        return requests, role_escalation.build_plugin(self._ask, self._rules, self._find_role_rules)

    def _ask(self, access: AskedAccess) -> bool:
        return self.authorizer.allows(access)

    def _rules(self, user: User, namespace: str) -> Rules:
        return self.authorizer.rules(user, namespace)

    async def _find_role_rules(self, kind: str, namespace: str, name: str) -> list[dict[str, list[str]]] | None:
        """Of the store: a role that was made a moment ago counts."""
        plural = "clusterroles" if kind == "ClusterRole" else "roles"
        resource = self._registry.catalog.find(RBAC_GROUP, "v1", plural)
        if resource is None:
            return None
        stored = await self._registry.store(resource).find("" if kind == "ClusterRole" else namespace, name)
        return None if stored is None else stored.obj.get("rules") or []

    async def bootstrap(self, kv: Client, client_ca: bytes) -> None:
        """What is to be there before anybody asks. client_ca: whose client certificates count, PEM.

        Raises what the store says.
        """
        if self._proxies is not None and client_ca:
            self._proxies.trust_clients(client_ca)
        if not self._config.is_open:
            await publish_trust(self._registry, client_ca, self._config)
        if self._roles is not None:
            await bootstrap_rbac(self._registry, kv)

    async def start(self) -> None:
        """When the watch caches may be opened. Raises what the store says."""
        if self._roles is not None:
            await self._roles.start()

    async def stop(self) -> None:
        if self._roles is not None:
            await self._roles.stop()

    def credentials(self, identity: Identity | None) -> Credentials:
        """For our own kubeconfig: a client certificate where we can issue one, else a token."""
        if identity is None:
            return Credentials(token=self.admin_token)
        if not identity.admin:
            return Credentials(identity.ca, self.admin_token)
        return Credentials(identity.ca, "", identity.admin, identity.admin_key)
