"""The API over HTTP: requests in, bytes out, the same for a socket and for a caller in the same process.

pipeline    the steps of a request, in order
resources   which handler a method and a target mean; reading, writing, subresources have the handlers
watching    the body of a watch
routes, query, media, shaping    one question each: which object, which of them, in what form
discovery   what the server says of itself
status      the only map from exception to answer
aiohttp_adapter    the socket side
"""

from apiserver.http.aiohttp_adapter import build_handler
from apiserver.http.discovery import VERSION
from apiserver.http.messages import Request, Response, warning_values
from apiserver.http.pipeline import MAX_BODY_BYTES, Pipeline

__all__ = ["MAX_BODY_BYTES", "VERSION", "Pipeline", "Request", "Response", "build_handler", "warning_values"]
