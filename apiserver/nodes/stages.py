"""Stages: how a simulated pod lives, as data.

A stage is a YAML document: which pods it is for, how long they wait, and what becomes of them then.

    name: pod-ready                 unique
    resource: pods                  the only one for now
    selector:                       all of it must hold; absent = any
      deleting: false               metadata.deletionTimestamp is (not) set
      matchPhase: [Pending]         status.phase; absent in the pod counts as Pending
      matchConditions: {Ready: "True"}
      stale: true                   the status does not say any more what the spec asks for (readiness.is_stale)
      matchFields: {spec.restartPolicy: [Never]}      dotted path: accepted values; "*" = any
      matchLabels: {app: web}       "*" = any value
      matchAnnotations: {a: "*"}
    delay:
      seconds: 0                    from the moment the pod matches
      jitterSeconds: 0.1            plus a random part of this
      secondsFromAnnotation: name   takes the place of seconds where the pod has the annotation and it is a number
      secondsFromField: path        the same of a field
      atMostGracePeriod: true       no longer than metadata.deletionGracePeriodSeconds
    next:                           exactly one of
      status: {…}                   a strategic merge patch of the status, see below
      delete: true                  DELETE with grace 0 and the uid as precondition

In `status`, a string that is exactly "$(name)" is replaced by a value: now, podIP, hostIP, nodeName, generation, ready,
readyReason and readyMessage (of the readiness gates), finalPhase and finalReason (of the exit code); and, in an `$item`,
container.name, container.image, container.id, container.imageID, container.startedAt, container.resources,
container.allocated, container.exitCode, container.exitReason, container.exitMessage. What is empty is left out. A mapping
{$each: containers | initContainers | ephemeralContainers, $item: {…}} is the list of items, one a container, if there are any;
$restartable: {…} is the item of an init container that runs as long as the pod (restartPolicy Always).
A pod says by annotations how it ends: nodes.kvcluster/exit-code (0) and nodes.kvcluster/termination-message.

The first stage that matches is played, in the order of the files' names and of the documents in them. Everything is
checked when it is loaded: `StageError` names the file, the stage and the place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from apiserver.client import Object
from apiserver.nodes.readiness import is_stale

DEFAULT_STAGES = Path(__file__).parent / "stages"

VARIABLES = frozenset(
    {
        "now",
        "podIP",
        "hostIP",
        "nodeName",
        "generation",
        "ready",
        "readyReason",
        "readyMessage",
        "finalPhase",
        "finalReason",
    }
)
CONTAINER_VARIABLES = frozenset(
    f"container.{field}"
    for field in (
        "name",
        "image",
        "id",
        "imageID",
        "startedAt",
        "resources",
        "allocated",
        "exitCode",
        "exitReason",
        "exitMessage",
    )
)
RESTARTABLE = "container.isRestartable"
"""A container's value that no template names: it chooses between $item and $restartable."""

_VARIABLE = re.compile(r"\$\(([^)]*)\)")
_ANY = "*"


class StageError(ValueError):
    """A stage that cannot be played; the text says where and why."""


