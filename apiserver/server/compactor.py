"""Drops the store's history in time: what is older than one interval goes, as kube-apiserver does it.

The key compact_rev_key makes sure that of several API servers one does it: its version is compared before it is written.
"""

from __future__ import annotations

import asyncio
import logging

from kvcluster.client import Client, Compare, PutOp, RangeOp, RangeResult
from kvcluster.errors import KvClusterError

log = logging.getLogger(__name__)

KEY = b"compact_rev_key"


async def compact_once(kv: Client, version: int, revision: int) -> tuple[int, int]:
    """(version of the key now, the store's revision now). Compacts at `revision` if nobody else came first."""
    answer = await kv.txn(
        [Compare(KEY, "version", "==", version)], [PutOp(KEY, str(revision).encode())], [RangeOp(KEY)]
    )
    if not answer.succeeded:
        found = answer.results[0]
        assert isinstance(found, RangeResult)
        return (found.kvs[0].version if found.kvs else 0), answer.revision
    if revision > 0:
        await kv.compact(revision)
    return version + 1, answer.revision


async def compact_regularly(kv: Client, interval_s: float) -> None:
    """Until cancelled. A store that cannot be reached is tried again an interval later."""
    version = revision = 0
    while True:
        await asyncio.sleep(interval_s)
        try:
            version, revision = await compact_once(kv, version, revision)
        except (KvClusterError, OSError, TimeoutError) as error:
            log.warning("compaction: %s", error)
