"""Objects over a KV client: keys and bytes as Kubernetes lays them out, pages, and one shared watch per resource.

stored        an object's bytes, with the resourceVersion spliced in
object_store  find, create, replace, remove, list: optimistic, nothing cached
pages         continue tokens
events        what watchers hear, each line built once
watch_cache   one KV watch, many watchers
"""

from apiserver.storage.events import (
    ADDED,
    BOOKMARK,
    DELETED,
    MODIFIED,
    Accepts,
    JsonRender,
    Render,
    WatchLimits,
)
from apiserver.storage.object_store import ObjectStore, Page
from apiserver.storage.pages import Position, decode_continue
from apiserver.storage.stored import Stored, encode_value
from apiserver.storage.watch_cache import Subscriber, WatchCache

__all__ = [
    "ADDED",
    "BOOKMARK",
    "DELETED",
    "MODIFIED",
    "Accepts",
    "JsonRender",
    "ObjectStore",
    "Page",
    "Position",
    "Render",
    "Stored",
    "Subscriber",
    "WatchCache",
    "WatchLimits",
    "decode_continue",
    "encode_value",
]
