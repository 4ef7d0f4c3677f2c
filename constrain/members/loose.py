"""Candidates for members of grammars with a lexer: what a context says of lexemes is left out, and asked of the engine.

A token becomes any of its lexemes as they are in some context, with a blank behind it more often than not. Most
such texts are members; which ones are not, the engine knows. (The product with all contexts, ``ir/contexts.py``, has
members only, and is used where it is small.)
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from constrain.automata.lexed import SMALL_PRODUCT
from constrain.errors import LimitExceeded
from constrain.ir.contexts import spelled_out
from constrain.ir.grammar import EMPTY, NEVER, Choice, Expr, Grammar, Literal, Repeat, Seq, Terminal, Token
from constrain.ir.lexing import Lexing, Way
from constrain.members.choices import RandomChoices
from constrain.members.strings import strings_of
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

SMALL = 60  # rules of a grammar whose product is made
MOST_CONTEXTS = 1_000  # looked at for a token


def candidates(grammar: Grammar) -> tuple[Grammar, PushdownAutomaton | None]:
    """A grammar without tokens, and what decides which of its members are members, if not all are."""
    if grammar.lexing is None:
        return grammar, None
    if len(grammar.rules) <= SMALL:
        try:
            return spelled_out(grammar, max_rules=SMALL_PRODUCT), None
        except LimitExceeded:
            pass
    vocabulary = Vocabulary([*(bytes([b]) for b in range(256)), None], [256])
    return _Loose(grammar, grammar.lexing).grammar(), PushdownAutomaton(grammar, vocabulary)


class _Loose:
    def __init__(self, source: Grammar, lexing: Lexing) -> None:
        self.source, self.lexing = source, lexing
        self.known: dict[int, Expr] = {}
        self.contexts, self.explored = [lexing.first], set[int]()
        blank = self.blank()
        self.gap = EMPTY if blank is None else Choice(blank, blank, blank, EMPTY)

    def grammar(self) -> Grammar:
        rules = {name: self.expr(body) for name, body in self.source.rules.items()}
        return Grammar(self.source.start, rules, self.source.unenforced)

    def expr(self, expr: Expr) -> Expr:
        match expr:
            case Token():
                return self.token(expr.number)
            case Seq():
                return Seq(*map(self.expr, expr.parts))
            case Choice():
                return Choice(*map(self.expr, expr.parts))
            case Repeat():
                return Repeat(self.expr(expr.body), expr.low, expr.high)
        return expr

    def token(self, number: int) -> Expr:
        if number not in self.known:
            bodies = [EMPTY if way.body is None else way.body for way in self.ways(number)]
            self.known[number] = Seq(Choice(*bodies), self.gap) if bodies else NEVER
        return self.known[number]

    def ways(self, number: int) -> Sequence[Way]:
        """The ways to read a token in the first context in which there are any."""
        for context in self.contexts:  # grows
            ways = self.lexing.ways(context, number)
            if ways:
                return ways
            if context not in self.explored:
                self.explored.add(context)
                for token in range(len(self.lexing.names)):
                    after = dict.fromkeys(way.after for way in self.lexing.ways(context, token))
                    self.contexts += [each for each in after if each not in self.contexts]
            if len(self.contexts) > MOST_CONTEXTS:
                break
        return ()

    def blank(self) -> Expr | None:
        """The shortest of what may be skipped."""
        texts = [_shortest(way.body) for way in self.lexing.blanks(self.lexing.first)]
        return Literal(min(texts, key=len)) if texts else None


def _shortest(body: Expr | None) -> bytes:
    """A shortest lexeme."""
    match body:
        case Literal():
            return body.data
        case Terminal():
            strings = strings_of(body)
            return strings.spell(strings.choose(RandomChoices(Random(0)), 0))
        case Seq():
            return b"".join(map(_shortest, body.parts))
        case Choice():
            return min(map(_shortest, body.parts), key=len)
    raise TypeError(f"not a lexeme: {body!r}")
