"""The API over HTTP: requests in, bytes out, the same for a socket and for a caller in the same process.

pipeline    the steps of a request, in order
resources   which handler a method and a target mean; reading, writing, subresources have the handlers
watching    the body of a watch
routes, query, media, shaping    one question each: which object, which of them, in what form
discovery   what the server says of itself
status      the only map from exception to answer
connections, heads    the socket side: aiohttp, and what a head says
"""

from apiserver.http.connections import HttpServer
from apiserver.http.discovery import VERSION
from apiserver.http.durations import REQUEST_TIMEOUT_S, request_timeout_s
from apiserver.http.in_flight import InFlight
from apiserver.http.messages import Request, Response, warning_values
from apiserver.http.pipeline import MAX_BODY_BYTES, Pipeline
from apiserver.http.status import response_of

__all__ = [
    "MAX_BODY_BYTES",
    "REQUEST_TIMEOUT_S",
    "VERSION",
    "HttpServer",
    "InFlight",
    "Pipeline",
    "Request",
    "Response",
    "request_timeout_s",
    "response_of",
    "warning_values",
]
