"""Matching in time that grows with the text only, whatever the pattern: an automaton, as RE2 builds it.

Python's `re` goes back and tries again, and there are patterns of six characters with which it does so for years. Whoever may
write objects must not be able to stop a server with one, so patterns that repeat what repeats are matched here:

    pattern ─▶ tree (Python's own parser) ─▶ states with a character's test each ─▶ sets of states, made when first reached

Only whether there is a match is asked, never where. What is rare in schemas (\\b, ^ and $ of lines, negated categories) is not
known here: `build_automaton` answers None, and `re` has to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MAX_STATES = 20_000
MAX_SETS = 2_000
"""Sets of states that are kept; beyond that they are made anew."""

Test = Callable[[str], bool]

_MATCH, _CHAR, _SPLIT, _BEGIN, _END = range(5)


class _Unknown(Exception):
    """Something in the pattern that is left to `re`."""


class Automaton:
    """search(text): True or None, so that it can stand where a compiled pattern stands."""

    def __init__(self, states: list[Any], start: int) -> None:
        self._states = states
        self._start = start
        self._sets: dict[frozenset[int], int] = {}
        self._members: list[frozenset[int]] = []
        self._steps: list[dict[str, int]] = []
        self._accepts: list[bool] = []
        self._accepts_at_end: list[bool | None] = []

    def search(self, text: str) -> bool | None:
        if not text:
            return True if 0 in self._closure({self._start}, begin=True, end=True) else None
        if not self._members:
            self._number(self._closure({self._start}, begin=True))
        current = 0
        steps, accepts = self._steps, self._accepts
        for char in text:
            if accepts[current]:
                return True
            after = steps[current].get(char)
            current = self._step(current, char) if after is None else after
        ends = self._accepts_at_end[current]
        if ends is None:
            ends = self._accepts_at_end[current] = 0 in self._closure(set(self._members[current]), end=True)
        return True if ends else None

    def _step(self, current: int, char: str) -> int:
        states = self._states
        reached = {self._start}  # a match may begin anywhere
        for number in self._members[current]:
            state = states[number]
            if state[0] == _CHAR and state[1](char):
                reached.add(state[2])
        after = self._closure(reached)
        if len(self._members) >= MAX_SETS:
            self._forget()
            return self._number(after)
        number = self._number(after)
        self._steps[current][char] = number
        return number

    def _forget(self) -> None:
        """Begins anew; the first set is where every search begins."""
        for kept in (self._sets, self._members, self._steps, self._accepts, self._accepts_at_end):
            kept.clear()
        self._number(self._closure({self._start}, begin=True))

    def _number(self, members: frozenset[int]) -> int:
        found = self._sets.get(members)
        if found is None:
            found = self._sets[members] = len(self._members)
            self._members.append(members)
            self._steps.append({})
            self._accepts.append(0 in members)
            self._accepts_at_end.append(None)
        return found

    def _closure(self, reached: set[int], *, begin: bool = False, end: bool = False) -> frozenset[int]:
        """Everything that can be reached without a character. What waits for the end of the text stays in."""
        states, waiting = self._states, list(reached)
        seen = set(reached)
        while waiting:
            state = states[waiting.pop()]
            kind = state[0]
            if kind == _SPLIT:
                targets = state[1:]
            elif (kind == _BEGIN and begin) or (kind == _END and end):
                targets = state[1:2]
            else:
                continue
            for target in targets:
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return frozenset(seen)


def build_automaton(pattern: str) -> Automaton | None:
    """pattern: in Python's syntax, one that `re` compiles. None where it has something that is not known here."""
    builder = _Builder()
    try:
        start = builder.sequence(parser.parse(pattern), 0, 0)
    except (_Unknown, RecursionError):
        return None
    return Automaton(builder.states, start)


def is_explosive(pattern: str) -> tuple[bool, int]:
    """(whether something repeats what repeats, how many unbounded repetitions there are)"""
    return _repetitions(parser.parse(pattern), False)


