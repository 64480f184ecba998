"""Volumes of a pod, and the sources that persistent volumes share with them.

A source is one field of a volume. SOURCES says what each needs: its required texts, and a function for what more there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from apiserver.errors import Cause
from apiserver.kinds.metadata import validate_annotations, validate_labels
from apiserver.kinds.validation.claims import claim_spec
from apiserver.kinds.validation.pod_fields import VOLUME_FIELDS, field_ref, resource_ref
from apiserver.kinds.validation.values import (
    MODE_RANGE,
    Object,
    dns_subdomain,
    file_path,
    no_backsteps,
)
from apiserver.meta import (
    Remembered,
    check_dns1123_label,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    parse_quantity,
    required,
)

Check = Callable[[Object, str], list[Cause]]

HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_TOKEN_SECONDS = (600, 2**32)


def _mode(source: Object, path: str, field: str = "defaultMode") -> list[Cause]:
    mode = source.get(field)
    return [] if mode is None or 0 <= mode <= 0o777 else [invalid(f"{path}.{field}", mode, MODE_RANGE)]


def _items(source: Object, path: str) -> list[Cause]:
    """Keys of a config map or a secret, and the files they become."""
    causes: list[Cause] = []
    for index, item in enumerate(source.get("items") or ()):
        if not item.get("key"):
            causes.append(required(f"{path}.items[{index}].key"))
        causes += _item_path(item, path, index)
    return causes


def _item_path(item: Object, path: str, index: int) -> list[Cause]:
    place = item.get("path")
    causes: list[Cause] = []
    if not place:
        causes.append(required(f"{path}.items[{index}].path"))
    elif place[0] == "/" or ".." in place:
        causes += file_path(f"{path}.items[{index}].path", place)
    return causes + _mode(item, f"{path}.items[{index}]", "mode") if "mode" in item else causes


def _keyed(source: Object, path: str) -> list[Cause]:
    return _mode(source, path) + _items(source, path)


def _downward(source: Object, path: str) -> list[Cause]:
    causes = _mode(source, path)
    for index, item in enumerate(source.get("items") or ()):
        where = f"{path}.items[{index}]"
        causes += _item_path(item, path, index)
        of_field, of_resource = item.get("fieldRef"), item.get("resourceFieldRef")
        if of_field is not None:
            causes += field_ref(of_field, f"{where}.fieldRef", VOLUME_FIELDS)
            if of_resource is not None:
                causes.append(
                    invalid(
                        f"{where}.resource",
                        "resource",
                        "fieldRef and resourceFieldRef can not be specified simultaneously",
                    )
                )
        elif of_resource is not None:
            causes += resource_ref(of_resource, f"{where}.resourceFieldRef", in_volume=True)
        else:
            causes.append(required(where, "one of fieldRef and resourceFieldRef is required"))
    return causes


def _empty_dir(source: Object, path: str) -> list[Cause]:
    limit = source.get("sizeLimit")
    if limit is None or parse_quantity(limit) >= 0:
        return []
    return [forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]


def _host_path(source: Object, path: str) -> list[Cause]:
    causes = no_backsteps(f"{path}.path", source.get("path", ""))
    kind = source.get("type", "")
    return causes if kind in HOST_PATH_TYPES else [*causes, not_supported(f"{path}.type", kind, HOST_PATH_TYPES)]


def _nfs(source: Object, path: str) -> list[Cause]:
    place = source.get("path", "")
    return [] if not place or place.startswith("/") else [invalid(f"{path}.path", place, "must be an absolute path")]


def _iscsi(source: Object, path: str) -> list[Cause]:
    name, lun = source.get("iqn", ""), source.get("lun", 0)
    causes: list[Cause] = []
    if name and not name.startswith(("iqn", "eui", "naa")):
        causes.append(invalid(f"{path}.iqn", name, "must be valid format starting with iqn, eui, or naa"))
    if not 0 <= lun <= 255:
        causes.append(invalid(f"{path}.lun", lun, "must be between 0 and 255, inclusive"))
    return causes


def _csi(source: Object, path: str) -> list[Cause]:
    return csi_driver(f"{path}.driver", source.get("driver", "")) if source.get("driver") else []


def csi_driver(path: str, name: str) -> list[Cause]:
    """The name of a CSI driver, which is there."""
    if len(name) > 63:
        return [Cause("FieldValueTooLong", "Too long: may not be more than 63 bytes", path)]
    return dns_subdomain(path, name.lower())


def _ephemeral(source: Object, path: str) -> list[Cause]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [required(f"{path}.volumeClaimTemplate")]
    metadata, where = template.get("metadata") or {}, f"{path}.volumeClaimTemplate"
    causes = validate_annotations(metadata.get("annotations") or {}, f"{where}.metadata.annotations")
    causes += validate_labels(metadata.get("labels") or {}, f"{where}.metadata.labels")
    return causes + claim_spec(template.get("spec") or {}, f"{where}.spec")


def _image(source: Object, path: str) -> list[Cause]:
    policy = source.get("pullPolicy")
    choices = ("Always", "IfNotPresent", "Never")
    return [] if policy is None or policy in choices else [not_supported(f"{path}.pullPolicy", policy, choices)]


_good: Remembered[bool] = Remembered()


def _projected(source: Object, path: str) -> list[Cause]:
    """Every pod has one of these, and nearly all have the same."""
    key = _good.key_of("projected", source)
    if _good.find(key):
        return []
    causes = _check_projected(source, path)
    if not causes:
        _good.keep(key, True)
    return causes


def _check_projected(source: Object, path: str) -> list[Cause]:
    """Paths of causes are built only where there is something wrong."""
    causes = _mode(source, path)
    paths: list[str] = []
    for index, entry in enumerate(source.get("sources") or ()):
        given = [kind for kind in entry if kind in _PROJECTIONS and entry[kind] is not None]
        for kind in given:
            projection = entry[kind]
            causes += _PROJECTIONS[kind](projection, path, index)
            place = projection.get("path")
            if place:
                paths.append(place)
            else:
                paths += [item["path"] for item in projection.get("items") or () if item.get("path")]
        if len(given) != 1:
            where = f"{path}.sources[{index}]"
            if given:
                causes.append(forbidden(where, "may not specify more than 1 volume type per source"))
            else:
                causes.append(required(where, "must specify a volume type"))
    if len(set(paths)) != len(paths):
        causes.append(invalid(f"{path}.sources", paths, "conflicting duplicate paths"))
    return causes


def _projected_keys(kind: str) -> Callable[[Object, str, int], list[Cause]]:
    def check(projection: Object, path: str, index: int) -> list[Cause]:
        where = f"{path}.sources[{index}].{kind}"
        causes = _items(projection, where)
        return causes if projection.get("name") else [required(f"{where}.name"), *causes]

    return check


def _projected_token(projection: Object, path: str, index: int) -> list[Cause]:
    seconds, place = projection.get("expirationSeconds", 3600), projection.get("path", "")
    where = f"{path}.sources[{index}].serviceAccountToken"
    causes: list[Cause] = []
    if seconds < _TOKEN_SECONDS[0]:
        causes.append(invalid(f"{where}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    if seconds > _TOKEN_SECONDS[1]:
        why = "may not specify a duration larger than 2^32 seconds"
        causes.append(invalid(f"{where}.expirationSeconds", seconds, why))
    if not place:
        causes.append(required(f"{where}.path"))
    elif place[0] == "/" or ".." in place:
        causes += file_path(f"{where}.path", place)
    return causes


_PROJECTIONS: Mapping[str, Callable[[Object, str, int], list[Cause]]] = {
    "secret": _projected_keys("secret"),
    "configMap": _projected_keys("configMap"),
    "downwardAPI": lambda projection, path, index: _downward(projection, f"{path}.sources[{index}].downwardAPI"),
    "serviceAccountToken": _projected_token,
    "clusterTrustBundle": lambda projection, path, index: [],
    "podCertificate": lambda projection, path, index: [],
}


# source: (its required texts, what more there is)
SOURCES: Mapping[str, tuple[tuple[str, ...], Check | None]] = {
    "emptyDir": ((), _empty_dir),
    "hostPath": (("path",), _host_path),
    "gitRepo": (("repository",), None),
    "gcePersistentDisk": (("pdName",), None),
    "awsElasticBlockStore": (("volumeID",), None),
    "secret": (("secretName",), _keyed),
    "nfs": (("server", "path"), _nfs),
    "iscsi": (("targetPortal", "iqn"), _iscsi),
    "glusterfs": (("endpoints", "path"), None),
    "flexVolume": (("driver",), None),
    "configMap": (("name",), _keyed),
    "persistentVolumeClaim": (("claimName",), None),
    "rbd": (("monitors", "image"), None),
    "cinder": (("volumeID",), None),
    "cephfs": (("monitors",), None),
    "quobyte": (("registry", "volume"), None),
    "flocker": ((), None),
    "downwardAPI": ((), _downward),
    "fc": ((), None),
    "azureFile": (("secretName", "shareName"), None),
    "azureDisk": (("diskName", "diskURI"), None),
    "vsphereVolume": (("volumePath",), None),
    "photonPersistentDisk": (("pdID",), None),
    "portworxVolume": (("volumeID",), None),
    "scaleIO": (("gateway", "system", "volumeName"), None),
    "storageos": (("volumeName",), None),
    "projected": ((), _projected),
    "csi": (("driver",), _csi),
    "ephemeral": ((), _ephemeral),
    "image": ((), _image),
    "local": (("path",), _host_path),  # persistent volumes only
}


def volume_source(holder: Object, path: str, names: tuple[str, ...]) -> list[Cause]:
    """Exactly one of the sources `names` stands in `holder`, and is right."""
    causes: list[Cause] = []
    found = False
    for kind in holder:
        if kind not in names or holder[kind] is None:
            continue
        where = f"{path}.{kind}"
        if found:
            causes.append(forbidden(where, "may not specify more than 1 volume type"))
            continue
        found = True
        needed, check = SOURCES[kind]
        source = holder[kind]
        for field in needed:
            if not source.get(field):
                causes.append(required(f"{where}.{field}"))
        if check is not None:
            causes += check(source, where)
    return causes if found else [required(path, "must specify a volume type")]


_POD_SOURCES = tuple(kind for kind in SOURCES if kind != "local")


def pod_volumes(given: list[Object], path: str) -> tuple[Mapping[str, Object], list[Cause]]:
    """The volumes that containers may mount, by name, and what is wrong."""
    causes: list[Cause] = []
    volumes: dict[str, Object] = {}
    for index, volume in enumerate(given):
        where, name = f"{path}[{index}]", volume.get("name", "")
        wrong = volume_source(volume, where, _POD_SOURCES)
        if not name:
            wrong.append(required(f"{where}.name"))
        else:
            wrong += [invalid(f"{where}.name", name, why) for why in check_dns1123_label(name)]
        if name in volumes:
            wrong.append(duplicate(f"{where}.name", name))
        if wrong:
            causes += wrong
        else:
            volumes[name] = volume
    return volumes, causes
