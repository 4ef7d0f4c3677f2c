"""Predicates of functions, and predicates of predicates: conjunction and complement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from constrain.predicates.base import Predicate

Test = Callable[[bytes], bool]


def anything(_: bytes) -> bool:
    """``prefix_ok`` of what nothing is known about: any text may still become one that is wanted."""
    return True


@dataclass(frozen=True)
class FunctionPredicate:
    """Two functions as a predicate; see :func:`function_predicate`."""

    complete: Test
    prefix: Test = anything

    def prefix_ok(self, text: bytes) -> bool:
        """What ``prefix`` says."""
        return bool(self.prefix(text))

    def complete_ok(self, text: bytes) -> bool:
        """What ``complete`` says."""
        return bool(self.complete(text))


def function_predicate(complete: Test, prefix: Test | None = None) -> FunctionPredicate:
    """The predicate of a function of whole texts and, if there is one, a function of beginnings.

    ``prefix`` must be ``True`` for every beginning of every text that ``complete`` accepts, the text itself included;
    without it no beginning is rejected, and a sampler learns of a mistake only at the end.
    """
    return FunctionPredicate(complete, anything if prefix is None else prefix)


class Both:
    """What all of some predicates accept. They are asked in the order given, cheapest first being the fastest."""

    def __init__(self, *predicates: Predicate) -> None:
        """Raises ``ValueError`` without a predicate."""
        if not predicates:
            raise ValueError("Both() needs predicates: Both(first, second, ...)")
        self.predicates = predicates

    def prefix_ok(self, text: bytes) -> bool:
        """May each still accept? Never wrongly ``False``, and ``True`` too often where they exclude each other."""
        return all(predicate.prefix_ok(text) for predicate in self.predicates)

    def complete_ok(self, text: bytes) -> bool:
        """Does each accept?"""
        return all(predicate.complete_ok(text) for predicate in self.predicates)


@dataclass(frozen=True)
class Not:
    """What a predicate does not accept. Beginnings are never rejected: what goes on may cease to be accepted."""

    predicate: Predicate

    def prefix_ok(self, text: bytes) -> bool:
        """Always ``True``."""
        return True

    def complete_ok(self, text: bytes) -> bool:
        """Does the predicate reject?"""
        return not self.predicate.complete_ok(text)
