"""Who owns which field: metadata.managedFields, kept by every write.

An entry belongs to a manager by name, operation (Apply or Update), subresource and, for an Update, version. An Update
takes what it changes from all others. An Apply owns what its configuration names; it conflicts with whoever owns what it
would change, unless it forces; what it applied the last time and no longer names is taken away, if nobody else holds it.

Entries are decoded to `Managed`, a dict that is never changed once it is made, and written back in Kubernetes' order. Rules and
texts: apimachinery util/managedfields, structured-merge-diff merge.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from apiserver.errors import StatusError, bad_request
from apiserver.meta.apply_merge import find_problems, merge, prune, render_problems
from apiserver.meta.codec import parse_json
from apiserver.meta.compare import compare, fields_of, settled
from apiserver.meta.field_set import (
    LEAF,
    SELF,
    Node,
    difference,
    intersection,
    parse_fields,
    paths,
    union,
    within_prefixes,
    without_prefixes,
)
from apiserver.meta.remembered import Remembered
from apiserver.meta.shape import Shape, fields_of_new

Object = dict[str, Any]

APPLY, UPDATE = "Apply", "Update"
UNKNOWN_MANAGER = "unknown"
BEFORE_FIRST_APPLY = "before-first-apply"
ANCIENT_CHANGES = "ancient-changes"
MAX_UPDATE_MANAGERS = 10


class Manager(NamedTuple):
    """api_version: "" for an Apply, whose versions all belong to one entry."""

    name: str
    operation: str
    api_version: str
    subresource: str


class Owned(NamedTuple):
    """time: as text, "" = none."""

    fields: Node
    time: str
    api_version: str


Managed = dict[Manager, Owned]


class Writer(NamedTuple):
    """Who writes what: the manager's name, the version and the subresource of the write, and its time as text.

    reset: the set of what this kind of write cannot change (its prefixes); only: where given, all it can change.
    """

    name: str
    api_version: str
    subresource: str
    now: str
    reset: Node = LEAF
    only: Node = LEAF

    def manager(self, operation: str) -> Manager:
        name = self.name or UNKNOWN_MANAGER
        return Manager(name, operation, self.api_version if operation == UPDATE else "", self.subresource)

    def reached(self, fields: Node) -> Node:
        """The part of a set that the write can touch."""
        if self.only:
            return within_prefixes(fields, self.only)
        return without_prefixes(fields, self.reset) if self.reset else fields


# Entries --------------------------------------------------------------------------------------------------------------


def decode_managed(entries: Any, *, trusted: bool = False) -> Managed:
    """trusted: we wrote them. Raises ValueError for entries that are none."""
    managed: Managed = {}
    for index, entry in enumerate(entries or ()):
        operation, api_version = entry.get("operation"), entry.get("apiVersion")
        if operation not in (APPLY, UPDATE):
            raise ValueError("operation must be `Apply` or `Update`")
        if not api_version:
            raise ValueError("apiVersion must not be empty")
        if entry.get("fieldsType") != "FieldsV1":
            raise ValueError(f"invalid fieldsType in managed fields entry {index}")
        fields = entry.get("fieldsV1") or {}
        key = Manager(
            entry.get("manager", ""),
            operation,
            api_version if operation == UPDATE else "",
            entry.get("subresource", ""),
        )
        managed[key] = Owned(fields if trusted else parse_fields(fields), entry.get("time") or "", api_version)
    return managed


def encode_managed(managed: Managed) -> list[Object]:
    """In Kubernetes' order: Apply first, then by time, then by name."""
    if len(managed) > 1:
        ordered = sorted(managed.items(), key=_entry_order)
    else:
        ordered = list(managed.items())
    return [_entry(manager, owned) for manager, owned in ordered]


def _entry_order(item: tuple[Manager, Owned]) -> tuple[Any, ...]:
    manager, owned = item
    # Times are canonical text, which is in order as it stands; "" is before all of them.
    return manager.operation, owned.time, manager.name, owned.api_version, manager.subresource


def _entry(manager: Manager, owned: Owned) -> Object:
    entry: Object = {"manager": manager.name, "operation": manager.operation, "apiVersion": owned.api_version}
    if owned.time:
        entry["time"] = owned.time
    entry["fieldsType"] = "FieldsV1"
    entry["fieldsV1"] = owned.fields
    if manager.subresource:
        entry["subresource"] = manager.subresource
    return entry


def is_reset(entries: Any) -> bool:
    """Whether a client asks for entries to be forgotten: an empty list, or one empty entry."""
    if not isinstance(entries, list):
        return False
    return not entries or (len(entries) == 1 and isinstance(entries[0], dict) and not any(entries[0].values()))


def equal_but_for_times(left: Any, right: Any) -> bool:
    """Of two lists of entries."""
    if left == right:
        return True
    if not left or not right or len(left) != len(right):
        return False
    return sorted(map(_timeless, left), key=repr) == sorted(map(_timeless, right), key=repr)


def _timeless(entry: Object) -> Object:
    return {key: value for key, value in entry.items() if key != "time"}


