"""The same requests to a real etcd 3.5.1 and to ours; the answers must be the same, codes and texts too.

Compared modulo what may differ: cluster and member ids, raft terms, lease ids that the server chose. What differs on purpose is
in DIFFERENCES, with its reason. The requests run in order on one store each; both begin empty, so revisions are compared.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from kvcluster import pb
from kvcluster.config import ServerConfig
from kvcluster.server.server import Server

WAIT_S = 10.0
SEED = 20240611

RPCS = {
    "Range": ("KV", pb.RangeResponse),
    "Put": ("KV", pb.PutResponse),
    "DeleteRange": ("KV", pb.DeleteRangeResponse),
    "Txn": ("KV", pb.TxnResponse),
    "Compact": ("KV", pb.CompactionResponse),
    "LeaseGrant": ("Lease", pb.LeaseGrantResponse),
    "LeaseRevoke": ("Lease", pb.LeaseRevokeResponse),
    "LeaseTimeToLive": ("Lease", pb.LeaseTimeToLiveResponse),
    "LeaseLeases": ("Lease", pb.LeaseLeasesResponse),
}


class Side:
    """One server with a channel to it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def call(self, name: str, request: Any) -> Any:
        """The response without identities, or (code, text)."""
        service, response_class = RPCS[name]
        method = self._channel.unary_unary(
            f"/etcdserverpb.{service}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response_class.FromString,
        )
        try:
            response = await method(request, timeout=WAIT_S)
        except grpc.aio.AioRpcError as error:
            return error.code().name, error.details()
        return forget_identity(response)

    def watch(self) -> Any:
        method = self._channel.stream_stream(
            "/etcdserverpb.Watch/Watch",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=pb.WatchResponse.FromString,
        )
        return method()

    def keep_alive(self) -> Any:
        method = self._channel.stream_stream(
            "/etcdserverpb.Lease/LeaseKeepAlive",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=pb.LeaseKeepAliveResponse.FromString,
        )
        return method()


