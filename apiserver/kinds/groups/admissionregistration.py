"""admissionregistration.k8s.io/v1: who is asked before an object is stored."""

from __future__ import annotations

from apiserver.kinds.declaring import declare

_GROUP = "admissionregistration.k8s.io/v1"

MUTATING_POLICIES = declare(f"{_GROUP} mutatingadmissionpolicies", tracks_generation=True, unconditional_update=False)

MUTATING_POLICY_BINDINGS = declare(
    f"{_GROUP} mutatingadmissionpolicybindings", tracks_generation=True, unconditional_update=False
)

MUTATING_WEBHOOKS = declare(
    f"{_GROUP} mutatingwebhookconfigurations", tracks_generation=True, unconditional_update=False
)

VALIDATING_POLICIES = declare(
    f"{_GROUP} validatingadmissionpolicies", tracks_generation=True, unconditional_update=False
)

VALIDATING_POLICY_BINDINGS = declare(
    f"{_GROUP} validatingadmissionpolicybindings", tracks_generation=True, unconditional_update=False
)

VALIDATING_WEBHOOKS = declare(
    f"{_GROUP} validatingwebhookconfigurations", tracks_generation=True, unconditional_update=False
)

RESOURCES = (
    MUTATING_POLICIES,
    MUTATING_POLICY_BINDINGS,
    MUTATING_WEBHOOKS,
    VALIDATING_POLICIES,
    VALIDATING_POLICY_BINDINGS,
    VALIDATING_WEBHOOKS,
)
