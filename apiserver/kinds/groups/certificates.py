"""certificates.k8s.io/v1: certificates that are asked for."""

from __future__ import annotations

from apiserver.kinds.declaring import declare
from apiserver.kinds.resource import read_text

SIGNING_REQUESTS = declare(
    "certificates.k8s.io/v1 certificatesigningrequests",
    field_labels={"spec.signerName": read_text("spec", "signerName")},
)

RESOURCES = (SIGNING_REQUESTS,)
