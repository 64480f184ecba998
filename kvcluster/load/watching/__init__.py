"""The accounting of watch workloads: what was delivered, to whom, how late. No sockets here.

stamp        the writer's time and number, at the beginning of a value
selection    what is watched and written, and what must have come at the end
batch        a payload parsed once for all watchers that get it
payload      WatchResponses taken apart by hand: the hot path
deliveries   per watcher and per process: latencies, lag, spread, lost, doubled, swapped
figures      shares → the "watch" block of a result
"""
