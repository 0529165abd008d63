"""What a value read from a file may be: a number in a range, a list of them, true or false."""

from __future__ import annotations

from dataclasses import dataclass

from ParetoSegLib.core.errors import ModelFolderError


@dataclass(frozen=True)
class Number:
    """One allowed number: whole if ``low`` is an int, in steps of ``step`` from 0."""

    low: float
    high: float
    step: int = 1

    def check(self, where: str, value: object) -> float:
        """Return ``value`` if it is allowed."""
        kinds = int if isinstance(self.low, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            kind = "a whole number" if kinds is int else "a number"
            raise ModelFolderError(f"{where} is {value!r:.60}; it must be {kind}.")
        if not self.low <= value <= self.high:
            raise ModelFolderError(
                f"{where} is {value!r:.60}; it must lie between {self.low} and {self.high}."
            )
        if isinstance(value, int) and value % self.step:
            raise ModelFolderError(f"{where} is {value}; it must be a multiple of {self.step}.")
        return value


@dataclass(frozen=True)
class Numbers:
    """A list of allowed numbers, ``shortest`` to ``longest`` of them."""

    each: Number
    shortest: int
    longest: int

    def check(self, where: str, value: object) -> tuple[float, ...]:
        """Return ``value`` as a tuple if it is allowed."""
        if not isinstance(value, (list, tuple)):
            raise ModelFolderError(f"{where} is {value!r:.60}; it must be a list of numbers.")
        if not self.shortest <= len(value) <= self.longest:
            raise ModelFolderError(
                f"{where} has {len(value)} entries; it must have {self.shortest} to {self.longest}."
            )
        return tuple(self.each.check(where, item) for item in value)


@dataclass(frozen=True)
class Switch:
    """On or off."""

    def check(self, where: str, value: object) -> bool:
        """Return ``value`` if it is true or false."""
        if not isinstance(value, bool):
            raise ModelFolderError(f"{where} is {value!r:.60}; it must be true or false.")
        return value
