"""admissionregistration.k8s.io/v1: who is asked before an object is stored.

Source of the defaults: Kubernetes pkg/apis/admissionregistration/v1/defaults.go.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.rows import administration as rows
from apiserver.kinds.strategy import empty_status, replace_only_status, set_missing

Object = dict[str, Any]

_GROUP = "admissionregistration.k8s.io/v1"
_HTTPS_PORT = 443
_TIMEOUT_S = 10


def default_validating_webhooks(configuration: Object) -> None:
    for webhook in configuration.get("webhooks") or ():
        _default_matching(webhook, "rules")
        service = webhook.setdefault("clientConfig", {}).get("service")
        if service is not None:
            service.setdefault("port", _HTTPS_PORT)
        set_missing(webhook, "failurePolicy", "Fail")
        webhook.setdefault("timeoutSeconds", _TIMEOUT_S)


def default_mutating_webhooks(configuration: Object) -> None:
    default_validating_webhooks(configuration)
    for webhook in configuration.get("webhooks") or ():
        set_missing(webhook, "reinvocationPolicy", "Never")


def _default_matching(obj: Object, *rule_fields: str) -> None:
    """Which requests are meant: what webhooks and policies say in the same fields."""
    set_missing(obj, "matchPolicy", "Equivalent")
    obj.setdefault("namespaceSelector", {})
    obj.setdefault("objectSelector", {})
    for field in rule_fields:
        for rule in obj.get(field) or ():
            set_missing(rule, "scope", "*")


def _default_constraints(spec: Object, field: str) -> None:
    if spec.get(field) is not None:
        _default_matching(spec[field], "resourceRules", "excludeResourceRules")


def default_policy(policy: Object) -> None:
    spec = policy.setdefault("spec", {})
    set_missing(spec, "failurePolicy", "Fail")
    _default_constraints(spec, "matchConstraints")


def default_binding(binding: Object) -> None:
    _default_constraints(binding.setdefault("spec", {}), "matchResources")


_declare = partial(declare, tracks_generation=True, unconditional_update=False)

MUTATING_POLICIES = _declare(f"{_GROUP} mutatingadmissionpolicies", table=rows.MUTATING_POLICY, defaults=default_policy)

MUTATING_POLICY_BINDINGS = _declare(
    f"{_GROUP} mutatingadmissionpolicybindings", table=rows.POLICY_BINDING, defaults=default_binding
)

MUTATING_WEBHOOKS = _declare(
    f"{_GROUP} mutatingwebhookconfigurations", table=rows.WEBHOOKS, defaults=default_mutating_webhooks
)

VALIDATING_POLICIES = _declare(
    f"{_GROUP} validatingadmissionpolicies",
    table=rows.VALIDATING_POLICY,
    defaults=default_policy,
    prepare_create=empty_status,
    prepare_status_update=replace_only_status,
)

VALIDATING_POLICY_BINDINGS = _declare(
    f"{_GROUP} validatingadmissionpolicybindings", table=rows.POLICY_BINDING, defaults=default_binding
)

VALIDATING_WEBHOOKS = _declare(
    f"{_GROUP} validatingwebhookconfigurations", table=rows.WEBHOOKS, defaults=default_validating_webhooks
)

RESOURCES = (
    MUTATING_POLICIES,
    MUTATING_POLICY_BINDINGS,
    MUTATING_WEBHOOKS,
    VALIDATING_POLICIES,
    VALIDATING_POLICY_BINDINGS,
    VALIDATING_WEBHOOKS,
)
