"""Plays a sequence on one side, and says what came of it in a form that can be compared.

What may differ is taken out here, each with its reason:

    ids of cluster and member, terms          they are the server's own
    revisions, as far as the store had come   the sequence's own begin at 0
    the TTL that is left                      time passes
    the words of a message that is none       every protobuf library has its own
    the order of leases, and of keys of one   etcd's comes from a map
    events before a client's own cancel       a watcher that was behind may have been told of them or not
    where a watcher's batches begin and end   ours delivers what a turn committed at once; the events are the same, in order
    MemberList's URLs                         each server listens somewhere else
"""

from __future__ import annotations

import asyncio
from typing import Any

from kvcluster import pb
from tests.kvcluster.differential.operations import STREAMS, Key, Operation, Revision
from tests.kvcluster.differential.sides import Wire

_SERVICES = {
    "Range": "KV", "Put": "KV", "DeleteRange": "KV", "Txn": "KV", "Compact": "KV", "LeaseGrant": "Lease",
    "LeaseRevoke": "Lease", "LeaseTimeToLive": "Lease", "LeaseLeases": "Lease", "LeaseKeepAlive": "Lease",
    "MemberList": "Cluster", "Alarm": "Maintenance",
}  # fmt: skip
_REQUESTS: dict[str, Any] = {"Compact": pb.CompactionRequest}
_RESPONSES: dict[str, Any] = {"Compact": pb.CompactionResponse}
_REVISIONS = ("revision", "create_revision", "mod_revision", "compact_revision")
_MARK = b"\xfe mark"


