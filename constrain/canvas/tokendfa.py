"""A byte automaton read token by token, with what may stand behind the end of the text.

Tokens that lead every state to the same state are the same for every canvas, so a vocabulary falls into few *classes*:
166 of 151,643 tokens for a JSON record of four fields. They are elements of the automaton's transition monoid
(Rabin and Scott 1959), found by one walk of the trie, in which each class is extended by each kind of byte once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from constrain.bits import from_ids, word_count
from constrain.canvas.base import Ending
from constrain.canvas.bytesets import EMPTY, NOWHERE, ByteDfa, of_literal
from constrain.canvas.symbols import Normal
from constrain.vocab.trie import Trie, build_trie
from constrain.vocab.vocabulary import Vocabulary

Ints = npt.NDArray[np.int32]
Pairs = tuple[Ints, Ints]  # states, ascending, and where they lead to
NONE = -1
NEVER = np.iinfo(np.int32).max
LARGE = 4  # words of a mask that are joined in the time in which one bit is set


def regular_language(normal: Normal) -> ByteDfa | None:
    """The automaton of a normal form that is one terminal, or the empty text; ``None`` if it is more than that."""
    if normal.pairs or len(normal.terminals) > 1:
        return None
    dfa = normal.terminals[0] if normal.terminals else EMPTY
    if not normal.accepts_empty:
        return dfa
    if dfa.is_empty:
        return of_literal(b"")
    later = np.where(dfa.step == NOWHERE, NOWHERE, dfa.step + 1).astype(np.int32)
    return ByteDfa(np.vstack((later[:1], later)), np.append(True, dfa.accepts))  # a start that nothing comes back to


class Segments(NamedTuple):
    """Things in an order in which those with the same key are together: key ``keys[k]`` from ``starts[k]`` on."""

    order: npt.NDArray[np.intp]
    keys: Ints
    starts: npt.NDArray[np.intp]


class TokenDfa:
    """A regular language over tokens and ends: what ``RegularCanvas`` needs to know, made once. Not to be changed.

    States are those of the byte automaton, 0 the start, and ``done``, behind the first end. ``class_of[t]`` is the
    class of a token, NONE if it is good for nothing. Class c leads ``source[k]`` to ``target[k]`` for k from
    ``first[c]`` to ``first[c + 1]``, sources ascending. ``final``: where a canvas may be full.
    """

    def __init__(self, dfa: ByteDfa, vocabulary: Vocabulary, ending: Ending) -> None:
        _check(ending, vocabulary)
        self.vocabulary, self.ending = vocabulary, ending
        self.states, self.done = len(dfa.accepts) + 1, len(dfa.accepts)
        self.final = np.append(dfa.accepts & (not ending.required), True)
        self._number(*_with_ending(dfa, *text_classes(dfa, vocabulary), ending))
        self._join()

    def _number(self, class_of: Ints, classes: list[Pairs]) -> None:
        """Classes that have tokens, in the order of their lowest."""
        used, lowest, again = np.unique(class_of, return_index=True, return_inverse=True)
        order = np.argsort(np.where(used == NONE, NEVER, lowest))
        number = np.empty(len(used), np.int32)
        number[order] = np.arange(len(used))
        number[used == NONE] = NONE
        self.class_of: Ints = number[again.ravel()]
        kept = [classes[c] for c in used[order] if c != NONE]
        self.classes = len(kept)
        self.first: Ints = np.cumsum([0, *(len(s) for s, _ in kept)]).astype(np.int32)
        self.source: Ints = np.concatenate([np.empty(0, np.int32), *(s for s, _ in kept)])
        self.target: Ints = np.concatenate([np.empty(0, np.int32), *(t for _, t in kept)])

    def _join(self) -> None:
        """Edges: pairs of states with the classes that lead from one to the other, equal sets of classes once."""
        owner = np.repeat(np.arange(self.classes, dtype=np.int32), np.diff(self.first))
        order = np.lexsort((owner, self.source, self.target))
        source, target, owner = self.source[order], self.target[order], owner[order]
        fresh = np.append(True, (np.diff(source) != 0) | (np.diff(target) != 0))[: len(order)]
        starts = np.flatnonzero(fresh)
        self.edge_source, self.edge_target = source[starts], target[starts]
        groups: dict[bytes, int] = {}
        keys = [owner[low:high].tobytes() for low, high in pairwise([*starts.tolist(), len(owner)])]
        self.edge_group: Ints = np.array([groups.setdefault(key, len(groups)) for key in keys], np.int32)
        members = [np.frombuffer(key, np.int32) for key in groups]
        self.group_first: Ints = np.cumsum([0, *map(len, members)]).astype(np.int32)
        self.group_class: Ints = np.concatenate([np.empty(0, np.int32), *members])

    # ---- tokens ----------------------------------------------------------------------------------------------

    @cached_property
    def tokens(self) -> Ints:
        """All tokens that are good for something, by class, ascending within each."""
        order = np.argsort(self.class_of, kind="stable").astype(np.int32)
        return order[int((self.class_of == NONE).sum()) :]

    @cached_property
    def token_first(self) -> Ints:
        """Class c has ``tokens[token_first[c] : token_first[c + 1]]``."""
        counts = np.bincount(self.class_of[self.class_of != NONE], minlength=self.classes)
        return np.cumsum(np.append(0, counts)).astype(np.int32)

    @cached_property
    def bins(self) -> npt.NDArray[np.int64]:
        """(width,): the class of each token, and ``classes`` where it has none."""
        return np.where(self.class_of == NONE, self.classes, self.class_of).astype(np.int64)

    @cached_property
    def large(self) -> tuple[Ints, Ints]:
        """(numbers, rows): of classes with so many tokens that a row of bits is faster than setting one by one.

        ``numbers`` (classes,): which row is a class's, NONE for none; ``rows`` (count, vocabulary.words).
        """
        words = self.vocabulary.words
        chosen = np.flatnonzero(np.diff(self.token_first) > words // LARGE)
        numbers = np.full(self.classes, NONE, np.int32)
        numbers[chosen] = np.arange(len(chosen))
        rows = [from_ids(self.tokens_of(number).astype(np.int64), 32 * words) for number in chosen]
        return numbers, np.concatenate([np.empty(0, np.int32), *rows])

    def tokens_of(self, number: int) -> Ints:
        """The tokens of a class, ascending."""
        return self.tokens[self.token_first[number] : self.token_first[number + 1]]

    # ---- edges -----------------------------------------------------------------------------------------------

    def pairs(self, number: int) -> Pairs:
        """What a class does."""
        here = slice(self.first[number], self.first[number + 1])
        return self.source[here], self.target[here]

    def group(self, number: int) -> Ints:
        """The classes of a group."""
        return self.group_class[self.group_first[number] : self.group_first[number + 1]]

    @cached_property
    def target_first(self) -> Ints:
        """The edges to state r are those from ``target_first[r]`` to before ``target_first[r + 1]``."""
        return np.cumsum(np.append(0, np.bincount(self.edge_target, minlength=self.states))).astype(np.int32)

    @cached_property
    def edges_by_target(self) -> Segments:
        """Edges are in this order."""
        return _segments(self.edge_target)

    @cached_property
    def edges_by_source(self) -> Segments:
        """Edges with the same source together."""
        return _segments(self.edge_source)

    @cached_property
    def edges_by_group(self) -> Segments:
        """Edges with the same group together: all groups."""
        return _segments(self.edge_group)

    @cached_property
    def groups_by_class(self) -> Segments:
        """``order``: for each class the groups that have it; all classes."""
        owner = np.repeat(np.arange(len(self.group_first) - 1), np.diff(self.group_first))
        found = _segments(self.group_class)
        return found._replace(order=owner[found.order])

    # ---- edges for kernels -----------------------------------------------------------------------------------

    @cached_property
    def words(self) -> int:
        """Words of a row of states."""
        return word_count(self.states)

    @cached_property
    def rows_after(self) -> Ints:
        """(states, words): the states that an open slot may lead to."""
        return _rows(self.edge_source, self.edge_target, self.states)

    @cached_property
    def rows_before(self) -> Ints:
        """(states, words): the states that it may come from."""
        return _rows(self.edge_target, self.edge_source, self.states)

    @cached_property
    def spans_after(self) -> Ints:
        """(states, 2): the words from the first to behind the last that are not 0 in ``rows_after``."""
        return _spans(self.rows_after)

    @cached_property
    def spans_before(self) -> Ints:
        """The same of ``rows_before``."""
        return _spans(self.rows_before)

    @cached_property
    def successors(self) -> tuple[Ints, Ints, Ints]:
        """(first, state, token): where each state leads, and the lowest token that does; nearest to the end first."""
        near = self.remaining[self.edge_target].astype(np.int64) * 2 + (self.edge_target != self.done)
        lowest = self.tokens[self.token_first[self.group_class[self.group_first[self.edge_group]]]]
        order = np.lexsort((lowest, near, self.edge_source))
        counts = np.bincount(self.edge_source, minlength=self.states)
        return np.cumsum(np.append(0, counts)).astype(np.int32), self.edge_target[order], lowest[order]

    @cached_property
    def tables(self) -> tuple[Ints, ...]:
        """What kernels want to know of edges and classes, in their order, flattened."""
        rows = (self.rows_after, self.spans_after, self.rows_before, self.spans_before)
        return (*(table.reshape(-1) for table in rows), *self.successors, self.first, self.source, self.target)

    @cached_property
    def remaining(self) -> Ints:
        """(states,): the fewest tokens to where a canvas may be full; NEVER if no tokens of the vocabulary do."""
        found = np.where(self.final, 0, NEVER).astype(np.int32)
        front, distance = self.final, 0
        while front.any():
            distance += 1
            reached = np.zeros(self.states, np.bool_)
            reached[self.edge_source[front[self.edge_target]]] = True
            front = reached & (found == NEVER)
            found[front] = distance
        return found


def text_classes(dfa: ByteDfa, vocabulary: Vocabulary) -> tuple[Ints, list[Pairs]]:
    """(width,): the class of each token, NONE for none; and what each class does. Some classes may have no tokens.

    Level by level down the trie, so that all nodes of a level are looked up at once.
    """
    trie = build_trie(vocabulary)
    _, representatives, kinds = np.unique(dfa.step, axis=1, return_index=True, return_inverse=True)
    columns, kinds = dfa.step[:, representatives], kinds.ravel()
    everything = np.arange(len(dfa.accepts), dtype=np.int32)
    found = _Interned()
    at_node = np.full(len(trie.byte), NONE, np.int32)
    at_node[0] = found.number(everything, everything)
    known: dict[int, int] = {}
    level = np.zeros(1, np.int32)
    while len(level):
        kids, parents = _children(trie, level)
        keys, again = np.unique(
            at_node[parents].astype(np.int64) * len(representatives) + kinds[trie.byte[kids]], return_inverse=True
        )
        for key in keys.tolist():
            if key not in known:
                known[key] = found.extended(key // len(representatives), columns[:, key % len(representatives)])
        at_node[kids] = np.array([known[key] for key in keys.tolist()], np.int32)[again.ravel()]
        level = kids[at_node[kids] != NONE]
    class_of = np.full(vocabulary.width, NONE, np.int32)
    class_of[trie.ids] = np.repeat(at_node, np.diff(trie.token0))
    return class_of, found.pairs


class _Interned:
    """Classes, each once."""

    def __init__(self) -> None:
        self.pairs: list[Pairs] = []
        self.numbers: dict[tuple[bytes, bytes], int] = {}

    def number(self, source: Ints, target: Ints) -> int:
        """The number of a class; NONE if it does nothing."""
        if not len(source):
            return NONE
        number = self.numbers.setdefault((source.tobytes(), target.tobytes()), len(self.pairs))
        if number == len(self.pairs):
            self.pairs.append((source, target))
        return number

    def extended(self, number: int, column: Ints) -> int:
        """A class and then a byte that leads state s to ``column[s]``."""
        source, middle = self.pairs[number]
        target = column[middle]
        alive = target != NOWHERE
        return self.number(source[alive], target[alive])


def _children(trie: Trie, nodes: Ints) -> tuple[Ints, Ints]:
    """All children of some nodes, and the parent of each."""
    counts = trie.kid0[nodes + 1] - trie.kid0[nodes]
    parents = np.repeat(nodes, counts)
    offsets = np.arange(len(parents)) - np.repeat(np.cumsum(counts) - counts, counts)
    return trie.kid[trie.kid0[parents] + offsets], parents


def _with_ending(dfa: ByteDfa, class_of: Ints, classes: list[Pairs], ending: Ending) -> tuple[Ints, list[Pairs]]:
    """With the classes of ends, which are never text, and of padding, which may be text as well."""
    done = np.array([len(dfa.accepts)], np.int32)
    class_of, classes = class_of.copy(), list(classes)
    accepting = np.flatnonzero(dfa.accepts).astype(np.int32)
    classes.append((np.append(accepting, done), np.append(np.full(len(accepting), done, np.int32), done)))
    class_of[_as_array(ending.ends)] = len(classes) - 1
    padding = _as_array(ending.padding - ending.ends)
    for number in np.unique(class_of[padding]):
        source, target = classes[number] if number != NONE else (done[:0], done[:0])
        classes.append((np.append(source, done), np.append(target, done)))
        class_of[padding[class_of[padding] == number]] = len(classes) - 1
    return class_of, classes


def _as_array(ids: Iterable[int]) -> Ints:
    return np.array(sorted(ids), np.int32)


def _check(ending: Ending, vocabulary: Vocabulary) -> None:
    outside = sorted(token for token in ending.behind if not 0 <= token < vocabulary.width)
    if outside:
        raise ValueError(f"ends and padding must be ids of a vocabulary of width {vocabulary.width}, not {outside}")
    if ending.required and not ending.ends:
        raise ValueError("an end is required, but there are no ends: give ends, or required=False")


def _segments(keys: Ints) -> Segments:
    order = np.argsort(keys, kind="stable")
    distinct, starts = np.unique(keys[order], return_index=True)
    return Segments(order, distinct, starts)


def _rows(sources: Ints, targets: Ints, states: int) -> Ints:
    flags = np.zeros((states, 32 * word_count(states)), np.uint8)
    flags[sources, targets] = 1
    return np.packbits(flags, axis=1, bitorder="little").view("<i4").astype(np.int32)


def _spans(rows: Ints) -> Ints:
    some = rows != 0
    low = np.where(some.any(axis=1), some.argmax(axis=1), 0)
    high = np.where(some.any(axis=1), rows.shape[1] - some[:, ::-1].argmax(axis=1), 0)
    return np.ascontiguousarray(np.column_stack((low, high)), np.int32)
