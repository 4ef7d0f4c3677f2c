"""``Recogniser``: is a text of the language, and if not, where does it leave it, and what was expected there?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from constrain.ir.grammar import Grammar
from constrain.places import Place, caret, place_of
from constrain.testing.tokens import byte_vocabulary
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

SHOWN = 8  # kinds of what was expected that are listed

Text = str | bytes


@dataclass(frozen=True)
class Verdict:
    """What a grammar says of a text. ``place`` is where the first byte is that cannot stand (the end, where the text
    is only too short: ``at_end``); ``expected`` is what may stand there."""

    data: bytes
    accepted: bool
    place: Place
    expected: tuple[str, ...] = ()

    @classmethod
    def of(cls, automaton: PushdownAutomaton, data: bytes) -> Verdict:
        """What an automaton says, whatever its vocabulary."""
        count, state = automaton.longest_prefix(automaton.start(), data)
        accepted = count == len(data) and automaton.is_accepting(state)
        return cls(data, accepted, place_of(data, count), () if accepted else tuple(automaton.expected(state)))

    @property
    def at_end(self) -> bool:
        """Is all that can be said against the text that it goes on too little?"""
        return not self.accepted and self.place.offset == len(self.data)

    def explain(self, file: str = "<text>") -> str:
        """Lines for people: place and reason, the line of text with a caret, what was expected."""
        if self.accepted:
            return f"{file}: a text of the language ({len(self.data)} bytes)"
        offset = self.place.offset
        what = "the text ends too early" if self.at_end else f"unexpected {describe_byte(self.data, offset)}"
        rest = f" and {len(self.expected) - SHOWN} more" if len(self.expected) > SHOWN else ""
        return "\n".join([
            f"{file}:{self.place.line}:{self.place.column}: {what} (byte {offset})",
            caret(self.data, offset),
            f"expected: {', '.join(self.expected[:SHOWN])}{rest}",
        ])  # fmt: skip


class Recogniser:
    """A grammar that reads bytes."""

    def __init__(self, grammar: Grammar | PushdownAutomaton) -> None:
        """Raises what ``constrain.compile`` raises."""
        self.grammar = grammar_of(grammar)
        self.automaton = PushdownAutomaton(self.grammar, _bytes())

    def accepts(self, text: Text) -> bool:
        """Is the text of the language?"""
        state = self.automaton.advance_bytes(self.automaton.start(), encoded(text))
        return state is not None and self.automaton.is_accepting(state)

    def judge(self, text: Text) -> Verdict:
        """The verdict, with place and reason."""
        return Verdict.of(self.automaton, encoded(text))


def grammar_of(source: object) -> Grammar:
    """The grammar, also of one that has been compiled. Raises ``TypeError`` for anything else."""
    if isinstance(source, PushdownAutomaton):
        return source.grammar
    if isinstance(source, Grammar):
        return source
    hint = "make one with constrain.regex, constrain.lark or constrain.json_schema"
    raise TypeError(f"a Grammar is needed, not {type(source).__name__}: {hint}")


def encoded(text: Text) -> bytes:
    """The bytes of a text. (Half a surrogate pair has none in UTF-8; what stands for it is in no language of text.)"""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def decoded(data: bytes) -> Text:
    """A ``str`` where the bytes are UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def describe_byte(data: bytes, offset: int) -> str:
    """The character that starts at ``offset``, or the byte where none does."""
    head = data[offset : offset + 4].decode("utf-8", "ignore")
    whole = head and data.startswith(head[0].encode(), offset)
    return repr(head[0]) if whole else f"byte 0x{data[offset]:02x}"


@cache
def _bytes() -> Vocabulary:
    """One vocabulary for all, so that what terminals need is made once."""
    return byte_vocabulary()
