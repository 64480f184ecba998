"""The only map from an exception to an HTTP answer."""

from __future__ import annotations

import logging

from apiserver.errors import StatusError, internal_error, service_unavailable, timeout
from apiserver.http.messages import Response, json_response
from kvcluster.errors import EtcdError, KvClusterError

log = logging.getLogger(__name__)


def status_response(error: StatusError) -> Response:
    response = json_response(error.to_status(), error.code)
    retry = (error.details or {}).get("retryAfterSeconds")
    if retry:
        response.headers["Retry-After"] = str(retry)
    return response


def response_of(error: Exception) -> Response:
    """A Status for everything: what we raise on purpose, what the store says, and what nobody foresaw."""
    if isinstance(error, StatusError):
        return status_response(error)
    if isinstance(error, TimeoutError):
        return status_response(timeout("Timeout: request did not complete within requested timeout"))
    if isinstance(error, EtcdError):
        return status_response(internal_error(str(error)))
    if isinstance(error, KvClusterError | OSError):
        return status_response(service_unavailable(f"the store cannot be reached: {error}"))
    log.exception("a request failed", exc_info=error)
    return status_response(internal_error(f"{type(error).__name__}: {error}"))
