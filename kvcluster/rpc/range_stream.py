"""KV.RangeStream (etcd 3.7): a Range in chunks, all of one revision, so that neither side holds the whole of a large one.

    barrier ─▶ the revision is taken ─▶ chunk, chunk, …  as long as the client's buffer has room ─▶ header, more, count ─▶ end

Chunks begin with FIRST_KEYS keys and grow or shrink towards half of the largest request's bytes. A revision that is compacted
meanwhile ends the stream with that error.
"""

from __future__ import annotations

from kvcluster import pb
from kvcluster.auth import Identity
from kvcluster.errors import EtcdError, NoLeaderError
from kvcluster.member import Member
from kvcluster.rpc.access import Access
from kvcluster.rpc.checks import check_range
from kvcluster.rpc.decoding import decode, lacks_leader
from kvcluster.rpc.status import status_of
from kvcluster.wire import HIGH_WATER_BYTES, ServiceCall, codes

FIRST_KEYS = 10
MAX_KEYS = 10_000


class RangeStream:
    """wire's StreamHandler."""

    def __init__(self, call: ServiceCall, member: Member, access: Access) -> None:
        self._call = call
        self._member = member
        self._access = access
        self._request: pb.RangeRequest | None = None
        self._key = b""
        self._left = 0
        self._count = 0
        self._chunk_keys = FIRST_KEYS
        self._is_reading = False

    def on_message(self, payload: bytes) -> None:
        request = decode(pb.RangeRequest, payload, self._call)
        if request is None:
            return
        if lacks_leader(self._call, self._member):
            self._call.finish(*status_of(NoLeaderError()))
            return
        try:
            check_range(request)
        except EtcdError as error:
            self._call.finish(*status_of(error))
            return
        refusal = _refusal(request)
        if refusal:
            self._call.finish(codes.UNIMPLEMENTED, refusal)
        elif request.serializable:
            self._begin(request, None)
        else:
            self._member.read_barrier(lambda error: self._begin(request, error))

    def _begin(self, request: pb.RangeRequest, error: EtcdError | None) -> None:
        if error is not None:
            self._call.finish(*status_of(error))
        elif self._access.auth.is_enabled:
            self._access.check(
                self._call,
                lambda who: self._check(who, request),
                lambda: self._start(request),
            )
        else:
            self._start(request)

    def _check(self, who: Identity, request: pb.RangeRequest) -> None:
        self._access.auth.check_range(who, request.key, request.range_end)

    def _start(self, request: pb.RangeRequest) -> None:
        """From here on the revision is fixed."""
        store = self._member.store
        self._request, self._key, self._left = request, request.key, max(request.limit, 0)
        try:
            self._count = store.range(request.key, request.range_end, revision=request.revision, count_only=True).count
        except EtcdError as error:
            self._call.finish(*status_of(error))
            return
        if request.revision <= 0:
            request.revision = store.revision
        if request.count_only:
            self._finish(False)
        else:
            self._is_reading = True
            self._read()

    def _read(self) -> None:
        """Chunks, until the client's buffer is full; `on_drain` goes on."""
        request = self._request
        assert request is not None
        while self._is_reading and self._call.is_active and self._call.buffered_bytes <= HIGH_WATER_BYTES:
            wanted = min(self._chunk_keys, self._left) if self._left else self._chunk_keys
            chunk = pb.RangeRequest(
                key=self._key, range_end=request.range_end, revision=request.revision, limit=wanted,
                keys_only=request.keys_only,
            )  # fmt: skip
            applied = self._member.applier.range(chunk)
            if applied.error is not None:
                self._is_reading = False
                self._call.finish(*status_of(applied.error))
                return
            self._send(pb.RangeResponse.FromString(applied.body), len(applied.body))

    def _send(self, found: pb.RangeResponse, size_bytes: int) -> None:
        target_bytes = self._member.config.max_request_bytes // 2
        if size_bytes > target_bytes:
            self._chunk_keys = max(self._chunk_keys // 2, 1)
        elif size_bytes * 2 <= target_bytes:
            self._chunk_keys = min(self._chunk_keys * 2, MAX_KEYS)
        if self._left:
            self._left -= len(found.kvs)
        is_last = not found.more or (not self._left and self._request is not None and self._request.limit > 0)
        if found.kvs:
            self._key = found.kvs[-1].key + b"\x00"
            message = pb.RangeStreamResponse(range_response=pb.RangeResponse(kvs=found.kvs))
            self._call.send(message.SerializeToString())
        if is_last:
            self._finish(found.more)

    def _finish(self, more: bool) -> None:
        """The last chunk has what concerns all of them; its revision is the store's (etcd)."""
        self._is_reading = False
        member = self._member
        response = pb.RangeResponse(more=more, count=self._count)
        response.MergeFromString(member.header(member.store.revision))
        self._call.send(pb.RangeStreamResponse(range_response=response).SerializeToString())
        self._call.finish()

    def on_half_close(self) -> None: ...

    def on_cancel(self) -> None:
        self._is_reading = False

    def on_drain(self) -> None:
        if self._is_reading:
            self._read()


def _refusal(request: pb.RangeRequest) -> str:
    """etcd's words for what cannot be streamed."""
    if request.sort_target != pb.RangeRequest.KEY or request.sort_order == pb.RangeRequest.DESCEND:
        return "RangeStream does not support custom sort orders"
    if (request.min_mod_revision or request.max_mod_revision or request.min_create_revision
            or request.max_create_revision):  # fmt: skip
        return "RangeStream does not support revision filters"
    return ""
