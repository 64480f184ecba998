"""A very small random number generator, so that the machine's only dice are `Config.seed`.

SplitMix64 (Steele, Lea, Flood 2014): one 64-bit word of state, passes BigCrush, two seeds that differ in one bit give
unrelated streams. Not for secrets. The standard `random` is not used: it would be importable state that a test cannot
see, and this one gives the same numbers on every Python version.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1


class Prng:
    """A stream of numbers that depends on nothing but its seed."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def next(self) -> int:
        """The next number in [0, 2**64)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def below(self, bound: int) -> int:
        """A number in [0, bound). The bias of the modulo is below bound / 2**64. Raises ValueError for bound < 1."""
        if bound < 1:
            raise ValueError(f"bound must be positive, not {bound}")
        return self.next() % bound
