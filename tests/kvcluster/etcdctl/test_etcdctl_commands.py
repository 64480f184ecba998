"""What the real etcdctl prints, command by command."""

from __future__ import annotations

import base64
import re
import threading
from itertools import takewhile

import pytest


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def rows(lines: list[str]) -> list[list[str]]:
    """The cells of an etcdctl table, without its head."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return cells[1:]


def test_put_get_del(etcdctl, prefix):
    key = prefix + "a"
    assert etcdctl("put", key, "1") == ["OK"]
    assert etcdctl("put", key, "2", "--prev-kv") == ["OK", key, "1"]
    assert etcdctl("get", key) == [key, "2"]
    assert etcdctl("get", key, "--print-value-only") == ["2"]
    assert etcdctl("get", prefix + "missing") == []
    assert etcdctl("del", key, "--prev-kv") == ["1", key, "2"]
    assert etcdctl("del", key) == ["0"]


def test_a_value_from_stdin(etcdctl, prefix):
    assert etcdctl("put", prefix + "a", stdin="from stdin") == ["OK"]
    assert etcdctl("get", prefix + "a", "--print-value-only") == ["from stdin"]


def test_get_prefix_limit_order_and_count(etcdctl, prefix):
    for name in "cab":
        etcdctl("put", prefix + name, name.upper())
    assert etcdctl("get", prefix, "--prefix", "--print-value-only") == ["A", "B", "C"]
    assert etcdctl("get", prefix, "--prefix", "--limit", "2", "--keys-only")[::2] == [prefix + "a", prefix + "b"]
    assert etcdctl("get", prefix, "--prefix", "--order", "DESCEND", "--print-value-only") == ["C", "B", "A"]
    newest = etcdctl("get", prefix, "--prefix", "--sort-by", "MODIFY", "--order", "DESCEND", "--print-value-only")
    assert newest == ["B", "A", "C"]
    assert etcdctl("get", prefix + "a", prefix + "c", "--print-value-only") == ["A", "B"]
    assert etcdctl("get", prefix + "b", "--from-key", "--limit", "1", "--print-value-only") == ["B"]
    assert etcdctl.json("get", prefix, "--prefix", "--limit", "1")["count"] == 3
    if not etcdctl.is_old:
        assert '"Count" : 3' in etcdctl("get", prefix, "--prefix", "--count-only", "-w", "fields")
    assert etcdctl("del", prefix, "--prefix") == ["3"]


def test_get_at_a_revision(etcdctl, prefix):
    key = prefix + "a"
    revision = etcdctl.json("put", key, "old")["header"]["revision"]
    etcdctl("put", key, "new")
    assert etcdctl("get", key, "--rev", str(revision), "--print-value-only") == ["old"]
    future = etcdctl.try_("get", key, "--rev", str(revision + 100_000))
    assert future.code == 1
    assert "etcdserver: mvcc: required revision is a future revision" in future.err


def test_get_as_json(etcdctl, prefix):
    key = prefix + "a"
    put = etcdctl.json("put", key, "1")
    got = etcdctl.json("get", key)
    revision = put["header"]["revision"]
    assert got["header"]["cluster_id"] == put["header"]["cluster_id"] and got["header"]["member_id"]
    assert got["header"]["raft_term"] >= 1 and got["header"]["revision"] >= revision
    assert got["count"] == 1
    assert got["kvs"] == [
        {"key": b64(key), "create_revision": revision, "mod_revision": revision, "version": 1, "value": b64("1")}
    ]


def test_serializable_reads(etcdctl, prefix):
    etcdctl("put", prefix + "a", "1")
    assert etcdctl.try_("get", prefix + "a", "--consistency", "s").code == 0


def test_txn(etcdctl, prefix):
    key = prefix + "a"
    etcdctl("put", key, "1")
    script = f'value("{key}") = "1"\n\nput {key} 2\nget {key}\n\nput {key} other\n\n'
    assert etcdctl("txn", stdin=script) == ["SUCCESS", "", "OK", "", key, "2"]
    assert etcdctl("txn", stdin=script) == ["FAILURE", "", "OK"]
    assert etcdctl("get", key, "--print-value-only") == ["other"]
    script = f'mod("{key}") > "0"\nversion("{key}") = "3"\ncreate("{key}") != "0"\n\ndel {key}\n\n\n'
    assert etcdctl("txn", stdin=script) == ["SUCCESS", "", "1"]


def test_txn_refusals(etcdctl, prefix):
    twice = etcdctl.try_("txn", stdin=f"\nput {prefix}a 1\nput {prefix}a 2\n\n\n")
    assert twice.code == 1 and "etcdserver: duplicate key given in txn request" in twice.err
    many = "\n".join(f"put {prefix}{number} x" for number in range(129))
    too_many = etcdctl.try_("txn", stdin=f"\n{many}\n\n\n")
    assert too_many.code == 1 and "etcdserver: too many operations in txn request" in too_many.err
    assert etcdctl("get", prefix, "--prefix") == []


def test_watch_from_a_revision_with_previous_values(etcdctl, prefix):
    key = prefix + "a"
    revision = etcdctl.json("put", key, "1")["header"]["revision"]
    etcdctl("put", key, "2")
    etcdctl("del", key)
    etcdctl("put", prefix + "end", "")
    with etcdctl.running("watch", "--prefix", prefix, "--rev", str(revision), "--prev-kv") as lines:
        seen = [line for line in takewhile(lambda line: line != prefix + "end", lines) if line]
    assert seen == [
        *("PUT", key, "1"),
        *("PUT", key, "1", key, "2"),
        *("DELETE", key, "2", key),
        "PUT",
    ]


def test_watch_from_now(etcdctl, prefix):
    """etcdctl does not say when its watch stands, so something is put again and again until it is seen."""
    key = prefix + "a"
    stop = threading.Event()

    def keep_putting() -> None:
        while not stop.is_set():
            etcdctl("put", key, "1")

    putting = threading.Thread(target=keep_putting)
    with etcdctl.running("watch", key) as lines:
        putting.start()
        try:
            assert [next(lines) for _ in range(3)] == ["PUT", key, "1"]
        finally:
            stop.set()
            putting.join()


def test_watch_of_what_is_compacted(etcdctl, prefix):
    first = etcdctl.json("put", prefix + "a", "1")["header"]["revision"]
    last = etcdctl.json("put", prefix + "a", "2")["header"]["revision"]
    etcdctl("compaction", str(last))
    watch = etcdctl.try_("watch", prefix + "a", "--rev", str(first))
    assert watch.code != 0
    assert "etcdserver: mvcc: required revision has been compacted" in watch.out + watch.err


def test_leases(etcdctl, prefix):
    (granted,) = etcdctl("lease", "grant", "300")
    match = re.fullmatch(r"lease ([0-9a-f]{16}) granted with TTL\(300s\)", granted)
    assert match is not None
    lease = match[1]
    assert etcdctl("put", prefix + "a", "1", "--lease", lease) == ["OK"]
    assert etcdctl("lease", "keep-alive", "--once", lease) == [f"lease {lease} keepalived with TTL(300)"]
    (left,) = etcdctl("lease", "timetolive", lease, "--keys")
    pattern = rf"lease {lease} granted with TTL\(300s\), remaining\((29\d|300)s\), attached keys\(\[{prefix}a\]\)"
    assert re.fullmatch(pattern, left)
    assert lease in etcdctl("lease", "list")
    assert etcdctl("lease", "revoke", lease) == [f"lease {lease} revoked"]
    assert etcdctl("get", prefix + "a") == []
    assert etcdctl("lease", "timetolive", lease) == [f"lease {lease} already expired"]
    revoked = etcdctl.try_("lease", "revoke", lease)
    assert revoked.code == 1 and "etcdserver: requested lease not found" in revoked.err
    unknown = etcdctl.try_("put", prefix + "a", "1", "--lease", "1234")
    assert unknown.code == 1 and "etcdserver: requested lease not found" in unknown.err


def test_compaction(etcdctl, prefix):
    key = prefix + "a"
    first = etcdctl.json("put", key, "1")["header"]["revision"]
    last = etcdctl.json("put", key, "2")["header"]["revision"]
    assert etcdctl("compaction", "--physical", str(last)) == [f"compacted revision {last}"]
    read = etcdctl.try_("get", key, "--rev", str(first))
    assert read.code == 1 and "etcdserver: mvcc: required revision has been compacted" in read.err
    again = etcdctl.try_("compaction", str(first))
    assert again.code == 1 and "etcdserver: mvcc: required revision has been compacted" in again.err
    future = etcdctl.try_("compaction", str(last + 100_000))
    assert future.code == 1 and "etcdserver: mvcc: required revision is a future revision" in future.err
    assert etcdctl("get", key, "--rev", str(last), "--print-value-only") == ["2"]


def test_member_list(etcdctl):
    members = rows(etcdctl("member", "list", "-w", "table"))
    assert len(members) == len(etcdctl.endpoints)
    assert sorted(member[4] for member in members) == sorted(etcdctl.endpoints)
    for id, status, name, peer, client, learner in members:
        assert re.fullmatch(r"[0-9a-f]{1,16}", id)
        assert (status, learner) == ("started", "false")
        assert re.fullmatch(r"m\d", name) and peer.startswith("http://127.0.0.1:") and peer != client
    listed = etcdctl.json("member", "list")
    assert sorted(f"{member['ID']:x}" for member in listed["members"]) == sorted(member[0] for member in members)


def test_endpoint_status(etcdctl):
    table = rows(etcdctl("endpoint", "status", "-w", "table"))
    assert [row[0] for row in table] == etcdctl.endpoints
    assert [row[4] for row in table].count("true") == 1, "one leader"
    assert len({row[6] for row in table}) == 1, "one term"
    for row in table:
        assert re.fullmatch(r"\d+\.\d+\.\d+", row[2]) and row[5] == "false" and row[9] == ""
        assert int(row[7]) >= int(row[8]) > 0
    statuses = [status["Status"] for status in etcdctl.json("endpoint", "status")]
    assert len({status["leader"] for status in statuses}) == 1
    assert {status["header"]["member_id"] for status in statuses} >= {statuses[0]["leader"]}


def test_endpoint_health(etcdctl):
    output = etcdctl.try_("endpoint", "health")
    assert output.code == 0
    healthy = re.findall(r"(http://\S+) is healthy: successfully committed proposal", output.out + output.err)
    assert sorted(healthy) == sorted(etcdctl.endpoints)
    assert etcdctl.try_("endpoint", "health", "--cluster").code == 0
    assert all(entry["health"] for entry in etcdctl.json("endpoint", "health"))


def test_endpoint_hashkv_is_the_same_everywhere(etcdctl, prefix):
    etcdctl("put", prefix + "a", "1")
    for endpoint in etcdctl.endpoints:  # every member has applied it once it has answered a linearizable read
        assert etcdctl("--endpoints", endpoint, "get", prefix + "a", "--print-value-only") == ["1"]
    hashes = {entry["HashKV"]["hash"] for entry in etcdctl.json("endpoint", "hashkv")}
    assert len(hashes) == 1


def test_nothing_is_there(etcdctl, tmp_path):
    output = etcdctl.try_("--endpoints", "http://127.0.0.1:1", "--command-timeout", "200ms", "endpoint", "health")
    assert output.code == 1 and "unhealthy" in output.out + output.err


@pytest.mark.parametrize("command", [["alarm", "list"], ["alarm", "disarm"], ["defrag"]])
def test_maintenance_commands_that_have_nothing_to_do(etcdctl, command):
    assert etcdctl.try_(*command).code == 0


def test_leadership_moves_where_it_is_sent(etcdctl):
    members = etcdctl.json("member", "list")["members"]
    leader = etcdctl.json("endpoint", "status")[0]["Status"]["leader"]
    others = [f"{member['ID']:x}" for member in members if member["ID"] != leader]
    target = (others or [f"{leader:x}"])[0]
    moved = etcdctl("--endpoints", ",".join(etcdctl.endpoints), "move-leader", target)
    assert moved == [f"Leadership transferred from {leader:x} to {target}"]
    output = etcdctl.try_("--endpoints", ",".join(etcdctl.endpoints), "move-leader", "1234")
    assert output.code != 0 and "bad leader transferee" in output.err


@pytest.mark.parametrize("command", [["auth", "enable"], ["member", "remove", "1234"]])
def test_what_is_not_there_yet_says_so(etcdctl, command):
    output = etcdctl.try_("--endpoints", etcdctl.endpoints[0], *command)
    assert output.code != 0 and output.err.strip()
