"""A cluster of members in this process and this event loop, with a network whose links can be cut.

    async with Cluster(members=3) as cluster:
        client = cluster.client()                # follows the leader; client(member=1) belongs to one member
        url = await cluster.listen()             # a gRPC port of member 0, for etcdctl and others
        await cluster.stop_member(cluster.leader())
        await cluster.wait_leader()

Members are numbered from 0. Their messages are handed over in memory, never encoded; everything else is what a server runs.

A member that was stopped keeps its storage object, the log and its vote, as a member with a disk would: `restart_member`
builds a new Member on it, which replays and catches up. (Processes are another matter: there the memory is gone with the
process, see processes.py.) Ports opened by `listen` come back with their member.

Clients that follow the leader take their watches along: off a stopped member at once, off a member that has
known no leader for 3 election timeouts as soon as another one does (etcd ends such streams too: require-leader).
"""

from __future__ import annotations

import asyncio
import secrets
import weakref
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from kvcluster import pb
from kvcluster.embedded import EmbeddedClient
from kvcluster.errors import ConfigError, StoppedError
from kvcluster.member import Applied, Member, MemberConfig, MemberRecord, member_id, ops
from kvcluster.peer import MemoryNetwork
from kvcluster.raft import MemoryStorage, SnapshotUnavailable
from kvcluster.rpc import RpcServices
from kvcluster.server import ClientListener, Collector, Driver

MAX_MEMBERS = 9
READY_S = 10.0
LEADERLESS_ELECTIONS = 3


class _Seat:
    """One member's place: what stays when it stops, and what runs while it does not."""

    def __init__(self, config: MemberConfig, storage: MemoryStorage) -> None:
        self.config = config
        self.storage = storage
        self.driver: Driver | None = None
        self.services: RpcServices | None = None
        self.listeners: list[ClientListener] = []
        self.addresses: list[tuple[str, int]] = []
        self.starts = 0
        self.leaderless_ticks = 0


