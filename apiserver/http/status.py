"""The only map from an exception to an HTTP answer."""

from __future__ import annotations

import logging

from apiserver.errors import StatusError, internal_error, service_unavailable, timeout
from apiserver.http.media import JSON, negotiate
from apiserver.http.messages import Response, bytes_response
from apiserver.http.shaping import encode_as
from kvcluster.errors import EtcdError, KvClusterError

log = logging.getLogger(__name__)


def status_response(error: StatusError, accept: str = "") -> Response:
    """In the media type that the client wants, JSON if it wants none that there is."""
    try:
        media = negotiate(accept).media
    except StatusError:
        media = JSON
    response = bytes_response(encode_as(media, error.to_status()), error.code, media)
    retry = (error.details or {}).get("retryAfterSeconds")
    if retry:
        response.headers["Retry-After"] = str(retry)
    return response


def response_of(error: Exception, accept: str = "") -> Response:
    """A Status for everything: what we raise on purpose, what the store says, and what nobody foresaw."""
    if isinstance(error, StatusError):
        return status_response(error, accept)
    if isinstance(error, TimeoutError):
        return status_response(timeout("Timeout: request did not complete within requested timeout"), accept)
    if isinstance(error, EtcdError):
        return status_response(internal_error(str(error)), accept)
    if isinstance(error, KvClusterError | OSError):
        return status_response(service_unavailable(f"the store cannot be reached: {error}"), accept)
    log.exception("a request failed", exc_info=error)
    return status_response(internal_error(f"{type(error).__name__}: {error}"), accept)
