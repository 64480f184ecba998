"""Renewals and times to live: answered here by the leader, asked of the leader by everybody else.

A question without a known leader waits; one that was sent is sent again when the leader changes, and now and then, because
messages may be lost. `expire` answers it with a timeout in the end. Renewing twice is harmless, so repeating is too.

A lease that has expired but is not revoked yet is neither alive nor gone: its renewal gets no answer before the revocation is
applied, and is only asked again. So "gone" never overtakes the deletion of the keys.
"""

from __future__ import annotations

from collections.abc import Callable

from kvcluster.errors import EtcdError, RequestTimeoutError
from kvcluster.lease import Lessor
from kvcluster.member.forwarding import IN_SYNC, NOT_LEADER, RENEW, TIME_TO_LIVE, LeaseAnswer, LeaseRequest
from kvcluster.raft import NO_MEMBER

Answered = Callable[[LeaseAnswer | EtcdError], object]


class LeaseQuestions:
    """One member's. `outbox`: what the next Ready takes along."""

    __slots__ = ("outbox", "_member", "_in_sync", "_number", "_open", "_unsent")

    def __init__(
        self, member: int, incarnation: int = 0, in_sync: Callable[[int], bool] = lambda member: False
    ) -> None:
        """in_sync: whether a learner holds nearly all of the log, asked of the leader only."""
        self.outbox: list[LeaseRequest | LeaseAnswer] = []
        self._member = member
        self._in_sync = in_sync
        # Each life counts from a place of its own: an answer to an earlier life must not answer this one's question.
        self._number = (incarnation & 0xFFFF_FFFF) << 32
        self._open: dict[int, tuple[int, int, Answered, int]] = {}  # number → kind, lease, done, deadline
        self._unsent: dict[int, None] = {}

    def __len__(self) -> int:
        """Questions without an answer."""
        return len(self._open)

    def renew(self, lease: int, done: Answered, deadline_tick: int) -> None:
        self._add(RENEW, lease, done, deadline_tick)

    def time_to_live(self, lease: int, done: Answered, deadline_tick: int) -> None:
        self._add(TIME_TO_LIVE, lease, done, deadline_tick)

    def ask_in_sync(self, learner: int, done: Answered, deadline_tick: int) -> None:
        """ttl_s of the answer is 1 where it is."""
        self._add(IN_SYNC, learner - (learner >> 63 << 64), done, deadline_tick)

    def _add(self, kind: int, lease: int, done: Answered, deadline_tick: int) -> None:
        self._number += 1
        self._open[self._number] = (kind, lease, done, deadline_tick)
        self._unsent[self._number] = None

    def put(self, leader: int, lessor: Lessor) -> None:
        """Answers or sends what is not on its way yet."""
        is_own = leader == self._member
        if not self._unsent or leader == NO_MEMBER or (is_own and not lessor.is_primary):
            return
        unsent, self._unsent = self._unsent, {}
        for number in unsent:
            kind, lease, done, _ = self._open[number]
            if is_own:
                answer = self._look(kind, lease, lessor, self._member, number)
                if answer is not None:
                    del self._open[number]
                    done(answer)
            else:
                self.outbox.append(LeaseRequest(kind, leader, self._member, number, lease))

    def answer_other(self, request: LeaseRequest, lessor: Lessor) -> None:
        """Another member asks; one that gets no answer asks again."""
        answer = self._look(request.type, request.lease, lessor, request.sender, request.number)
        if answer is not None:
            self.outbox.append(answer)

    def take_answer(self, answer: LeaseAnswer) -> None:
        """The leader has answered; one who leads no longer makes the question be asked again."""
        if answer.number not in self._open:
            return
        if answer.ttl_s == NOT_LEADER:
            self._unsent[answer.number] = None
            return
        self._unsent.pop(answer.number, None)
        _, _, done, _ = self._open.pop(answer.number)
        done(answer)

    def ask_again(self) -> None:
        """Everything that has no answer."""
        self._unsent = dict.fromkeys(self._open)

    def expire(self, now_tick: int) -> None:
        for number in [number for number, (_, _, _, deadline) in self._open.items() if deadline <= now_tick]:
            _, _, done, _ = self._open.pop(number)
            self._unsent.pop(number, None)
            done(RequestTimeoutError())

    def abandon(self, error: EtcdError) -> None:
        asked, self._open = self._open, {}
        self._unsent.clear()
        for _, _, done, _ in asked.values():
            done(error)

    def _look(self, kind: int, lease: int, lessor: Lessor, to: int, number: int) -> LeaseAnswer | None:
        """None: not now, ask again. Who hears that a lease is gone may count on its keys being gone too (etcd: Lessor.Renew)."""
        sender = self._member
        if not lessor.is_primary:
            return LeaseAnswer(to, sender, number, NOT_LEADER, 0)
        if kind == IN_SYNC:
            return LeaseAnswer(to, sender, number, int(self._in_sync(lease % (1 << 64))), 0)
        found = lessor.find(lease)
        if kind == RENEW:
            if found is not None and lessor.is_expired(lease):
                return None
            ttl_s = lessor.renew(lease) if found is not None else 0
            return LeaseAnswer(to, sender, number, ttl_s, ttl_s)
        if found is None:
            return LeaseAnswer(to, sender, number, -1, 0)
        return LeaseAnswer(to, sender, number, lessor.remaining_s(lease), found.ttl_s, tuple(found.keys))
