"""The services of one member, called without a transport."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from kvcluster import pb
from kvcluster.member import Member, MemberConfig, MemberRecord
from kvcluster.raft import MemoryStorage
from kvcluster.rpc import AuthOptions, RpcServices


class FakeCall:
    """A ServiceCall that keeps what the service does. Breaking the contract of wire/method.py is an assertion error."""

    def __init__(self, metadata: dict[str, str] | None = None) -> None:
        self.metadata = metadata or {}
        self.peer = "test"
        self.common_name = ""
        self.is_active = True
        self.buffered_bytes = 0
        self.sent: list[bytes] = []
        self.status: tuple[int, str] | None = None
        self._tell_cancelled: Callable[[], object] = lambda: None

    def when_cancelled(self, tell: Callable[[], object]) -> None:
        self._tell_cancelled = tell

    def cancel(self) -> None:
        """The client gives a unary call up."""
        self.is_active = False
        self._tell_cancelled()

    def reply(self, *chunks: bytes) -> None:
        self.send(*chunks)
        self.finish()

    def fail(self, code: int, text: str) -> None:
        self.finish(code, text)

    def send(self, *chunks: bytes) -> None:
        if self.is_active:
            self.sent.append(b"".join(chunks))

    def finish(self, code: int = 0, text: str = "") -> None:
        if self.is_active:
            assert self.status is None
            self.status = (code, text)
            self.is_active = False


class Stream:
    """A bidirectional call: `ask` a message, `answers` are those since the last time."""

    def __init__(self, bench: Bench, path: str, response_class: Any, metadata: dict[str, str] | None) -> None:
        self._bench = bench
        self._response_class = response_class
        self.call = FakeCall(metadata)
        self.handler = bench.services.methods[path.encode()].handler(self.call)

    def ask(self, message: Any) -> list[Any]:
        self.handler.on_message(message if isinstance(message, bytes) else message.SerializeToString())
        self._bench.turn()
        return self.answers()

    def create(self, key: bytes = b"", range_end: bytes = b"", **fields: Any) -> list[Any]:
        create = pb.WatchCreateRequest(key=key, range_end=range_end, **fields)
        return self.ask(pb.WatchRequest(create_request=create))

    def cancel(self, watch_id: int) -> list[Any]:
        return self.ask(pb.WatchRequest(cancel_request=pb.WatchCancelRequest(watch_id=watch_id)))

    def progress(self) -> list[Any]:
        return self.ask(pb.WatchRequest(progress_request=pb.WatchProgressRequest()))

    def answers(self) -> list[Any]:
        sent, self.call.sent = self.call.sent, []
        return [self._response_class.FromString(data) for data in sent]


class Bench:
    """One member, its storage, its services; `turn` is the shell's."""

    def __init__(
        self,
        members: int = 1,
        progress_interval_s: float = 600.0,
        quota_bytes: int = 0,
        auth: AuthOptions = AuthOptions(),  # noqa: B008 - an immutable value
        **fields: Any,
    ) -> None:
        records = tuple(
            MemberRecord(id, f"m{id}", (f"http://p{id}",), (f"http://c{id}",)) for id in range(1, members + 1)
        )
        config = MemberConfig(id=1, members=records, **fields)
        self.storage = MemoryStorage(voters=[record.id for record in records])
        self.member = Member(config, self.storage)
        self.services = RpcServices(
            self.member, progress_interval_s=progress_interval_s, quota_bytes=quota_bytes, auth=auth
        )
        self.turn()

    def turn(self, background: bool = True) -> None:
        while True:
            while self.member.has_ready():
                ready = self.member.ready()
                self.storage.append(ready.entries)
                if ready.hard_state is not None:
                    self.storage.set_hard_state(ready.hard_state)
                self.member.advance(ready)
            while background and self.member.background():
                pass
            if not background or not self.member.leader or not self.member.has_ready():
                return

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.services.tick()
            self.member.tick()
            self.turn()

    def raw(self, name: str, payload: bytes, metadata: dict[str, str] | None = None) -> FakeCall:
        """Any unary call by "Service/Method"."""
        call = FakeCall(metadata)
        self.services.methods[f"/etcdserverpb.{name}".encode()].handler(call, payload)
        self.turn()
        return call

    def ask(self, name: str, request: Any, metadata: dict[str, str] | None = None) -> Any:
        """The response, or (code, text)."""
        call = self.raw(name, request.SerializeToString(), metadata)
        assert call.status is not None, "no answer"
        if call.status[0]:
            return call.status
        response = type(request).__name__.replace("Request", "Response")
        return getattr(pb, response).FromString(call.sent[0])

    def put(self, key: bytes, value: bytes = b"v", **fields: Any) -> Any:
        return self.ask("KV/Put", pb.PutRequest(key=key, value=value, **fields))

    def make_call(self, metadata: dict[str, str] | None = None) -> FakeCall:
        return FakeCall(metadata)

    def stream(self, path: str, response_class: Any, metadata: dict[str, str] | None = None) -> Stream:
        return Stream(self, path, response_class, metadata)

    def watch(self, metadata: dict[str, str] | None = None) -> Stream:
        return Stream(self, "/etcdserverpb.Watch/Watch", pb.WatchResponse, metadata)

    def keep_alive(self, metadata: dict[str, str] | None = None) -> Stream:
        return Stream(self, "/etcdserverpb.Lease/LeaseKeepAlive", pb.LeaseKeepAliveResponse, metadata)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def make_bench() -> type[Bench]:
    """For members of other sizes; one of three has no leader, for nobody answers it."""
    return Bench


@pytest.fixture
def make_call() -> type[FakeCall]:
    return FakeCall


@pytest.fixture
def own_calls() -> Callable[[Callable[[], object]], list[str]]:
    """Runs an action; -> the names of kvcluster's functions that were called, in order."""

    def count(action: Callable[[], object]) -> list[str]:
        names: list[str] = []

        def profile(frame: FrameType, kind: str, argument: object) -> None:
            if kind == "call" and frame.f_globals.get("__name__", "").startswith("kvcluster."):
                names.append(frame.f_code.co_name)

        sys.setprofile(profile)
        try:
            action()
        finally:
            sys.setprofile(None)
        return names

    return count
