"""certificates.k8s.io/v1: certificates that are asked for.

A request is written once: later only its status changes, and who approves it writes conditions through its own subresource.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.metadata import update_validator
from apiserver.kinds.resource import Part, read_text
from apiserver.kinds.rows import administration as rows
from apiserver.kinds.strategy import empty_status, keep_status, replace_status
from apiserver.kinds.validation import find_rules

Object = dict[str, Any]


def prepare_update(request: Object, old: Object) -> None:
    keep_status(request, old)
    request["spec"] = old.get("spec") or {}


_DECISIONS = ("Approved", "Denied")


def prepare_status_update(request: Object, old: Object) -> None:
    """The signer writes status; whether the request is approved is not its to say."""
    replace_status(request, old)
    status = request.setdefault("status", {})
    conditions = [each for each in _conditions(old) if each.get("type") in _DECISIONS]
    conditions += [each for each in _conditions(request) if each.get("type") not in _DECISIONS]
    status.pop("conditions", None)
    if conditions:
        status["conditions"] = conditions


def prepare_approval(request: Object, old: Object) -> None:
    """The approval subresource: conditions change, and nothing else."""
    replace_status(request, old)
    status = dict(old.get("status") or {})
    status.pop("conditions", None)
    conditions = _conditions(request)
    request["status"] = {**status, "conditions": conditions} if conditions else status


def _conditions(request: Object) -> list[Object]:
    return (request.get("status") or {}).get("conditions") or []


_NAME = "certificates.k8s.io/v1 certificatesigningrequests"

_, _validate_update = find_rules(_NAME) or (None, update_validator())

SIGNING_REQUESTS = declare(
    _NAME,
    table=rows.SIGNING_REQUEST,
    prepare_create=empty_status,
    prepare_update=prepare_update,
    prepare_status_update=prepare_status_update,
    parts={"approval": Part(prepare_approval, _validate_update)},
    field_labels={"spec.signerName": read_text("spec", "signerName")},
)

RESOURCES = (SIGNING_REQUESTS,)
