"""Go's regular expressions (RE2 syntax), for the `pattern` of a schema.

RE2 knows no look-around and no back-references; what it shares with Python's `re` is translated: `\\z`, `$` (the very end of
the text, not before a last newline), POSIX classes, `\\pL`, `\\Q…\\E`, flags in the middle, ASCII-only `\\d \\s \\w \\b`.
RE2 matches in time that grows with the text; a pattern with which Python's `re` might not is matched by an automaton of our
own.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Protocol

from apiserver.meta.structural.automaton import Automaton, build_automaton, is_explosive

MAX_REPEAT = 1000
MAX_PATTERN = 20_000
SHORT_TEXT = 200
"""Characters of a text on which a few repetitions side by side cannot take long."""

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
# Unicode's general categories as far as patterns in practice name them, within ASCII and Latin-1 plus what Python's \w
# tells letters and digits by.
_CATEGORIES = {
    "L": "[^\\W\\d_]",
    "Lu": "[A-Z\\u00c0-\\u00d6\\u00d8-\\u00de\\u0391-\\u03a9\\u0410-\\u042f]",
    "Ll": "[a-z\\u00df-\\u00f6\\u00f8-\\u00ff\\u03b1-\\u03c9\\u0430-\\u044f]",
    "N": "[0-9]",
    "Nd": "[0-9]",
    "P": "[!-#%-*,-/:;?@\\[-\\]_{}\\u00a1\\u00a7\\u00ab\\u00b6\\u00b7\\u00bb\\u00bf\\u2010-\\u2027]",
    "S": "[$+<=>^`|~\\u00a2-\\u00a9\\u20a0-\\u20bf]",
    "Z": "[ \\u00a0\\u2000-\\u200a\\u2028\\u2029\\u202f\\u3000]",
}
_PLAIN_ESCAPES = frozenset("afnrtvdDsSwWbBA.+*?()|[]{}^$\\-/\"'`~!@#%&=:;,<> _")
_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")


class PatternError(ValueError):
    """Not a regular expression that Go would compile; the text is Go's."""


class Pattern(Protocol):
    def search(self, text: str, /) -> object | None: ...


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> Pattern:
    """Raises PatternError."""
    if len(pattern) > MAX_PATTERN:
        raise PatternError("error parsing regexp: expression too large")
    translated = _translate(pattern)
    try:
        return _choose(translated, re.compile(translated))
    except (re.error, RecursionError, OverflowError) as problem:
        raise PatternError(f"error parsing regexp: {problem}: `{pattern}`") from None


def compile_finder(pattern: str) -> re.Pattern[str]:
    """For who wants to know where the match is. Raises PatternError, also for what might take too long to find."""
    compile_pattern(pattern)
    translated = _translate(pattern)
    if is_explosive(translated)[0]:
        raise PatternError(f"a pattern that repeats what repeats cannot be searched for: `{pattern}`")
    return re.compile(translated)


class _Bounded:
    """Python's matcher for short texts, an automaton for long ones."""

    __slots__ = ("_automaton", "_regex")

    def __init__(self, regex: re.Pattern[str], automaton: Automaton) -> None:
        self._regex = regex
        self._automaton = automaton

    def search(self, text: str) -> object | None:
        return self._regex.search(text) if len(text) <= SHORT_TEXT else self._automaton.search(text)


def _choose(translated: str, regex: re.Pattern[str]) -> Pattern:
    nested, repetitions = is_explosive(translated)
    if not nested and repetitions < 2:
        return regex
    automaton = build_automaton(translated)
    if automaton is None:
        return regex
    return automaton if nested else _Bounded(regex, automaton)


def _translate(pattern: str) -> str:
    made: list[str] = []
    at, size = 0, len(pattern)
    scopes = [""]  # closing text of each open group: a flag in the middle opens one that ends with its group
    multiline = [False]
    while at < size:
        char = pattern[at]
        if char == "\\":
            text, at = _escape(pattern, at, in_class=False)
            made.append(text)
        elif char == "[":
            text, at = _char_class(pattern, at)
            made.append(text)
        elif char == "(":
            text, at, flags, opens = _group(pattern, at)
            made.append(text)
            if opens:
                scopes.append("")
                multiline.append(multiline[-1] if not flags else "m" in flags.partition("-")[0] or multiline[-1])
            else:
                scopes[-1] += ")"
                multiline[-1] = multiline[-1] or "m" in flags.partition("-")[0]
        elif char == ")":
            if len(scopes) == 1:
                raise PatternError(f"error parsing regexp: unexpected ): `{pattern}`")
            made.append(scopes.pop() + ")")
            multiline.pop()
            at += 1
        elif char == "$":
            made.append("(?m:$)" if multiline[-1] else r"\Z")
            at += 1
        elif char == "^":
            made.append("(?m:^)" if multiline[-1] else r"\A")
            at += 1
        elif char == "{":
            text, at = _repeat(pattern, at)
            made.append(text)
        elif char in "*+?":
            end = at + 1
            if pattern[end : end + 1] == "?":
                end += 1
            if pattern[end : end + 1] and pattern[end] in "*+?":
                raise PatternError(
                    f"error parsing regexp: invalid nested repetition operator: `{pattern[at : end + 1]}`"
                )
            if not made or made[-1] == "(?:":
                raise PatternError(f"error parsing regexp: missing argument to repetition operator: `{char}`")
            made.append(pattern[at:end])
            at = end
        else:
            made.append(char if char not in "#&~-" else "\\" + char)
            at += 1
    if len(scopes) > 1:
        raise PatternError(f"error parsing regexp: missing closing ): `{pattern}`")
    return "".join(made) + scopes[0]