class Player:
    """One side of one sequence. seed makes prefix and leases its own."""

    def __init__(self, wire: Wire, seed: int) -> None:
        self._wire = wire
        self._prefix = b"s%x/" % seed
        self._lease_base = (seed % (1 << 40)) * 100
        self._base = 0
        self._marks = 0
        self._streams: list[WatchLog] = []

    async def begin(self) -> None:
        """Where the store is; and the streams, each with a watcher of its own for barriers."""
        outcome = await self._wire.call("/etcdserverpb.KV/Range", b"\x0a\x01k")
        self._base = pb.RangeResponse.FromString(outcome.payload).header.revision
        for _ in STREAMS:
            log = WatchLog(self)
            self._streams.append(log)
            log.send(create_request=pb.WatchCreateRequest(key=self._prefix + _MARK, watch_id=1000))
            await log.wait(lambda log=log: 1000 in log.created)

    async def play(self, operation: Operation) -> Any:
        kind, fields = operation
        if kind == "garbage":
            path = f"/etcdserverpb.{_SERVICES[fields['rpc']]}/{fields['rpc']}"
            outcome = await self._wire.call(path, fields["payload"])
            return outcome.code, outcome.text.partition(":")[0]
        if kind == "watch":
            rest = {name: value for name, value in fields.items() if name != "stream"}
            request = self._build(pb.WatchCreateRequest, rest)
            log = self._streams[fields["stream"]]
            count = len(log.creations)
            log.send(create_request=request)
            await log.wait(lambda: len(log.creations) > count)
            return log.creations[-1]
        if kind == "unwatch":
            self._streams[fields["stream"]].send(cancel_request=pb.WatchCancelRequest(watch_id=fields["watch_id"]))
            await self.mark()
            return None
        if kind == "barrier":
            await self.mark()
            return None
        request = self._build(_REQUESTS.get(kind) or getattr(pb, f"{kind}Request"), fields)
        outcome = await self._wire.call(f"/etcdserverpb.{_SERVICES[kind]}/{kind}", request.SerializeToString())
        if not outcome.ok:
            return outcome.code, outcome.text
        if fields.get("sort_target"):
            return self._sorted(pb.RangeResponse.FromString(outcome.payload), fields["sort_target"])
        return self._comparable((_RESPONSES.get(kind) or getattr(pb, f"{kind}Response")).FromString(outcome.payload))

    def _sorted(self, response: Any, target: int) -> Any:
        """The values that were sorted by, in order; and the pairs by key, because those that tie may come in any order."""
        field = ("key", "version", "create_revision", "mod_revision", "value")[target]
        found = self._comparable(response)
        order = [kv.get(field) for kv in found.get("kvs", ())]
        return order, sorted(found.pop("kvs", ()), key=lambda kv: kv["key"]), found

    async def mark(self) -> None:
        """Until every stream has been told of a change that comes after all others; an alarm that forbids changes ends."""
        self._marks += 1
        await self._disarm()
        request = pb.PutRequest(key=self._prefix + _MARK, value=b"%d" % self._marks)
        await self._wire.call("/etcdserverpb.KV/Put", request.SerializeToString())
        for log in self._streams:
            await log.wait(lambda log=log: log.marks >= self._marks)

    def watched(self) -> list[dict[int, list[Any]]]:
        """By stream and watch id: all that was said to it, in order."""
        return [dict(sorted(log.said.items())) for log in self._streams]

    async def end(self) -> None:
        for log in self._streams:
            log.stream.cancel()
        for lease in (1, 2, 3):
            await self._wire.call(
                "/etcdserverpb.Lease/LeaseRevoke",
                pb.LeaseRevokeRequest(ID=self._lease_base + lease).SerializeToString(),
            )
        await self._disarm()

    async def _disarm(self) -> None:
        alarm = pb.AlarmRequest(action=2, alarm=1, memberID=5).SerializeToString()
        await self._wire.call("/etcdserverpb.Maintenance/Alarm", alarm)

    # ---- values ----

    def _build(self, message: Any, fields: dict[str, Any]) -> Any:
        return message(**{name: self._value(name, value) for name, value in fields.items()})

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, Key):
            return value.suffix if value.whole else self._prefix + value.suffix
        if isinstance(value, Revision):
            return max(self._base + value.offset, 1)
        if name in ("ID", "lease") and value:
            return self._lease_base + value
        if name == "compare":
            return [self._build(pb.Compare, each) for each in value]
        if name in ("success", "failure"):
            return [self._build(pb.RequestOp, each) for each in value]
        if name.startswith("request_"):
            classes = {"request_range": pb.RangeRequest, "request_put": pb.PutRequest,
                       "request_delete_range": pb.DeleteRangeRequest, "request_txn": pb.TxnRequest}  # fmt: skip
            return self._build(classes[name], value)
        return value

    def _comparable(self, message: Any) -> Any:
        """A message as a dict without what may differ."""
        found: dict[str, Any] = {}
        for field, value in message.ListFields():
            name = field.name
            if name in ("cluster_id", "member_id", "raft_term", "peerURLs", "clientURLs", "TTL"):
                continue
            if name in _REVISIONS:
                value = value - self._base
            elif name in ("key", "keys"):
                value = sorted(value) if name == "keys" else value
            elif name == "members":
                value = len(value)
            elif name == "leases":
                own = range(self._lease_base, self._lease_base + 100)
                value = sorted(lease.ID for lease in value if lease.ID in own)
            elif field.message_type is not None:
                is_list = not hasattr(value, "ListFields")
                value = [self._comparable(each) for each in value] if is_list else self._comparable(value)
            found[name] = value
        return found


class WatchLog:
    """One watch stream, and all that it said by watch id."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self.created: set[int] = set()
        self.creations: list[Any] = []
        self.said: dict[int, list[Any]] = {}
        self.marks = 0
        self._changed = asyncio.Event()
        self.ended: Any = None
        self.stream = player._wire.stream("/etcdserverpb.Watch/Watch", self._on_message, self._on_end)

    def send(self, **fields: Any) -> None:
        self.stream.send(pb.WatchRequest(**fields).SerializeToString())

    def _on_message(self, payload: bytes) -> None:
        response = pb.WatchResponse.FromString(payload)
        comparable = self._player._comparable
        if response.watch_id == 1000:
            self.created.add(1000)
            self.marks += len(response.events)
        elif response.created:
            self.creations.append(comparable(response))
        else:
            said = self.said.setdefault(response.watch_id, [])
            if response.canceled:
                said.append(("canceled", comparable(response).get("compact_revision"), response.cancel_reason))
            said += [comparable(event) for event in response.events]
        self._changed.set()

    def _on_end(self, outcome: Any) -> None:
        self.ended = outcome
        self._changed.set()

    async def wait(self, condition: Any) -> None:
        async with asyncio.timeout(10):
            while not condition():
                assert self.ended is None, f"the stream ended: {self.ended}"
                self._changed.clear()
                await self._changed.wait()
