"""The one exception of the checkers."""

from __future__ import annotations


class Violation(AssertionError):
    """The cluster broke a promise; the text says which and how. The seed repeats it."""
