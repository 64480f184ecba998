"""What every controller is built from, and what a controller is.

A controller reconciles one key at a time: it compares what is wanted with what its informers show, and moves the one
towards the other through the client. It is level-triggered: it may be called for a key at any time, twice, or late,
and must find out for itself what is to be done. Objects of an informer are shared and never mutated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from apiserver.client import Client, EventRecorder, InformerFactory, Object, TimerClock, WorkQueue


class Context(NamedTuple):
    """recorder: an EventRecorder for a component, closed by the manager. root_ca: PEM, published into every namespace.

    signing: what certificate requests are signed with: certificate and private key of an authority, PEM, made or read when it is
    first called. None: nothing is signed. sign_account_token: (account, name of a secret) → the token that lives in it.
    """

    client: Client
    informers: InformerFactory
    clock: TimerClock
    recorder: Callable[[str], EventRecorder]
    root_ca: str = ""
    signing: Callable[[], tuple[bytes, bytes]] | None = None
    sign_account_token: Callable[[Object, str], str] | None = None


class Controller(Protocol):
    """Handlers fill `queue`; `workers` tasks of the manager empty it into `reconcile`.

    `reconcile` returns when there is nothing to do now, and raises to be called again for that key with back-off.
    """

    queue: WorkQueue[str]
    workers: int

    async def reconcile(self, key: str) -> None: ...
