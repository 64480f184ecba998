"""The only door for everything that is a client of an API server: ours, or any Kubernetes API server.

    transport       how bytes get there: over HTTP, or in process
    client          objects in, objects out, errors as StatusError
    discovery       what the server serves
    kubeconfig      a file that was named, and never another
    reflector       list, watch, resume, list again
    informer        an indexed copy with handlers, shared through InformerFactory
    work_queue      keys to reconcile, one worker a key, back-off
    leader_election one of several leads
    events          what `kubectl describe` shows
    timing          clocks with timers, real and moved by hand

A controller is: an informer whose handlers put keys into a work queue, and workers that reconcile a key at a time.
"""

from apiserver.client.client import INITIAL_EVENTS_END, Client, Object, Objects, WatchEvent, WatchStream
from apiserver.client.discovery import Discovery, ServedResource, discover
from apiserver.client.events import EventRecorder, reference_to
from apiserver.client.informer import (
    Informer,
    InformerFactory,
    Store,
    controller_of,
    index_by_label,
)
from apiserver.client.kubeconfig import Kubeconfig, KubeconfigError, load_kubeconfig
from apiserver.client.leader_election import LeaderElector
from apiserver.client.reflector import Reflector
from apiserver.client.resources import ResourceLike, ResourceName, key_of, path_of, resource_name, split_key
from apiserver.client.timing import LoopClock, ManualTimerClock, TimerClock, TimerHandle
from apiserver.client.transport import Answer, HttpTransport, ServerUnreachableError, Stream, Transport
from apiserver.client.work_queue import QueueClosedError, WorkQueue

__all__ = [
    "INITIAL_EVENTS_END",
    "Answer",
    "Client",
    "Discovery",
    "EventRecorder",
    "HttpTransport",
    "Informer",
    "InformerFactory",
    "Kubeconfig",
    "KubeconfigError",
    "LeaderElector",
    "LoopClock",
    "ManualTimerClock",
    "Object",
    "Objects",
    "QueueClosedError",
    "Reflector",
    "ResourceLike",
    "ResourceName",
    "ServedResource",
    "ServerUnreachableError",
    "Store",
    "Stream",
    "TimerClock",
    "TimerHandle",
    "Transport",
    "WatchEvent",
    "WatchStream",
    "WorkQueue",
    "controller_of",
    "discover",
    "index_by_label",
    "key_of",
    "load_kubeconfig",
    "path_of",
    "reference_to",
    "resource_name",
    "split_key",
]
