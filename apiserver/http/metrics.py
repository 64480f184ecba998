"""/metrics: what dashboards of Kubernetes ask for, under kube-apiserver's names.

A request costs two look-ups in dictionaries and one bisection; texts are made when somebody asks. Gauges are read from what they
measure (caches, connections, requests in flight) at that moment.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from apiserver.http.in_flight import InFlight
from apiserver.http.messages import Response
from apiserver.http.routes import Target
from apiserver.registry import Registry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0,
)  # fmt: skip
VERBS = {
    "get": "GET", "list": "LIST", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
}  # fmt: skip
MAX_SERIES = 20_000
"""Custom resources come and go; beyond this nothing new is counted."""

_WHAT = ("verb", "group", "version", "resource", "subresource", "scope")
_Key = tuple[str, str, str, str, str, str]


class RequestMetrics:
    """Counts of requests, by what they asked for."""

    def __init__(self) -> None:
        self._totals: dict[tuple[_Key, int], int] = {}
        self._durations: dict[_Key, list[float]] = {}

    def record(self, verb: str, target: Target, response: Response, seconds: float) -> None:
        resource = target.resource
        subresource = target.subresource.name if target.subresource is not None else ""
        scope = "resource" if target.name else "namespace" if target.namespace else "cluster"
        lasts = response.stream is not None
        shown = "WATCH" if lasts else VERBS.get(verb, verb.upper())
        key = (shown, resource.group, resource.version, resource.plural, subresource, scope)
        counted = (key, response.status)
        totals = self._totals
        if counted not in totals and len(totals) >= MAX_SERIES:
            return
        totals[counted] = totals.get(counted, 0) + 1
        if lasts:
            return
        buckets = self._durations.get(key)
        if buckets is None:
            buckets = self._durations[key] = [0.0] * (len(BUCKETS_S) + 2)
        buckets[bisect_left(BUCKETS_S, seconds)] += 1
        buckets[-1] += seconds

    def families(self) -> Iterator[Metric]:
        totals = CounterMetricFamily(
            "apiserver_request", "Counter of apiserver requests broken out for each verb, resource and HTTP code.",
            labels=(*_WHAT, "dry_run", "component", "code"),
        )  # fmt: skip
        for (key, code), count in self._totals.items():
            totals.add_metric((*key, "", "apiserver", str(code)), count)
        yield totals
        durations = HistogramMetricFamily(
            "apiserver_request_duration_seconds", "Response latency distribution in seconds for each verb and resource.",
            labels=(*_WHAT, "dry_run", "component"),
        )  # fmt: skip
        for key, buckets in self._durations.items():
            total: float = 0
            rows = []
            for bound, inside in zip((*map(str, BUCKETS_S), "+Inf"), buckets, strict=False):
                total += inside
                rows.append((bound, total))
            durations.add_metric((*key, "", "apiserver"), rows, buckets[-1])
        yield durations


class ServerCollector(Collector):
    """Everything a server knows of itself, collected when asked."""

    def __init__(self, requests: RequestMetrics, in_flight: InFlight, registry: Registry) -> None:
        self._requests = requests
        self._in_flight = in_flight
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        yield from self._requests.families()
        now = GaugeMetricFamily(
            "apiserver_current_inflight_requests", "Requests being served, by kind.", labels=("request_kind",)
        )
        dropped = CounterMetricFamily(
            "apiserver_dropped_requests", "Requests that were told to try again later.", labels=("request_kind",)
        )
        for kind, count in self._in_flight.now.items():
            now.add_metric((kind,), count)
            dropped.add_metric((kind,), self._in_flight.dropped[kind])
        yield now
        yield dropped
        yield from self._of_caches()

    def _of_caches(self) -> Iterator[Metric]:
        labels = ("group", "version", "resource")
        objects = GaugeMetricFamily("apiserver_storage_objects", "Stored objects, by kind.", labels=("resource",))
        by_group = GaugeMetricFamily("apiserver_resource_objects", "Stored objects.", labels=("group", "resource"))
        watches = GaugeMetricFamily(
            "apiserver_longrunning_requests", "Active long-running requests.",
            labels=("verb", "group", "version", "resource", "subresource", "scope", "component"),
        )  # fmt: skip
        events = CounterMetricFamily("apiserver_watch_events", "Events sent in watches.", labels=labels)
        for resource, cache in self._registry.caches():
            name = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
            objects.add_metric((name,), len(cache))
            by_group.add_metric((resource.group, resource.plural), len(cache))
            where = (resource.group, resource.version, resource.plural)
            if cache.watchers:
                watches.add_metric(("WATCH", *where, "", "cluster", "apiserver"), cache.watchers)
            if cache.events_sent:
                events.add_metric(where, cache.events_sent)
        yield from (objects, by_group, watches, events)


def render_metrics(collector: Collector) -> bytes:
    """What `collector` says, and what the process does (CPU, memory, files)."""
    own = CollectorRegistry()
    own.register(collector)
    return generate_latest(own) + generate_latest(REGISTRY)
