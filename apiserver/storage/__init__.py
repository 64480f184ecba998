"""Objects over a KV client: keys and bytes as Kubernetes lays them out, pages, and one watch of the store for everybody.

stored        an object's bytes, with the resourceVersion spliced in
object_store  find, create, replace, remove, list: optimistic, nothing cached
pages         continue tokens
feed          one KV watch of everything, and how far it is
watch_cache   what is there of one resource, and what happened of late
subscribers   who watches: lines shared by groups
events        what watchers hear
reads         which state a read is answered from
"""

from apiserver.storage.events import (
    ADDED,
    BOOKMARK,
    DELETED,
    MODIFIED,
    Accepts,
    JsonRender,
    Lines,
    Render,
    WatchLimits,
)
from apiserver.storage.feed import Feed
from apiserver.storage.object_store import ObjectStore, Page
from apiserver.storage.pages import Position, decode_continue
from apiserver.storage.reads import NEWEST, Wanted, find_one, read_page
from apiserver.storage.settling import put_settled, read_settled
from apiserver.storage.stored import Stored, encode_value
from apiserver.storage.subscribers import Listener, Subscriber, Trigger
from apiserver.storage.watch_cache import WatchCache

__all__ = [
    "ADDED",
    "BOOKMARK",
    "DELETED",
    "MODIFIED",
    "NEWEST",
    "Accepts",
    "Feed",
    "JsonRender",
    "Lines",
    "Listener",
    "ObjectStore",
    "Page",
    "Position",
    "Render",
    "Stored",
    "Subscriber",
    "Trigger",
    "Wanted",
    "WatchCache",
    "WatchLimits",
    "decode_continue",
    "encode_value",
    "find_one",
    "put_settled",
    "read_page",
    "read_settled",
]
