"""HTTP/2 and gRPC framing, sans I/O, both sides. HPACK is the hpack library's.

method      what a service is to a transport: the method table
server      ServerConnection: requests in, handlers called, answers out
client      ClientConnection: calls out, answers in
http2       the connection both stand on: frames in (RFC 9113)
outbox      frames out, and flow control that waits
stream, frames, blocks, metadata, codes, limits    one concept each
"""

from kvcluster.wire import codes
from kvcluster.wire.client import CLIENT_LIMITS, ClientConnection, ClientStream, Outcome
from kvcluster.wire.frames import PREFACE
from kvcluster.wire.limits import WireLimits
from kvcluster.wire.metadata import Metadata, parse_timeout
from kvcluster.wire.method import (
    BIDI,
    HIGH_WATER_BYTES,
    LOW_WATER_BYTES,
    SERVER_STREAM,
    UNARY,
    Method,
    Methods,
    ServiceCall,
    StreamHandler,
)
from kvcluster.wire.server import Call, ServerConnection

__all__ = [
    "BIDI",
    "CLIENT_LIMITS",
    "HIGH_WATER_BYTES",
    "LOW_WATER_BYTES",
    "Metadata",
    "PREFACE",
    "SERVER_STREAM",
    "UNARY",
    "Call",
    "ClientConnection",
    "ClientStream",
    "Method",
    "Methods",
    "Outcome",
    "ServerConnection",
    "ServiceCall",
    "StreamHandler",
    "WireLimits",
    "codes",
    "parse_timeout",
]
