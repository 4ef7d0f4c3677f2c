"""Strings: ``pattern``, ``minLength``, ``maxLength``. A symbol is a code point of the string's value."""

from __future__ import annotations

from constrain.frontends.json_schema.facts import Facts
from constrain.frontends.json_schema.layout import ANY_STRING, ANY_TEXT, QUOTE
from constrain.frontends.json_schema.meet import lower_bound
from constrain.frontends.json_schema.outcome import Impossible, Lowerer, Outcome
from constrain.ir import rx as _rx
from constrain.ir.grammar import Seq, Terminal
from constrain.ir.rx import NOTHING, Rx, intersect, repeat

_MANY = 1 << 62  # stands for "no bound" in sums and comparisons


def string_expr(lowerer: Lowerer, facts: Facts) -> Outcome:
    """The strings that match every pattern and have a length within the bounds."""
    low, high = facts.shortest, facts.longest
    if not facts.patterns:
        if low == 0 and high is None:
            return ANY_STRING
        rx = ANY_TEXT
    else:
        rx = intersect(lowerer.pattern(text, path) for text, path in facts.patterns)
        rx, low, high = _counted(rx, low, high)
    shortest, longest = lengths(rx)
    bound = _MANY if high is None else high
    if rx == NOTHING or max(low, shortest) > min(bound, longest):
        return Impossible(facts.path, f"no string has {_describe(facts)}")
    if low <= shortest:
        low = 0
    if longest <= bound:
        high = None
    return Seq(QUOTE, Terminal(rx, "json", low, high, "string"))


def _counted(rx: Rx, low: int, high: int | None) -> tuple[Rx, int, int | None]:
    """Move the bounds of ``[class]{m,n}`` into the window of the terminal, where they are one counter."""
    if isinstance(rx, _rx.Repeat) and isinstance(rx.body, _rx.Chars):
        return repeat(rx.body, 0, None), max(low, rx.low), lower_bound(high, rx.high)
    return rx, low, high


def lengths(rx: Rx) -> tuple[int, int]:
    """Bounds of the number of symbols of the members: exact without ``And`` and ``Not``, else possibly too wide."""
    match rx:
        case _rx.Chars():
            return 1, 1
        case _rx.Concat(parts):
            spans = [lengths(part) for part in parts]
            return sum(low for low, _ in spans), min(sum(high for _, high in spans), _MANY)
        case _rx.Union(parts):
            spans = [lengths(part) for part in parts]
            return min((low for low, _ in spans), default=0), max((high for _, high in spans), default=0)
        case _rx.Repeat(body, fewest, most):
            low, high = lengths(body)
            return low * fewest, min(high * (_MANY if most is None else most), _MANY)
        case _rx.And(parts):
            spans = [lengths(part) for part in parts]
            return max(low for low, _ in spans), min(high for _, high in spans)
    return 0, _MANY


def _describe(facts: Facts) -> str:
    asked = [f"minLength {facts.shortest}"] if facts.shortest else []
    asked += [f"maxLength {facts.longest}"] if facts.longest is not None else []
    return " and ".join(asked + [f"pattern {text!r}" for text, _ in facts.patterns])
