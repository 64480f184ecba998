"""storage.k8s.io: where volumes come from, and where they are attached."""

from __future__ import annotations

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validator
from apiserver.kinds.validation import claims, persistent_volumes
from apiserver.kinds.validation.values import Object, choice, frozen, label_name, needs, quantity, unchanged
from apiserver.kinds.validation.volumes import csi_driver
from apiserver.meta import check_dns1123_subdomain, duplicate, invalid, not_supported, required

_MAX_PARAMETERS = 512
_MAX_PARAMETERS_BYTES = 256 * 1024
_MAX_ATTACHED_BYTES = 256


def _too_long(path: str, limit: int) -> Cause:
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", path)


def _parameters(given: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if len(given) > _MAX_PARAMETERS:
        causes.append(_too_long(path, _MAX_PARAMETERS))
    if "" in given:
        causes.append(invalid(path, "", "field can not be empty."))
    if sum(len(key.encode()) + len(value.encode()) for key, value in given.items()) > _MAX_PARAMETERS_BYTES:
        causes.append(_too_long(path, _MAX_PARAMETERS_BYTES))
    return causes


def _storage_class(storage_class: Object) -> list[Cause]:
    provisioner = storage_class.get("provisioner", "")
    causes = label_name("provisioner", provisioner.lower()) if provisioner else [required("provisioner")]
    causes += _parameters(storage_class.get("parameters") or {}, "parameters")
    policy = storage_class.get("reclaimPolicy")
    causes += choice("reclaimPolicy", policy, ("Delete", "Retain"), optional=True)
    causes += choice("volumeBindingMode", storage_class.get("volumeBindingMode"), ("Immediate", "WaitForFirstConsumer"))
    for index, term in enumerate(storage_class.get("allowedTopologies") or ()):
        keys: list[str] = []
        for place, expression in enumerate(term.get("matchLabelExpressions") or ()):
            where = f"allowedTopologies[{index}].matchLabelExpressions[{place}]"
            key = expression.get("key", "")
            if not expression.get("values"):
                causes.append(required(f"{where}.values"))
            if key in keys:
                causes.append(duplicate(f"{where}.key", key))
            keys.append(key)
            causes += label_name(f"{where}.key", key)
    return causes


def _storage_class_kept(new: Object, old: Object) -> list[Cause]:
    causes: list[Cause] = []
    for field in ("parameters", "provisioner", "reclaimPolicy"):
        causes += frozen(field, new.get(field) or None, old.get(field) or None, f"updates to {field} are forbidden.")
    return causes + unchanged("volumeBindingMode", new.get("volumeBindingMode"), old.get("volumeBindingMode"))


# Attachments --------------------------------------------------------------------------------------------------------


def _attachment(attachment: Object) -> list[Cause]:
    spec, status = attachment.get("spec") or {}, attachment.get("status") or {}
    attacher, source = spec.get("attacher", ""), spec.get("source") or {}
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    causes = csi_driver("spec.attacher", attacher) if attacher else [required("spec.attacher")]
    if (name is None) == (inline is None):
        why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        causes.append(required("spec.source", why))
    elif name is not None and not name:
        causes.append(required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName"))
    elif inline is not None and inline.get("csi") is None:
        causes.append(required("spec.source.inlineVolumeSpec", "must specify a csi volume source"))
    causes += needs("spec.nodeName", spec.get("nodeName", ""), check_dns1123_subdomain)
    attached = status.get("attachmentMetadata") or {}
    causes += [
        Cause(
            "FieldValueTooLong",
            f"Too long: may not be more than {_MAX_ATTACHED_BYTES} bytes",
            "status.attachmentMetadata",
        )
        for key in attached
        if len(key) > _MAX_ATTACHED_BYTES
    ]
    return causes


# CSI ----------------------------------------------------------------------------------------------------------------

_MODES = ("Ephemeral", "Persistent")
_DRIVER_FIXED = ("attachRequired", "volumeLifecycleModes", "serviceAccountTokenInSecrets")


def _check_driver_name(name: str) -> list[str]:
    problems = ["must be no more than 63 characters"] if len(name) > 63 else []
    return problems + check_dns1123_subdomain(name.lower())


def _driver(driver: Object) -> list[Cause]:
    spec = driver.get("spec") or {}
    causes = [
        required(f"spec.{field}")
        for field in ("attachRequired", "podInfoOnMount", "storageCapacity")
        if spec.get(field) is None
    ]
    causes += choice(
        "spec.fsGroupPolicy", spec.get("fsGroupPolicy"), ("File", "None", "ReadWriteOnceWithFSType"), optional=True
    )
    for index, request in enumerate(spec.get("tokenRequests") or ()):
        where, seconds = f"spec.tokenRequests[{index}]", request.get("expirationSeconds")
        if seconds is not None and seconds < 600:
            why = "may not specify a duration less than 10 minutes"
            causes.append(invalid(f"{where}.expirationSeconds", seconds, why))
    causes += [
        not_supported("spec.volumeLifecycleModes", mode, ("Persistent", "Ephemeral"))
        for mode in spec.get("volumeLifecycleModes") or ()
        if mode not in _MODES
    ]
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < 10:
        causes.append(
            invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, "must be greater than or equal to 10 seconds")
        )
    return causes


def _driver_kept(new: Object, old: Object) -> list[Cause]:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    return [
        cause for field in _DRIVER_FIXED for cause in unchanged(f"spec.{field}", spec.get(field), before.get(field))
    ]


def _node(node: Object) -> list[Cause]:
    causes: list[Cause] = []
    names: list[str] = []
    for index, driver in enumerate((node.get("spec") or {}).get("drivers") or ()):
        where, name, id = f"spec.drivers[{index}]", driver.get("name", ""), driver.get("nodeID", "")
        causes += csi_driver(f"{where}.name", name) if name else [required(f"{where}.name")]
        if not id:
            causes.append(required(f"{where}.nodeID"))
        elif len(id) > 192:
            causes.append(invalid(f"{where}.nodeID", id, "must be 192 characters or less"))
        count = (driver.get("allocatable") or {}).get("count")
        if count is not None and count < 0:
            causes.append(invalid(f"{where}.allocatable.count", count, "must be greater than or equal to 0"))
        keys = driver.get("topologyKeys") or []
        for key in keys:
            causes += label_name(where, key) if key else [required(where)]
        if len(set(keys)) != len(keys):
            causes += [duplicate(where, key) for key in dict.fromkeys(keys) if keys.count(key) > 1]
        if name in names:
            causes.append(duplicate(f"{where}.name", name))
        names.append(name)
    return causes


def _node_kept(new: Object, old: Object) -> list[Cause]:
    """A driver on a node stays as it registered."""
    before = {driver.get("name"): driver for driver in (old.get("spec") or {}).get("drivers") or ()}
    causes: list[Cause] = []
    for index, driver in enumerate((new.get("spec") or {}).get("drivers") or ()):
        known = before.get(driver.get("name"))
        if known is not None and {**driver, "allocatable": 0} != {**known, "allocatable": 0}:
            causes.append(invalid(f"spec.drivers[{index}]", driver, "field is immutable"))
    return causes


def _capacity(capacity: Object) -> list[Cause]:
    causes = needs("storageClassName", capacity.get("storageClassName", ""), check_dns1123_subdomain)
    for field in ("capacity", "maximumVolumeSize"):
        if capacity.get(field) is not None:
            causes += quantity(field, capacity[field])
    return causes


def _capacity_kept(new: Object, old: Object) -> list[Cause]:
    causes = unchanged("nodeTopology", new.get("nodeTopology"), old.get("nodeTopology"))
    return causes + unchanged("storageClassName", new.get("storageClassName"), old.get("storageClassName"))


def _attributes_class(given: Object) -> list[Cause]:
    name, parameters = given.get("driverName", ""), given.get("parameters") or {}
    causes = label_name("driverName", name.lower()) if name else [required("driverName")]
    if not parameters:
        return [*causes, required("parameters", "must contain at least one key/value pair")]
    return causes + _parameters(parameters, "parameters")


def _attributes_class_kept(new: Object, old: Object) -> list[Cause]:
    causes = frozen("driverName", new.get("driverName"), old.get("driverName"), "updates to driverName are forbidden.")
    return causes + frozen(
        "parameters", new.get("parameters"), old.get("parameters"), "updates to parameters are forbidden."
    )


_GROUP = "storage.k8s.io/v1"

RULES = {
    "v1 persistentvolumeclaims": (claims.validate_claim, claims.validate_claim_update),
    "v1 persistentvolumes": (persistent_volumes.validate_volume, persistent_volumes.validate_volume_update),
    f"{_GROUP} storageclasses": (validator(_storage_class, namespaced=False), update_validator(_storage_class_kept)),
    f"{_GROUP} volumeattachments": (
        validator(_attachment, namespaced=False),
        update_validator(lambda new, old: unchanged("spec", new.get("spec"), old.get("spec"))),
    ),
    f"{_GROUP} csidrivers": (
        validator(_driver, check_name=_check_driver_name, namespaced=False),
        update_validator(_driver_kept),
    ),
    f"{_GROUP} csinodes": (validator(_node, namespaced=False), update_validator(_node_kept)),
    f"{_GROUP} csistoragecapacities": (validator(_capacity), update_validator(_capacity_kept)),
    f"{_GROUP} volumeattributesclasses": (
        validator(_attributes_class, namespaced=False),
        update_validator(_attributes_class_kept),
    ),
}
