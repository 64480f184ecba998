"""HTTP/2 and gRPC framing, sans I/O, both sides. HPACK is the hpack library's.

method      what a service is to a transport: the method table
server      ServerConnection: requests in, handlers called, answers out
client      ClientConnection: calls out, answers in
http2       the connection both stand on: frames and flow control (RFC 9113)
stream, frames, blocks, codes, limits    one concept each
"""

from kvcluster.wire import codes
from kvcluster.wire.client import CLIENT_LIMITS, ClientConnection, ClientStream, Outcome
from kvcluster.wire.frames import PREFACE
from kvcluster.wire.limits import WireLimits
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
]
