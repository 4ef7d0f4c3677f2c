"""``VocabularyIndex``: everything about a vocabulary that all grammars share.

The token trie, the leaf automata seen so far, and their entries (masks of leaf states). Grows as grammars are
used; one index serves any number of grammars, and grammars with equal terminals share their masks.
"""

from __future__ import annotations

import threading
import weakref
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from constrain.automata.chardfa import closure
from constrain.automata.leafcode import LeafCode, compile_leaf
from constrain.errors import LimitExceeded, VocabularyError
from constrain.ir import rx as _rx
from constrain.ir.grammar import Common, Terminal
from constrain.ir.rx import Rx
from constrain.kernels.layout import (
    BYTES,
    CHUNK_BITS,
    DEAD,
    FIRST_LEAF_STATE,
    JSON,
    L_CLASS,
    L_JUMP,
    L_MATCH,
    L_SPLIT,
    UTF8,
    V,
)
from constrain.kernels.leafstep import leaf_step
from constrain.kernels.words import add_words
from constrain.tokens.arena import Arena
from constrain.tokens.reserved import MAX_CHUNKS, build_arena, state_bytes
from constrain.tokens.storage import zeros
from constrain.vocab.vocabulary import Vocabulary

ENCODINGS = {"bytes": BYTES, "utf8": UTF8, "json": JSON}
WEIGH_EVERY = 64  # states and leaf instructions between two looks at the bound
MEMORY = 1 << 30  # default bound of an index, in bytes: half of it for dense rows, half for leaf automata
MAX_ALIVE = 1 << 26  # bytes of one leaf's window table
LeafKey = tuple[Rx, str, int, int | None, tuple[str, ...]]