class Cluster:
    """See the module's contract.

    members: how many, 1 to 9. tick_ms, election_ticks: the members' time; the defaults elect within half a second, and no
    slower computer breaks them: all members stand still together. request_timeout_s: of a write that finds no majority.
    watch_progress_notify_interval_s, snapshot_entries: as etcd's flags. Raises ConfigError.
    """

    def __init__(
        self,
        *,
        members: int = 1,
        tick_ms: int = 20,
        election_ticks: int = 10,
        request_timeout_s: float = 5.0,
        watch_progress_notify_interval_s: float = 600.0,
        snapshot_entries: int = 10_000,
    ) -> None:
        if not 1 <= members <= MAX_MEMBERS:
            raise ConfigError(f"members must be from 1 to {MAX_MEMBERS}, not {members}")
        token = secrets.token_hex(8)
        names = [f"m{number}" for number in range(members)]
        urls = [(f"memory://{name}",) for name in names]
        ids = [member_id(url, token) for url in urls]
        records = tuple(MemberRecord(*row) for row in zip(ids, names, urls, strict=True))
        self._timeout_s = request_timeout_s + 2 * election_ticks * tick_ms / 1000
        self._progress_interval_s = watch_progress_notify_interval_s
        self._network = MemoryNetwork()
        self._clients: weakref.WeakSet[EmbeddedClient] = weakref.WeakSet()
        self._seats = []
        for id in ids:
            try:
                config = MemberConfig(
                    id=id, members=records, tick_ms=tick_ms, election_ticks=election_ticks,
                    request_timeout_ticks=round(request_timeout_s * 1000 / max(tick_ms, 1)),
                    snapshot_entries=snapshot_entries,
                )  # fmt: skip
            except ValueError as cause:
                raise ConfigError(str(cause)) from cause
            # Volatile: nobody encodes snapshots while it runs. What a restart needs is made when a member is stopped.
            self._seats.append(_Seat(config, MemoryStorage(voters=ids, is_volatile=True)))
        self._leader_seat = self._seats[0]
        self._ticked: asyncio.Future[None] | None = None
        self._collector = Collector()

    async def __aenter__(self) -> Cluster:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # -- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Starts all members; returns when they have a leader and know each other's names. Raises TimeoutError."""
        try:
            self._collector.start()
            for number in range(len(self._seats)):
                self._start_seat(number)
            drivers = [self._driver(seat) for seat in self._seats]
            drivers[0].member.campaign()  # all are here: nobody needs to find out by waiting that nobody leads
            async with asyncio.timeout(READY_S):
                for driver in drivers:
                    await driver.until(partial(_knows_all, driver.member))
                await self.wait_leader()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stops all members for good; calls in flight and watches end with StoppedError. Safe to call twice."""
        for seat in self._seats:
            if seat.driver is not None:
                await self._stop_seat(seat)
        for client in list(self._clients):
            client.fail_watches(StoppedError())
        self._collector.stop()

    async def stop_member(self, member: int) -> None:
        """It answers "server stopped" to whoever waits, and is gone. Its storage stays. ValueError if it is not running."""
        seat = self._seat(member)
        self._driver(seat).member.create_snapshot()
        await self._stop_seat(seat)

    async def _stop_seat(self, seat: _Seat) -> None:
        driver = self._driver(seat)
        seat.driver = None
        self._network.leave(seat.config.id)
        driver.stop()
        listeners, seat.listeners = seat.listeners, []
        for listener in listeners:
            await listener.stop()
        for client in list(self._clients):
            client.move_watches(driver.member)
        self._wake_waiters()

    async def restart_member(self, member: int) -> None:
        """Starts a stopped member again, on its storage and its ports. ValueError if it is running, or was stopped for good.

        Raises ConfigError where another program has taken its port.
        """
        seat = self._seat(member)
        if seat.driver is not None:
            raise ValueError(f"member {member} is running")
        try:
            self._start_seat(member)
        except SnapshotUnavailable:
            raise ValueError(f"the cluster was stopped, and member {member} with it") from None
        for host, port in seat.addresses:
            await self._serve(seat, host, port)
        for client in list(self._clients):
            client.resume_watches()

    def _start_seat(self, number: int) -> None:
        seat = self._seats[number]
        seat.starts += 1
        seed = secrets.randbits(32)
        seat.config = replace(seat.config, incarnation=seat.starts, seed=seed)
        driver = Driver(Member(seat.config, seat.storage), seat.storage, tick_s=seat.config.tick_ms / 1000)
        driver.peers = self._network.join(seat.config.id, driver.deliver)
        seat.services = RpcServices(driver.member, progress_interval_s=self._progress_interval_s)
        driver.on_tick += [seat.services.tick, partial(self._tick, seat)]
        seat.driver = driver
        seat.leaderless_ticks = 0
        driver.start()

    def _tick(self, seat: _Seat) -> None:
        """Every tick of a member: its watchers move where it knows no leader for too long, and another one does."""
        self._wake_waiters()
        driver = seat.driver
        if driver is None or driver.member.leader:
            seat.leaderless_ticks = 0
            return
        seat.leaderless_ticks += 1
        if seat.leaderless_ticks >= LEADERLESS_ELECTIONS * seat.config.election_ticks and self.leader() is not None:
            for client in list(self._clients):
                client.move_watches(driver.member)

    # -- looks ------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._seats)

    def _seat(self, member: int) -> _Seat:
        if not 0 <= member < len(self._seats):
            raise ValueError(f"no member {member}; they are numbered from 0 to {len(self._seats) - 1}")
        return self._seats[member]

    def _driver(self, seat: _Seat) -> Driver:
        if seat.driver is None:
            raise ValueError(f"member {self._seats.index(seat)} is not running")
        return seat.driver

    def is_running(self, member: int) -> bool:
        return self._seat(member).driver is not None

    def member(self, member: int) -> Member:
        """The pure object, for looks. ValueError if it is not running."""
        return self._driver(self._seat(member)).member

    def leader(self) -> int | None:
        """The number of the leader of the newest term, None while there is none."""
        leading = [
            (seat.driver.member.term, number)
            for number, seat in enumerate(self._seats)
            if seat.driver is not None and seat.driver.member.is_leader
        ]
        return max(leading)[1] if leading else None

    async def wait_leader(self, *, other_than: int | None = None) -> int:
        """The leader, once a majority follows it. Bound it with asyncio.timeout.

        other_than: a leader that was; it does not count. Raises StoppedError if no member is running.
        """
        number = self._find_followed_leader()
        while number is None or number == other_than:
            await self._next_tick()
            number = self._find_followed_leader()
        return number

    def _find_followed_leader(self) -> int | None:
        running = [seat.driver.member for seat in self._seats if seat.driver is not None]
        if not running:
            raise StoppedError("no member is running")
        number = self.leader()
        if number is None:
            return None
        id = self._seats[number].config.id
        return number if sum(member.leader == id for member in running) > len(self._seats) // 2 else None

    async def _next_tick(self) -> None:
        """Returns when a member has ticked, or stopped."""
        if self._ticked is None or self._ticked.done():
            self._ticked = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._ticked)

    def _wake_waiters(self) -> None:
        if self._ticked is not None and not self._ticked.done():
            self._ticked.set_result(None)

    # -- clients ----------------------------------------------------------------------------------------------------

    def client(self, member: int | None = None) -> EmbeddedClient:
        """A client without sockets: of one member, or of whichever leads.

        Without `member` the client goes on while any member runs; with one, its calls raise StoppedError while that
        member is stopped, and its watches wait for its restart.
        """
        find = self._find_leading if member is None else partial(self._find_seat, self._seat(member))
        client = EmbeddedClient(find, timeout_s=self._timeout_s, progress_interval_s=self._progress_interval_s)
        self._clients.add(client)
        return client

    def _find_seat(self, seat: _Seat) -> Driver:
        if seat.driver is None:
            raise StoppedError
        return seat.driver

    def _find_leading(self) -> Driver:
        driver = self._leader_seat.driver
        if driver is not None:  # the usual case, hot
            member = driver.member
            if member.leader == member.id:
                return driver
        number = self.leader()
        candidates = self._seats if number is None else [self._seats[number]]
        for seat in candidates:
            if seat.driver is not None:
                self._leader_seat = seat
                return seat.driver
        raise StoppedError

    async def listen(self, member: int = 0, port: int = 0, *, host: str = "127.0.0.1") -> str:
        """Opens a client port of a member, gRPC and HTTP/1.1; answers its URL. port 0 = any free one.

        Raises ConfigError where the port is taken, ValueError if the member is not running.
        """
        seat = self._seat(member)
        self._driver(seat)
        url = await self._serve(seat, host, port)
        address = urlsplit(url)
        assert address.hostname is not None and address.port is not None
        seat.addresses.append((address.hostname, address.port))
        driver = self._advertise(seat, url)
        while seat.driver is driver and driver.member.leader and not driver.member.is_published:
            await self._next_tick()
        return url

    async def _serve(self, seat: _Seat, host: str, port: int) -> str:
        listener = ClientListener(self._driver(seat), seat.services)
        url = await listener.start(host, port)
        seat.listeners.append(listener)
        return url

    def _advertise(self, seat: _Seat, url: str) -> Driver:
        """Puts the URL into the member's own record and tells the cluster; without a leader, with the next election."""
        own = seat.config.record
        urls = (*own.client_urls, url)
        records = tuple(
            record._replace(client_urls=urls) if record == own else record for record in seat.config.members
        )
        driver = self._driver(seat)
        driver.member.config = seat.config = replace(seat.config, members=records)
        payload = pb.Member(ID=own.id, name=own.name, clientURLs=urls).SerializeToString()
        driver.member.propose(ops.MEMBER_ATTRIBUTES, payload, _ignore)
        driver.wake()
        return driver

    # -- faults -----------------------------------------------------------------------------------------------------

    def partition(self, *groups: Sequence[int]) -> None:
        """Cuts every link between members of different groups; who is in no group is alone. `heal` ends it.

        ValueError for a member in two groups.
        """
        group_of = {number: -1 - number for number in range(len(self._seats))}
        for group, numbers in enumerate(groups):
            for number in numbers:
                self._seat(number)
                if group_of[number] >= 0:
                    raise ValueError(f"member {number} is in two groups")
                group_of[number] = group
        self._network.heal()
        for a, group_a in group_of.items():
            for b, group_b in group_of.items():
                if a < b and group_a != group_b:
                    self._network.cut(self._seats[a].config.id, self._seats[b].config.id)

    def heal(self) -> None:
        """All links work again."""
        self._network.heal()


def _knows_all(member: Member) -> bool:
    return bool(member.leader) and all(record.name for record in member.members())


def _ignore(applied: Applied) -> None:
    """A record that was not told now is told with the next election."""
