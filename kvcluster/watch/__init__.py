"""Watching: every change of the store to every watcher that wants it, in order, each once.

    hub = Hub(store)
    subscription = hub.subscribe(b"a", b"b", start_revision=5, prev_kv=True, sink=sink)
    event = store.put(b"ab", b"1"); hub.publish(store.revision, [event])
    while hub.catch_up(): ...

Read hub.py first. Rules: etcd's (API guarantees of watch).
"""

from kvcluster.watch.hub import Hub
from kvcluster.watch.limits import WatchLimits
from kvcluster.watch.subscription import Group, Sink, State, Subscription

__all__ = ["Group", "Hub", "Sink", "State", "Subscription", "WatchLimits"]