def _repeat(pattern: str, at: int) -> tuple[str, int]:
    found = _REPEAT.match(pattern, at)
    if found is None:
        return r"\{", at + 1  # a brace that is no count is itself
    low, high = found.group(1), found.group(2)
    if int(low) > MAX_REPEAT or (high and (int(high) > MAX_REPEAT or int(high) < int(low))):
        raise PatternError(f"error parsing regexp: invalid repeat count: `{found.group(0)}`")
    end = found.end()
    return found.group(0) + ("?" if pattern[end : end + 1] == "?" else ""), end + (pattern[end : end + 1] == "?")


def _group(pattern: str, at: int) -> tuple[str, int, str, bool]:
    """(text, next position, flags, whether it opens a group)"""
    if pattern[at + 1 : at + 2] != "?":
        return "(", at + 1, "", True
    named = re.compile(r"\(\?P?<([A-Za-z_]\w*)>", re.ASCII).match(pattern, at)
    if named:
        return f"(?P<{named.group(1)}>", named.end(), "", True
    flags = re.compile(r"\(\?([imsU]*(?:-[imsU]+)?)([:)])").match(pattern, at)
    if flags is None:
        shown = pattern[at : at + 3]
        raise PatternError(f"error parsing regexp: invalid or unsupported Perl syntax: `{shown}`")
    letters = flags.group(1).replace("U", "")
    on, _, off = letters.partition("-")
    on, off = on.replace("m", ""), off.replace("m", "")  # ^ and $ are written out
    text = f"(?{on}{'-' + off if off else ''}:"
    return text, flags.end(), flags.group(1), flags.group(2) == ":"


def _escape(pattern: str, at: int, *, in_class: bool) -> tuple[str, int]:
    if at + 1 >= len(pattern):
        raise PatternError("error parsing regexp: trailing backslash at end of expression: ``")
    char = pattern[at + 1]
    if char == "z" and not in_class:
        return r"\Z", at + 2
    if char == "Q" and not in_class:
        end = pattern.find(r"\E", at)
        quoted = pattern[at + 2 : end if end >= 0 else len(pattern)]
        return re.escape(quoted), (end + 2 if end >= 0 else len(pattern))
    if char in "dDsSwWbB":
        ascii_sets = {"d": "0-9", "s": r"\t\n\f\r ", "w": "0-9A-Za-z_"}
        if char in "bB":
            return f"(?a:\\{char})", at + 2
        inside = ascii_sets[char.lower()]
        if char.isupper():
            if in_class:
                raise PatternError(f"error parsing regexp: invalid escape sequence: `\\{char}`")
            return f"[^{inside}]", at + 2
        return (inside if in_class else f"[{inside}]"), at + 2
    if char in "pP":
        return _category(pattern, at, in_class)
    if char == "x":
        braced = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}").match(pattern, at)
        if braced:
            return re.escape(chr(int(braced.group(1), 16))), braced.end()
        plain = re.compile(r"\\x[0-9A-Fa-f]{2}").match(pattern, at)
        if plain:
            return plain.group(0), plain.end()
    elif char in _PLAIN_ESCAPES:
        return (f"\\{char}" if char not in "/\"'`!@%=:;,<>_" else char), at + 2
    raise PatternError(f"error parsing regexp: invalid escape sequence: `\\{char}`")


def _category(pattern: str, at: int, in_class: bool) -> tuple[str, int]:
    found = re.compile(r"\\[pP](?:([A-Z])|\{\^?([A-Za-z_]+)\})").match(pattern, at)
    name = (found.group(1) or found.group(2)) if found else ""
    text = _CATEGORIES.get(name)
    if found is None or text is None:
        raise PatternError(f"error parsing regexp: invalid character class range: `{pattern[at : at + 2]}`")
    negated = found.group(0)[1] == "P" or "^" in found.group(0)
    if in_class:
        if negated or text.startswith("[^"):
            text = "[A-Za-z\\u00aa-\\U0010ffff]" if not negated else "[\\x00-@]"
        return text[1:-1], found.end()
    return (f"(?!{text})(?s:.)" if negated else text), found.end()


def _char_class(pattern: str, at: int) -> tuple[str, int]:
    made = ["["]
    at += 1
    if pattern[at : at + 1] == "^":
        made.append("^")
        at += 1
    first = True
    while True:
        if at >= len(pattern):
            raise PatternError(f"error parsing regexp: missing closing ]: `{pattern}`")
        char = pattern[at]
        if char == "]" and not first:
            made.append("]")
            return "".join(made), at + 1
        first = False
        if char == "[" and pattern[at + 1 : at + 2] == ":":
            found = re.compile(r"\[:(\^?)(\w+):\]").match(pattern, at)
            inside = _POSIX.get(found.group(2)) if found else None
            if found is None or inside is None or found.group(1):
                raise PatternError(f"error parsing regexp: invalid character class range: `{pattern[at : at + 9]}`")
            made.append(inside)
            at = found.end()
        elif char == "\\":
            text, at = _escape(pattern, at, in_class=True)
            made.append(text)
        else:
            made.append("\\" + char if char in "[]&~|" or (char == "-" and made[-1] in ("[", "^")) else char)
            at += 1
