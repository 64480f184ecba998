"""Renewals and times to live: answered here by the leader, asked of the leader by everybody else.

A question without a known leader waits; one that was sent is sent again when the leader changes. `expire` answers it with a
timeout in the end. Renewing twice is harmless, so repeating is too.
"""

from __future__ import annotations

from collections.abc import Callable

from kvcluster.errors import EtcdError, LeaseNotFoundError, NotLeaderError, RequestTimeoutError
from kvcluster.lease import Lessor
from kvcluster.member.forwarding import NOT_LEADER, RENEW, TIME_TO_LIVE, LeaseAnswer, LeaseRequest
from kvcluster.raft import NO_MEMBER

Answered = Callable[[LeaseAnswer | EtcdError], object]


class LeaseQuestions:
    """One member's. `outbox`: what the next Ready takes along."""

    __slots__ = ("outbox", "_member", "_number", "_open", "_sent")

    def __init__(self, member: int, incarnation: int = 0) -> None:
        self.outbox: list[LeaseRequest | LeaseAnswer] = []
        self._member = member
        # Each life counts from a place of its own: an answer to an earlier life must not answer this one's question.
        self._number = (incarnation & 0xFFFF_FFFF) << 32
        self._open: dict[int, tuple[int, int, Answered, int]] = {}  # number → kind, lease, done, deadline
        self._sent: dict[int, None] = {}

    def renew(self, lease: int, done: Answered, deadline_tick: int) -> None:
        self._add(RENEW, lease, done, deadline_tick)

    def time_to_live(self, lease: int, done: Answered, deadline_tick: int) -> None:
        self._add(TIME_TO_LIVE, lease, done, deadline_tick)

    def _add(self, kind: int, lease: int, done: Answered, deadline_tick: int) -> None:
        self._number += 1
        self._open[self._number] = (kind, lease, done, deadline_tick)

    def put(self, leader: int, lessor: Lessor) -> None:
        """Answers or sends what is not on its way yet."""
        if leader == NO_MEMBER or len(self._sent) == len(self._open):
            return
        for number in [number for number in self._open if number not in self._sent]:
            kind, lease, done, _ = self._open[number]
            if lessor.is_primary:
                del self._open[number]
                done(_look(kind, lease, lessor, self._member, self._member, number))
            elif leader != self._member:
                self._sent[number] = None
                self.outbox.append(LeaseRequest(kind, leader, self._member, number, lease))

    def answer_other(self, request: LeaseRequest, lessor: Lessor) -> None:
        """Another member asks."""
        self.outbox.append(_look(request.type, request.lease, lessor, request.sender, self._member, request.number))

    def take_answer(self, answer: LeaseAnswer) -> None:
        """The leader has answered; one who leads no longer makes the question be asked again."""
        if answer.number not in self._open:
            return
        self._sent.pop(answer.number, None)
        if answer.ttl_s != NOT_LEADER:
            _, _, done, _ = self._open.pop(answer.number)
            done(answer)

    def leader_changed(self) -> None:
        """Everything is to be asked again."""
        self._sent.clear()

    def expire(self, now_tick: int) -> None:
        for number in [number for number, (_, _, _, deadline) in self._open.items() if deadline <= now_tick]:
            _, _, done, _ = self._open.pop(number)
            self._sent.pop(number, None)
            done(RequestTimeoutError())

    def abandon(self, error: EtcdError) -> None:
        asked, self._open = self._open, {}
        self._sent.clear()
        for _, _, done, _ in asked.values():
            done(error)


def _look(kind: int, lease: int, lessor: Lessor, to: int, sender: int, number: int) -> LeaseAnswer:
    if not lessor.is_primary:
        return LeaseAnswer(to, sender, number, NOT_LEADER, 0)
    if kind == RENEW:
        try:
            ttl_s = lessor.renew(lease)
        except (LeaseNotFoundError, NotLeaderError):
            ttl_s = 0
        return LeaseAnswer(to, sender, number, ttl_s, ttl_s)
    found = lessor.find(lease)
    if found is None:
        return LeaseAnswer(to, sender, number, -1, 0)
    return LeaseAnswer(to, sender, number, lessor.remaining_s(lease), found.ttl_s, tuple(found.keys))
