"""A resource, declared: everything the API server needs to know of a kind, as one value.

A kind is not a class. It is a `Resource` with names, flags and hooks; where a hook is not given, the kind behaves like
most (strategy.py). The registry calls the hooks, in the order written on its page; nothing here does I/O, reads a clock
or knows a request.

Hooks (all but the last four change `obj`, a private copy, in place; `old` is never changed):

    defaults(obj)                     fields a client may leave out; runs on every write
    prepare_create(obj)               what a client may not decide: drop status, set phase …
    prepare_update(obj, old)          keep what a main write may not change: status …
    prepare_status_update(obj, old)   keep what a status write may not change: spec …
    validate(obj)                     everything wrong with the object, metadata included
    validate_update(obj, old)         everything wrong with the change: immutable fields
    validate_status(obj, old)         everything wrong with a status, on a write to /status: the spec is not asked again
    generation_changed(obj, old)      whether metadata.generation goes up (where tracks_generation)
    row(obj, now)                     the cells of a Table row, one for each column
    validate_change(obj, old)         where given: in place of validate and validate_update on every update, so that what is
                                      wrong already and stays as it is may pass (ratcheting)
    stamp(obj, old, now)              the times that are the server's to write, after the hook that prepares; old None: a create
    warn(obj, old)                    what is legal and unwise, as texts for Warning headers; old None: a create
    prepare_delete(obj, now)          what the first delete marks beside the deletionTimestamp

A *view* serves the objects of another resource, its hub, in another version (autoscaling/v1 over v2, events.k8s.io over core
events, the versions of a custom resource). Names, schema, columns and row are its own; all other hooks are the hub's, and
field_labels read the hub's objects. to_hub and from_hub take a private copy and return the object in the other version, whole.
A view with `own_rules` brings its own hooks, which see objects of its own version: the versions of a custom resource differ in
schema, and their hub is nothing but what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from apiserver.errors import Cause
from apiserver.kinds import strategy
from apiserver.kinds.schemas import find_type
from apiserver.meta import Column, FieldSelector, GroupVersionKind, Type, join_api_version

Object = dict[str, Any]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Subresource(NamedTuple):
    """A subresource that is served. group and version are those of `kind` where they differ from the parent's."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


class ScalePaths(NamedTuple):
    """Where the scale subresource finds its numbers. selector: path of a LabelSelector, or of its text; may be empty."""

    spec_replicas: str = "spec.replicas"
    status_replicas: str = "status.replicas"
    selector: str = "spec.selector"
    selector_is_text: bool = False


class Part(NamedTuple):
    """How a subresource that is a part of the object is written: in place of prepare_update and validate_update."""

    prepare: Callable[[Object, Object], None]
    validate_update: Callable[[Object, Object], list[Cause]]


def read_text(*path: str, default: str = "") -> Callable[[Object], str]:
    """Reads a scalar as the text that a field selector compares with."""

    def read(obj: Any) -> str:
        for step in path:
            obj = obj.get(step) if isinstance(obj, dict) else None
        if obj is None:
            return default
        return ("true" if obj else "false") if isinstance(obj, bool) else str(obj)

    return read


METADATA_LABELS: Mapping[str, Callable[[Object], str]] = {
    "metadata.name": read_text("metadata", "name"),
    "metadata.namespace": read_text("metadata", "namespace"),
}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Resource:
    """One served kind. schema_name: its definition in the type table; storage_prefix: "/registry/<resource>"."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    schema_name: str
    storage_prefix: str
    verbs: tuple[str, ...] = ALL_VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    columns: tuple[Column, ...] = strategy.DEFAULT_COLUMNS
    has_status: bool = False
    tracks_generation: bool = False
    unconditional_update: bool = True  # a PUT without resourceVersion overwrites
    create_on_update: bool = False  # a PUT of a name that is not there creates it
    graceful: bool = False  # deletion waits for a node (pods)
    deprecation: str = ""  # the text of a Warning header on every answer
    scale: ScalePaths | None = None
    defaults: Callable[[Object], None] = strategy.no_defaults
    prepare_create: Callable[[Object], None] = strategy.drop_status
    prepare_update: Callable[[Object, Object], None] = strategy.keep_status
    prepare_status_update: Callable[[Object, Object], None] = strategy.replace_status
    validate: Callable[[Object], list[Cause]] = strategy.no_causes
    validate_update: Callable[[Object, Object], list[Cause]] = strategy.no_update_causes
    validate_status: Callable[[Object, Object], list[Cause]] = strategy.no_update_causes
    generation_changed: Callable[[Object, Object], bool] = strategy.spec_changed
    row: Callable[[Object, float], list[Any]] = strategy.default_row
    field_labels: Mapping[str, Callable[[Object], str]] = field(default_factory=dict)
    validate_change: Callable[[Object, Object], list[Cause]] | None = None
    stamp: Callable[[Object, Object | None, str], None] | None = None
    warn: Callable[[Object, Object | None], list[str]] | None = None
    prepare_delete: Callable[[Object, str], None] = strategy.nothing_on_delete
    parts: Mapping[str, Part] = field(default_factory=dict)  # of subresources other than status, by name
    own_list_kind: str = ""  # where it is not the kind with "List" behind it
    own_type: Callable[[], Type] | None = None  # where the type table does not have it
    openapi_schema: Mapping[str, Any] | None = None  # likewise: the openAPIV3Schema of a custom resource
    is_custom: bool = False  # declared by a CustomResourceDefinition: JSON and YAML only, no strategic patches
    own_rules: bool = False
    is_virtual: bool = False  # answered, never stored: reviews, component statuses
    hub: Resource | None = None
    to_hub: Callable[[Object], Object] = strategy.as_it_is
    from_hub: Callable[[Object], Object] = strategy.as_it_is

    @property
    def stored(self) -> Resource:
        """The resource that is stored: this one, or the hub of a view."""
        return self.hub or self

    @property
    def rules(self) -> Resource:
        """The resource whose hooks decide, and whose version they see."""
        return self.hub if self.hub is not None and not self.own_rules else self

    @property
    def schema(self) -> Type:
        """The structural type, resolved when first asked for."""
        return self.own_type() if self.own_type is not None else find_type(self.schema_name)

    @property
    def gvk(self) -> GroupVersionKind:
        return GroupVersionKind(self.group, self.version, self.kind)

    @property
    def api_version(self) -> str:
        return join_api_version(self.group, self.version)

    @property
    def list_kind(self) -> str:
        return self.own_list_kind or f"{self.kind}List"

    def find_subresource(self, name: str) -> Subresource | None:
        return next((subresource for subresource in self.subresources if subresource.name == name), None)

    def bind_field_selector(self, selector: FieldSelector) -> Callable[[Object], bool]:
        """A predicate on objects of this kind. Raises BadRequest `field label not supported: …`."""
        return selector.bind({**METADATA_LABELS, **self.field_labels})
