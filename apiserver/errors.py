"""Kubernetes' own way to say no: one exception, and a function for each reason.

`StatusError` carries what a `v1.Status` body carries. Clients of Kubernetes switch on `reason`, not on the code, and
people read `message`, so both follow the real API server's texts. apiserver/http/status.py turns it into an answer.
Source of the texts: Kubernetes 1.36, apimachinery `api/errors`.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Cause(NamedTuple):
    """One thing wrong with one field. reason: FieldValueRequired, FieldValueInvalid, FieldValueNotSupported, …"""

    reason: str
    message: str
    field: str


class StatusError(Exception):
    """An API call that failed. code: HTTP status; details: the Status.details object or None."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.continue_token = ""  # of a 410 on a page: where an inconsistent list may go on

    def to_status(self) -> dict[str, Any]:
        """The v1.Status object that says this error."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.continue_token} if self.continue_token else {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if not self.reason:
            del status["reason"]  # an error that has no name of its own
        if self.details is not None:
            status["details"] = self.details
        return status


def _details(group: str, kind: str, name: str = "", **more: Any) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": kind, **more}
    return {key: value for key, value in details.items() if value not in ("", None)}


def _qualified(group: str, plural: str) -> str:
    return f"{plural}.{group}" if group else plural


def not_found(group: str, plural: str, name: str) -> StatusError:
    return StatusError(
        404, "NotFound", f'{_qualified(group, plural)} "{name}" not found', _details(group, plural, name)
    )


def already_exists(group: str, plural: str, name: str) -> StatusError:
    message = f'{_qualified(group, plural)} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, _details(group, plural, name))


def name_not_generated(group: str, plural: str, name: str) -> StatusError:
    """409: every name that was made of a generateName was taken."""
    message = (
        f'{_qualified(group, plural)} "{name}" already exists, the server was not able to generate a unique name for the '
        "object"
    )
    return StatusError(409, "AlreadyExists", message, _details(group, plural, name, retryAfterSeconds=1))


def conflict(group: str, plural: str, name: str, why: str | None = None) -> StatusError:
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {_qualified(group, plural)} "{name}": {why}'
    return StatusError(409, "Conflict", message, _details(group, plural, name))


def forbidden(group: str, plural: str, name: str, why: str, causes: list[Cause] | None = None) -> StatusError:
    subject = f'{_qualified(group, plural)} "{name}"' if name else _qualified(group, plural)
    details = _details(group, plural, name, causes=_causes(causes) if causes else None)
    return StatusError(403, "Forbidden", f"{subject} is forbidden: {why}", details)


MAX_CAUSES = 1000
"""What an answer says at the most of what is wrong."""


def _causes(causes: list[Cause]) -> list[dict[str, str]]:
    return [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes[:MAX_CAUSES]]


def invalid(group: str, kind: str, name: str, causes: list[Cause]) -> StatusError:
    """422: the object was understood and is not acceptable. `kind` is the Kind here, not the resource."""
    # The message says nothing twice.
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes[:MAX_CAUSES]))
    said = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    qualified = f"{kind}.{group}" if group else kind
    details = _details(group, kind, name, causes=_causes(causes))
    return StatusError(422, "Invalid", f'{qualified} "{name}" is invalid: {said}', details)


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> StatusError:
    return StatusError(401, "Unauthorized", message)


def method_not_allowed() -> StatusError:
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def not_acceptable(message: str) -> StatusError:
    return StatusError(406, "NotAcceptable", message)


def unsupported_media_type(accepted: list[str]) -> StatusError:
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return StatusError(415, "UnsupportedMediaType", message)


def expired(message: str) -> StatusError:
    """410: the revision asked for has been compacted."""
    return StatusError(410, "Expired", message)


def too_large(message: str) -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", message)


def timeout(message: str, *, retry_after_seconds: int = 0, causes: list[Cause] | None = None) -> StatusError:
    details: dict[str, Any] = {}
    if causes:
        details["causes"] = [{"reason": c.reason, "message": c.message} for c in causes]
    if retry_after_seconds:
        details["retryAfterSeconds"] = retry_after_seconds
    return StatusError(504, "Timeout", message, details or None)


def too_large_resource_version(asked: int, current: int) -> StatusError:
    cause = Cause("ResourceVersionTooLarge", "Too large resource version", "")
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return timeout(message, retry_after_seconds=1, causes=[cause])


def service_unavailable(message: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", message)


def internal_error(message: str) -> StatusError:
    return StatusError(500, "InternalError", f"Internal error occurred: {message}")
