"""One member of the cluster: THE pure object. Raft, the replicated state machine, leases and the watch hub.

It is fed requests, messages and ticks, and asked what to persist and to send. It does no I/O and reads no clock: the same
inputs in the same order give the same outputs. Whoever drives it (server/driver.py, embedded.py, sim/) does this, once a
turn, after the turn's inputs:

    while member.has_ready():
        ready = member.ready()
        storage: apply_snapshot, append, set_hard_state        # before anything is sent or applied
        send(ready.messages)                                   # may be lost
        member.advance(ready)                                  # applies what is committed; `done`s are called here
    while member.background(): pass                            # watchers that lag, compaction; a bit at a time

Answers come through `done` functions, each called exactly once: from `advance` (applied), from `tick` (timed out), from `stop`,
or at once (refused; on the leader also lease questions), so whoever asks again in a `done` must loop and not nest. A `done`
must not raise: its error would come out of the call that it was made in, and leave other requests without an answer. It may
propose, read and subscribe.

Requests never wait for a leader longer than `request_timeout_ticks`. A write that was not applied by then is answered with
"request timed out": it may still happen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvcluster import pb
from kvcluster.apply import Applied, Applier, MembershipChange, Seat, State, encode_change, encode_identity, ops
from kvcluster.auth import SYSTEM, Identity
from kvcluster.errors import (
    BadLeaderTransfereeError,
    EtcdError,
    LeaderChangedError,
    LeaderTransferTimeoutError,
    NotLeaderError,
    RequestTimeoutError,
    RequestTooLargeError,
    StoppedError,
    TooManyRequestsError,
)
from kvcluster.lease import Lessor
from kvcluster.member.backup import Backup
from kvcluster.member.config import MemberConfig, MemberRecord
from kvcluster.member.forwarding import LeaseAnswer, LeaseRequest, PeerMessage
from kvcluster.member.header import HeaderCache
from kvcluster.member.intake import Intake
from kvcluster.member.lease_duty import LeaseDuty
from kvcluster.member.lease_questions import Answered, LeaseQuestions
from kvcluster.member.log_keeper import LogKeeper
from kvcluster.member.membership import READY_SHARE
from kvcluster.member.proposals import HEAD_BYTES, Done, Proposals
from kvcluster.member.reads import Done as ReadDone
from kvcluster.member.reads import Reads
from kvcluster.member.snapshot import load_state
from kvcluster.mvcc import Store
from kvcluster.raft import (
    NO_MEMBER,
    Config,
    ConfState,
    Entry,
    LogStorage,
    Message,
    ProgressState,
    ProposalDropped,
    RawNode,
    Ready,
    Role,
    StepRejected,
    chunks_of,
)
from kvcluster.watch import Hub

BACKUP_ITEMS = 1000
"""Of a backup, in one bit of background work: some milliseconds."""


class Member:
    """See the module. `storage` is where the shell persists; the member itself only makes and prunes snapshots in it."""

    def __init__(self, config: MemberConfig, storage: LogStorage) -> None:
        """Takes up what the storage holds. Raises CorruptSnapshotError, ValueError; SnapshotUnavailable where a volatile
        storage is not new."""
        self.config = config
        self.id = config.id
        self.cluster_id = config.cluster_id
        self.name = config.record.name
        self.store = Store()
        self.lessor = Lessor(ticks_per_second=max(1000 // config.tick_ms, 1), min_ttl_s=config.min_lease_ttl_s)
        self.hub = Hub(self.store)
        self.applier = Applier(State(self.store, self.lessor, self.hub))
        self.auth = self.applier.state.auth
        self.membership = self.applier.state.membership
        if not config.joins_cluster_id:
            self.membership.seats = {record.id: Seat(record.peer_urls) for record in config.members}
        self.on_membership: list[Callable[[], object]] = []
        """Called when members come, go or change."""
        self.now_tick = 0
        self._storage = storage
        snapshot = storage.snapshot()
        if snapshot.index:
            load_state(self.applier.state, chunks_of(snapshot.data))
        self.applied_index, self._applied_term = snapshot.index, snapshot.term
        self._log = LogKeeper(config, storage, self.applier.state, snapshot)
        self._intake = Intake()
        self._node = RawNode(
            Config(
                id=config.id,
                storage=storage,
                election_ticks=config.election_ticks,
                heartbeat_ticks=config.heartbeat_ticks,
                seed=config.seed + config.incarnation,
            )
        )
        self._proposals = Proposals(config.id, config.incarnation)
        self._reads = Reads(config.incarnation)
        self._header = HeaderCache(self.cluster_id, self.id)
        self.header = self._header.encode
        """header(revision): field 1 of a response, with its tag and length; cluster, member, revision, term."""
        self.leader = NO_MEMBER
        """The leader's id, 0 when none is known. For reading only, as `term`."""
        self.term = 0
        self._questions = LeaseQuestions(self.id, config.incarnation, self._is_in_sync)
        self._duty = self._new_duty()
        self._known_leader = NO_MEMBER
        self._is_publishing = False
        self._refused_tick = -1
        self._change_tick = 0
        self._compaction_waiters: list[Done] = []
        self._backups: dict[Backup, Callable[[], object]] = {}
        self._transfers: list[tuple[int, ReadDone, int]] = []  # (to whom, whom to tell, deadline)
        self._stopped: EtcdError | None = None
        self.membership.on_change = self._change_members
        if len(config.members) == 1 and not config.joins_cluster_id:
            self._node.campaign()
        self._mirror_raft()

    # ---- looks ----

    @property
    def role(self) -> Role:
        return self._node.role

    @property
    def is_leader(self) -> bool:
        return self._node.role is Role.LEADER

    @property
    def commit_index(self) -> int:
        return self._node.commit

    @property
    def is_published(self) -> bool:
        """Whether the cluster knows this member's name and client URLs."""
        record = self.config.record
        return self.applier.state.attributes.get(self.id) == (record.name, record.client_urls)

    @property
    def pending_count(self) -> int:
        """Requests that have no answer yet."""
        return len(self._proposals.waiting) + len(self._reads) + len(self._questions)

    def members(self) -> list[MemberRecord]:
        """All members, by id. Names and client URLs are those that the members published themselves."""
        told = self.applier.state.attributes
        records = []
        for id, seat in sorted(self.membership.seats.items()):
            name, client_urls = told.get(id, ("", ()))
            records.append(MemberRecord(id, name, seat.peer_urls, client_urls, seat.is_learner))
        return records

    @property
    def is_learner(self) -> bool:
        """A learner, or one that has not been told yet what it is."""
        seat = self.membership.seats.get(self.id)
        return seat is None or seat.is_learner

    @property
    def is_removed(self) -> bool:
        return self.id in self.membership.removed

    @property
    def is_alone(self) -> bool:
        """Whether it is the only voter."""
        return self._node.conf_state.voters == (self.id,)

    # ---- requests ----

    def propose(self, op: int, payload: bytes, done: Done, parsed: Any = None, who: Identity | None = None) -> None:
        """Asks for a change. payload: the client's own request bytes; parsed: the message, where it is known already; who:
        the user who asks, where authentication is on.

        Refusals that happen at once (stopped, too large, too many) are answered through `done` as well.
        """
        refusal: EtcdError | None = None
        if self._stopped is not None:
            refusal = self._stopped
        elif len(payload) > self.config.max_request_bytes:
            refusal = RequestTooLargeError()
        elif len(self._proposals.waiting) >= self.config.max_pending_requests:
            refusal = TooManyRequestsError()
        if refusal is not None:
            done(Applied(self.store.revision, b"", refusal))
        else:
            if who is not None:
                op += ops.AUTHORIZED
                payload = encode_identity(who) + payload
                parsed = None if parsed is None else (who, parsed)
            self._proposals.add(op, payload, done, parsed, self.now_tick + self.config.request_timeout_ticks)

    def read_barrier(self, done: ReadDone) -> None:
        """Calls done(None) when a read of `store` sees everything that was acknowledged before this call."""
        refusal = self._refusal_to_wait(self._reads.waiting_count)
        if refusal is not None:
            done(refusal)
            return
        self._reads.add(done, self.now_tick + self.config.request_timeout_ticks)

    def renew_lease(self, id: int, done: Answered) -> None:
        """Starts a lease's TTL anew, at the leader. done(LeaseAnswer): ttl_s 0 = no such lease; or done(error)."""
        refusal = self._refusal_to_wait(len(self._questions))
        if refusal is not None:
            done(refusal)
            return
        self._questions.renew(id, done, self.now_tick + self.config.request_timeout_ticks)
        self._put_questions()

    def time_to_live(self, id: int, done: Answered) -> None:
        """How long a lease has left, asked of the leader. done(LeaseAnswer): ttl_s -1 = no such lease; or done(error)."""
        refusal = self._refusal_to_wait(len(self._questions))
        if refusal is not None:
            done(refusal)
            return
        self._questions.time_to_live(id, done, self.now_tick + self.config.request_timeout_ticks)
        self._put_questions()

    def _refusal_to_wait(self, waiting: int) -> EtcdError | None:
        if self._stopped is not None:
            return self._stopped
        return TooManyRequestsError() if waiting >= self.config.max_pending_requests else None

    def new_lease_id(self) -> int:
        """An id for a lease whose client let the server choose."""
        while True:
            id = self._proposals.fresh_id()
            if self.lessor.find(id) is None:
                return id

    def move_leader(self, target: int, done: ReadDone) -> None:
        """Hands leadership to member `target`: done(None) once it leads; or done(error), also where it took too long."""
        if self._stopped is not None:
            done(self._stopped)
        elif not self.is_leader:
            done(NotLeaderError())
        elif target not in self.membership.voters:
            done(BadLeaderTransfereeError())
        elif target == self.id:
            done(None)
        else:
            self._transfers.append((target, done, self.now_tick + self.config.request_timeout_ticks))
            self._node.transfer_leader(target)

    def _end_transfers(self) -> None:
        waiting, self._transfers = self._transfers, []
        for target, done, deadline_tick in waiting:
            if self.leader == target:
                done(None)
            elif self.now_tick >= deadline_tick:
                done(LeaderTransferTimeoutError())
            else:
                self._transfers.append((target, done, deadline_tick))

    def change_members(self, change: MembershipChange, done: Done) -> None:
        """Asks for a change of members (member/membership.py makes them). done's error may be MembershipConflictError."""
        if self._stopped is not None:
            done(Applied(self.store.revision, b"", self._stopped))
        else:
            deadline_tick = self.now_tick + self.config.request_timeout_ticks
            self._proposals.add_change(ops.MEMBERSHIP, encode_change(change), done, change, deadline_tick)

    def ask_in_sync(self, learner: int, done: Answered) -> None:
        """Whether a learner may be promoted, asked of the leader. done(LeaseAnswer): ttl_s 1 = yes; or done(error)."""
        refusal = self._refusal_to_wait(len(self._questions))
        if refusal is not None:
            done(refusal)
            return
        self._questions.ask_in_sync(learner, done, self.now_tick + self.config.request_timeout_ticks)
        self._put_questions()

    def _is_in_sync(self, learner: int) -> bool:
        progress = self._node.status().progress
        found = progress.get(learner)
        return found is not None and found.match >= READY_SHARE * progress[self.id].match

    def _change_members(self) -> None:
        """An entry has changed the membership: raft counts by it from here on."""
        membership = self.membership
        self._change_tick = 0
        conf_state = ConfState(tuple(membership.voters), tuple(membership.learners))
        self._node.apply_conf_change(conf_state)
        self._storage.set_conf_state(conf_state)
        self._tell_membership()

    def _tell_membership(self) -> None:
        for tell in self.on_membership:
            tell()

    def when_compacted(self, done: Done) -> None:
        """Calls done when what is compacted by now has been freed (a physical compaction)."""
        if self._stopped is not None:
            done(Applied(self.store.revision, b"", self._stopped))
        else:
            self._compaction_waiters.append(done)

    # ---- the shell's side ----

    def tick(self) -> None:
        """A tick of time has passed."""
        self.now_tick += 1
        self._node.tick()
        self._mirror_raft()
        self.lessor.tick()
        self._reads.retry(self.now_tick)
        for done in self._proposals.expire(self.now_tick):
            done(Applied(self.store.revision, b"", RequestTimeoutError()))
        for read_done in self._reads.expire(self.now_tick):
            read_done(RequestTimeoutError())
        self._questions.expire(self.now_tick)
        if self._transfers:
            self._end_transfers()
        if self.now_tick % self.config.read_retry_ticks == 0:
            self._questions.ask_again()
        self._put_questions()
        if self.lessor.is_primary:
            self._duty.look(self.lessor, self.now_tick)
            self._revoke_expired()

    def receive(self, message: PeerMessage) -> None:
        """A message of another member. One that no correct member sends is dropped."""
        if isinstance(message, LeaseRequest):
            self._questions.answer_other(message, self.lessor)
        elif isinstance(message, LeaseAnswer):
            self._questions.take_answer(message)
        elif message.snapshot is not None and message.snapshot.index > self.commit_index:
            self._intake.take(message)
        else:
            self._step(message)

    def _step(self, message: Message) -> None:
        try:
            self._node.step(message)
        except StepRejected:
            pass
        self._mirror_raft()

    def campaign(self) -> None:
        """Stands for election now and not after its timeout. For the shell of a cluster that starts new: at any other time it
        only disturbs. Does nothing at a leader."""
        self._node.campaign()
        self._mirror_raft()

    def report_unreachable(self, id: int) -> None:
        """Messages to that member could not be delivered."""
        self._node.report_unreachable(id)

    def report_reachable(self, id: int) -> None:
        """They can be from now on."""
        self._node.report_reachable(id)

    def has_ready(self) -> bool:
        proposals = self._proposals
        can_propose = bool(proposals.queued) and self._refused_tick != self.now_tick
        can_propose = can_propose or (bool(proposals.queued_changes) and self.now_tick >= self._change_tick)
        can_ask = self.leader != NO_MEMBER and (can_propose or self._reads.wants_to_ask)
        return can_ask or bool(self._questions.outbox) or self._node.has_ready()

    def ready(self) -> Ready:
        """What to persist and send. Everything queued in this turn goes into it: one append, one read index."""
        self._observe_leader()
        node = self._node
        if self.leader != NO_MEMBER:
            if self._proposals.queued:
                taken = self._proposals.take()
                try:
                    node.propose(taken)
                except ProposalDropped:
                    # Too much is uncommitted. Tried again with whatever happens next, but for its own sake not before
                    # the next tick: the shell would never come to rest. In the end it times out.
                    self._proposals.queued = taken
                    self._refused_tick = self.now_tick
            if self._proposals.queued_changes and self.now_tick >= self._change_tick:
                self._propose_change()
            if self._reads.wants_to_ask and node.read_index(self._reads.next_context()):
                self._reads.ask(self.now_tick + self.config.read_retry_ticks)
        ready = node.ready()
        if self._questions.outbox:
            ready.messages.extend(self._questions.outbox)  # type: ignore[arg-type]  # lease questions travel along
            self._questions.outbox.clear()
        return ready

    def _propose_change(self) -> None:
        """The oldest change of members. A leader that has another one under way cannot take it, and drops what is forwarded to it
        without a word; so it is proposed again until it is applied. Of two that were taken only the first counts: they were
        made from the same version.
        """
        change = self._proposals.oldest_change()
        if change is not None:
            try:
                self._node.propose_conf_change(change)
            except ProposalDropped:
                pass
            self._change_tick = self.now_tick + self.config.read_retry_ticks

    def advance(self, ready: Ready) -> None:
        """`ready` is persisted and its messages are handed over: applies what it committed and answers for it."""
        self._node.advance(ready)
        self._mirror_raft()
        if ready.snapshot is not None:
            self._intake.load(self.applier.state, ready.snapshot)
            self.applied_index, self._applied_term = ready.snapshot.index, ready.snapshot.term
            self._log.restored(ready.snapshot)
            self._tell_membership()
        dones, answers = self._apply(ready.committed) if ready.committed else ([], [])
        self._observe_duty()
        for state in ready.read_states:
            self._reads.answer(state.context, state.index)
        for done, applied in zip(dones, answers, strict=True):
            done(applied)
        for read_done in self._reads.release(self.applied_index):
            read_done(None)
        if self._transfers:
            self._end_transfers()
        if self.lessor.is_primary:
            self._revoke_expired()

    def background(self) -> bool:
        """A budgeted bit of what need not happen now: lagging watchers, freeing compacted history, snapshots on their way in
        and out, the log's tail. True: there is more."""
        more_watchers = self.hub.catch_up()
        more_compaction = self.store.compact_step()
        more_log = self._log.step(self.now_tick, self._do_others_lag)
        is_reading = self._intake.is_reading
        received = self._intake.step()
        if received is not None:
            self._step(received)
        if not more_compaction and self._compaction_waiters:
            waiters, self._compaction_waiters = self._compaction_waiters, []
            for done in waiters:
                done(Applied(self.store.revision))
        more_backups = bool(self._backups) and self._step_backups()
        return more_watchers or more_compaction or more_log or is_reading or more_backups

    def stop(self, error: EtcdError | None = None) -> None:
        """Answers everything that waits with `error` (default: server stopped), and every later request too."""
        self._stopped = error or StoppedError()
        waiters, self._compaction_waiters = self._compaction_waiters, []
        for done in self._proposals.abandon() + waiters:
            done(Applied(self.store.revision, b"", self._stopped))
        for read_done in self._reads.abandon():
            read_done(self._stopped)
        transfers, self._transfers = self._transfers, []
        for _, transfer_done, _ in transfers:
            transfer_done(self._stopped)
        self._questions.abandon(self._stopped)

    # ---- inside ----

    def _mirror_raft(self) -> None:
        """After everything that may change them: leader and term are read with every request, so they are kept at hand."""
        self.leader = self._node.leader
        self.term = self._header.term = self._node.term
        if self.lessor.is_primary:
            self._observe_duty()

    def _observe_leader(self) -> None:
        """Once per Ready: what follows from another leader, or from none."""
        leader = self.leader
        if leader != self._known_leader:
            self._known_leader = leader
            for read_done in self._reads.take_asked():
                read_done(LeaderChangedError())
            self._questions.ask_again()
        self._observe_duty()
        if leader != NO_MEMBER:
            self._publish()
            self._put_questions()

    def _observe_duty(self) -> None:
        """The leader takes up the leases once it has applied an entry of its own term.

        Before that it may not know of a lease that its predecessor granted, and would call it lost. It lays them down at
        once when it leads no longer, with the revocations that it has not proposed yet: they would be forwarded to its
        successor, who may have renewed those leases.
        """
        is_primary = self.is_leader and self._applied_term == self.term
        if is_primary == self.lessor.is_primary:
            return
        if is_primary:
            self.lessor.promote(self.config.election_ticks)
            self._duty = self._new_duty()
        else:
            self.lessor.demote()
            self._proposals.withdraw(self._duty.revoked)
        self._put_questions()

    def _new_duty(self) -> LeaseDuty:
        config = self.config
        return LeaseDuty(config.lease_check_ticks, config.max_lease_revokes, config.max_expired_leases)

    def _revoke_expired(self) -> None:
        duty = self._duty
        who = SYSTEM if self.auth.is_enabled else None
        for id in duty.take(self.lessor):
            self.propose(ops.LEASE_REVOKE, pb.LeaseRevokeRequest(ID=id).SerializeToString(), duty.revoked, who=who)

    def _put_questions(self) -> None:
        self._questions.put(self.leader, self.lessor)

    def _publish(self) -> None:
        """Tells the cluster this member's name and client URLs, once."""
        if self._is_publishing or self.is_published:
            return
        self._is_publishing = True
        record = self.config.record
        payload = pb.Member(ID=self.id, name=record.name, clientURLs=record.client_urls).SerializeToString()
        self.propose(ops.MEMBER_ATTRIBUTES, payload, self._published)

    def _published(self, applied: Applied) -> None:
        self._is_publishing = False

    def _apply(self, entries: list[Entry]) -> tuple[list[Done], list[Applied]]:
        """Applies entries in order; `done`s and outcomes of those that this member proposed. Two lists and not one of pairs:
        the pairs of a large turn would all be looked at by the cyclic collector."""
        dones: list[Done] = []
        answers: list[Applied] = []
        apply, find = self.applier.apply, self._proposals.find
        size = 0
        for entry in entries:
            data = entry[3]
            if not data:
                continue
            size += len(data)
            waiter = find(data)
            if waiter is None:
                apply(data[0], data[HEAD_BYTES:])
            else:
                done, parsed, _ = waiter
                answers.append(apply(data[0], b"" if parsed is not None else data[HEAD_BYTES:], parsed))
                dones.append(done)
        self.hub.flush()
        self._applied_term, self.applied_index = entries[-1][:2]
        self._log.applied(self.applied_index, len(entries), size)
        return dones, answers

    # ---- snapshots ----

    def begin_backup(self, done: Callable[[], object]) -> Backup:
        """The whole state as etcd keeps it, made in the background: done() when it is there."""
        backup = Backup(self.applier.state, self.applied_index, self._applied_term)
        self._backups[backup] = done
        return backup

    def drop_backup(self, backup: Backup) -> None:
        """Nobody wants it any more."""
        self._backups.pop(backup, None)
        backup.close()

    def _step_backups(self) -> bool:
        for backup, done in list(self._backups.items()):
            if not backup.step(BACKUP_ITEMS):
                del self._backups[backup]
                done()
        return bool(self._backups)

    def create_snapshot(self) -> None:
        """Makes a snapshot of what is applied, now and in one go, and prunes the log behind it."""
        self._log.snapshot_now()

    def _do_others_lag(self) -> bool:
        """Whether this member leads one that is waiting for a snapshot, or taking one in."""
        return any(p.recent_active and p.state != ProgressState.REPLICATE
                   for id, p in self._node.status().progress.items() if id != self.id)  # fmt: skip

    def _check(self) -> None:
        """Raises AssertionError where an invariant is broken. For tests; O(everything)."""
        assert (self.leader, self.term) == (self._node.leader, self._node.term)
        assert self.applied_index <= self.commit_index
        assert self.hub.revision == self.store.revision
        assert self.is_leader or not self.lessor.is_primary
        assert len(self._proposals.queued) <= len(self._proposals.waiting)
        self.store._check()
        self.lessor._check()
        attached = {kv.key: kv.lease for kv in self.store.range(b"\0", b"\0").kvs if kv.lease}
        assert attached == {key: lease.id for lease in self.lessor.leases() for key in lease.keys}
