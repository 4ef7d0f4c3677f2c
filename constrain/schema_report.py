"""``report``: what a schema's grammar enforces, keyword by keyword, how large it is, and what in it costs time.

The account is taken in record mode, so that all refusals are listed and not only the first. Sizes and hazards are
counted in the grammar and in the automaton that come of it; nothing is timed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any

from constrain.bits import allocate
from constrain.errors import ConstrainError, GrammarError, LimitExceeded, UnsupportedSchema, VocabularyError
from constrain.frontends.json_schema import begin_schema, finish_schema, json_schema_grammar, nothing_satisfies
from constrain.frontends.json_schema.account import Entry, entries_of, reached_places, unreached_places
from constrain.frontends.json_schema.lower import Lowering
from constrain.frontends.json_schema.outcome import Impossible
from constrain.hazards import Hazard, has_large_terminals, hazards_of
from constrain.ir.grammar import Terminal, walk
from constrain.members import random_member
from constrain.testing import byte_vocabulary
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

__all__ = ["Entry", "Hazard", "SchemaReport", "Size", "report"]

TRIES = 8  # members for each example, of which the shortest is shown
LONGEST = 400  # bytes of the examples along which states are counted
LONGEST_WALK = 5_000
CLOSERS, BLANKS = b'"]}', b" \t\r\n"
SIMPLE = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-,:")


@dataclass(frozen=True)
class Size:
    """How large a grammar is.

    rules          of the grammar
    terminals      different regular expressions in it
    program_words  the program that reads rules, in words of 4 bytes
    states         of that program's automaton that the examples pass through
    leaf_states    of the automata of terminals that these states' masks needed. All states are made when they are
                   first asked for, so these numbers say what use makes of the grammar, not what it could make
    """

    rules: int
    terminals: int
    program_words: int
    states: int
    leaf_states: int


@dataclass(frozen=True)
class SchemaReport:
    """What became of one schema.

    draft        the draft that its root is read in
    entries      each keyword at each place that the root leads to
    unreached    pointers of schemas in the document that nothing refers to: they were not looked at
    unenforced   what is refused, or, in record mode, left out
    problem      why there is no grammar at all; ``None`` otherwise
    satisfiable  does any value satisfy what is enforced? ``None``: not known, because of ``problem``
    examples     texts of the grammar; none where something is refused, except in record mode
    size         as for ``examples``, else ``None``
    hazards      what makes compiling or masks slow
    """

    draft: str
    entries: tuple[Entry, ...] = ()
    unreached: tuple[str, ...] = ()
    unenforced: tuple[UnsupportedSchema, ...] = ()
    problem: ConstrainError | None = None
    satisfiable: bool | None = None
    examples: tuple[str, ...] = ()
    size: Size | None = None
    hazards: tuple[Hazard, ...] = ()

    @property
    def is_enforced(self) -> bool:
        """Is there a grammar, and does it enforce all of the schema?"""
        return self.problem is None and not self.unenforced

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "enforced": self.is_enforced,
            "satisfiable": self.satisfiable,
            "draft": self.draft,
            "entries": [asdict(entry) for entry in self.entries],
            "unreached": list(self.unreached),
            "unenforced": [_refusal_to_json(error) for error in self.unenforced],
            "problem": None if self.problem is None else str(self.problem),
            "examples": list(self.examples),
            "size": None if self.size is None else asdict(self.size),
            "hazards": [asdict(hazard) for hazard in self.hazards],
        }


def report(
    schema: Any,
    vocabulary: Vocabulary | None = None,
    *,
    examples: int = 1,
    on_unsupported: str = "raise",
    **options: Any,
) -> SchemaReport:
    """What becomes of ``schema`` under ``options``, which are those of ``json_schema_grammar``.

    With ``on_unsupported="record"`` examples and size are those of the superset that is compiled then. States are
    counted over ``vocabulary``, by default the 256 bytes.

    Schemas that are refused, that nothing satisfies or that are too large are reported. Raises ``GrammarError`` for
    what is no schema or a malformed one, ``ValueError`` for unknown options.
    """
    if on_unsupported not in ("raise", "record"):
        raise ValueError(f"on_unsupported is 'raise' or 'record', not {on_unsupported!r}")
    try:
        lowering = begin_schema(schema, on_unsupported="record", at_once=True, **options)
    except UnsupportedSchema as error:  # an unknown draft
        entry = Entry(error.pointer, error.keyword, "", "refused", error.reason)
        return SchemaReport("unknown", (entry,), unenforced=(error,), problem=error)
    except LimitExceeded as error:
        return SchemaReport("unknown", problem=error)
    built = _Built(lowering, vocabulary or byte_vocabulary())
    found = built.account()
    if built.automaton is None or (found.unenforced and on_unsupported == "raise"):
        return found
    texts = _examples(schema, built.automaton, options, examples)
    return replace(found, examples=tuple(texts), size=_size(built.automaton, texts))


class _Built:
    """A lowering that was run, and the automaton of its grammar; or why there is none."""

    def __init__(self, lowering: Lowering, vocabulary: Vocabulary) -> None:
        self.lowering = lowering
        self.is_complete = False  # was everything lowered that values can reach?
        self.automaton: PushdownAutomaton | None = None
        self.problem: ConstrainError | None = None
        self.satisfiable: bool | None = None
        try:
            found = finish_schema(lowering)
        except (UnsupportedSchema, LimitExceeded) as error:
            self.problem = error
            return
        if isinstance(found, Impossible):
            self.problem, self.satisfiable = nothing_satisfies(found), False
            return
        self.is_complete = True
        try:
            self.automaton, self.satisfiable = PushdownAutomaton(found, vocabulary), True
        except GrammarError as error:
            self.problem, self.satisfiable = error, False
        except (LimitExceeded, VocabularyError) as error:
            self.problem = error

    def account(self) -> SchemaReport:
        """The report, but for examples and size."""
        lowering, refused = self.lowering, dict(self.lowering.unenforced)
        if isinstance(self.problem, UnsupportedSchema):
            refused.setdefault((self.problem.keyword, self.problem.pointer), self.problem)
        places = reached_places(lowering)
        hazards: list[Hazard] = []
        if self.automaton is not None:
            hazards = hazards_of(self.automaton.grammar, lowering, len(self.automaton.program.code))
        dialect = lowering.resolver.dialect(lowering.resolver.root)
        return SchemaReport(
            draft=dialect.name if dialect.declared else f"{dialect.name}, which nothing declares",
            entries=tuple(entries_of(lowering, places, refused, self.is_complete)),
            unreached=tuple(unreached_places(lowering, places)),
            unenforced=tuple(refused.values()),
            problem=self.problem,
            satisfiable=self.satisfiable,
            hazards=tuple(hazards),
        )


def _examples(schema: Any, automaton: PushdownAutomaton, options: dict[str, Any], count: int) -> list[str]:
    """Members, different ones where there are."""
    if has_large_terminals(automaton.grammar):  # sampling by derivatives could take minutes
        walks = (_walk(automaton, Random(seed)) for seed in range(count))
        return [text for text in dict.fromkeys(walks) if text]
    grammar = automaton.grammar
    if options.get("whitespace", "any") == "any" and options.get("max_blanks", 1):  # as ``json.dumps`` would write it
        grammar = json_schema_grammar(schema, **{**options, "whitespace": "json", "on_unsupported": "record"})
    texts: dict[str, None] = {}
    for number in range(count):
        seeds = range(number * TRIES, (number + 1) * TRIES)
        tried = {random_member(grammar, Random(seed)).decode("utf-8", "backslashreplace") for seed in seeds}
        texts[min(tried - texts.keys() or tried, key=lambda text: (len(text), text))] = None
    return list(texts)


def _walk(automaton: PushdownAutomaton, rng: Random) -> str:
    """A text byte by byte, which ends what it can end and otherwise prefers what is simple; empty if it grows too
    long."""
    state, text = automaton.start(), b""
    while not automaton.is_accepting(state):
        live = automaton.live_bytes(state)
        byte = next((bytes([b]) for b in CLOSERS if b in live), None)
        if byte is None:
            simple = [b for b in live if b in SIMPLE] or [b for b in live if b not in BLANKS]
            byte = bytes([rng.choice(simple or list(live))])
        after = automaton.advance_bytes(state, byte)
        assert after is not None  # the byte is live
        state, text = after, text + byte
        if len(text) > LONGEST_WALK:
            return ""
    return text.decode("utf-8", "backslashreplace")


def _size(automaton: PushdownAutomaton, texts: list[str]) -> Size:
    """The sizes, after a mask at each byte of the texts."""
    words = allocate(automaton.vocabulary.width)
    before = automaton.counters()["leafstate"]
    for text in texts:
        state: int | None = automaton.start()
        for byte in text.encode()[:LONGEST]:
            assert state is not None  # the text is a member
            automaton.fill_mask(state, words)
            state = automaton.advance_bytes(state, bytes([byte]))
    after = automaton.counters()
    rules = automaton.grammar.rules
    terminals = {
        (node.rx, node.encoding, node.low, node.high, node.exclude)
        for body in rules.values()
        for node in walk(body)
        if isinstance(node, Terminal)
    }
    leaf_states = after["leafstate"] - before
    return Size(len(rules), len(terminals), len(automaton.program.code), after["state"], leaf_states)


def _refusal_to_json(error: UnsupportedSchema) -> dict[str, Any]:
    return {"keyword": error.keyword, "pointer": error.pointer, "reason": error.reason, "hint": error.hint}
