"""certificates.k8s.io/v1: certificates that are asked for.

A request is written once: later only its status changes, and who approves it writes conditions through its own subresource.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.resource import read_text
from apiserver.kinds.rows import administration as rows
from apiserver.kinds.strategy import empty_status, keep_status

Object = dict[str, Any]


def prepare_update(request: Object, old: Object) -> None:
    keep_status(request, old)
    request["spec"] = old["spec"]


SIGNING_REQUESTS = declare(
    "certificates.k8s.io/v1 certificatesigningrequests",
    table=rows.SIGNING_REQUEST,
    prepare_create=empty_status,
    prepare_update=prepare_update,
    field_labels={"spec.signerName": read_text("spec", "signerName")},
)

RESOURCES = (SIGNING_REQUESTS,)
