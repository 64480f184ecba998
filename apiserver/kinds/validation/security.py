"""Security contexts of pods and containers."""

from __future__ import annotations

import re

from apiserver.errors import Cause
from apiserver.kinds.validation.values import ID_RANGE, MAX_INT32, Object, choice, descending_path
from apiserver.meta import duplicate, forbidden, invalid, required

_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_MAX_SYSCTL = 253
_SYSCTL_TEXT = (
    "must have at most 253 characters and match regex "
    "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9][-_a-z0-9]*[a-z0-9]?$"
)


def _ids(context: Object, path: str, *fields: str) -> list[Cause]:
    return [
        invalid(f"{path}.{field}", context[field], ID_RANGE)
        for field in fields
        if context.get(field) is not None and not 0 <= context[field] <= MAX_INT32
    ]


def _profile(profile: Object, path: str, field: str, what: str) -> list[Cause]:
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    causes: list[Cause] = []
    if not kind:
        causes.append(required(f"{path}.type", f"type is required when {field} is set"))
    causes += choice(f"{path}.type", kind, _PROFILES, optional=True)
    if kind != "Localhost":
        if local is not None:
            causes.append(invalid(f"{path}.localhostProfile", local, f"can only be set when {what} type is Localhost"))
    elif not local:
        causes.append(required(f"{path}.localhostProfile", f"must be set when {what} type is Localhost"))
    else:
        causes += descending_path(f"{path}.localhostProfile", local)
    return causes


def _profiles(context: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for field, what in (("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")):
        if context.get(field) is not None:
            causes += _profile(context[field], f"{path}.{field}", field, what)
    return causes


def container_context(context: Object, path: str, host_users: bool) -> list[Cause]:
    causes = _ids(context, path, "runAsUser", "runAsGroup")
    mount = context.get("procMount")
    if mount is not None:
        causes += choice(f"{path}.procMount", mount, ("Default", "Unmasked"))
        if host_users and mount == "Unmasked":
            causes.append(invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`"))
    causes += _profiles(context, path)
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            causes.append(invalid(path, context, why))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            causes.append(invalid(path, context, why))
    return causes


def pod_context(context: Object, spec: Object, path: str) -> list[Cause]:
    causes = _ids(context, path, "fsGroup", "runAsUser", "runAsGroup")
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        if not 0 <= group <= MAX_INT32:
            causes.append(invalid(f"{path}.supplementalGroups[{index}]", group, ID_RANGE))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        causes.append(invalid(f"{path}.shareProcessNamespace", True, why))
    if context.get("sysctls"):
        causes += _sysctls(context["sysctls"], f"{path}.sysctls", spec)
    for field, choices in (
        ("fsGroupChangePolicy", ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", ("Merge", "Strict")),
        ("seLinuxChangePolicy", ("MountOption", "Recursive")),
    ):
        if context.get(field) is not None:
            causes += choice(f"{path}.{field}", context[field], choices)
    return causes + _profiles(context, path)


def _sysctls(given: list[Object], path: str, spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    names: list[str] = []
    for index, sysctl in enumerate(given):
        where, name = f"{path}[{index}].name", sysctl.get("name", "")
        if not name:
            causes.append(required(where))
        elif len(name) > _MAX_SYSCTL or not _SYSCTL.fullmatch(name):
            causes.append(invalid(where, name, _SYSCTL_TEXT))
        elif name in names:
            causes.append(duplicate(where, name))
        if spec.get("hostNetwork") and name.startswith("net."):
            causes.append(invalid(where, name, "may not be specified when 'hostNetwork' is true"))
        if spec.get("hostIPC") and name.startswith(("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")):
            causes.append(invalid(where, name, "may not be specified when 'hostIPC' is true"))
        names.append(name)
    return causes


def host_users(spec: Object, path: str) -> list[Cause]:
    """A pod with users of its own cannot share the host's namespaces."""
    if spec.get("hostUsers") is not False:
        return []
    return [
        forbidden(f"{path}.{field}", "when `hostUsers` is false")
        for field in ("hostNetwork", "hostPID", "hostIPC")
        if spec.get(field)
    ]
