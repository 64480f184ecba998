"""Joining a cluster that is there already (--initial-cluster-state existing): whom to ask, and what has to fit.

    etcdctl member add m3 --peer-urls=…  ─▶  a seat without a name
    kvcluster serve --name m3 --initial-cluster-state existing --initial-cluster m0=…,…,m3=…
        asks the others for the membership ─▶ finds its own seat by its peer URLs ─▶ starts with an empty log, is sent all

Memory only: a member that was lost is not started again but replaced, by removing its seat and adding another one.
"""

from __future__ import annotations

import json
from typing import Any

from kvcluster.config import ServerConfig, parse_url
from kvcluster.errors import ConfigError
from kvcluster.member import Member, MemberConfig, MemberRecord
from kvcluster.peer import ask_membership


def common_fields(config: ServerConfig, incarnation: int) -> dict[str, Any]:
    """Those of a MemberConfig that have nothing to do with who is in the cluster."""
    return {
        "incarnation": incarnation,
        "seed": incarnation & 0xFFFFFFFF,
        "tick_ms": config.heartbeat_interval,
        "election_ticks": max(config.election_timeout // config.heartbeat_interval, 2),
        "request_timeout_ticks": max((5000 + 2 * config.election_timeout) // config.heartbeat_interval, 1),
        "max_request_bytes": config.max_request_bytes,
        "snapshot_entries": config.snapshot_count,
    }


def describe_membership(member: Member) -> bytes:
    """What a newcomer is told, as JSON."""
    seats = [[record.id, record.name, list(record.peer_urls), record.is_learner] for record in member.members()]
    return json.dumps({"cluster_id": member.cluster_id, "members": seats}).encode()


async def build_joining_config(
    config: ServerConfig, client_urls: tuple[str, ...], incarnation: int, client_context: Any = None
) -> MemberConfig:
    """The configuration of a member that joins. Raises ConfigError."""
    told = await _ask(config, client_context)
    records = [
        MemberRecord(id, name, tuple(urls), (), bool(is_learner)) for id, name, urls, is_learner in told["members"]
    ]
    wanted = sorted(config.initial_advertise_peer_urls)
    own = next((record for record in records if sorted(record.peer_urls) == wanted), None)
    if own is None:
        raise ConfigError(
            f"--initial-cluster-state: the cluster has no member with the peer URLs {', '.join(wanted)}; add it first "
            "(etcdctl member add)"
        )
    named = sorted(sorted(urls) for urls in config.members().values())
    seated = sorted(sorted(record.peer_urls) for record in records)
    if named != seated:
        raise ConfigError(
            f"--initial-cluster: it names {len(named)} members, but the cluster has {len(seated)}: "
            + ", ".join(url for urls in seated for url in urls)
        )
    members = tuple(record._replace(name=config.name, client_urls=client_urls) if record is own else record
                    for record in records)  # fmt: skip
    return MemberConfig(
        id=own.id, members=members, joins_cluster_id=told["cluster_id"], **common_fields(config, incarnation)
    )


async def _ask(config: ServerConfig, client_context: Any) -> dict[str, Any]:
    """The membership as the first member that answers knows it."""
    failures = []
    for name, urls in config.members().items():
        if name == config.name:
            continue
        for url in urls:
            try:
                told: dict[str, Any] = json.loads(
                    await ask_membership(parse_url("initial-cluster", url), client_context)
                )
                return told
            except (OSError, ValueError, TimeoutError) as error:
                failures.append(f"{url}: {error or type(error).__name__}")
    if not failures:
        raise ConfigError("--initial-cluster: it names no other member that could be asked for the cluster")
    raise ConfigError(f"--initial-cluster: no member of the cluster answers ({'; '.join(failures)})")
