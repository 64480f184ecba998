"""A whole cluster in one process: store, API server, scheduler, controllers and simulated nodes.

    async with LocalCluster(nodes=3) as cluster:
        cluster.url                       # http://127.0.0.1:PORT, for any Kubernetes client
        cluster.store_url                 # the store's gRPC port, for any etcd client
        client = cluster.client()         # in process, without sockets

The parts talk to the API server through the in-process transport; a socket is open for everybody else. Each part is
supervised: if one fails, `failed` is set with its error, and the others go on until `stop`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from apiserver.auth import LOOPBACK_USER, User
from apiserver.client import Client
from apiserver.cluster.kubeconfig import build_kubeconfig
from apiserver.config import AccessConfig, ApiServerConfig
from apiserver.controllers import ControllerManager
from apiserver.nodes import Fleet
from apiserver.scheduler import Scheduler, SchedulerConfig
from apiserver.server import ApiServer, Credentials
from kvcluster import Cluster, connect
from kvcluster.client import Client as KvClient

log = logging.getLogger(__name__)

MEMBER_PORTS = (0, 20_000, 30_000)
"""Above the first member's port: 2379, 22379, 32379, as etcd's own Procfile has it."""


class LocalCluster:
    """nodes: simulated nodes; replicas: members of the store (1 or 3); port, store_port: 0 = any free one.

    etcd_servers: URLs of an etcd v3 that is there already, instead of a store of our own; `replicas` then says nothing.
    scheduler or controllers None: that part is left out, so that another (a real one) can take its place.
    tls, authorization ("RBAC", which implies TLS: kubectl shows no credentials over plain HTTP): the short form of `access`,
    which says everything about who may come in and do what. Without them it is plain HTTP, and everybody may do everything.
    """

    def __init__(
        self,
        *,
        nodes: int = 3,
        replicas: int = 1,
        host: str = "127.0.0.1",
        port: int = 0,
        store_port: int = 0,
        etcd_servers: Sequence[str] = (),
        scheduler: SchedulerConfig | None = SchedulerConfig(),  # noqa: B008 - an immutable value
        controllers: Iterable[str] | None = ("*",),
        tls: bool = False,
        authorization: str = "",
        access: AccessConfig = AccessConfig(),  # noqa: B008 - an immutable value
    ) -> None:
        if tls or authorization:
            access = access._replace(tls=True)
        if authorization:
            access = access._replace(authorization_modes=tuple(mode.strip() for mode in authorization.split(",")))
        self._access = access
        self._nodes = nodes
        self._replicas = replicas
        self._host, self._port, self._store_port = host, port, store_port
        self._etcd_servers = list(etcd_servers)
        self._scheduler = scheduler
        self._controllers = None if controllers is None else tuple(controllers)
        self._store: Cluster | None = None
        self._kv: KvClient | None = None
        self._server: ApiServer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.failed: asyncio.Future[None] | None = None
        self.store_urls: list[str] = []

    async def __aenter__(self) -> LocalCluster:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where the API server listens."""
        assert self._server is not None, "the cluster is not started"
        return self._server.url

    @property
    def store_url(self) -> str:
        """The gRPC port of the first member of the store."""
        return self.store_urls[0]

    @property
    def store(self) -> Cluster:
        """The embedded store, for faults and for a look inside."""
        assert self._store is not None, "the cluster is not started, or its store is another's"
        return self._store

    def kubeconfig(self, user: str = "", groups: Sequence[str] = ()) -> dict[str, Any]:
        """For an administrator, with what it takes to be let in; or for somebody else: with a certificate of their own where
        there is TLS, else with the name that an open server is asked to take them for (`as`, which Go clients understand)."""
        if not user:
            return build_kubeconfig(self.url, self.credentials)
        assert self._server is not None, "the cluster is not started"
        if self._access.is_open:
            document = build_kubeconfig(self.url)
            document["users"][0]["user"] = {"as": user, **({"as-groups": list(groups)} if groups else {})}
            return document
        from apiserver.pki import Pair, issue_client

        issued = issue_client(Pair(*self._server.signing()), user, groups)
        return build_kubeconfig(self.url, Credentials(self.credentials.ca, certificate=issued.certificate, key=issued.key))

    @property
    def credentials(self) -> Credentials:
        """What an administrator shows to the API server."""
        assert self._server is not None, "the cluster is not started"
        return self._server.credentials

    def client(self, user: User = LOOPBACK_USER, *, user_agent: str = "") -> Client:
        """A client of the API server that uses no socket. user: whom it is taken for; by default one who may do everything.

        user_agent: what managed fields say of who wrote.
        """
        assert self._server is not None, "the cluster is not started"
        return Client(self._server.in_process_transport(user), user_agent=user_agent)

    async def start(self) -> None:
        """Starts all parts, the store first. On failure everything that was started is stopped again."""
        self.failed = asyncio.get_running_loop().create_future()
        try:
            self._kv = await self._open_store()
            config = ApiServerConfig(host=self._host, port=self._port, access=self._access)
            self._server = ApiServer(config, self._kv)
            await self._server.start()
            self._start_parts()
        except BaseException:
            await self.stop()
            raise

    async def _open_store(self) -> KvClient:
        if self._etcd_servers:
            self.store_urls = list(self._etcd_servers)
            return await connect(self._etcd_servers)
        self._store = Cluster(members=self._replicas)
        await self._store.start()
        for member in range(self._replicas):
            port = self._store_port + MEMBER_PORTS[member] if self._store_port else 0
            self.store_urls.append(await self._store.listen(member=member, port=port))
        return self._store.client()

    def _start_parts(self) -> None:
        """All are made before one runs, so that a wrong setting starts nothing."""
        parts: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        if self._controllers is not None:
            parts.append(("controllers", self._build_controllers(self._controllers).run))
        if self._scheduler is not None:
            client = self.client(user_agent="kube-scheduler/kvcluster")
            parts.append(("scheduler", Scheduler(client, self._scheduler).run))
        if self._nodes:
            parts.append(("nodes", Fleet(self.client(user_agent="kubelet/kvcluster"), self._nodes).run))
        for name, run in parts:
            self._supervise(name, run)

    def _build_controllers(self, names: Iterable[str]) -> ControllerManager:
        assert self._server is not None, "the cluster is not started"
        client = self.client(user_agent="kube-controller-manager/kvcluster")
        signing = None if self._access.tls_cert_file else self._server.signing
        return ControllerManager(
            client, names=names, root_ca=self.credentials.ca.decode(), signing=signing,
            sign_account_token=self._server.sign_account_token,
        )  # fmt: skip

    def _supervise(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            try:
                await part()
            except asyncio.CancelledError:
                raise
            except Exception as cause:
                log.exception("%s failed", name)
                if self.failed is not None and not self.failed.done():
                    self.failed.set_exception(cause)

        self._tasks.append(asyncio.get_running_loop().create_task(run(), name=name))

    async def stop(self) -> None:
        """Stops the clients, then the API server, then the store. Safe to call twice."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.stop()
        if self._kv is not None:
            await self._kv.close()
        if self._store is not None:
            await self._store.stop()
        if self.failed is not None and not self.failed.done():
            self.failed.cancel()
