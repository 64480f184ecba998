"""How an API server is started."""

from __future__ import annotations

from typing import NamedTuple


class ApiServerConfig(NamedTuple):
    """port 0: any free one. compaction_interval_s: how often the store's history is dropped (Kubernetes: 5 minutes); 0 = never.

    seed: makes uids and generated names reproducible; None takes the system's randomness.
    """

    host: str = "127.0.0.1"
    port: int = 0
    compaction_interval_s: float = 300.0
    seed: int | None = None
