"""``PushdownAutomaton``: a grammar over a vocabulary, as a ``TokenAutomaton`` whose states are ints.

A state is the number of an interned set of (position in the program, return stack); see ``kernels/stack.py``.
States of one automaton mean nothing to another.
"""

from __future__ import annotations

import numpy as np

from constrain.automata.lexed import runnable
from constrain.automata.program import Program
from constrain.errors import ConstrainError, DeadEnd, GrammarError, LimitExceeded, VocabularyError
from constrain.ir.grammar import Grammar, Literal, Terminal, children
from constrain.kernels.layout import (
    BAD_STATE,
    FINISHED,
    MAX_ENDS,
    NO_STATE,
    PROBES_WANTED,
    ROW_WANTED,
    ROWS_WANTED,
    RULE_WANTED,
    TOO_MANY_ENDS,
)
from constrain.kernels.step import advance, start_state
from constrain.kernels.walk import fill_mask
from constrain.tokens import describe
from constrain.tokens.base import Words
from constrain.tokens.beginnings import begin, make_room_for_answers, publish
from constrain.tokens.index import VocabularyIndex
from constrain.tokens.probes import answer_probes
from constrain.vocab.vocabulary import Vocabulary

OBJECTS = 64  # bytes of Python objects for each word of a program, on average (26 at the median of MaskBench)
PIECE = 64  # bytes of text read in one kernel call


