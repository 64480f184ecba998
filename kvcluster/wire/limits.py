"""What bounds a connection. Each limit names what happens at it."""

from __future__ import annotations

from typing import NamedTuple


class WireLimits(NamedTuple):
    """Sizes in bytes.

    max_message_bytes: a larger gRPC message ends its call with RESOURCE_EXHAUSTED (etcd: 1.5 MiB + 512 KiB).
    connection_window_bytes, stream_window_bytes: what a peer may send ahead; more is a flow-control error.
    max_concurrent_streams: further streams are refused, which tells the client to try again.
    max_header_list_bytes: a larger header block ends the connection.
    max_nuisances: SETTINGS and empty CONTINUATION frames of a connection's life; more ends it.
    """

    max_message_bytes: int = 2 * 1024 * 1024
    connection_window_bytes: int = 16 * 1024 * 1024
    stream_window_bytes: int = 1024 * 1024
    max_concurrent_streams: int = 1_000_000
    max_header_list_bytes: int = 64 * 1024
    max_nuisances: int = 10_000
