"""Predicates of functions and of predicates, and the one that counts."""

from __future__ import annotations

import pytest

from constrain.predicates import Both, Counted, Not, Predicate, function_predicate

SHORT = function_predicate(lambda text: len(text) <= 3, lambda text: len(text) <= 3)
LOWER = function_predicate(bytes.islower)


def test_function() -> None:
    predicate: Predicate = SHORT
    assert predicate.prefix_ok(b"abc") and predicate.complete_ok(b"abc")
    assert not predicate.prefix_ok(b"abcd") and not predicate.complete_ok(b"abcd")
    assert LOWER.prefix_ok(b"ABC") and not LOWER.complete_ok(b"ABC")


def test_both() -> None:
    both = Both(SHORT, LOWER)
    assert [both.complete_ok(t) for t in (b"abc", b"abcd", b"ABC")] == [True, False, False]
    assert [both.prefix_ok(t) for t in (b"abc", b"abcd", b"ABC")] == [True, False, True]
    with pytest.raises(ValueError, match="needs predicates"):
        Both()


def test_not() -> None:
    assert [Not(SHORT).complete_ok(t) for t in (b"abc", b"abcd")] == [False, True]
    assert Not(SHORT).prefix_ok(b"abc") and Not(SHORT).prefix_ok(b"abcd")


def test_verdicts_are_remembered_and_counted() -> None:
    asked: list[bytes] = []
    counted = Counted(function_predicate(lambda text: bool(asked.append(text)) or text == b"a"), capacity=2)
    assert [counted.complete_ok(t) for t in (b"a", b"b", b"a", b"b")] == [True, False, True, False]
    assert asked == [b"a", b"b"]
    assert (counted.wholes.asked, counted.wholes.calls, counted.prefixes.asked, counted.calls) == (4, 2, 0, 2)
    assert not counted.complete_ok(b"c")  # b"a" was used longest ago
    assert not counted.complete_ok(b"b")
    assert counted.complete_ok(b"a")
    assert asked == [b"a", b"b", b"c", b"a"] and len(counted.wholes) == 2
    assert counted.prefix_ok(b"a") and counted.prefix_ok(b"a") and counted.calls == 5
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Counted(SHORT, capacity=0)
