"""Claims of storage; and what persistent volumes (persistent_volumes.py) have in common with them."""

from __future__ import annotations

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validator
from apiserver.kinds.validation.selecting import label_selector, node_selector
from apiserver.kinds.validation.values import Object, choice, dns_subdomain, positive_quantity, unchanged
from apiserver.meta import deep_copy, forbidden, not_supported, parse_quantity, required, shown

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")


def access_modes(modes: list[str], path: str) -> list[Cause]:
    causes = [not_supported(path, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        causes.append(forbidden(path, "may not use ReadWriteOncePod with other access modes"))
    return causes


def claim_spec(spec: Object, path: str) -> list[Cause]:
    """The spec of a claim, of a template of claims, or of a generic ephemeral volume."""
    modes = spec.get("accessModes") or []
    causes = [] if modes else [required(f"{path}.accessModes", "at least 1 access mode is required")]
    causes += label_selector(spec.get("selector"), f"{path}.selector")
    causes += access_modes(modes, f"{path}.accessModes")
    amount = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if amount is None:
        causes.append(required(f"{path}.resources[storage]"))
    else:
        causes += positive_quantity(f"{path}.resources[storage]", amount)
    for field in ("storageClassName", "volumeAttributesClassName"):
        if spec.get(field):
            causes += dns_subdomain(f"{path}.{field}", spec[field])
    if spec.get("volumeMode") is not None:
        causes += choice(f"{path}.volumeMode", spec["volumeMode"], VOLUME_MODES)
    for field in ("dataSource", "dataSourceRef"):
        if spec.get(field) is not None:
            causes += _data_source(spec[field], f"{path}.{field}")
    if spec.get("dataSource") and spec.get("dataSourceRef"):
        said, meant = spec["dataSource"], spec["dataSourceRef"]
        if any(said.get(key) != meant.get(key) for key in ("apiGroup", "kind", "name")) and not meant.get("namespace"):
            causes.append(
                Cause("FieldValueInvalid", f'Invalid value: "{path}": must match dataSourceRef', f"{path}.dataSource")
            )
    return causes


def _data_source(source: Object, path: str) -> list[Cause]:
    causes = [required(f"{path}.{field}") for field in ("name", "kind") if not source.get(field)]
    group = source.get("apiGroup") or ""
    if not group and source.get("kind") and source["kind"] != "PersistentVolumeClaim":
        text = f"Invalid value: {shown(source['kind'])}: must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        causes.append(Cause("FieldValueInvalid", text, path))
    return causes


validate_claim = validator(lambda claim: claim_spec(claim.get("spec") or {}, "spec"))


def _claim_change(claim: Object, old: Object) -> list[Cause]:
    """A claim is bound once; a bound one may grow, and change its attributes class."""
    spec: Object = deep_copy(claim.get("spec") or {})
    before: Object = deep_copy(old.get("spec") or {})
    if not before.get("volumeName"):
        _take(before, spec, "volumeName")
    if before.get("storageClassName") is None:
        _take(before, spec, "storageClassName")  # given by default afterwards
    _take(before, spec, "volumeAttributesClassName")
    size, was = _storage(spec), _storage(before)
    bound = (claim.get("status") or {}).get("phase") == "Bound"
    if bound and size is not None and was is not None:
        spec["resources"]["requests"]["storage"] = was
    causes: list[Cause] = []
    if spec != before:
        text = "\n".join(
            f" {key}: {shown(before.get(key))} -> {shown(spec.get(key))}"
            for key in sorted({*spec, *before})
            if spec.get(key) != before.get(key)
        )  # noqa: E501
        why = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        causes.append(forbidden("spec", f"{why}\n{text}\n"))
    if size is not None and was is not None and parse_quantity(size) < parse_quantity(was):
        granted = ((old.get("status") or {}).get("capacity") or {}).get("storage")
        if granted is None or parse_quantity(size) <= parse_quantity(granted):
            why = "field can not be less than status.capacity"
            causes.append(forbidden("spec.resources.requests.storage", why))
    return causes + unchanged("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))


def _take(into: Object, source: Object, field: str) -> None:
    into.pop(field, None)
    if field in source:
        into[field] = source[field]


def _storage(spec: Object) -> str | None:
    found: str | None = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    return found


validate_claim_update = update_validator(_claim_change)


def local_needs_nodes(spec: Object, path: str) -> list[Cause]:
    if spec.get("local") is None or (spec.get("nodeAffinity") or {}).get("required") is not None:
        return []
    return [required(path, "Local volume requires node affinity")]


def volume_nodes(affinity: Object | None, path: str) -> list[Cause]:
    """The nodeAffinity of a persistent volume."""
    if not affinity:
        return []
    if affinity.get("required") is None:
        return [required(f"{path}.required", "must specify required node constraints")]
    return node_selector(affinity["required"], f"{path}.required")
