"""Keeps a recorder from flooding: what a thousand pods of one ReplicaSet are worth to its reader.

    aggregate   more than SIMILAR different messages of one reason about one object within ten minutes become one Event, whose
                message is the last one behind PREFIX and whose count grows
    spam        one object has BURST events, and then one every REFILL_S

Both remember the last MAX_KNOWN objects. Source of the rules: client-go tools/record/events_cache.go.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

PREFIX = "(combined from similar events): "
SIMILAR = 10
SIMILAR_S = 600.0
BURST = 25
REFILL_S = 300.0
MAX_KNOWN = 4096

Key = tuple[str, ...]


class _Similar:
    __slots__ = ("last_s", "messages")

    def __init__(self) -> None:
        self.messages: set[str] = set()
        self.last_s = 0.0


class Aggregator:
    def __init__(self) -> None:
        self._known: OrderedDict[Key, _Similar] = OrderedDict()

    def combine(self, key: Key, message: str, now_s: float) -> tuple[str, str]:
        """(what the Event is known by, its message). key: object, type and reason."""
        similar = self._known.get(key)
        if similar is None or now_s - similar.last_s > SIMILAR_S:
            similar = self._known[key] = _Similar()
        similar.last_s = now_s
        self._known.move_to_end(key)
        _trim(self._known)
        if len(similar.messages) < SIMILAR or message in similar.messages:
            similar.messages.add(message)
            return message, message
        return PREFIX, PREFIX + message


class SpamFilter:
    """A bucket of tokens for each object."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, tuple[float, float]] = OrderedDict()

    def try_take(self, key: Key, now_s: float) -> bool:
        tokens, then_s = self._known.get(key, (float(BURST), now_s))
        tokens = min(tokens + (now_s - then_s) / REFILL_S, float(BURST))
        allowed = tokens >= 1.0
        self._known[key] = (tokens - 1.0 if allowed else tokens, now_s)
        self._known.move_to_end(key)
        _trim(self._known)
        return allowed


def _trim(known: OrderedDict[Key, Any]) -> None:
    while len(known) > MAX_KNOWN:
        known.popitem(last=False)
