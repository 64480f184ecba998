"""The versions of one key, oldest first: a plain list of KeyValue, and the functions that search and cut it.

etcd keeps a key's revisions in *generations*: a generation begins with a put that creates the key and ends with a
tombstone. Here the generations lie one after another in ONE list and the tombstones separate them; a KeyValue already
knows its create_revision and its version, so a generation needs no record of its own. A worked example:

    put a=1     revision 2      [ a@2 v1 ]
    put a=2     revision 4      [ a@2 v1, a@4 v2 ]
    delete a    revision 6      [ a@2 v1, a@4 v2, †6 ]                       the first generation is over
    put a=3     revision 9      [ a@2 v1, a@4 v2, †6, a@9 v1 (create 9) ]    the second begins

    version_at(5)  -> a@4       the newest version whose mod_revision <= 5
    version_at(7)  -> None      that is the tombstone †6
    version_at(1)  -> None      nothing that old

    superseded(4)  -> 1         compaction at 4 drops a@2; a@4 must stay, a read at 4 sees it
    superseded(6)  -> 2         compaction at 6 drops both puts and keeps †6: a watch from 6 still sees the delete
    superseded(7)  -> 3         compaction at 7 drops the tombstone too: the key begins at a@9

Invariants: the list is never empty while the key is known; mod_revision never falls (it repeats where one transaction
changed the key twice: the last of them counts); the last element is the newest state, so a read of the newest version
is `versions[-1]` and never a search.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter

from kvcluster.mvcc.records import KeyValue

Versions = list[KeyValue]

_mod_revision = attrgetter("mod_revision")


def version_at(versions: Versions, revision: int) -> KeyValue | None:
    """The live version that a read at `revision` sees; None where the key did not exist or was deleted."""
    newest = versions[-1]
    if newest.mod_revision > revision:
        position = bisect_right(versions, revision, key=_mod_revision)
        if not position:
            return None
        newest = versions[position - 1]
    return newest if newest.version else None


def superseded(versions: Versions, revision: int) -> int:
    """How many versions at the front no read at `revision` or later can see, nor a watch that starts there.

    The newest version at or below `revision` stays; a tombstone goes, unless it lies exactly at `revision`
    (etcd 3.4.34 / 3.5.16).
    """
    position = bisect_right(versions, revision, key=_mod_revision)
    if not position:
        return 0
    newest = versions[position - 1]
    return position if not newest.version and newest.mod_revision < revision else position - 1
