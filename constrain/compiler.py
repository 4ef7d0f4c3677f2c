"""``Compiler``: automata for one vocabulary, remembered while there is room, compiled once however many ask at once.

What is remembered is found by content: the bytes that stand for a schema, a pattern or a grammar's text, with all
options. (A ``Grammar`` object never changes, and is found as that object.) A source whose content cannot be told, such
as a file that imports others or a registry that is an object, is compiled at every call.
"""

from __future__ import annotations

import marshal
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from constrain.frontends.ebnf import Dialect, ebnf_grammar
from constrain.frontends.gbnf import gbnf_grammar
from constrain.frontends.json_schema import json_schema_grammar
from constrain.frontends.json_schema.dialect import DIALECTS
from constrain.frontends.json_schema.source import Loaded, load_schema
from constrain.frontends.regex import regex_grammar
from constrain.ir.grammar import Grammar
from constrain.tokens.index import VocabularyIndex
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.vocabulary import Vocabulary

MEMORY = 3 << 29  # bytes
GRAMMARS = 1024
WEIGH_EVERY = 64  # misses between two looks at what all automata have grown to


class _Same:
    """A key for one object: equal to keys of that very object, which it keeps alive."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


Key = bytes | _Same


class Statistics(NamedTuple):
    """What a ``Compiler`` has done, and holds.

    hits           calls answered by an automaton that was there
    waits          calls answered by one that another thread was compiling
    misses         calls that compiled
    unkept         of these, calls whose source has no content to be found by
    evictions      automata forgotten for lack of room
    grammars       automata held
    grammar_bytes  memory of those, as last weighed
    shared_bytes   memory that all automata share
    generation     how often the shared memory was begun afresh
    """

    hits: int
    waits: int
    misses: int
    unkept: int
    evictions: int
    grammars: int
    grammar_bytes: int
    shared_bytes: int
    generation: int


class Compiler:
    """Compiles grammars for ``vocabulary``, and remembers the automata used last. Thread-safe.

    Calls of several threads for the same grammar wait for one compilation; others go on. An exception reaches all who
    wait, and is not remembered. A ``GrammarWarning`` is given when a grammar is compiled, not when it is found again.

    ``memory`` (bytes) is divided in three: for automata; for leaf automata with their entries, which all share; and for
    dense rows, also shared, which are given up and made again as room is needed. Shared memory that cannot be given up
    is begun afresh when it is used up, and then all automata are forgotten (``VocabularyIndex`` says why). Automata in
    use elsewhere stay as they are, and keep their memory, until they are dropped. Compilers of one vocabulary with the
    same ``memory`` share.

    ``grammars``: most automata to remember; 0 for none.
    """

    def __init__(self, vocabulary: Vocabulary, *, memory: int = MEMORY, grammars: int = GRAMMARS) -> None:
        if memory < 1 or grammars < 0:
            raise ValueError(f"memory is 1 or more, grammars 0 or more, not {memory} and {grammars}")
        self.vocabulary = vocabulary
        self._shared = 2 * memory // 3
        self._memory = memory // 3
        self._grammars = grammars
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, tuple[PushdownAutomaton, int]] = OrderedDict()  # with its weight; oldest first
        self._flights: dict[Key, Future[PushdownAutomaton]] = {}
        self._index = VocabularyIndex.of(vocabulary, self._shared)
        self._bytes = self._hits = self._waits = self._misses = self._unkept = self._evictions = 0

    # ---- sources -------------------------------------------------------------------------------------------

    def compile(self, grammar: Grammar) -> PushdownAutomaton:
        """The automaton of a grammar. The same ``Grammar`` object is found again; an equal one is another.

        Raises as :func:`constrain.compile`.
        """
        return self._find(_Same(grammar), lambda: grammar)

    def json_schema(self, schema: Any, **options: Any) -> PushdownAutomaton:
        """The automaton of ``constrain.json_schema(schema, **options)``, which says what may be given and is raised.

        A schema is known by its JSON values (in the order of its members, which matters), whether it was given as an
        object, as text, as a file or as a Python type: text, files and types are read at each call.
        """
        draft = options.get("draft")
        loaded = load_schema(schema, draft if draft in DIALECTS else None)
        key = _content("json_schema", tuple(loaded), sorted(options.items()))

        def read() -> Grammar:
            if key is None:
                return json_schema_grammar(loaded, **options)
            _, document, named = marshal.loads(key)  # a copy: parts of a schema are read as late as texts get there
            return json_schema_grammar(Loaded(*document), **dict(named))

        return self._find(key, read)

    def regex(self, pattern: str | bytes | re.Pattern[str] | re.Pattern[bytes], flags: int = 0) -> PushdownAutomaton:
        """The automaton of ``constrain.regex(pattern, flags)``."""
        source = ("", pattern.pattern, pattern.flags) if isinstance(pattern, re.Pattern) else (pattern,)
        key = None if _asks_for_locale(pattern, flags) else _content("regex", source, int(flags))
        return self._find(key, lambda: regex_grammar(pattern, flags))

    def lark(
        self, source: Any, start: str | None = None, *, parser: str | None = None, lexer: str | None = None
    ) -> PushdownAutomaton:
        """The automaton of ``constrain.lark(source, ...)``: a grammar's text, a file or a ``Lark`` object.

        Only text that imports no files beside it is remembered.
        """
        alone = isinstance(source, str) and not re.search(r"%import\s+\.", source)
        key = _content("lark", source, start, parser, lexer) if alone else None
        return self._find(key, lambda: _lark_grammar(source, start, parser=parser, lexer=lexer))

    def gbnf(self, source: str | Path, start: str = "root") -> PushdownAutomaton:
        """The automaton of ``constrain.gbnf(source, start)``. Text is remembered, files are read at each call."""
        return self._find(_content("gbnf", source, start), lambda: gbnf_grammar(source, start))

    def ebnf(self, source: str | Path, start: str | None = None, dialect: Dialect | None = None) -> PushdownAutomaton:
        """The automaton of ``constrain.ebnf(source, start, dialect)``. Text is remembered, files are read each time."""
        key = _content("ebnf", source, start, dialect)
        return self._find(key, lambda: ebnf_grammar(source, start, dialect))

    # ---- what is held --------------------------------------------------------------------------------------

    def statistics(self) -> Statistics:
        """Counts since the beginning, and the memory held now."""
        with self._lock:
            self._weigh()
            index = self._index
            return Statistics(
                self._hits,
                self._waits,
                self._misses,
                self._unkept,
                self._evictions,
                len(self._kept),
                self._bytes,
                index.nbytes,
                index.generation,
            )

    def clear(self) -> None:
        """Forget all automata. (Those in use elsewhere live on.)"""
        with self._lock:
            self._forget_all()

    # ---- finding and compiling -----------------------------------------------------------------------------

    def _find(self, key: Key | None, read: Callable[[], Grammar]) -> PushdownAutomaton:
        """The automaton remembered under ``key``, or that of the grammar that ``read`` gives."""
        if key is None:
            with self._lock:
                self._misses += 1
                self._unkept += 1
            return self._compile(read)
        while True:
            with self._lock:
                if key in self._kept:
                    return self._hit(key)
                flight = self._flights.get(key)
                if flight is None:
                    self._misses += 1
                    mine = self._flights[key] = Future()
                    break
                self._waits += 1
            try:
                return flight.result()
            except CancelledError:  # who compiled was interrupted: that is no answer for others
                continue
        return self._fly(key, mine, read)

    def _hit(self, key: Key) -> PushdownAutomaton:
        self._hits += 1
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def _fly(self, key: Key, flight: Future[PushdownAutomaton], read: Callable[[], Grammar]) -> PushdownAutomaton:
        """Compile for all who wait for ``flight``."""
        try:
            automaton = self._compile(read)
        except BaseException as error:
            with self._lock:
                del self._flights[key]
            if isinstance(error, Exception):
                flight.set_exception(error)
            else:
                flight.cancel()
            raise
        with self._lock:
            del self._flights[key]
            self._keep(key, automaton)
        flight.set_result(automaton)
        return automaton

    def _compile(self, read: Callable[[], Grammar]) -> PushdownAutomaton:
        return PushdownAutomaton(read(), self.vocabulary, self._current_index())

    def _current_index(self) -> VocabularyIndex:
        index = VocabularyIndex.of(self.vocabulary, self._shared)
        with self._lock:
            if index is not self._index and index.generation >= self._index.generation:
                self._index = index
                self._forget_all()
        return index

    def _keep(self, key: Key, automaton: PushdownAutomaton) -> None:
        if automaton.index is not self._index:  # compiled while another thread began the shared memory afresh
            return
        weight = automaton.nbytes
        self._kept[key] = automaton, weight
        self._bytes += weight
        if self._misses % WEIGH_EVERY == 0:
            self._weigh()
        while self._kept and (len(self._kept) > self._grammars or self._bytes > self._memory):
            _, (_, weight) = self._kept.popitem(last=False)
            self._bytes -= weight
            self._evictions += 1

    def _weigh(self) -> None:
        """Automata grow with use."""
        self._kept.update((key, (automaton, automaton.nbytes)) for key, (automaton, _) in self._kept.items())
        self._bytes = sum(weight for _, weight in self._kept.values())

    def _forget_all(self) -> None:
        self._evictions += len(self._kept)
        self._kept.clear()
        self._bytes = 0


def _content(*values: Any) -> bytes | None:
    """Bytes that are equal only for equal values of equal types, order of members included; ``None`` where values are
    not plain data. (JSON text would not tell a pair of surrogates from the symbol they encode, nor 1 from "1" in keys.)
    """
    try:
        data = marshal.dumps(values, 0)  # version 0: nothing but the values, not how they are shared or interned
        return data if marshal.loads(data) == values else None  # it takes any buffer, as if it were bytes
    except ValueError:
        return None


def _asks_for_locale(pattern: object, flags: int) -> bool:
    """May the meaning of a pattern change with the locale of the process?"""
    if isinstance(pattern, re.Pattern):
        return bool(pattern.flags & re.LOCALE) or _asks_for_locale(pattern.pattern, 0)
    return isinstance(pattern, bytes) and bool(flags & re.LOCALE or re.search(rb"\(\?[a-zA-Z]*L", pattern))


def _lark_grammar(source: Any, start: str | None, **options: str | None) -> Grammar:
    """``constrain.lark``; the package lark takes as long to load as all the rest, so it is loaded when it is needed."""
    grammar: Grammar = import_module("constrain.frontends.lark").lark_grammar(source, start, **options)
    return grammar
