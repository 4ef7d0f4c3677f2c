"""Grammars put together in Python: one after another, one of many, repeated; of any kind, one inside another.

Parts are grammars of every front end, rules (``Rule``), and plain texts, which stand for themselves. The language of
the result is made of the languages of its parts, as sets of texts: nothing is skipped between them, and where one can
end in more than one place, all ways count.
"""

from __future__ import annotations

from collections.abc import Iterable

from constrain.errors import GrammarError
from constrain.frontends.embedding import Assembly, Piece, build, encoded
from constrain.ir import rx
from constrain.ir.grammar import EMPTY, Choice, Expr, Grammar, Literal, Repeat, Seq, Terminal

MAX_NAME = 40  # characters of a list of texts in messages


def sequence(*parts: Piece) -> Grammar:
    """All parts, one after another; without parts the empty text. Raises ``GrammarError``, ``TypeError``."""

    def recipe(assembly: Assembly) -> Expr:
        listed = [assembly.expr(part) for part in parts]
        return listed[0] if len(listed) == 1 else Seq(*listed)

    return build(recipe)


def choices(options: Iterable[Piece]) -> Grammar:
    """Any one of the options: texts, taken exactly, and grammars.

    Raises ``GrammarError`` where there are none, ``TypeError`` for what is neither (a number, say).
    """
    if isinstance(options, str | bytes | Grammar):
        raise TypeError(f"choices takes a list of options, not one {type(options).__name__}: choices([...])")
    listed = list(options)
    if not listed:
        raise GrammarError("a choice of nothing matches no text", hint="give at least one option")
    texts = [option for option in listed if isinstance(option, str | bytes)]
    any_text = [_one_of(texts)] if texts else []

    def recipe(assembly: Assembly) -> Expr:
        parts = any_text + [assembly.expr(option) for option in listed if not isinstance(option, str | bytes)]
        return parts[0] if len(parts) == 1 else Choice(*parts)

    return build(recipe)


def _one_of(texts: list[str | bytes]) -> Expr:
    """One terminal, whose automaton is the tree of the texts: ten thousand of them cost a mask no more than two."""
    texts = list(dict.fromkeys(texts))
    is_text = all(isinstance(text, str) for text in texts)
    data = [encoded(text) if isinstance(text, str) else text for text in texts]
    if len(texts) == 1:
        return Literal(data[0])
    words = [list(map(ord, text)) for text in texts if isinstance(text, str)] if is_text else list(map(list, data))
    edges: list[dict[int, int]] = [{}]
    finals = set()
    for word in words:
        state = 0
        for symbol in word:
            if symbol not in edges[state]:
                edges[state][symbol] = len(edges)
                edges.append({})
            state = edges[state][symbol]
        finals.add(state)
    tree = rx.graph([[(symbol, symbol, to) for symbol, to in row.items()] for row in edges], finals)
    return Terminal(tree, "utf8" if is_text else "bytes", name=_name(texts))


def _name(texts: list[str | bytes]) -> str:
    """What messages call a list of texts."""
    name = " | ".join(map(repr, texts[:MAX_NAME]))
    return name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}..., one of {len(texts)} texts"


def optional(part: Piece) -> Grammar:
    """The part, or nothing."""
    return repeat(part, 0, 1)


def repeat(part: Piece, low: int = 0, high: int | None = None, *, separator: Piece = "") -> Grammar:
    """The part at least ``low`` and at most ``high`` times (``None``: no bound), with ``separator`` between.

    Raises ``ValueError`` for bounds that cannot be, ``GrammarError``, ``TypeError``.
    """
    if low < 0 or (high is not None and high < low):
        raise ValueError(f"a repeat needs 0 <= low <= high, not {low}..{high}")

    def recipe(assembly: Assembly) -> Expr:
        item, between = assembly.expr(part), assembly.expr(separator)
        if high == 0:
            return EMPTY
        if isinstance(between, Literal) and not between.data:
            return Repeat(item, low, high)
        item = assembly.named(item, "item")
        more = Repeat(Seq(between, item), max(low - 1, 0), None if high is None else high - 1)
        return Seq(item, more) if low else Choice(Seq(item, more), EMPTY)

    return build(recipe)
