"""Amounts of resources: which names may be asked for, and how requests stand to limits."""

from __future__ import annotations

from collections.abc import Callable

from apiserver.errors import Cause
from apiserver.kinds.validation.values import Object, quantity
from apiserver.meta import (
    Remembered,
    check_qualified_name,
    duplicate,
    forbidden,
    invalid,
    not_found_value,
    parse_quantity,
    required,
)

CONTAINER_RESOURCES = ("cpu", "memory", "ephemeral-storage")
COUNTED = (
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers",
)  # fmt: skip
QUOTA_RESOURCES = (
    *CONTAINER_RESOURCES, "requests.cpu", "requests.memory", "requests.storage", "requests.ephemeral-storage",
    "limits.cpu", "limits.memory", "limits.ephemeral-storage", *COUNTED,
)  # fmt: skip
STANDARD_RESOURCES = (*QUOTA_RESOURCES, "storage")

HUGE_PAGES = "hugepages-"
NAME_FORM = "must be a standard resource type or fully qualified"


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """A resource of somebody's own: example.com/gpu."""
    return not is_native(name) and not name.startswith("requests.") and not check_qualified_name(f"requests.{name}")


def _is_huge(name: str) -> bool:
    return name.startswith((HUGE_PAGES, "requests." + HUGE_PAGES))


def resource_name(path: str, name: str) -> list[Cause]:
    """A name of any resource."""
    problems = check_qualified_name(name)
    if problems:
        return [invalid(path, name, why) for why in problems]
    if "/" not in name and name not in STANDARD_RESOURCES and not _is_huge(name):
        return [invalid(path, name, NAME_FORM)]
    return []


def container_resource_name(path: str, name: str) -> list[Cause]:
    """A name of what a container can be given."""
    if name in CONTAINER_RESOURCES:
        return []
    causes = resource_name(path, name)
    if "/" not in name:
        if not name.startswith(HUGE_PAGES):
            causes.append(invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        causes.append(invalid(path, name, "doesn't follow extended resource name standard"))
    return causes


def quota_resource_name(path: str, name: str) -> list[Cause]:
    causes = resource_name(path, name)
    if "/" not in name and name not in QUOTA_RESOURCES and not _is_huge(name):
        causes.append(invalid(path, name, "must be a standard resource for quota"))
    return causes


def resource_amount(path: str, name: str, amount: str) -> list[Cause]:
    """Not negative; whole where the resource is counted."""
    causes = quantity(path, amount)
    if (name in COUNTED or is_extended(name)) and parse_quantity(amount) % 1:
        causes.append(invalid(path, amount, "must be an integer"))
    return causes


def resource_list(amounts: Object, path: str, check_name: Callable[[str, str], list[Cause]]) -> list[Cause]:
    causes: list[Cause] = []
    for name, amount in amounts.items():
        where = f"{path}[{name}]"
        causes += check_name(where, name)
        causes += resource_amount(where, name, amount)
    return causes


_good: Remembered[bool] = Remembered()


def resource_requirements(resources: Object, path: str, claims: tuple[str, ...] = ()) -> list[Cause]:
    """A container's requests and limits, and the pod's claims that it uses. What was good once is good again."""
    if not resources:
        return []
    key = _good.key_of(claims, resources)
    if _good.find(key):
        return []
    causes = _check_requirements(resources, path, claims)
    if not causes:
        _good.keep(key, True)
    return causes


def _check_requirements(resources: Object, path: str, claims: tuple[str, ...]) -> list[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    causes: list[Cause] = []
    if limits:
        causes += resource_list(limits, f"{path}.limits", container_resource_name)
    for name, amount in requests.items():
        where = f"{path}.requests[{name}]"
        causes += container_resource_name(where, name)
        causes += resource_amount(where, name, amount)
        limit = limits.get(name)
        can_be_shared = is_native(name) and not name.startswith(HUGE_PAGES)
        if limit is None:
            if not can_be_shared:
                causes.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
        elif amount != limit:
            asked, most = parse_quantity(amount), parse_quantity(limit)
            if not can_be_shared and asked != most:
                causes.append(invalid(f"{path}.requests", amount, f"must be equal to {name} limit of {limit}"))
            elif asked > most:
                why = f"must be less than or equal to {name} limit of {limit}"
                causes.append(invalid(f"{path}.requests", amount, why))
    names = limits.keys() | requests.keys()
    if any(name.startswith(HUGE_PAGES) for name in names) and not {"cpu", "memory"} & names:
        causes.append(forbidden(path, "HugePages require cpu or memory"))
    if resources.get("claims"):
        causes += _claims(resources["claims"], f"{path}.claims", claims)
    return causes


def _claims(used: list[Object], path: str, claims: tuple[str, ...]) -> list[Cause]:
    causes: list[Cause] = []
    seen: list[tuple[str, str]] = []
    for index, claim in enumerate(used):
        where, name = f"{path}[{index}]", claim.get("name", "")
        if not name:
            causes.append(required(f"{where}.name"))
            continue
        key = (name, claim.get("request", ""))
        if key in seen:
            causes.append(duplicate(where, name if not key[1] else "/".join(key)))
        seen.append(key)
        if name not in claims:
            causes.append(not_found_value(f"{where}.name", name))
    return causes
