"""The API server, put together: registry on a store, pipeline on a socket, bootstrap objects, compaction.

start: bind ─▶ access ─▶ bootstrap ─▶ serve          stop: watches end ─▶ sockets close ─▶ caches stop
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

from apiserver.admission import PLUGINS, without
from apiserver.auth import LOOPBACK_USER, User
from apiserver.config import ApiServerConfig
from apiserver.errors import service_unavailable
from apiserver.http import HttpServer, InFlight, Pipeline
from apiserver.kinds import Catalog, catalog
from apiserver.registry import Registry, ServiceRanges
from apiserver.server.access import Access, check_access
from apiserver.server.bootstrap import bootstrap
from apiserver.server.bootstrap_objects import Place
from apiserver.server.compactor import compact_regularly
from apiserver.server.custom_resources import CustomResources
from apiserver.server.identity import Credentials, Identity
from apiserver.server.in_process import InProcessTransport
from kvcluster.client import Client
from kvcluster.clock import Clock, SystemClock
from kvcluster.errors import KvClusterError

log = logging.getLogger(__name__)

SHUTDOWN_S = 0.5
STORE_CHECK_S = 2.0
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Who listens on all addresses is reached, from here, on this one."""
HANDSHAKE_S = 10.0
CERTIFICATE_CHECK_S = 10.0
"""How often it is looked whether the serving certificate was replaced."""


class ApiServer:
    """`kv` is the caller's, and is not closed here. Raises ValueError or OSError for a configuration that cannot be."""

    def __init__(
        self, config: ApiServerConfig, kv: Client, clock: Clock | None = None, *, kinds: Catalog = catalog
    ) -> None:
        self._config = config
        self._kv = kv
        self._catalog = kinds
        check_access(config.access, config.host)
        ranges = ServiceRanges(config.service_networks, config.node_ports)
        self._registry = Registry(kinds, kv, clock or SystemClock(), seed=config.seed, service_ranges=ranges)
        self._access = Access(config.access, self._registry)
        chain = (*PLUGINS, *self._access.plugins())
        self._registry.admit_with(without(chain, config.disabled_admission))
        self._identity: Identity | None = None
        self._signing: tuple[bytes, bytes] | None = None
        self._custom = CustomResources(self._registry, kinds)
        self._pipeline: Pipeline | None = None
        self._web: HttpServer | None = None
        self._listener: asyncio.Server | None = None
        self._compaction: asyncio.Task[None] | None = None
        self._certificates: asyncio.Task[None] | None = None
        self.url = ""

    @property
    def registry(self) -> Registry:
        """What the server serves; `registry.serve` changes it."""
        return self._registry

    async def start(self) -> None:
        """Raises OSError where the port is taken, StatusError and store errors where the store cannot be used."""
        config = self._config
        listening = _bind(config.host, config.port)
        try:
            host, port = listening.getsockname()[:2]
            place = self._place(host, port)
            tls = self._build_tls(place)
            scheme = "http" if tls is None else "https"
            self._pipeline = Pipeline(
                self._registry, f"{host}:{port}", self._is_store_up, self._access.gate, scheme=scheme,
                in_flight=InFlight(config.max_requests_in_flight, config.max_mutating_in_flight),
            )  # fmt: skip
            await bootstrap(self._catalog, self._registry, self._kv, place)
            await self._access.bootstrap(self._kv, b"" if self._identity is None else self._identity.client_ca)
            # Before anybody lists: a watch from a list's revision must find the cache there already.
            stored = [resource for resource in self._catalog.resources() if not resource.is_virtual]
            await asyncio.gather(*(self._registry.cache(resource) for resource in stored))
            await self._access.start()
            await self._custom.start()
            self._web = HttpServer(self._pipeline, is_secure=tls is not None)
            context = None if tls is None else tls.context
            self._listener = await asyncio.get_running_loop().create_server(
                self._web, sock=listening, ssl=context, ssl_handshake_timeout=None if context is None else HANDSHAKE_S
            )
        except BaseException:
            listening.close()
            await self.stop()
            raise
        reached = WILDCARDS.get(host, host)
        self.url = f"{scheme}://[{reached}]:{port}" if ":" in reached else f"{scheme}://{reached}:{port}"
        if tls is not None:
            self._certificates = asyncio.get_running_loop().create_task(
                self._check_certificates(tls), name="certificates"
            )
        if config.compaction_interval_s:
            self._compaction = asyncio.get_running_loop().create_task(
                compact_regularly(self._kv, config.compaction_interval_s), name="compaction"
            )

    def sign_account_token(self, account: dict[str, Any], secret_name: str) -> str:
        """The token of a secret of type kubernetes.io/service-account-token."""
        accounts = self._access.gate.accounts
        assert accounts is not None
        return accounts.issue_for_secret(account, secret_name)

    def signing(self) -> tuple[bytes, bytes]:
        """(certificate, private key) of the authority that signs certificate requests, PEM: the server's own; without TLS, one
        that is made when it is first asked for. Raises LookupError where the server uses certificates of files."""
        if self._signing is None:
            if self._config.access.serves_tls:
                if self._identity is None or not self._identity.authority:
                    raise LookupError("the API server has no authority of its own")
                self._signing = self._identity.authority, self._identity.authority_key
            else:
                from apiserver.pki import make_authority

                made = make_authority()
                self._signing = made.certificate, made.key
        return self._signing

    def _place(self, host: str, port: int) -> Place:
        reached = WILDCARDS.get(host, host)
        return Place(reached, port, self._config.access.serves_tls, self._config.service_networks)

    @property
    def credentials(self) -> Credentials:
        """For the administrator's kubeconfig; after the start."""
        return self._access.credentials(self._identity)

    def _build_tls(self, place: Place) -> Any:
        """None for plain HTTP, which loads no cryptography."""
        if not self._config.access.serves_tls:
            return None
        from apiserver.server.tls import ServerTls

        tls = ServerTls(self._config.access, self._config.host, place.service_address)
        self._identity = tls.identity
        return tls

    async def _check_certificates(self, tls: Any) -> None:
        while True:
            await asyncio.sleep(CERTIFICATE_CHECK_S)
            why = tls.check_files()
            if why:
                log.warning("the serving certificate was not read again: %s", why)

    async def _is_store_up(self) -> bool:
        try:
            async with asyncio.timeout(STORE_CHECK_S):
                await self._kv.get(b"/registry/health")
        except (KvClusterError, OSError, TimeoutError):
            return False
        return True

    def in_process_transport(self, user: User = LOOPBACK_USER) -> InProcessTransport:
        """For clients in this process; user: whom the server takes them for. Raises ServiceUnavailable before the start."""
        if self._pipeline is None:
            raise service_unavailable("the API server is not started")
        return InProcessTransport(self._pipeline, user)

    async def stop(self) -> None:
        """Watches end, connections close. Safe to call twice, and after a start that failed."""
        if self._compaction is not None:
            self._compaction.cancel()
            await asyncio.wait({self._compaction})
            self._compaction = None
        if self._certificates is not None:
            self._certificates.cancel()
            await asyncio.wait({self._certificates})
            self._certificates = None
        await self._access.stop()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._custom.stop()
        await self._registry.stop()
        if self._web is not None:
            await self._web.shutdown(SHUTDOWN_S)
            self._web = None


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listening
