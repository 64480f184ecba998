"""Other Python clients of etcd: aetcd works with our server, and its generated code and ours live in one process.

Every etcd client of PyPI registers `rpc.proto` and `etcdserverpb.*` in protobuf's default pool, where two of them clash. Ours
uses a pool of its own (kvcluster/pb), so the order of imports does not matter. Each case is a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

WAIT_S = 60.0

AETCD = """
import asyncio, sys
import aetcd

async def main():
    host, port = sys.argv[1].removeprefix("http://").split(":")
    async with aetcd.Client(host=host, port=int(port)) as client:
        await client.put(b"aetcd/a", b"1")
        found = await client.get(b"aetcd/a")
        assert found.value == b"1", found
        await client.put(b"aetcd/b", b"2")
        assert sorted(kv.key for kv in await client.get_prefix(b"aetcd/")) == [b"aetcd/a", b"aetcd/b"]

        swapped, _ = await client.transaction(
            compare=[client.transactions.value(b"aetcd/a") == b"1"],
            success=[client.transactions.put(b"aetcd/a", b"new")],
            failure=[],
        )
        assert swapped
        assert (await client.get(b"aetcd/a")).value == b"new"

        lease = await client.lease(60)
        await client.put(b"aetcd/leased", b"x", lease=lease)
        assert await lease.remaining_ttl() > 50
        await lease.revoke()
        assert await client.get(b"aetcd/leased") is None

        async def put_again():
            while True:
                await client.put(b"aetcd/watched", b"1")
        putting = asyncio.ensure_future(put_again())
        async with asyncio.timeout(20):
            async for event in await client.watch(b"aetcd/watched"):
                assert event.kv.key == b"aetcd/watched"
                break
        putting.cancel()

        status = await client.status()
        assert status.version.count(".") == 2
        await client.delete_prefix(b"aetcd/")
        assert not [kv async for kv in aiter_of(await client.get_prefix(b"aetcd/"))]

async def aiter_of(items):
    for item in items:
        yield item

asyncio.run(main())
print("done")
"""

OURS = """
import asyncio
from kvcluster import Cluster, connect

async def ours():
    async with Cluster() as cluster:
        async with await connect(await cluster.listen()) as client:
            await client.put(b"a", b"1")
            assert (await client.get(b"a")).kv.value == b"1"

asyncio.run(ours())
"""

THEIRS = """
import aetcd
from aetcd.rpc import rpc_pb2
assert rpc_pb2.PutRequest(key=b"a").SerializeToString() == b"\\n\\x01a"
"""

# What importing etcd3 does: a file named rpc.proto, with package etcdserverpb, in the default pool.
SIMULATED = """
from google.protobuf import descriptor_pb2, descriptor_pool
file = descriptor_pb2.FileDescriptorProto(name="rpc.proto", package="etcdserverpb", syntax="proto3")
message = file.message_type.add(name="PutRequest")
message.field.add(name="key", number=1, type=12, label=1)
message.field.add(name="something_else", number=9, type=3, label=1)
other = descriptor_pb2.FileDescriptorProto(name="kv.proto", package="mvccpb", syntax="proto3")
other.message_type.add(name="KeyValue")
for proto in (file, other):
    descriptor_pool.Default().AddSerializedFile(proto.SerializeToString())
assert descriptor_pool.Default().FindMessageTypeByName("etcdserverpb.PutRequest")
"""


def run(*scripts: str, arguments: tuple[str, ...] = ()) -> str:
    code = "\n".join(textwrap.dedent(script) for script in scripts)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("replicas", [1, 3])
def test_aetcd_works(processes, replicas):
    assert run(AETCD, arguments=(processes(replicas).client_urls[0],)) == "done\n"


@pytest.mark.parametrize("other", [THEIRS, SIMULATED], ids=["aetcd", "like etcd3"])
def test_the_order_of_imports_does_not_matter(other):
    run(other, OURS, other if other is THEIRS else "")
    run(OURS, other, OURS)


def test_an_embedded_cluster_serves_aetcd_in_the_same_process():
    run("""
        import aetcd, asyncio
        from kvcluster import Cluster

        async def main():
            async with Cluster() as cluster:
                host, port = (await cluster.listen()).removeprefix("http://").split(":")
                async with aetcd.Client(host=host, port=int(port)) as client:
                    await client.put(b"a", b"1")
                found = await cluster.client().get(b"a")
                assert found.kv.value == b"1"

        asyncio.run(main())
    """)
