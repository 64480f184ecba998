"""Random operations: what a sequence may ask for. Everything is a value, so a sequence can be printed, cut and played again.

Left out, with the reason:

    sort orders and targets that do not exist    etcd 3.5.1 takes the orders, and dies of the targets; later ones refuse both
    a limit with a sort by something but the key, and such sorts inside transactions    what ties comes in any order in etcd
    nested transactions under NOSPACE            3.5.1 does not see the puts in them; later ones do
    compaction after a watch from the past       whether that has caught up by then is a matter of milliseconds
    watches from negative revisions              3.5.1 makes the watcher; later ones refuse it

Keys, leases and revisions are relative to the sequence: it begins with a prefix and leases of its own, and revisions count
from the one that the store had when it began. So sequences can follow each other on the same servers, and any of them can be
repeated.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

KEYS = (b"a", b"b", b"b\0", b"ba", b"c", b"\xff", b"long/er/key", b"z")
LEASES = (1, 2, 3)
STREAMS = (0, 1)


class Operation(NamedTuple):
    """kind: the RPC's name, or what is done to a stream. fields: of its request, in the form that play.py reads."""

    kind: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(f'{name}={value!r}' for name, value in self.fields.items())})"


class Revision(NamedTuple):
    """Relative to the sequence's first."""

    offset: int


class Key(NamedTuple):
    """Under the sequence's prefix; `whole`: not under it."""

    suffix: bytes
    whole: bool = False


NO_KEY = Key(b"", True)
TO_THE_END = Key(b"\0", True)
END = Key(b"\xff\xff")
"""Behind all keys of the sequence."""


