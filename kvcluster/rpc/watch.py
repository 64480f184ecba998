"""The Watch service: many watchers on one stream (etcd.md 2.7).

    create ──▶ created=true, then events   (or created=true and canceled=true with id -1: refused)
    cancel ──▶ canceled=true
    the hub says "compacted" ──▶ canceled=true with compact_revision

An event answer is three pieces: header bytes, watch-id bytes, and the event bytes that all watchers share. A stream whose
buffer is above HIGH_WATER_BYTES takes no more: its watchers become unsynced in the hub, and are resumed when it drains.
So a slow client costs its own buffer and a number per watcher. One that goes on asking while it does not read loses its stream
after MAX_UNREAD_ANSWERS.

Progress: an answer without events carries the revision up to which everything has been delivered. It goes through the same
buffer as the events, so it cannot overtake them.
"""

from __future__ import annotations

from kvcluster import pb
from kvcluster.errors import CompactedError, EtcdError, NoLeaderError, TooManyRequestsError, WatchRangeEmptyError
from kvcluster.member import Member
from kvcluster.rpc.access import Access
from kvcluster.rpc.decoding import decode, lacks_leader
from kvcluster.rpc.encoding import encode_varint, split_events
from kvcluster.rpc.status import status_of
from kvcluster.watch import Hub, Subscription
from kvcluster.wire import HIGH_WATER_BYTES, ServiceCall, codes

DUPLICATE_ID = "mvcc: duplicate watch ID provided on the WatchStream"
FAILED_ID = -1

MAX_UNREAD_ANSWERS = 100_000
"""To creates and cancels, while the buffer is above HIGH_WATER_BYTES: some megabytes. Beyond it the stream ends."""

_FRAGMENT = b"\x38\x01"


def _go_status(error: EtcdError) -> tuple[str, str]:
    """(name, text), as Go prints a status."""
    code, text = status_of(error)
    return codes.NAMES[code], text


def _id_bytes(watch_id: int) -> bytes:
    """WatchResponse.watch_id = 2; zero is not written."""
    return b"\x10" + encode_varint(watch_id) if watch_id else b""


class Watched:
    """A watcher of a stream: what the hub's subscription is tagged with."""

    __slots__ = ("id", "id_bytes", "wants_progress", "wants_fragments", "was_told", "subscription")

    def __init__(self, request: pb.WatchCreateRequest) -> None:
        self.id = 0
        self.id_bytes = b""
        self.wants_progress = request.progress_notify
        self.wants_fragments = request.fragment
        self.was_told = False
        self.subscription: Subscription | None = None

    def begin(self, watch_id: int, subscription: Subscription) -> None:
        """It is accepted; the hub delivers nothing before this."""
        self.id = watch_id
        self.id_bytes = _id_bytes(watch_id)
        self.subscription = subscription


class WatchService:
    """All streams of a member's clients. `tick` drives progress notifications and the check for a leader."""

    def __init__(self, member: Member, access: Access, *, progress_ticks: int, max_response_bytes: int) -> None:
        self.member = member
        self.access = access
        self.max_response_bytes = max_response_bytes
        self._progress_ticks = progress_ticks
        self._no_leader_ticks = 0
        self._streams: dict[WatchStream, None] = {}

    def watch(self, call: ServiceCall) -> WatchStream:
        stream = WatchStream(call, self)
        if lacks_leader(call, self.member):
            call.finish(*status_of(NoLeaderError()))
        else:
            self._streams[stream] = None
        return stream

    def forget(self, stream: WatchStream) -> None:
        self._streams.pop(stream, None)

    def tick(self) -> None:
        """Every tick of the member."""
        member = self.member
        self._no_leader_ticks = 0 if member.leader else self._no_leader_ticks + 1
        if self._no_leader_ticks >= 3 * member.config.election_ticks:
            for stream in [stream for stream in self._streams if stream.requires_leader]:
                stream.end(NoLeaderError())
        if member.now_tick % self._progress_ticks == 0:
            for stream in self._streams:
                stream.notify_progress()


