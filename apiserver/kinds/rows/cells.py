"""What the rows of many kinds are made of: the table of a kind, usual columns, and texts of cells.

Rules and words of every row in this folder are those of Kubernetes' pkg/printers (the server always prints the wide form;
`priority` says which columns a client shows). A kind without a table is shown by name and time of creation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from apiserver.errors import StatusError
from apiserver.kinds.strategy import AGE, NAME, object_age
from apiserver.meta import Column, label_selector_of

Object = dict[str, Any]

NONE = "<none>"
UNSET = "<unset>"
UNKNOWN = "<unknown>"

SHOWN = 3
"""Of a long list this many are shown, and how many more there are."""


class Table(NamedTuple):
    """How a kind is shown: `row(object, now)` gives a cell for each column."""

    columns: tuple[Column, ...]
    row: Callable[[Object, float], list[Any]]


def wide(name: str, description: str = "", type: str = "string") -> Column:
    """A column that `-o wide` adds."""
    return Column(name, type, description=description, priority=1)


CONTAINERS = wide("Containers", "Names of each container in the template.")
IMAGES = wide("Images", "Images referenced by each container in the template.")
WORKLOAD_COLUMNS = (CONTAINERS, IMAGES, wide("Selector"))

ONLY_AGE = Table((NAME, AGE), lambda obj, now: [name_of(obj), object_age(obj, now)])


def name_of(obj: Object) -> str:
    return str(obj["metadata"].get("name", ""))


def part(obj: Object, field: str) -> Object:
    """spec, status or another object of an object; empty where there is none."""
    return obj.get(field) or {}


def labels_text(labels: Object | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def selector_text(selector: Object | None) -> str:
    try:
        return str(label_selector_of(selector)) or NONE
    except StatusError:
        return "<error>"


def shortened(texts: list[str], empty: str = NONE, shown: int = SHOWN, separator: str = ",") -> str:
    text = separator.join(texts[:shown]) or empty
    return f"{text} + {len(texts) - shown} more..." if len(texts) > shown else text


def container_cells(template: Object) -> list[str]:
    """CONTAINERS and IMAGES of a pod template."""
    containers: Iterable[Object] = part(template, "spec").get("containers") or ()
    return [
        ",".join(container.get("name", "") for container in containers),
        ",".join(container.get("image", "") for container in containers),
    ]


def workload_cells(spec: Object) -> list[str]:
    """WORKLOAD_COLUMNS of a spec with a template and a selector."""
    return [*container_cells(part(spec, "template")), selector_text(spec.get("selector"))]


def has_condition(obj: Object, kind: str) -> bool:
    conditions = part(obj, "status").get("conditions") or ()
    return any(each.get("type") == kind and each.get("status") == "True" for each in conditions)