def _repetitions(tree: Any, inside: bool) -> tuple[bool, int]:
    nested, count = False, 0
    for op, value in tree:
        below: list[tuple[Any, bool]] = []
        if op in (ops.MAX_REPEAT, ops.MIN_REPEAT):
            low, high, body = value
            repeats = high == ops.MAXREPEAT or high > 10
            nested = nested or (repeats and inside)
            count += repeats
            below = [(body, inside or repeats)]
        elif op is ops.SUBPATTERN:
            below = [(value[3], inside)]
        elif op is ops.BRANCH:
            below = [(branch, inside) for branch in value[1]]
        for body, is_inside in below:
            inner, more = _repetitions(body, is_inside)
            nested, count = nested or inner, count + more
    return nested, count


class _Builder:
    """States, built from the end: each knows what comes after it. State 0 is the match."""

    def __init__(self) -> None:
        self.states: list[Any] = [(_MATCH,)]

    def add(self, *state: Any) -> int:
        if len(self.states) >= MAX_STATES:
            raise _Unknown
        self.states.append(state)
        return len(self.states) - 1

    def sequence(self, tree: Any, after: int, flags: int) -> int:
        for op, value in reversed(list(tree)):
            after = self.item(op, value, after, flags)
        return after

    def item(self, op: Any, value: Any, after: int, flags: int) -> int:
        if op in (ops.LITERAL, ops.NOT_LITERAL, ops.ANY, ops.IN):
            return self.add(_CHAR, _test(op, value, flags), after)
        if op is ops.SUBPATTERN:
            _, on, off, body = value
            return self.sequence(body, after, (flags | on) & ~off)
        if op is ops.BRANCH:
            return self.add(_SPLIT, *(self.sequence(branch, after, flags) for branch in value[1]))
        if op in (ops.MAX_REPEAT, ops.MIN_REPEAT):
            low, high, body = value
            return self.repeat(low, high, body, after, flags)
        if op is ops.AT and value in (ops.AT_BEGINNING, ops.AT_BEGINNING_STRING):
            return self.add(_BEGIN, after)
        if op is ops.AT and value is ops.AT_END_STRING:
            return self.add(_END, after)
        raise _Unknown

    def repeat(self, low: int, high: Any, body: Any, after: int, flags: int) -> int:
        if high == ops.MAXREPEAT:
            loop = self.add(_SPLIT)
            self.states[loop] = (_SPLIT, self.sequence(body, loop, flags), after)
            after = loop
        else:
            end = after
            for _ in range(high - low):
                after = self.add(_SPLIT, self.sequence(body, after, flags), end)
        for _ in range(low):
            after = self.sequence(body, after, flags)
        return after


def _test(op: Any, value: Any, flags: int) -> Test:
    folds = bool(flags & re.IGNORECASE)
    if op is ops.ANY:
        return (lambda char: True) if flags & re.DOTALL else (lambda char: char != "\n")
    if op is ops.LITERAL:
        return _literal(chr(value), folds)
    if op is ops.NOT_LITERAL:
        same = _literal(chr(value), folds)
        return lambda char: not same(char)
    negated = value[0][0] is ops.NEGATE
    tests = [_member(kind, inner) for kind, inner in value[negated:]]

    def accepts(char: str) -> bool:
        found = any(test(char) for test in tests)
        if not found and folds:
            found = any(test(char.lower()) or test(char.upper()) for test in tests)
        return found is not negated

    return accepts


def _literal(wanted: str, folds: bool) -> Test:
    if not folds:
        return wanted.__eq__
    lower = wanted.lower()
    return lambda char: char.lower() == lower


def _member(kind: Any, value: Any) -> Test:
    if kind is ops.LITERAL:
        return chr(value).__eq__
    if kind is ops.RANGE:
        low, high = chr(value[0]), chr(value[1])
        return lambda char: low <= char <= high
    if kind is ops.CATEGORY and value in _CATEGORIES:
        return _CATEGORIES[value]
    raise _Unknown


_CATEGORIES: dict[Any, Test] = {
    ops.CATEGORY_DIGIT: str.isdecimal,
    ops.CATEGORY_NOT_DIGIT: lambda char: not char.isdecimal(),
    ops.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    ops.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
    ops.CATEGORY_SPACE: str.isspace,
    ops.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
}
