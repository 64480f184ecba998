"""The whole state as etcd keeps it: a bbolt file with etcd's buckets, for etcd's own tools (Maintenance.Snapshot).

    key            revision (main _ sub, t behind a tombstone's) → mvccpb.KeyValue
    lease          id → leasepb.Lease          alarm    AlarmMember → nothing
    auth, authUsers, authRoles                 members, members_removed, cluster
    meta           how far the log was applied, who votes, how far the history is compacted

Made in steps, beside a state that goes on: versions are never changed, and the store frees nothing meanwhile. What is small is
taken at the beginning.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterator

from kvcluster import pb
from kvcluster.apply import State
from kvcluster.bolt import BoltWriter
from kvcluster.mvcc import HistoryWalk

Items = list[tuple[bytes, bytes]]

_REVISION = struct.Struct(">QcQ")
_NUMBER = struct.Struct(">Q")
STORAGE_VERSION = b"3.6.0"


class Backup:
    """`step` until it answers False; `chunks` joined are the file. `close` it, finished or not."""

    def __init__(self, state: State, applied_index: int, term: int) -> None:
        self._state = state
        self._walk = state.store.begin_history()
        self._is_closed = False
        self._writer = BoltWriter()
        self._small = _small_buckets(state, applied_index, term, self._walk)
        self._work = self._write()

    @property
    def chunks(self) -> list[bytes]:
        return self._writer.chunks

    @property
    def size_bytes(self) -> int:
        return self._writer.size_bytes

    def step(self, budget: int) -> bool:
        """Writes up to `budget` items; -> True when there is more to do."""
        for _ in self._work:
            budget -= 1
            if budget <= 0:
                return True
        self.close()
        return False

    def close(self) -> None:
        """From here on the store frees again what is compacted. Safe to call twice."""
        if not self._is_closed:
            self._is_closed = True
            self._state.store.end_history()

    def _write(self) -> Iterator[None]:
        for name in sorted([*self._small, b"key"]):
            yield from self._writer.write(name, self._versions() if name == b"key" else self._small[name])
        self._writer.finish()

    def _versions(self) -> Iterator[tuple[bytes, bytes] | None]:
        for found in self._walk.versions():
            if found is None:
                yield None
                continue
            place, kv = found
            key = _REVISION.pack(kv.mod_revision, b"_", place)
            if kv.version:
                yield key, kv.wire
            else:
                yield key + b"t", pb.KeyValue(key=kv.key).SerializeToString()


def _small_buckets(state: State, applied_index: int, term: int, walk: HistoryWalk) -> dict[bytes, Items]:
    voters = state.membership.voters
    meta: Items = [
        (b"confState", json.dumps({"voters": voters, "auto_leave": False}).encode()),
        (b"consistent_index", _NUMBER.pack(applied_index)),
        (b"storageVersion", STORAGE_VERSION),
        (b"term", _NUMBER.pack(term)),
    ]
    if walk.compacted_revision > 0:
        compacted = _REVISION.pack(walk.compacted_revision, b"_", 0)
        meta += [(b"finishedCompactRev", compacted), (b"scheduledCompactRev", compacted)]
    return {
        b"alarm": [
            (pb.AlarmMember(memberID=id, alarm=kind).SerializeToString(), b"") for kind, id in sorted(state.alarms)
        ],
        b"auth": _auth(state),
        b"authRoles": _roles(state),
        b"authUsers": _users(state),
        b"cluster": [(b"clusterVersion", STORAGE_VERSION)],
        b"lease": sorted(_lease(lease.id, lease.ttl_s) for lease in state.lessor.leases()),
        b"members": sorted(_members(state)),
        b"members_removed": sorted((b"%x" % id, b"removed") for id in state.membership.removed),
        b"meta": sorted(meta),
    }


def _auth(state: State) -> Items:
    auth = state.auth
    return [(b"authEnabled", b"\1" if auth.is_enabled else b"\0"), (b"authRevision", _NUMBER.pack(auth.revision))]


def _users(state: State) -> Items:
    found: Items = []
    for name in state.auth.user_names():
        user = state.auth.user(name)
        try:
            password = base64.b64decode(user.password_hash, validate=True)
        except binascii.Error:
            password = b""
        options = pb.UserAddOptions(no_password=user.no_password)
        message = pb.User(name=name.encode(), password=password, roles=user.roles, options=options)
        found.append((name.encode(), message.SerializeToString()))
    return sorted(found)


def _roles(state: State) -> Items:
    found: Items = []
    for name, permissions in state.auth.to_json()["roles"]:
        perms = [
            pb.Permission(permType=type, key=bytes.fromhex(key), range_end=bytes.fromhex(end))
            for type, key, end in permissions
        ]
        found.append((name.encode(), pb.Role(name=name.encode(), keyPermission=perms).SerializeToString()))
    return sorted(found)


def _lease(id: int, ttl_s: int) -> tuple[bytes, bytes]:
    """leasepb.Lease has ID as 1 and TTL as 2: the shape of a LeaseGrantRequest, whose fields have these numbers."""
    message = pb.LeaseGrantRequest(TTL=id, ID=ttl_s)
    return _NUMBER.pack(id % (1 << 64)), message.SerializeToString()


def _members(state: State) -> Items:
    found: Items = []
    for id, seat in state.membership.seats.items():
        name, client_urls = state.attributes.get(id, ("", ()))
        fields: dict[str, object] = {"id": id, "peerURLs": list(seat.peer_urls), "name": name}
        if seat.is_learner:
            fields["isLearner"] = True
        if client_urls:
            fields["clientURLs"] = list(client_urls)
        found.append((b"%x" % id, json.dumps(fields, separators=(",", ":")).encode()))
    return found