class WatchStream:
    """One stream: wire's StreamHandler and the hub's Sink."""

    def __init__(self, call: ServiceCall, service: WatchService) -> None:
        self._call = call
        self._service = service
        self._member: Member = service.member
        self._hub: Hub = service.member.hub
        self._watched: dict[int, Watched] = {}
        self._next_id = 0
        self._full: list[Subscription] = []
        self._unread_answers = 0
        self.requires_leader = call.metadata.get("hasleader") == "true"

    # ---- requests ----

    def on_message(self, payload: bytes) -> None:
        if not self._call.is_active:
            return  # the call is over, the client did not know yet
        request = decode(pb.WatchRequest, payload, self._call)
        if request is None:
            self._release()
            return
        match request.WhichOneof("request_union"):
            case "create_request":
                self._create(request.create_request)
            case "cancel_request":
                self._cancel(request.cancel_request.watch_id)
            case "progress_request":
                self._progress()

    def _create(self, request: pb.WatchCreateRequest) -> None:
        """A refusal takes no id."""
        access = self._service.access
        if access.auth.is_enabled:
            try:
                access.auth.check_range(access.who(self._call), request.key or b"\x00", request.range_end)
            except EtcdError as error:
                self._refuse("rpc error: code = {} desc = {}".format(*_go_status(error)))
                return
        watched = Watched(request)
        try:
            subscription = self._hub.subscribe(
                request.key or b"\x00",
                request.range_end,
                request.start_revision,
                prev_kv=request.prev_kv,
                no_put=pb.WatchCreateRequest.NOPUT in request.filters,
                no_delete=pb.WatchCreateRequest.NODELETE in request.filters,
                sink=self,
                tag=watched,
            )
        except (WatchRangeEmptyError, CompactedError) as error:
            self._refuse(str(error))
            return
        if request.watch_id in self._watched and request.watch_id:
            self._hub.cancel(subscription)
            self._refuse(DUPLICATE_ID)
            return
        watched.begin(request.watch_id or self._take_id(), subscription)
        self._watched[watched.id] = watched
        self._answer(pb.WatchResponse(watch_id=watched.id, created=True))

    def _take_id(self) -> int:
        while self._next_id in self._watched:
            self._next_id += 1
        self._next_id += 1
        return self._next_id - 1

    def _refuse(self, reason: str) -> None:
        self._answer(pb.WatchResponse(watch_id=FAILED_ID, created=True, canceled=True, cancel_reason=reason))

    def _cancel(self, watch_id: int) -> None:
        watched = self._watched.pop(watch_id, None)
        if watched is None:
            return  # an unknown id gets no answer
        if watched.subscription is not None:  # else it was compacted, and its id is free from now on
            self._hub.cancel(watched.subscription)
            watched.subscription = None  # which has it as its tag: a cycle
        self._answer(pb.WatchResponse(watch_id=watch_id, canceled=True))

    def _answer(self, response: pb.WatchResponse) -> None:
        """To a create or a cancel: these cannot wait for room, so they are counted."""
        if self._call.buffered_bytes > HIGH_WATER_BYTES:
            self._unread_answers += 1
            if self._unread_answers > MAX_UNREAD_ANSWERS:
                self.end(TooManyRequestsError())
                return
        self._call.send(self._member.header(self._hub.revision), response.SerializeToString())

    def _progress(self) -> None:
        """Answered only if every watcher is synced and there is room; a client that hears nothing asks again."""
        if self._call.buffered_bytes > HIGH_WATER_BYTES:
            return
        subscriptions = [w.subscription for w in self._watched.values() if w.subscription is not None]
        if subscriptions and all(self._hub.is_synced(subscription) for subscription in subscriptions):
            self._call.send(self._member.header(self._hub.revision), _id_bytes(FAILED_ID))

    def notify_progress(self) -> None:
        """The regular notification, for watchers that asked for it and have heard nothing since the last."""
        if self._call.buffered_bytes > HIGH_WATER_BYTES:
            return
        for watched in self._watched.values():
            if not watched.wants_progress or watched.subscription is None:
                continue
            if not watched.was_told and self._hub.is_synced(watched.subscription):
                self._call.send(self._member.header(self._hub.revision), watched.id_bytes)
            watched.was_told = False

    # ---- the hub's Sink ----

    def deliver(self, subscription: Subscription, revision: int, events: bytes, count: int) -> bool:
        call = self._call
        if call.buffered_bytes > HIGH_WATER_BYTES:
            self._full.append(subscription)
            return False
        watched: Watched = subscription.tag
        watched.was_told = True
        if watched.wants_fragments and count > 1 and len(events) >= self._service.max_response_bytes:
            self._send_fragments(watched, revision, events)
        else:
            call.send(self._member.header(revision), watched.id_bytes, events)
        return True

    def _send_fragments(self, watched: Watched, revision: int, events: bytes) -> None:
        """Back to back: clients glue what follows a fragment to it."""
        header = self._member.header(revision)
        parts = split_events(events, self._service.max_response_bytes)
        for part in parts[:-1]:
            self._call.send(header, watched.id_bytes, _FRAGMENT, part)
        self._call.send(header, watched.id_bytes, parts[-1])

    def compacted(self, subscription: Subscription, compact_revision: int) -> None:
        """The id stays reserved until the client cancels it."""
        watched: Watched = subscription.tag
        watched.subscription = None
        canceled = pb.WatchResponse(watch_id=watched.id, canceled=True, compact_revision=compact_revision)
        self._call.send(self._member.header(0), canceled.SerializeToString())

    # ---- the stream's end ----

    def on_half_close(self) -> None:
        """Does not end the stream: etcd's gateway relies on it, and watchers may go on being served."""

    def on_drain(self) -> None:
        self._unread_answers = 0
        full, self._full = self._full, []
        for subscription in full:
            self._hub.resume(subscription)

    def on_cancel(self) -> None:
        self._release()

    def end(self, error: EtcdError) -> None:
        self._release()
        self._call.finish(*status_of(error))

    def _release(self) -> None:
        self._service.forget(self)
        for watched in self._watched.values():
            if watched.subscription is not None:
                self._hub.cancel(watched.subscription)
                watched.subscription = None
        self._watched.clear()
        self._full.clear()
