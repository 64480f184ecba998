"""The versions of one key, oldest first, and the functions that search and cut them.

Most keys have one version, and a list around it would weigh as much as the record: `Versions` is the KeyValue itself
while there is one, and a list of them from the second on. Compaction makes a list of one the KeyValue again.

etcd keeps a key's revisions in *generations*: a generation begins with a put that creates the key and ends with a
tombstone. Here the generations lie one after another in ONE list and the tombstones separate them; a KeyValue already
knows its create_revision and its version, so a generation needs no record of its own. A worked example:

    put a=1     revision 2        a@2 v1
    put a=2     revision 4      [ a@2 v1, a@4 v2 ]
    delete a    revision 6      [ a@2 v1, a@4 v2, †6 ]                       the first generation is over
    put a=3     revision 9      [ a@2 v1, a@4 v2, †6, a@9 v1 (create 9) ]    the second begins

    version_at(5)  -> a@4       the newest version whose mod_revision <= 5
    version_at(7)  -> None      that is the tombstone †6
    version_at(1)  -> None      nothing that old

    superseded(4)  -> 1         compaction at 4 drops a@2; a@4 must stay, a read at 4 sees it
    superseded(6)  -> 2         compaction at 6 drops both puts and keeps †6: a watch from 6 still sees the delete
    superseded(7)  -> 3         compaction at 7 drops the tombstone too: the key begins at a@9

Invariants: a list is never empty; mod_revision never falls (it repeats where one transaction changed the key twice:
the last of them counts); the last element is the newest state, so a read of the newest version is never a search.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter

from kvcluster.mvcc.records import KeyValue

Versions = KeyValue | list[KeyValue]

_mod_revision = attrgetter("mod_revision")


def newest_of(versions: Versions) -> KeyValue:
    """The newest version, which may be a tombstone."""
    return versions[-1] if isinstance(versions, list) else versions


def as_list(versions: Versions) -> list[KeyValue]:
    """All versions, oldest first; read only, it may be the list that is kept."""
    return versions if isinstance(versions, list) else [versions]


def version_at(versions: Versions, revision: int) -> KeyValue | None:
    """The live version that a read at `revision` sees; None where the key did not exist or was deleted."""
    newest = newest_of(versions)
    if newest.mod_revision > revision:
        if not isinstance(versions, list):
            return None
        position = bisect_right(versions, revision, key=_mod_revision)
        if not position:
            return None
        newest = versions[position - 1]
    return newest if newest.version else None


def version_before(versions: Versions, kv: KeyValue) -> KeyValue | None:
    """The live version that `kv` took the place of; None where it created the key. `kv` is one of `versions`."""
    if not isinstance(versions, list):
        return None
    position = bisect_left(versions, kv.mod_revision, key=_mod_revision)
    while versions[position] is not kv:  # one transaction may have changed the key more than once
        position += 1
    before = versions[position - 1] if position else None
    return before if before is not None and before.version else None


def superseded(versions: Versions, revision: int) -> int:
    """How many versions at the front no read at `revision` or later can see, nor a watch that starts there.

    The newest version at or below `revision` stays; a tombstone goes, unless it lies exactly at `revision`
    (etcd 3.4.34 / 3.5.16).
    """
    position = 0
    for kv in as_list(versions):  # from the front, and not by bisection: the work is what goes, and one more
        if kv.mod_revision > revision:
            break
        position += 1
    if not position:
        return 0
    newest = as_list(versions)[position - 1]
    return position if not newest.version and newest.mod_revision < revision else position - 1