def forget_identity(response: Any) -> Any:
    header = response.header
    if response.HasField("header"):
        assert header.cluster_id and header.member_id and header.raft_term
        header.cluster_id = header.member_id = header.raft_term = 0
    return response


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def etcd(tmp_path: Path) -> AsyncIterator[Side]:
    binary = shutil.which("etcd", path=str(Path(sys.executable).parent)) or shutil.which("etcd")
    assert binary, "etcd is not installed"
    port = free_port()
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
    process = subprocess.Popen(  # noqa: ASYNC220 - it starts and returns
        [binary, "--data-dir", str(tmp_path / "etcd"), "--unsafe-no-fsync", "--log-level", "error",
         "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
         "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await asyncio.wait_for(channel.channel_ready(), WAIT_S)
            yield Side(channel)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture
async def ours() -> AsyncIterator[Side]:
    server = Server(ServerConfig(listen_client_urls=("http://127.0.0.1:0",)))
    await server.start()
    try:
        await asyncio.wait_for(server.ready(), WAIT_S)
        async with grpc.aio.insecure_channel(server.client_url.removeprefix("http://")) as channel:
            yield Side(channel)
    finally:
        await server.stop()


# ---- hand-made requests ----


def R(key: bytes = b"", range_end: bytes = b"", **fields: Any) -> tuple[str, Any]:
    return "Range", pb.RangeRequest(key=key, range_end=range_end, **fields)


def P(key: bytes = b"", value: bytes = b"", **fields: Any) -> tuple[str, Any]:
    return "Put", pb.PutRequest(key=key, value=value, **fields)


def D(key: bytes = b"", range_end: bytes = b"", **fields: Any) -> tuple[str, Any]:
    return "DeleteRange", pb.DeleteRangeRequest(key=key, range_end=range_end, **fields)


def T(success: Any = (), failure: Any = (), compare: Any = ()) -> tuple[str, Any]:
    return "Txn", pb.TxnRequest(
        success=[as_op(*op) for op in success], failure=[as_op(*op) for op in failure], compare=list(compare)
    )


def C(key: bytes, target: int, result: int, **operand: Any) -> pb.Compare:
    return pb.Compare(key=key, target=target, result=result, **operand)  # type: ignore[arg-type]


def as_op(name: str, request: Any) -> pb.RequestOp:
    match name:
        case "Range":
            return pb.RequestOp(request_range=request)
        case "Put":
            return pb.RequestOp(request_put=request)
        case "DeleteRange":
            return pb.RequestOp(request_delete_range=request)
        case "Txn":
            return pb.RequestOp(request_txn=request)
    return pb.RequestOp()


EMPTY_OP = ("", None)


def hand_made() -> list[tuple[str, Any]]:
    keys = [b"a", b"b", b"c", b"d"]
    fill = [P(b"d", b"1"), P(b"b", b"3"), P(b"a", b"2"), P(b"c", b"0"), P(b"a", b"9", prev_kv=True), P(b"b", b"3")]
    sorts = [
        R(b"a", b"\0", sort_order=order, sort_target=target, limit=limit)
        for order in (0, 1, 2)
        for target in (0, 2, 3, 4)
        for limit in (0, 2, 4)
    ]
    ranges = [
        R(), R(b"a"), R(b"none"), R(b"b", b"a"), R(b"a", b"a"), R(b"a", b"c", limit=1), R(b"a", b"\0", limit=-1),
        R(b"a", b"\0", count_only=True, limit=1), R(b"a", b"\0", keys_only=True), R(b"a", revision=3), R(b"a", revision=2),
        R(b"a", revision=99), R(b"a", revision=-3),
        R(b"a", b"\0", min_mod_revision=4, limit=1), R(b"a", b"\0", max_mod_revision=4), R(b"a", max_mod_revision=1),
        R(b"a", b"\0", min_create_revision=3, max_create_revision=4), R(b"a", b"\0", min_mod_revision=-1, limit=2),
        R(b"a", serializable=True), R(b"a", count_only=True), R(b"a", keys_only=True), R(b"\0", b"\0", limit=3, revision=4),
        R(b"a", b"\0", count_only=True, max_mod_revision=3),
    ]  # fmt: skip
    leases = [
        ("LeaseGrant", pb.LeaseGrantRequest(ID=7, TTL=1000)), ("LeaseGrant", pb.LeaseGrantRequest(ID=7, TTL=1000)),
        ("LeaseGrant", pb.LeaseGrantRequest(ID=8, TTL=-1)), ("LeaseGrant", pb.LeaseGrantRequest(ID=9, TTL=0)),
        ("LeaseGrant", pb.LeaseGrantRequest(ID=10, TTL=9_000_000_001)),
        ("LeaseGrant", pb.LeaseGrantRequest(ID=11, TTL=9_000_000_000)), ("LeaseGrant", pb.LeaseGrantRequest(ID=-4, TTL=500)),
        ("LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=12345, keys=True)),
        ("LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=0)),
        P(b"l", b"1", lease=7), P(b"m", b"1", lease=7), P(b"l", b"2", ignore_lease=True, prev_kv=True), P(b"m", b"2"),
        P(b"m", b"", lease=7, ignore_value=True), P(b"n", b"", lease=-4), R(b"l", b"o"), R(b"l", b"o", keys_only=True),
        P(b"x", lease=99), P(b"x", ignore_value=True, lease=99), P(b"x", ignore_lease=True), P(b"x", b"v", ignore_value=True),
        P(b"x", ignore_lease=True, lease=7), P(b"", ignore_value=True), T([P(b"x", b"", ignore_value=True, lease=99)]),
        ("LeaseRevoke", pb.LeaseRevokeRequest(ID=7)), ("LeaseRevoke", pb.LeaseRevokeRequest(ID=7)),
        ("LeaseRevoke", pb.LeaseRevokeRequest(ID=0)), R(b"l", b"o"), ("LeaseRevoke", pb.LeaseRevokeRequest(ID=-4)),
        ("LeaseRevoke", pb.LeaseRevokeRequest(ID=11)), ("LeaseRevoke", pb.LeaseRevokeRequest(ID=8)),
        ("LeaseRevoke", pb.LeaseRevokeRequest(ID=9)), ("LeaseLeases", pb.LeaseLeasesRequest()),
    ]  # fmt: skip
    operands = [{}, {"version": 1}, {"create_revision": 5}, {"mod_revision": 5}, {"value": b"3"}, {"lease": 0}]
    compares = [
        T([R(b"a")], [], [C(key, target, result, **operand)])
        for key in (b"a", b"none")
        for target in range(5)
        for result in range(4)
        for operand in (operands[0], operands[target + 1])
    ]
    compares += [
        T([], [], [C(b"a", 0, 1, version=0, range_end=b"\0")]), T([], [], [C(b"a", 0, 1, version=1, range_end=b"c")]),
        T([], [], [C(b"x", 0, 0, version=0, range_end=b"z")]), T([], [], [C(b"x", 3, 3, value=b"q", range_end=b"z")]),
        T([], [], [C(b"c", 0, 0, version=0, range_end=b"a")]),
        T([], [], [C(b"a", 0, 9)]), T([], [], [C(b"a", 9, 0)]), T([], [], [C(b"a", 9, 2)]), T([], [], [C(b"", 0, 0)]),
        T([], [], [C(b"a", 0, 0, mod_revision=7)]), T([], [], [C(b"a", 3, 0, version=7)]),
    ]  # fmt: skip
    many = [R(b"a")] * 129
    txns = [
        T(), T([EMPTY_OP]), T([P()]), T([R()]), T([D()]), T(many), T([], many), T([R(b"a")] * 128, [EMPTY_OP]),
        T([T([R(b"a")] * 127)]), T([T([R(b"a")] * 128)]), T([T(many)]),
        T([P(b"k", b"1"), P(b"k", b"2")]), T([P(b"k", b"1"), D(b"k")]), T([D(b"k"), P(b"k", b"1")]),
        T([D(b"j", b"l"), P(b"k", b"1")]), T([D(b"j", b"\0"), P(b"k", b"1")]), T([D(b"l", b"j"), P(b"k", b"1")]),
        T([D(b"k", b"k"), P(b"k", b"1")]), T([D(b"j"), P(b"j\0", b"1")]), T([D(b"j", b"l"), D(b"k", b"m")]),
        T([P(b"k"), T([P(b"k")])]), T([T([P(b"k")]), P(b"k")]), T([T([P(b"k")], [P(b"k")])]), T([T([P(b"k")]), T([P(b"k")])]),
        T([T([D(b"k")]), P(b"k")]), T([P(b"k"), T([D(b"k")])]), T([D(b"k"), T([P(b"k")])]), T([T([P(b"k")]), D(b"k")]),
        T([T([P(b"k")]), T([D(b"k")])]), T([T([D(b"k")]), T([P(b"k")])]), T([T([P(b"k")], [D(b"k")])]),
        T([T([D(b"k")], [P(b"k")])]), T([P(b"k")], [P(b"k")]), T([P(b"k"), R(b"k")]), T([], [P(b"k"), P(b"k")]),
        T([T([T([P(b"k")])]), P(b"k")]), T([T([], [P(b"k")]), P(b"k")]), T([T([], [D(b"k")]), T([P(b"k")])]),
        T([P(b"s", b"1", prev_kv=True), R(b"s"), D(b"s", prev_kv=True), R(b"s"), T([R(b"a")])][:2]),
        T([R(b"s"), D(b"s", prev_kv=True), R(b"s"), T([R(b"a"), D(b"none")], [R(b"b")])]),
        T([P(b"n", b"1"), T([P(b"yes")], [P(b"no")], [C(b"n", 0, 0, version=0)])]), R(b"n", b"z"),
        T([R(b"a", revision=99)]), T([P(b"t"), R(b"a", revision=99)]), T([R(b"a", revision=99), P(b"t", lease=99)]),
        T([R(b"a", revision=3), R(b"a", revision=-1)]), T([P(b"t"), R(b"a", revision=-2)]),
        T([P(b"t", ignore_lease=True)]), T([P(b"a", ignore_value=True, prev_kv=True)]), T([P(b"q", b"1"), R(b"q", revision=3)]),
        T([R(b"a", b"\0", limit=2, sort_target=3, sort_order=2)]), T([R(b"a", serializable=True)]),
        T([P(b"u"), R(b"a", b"\0", limit=1), R(b"a", b"\0", count_only=True)]),
    ]  # fmt: skip
    deletes = [D(), D(b"none"), D(b"b", b"a"), D(b"a", b"c", prev_kv=True), D(b"d"), D(b"x", b"\0")]
    compact = [
        ("Compact", pb.CompactionRequest(revision=revision, physical=physical))
        for revision, physical in ((999, False), (5, True), (5, False), (4, False), (6, True))
    ]
    after = [
        R(b"a", revision=5), R(b"a", b"\0", revision=6), R(b"a", revision=7), R(b"a", revision=-1), T([R(b"a", revision=5)]),
        T([R(b"a", revision=-1)]), T([P(b"v"), R(b"a", revision=2)]), T([R(b"a", revision=6)]),
    ]  # fmt: skip
    first = [R(b"a"), ("Compact", pb.CompactionRequest(revision=2)), ("Compact", pb.CompactionRequest(revision=0)),
             ("Compact", pb.CompactionRequest(revision=0)), R(keys[0], revision=1)]  # fmt: skip
    return [*first, *fill, *sorts, *ranges, *compares, *txns, *leases, *compact, *after, *deletes, R(b"\0", b"\0")]


async def compare(etcd: Side, ours: Side, requests: list[tuple[str, Any]]) -> list[str]:
    found = []
    for number, (name, request) in enumerate(requests):
        theirs, our = await asyncio.gather(etcd.call(name, request), ours.call(name, request))
        if theirs != our:
            found.append(f"#{number} {name} {request}\n--- etcd\n{theirs}\n--- ours\n{our}")
    return found


async def test_hand_made_requests(etcd: Side, ours: Side) -> None:
    found = await compare(etcd, ours, hand_made())
    assert not found, f"{len(found)} differ\n" + "\n\n".join(found)


# ---- random requests ----


def random_requests(seed: int, count: int) -> list[tuple[str, Any]]:
    dice = random.Random(seed)
    revision = 1  # a guess that keeps near the real one

    def key() -> bytes:
        return dice.choice([b"a", b"b", b"bb", b"c", b"d"])

    def end() -> bytes:
        return dice.choice([b"", b"", b"c", b"\0", b"a"])

    def put() -> tuple[str, Any]:
        return P(key(), dice.choice([b"", b"1", b"2"]), prev_kv=dice.random() < 0.5, ignore_value=dice.random() < 0.1,
                 ignore_lease=dice.random() < 0.1, lease=dice.choice([0, 0, 0, 1, 2, 3]))  # fmt: skip

    def range_() -> tuple[str, Any]:
        bound = dice.choice(["min_mod_revision", "max_mod_revision", "min_create_revision", "max_create_revision"])
        fields = {bound: dice.randint(0, revision)} if dice.random() < 0.3 else {}
        target = dice.choice([0, 0, 2, 3])  # versions and values tie, and etcd's sort is not stable
        return R(key(), end(), revision=dice.choice([0, 0, dice.randint(-1, revision + 3)]), limit=dice.randint(-1, 3),
                 sort_order=dice.randint(0, 2), sort_target=target, count_only=dice.random() < 0.2,
                 keys_only=dice.random() < 0.2, serializable=dice.random() < 0.3, **fields)  # fmt: skip

    def compare_() -> pb.Compare:
        operand: dict[str, Any] = dice.choice(
            [{"version": dice.randint(0, 3)}, {"mod_revision": dice.randint(0, revision)},
             {"create_revision": dice.randint(0, revision)}, {"value": b"1"}, {"lease": dice.randint(0, 2)}]
        )  # fmt: skip
        target = {"version": 0, "create_revision": 1, "mod_revision": 2, "value": 3, "lease": 4}[next(iter(operand))]
        return C(key(), target, dice.randint(0, 3), range_end=end(), **operand)

    def op(depth: int) -> tuple[str, Any]:
        choice = dice.random()
        if choice < 0.3:
            return range_()
        if choice < 0.6:
            return put()
        return D(key(), end(), prev_kv=True) if choice < 0.8 or depth > 1 else txn(depth + 1)

    def txn(depth: int = 0) -> tuple[str, Any]:
        def branch() -> list[tuple[str, Any]]:
            return [op(depth) for _ in range(dice.randint(0, 3))]

        return T(branch(), branch(), [compare_() for _ in range(dice.randint(0, 2))])

    requests = []
    for _ in range(count):
        match dice.choices(["put", "range", "delete", "txn", "grant", "revoke", "compact"], [5, 6, 1, 8, 1, 0.5, 0.5])[
            0
        ]:
            case "put":
                requests.append(put())
            case "range":
                requests.append(range_())
            case "delete":
                requests.append(D(key(), end(), prev_kv=dice.random() < 0.5))
            case "txn":
                requests.append(txn())
            case "grant":
                requests.append(("LeaseGrant", pb.LeaseGrantRequest(ID=dice.randint(1, 3), TTL=500)))
            case "revoke":
                requests.append(("LeaseRevoke", pb.LeaseRevokeRequest(ID=dice.randint(1, 3))))
            case "compact":
                requests.append(
                    ("Compact", pb.CompactionRequest(revision=dice.randint(0, revision + 1), physical=True))
                )
        revision += requests[-1][0] in ("Put", "Txn")
    return requests


class Watching:
    """A watch stream, whose answers are read one by one."""

    def __init__(self, side: Side) -> None:
        self._stream = side.watch()

    async def ask(self, **fields: Any) -> None:
        await self._stream.write(pb.WatchRequest(**fields))

    async def answer(self) -> pb.WatchResponse:
        return forget_identity(await asyncio.wait_for(self._stream.read(), WAIT_S))

    async def events(self, last_revision: int) -> list[pb.Event]:
        """All events of the only watcher up to a revision, however they are cut into answers."""
        found: list[pb.Event] = []
        while not found or found[-1].kv.mod_revision < last_revision:
            found.extend((await self.answer()).events)
        return found

    def close(self) -> None:
        self._stream.cancel()


async def test_random_requests_and_what_watchers_see_of_them(etcd: Side, ours: Side) -> None:
    watchers = [Watching(side) for side in (etcd, ours)]
    for watcher in watchers:
        await watcher.ask(create_request=pb.WatchCreateRequest(key=b"\0", range_end=b"\0", prev_kv=True))
        assert (await watcher.answer()).created
    found = await compare(etcd, ours, random_requests(SEED, 300))
    assert not found, f"{len(found)} differ\n" + "\n\n".join(found)
    last = (await ours.call("Put", pb.PutRequest(key=b"last"))).header.revision
    await etcd.call("Put", pb.PutRequest(key=b"last"))
    theirs, our = [await watcher.events(last) for watcher in watchers]
    # prev_kv is looked up when it is sent: a compaction that comes in between may hide it.
    for events in (theirs, our):
        for event in events:
            event.ClearField("prev_kv")
    assert theirs == our
    for watcher in watchers:
        watcher.close()


# ---- watch streams ----


async def test_watch_answers_one_by_one(etcd: Side, ours: Side) -> None:
    """Each step is a request and the number of answers it must bring."""
    for side in (etcd, ours):
        for value in (b"1", b"2", b"3"):
            await side.call("Put", pb.PutRequest(key=b"w", value=value))
        await side.call("Compact", pb.CompactionRequest(revision=3, physical=True))
    create = pb.WatchCreateRequest
    steps: list[tuple[Any, int]] = [
        ({"create_request": create(key=b"w")}, 1),
        ({"create_request": create(key=b"w", watch_id=5)}, 1),
        ({"create_request": create(key=b"w", watch_id=5)}, 1),
        ({"create_request": create(key=b"w", range_end=b"a")}, 1),
        ({"create_request": create(key=b"w", range_end=b"w", watch_id=5)}, 1),
        ({"create_request": create(key=b"")}, 1),  # id 1: a refusal takes none
        ({"create_request": create(key=b"x", range_end=b"\0", watch_id=2)}, 1),
        ({"create_request": create(key=b"", range_end=b"\0", start_revision=100)}, 1),  # id 3: 2 is taken
        ({"create_request": create(key=b"w", watch_id=20, start_revision=2)}, 2),  # created, then compacted
        ({"create_request": create(key=b"w", watch_id=20)}, 1),  # the id is reserved
        ({"cancel_request": pb.WatchCancelRequest(watch_id=20)}, 1),
        ({"create_request": create(key=b"w", watch_id=20)}, 1),
        ({"create_request": create(key=b"w", watch_id=21, start_revision=3, prev_kv=True)}, 2),
        ({"create_request": create(key=b"w", watch_id=22, start_revision=4, prev_kv=True)}, 2),
        ({"create_request": create(key=b"w", watch_id=23, start_revision=3, filters=[create.NOPUT])}, 1),
        ({"cancel_request": pb.WatchCancelRequest(watch_id=99)}, 0),
        ({"cancel_request": pb.WatchCancelRequest(watch_id=0)}, 1),
        ({"cancel_request": pb.WatchCancelRequest(watch_id=0)}, 0),
        ({"cancel_request": pb.WatchCancelRequest(watch_id=-7)}, 0),
        ({}, 0),
        ({"create_request": create(key=b"w", watch_id=-7)}, 1),
        ({"create_request": create(key=b"w")}, 1),
    ]
    heard = []
    for side in (etcd, ours):
        watching = Watching(side)
        answers = []
        for step, count in steps:
            await watching.ask(**step)
            try:
                answers.append([await watching.answer() for _ in range(count)])
            except TimeoutError:
                pytest.fail(f"no answer to {step}; so far {answers}, {side}")
        watching.close()
        heard.append(answers)
    for (step, _), theirs, our in zip(steps, *heard, strict=True):
        assert theirs == our, step


async def test_keep_alive_streams(etcd: Side, ours: Side) -> None:
    """In order; unknown leases have TTL 0; half-close ends the stream well."""
    heard = []
    for side in (etcd, ours):
        await side.call("LeaseGrant", pb.LeaseGrantRequest(ID=3, TTL=77))
        stream = side.keep_alive()
        for id in (3, 4, 3, 0):
            await stream.write(pb.LeaseKeepAliveRequest(ID=id))
        await stream.done_writing()
        answers = [forget_identity(answer) async for answer in stream]
        heard.append((answers, await stream.code()))
    assert heard[0] == heard[1]
