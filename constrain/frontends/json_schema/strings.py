"""Strings: ``pattern``, ``format``, ``minLength``, ``maxLength``. A symbol is a code point of the string's value."""

from __future__ import annotations

from functools import lru_cache

from constrain.frontends.json_schema.facts import Facts, lower_bound
from constrain.frontends.json_schema.layout import ANY_STRING, QUOTE
from constrain.frontends.json_schema.outcome import Impossible, Lowerer, Outcome
from constrain.ir import rx as _rx
from constrain.ir.grammar import Seq, Terminal
from constrain.ir.rx import ANY_TEXT, NOTHING, Rx, repeat

_MANY = 1 << 62  # stands for "no bound" in sums and comparisons


def string_expr(lowerer: Lowerer, facts: Facts) -> Outcome:
    """The strings that match every pattern and have a length within the bounds."""
    if not facts.texts and not facts.excluded and not facts.shortest and facts.longest is None:
        return ANY_STRING
    terminal = string_terminal(lowerer, facts)
    return terminal if isinstance(terminal, Impossible) else Seq(QUOTE, terminal)


def string_terminal(lowerer: Lowerer, facts: Facts) -> Terminal | Impossible:
    """What follows the opening quote."""
    low, high = facts.shortest, facts.longest
    words = tuple(value for value in facts.excluded if isinstance(value, str))
    if not facts.texts and not low and high is None and facts.values is None:
        return Terminal(ANY_TEXT, "json", name="string", exclude=words)
    terminal = terminal_of(lowerer.string_rx(facts), low, high)
    return terminal or Impossible(facts.path, f"no string has {_describe(facts)}")


@lru_cache(maxsize=4096)
def terminal_of(rx: Rx, low: int, high: int | None) -> Terminal | None:
    """The terminal for strings of ``rx`` with so many symbols; ``None`` if it is plain that there are none."""
    rx, low, high = _counted(rx, low, high)
    shortest, longest = lengths(rx)
    bound = _MANY if high is None else high
    if max(low, shortest) > min(bound, longest) or rx == NOTHING:
        return None
    if low <= shortest:
        low = 0
    if longest <= bound:
        high = None
    return Terminal(rx, "json", low, high, "string")


def _counted(rx: Rx, low: int, high: int | None) -> tuple[Rx, int, int | None]:
    """Move the bounds of ``[class]{m,n}`` into the window of the terminal, where they are one counter."""
    if isinstance(rx, _rx.And):
        windows = [p for p in rx.parts if isinstance(p, _rx.Repeat) and p.body == _rx.ANY_CHAR]
        others = [p for p in rx.parts if p not in windows]
        for window in windows if others else ():
            low, high = max(low, window.low), lower_bound(high, window.high)
        if windows and others:
            rx = _rx.intersect(others)
    if isinstance(rx, _rx.Repeat) and isinstance(rx.body, _rx.Chars):
        return repeat(rx.body, 0, None), max(low, rx.low), lower_bound(high, rx.high)
    return rx, low, high


def lengths(rx: Rx) -> tuple[int, int]:
    """Bounds of the number of symbols of the members: exact without ``And``, ``Not`` and ``Graph``, else too wide."""
    match rx:
        case _rx.Chars():
            return 1, 1
        case _rx.Concat(parts):
            spans = [lengths(part) for part in parts]
            return sum(low for low, _ in spans), min(sum(high for _, high in spans), _MANY)
        case _rx.Union(parts):
            spans = [lengths(part) for part in parts]
            return min((low for low, _ in spans), default=_MANY), max((high for _, high in spans), default=0)
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
    asked += [f"{'' if text.wanted else 'no '}{text.word} {text.value!r}" for text in facts.texts]
    return " and ".join(asked or ["a value that is none of those excluded"])