# What is nobody's -----------------------------------------------------------------------------------------------------

_SERVERS_METADATA = (
    SELF, "f:name", "f:namespace", "f:creationTimestamp", "f:selfLink", "f:uid", "f:clusterName", "f:generation",
    "f:managedFields", "f:resourceVersion",
)  # fmt: skip
_SERVERS_ROOT = ("f:apiVersion", "f:kind")


def _strip(fields: Node) -> Node:
    """Without what only the server decides."""
    metadata = fields.get("f:metadata")
    if metadata is None:
        if "f:apiVersion" not in fields and "f:kind" not in fields:
            return fields
        return {label: node for label, node in fields.items() if label not in _SERVERS_ROOT}
    left = {label: node for label, node in fields.items() if label not in _SERVERS_ROOT}
    inner = {label: node for label, node in metadata.items() if label not in _SERVERS_METADATA}
    if inner:
        left["f:metadata"] = inner
    else:
        del left["f:metadata"]
    return left


# Update ---------------------------------------------------------------------------------------------------------------


_specs: Remembered[Node] = Remembered()


def _fields_of(shape: Shape, obj: Object) -> Node:
    """fields_of_new; the part of a spec that was seen before is the one that was found then."""
    spec = obj.get("spec")
    if type(spec) is not dict or not spec:
        return fields_of_new(shape, obj)
    key = _specs.key_of(shape, spec)
    known = _specs.find(key)
    if known is None:
        known = _specs.keep(key, fields_of_new(shape, {"spec": spec}))
    return {**fields_of_new(shape, {name: part for name, part in obj.items() if name != "spec"}), **known}


def create_entries(shape: Shape, obj: Object, writer: Writer) -> list[Object]:
    """The entries of an object that comes into being. One walk over it."""
    fields = _strip(writer.reached(_fields_of(shape, obj)))
    if not fields:
        return []
    return [_entry(writer.manager(UPDATE), Owned(fields, writer.now, writer.api_version))]


def update_entries(shape: Shape, old: Object, new: Object, writer: Writer, said: Any = None) -> list[Object]:
    """The entries after an update. said: the managedFields of the request, which the caller has taken out of `new`.

    An object without entries is not tracked until somebody applies.
    """
    known = (old.get("metadata") or {}).get("managedFields") or []
    if writer.subresource or said is None or said == known:
        managed = decode_known(known)
    elif is_reset(said):
        return []
    else:
        try:
            managed = decode_managed(said) or decode_known(known)
        except (ValueError, AttributeError, TypeError):
            managed = decode_known(known)
    if not managed:
        return []
    before = managed
    managed = _update(shape, old, new, managed, writer)
    if managed is before and (said is None or said == known):
        return list(known)
    return encode_managed(_cap(managed))


def decode_known(entries: Any) -> Managed:
    """Of entries that were stored; what cannot be read counts as none."""
    try:
        return decode_managed(entries, trusted=True)
    except (ValueError, AttributeError, TypeError):
        return {}


def _update(shape: Shape, old: Object, new: Object, managed: Managed, writer: Writer) -> Managed:
    changed, removed = compare(shape, old, new)
    changed, removed = _strip(writer.reached(changed)), _strip(writer.reached(removed))
    if not changed and not removed:
        return managed
    left = _take(managed, union(changed, removed))
    if changed:
        manager = writer.manager(UPDATE)
        mine = left.get(manager)
        fields = changed if mine is None else union(changed, mine.fields)
        left[manager] = Owned(fields, writer.now, writer.api_version)
    return left


def _take(managed: Managed, fields: Node, but: Manager | None = None) -> Managed:
    """Takes fields from everybody (but one); who owns nothing any more has no entry."""
    left: Managed = {}
    for manager, owned in managed.items():
        rest = owned.fields if manager == but else difference(owned.fields, fields)
        if rest:
            left[manager] = owned if rest is owned.fields else owned._replace(fields=rest)
    return left


def _cap(managed: Managed) -> Managed:
    """The oldest updates of a version become one entry when there are too many."""
    updaters = [manager for manager in managed if manager.operation == UPDATE]
    if len(updaters) <= MAX_UPDATE_MANAGERS:
        return managed
    updaters.sort(key=lambda manager: (managed[manager].time, manager))
    left = dict(managed)
    first_of: dict[str, Manager] = {}
    count = len(updaters)
    for manager in updaters:
        if count <= MAX_UPDATE_MANAGERS:
            break
        owned = managed[manager]
        version = owned.api_version
        first = first_of.get(version)
        if first is None:
            first_of[version] = manager
            continue
        bucket = Manager(ANCIENT_CHANGES, UPDATE, version, "")
        if bucket not in left:
            left[bucket] = left.pop(first)
        if manager != bucket:
            del left[manager]
        left[bucket] = Owned(union(owned.fields, left[bucket].fields), owned.time, version)
        count -= 1
    return left


# Apply ----------------------------------------------------------------------------------------------------------------


