"""Rows of what administers a cluster: admission, access, certificates, flow control, leases, classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.kinds.rows.cells import NONE, UNSET, Table, name_of, part, selector_text, wide
from apiserver.kinds.strategy import AGE, NAME, object_age
from apiserver.meta import Column, human_duration

Object = dict[str, Any]

# Admission ----------------------------------------------------------------------------------------------------------

_WEBHOOK_COLUMNS = (
    NAME,
    Column(
        "Webhooks", "integer", description="Webhooks indicates the number of webhooks registered in this configuration"
    ),
    AGE,
)


def _webhook_row(configuration: Object, now: float) -> list[Any]:
    return [name_of(configuration), len(configuration.get("webhooks") or ()), object_age(configuration, now)]


def _policy_columns(what: str, text: str) -> tuple[Column, ...]:
    parameters = "ParamKind specifies the kind of resources used to parameterize this policy"
    return (NAME, Column(what, "integer", description=text), Column("ParamKind", description=parameters), AGE)


def _policy_row(field: str) -> Callable[[Object, float], list[Any]]:
    def row(policy: Object, now: float) -> list[Any]:
        spec = part(policy, "spec")
        kind = spec.get("paramKind")
        text = UNSET if kind is None else f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}"
        return [name_of(policy), len(spec.get(field) or ()), text, object_age(policy, now)]

    return row


_BINDING_COLUMNS = (NAME, Column("PolicyName"), Column("ParamRef"), AGE)


def _policy_binding_row(binding: Object, now: float) -> list[Any]:
    spec, text = part(binding, "spec"), UNSET
    parameters = part(spec, "paramRef")
    if parameters.get("name"):
        text = f"{parameters.get('namespace') or '*'}/{parameters['name']}"
    elif parameters.get("selector") is not None:
        text = selector_text(parameters["selector"])
    return [name_of(binding), spec.get("policyName", ""), text, object_age(binding, now)]


# Access -------------------------------------------------------------------------------------------------------------

_ROLE_BINDING_COLUMNS = (
    NAME,
    Column("Role"),
    AGE,
    wide("Users", "Users in the roleBinding"),
    wide("Groups", "Groups in the roleBinding"),
    wide("ServiceAccounts", "ServiceAccounts in the roleBinding"),
)


def _role_binding_row(binding: Object, now: float) -> list[Any]:
    role, subjects = part(binding, "roleRef"), binding.get("subjects") or ()
    by_kind: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in subjects:
        name, namespace = subject.get("name", ""), subject.get("namespace")
        by_kind.get(subject.get("kind", ""), []).append(f"{namespace}/{name}" if namespace else name)
    return [
        name_of(binding),
        f"{role.get('kind', '')}/{role.get('name', '')}",
        object_age(binding, now),
        *(", ".join(names) for names in by_kind.values()),
    ]


_REQUEST_COLUMNS = (
    NAME,
    AGE,
    Column("SignerName"),
    Column("Requestor"),
    Column("RequestedDuration"),
    Column("Condition"),
)


def _request_row(request: Object, now: float) -> list[Any]:
    spec, status = part(request, "spec"), part(request, "status")
    seconds = spec.get("expirationSeconds")
    said = {condition.get("type") for condition in status.get("conditions") or ()}
    words = ["Denied" if "Denied" in said else "Approved" if "Approved" in said else "Pending"]
    words += ["Failed"] if "Failed" in said else []
    words += ["Issued"] if status.get("certificate") else []
    return [
        name_of(request),
        object_age(request, now),
        spec.get("signerName") or NONE,
        spec.get("username", ""),
        NONE if seconds is None else human_duration(seconds),
        ",".join(words),
    ]


_API_SERVICE_COLUMNS = (
    NAME,
    Column("Service", description="The reference to the service that hosts this API endpoint."),
    Column("Available", description="Whether this service is available."),
    AGE,
)


def _api_service_row(service: Object, now: float) -> list[Any]:
    where, available = part(service, "spec").get("service"), "Unknown"
    for condition in part(service, "status").get("conditions") or ():
        if condition.get("type") == "Available":
            reason = condition.get("reason", "")
            available = condition.get("status", "")
            if available != "True":
                available = f"{available} ({reason})"
    local = "Local" if where is None else f"{where.get('namespace', '')}/{where.get('name', '')}"
    return [name_of(service), local, available, object_age(service, now)]


# Flow control, leases, classes --------------------------------------------------------------------------------------

_FLOW_COLUMNS = (
    NAME,
    Column("PriorityLevel"),
    Column("MatchingPrecedence"),
    Column("DistinguisherMethod"),
    AGE,
    Column("MissingPL", description="references a broken or non-existent PriorityLevelConfiguration"),
)


def _flow_row(schema: Object, now: float) -> list[Any]:
    spec, method = part(schema, "spec"), part(schema, "spec").get("distinguisherMethod")
    conditions = part(schema, "status").get("conditions") or ()
    dangling = (condition.get("status", "") for condition in conditions if condition.get("type") == "Dangling")
    return [
        name_of(schema),
        part(spec, "priorityLevelConfiguration").get("name", ""),
        spec.get("matchingPrecedence", 0),
        NONE if method is None else method.get("type", ""),
        object_age(schema, now),
        next(dangling, "?"),
    ]


_LEVEL_COLUMNS = (
    NAME,
    Column("Type"),
    Column("NominalConcurrencyShares"),
    Column("Queues"),
    Column("HandSize"),
    Column("QueueLengthLimit"),
    AGE,
)


def _level_row(level: Object, now: float) -> list[Any]:
    spec = part(level, "spec")
    limited = part(spec, "limited")
    queuing = part(part(limited, "limitResponse"), "queuing")
    return [
        name_of(level),
        spec.get("type", ""),
        limited.get("nominalConcurrencyShares", NONE),
        *(queuing.get(field, NONE) for field in ("queues", "handSize", "queueLengthLimit")),
        object_age(level, now),
    ]


_LEASE_COLUMNS = (NAME, Column("Holder"), AGE)


def _lease_row(lease: Object, now: float) -> list[Any]:
    return [name_of(lease), part(lease, "spec").get("holderIdentity", ""), object_age(lease, now)]


_PRIORITY_CLASS_COLUMNS = (
    NAME,
    Column("Value", "integer"),
    Column("Global-Default", "boolean"),
    AGE,
    Column("PreemptionPolicy"),
)


def _priority_class_row(priority_class: Object, now: float) -> list[Any]:
    return [
        name_of(priority_class),
        priority_class.get("value", 0),
        priority_class.get("globalDefault", False),
        object_age(priority_class, now),
        priority_class.get("preemptionPolicy", ""),
    ]


_RUNTIME_CLASS_COLUMNS = (NAME, Column("Handler"), AGE)


def _runtime_class_row(runtime_class: Object, now: float) -> list[Any]:
    return [name_of(runtime_class), runtime_class.get("handler", ""), object_age(runtime_class, now)]


WEBHOOKS = Table(_WEBHOOK_COLUMNS, _webhook_row)
VALIDATING_POLICY = Table(
    _policy_columns(
        "Validations", "Validations indicates the number of validation rules defined in this configuration"
    ),
    _policy_row("validations"),
)
MUTATING_POLICY = Table(
    _policy_columns("Mutations", "Mutation indicates the number of mutations rules defined in this configuration"),
    _policy_row("mutations"),
)
POLICY_BINDING = Table(_BINDING_COLUMNS, _policy_binding_row)
ROLE_BINDING = Table(_ROLE_BINDING_COLUMNS, _role_binding_row)
SIGNING_REQUEST = Table(_REQUEST_COLUMNS, _request_row)
API_SERVICE = Table(_API_SERVICE_COLUMNS, _api_service_row)
FLOW_SCHEMA = Table(_FLOW_COLUMNS, _flow_row)
PRIORITY_LEVEL = Table(_LEVEL_COLUMNS, _level_row)
LEASE = Table(_LEASE_COLUMNS, _lease_row)
PRIORITY_CLASS = Table(_PRIORITY_CLASS_COLUMNS, _priority_class_row)
RUNTIME_CLASS = Table(_RUNTIME_CLASS_COLUMNS, _runtime_class_row)
