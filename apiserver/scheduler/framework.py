"""The scheduling framework: what a plugin is, and what it may answer.

A plugin is one class with a `name` and any of the methods below; it implements only the extension points that it needs,
and derives from nothing. The order of a pod's life (Kubernetes scheduling framework, KEP-624):

    pre_enqueue ──▶ queue (sort_key) ──▶ pre_filter ─▶ filter ─▶ (post_filter) ─▶ pre_score ─▶ score ─▶ normalize_scores
        ──▶ reserve ─▶ permit ──▶ [binding, beside the next pod's cycle:] pre_bind ─▶ bind ─▶ post_bind
                        └── any refusal after reserve: unreserve, in reverse order

    pre_enqueue(pod) -> Status                        not SUCCESS: the pod is gated, it waits outside the queue
    sort_key(pod, added_s) -> tuple                   one plugin of a profile; smaller is scheduled earlier
    pre_filter(state, pod, nodes) -> Status           SKIP: this plugin's filter is not asked for this pod
    filter(state, pod, node) -> Status                once per node
    post_filter(state, pod, statuses) -> str | None   no node fits; the name of a node nominated for later, if any
    pre_score(state, pod, nodes) -> Status            SKIP: this plugin's score is not asked
    score(state, pod, node) -> int                    0..100 unless normalize_scores makes it so
    normalize_scores(state, pod, scores) -> None      scores: {node name: int}, changed in place
    reserve(state, pod, node_name) -> Status          unreserve(state, pod, node_name) -> None
    permit(state, pod, node_name) -> Status           WAIT holds the pod until Scheduler.allow / reject or the timeout
    async pre_bind / bind / post_bind (state, pod, node_name) -> Status    bind: SKIP passes it to the next bind plugin
    events: tuple[str, ...]                           cluster events ("Node/Add") that can make its refusal go away

`pod` is a PodInfo, `node` a NodeInfo of an immutable snapshot, `state` a CycleState: a dict that lives for one attempt, in
which a plugin keeps under its own name what its later extension points need. Answers are values, not exceptions; an
exception of a plugin counts as ERROR of this attempt, and the pod is tried again with backoff.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

MAX_NODE_SCORE = 100

CycleState = dict[str, Any]


class Code(IntEnum):
    """What a plugin says. UNRESOLVABLE: removing other pods would not help either."""

    SUCCESS = 0
    ERROR = 1
    UNSCHEDULABLE = 2
    UNRESOLVABLE = 3
    WAIT = 4
    SKIP = 5


class Status(NamedTuple):
    """A plugin's answer; `reason` is what people read in the pod's events; `timeout_s` goes with WAIT."""

    code: Code
    reason: str = ""
    plugin: str = ""
    timeout_s: float = 0.0

    @property
    def ok(self) -> bool:
        return self.code is Code.SUCCESS

    @property
    def refused(self) -> bool:
        return self.code in (Code.UNSCHEDULABLE, Code.UNRESOLVABLE)


SUCCESS = Status(Code.SUCCESS)
SKIP = Status(Code.SKIP)


def unschedulable(reason: str) -> Status:
    return Status(Code.UNSCHEDULABLE, reason)


def unresolvable(reason: str) -> Status:
    return Status(Code.UNRESOLVABLE, reason)


def error(reason: str) -> Status:
    return Status(Code.ERROR, reason)


def normalize_to_max(scores: dict[str, int], *, reverse: bool = False) -> None:
    """Stretches scores to 0..100 by their maximum, in place; `reverse` makes the smallest the best."""
    top = max(scores.values(), default=0)
    for name, value in scores.items():
        share = value * MAX_NODE_SCORE // top if top else 0
        scores[name] = MAX_NODE_SCORE - share if reverse else share