def apply_configuration(
    shape: Shape, live: Object, config: Object, writer: Writer, *, force: bool = False
) -> tuple[Object, list[Object]]:
    """(the object as it should be, its entries). live: {} for an object that is not there.

    Raises Conflict with one cause for each field that somebody else owns, BadRequest, or 500 for what does not fit the type.
    """
    said = (config.get("metadata") or {}).get("managedFields")
    if said is not None:
        raise bad_request("metadata.managedFields must be nil")
    problems = find_problems(shape, config)
    if problems:
        raise _untyped(config, problems)
    known = decode_known((live.get("metadata") or {}).get("managedFields"))
    managed = {manager: owned._replace(fields=settled(shape, owned.fields)) for manager, owned in known.items()}
    if not managed and live:
        fields = _strip(writer.reached(fields_of_new(shape, live)))
        before = writer._replace(name=BEFORE_FIRST_APPLY).manager(UPDATE)
        managed = {before: Owned(fields, writer.now, writer.api_version)} if fields else {}
    bare = _without_entries(live)
    try:
        merged, managed = _apply(shape, bare, config, managed, writer, force)
    except _ConflictsError as conflicts:
        if not conflicts.are_allowed(writer, allowed_by_last_applied(shape, bare, writer)):
            raise conflicts.status() from None
        merged, managed = _apply(shape, bare, config, managed, writer, force=True)
    return merged, encode_managed(managed)


def _without_entries(live: Object) -> Object:
    metadata = live.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return live
    return {**live, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def _apply(
    shape: Shape, live: Object, config: Object, managed: Managed, writer: Writer, force: bool
) -> tuple[Object, Managed]:
    manager = writer.manager(APPLY)
    last = managed.get(manager)
    merged = merge(shape, live, config)
    named = fields_of(shape, config)
    claims = dict(managed)
    claims[manager] = Owned(_strip(writer.reached(named)), last.time if last is not None else "", writer.api_version)
    if last is not None and difference(last.fields, named):  # else nothing is given up
        held = named
        for owned in claims.values():
            held = union(held, owned.fields)
        merged = prune(shape, merged, last.fields, held)
    changed, removed = compare(shape, live, merged)
    changes_it = bool(changed or removed)
    changed, removed = writer.reached(changed), writer.reached(removed)
    conflicts = {
        other: overlap
        for other, owned in managed.items()
        if other != manager and (overlap := intersection(owned.fields, changed))
    }
    if conflicts and not force:
        raise _ConflictsError(conflicts)
    left = _take(claims, union(changed, removed), but=manager)
    if manager in left and changes_it:
        left[manager] = left[manager]._replace(time=writer.now)
    return merged, left


def _untyped(config: Object, problems: list[str]) -> StatusError:
    metadata = config.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    where = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}"
    group, _, version = str(config.get("apiVersion", "")).rpartition("/")
    kind = f"{group}/{version}, Kind={config.get('kind', '')}"
    text = f"failed to create typed patch object ({where}; {kind}): {render_problems(problems)}"
    return StatusError(500, "", text)


class _ConflictsError(Exception):
    """Raised by an Apply that would change what others own."""

    def __init__(self, fields: dict[Manager, Node]) -> None:
        super().__init__("conflicts")
        self.fields = fields

    def are_allowed(self, writer: Writer, allowed: Node | None) -> bool:
        """Whether what kubectl applied from the client's side explains all of them; else only the others are left."""
        if allowed is None or writer.name != "kubectl":
            return False
        self.fields = {
            manager: rest for manager, fields in self.fields.items() if (rest := difference(fields, allowed))
        }
        return not self.fields

    def status(self) -> StatusError:
        found = [
            (manager, path)
            for manager, fields in sorted(self.fields.items(), key=lambda item: shown_manager(item[0]))
            for path in paths(fields)
        ]
        causes = [
            {"reason": "FieldManagerConflict", "message": f"conflict with {shown_manager(manager)}", "field": path}
            for manager, path in found
        ]
        if len(found) == 1:
            text = f"Apply failed with 1 conflict: conflict with {shown_manager(found[0][0])}: {found[0][1]}"
        else:
            lines: list[str] = []
            for manager in dict.fromkeys(manager for manager, _ in found):
                lines.append(f"conflicts with {shown_manager(manager)}:")
                lines += [f"- {path}" for other, path in found if other == manager]
            text = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
        return StatusError(409, "Conflict", text, {"causes": causes})


def shown_manager(manager: Manager) -> str:
    text = f'"{manager.name}"'
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    return f"{text} using {manager.api_version}" if manager.operation == UPDATE else text


# kubectl's client-side apply ------------------------------------------------------------------------------------------

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def allowed_by_last_applied(shape: Shape, live: Object, writer: Writer) -> Node | None:
    """What kubectl's own annotation says that it applied, as far as the object still says the same. None: no annotation."""
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
    if not text or not isinstance(text, str):
        return None
    try:
        applied = parse_json(text.encode())
    except StatusError:
        return None
    if not isinstance(applied, dict) or applied.get("apiVersion") != writer.api_version:
        return None
    if find_problems(shape, applied):
        return None
    changed, removed = compare(shape, applied, live)
    return difference(fields_of(shape, applied), union(changed, removed))
