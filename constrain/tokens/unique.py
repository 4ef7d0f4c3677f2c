"""Masks of bags, made exact: no token may write a word that must not be written.

A mask is filled without following words (``kernels/walk.py``), so it may hold too many tokens. The kernel lists where
words that might be barred are read: the stack above which the leaf stands, and the trie node. For each spelling of a
barred word that tokens contain, what comes after its end is filled in anew, from the state that an exact step
reaches. So is what follows a word that has ended inside the token and, where words can be used up, each beginning of
a barred word. Nearly always there is no such spelling, and the mask is exact as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from constrain.kernels.clear import clear_below
from constrain.tokens.base import Words
from constrain.tokens.memories import Memories
from constrain.tokens.places import Trie

if TYPE_CHECKING:
    from constrain.tokens.pushdown import PushdownAutomaton


def mend_mask(automaton: PushdownAutomaton, state: int, words: Words, depth: int = 0) -> None:
    """Take out of ``words`` what the suspicions of the last ``fill_mask`` do not allow.

    ``depth``: how many bytes of each token have led to ``state``.
    """
    suspects = {text: node for node, text in _suspects(automaton)}
    last: bytes | None = None
    for text in sorted(suspects):
        if len(text) <= depth or (last is not None and text.startswith(last)):
            continue  # read already; or filled in anew with an earlier one
        last, node = text, suspects[text]
        clear_below(automaton.index.table, node, words)
        after = automaton.advance_bytes(state, text[depth:])
        if after is not None and automaton.fill_below(after, node, words):
            mend_mask(automaton, after, words, len(text))


def _suspects(automaton: PushdownAutomaton) -> Iterator[tuple[int, bytes]]:
    """Trie nodes, with the bytes that lead there, at and after which the mask may be wrong."""
    arena, trie = automaton.arena, automaton.index.trie
    nodes, memories = arena.array("Y_NODE"), arena.array("Y_MEMORY")
    pairs = [(int(nodes[i]), int(memories[i])) for i in range(arena["suspicion"])]
    for node, memory in pairs:
        for place in trie.members(node):
            for end, data in _places(automaton.memories, trie, memory, place):
                yield end, trie.path(place) + data


def _places(memories: Memories, trie: Trie, memory: int, node: int) -> Iterator[tuple[int, bytes]]:
    """Where below a trie node the word of a memory may be barred."""
    word = memories.word(memory)
    if word is None:
        yield node, b""
        return
    for rest in word.rests:
        yield from trie.ends(node, rest, word.begun, word.encoding)
        if word.is_tight:
            yield from trie.next_bytes(node, rest, word.begun, word.encoding)