class Selector(NamedTuple):
    """None: that part does not matter."""

    deleting: bool | None = None
    stale: bool | None = None
    phases: frozenset[str] | None = None
    conditions: tuple[tuple[str, str], ...] = ()
    fields: tuple[tuple[tuple[str, ...], frozenset[Any]], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()


class Delay(NamedTuple):
    seconds: float = 0.0
    jitter_s: float = 0.0
    annotation: str = ""
    field: tuple[str, ...] = ()
    within_grace: bool = False


class Stage(NamedTuple):
    """status is the template, or None where the stage deletes."""

    name: str
    selector: Selector
    delay: Delay
    status: Any
    delete: bool


def load_stages(path: Path = DEFAULT_STAGES) -> list[Stage]:
    """The stages of a file, or of all *.yaml files of a folder. Raises StageError."""
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    stages: list[Stage] = []
    for file in files:
        try:
            documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise StageError(f"{file}: {error.strerror or error}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise StageError(f"{file}: not YAML: {error}") from error
        stages += [parse_stage(document, str(file)) for document in documents if document is not None]
    if not stages:
        raise StageError(f"{path}: no stages there")
    names = [stage.name for stage in stages]
    for name in names:
        if names.count(name) > 1:
            raise StageError(f"{path}: two stages are named {name!r}")
    return stages


def matches(stage: Stage, pod: Object) -> bool:
    """Whether the stage is for the pod as it is now."""
    selector, metadata, status = stage.selector, pod["metadata"], pod.get("status") or {}
    if selector.deleting is not None and selector.deleting != bool(metadata.get("deletionTimestamp")):
        return False
    if selector.stale is not None and selector.stale != is_stale(pod):
        return False
    if selector.phases is not None and (status.get("phase") or "Pending") not in selector.phases:
        return False
    if selector.conditions:
        held = {condition["type"]: condition.get("status") for condition in status.get("conditions") or ()}
        if any(held.get(type) != value for type, value in selector.conditions):
            return False
    for path, accepted in selector.fields:
        value = _field(pod, path)
        if value not in accepted and (value is None or _ANY not in accepted):
            return False
    return _has(metadata.get("labels"), selector.labels) and _has(metadata.get("annotations"), selector.annotations)


def find_stage(stages: list[Stage], pod: Object) -> Stage | None:
    for stage in stages:
        if matches(stage, pod):
            return stage
    return None


def delay_s(stage: Stage, pod: Object, random: Callable[[], float]) -> float:
    """How long the pod waits. random: a number in [0, 1), asked only where there is jitter."""
    seconds = stage.delay.seconds
    said = delay_said(stage, pod)
    if said is not None:
        with suppress(ValueError):  # what a pod says wrongly is as if it said nothing
            seconds = max(float(said), 0.0)
    seconds += random() * stage.delay.jitter_s if stage.delay.jitter_s else 0.0
    if stage.delay.within_grace:
        seconds = min(seconds, float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))
    return seconds


def delay_said(stage: Stage, pod: Object) -> str | None:
    """What the pod itself says of the stage's delay. Where that changes, the wait begins anew."""
    if stage.delay.annotation:
        found = (pod["metadata"].get("annotations") or {}).get(stage.delay.annotation)
        return None if found is None else str(found)
    value = _field(pod, stage.delay.field) if stage.delay.field else None
    return None if value is None else str(value)


def render(template: Any, values: Mapping[str, Any], containers: Mapping[str, list[dict[str, Any]]]) -> Any:
    """The template with its variables filled in. containers: by "containers" and "initContainers", each one's values."""
    if isinstance(template, str):
        found = _VARIABLE.fullmatch(template)
        return values[found[1]] if found else template
    if isinstance(template, list):
        return [render(item, values, containers) for item in template]
    if not isinstance(template, dict):
        return template
    if "$each" in template:
        return [
            render(
                template.get("$restartable", template["$item"]) if own.get(RESTARTABLE) else template["$item"],
                {**values, **own},
                containers,
            )
            for own in containers[template["$each"]]
        ]
    rendered = {name: render(value, values, containers) for name, value in template.items()}
    return {name: value for name, value in rendered.items() if (value != [] and value != "") or template[name] == value}


def _field(obj: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(name)
    return obj


def _has(actual: Mapping[str, str] | None, wanted: tuple[tuple[str, str], ...]) -> bool:
    return all(actual is not None and name in actual and value in (_ANY, actual[name]) for name, value in wanted)


# ---------------------------------------------------------------------------------------------------- reading


def parse_stage(document: Any, where: str) -> Stage:
    """One document as a Stage. where: named in errors. Raises StageError."""
    if not isinstance(document, dict):
        raise StageError(f"{where}: a stage is a mapping, not {type(document).__name__}")
    name = document.get("name")
    if not isinstance(name, str) or not name:
        raise StageError(f"{where}: name: a text is required")
    where = f"{where}: stage {name!r}"
    _known(document, {"name", "resource", "selector", "delay", "next"}, where)
    if document.get("resource") != "pods":
        raise StageError(f"{where}: resource: {document.get('resource')!r}; only pods have stages")
    following = _mapping(document.get("next"), f"{where}: next")
    _known(following, {"status", "delete"}, f"{where}: next")
    if len(following) != 1 or following.get("delete", True) is not True:
        raise StageError(f"{where}: next: exactly one of status or delete: true is required")
    status = following.get("status")
    if status is not None:
        _check_template(_mapping(status, f"{where}: next.status"), VARIABLES, f"{where}: next.status")
    selector = _selector(_mapping(document.get("selector") or {}, f"{where}: selector"), f"{where}: selector")
    delay = _delay(_mapping(document.get("delay") or {}, f"{where}: delay"), f"{where}: delay")
    return Stage(name, selector, delay, status, "delete" in following)


def _selector(entry: dict[str, Any], where: str) -> Selector:
    flags = ("deleting", "stale")
    _known(entry, {*flags, "matchPhase", "matchConditions", "matchFields", "matchLabels", "matchAnnotations"}, where)
    for flag in flags:
        if entry.get(flag) is not None and not isinstance(entry[flag], bool):
            raise StageError(f"{where}.{flag}: true or false is required")
    phases = _texts(entry["matchPhase"], f"{where}.matchPhase") if "matchPhase" in entry else None
    fields = _mapping(entry.get("matchFields") or {}, f"{where}.matchFields")
    return Selector(
        entry.get("deleting"),
        entry.get("stale"),
        frozenset(phases) if phases is not None else None,
        _pairs(entry, "matchConditions", where),
        tuple(
            (tuple(path.split(".")), frozenset(_scalars(values, f"{where}.matchFields.{path}")))
            for path, values in fields.items()
        ),
        _pairs(entry, "matchLabels", where),
        _pairs(entry, "matchAnnotations", where),
    )


def _delay(entry: dict[str, Any], where: str) -> Delay:
    _known(entry, {"seconds", "jitterSeconds", "secondsFromAnnotation", "secondsFromField", "atMostGracePeriod"}, where)
    for field in ("seconds", "jitterSeconds"):
        value = entry.get(field, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise StageError(f"{where}.{field}: {value!r}; a number of seconds, 0 or more, is required")
    annotation, field = entry.get("secondsFromAnnotation", ""), entry.get("secondsFromField", "")
    if not isinstance(annotation, str):
        raise StageError(f"{where}.secondsFromAnnotation: the name of an annotation is required")
    if not isinstance(field, str):
        raise StageError(f"{where}.secondsFromField: the path of a field is required")
    within_grace = entry.get("atMostGracePeriod", False)
    if not isinstance(within_grace, bool):
        raise StageError(f"{where}.atMostGracePeriod: true or false is required")
    path = tuple(field.split(".")) if field else ()
    return Delay(float(entry.get("seconds", 0)), float(entry.get("jitterSeconds", 0)), annotation, path, within_grace)


def _check_template(template: Any, known: frozenset[str], where: str) -> None:
    if isinstance(template, str):
        for variable in _VARIABLE.findall(template):
            if variable not in known:
                raise StageError(f"{where}: $({variable}) is unknown; there are: {', '.join(sorted(known))}")
            if _VARIABLE.fullmatch(template) is None:
                raise StageError(f"{where}: {template!r}: a variable stands alone, not inside a text")
    elif isinstance(template, list):
        for index, item in enumerate(template):
            _check_template(item, known, f"{where}[{index}]")
    elif isinstance(template, dict):
        if "$each" in template or "$item" in template:
            fields = ("containers", "initContainers", "ephemeralContainers")
            if template.keys() - {"$restartable"} != {"$each", "$item"} or template["$each"] not in fields:
                raise StageError(
                    f"{where}: $each: containers, initContainers or ephemeralContainers, and $item, are required together"
                )
            for item in ("$item", "$restartable"):
                _check_template(template.get(item), known | CONTAINER_VARIABLES, f"{where}.{item}")
            return
        for name, value in template.items():
            if not isinstance(name, str):
                raise StageError(f"{where}: {name!r}: a field's name is a text")
            _check_template(value, known, f"{where}.{name}")


def _known(entry: dict[str, Any], known: set[str], where: str) -> None:
    for name in entry:
        if name not in known:
            raise StageError(f"{where}: {name!r} is unknown; there are: {', '.join(sorted(known))}")


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise StageError(f"{where}: a mapping is required, not {type(value).__name__}")
    return value


def _texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise StageError(f"{where}: a list of texts is required")
    return value


def _scalars(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or not value or any(isinstance(item, list | dict) for item in value):
        raise StageError(f"{where}: a list of values is required")
    return value


def _pairs(entry: dict[str, Any], field: str, where: str) -> tuple[tuple[str, str], ...]:
    pairs = _mapping(entry.get(field) or {}, f"{where}.{field}")
    for name, value in pairs.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise StageError(f"{where}.{field}.{name}: {value!r}; a text is required (quote true, false and numbers)")
    return tuple(pairs.items())
