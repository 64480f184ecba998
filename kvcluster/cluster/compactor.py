"""Automatic compaction: etcd's --auto-compaction-mode and --auto-compaction-retention, as a client of one member.

    revision   every INTERVAL_S the history is cut to the last `retention` revisions
    periodic   what is older than the retention period goes; looked at every tenth of the period, at most hourly

Every member of a cluster runs one, and only the leader's acts. `Compactor` is the rule, without a clock; `run_compactor` asks
it from time to time. A new leader of mode periodic begins its memory anew, so it compacts late rather than early (as etcd).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from kvcluster.config import parse_duration
from kvcluster.embedded import EmbeddedClient
from kvcluster.errors import CompactedError, ConfigError, EtcdError
from kvcluster.member import Member

log = logging.getLogger(__name__)

INTERVAL_S = 300.0
MODES = ("periodic", "revision")


class Compactor:
    """The rule. retention: revisions to keep, or seconds. `interval_s`: how often to ask `due`."""

    def __init__(self, mode: str, retention: float) -> None:
        self._mode = mode
        self._retention = retention
        self._seen: deque[tuple[float, int]] = deque()
        self._done = 0
        self.interval_s = INTERVAL_S if mode == "revision" else min(retention, 3600.0) / 10

    def due(self, now_s: float, revision: int) -> int | None:
        """The revision to compact at, None if there is nothing to do. now_s never goes back."""
        if self._mode == "revision":
            target = revision - int(self._retention)
        else:
            self._seen.append((now_s, revision))
            target = 0
            while self._seen and self._seen[0][0] <= now_s - self._retention:
                target = self._seen.popleft()[1]
        if target <= max(self._done, 1):
            return None
        self._done = target
        return target

    def forget(self) -> None:
        """This member does not lead: what it has seen counts no more."""
        self._seen.clear()


def build_compactor(mode: str, retention: str) -> Compactor | None:
    """From the flags' texts; None where the retention is 0 (off). Raises ConfigError.

    A number without unit means hours in mode periodic (as etcd).
    """
    if mode not in MODES:
        raise ConfigError(f'--auto-compaction-mode: "{mode}" is not one of {", ".join(MODES)}')
    flag = "auto-compaction-retention"
    if mode == "revision":
        if not retention.isdigit():
            raise ConfigError(f'--{flag}: "{retention}" is no number of revisions')
        return Compactor(mode, int(retention)) if int(retention) else None
    seconds = int(retention) * 3600.0 if retention.isdigit() else parse_duration(flag, retention)
    return Compactor(mode, seconds) if seconds else None


async def run_compactor(compactor: Compactor, member: Member, client: EmbeddedClient) -> None:
    """Until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(compactor.interval_s)
        if not member.is_leader:
            compactor.forget()
            continue
        revision = compactor.due(loop.time(), member.store.revision)
        if revision is None:
            continue
        try:
            await client.compact(revision)
            log.info("compacted at revision %d", revision)
        except CompactedError:
            pass  # somebody was faster
        except EtcdError as error:
            log.warning("automatic compaction at revision %d: %s", revision, error)