class VocabularyIndex:
    """Use ``VocabularyIndex.of(vocabulary)``: there is one for each vocabulary, kept while the vocabulary lives.

    ``memory`` (bytes) bounds it. Half of that is a pool of dense rows: when it is full, rows that were not used lately
    are given up, and made again when they are asked for. What else grows cannot be given up, as states of automata
    refer to it. So once it has passed the other half, the index is *full*: ``of`` begins a fresh one for automata
    compiled from then on, and this one goes with the last automaton that uses it.

    ``lock`` guards the arena: kernels write to it, so only one thread may be inside at a time.
    """

    _known: ClassVar[weakref.WeakKeyDictionary[Vocabulary, dict[int, VocabularyIndex]]] = weakref.WeakKeyDictionary()
    _guard = threading.Lock()

    def __init__(self, vocabulary: Vocabulary, memory: int = MEMORY, former: VocabularyIndex | None = None) -> None:
        """``former``: a full index of the same vocabulary, whose constant arrays are shared."""
        self._vocabulary = weakref.ref(vocabulary)
        self.memory = memory
        self.generation: int = former.generation + 1 if former and former.memory == memory else 0
        self.lock = threading.RLock()
        self.arena: Arena = build_arena(vocabulary, memory // 2, former.arena if former else None)
        self.table = self.arena.address
        self._chunks: list[npt.NDArray[np.int32]] = []
        me = weakref.ref(self)  # not a cycle: what a full index holds is given back with its last automaton
        self.arena.growers |= {"chunk": lambda: _alive(me)._add_chunk(), "row": lambda: _alive(me)._refuse_rows()}
        self._add_chunk()
        self._chunks[0][: FIRST_LEAF_STATE * 256] = DEAD  # UNKNOWN, DEAD and ACCEPTED have no successors
        self.missing: frozenset[int] = former.missing if former else _missing_bytes(vocabulary)
        self._unspellable: _rx.Ranges = former._unspellable if former else _unspellable(self.missing)
        self.incomplete: bool = former.incomplete if former else _is_incomplete(vocabulary, self.missing)
        self._weighed, self._is_full = 0, False
        self._leaves: dict[LeafKey, int] = {}
        self.beginnings: weakref.WeakKeyDictionary[Common, Any] = weakref.WeakKeyDictionary()  # tokens/beginnings.py

    @classmethod
    def of(cls, vocabulary: Vocabulary, memory: int = MEMORY) -> VocabularyIndex:
        """The index for new automata; automata with equal bounds share one."""
        with cls._guard:
            known = cls._known.setdefault(vocabulary, {})
            index = known.get(memory)
            if index is None or index.is_full:
                index = known[memory] = cls(vocabulary, memory, index or next(iter(known.values()), None))
            return index

    @property
    def is_full(self) -> bool:
        """Has what cannot be given up passed its half of the bound? Weighed anew for every few states and leaves."""
        size = self.arena["leafstate"] + self.arena["leafcode"]
        if size - self._weighed > WEIGH_EVERY:
            self._weighed, self._is_full = size, 2 * self.state_bytes > self.memory
        return self._is_full

    @property
    def state_bytes(self) -> int:
        """Bytes used by leaf automata, their entries and residual nodes, dense rows left out."""
        return state_bytes(self.arena)

    @property
    def row_bytes(self) -> int:
        """Bytes used by dense rows."""
        return 4 * self.arena["rowslot"] * self.arena["WORDS"]

    @property
    def nbytes(self) -> int:
        """Bytes in use, the arrays of the vocabulary included."""
        return self.state_bytes + self.row_bytes + self.arena.constant_bytes

    @property
    def reserved(self) -> int:
        """Bytes reserved: address space, not memory."""
        return self.arena.nbytes + sum(chunk.nbytes for chunk in self._chunks)

    def counters(self) -> dict[str, int]:
        """Work done and memory used so far, by all automata of the index."""
        arena = self.arena
        counts = {name: arena[name] for name in ("entry", "residual", "leafstate", "leaf")}
        return {**counts, "rows": arena["rowslot"], "evictions": arena["EVICTIONS"], "growths": arena.growths,
                "generation": self.generation, "shared_bytes": self.nbytes}  # fmt: skip

    def leaf(self, terminal: Terminal) -> int:
        """Start state of a terminal's leaf automaton; ``DEAD`` when its language is empty."""
        key = (terminal.rx, terminal.encoding, terminal.low, terminal.high, terminal.exclude)
        start = self._leaves.get(key)
        if start is None:
            with self.lock:
                start = self._leaves.get(key)
                if start is None:
                    start = self._leaves[key] = self._add_leaf(*key)
        return start

    def known_leaf(self, terminal: Terminal) -> int | None:
        """The same, but ``None`` where the automaton is not made yet."""
        return self._leaves.get((terminal.rx, terminal.encoding, terminal.low, terminal.high, terminal.exclude))

    def _add_chunk(self) -> None:
        """Successor rows for another 16,384 leaf states."""
        if len(self._chunks) == MAX_CHUNKS:
            hint = "simplify its patterns (repeats of repeats), or start afresh with a new Vocabulary object"
            limit = MAX_CHUNKS << CHUNK_BITS
            raise LimitExceeded("states of regular terminals", limit + (1 << CHUNK_BITS), limit, hint)
        chunk = zeros(1024 << CHUNK_BITS).view(np.int32)
        self.arena.append("chunk", S_CHUNK=[chunk.ctypes.data])
        self._chunks.append(chunk)

    def _refuse_rows(self) -> None:
        rows = len(self.arena.array("K_ENTRY"))
        raise LimitExceeded("dense rows that one entry needs at once", rows + 1, rows, "pass a larger memory=")

    def step_leaf(self, state: int, byte: int) -> int:
        """Successor of a leaf state, ``DEAD`` for none."""
        with self.lock:
            while (target := int(leaf_step(self.table, 0, state, byte))) < 0:
                self.arena.resolve(target)
        return target

    def _add_leaf(self, rx: Rx, encoding: str, low: int, high: int | None, exclude: tuple[str, ...]) -> int:
        if encoding not in ENCODINGS:
            raise ValueError(f"a terminal's encoding is one of {', '.join(ENCODINGS)}, not {encoding!r}")
        if high is not None and high < low:
            return DEAD
        if exclude:
            return self._excluding(Terminal(rx, encoding, low, high, "", exclude))  # type: ignore[arg-type]
        if encoding == "json" and ord('"') in self.missing:
            raise VocabularyError("no token of the vocabulary contains a double quote: it cannot spell JSON strings")
        code = compile_leaf(self._spellable(rx, encoding), 255 if encoding == "bytes" else _rx.MAX_CODE_POINT)
        if code is None:
            return DEAD
        window = low > 0 or high is not None
        twin = self.leaf(Terminal(rx, encoding)) if window and _is_any(code) else DEAD  # type: ignore[arg-type]
        leaf = self._store(code, ENCODINGS[encoding], low, high)
        if twin != DEAD:
            self.arena.array("L_TWIN")[leaf] = twin
        elif window:
            self._free_of_window(leaf)
        return self._start(leaf)

    def _free_of_window(self, leaf: int) -> None:
        """A leaf of the same program without the window, for states that are far from its bounds."""
        columns = {name: self.arena.array(name) for name in self.arena.layout.groups[V.n["leaf"]].arrays}
        facts = {name: int(column[leaf]) for name, column in columns.items()}
        size, last = facts["L_SIZE"], facts["L_HIGH"] if facts["L_HIGH"] >= 0 else facts["L_LOW"]
        first = facts["L_ALIVE"]
        rows = self.arena.array("L_LIVE")[first : first + (last + 1) * size].reshape(last + 1, size)
        waiting = rows.any(axis=0)
        unrestricted = rows[facts["L_LOW"] :, waiting].all(axis=1)
        length = unrestricted.size if unrestricted.all() else int(np.argmin(unrestricted))
        # Without an upper bound the count stops at ``low``, from where nothing is restricted any more.
        free = 1 << 30 if facts["L_HIGH"] < 0 else facts["L_LOW"] + length - 1
        unbounded = self.arena.append("leaf", **{name: [value] for name, value in facts.items()})
        changes = {"L_LOW": 0, "L_HIGH": -1, "L_ALIVE": -1, "L_PLAIN": unbounded}
        for name, value in changes.items():
            self.arena.array(name)[unbounded] = value
        self.arena.array("L_FREE")[leaf] = max(free, 0)
        self.arena.array("L_UNBOUNDED")[leaf] = unbounded

    def _start(self, leaf: int) -> int:
        while (start := int(leaf_step(self.table, leaf, -1, 0))) < 0:
            self.arena.resolve(start)
        return start

    def _excluding(self, terminal: Terminal) -> int:
        """Any JSON string but some words: the plain leaf with a trie of words beside it. Others: by complement."""
        if terminal.encoding != "json" or terminal.rx != _rx.ANY_TEXT or terminal.low or terminal.high is not None:
            return self.leaf(Terminal(terminal.language, terminal.encoding, terminal.low, terminal.high))
        plain = self.arena.array("S_LEAF")[self.leaf(Terminal(terminal.rx, terminal.encoding))]
        text = np.frombuffer("".join(terminal.exclude).encode("utf-32-le", "surrogatepass"), np.int32)
        ends = np.fromiter(accumulate(map(len, terminal.exclude)), np.int64, len(terminal.exclude))
        while (root := int(add_words(self.table, text, ends))) < 0:
            self.arena.resolve(root)
        leaf = self.arena.repeat("leaf", int(plain))
        self.arena.array("L_WORDS")[leaf] = root
        return self._start(leaf)

    def _spellable(self, rx: Rx, encoding: str) -> Rx:
        """Without symbols that no token sequence can spell (only where the vocabulary lacks bytes altogether)."""
        if encoding == "json" or not self._unspellable:
            return rx
        gone = self._unspellable if encoding == "utf8" else tuple((b, b) for b in sorted(self.missing))
        spellable = _rx.chars(_rx.invert_ranges(gone, 255 if encoding == "bytes" else _rx.MAX_CODE_POINT))
        return rx & _rx.repeat(spellable, 0, None)

    def _store(self, code: LeafCode, encoding: int, low: int, high: int | None) -> int:
        arena = self.arena
        sets = arena.append("classset", L_IN=code.sets.ravel())
        width = code.sets.shape[1]
        start = arena["leafcode"]
        words = _relocate(code.code, start, sets, width)
        arena.append("leafcode", L_CODE=words)
        cut = arena.append("cut", L_CUT=code.cuts, L_CLASSOF=code.classes)
        alive = -1
        if (low > 0 or high is not None) and not _is_any(code):
            table = window_table(code, low, high)
            alive = arena.append("alive", L_LIVE=table.ravel())
        leaf = arena.append(
            "leaf", L_START=[start], L_ENCODING=[encoding], L_LOW=[low], L_HIGH=[-1 if high is None else high],
            L_CUT0=[cut], L_CUTS=[len(code.cuts)], L_ALIVE=[alive], L_TWIN=[0], L_SIZE=[len(code.code)],
            L_WORDS=[0], L_PLAIN=[arena["leaf"]], L_FREE=[0], L_UNBOUNDED=[0],
        )  # fmt: skip
        longest = max(len(code.code) + 2, arena["leafcode"])
        while len(arena.array("X_SET")) < longest:
            arena.grow(V.n["scratch"])
        return leaf


def _alive(index: weakref.ref[VocabularyIndex]) -> VocabularyIndex:
    found = index()
    assert found is not None, "its arena is used by automata, which hold it"
    return found


def _is_any(code: LeafCode) -> bool:
    """Is the program a single class repeated (X*)? Then any window can be met as long as it is not exceeded."""
    return len(code.code) == 8 and code.code[0] == L_SPLIT and code.code[3] == L_CLASS and code.code[5:7] == [L_JUMP, 0]


def _relocate(code: list[int], start: int, sets: int, width: int) -> list[int]:
    """Absolute addresses, and class sets as offsets into ``L_IN``."""
    out = list(code)
    pc = 0
    while pc < len(code):
        op = code[pc]
        if op == L_CLASS:
            out[pc + 1] = sets + code[pc + 1] * width
        elif op == L_JUMP:
            out[pc + 1] = start + code[pc + 1]
        elif op == L_SPLIT:
            out[pc + 1], out[pc + 2] = start + code[pc + 1], start + code[pc + 2]
        pc += _LENGTH[op]
    return out


_LENGTH = {L_MATCH: 1, L_CLASS: 2, L_JUMP: 2, L_SPLIT: 3}


def window_table(code: LeafCode, low: int, high: int | None) -> Any:
    """``table[n, pc]``: with n symbols read, can the instruction still lead to a match with low..high symbols?

    (min(high, ...) + 1, len(code)) uint8. Recursion from the last row back: a match counts when n >= low, a class
    when something it leads to is alive in row n + 1. Without ``high``, row ``low`` is all ones (n is clamped there).
    """
    last = low if high is None else high
    size = len(code.code)
    if (last + 1) * size > MAX_ALIVE:
        raise LimitExceeded(
            "length bound times size of a pattern", (last + 1) * size, MAX_ALIVE, "lower the bound or drop the pattern"
        )
    waiting, following = _follow_matrix(code.code)
    matches = np.array([code.code[pc] == L_MATCH for pc in waiting])
    table = np.zeros((last + 1, size), np.uint8)
    row = np.full(len(waiting), high is None)  # after ``last`` symbols: nothing more, or anything
    n = last + 1
    while n > 0:
        n -= 1
        before, row = row, following[:, row].any(axis=1)
        row[matches] = n >= low
        if n == last and high is None:
            row[:] = True
        table[n, waiting] = row
        if n < last and (n >= low or n + 1 < low) and np.array_equal(row, before):
            end = low if n >= low else 0  # so far nothing changes any more
            table[end:n, waiting] = row
            n = end
    return table


def _follow_matrix(code: list[int]) -> tuple[Any, Any]:
    """The class and match instructions; which of them can come after which (boolean, square; none after a match)."""
    waiting = []
    pc = 0
    while pc < len(code):
        if code[pc] in (L_CLASS, L_MATCH):
            waiting.append(pc)
        pc += _LENGTH[code[pc]]
    if len(waiting) ** 2 > MAX_ALIVE:
        raise LimitExceeded("size of a pattern with a length bound", len(waiting), int(MAX_ALIVE**0.5))
    number = {pc: i for i, pc in enumerate(waiting)}
    following = np.zeros((len(waiting), len(waiting)), bool)
    for pc in waiting:
        if code[pc] == L_CLASS:
            following[number[pc], [number[after] for after in closure(code, [pc + 2])]] = True
    return np.array(waiting), following


def _unspellable(missing: frozenset[int]) -> _rx.Ranges:
    """Code points whose UTF-8 form needs a byte that no token has. Bytes that UTF-8 never uses do not count."""
    ranges = [(byte, byte) for byte in missing if byte < 0x80]
    if missing.issuperset(range(0x80, 0xC0)):  # small vocabularies: nothing beyond ASCII can be spelled
        return _rx.merge_ranges([*ranges, *((max(low, 0x80), high) for low, high in _rx.ANY_CHAR.ranges)])  # type: ignore[attr-defined]
    if any(0x80 <= byte < 0xC0 for byte in missing):  # a continuation byte: rare, and it has no simple form
        every = (code for low, high in _rx.ANY_CHAR.ranges for code in range(low, high + 1))  # type: ignore[attr-defined]
        return _rx.merge_ranges((code, code) for code in every if not missing.isdisjoint(chr(code).encode()))
    for first, last, shift, base in ((0xC2, 0xDF, 6, 0xC0), (0xE0, 0xEF, 12, 0xE0), (0xF0, 0xF4, 18, 0xF0)):
        leads = (byte - base for byte in missing if first <= byte <= last)
        ranges += [(lead << shift, min((lead + 1) << shift, _rx.MAX_CODE_POINT + 1) - 1) for lead in leads]
    return _rx.merge_ranges(ranges)


def _missing_bytes(vocabulary: Vocabulary) -> frozenset[int]:
    return frozenset(range(256)) - set(np.unique(vocabulary.packed.data).tolist())


def _is_incomplete(vocabulary: Vocabulary, missing: frozenset[int]) -> bool:
    """Are there bytes that only longer tokens contain? Only then can it be impossible to go on (``DeadEnd``)."""
    packed = vocabulary.packed
    single = np.unique(packed.data[packed.starts[:-1][packed.lengths == 1]])
    return len(single) + len(missing) < 256