class PushdownAutomaton:
    """Masks and steps of ``grammar`` over ``vocabulary``. Thread-safe; states are ints that stay valid.

    Cost of a mask: the trie nodes that live bytes reach, plus one row OR for each leaf state. Cost of a step: the
    token's bytes. Memory grows with the number of different states asked for.
    """

    def __init__(self, grammar: Grammar, vocabulary: Vocabulary, index: VocabularyIndex | None = None) -> None:
        """Compile. Raises ``GrammarError`` (empty language, missing rule), ``VocabularyError`` (cannot be spelled).

        ``index``: what to share with other automata, by default with all of the vocabulary.
        """
        self.grammar = grammar = runnable(grammar)
        self.vocabulary = vocabulary
        self.index = index or VocabularyIndex.of(vocabulary)
        _check_spelling(grammar, self.index.missing)
        self.arena, self._builder, self.memories = begin(grammar, self.index)
        self.program: Program = self._builder.program
        self._vocabulary_table, self._table = self.index.table, self.arena.address
        self._mask_shape = (vocabulary.words,)
        self._checked: Words | None = None
        # Looked up once: these calls are a third of what a mask costs.
        self._fill, self._step = fill_mask.direct, advance.direct
        self._acquire, self._release = self.index.lock.acquire, self.index.lock.release
        self._incomplete = self.index.incomplete
        self._start = self._first_state()

    # ---- the contract --------------------------------------------------------------------------------------

    def start(self) -> int:
        """The state before the first token."""
        return self._start

    def advance(self, state: int, token: int) -> int | None:
        """The state after ``token``, or ``None`` when the token is not allowed."""
        if token < 0:
            return None
        self._acquire()
        try:
            after = self._step(self._vocabulary_table, self._table, state, token, 0, 0)
            if after < 0:
                after = self._advance_again(after, state, token, 0, 0)
        finally:
            self._release()
        if after != NO_STATE:
            return after  # type: ignore[no-any-return]
        if token in self.vocabulary.eos and self.is_accepting(state):
            return FINISHED
        return None

    def fill_mask(self, state: int, words: Words) -> None:
        """Overwrite ``words`` ((vocabulary.words,) int32, C-contiguous) with the mask of ``state``.

        Raises ``DeadEnd`` when the mask is empty: possible only where the vocabulary lacks single bytes and the
        grammar forces text that its longer tokens cannot spell.
        """
        if words is not self._checked:
            self._check(words)
        self._acquire()
        try:
            while (status := self._fill(self._vocabulary_table, self._table, state, words)) < 0:
                self._grow(status)
        finally:
            self._release()
        if self._incomplete and not words.any():
            wanted = "; ".join(self.expected(state)[:8])
            raise DeadEnd(f"no token of the vocabulary can spell what the grammar asks for here: {wanted}")

    def _check(self, words: Words) -> None:
        """Raise ``ValueError`` for what is no mask. The last good one is known by identity (and cannot be resized, as
        NumPy refuses that while somebody else holds the array)."""
        if words.shape != self._mask_shape or words.strides != (4,) or words.dtype != np.int32:
            given = f"{words.dtype} of shape {words.shape} and strides {words.strides}"
            raise ValueError(f"a mask is a C-contiguous int32 array of shape {self._mask_shape}, not {given}")
        self._checked = words

    def is_accepting(self, state: int) -> bool:
        """Is the text so far a whole text of the language?"""
        if not FINISHED <= state < self.arena["state"]:
            self._grow(BAD_STATE)
        return state == FINISHED or bool(self.arena.array("Q_ACCEPTING")[state])

    # ---- bytes ---------------------------------------------------------------------------------------------

    def advance_bytes(self, state: int, data: bytes) -> int | None:
        """The state after text that need not be aligned with tokens; ``None`` when it is not allowed."""
        return self._feed(state, data)[0] or None

    def longest_prefix(self, state: int, data: bytes) -> tuple[int, int]:
        """How many bytes of ``data`` can be read, and the state after them."""
        after, count = self._feed(state, data)
        return (len(data), after) if after else (count, self._feed(state, data[:count])[0] or state)

    def _feed(self, state: int, data: bytes) -> tuple[int, int]:
        """The state after ``data``, or 0 and the bytes that can be read. In pieces: a kernel that must be called again,
        because something has to grow, begins its piece anew."""
        for start in range(0, len(data), PIECE):
            state, count = self._feed_piece(state, data[start : start + PIECE])
            if not state:
                return 0, start + count
        return state, len(data)

    def _feed_piece(self, state: int, data: bytes) -> tuple[int, int]:
        address = np.frombuffer(data, np.uint8).ctypes.data
        with self.index.lock:
            after = self._step(self._vocabulary_table, self._table, state, -1, address, len(data))
            if after < 0:
                after = self._advance_again(after, state, -1, address, len(data))
            return int(after), self.arena["READ"]

    def _advance_again(self, status: int, *arguments: int) -> int:
        """Do what the kernel has asked for until it can finish."""
        ended = 0  # words: those that can be used up are ended in Python
        while status < 0:
            ended += status == ROW_WANTED
            if ended > MAX_ENDS:
                raise _too_many_words()
            self._grow(status)
            status = self._step(self._vocabulary_table, self._table, *arguments)
        return status

    # ---- in words ------------------------------------------------------------------------------------------

    def expected(self, state: int) -> list[str]:
        """What may come next, readable: upcoming literals, terminals, the end of the text."""
        return describe.expected(self, state)

    def explain(self, state: int, token: int) -> str:
        """Why ``token`` is or is not allowed in ``state``, in words."""
        return describe.explain(self, state, token)

    def forced_bytes(self, state: int) -> bytes:
        """The longest byte string with which every completion starts (empty where the text may end)."""
        return describe.forced_bytes(self, state)

    def terminal_of(self, leaf_state: int) -> Terminal:
        """The grammar's terminal whose automaton a leaf state belongs to."""
        leaves = self.index.arena.array("S_LEAF")
        for terminal in self.program.terminals.values():
            if leaves[self.index.leaf(terminal)] == leaves[leaf_state]:
                return terminal
        raise KeyError(leaf_state)

    def live_bytes(self, state: int) -> bytes:
        """Bytes that may come next, ascending."""
        return describe.live_bytes(self, state)

    def configurations(self, state: int) -> list[tuple[int, int]]:
        """The (position, stack) pairs of a state, for messages and tests."""
        first, size = (int(self.arena.array(name)[state]) for name in ("Q_FROM", "Q_SIZE"))
        positions, stacks = self.arena.array("C_POSITION"), self.arena.array("C_STACK")
        return [(int(positions[i]), int(stacks[i])) for i in range(first, first + size)]

    def return_addresses(self, stack: int) -> list[int]:
        """Where the callers of a stack node go on, for messages."""
        first, size = (int(self.arena.array(name)[stack]) for name in ("N_FROM", "N_SIZE"))
        return [int(pc) for pc in self.arena.array("E_PC")[first : first + size]]

    @property
    def nbytes(self) -> int:
        """Memory of this automaton alone: its arrays and, estimated, its grammar and program."""
        unused = max(self.arena.constant_bytes - 4 * self.vocabulary.words * self.arena["maskslot"], 0)
        return self.arena.nbytes - unused + OBJECTS * len(self.program.code)

    def counters(self) -> dict[str, int]:
        """Work done and memory used so far: for tests and benchmarks that count instead of timing."""
        mine = {
            name: self.arena[name]
            for name in ("VISITS", "CLOSURES", "state", "stack", "edge", "union", "walkset", "maskslot")
        }
        return {**{k.lower(): v for k, v in mine.items()}, **self.index.counters(), "code": len(self.program.code),
                "bytes": self.arena.nbytes}  # fmt: skip

    # ---- construction --------------------------------------------------------------------------------------

    def _first_state(self) -> int:
        with self.index.lock:
            while (state := start_state.direct(self._table, self.program.start, self.program.empty_text)) < 0:
                self._grow(state)
        if state == NO_STATE:
            raise GrammarError("no text at all matches", where=f"rule {self.grammar.start!r}")
        return int(state)

    def _grow(self, status: int) -> None:
        """Do what a kernel's status asks for."""
        if status == BAD_STATE:
            raise ValueError("this state is not one of this automaton: states of one mean nothing to another")
        if status == TOO_MANY_ENDS:
            raise _too_many_words()
        if status == RULE_WANTED:
            self._builder.make_wanted(self.arena["WANTED"])
            publish(self._builder, self.arena)
        elif status == PROBES_WANTED:
            answer_probes(self.arena, self._grow)
        elif status == ROWS_WANTED:
            make_room_for_answers(self.arena, self.vocabulary.words)
        elif status == ROW_WANTED:
            self.memories.make_row()
        elif not (self.arena.resolve(status) or self.index.arena.resolve(status)):
            raise ConstrainError(f"a kernel returned the unknown status {status}: please report this")


def _too_many_words() -> LimitExceeded:
    hint = "separate words by text that no word contains: cutting a text into distinct words is NP-hard"
    return LimitExceeded("words that one token ends, in all ways to cut the text", MAX_ENDS + 1, MAX_ENDS, hint)


def _check_spelling(grammar: Grammar, missing: frozenset[int]) -> None:
    """A literal with a byte that no token contains can never be written."""
    if not missing:
        return
    for name, body in grammar.rules.items():
        stack = [body]
        while stack:
            node = stack.pop()
            stack.extend(children(node))
            if isinstance(node, Literal) and not missing.isdisjoint(node.data):
                bad = next(b for b in node.data if b in missing)
                raise VocabularyError(
                    f"rule {name!r} needs the text {node.data!r}, but no token contains the byte 0x{bad:02x}"
                )
