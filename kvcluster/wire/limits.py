"""What bounds a connection. Each limit names what happens at it."""

from __future__ import annotations

from typing import NamedTuple


class WireLimits(NamedTuple):
    """Sizes in bytes.

    max_message_bytes: a larger gRPC message ends its call with RESOURCE_EXHAUSTED (etcd: 1.5 MiB + 512 KiB).
    connection_window_bytes, stream_window_bytes: what a peer may send ahead; more is a flow-control error.
    max_concurrent_streams: further streams are refused, which tells the client to try again.
    max_queued_bytes: of all answers that flow control holds back; while there are more, new streams are refused.
    max_header_list_bytes: a larger header block ends the connection.
    max_nuisances: frames that make work and carry nothing (SETTINGS, empty DATA and CONTINUATION, calls reset before
        they were answered), less the calls that came to their end; more ends the connection (CVE-2023-44487 and kin).
    max_unsent_frames: frames that wait for a socket that takes nothing; with more, a control frame ends the connection.
    """

    max_message_bytes: int = 2 * 1024 * 1024
    connection_window_bytes: int = 16 * 1024 * 1024
    stream_window_bytes: int = 1024 * 1024
    max_concurrent_streams: int = 1_000_000
    max_queued_bytes: int = 256 * 1024 * 1024
    max_header_list_bytes: int = 64 * 1024
    max_nuisances: int = 10_000
    max_unsent_frames: int = 200_000