class Generator:
    """Operations for a seed. `length` is a hint of how far revisions may go."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.has_alarms = seed % 5 == 0
        self.has_past_watches = False
        self.changes = 0
        self.watches = dict.fromkeys(STREAMS, 0)

    def sequence(self, length: int) -> list[Operation]:
        kinds = list(_WEIGHTS)
        weights = list(_WEIGHTS.values())
        return [getattr(self, f"_{kind}")() for kind in self.random.choices(kinds, weights, k=length)]

    # ---- parts ----

    def _flip(self, chance: float = 0.3) -> bool:
        return self.random.random() < chance

    def _key(self) -> Key:
        return NO_KEY if self._flip(0.01) else Key(self.random.choice(KEYS))

    def _end(self) -> Key:
        return self.random.choices((NO_KEY, END, Key(self.random.choice(KEYS))), (5, 2, 2))[0]

    def _revision(self) -> Any:
        return self.random.choices(
            (0, Revision(self.random.randint(-3, self.changes + 3)), -1, 1 << 40), (12, 6, 0.3, 0.3)
        )[0]

    def _lease(self) -> Any:
        return self.random.choices((0, self.random.choice(LEASES), 99), (8, 3, 0.5))[0]

    def _range(self, is_nested: bool = False) -> Operation:
        pick = self.random.choice
        fields: dict[str, Any] = {"key": self._key(), "range_end": self._end(), "revision": self._revision()}
        if self._flip():
            fields["sort_order"] = pick((0, 1, 2))
        if self._flip():
            fields["limit"] = pick((0, 1, 2, 5, -1))
        elif not is_nested and self._flip():
            fields["sort_target"] = pick((1, 2, 3, 4))
        for name in ("keys_only", "count_only", "serializable"):
            if self._flip(0.1):
                fields[name] = True
        for name in ("min_mod_revision", "max_mod_revision", "min_create_revision", "max_create_revision"):
            if self._flip(0.06):
                fields[name] = Revision(self.random.randint(0, self.changes + 1))
        return Operation("Range", fields)

    def _put(self) -> Operation:
        self.changes += 1
        fields: dict[str, Any] = {"key": self._key(), "value": self._value(), "lease": self._lease()}
        if self._flip(0.2):
            fields["prev_kv"] = True
        if self._flip(0.06):
            fields |= {"ignore_value": True, "value": self.random.choice((b"", b"", b"x"))}
        if self._flip(0.06):
            fields |= {"ignore_lease": True, "lease": self.random.choice((0, 0, 1))}
        return Operation("Put", fields)

    def _value(self) -> bytes:
        return self.random.choice((b"", b"1", b"2", b"\0\xff", b"v" * 200))

    def _delete(self) -> Operation:
        self.changes += 1
        return Operation("DeleteRange", {"key": self._key(), "range_end": self._end(), "prev_kv": self._flip()})

    def _txn(self) -> Operation:
        return Operation("Txn", self._txn_fields(0 if self.has_alarms else 3))

    def _txn_fields(self, depth: int) -> dict[str, Any]:
        count = self.random.choices((0, 1, 2, 3, 130), (3, 10, 4, 2, 0.05))[0]
        return {
            "compare": [self._compare() for _ in range(min(self.random.randint(0, 2), count))],
            "success": [self._op(depth) for _ in range(count)],
            "failure": [self._op(depth) for _ in range(self.random.randint(0, 2))],
        }

    def _compare(self) -> dict[str, Any]:
        target = self.random.randint(0, 4)
        fields: dict[str, Any] = {"key": self._key(), "result": self.random.randint(0, 3), "target": target}
        if self._flip(0.15):
            fields["range_end"] = self._end()
        if not self._flip(0.05):
            name = ("version", "create_revision", "mod_revision", "value", "lease")[target]
            offset = Revision(self.random.randint(0, self.changes + 1))
            fields[name] = (self.random.randint(0, 3), self.random.choice((0, offset)), offset, self._value(),
                            self._lease())[target]  # fmt: skip
        return fields

    def _op(self, depth: int) -> dict[str, Any]:
        kinds = ["request_range", "request_put", "request_delete_range", "request_txn", ""]
        kind = self.random.choices(kinds, (6, 8, 3, 2 if depth > 0 else 0, 0.1))[0]
        match kind:
            case "request_range":
                return {kind: self._range(is_nested=True).fields}
            case "request_put":
                return {kind: self._put().fields}
            case "request_delete_range":
                return {kind: self._delete().fields}
            case "request_txn":
                return {kind: self._txn_fields(depth - 1)}
        return {}

    # ---- everything else ----

    def _compact(self) -> Operation:
        if self.has_past_watches:
            return self._barrier()
        revision = Revision(self.random.randint(-2, self.changes))
        return Operation("Compact", {"revision": revision, "physical": self._flip()})

    def _grant(self) -> Operation:
        ttl_s = self.random.choice((1000, 5000, 1 << 40, 9_000_000_001))
        return Operation("LeaseGrant", {"ID": self.random.choice(LEASES), "TTL": ttl_s})

    def _revoke(self) -> Operation:
        return Operation("LeaseRevoke", {"ID": self.random.choice((*LEASES, 99))})

    def _time_to_live(self) -> Operation:
        return Operation("LeaseTimeToLive", {"ID": self.random.choice((*LEASES, 99)), "keys": self._flip(0.6)})

    def _leases(self) -> Operation:
        return Operation("LeaseLeases", {})

    def _keep_alive(self) -> Operation:
        return Operation("LeaseKeepAlive", {"ID": self.random.choice((*LEASES, 99))})

    def _watch(self) -> Operation:
        stream = self.random.choice(STREAMS)
        fields: dict[str, Any] = {"stream": stream, "key": Key(self.random.choice(KEYS)), "range_end": self._end()}
        fields["start_revision"] = 0
        if self._flip(0.4):
            self.has_past_watches = True
            fields["start_revision"] = Revision(self.random.randint(-2, self.changes + 4))
        fields["watch_id"] = self.random.choices((0, self.random.randint(1, 20)), (5, 1))[0]
        if self._flip():
            fields["filters"] = self.random.choice(([0], [1], [0, 1]))
        for name in ("prev_kv", "fragment"):
            if self._flip():
                fields[name] = True
        return Operation("watch", fields)

    def _unwatch(self) -> Operation:
        return Operation("unwatch", {"stream": self.random.choice(STREAMS), "watch_id": self.random.randint(0, 12)})

    def _barrier(self) -> Operation:
        return Operation("barrier", {})

    def _members(self) -> Operation:
        return Operation("MemberList", {"linearizable": self._flip()})

    def _alarm(self) -> Operation:
        action = self.random.choice((0, 1, 2)) if self.has_alarms else 0
        return Operation("Alarm", {"action": action, "alarm": 1, "memberID": 5})

    def _disarm(self) -> Operation:
        return Operation("Alarm", {"action": 2, "alarm": 1, "memberID": 5})

    def _garbage(self) -> Operation:
        kind = self.random.choice(("Range", "Put", "DeleteRange", "Txn", "Compact", "LeaseGrant", "LeaseRevoke"))
        return Operation("garbage", {"rpc": kind, "payload": self.random.choice((b"\xff", b"\x0a\xff", b"\x08"))})


_WEIGHTS = {
    "range": 24, "put": 24, "delete": 6, "txn": 20, "compact": 0.6, "grant": 3, "revoke": 1.5, "time_to_live": 3,
    "leases": 1, "keep_alive": 2, "watch": 4, "unwatch": 1.5, "barrier": 0.6, "members": 0.5, "alarm": 0.3,
    "disarm": 1.5, "garbage": 0.5,
}  # fmt: skip
