"""Owner references that stand twice: the first stays, and the client is warned, before anything else looks at the object."""

from __future__ import annotations

from typing import Any

from apiserver.http.messages import Object

_WARNING = (
    ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such "
    "requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
)


def drop_repeated_owners(obj: Object) -> list[str]:
    """In place. -> the warnings."""
    metadata = obj.get("metadata") or {}
    owners = metadata.get("ownerReferences")
    if not owners or len(owners) < 2:
        return []
    kept: dict[Any, Object] = {}
    repeated: dict[Any, None] = {}
    for owner in owners:
        uid = owner.get("uid")
        if uid in kept:
            repeated[uid] = None
        else:
            kept[uid] = owner
    if not repeated:
        return []
    metadata["ownerReferences"] = list(kept.values())
    return [_WARNING + ", ".join(str(uid) for uid in repeated)]
