"""``score``: the probabilities of texts that come from elsewhere, in one forward pass; the trie learns them too."""

from __future__ import annotations

from collections.abc import Sequence

from constrain.sampling.lm.model import Request
from constrain.sampling.trie import DEAD, Law, Node, Trie

Tokens = tuple[int, ...]

MOST_NUMBERS = 1 << 25  # of laws held at once: 256 MB


def score(trie: Trie, texts: Sequence[Tokens]) -> list[tuple[float, float]]:
    """For each text (ids, with its end of sequence) ``log P`` and the log probability with which masking draws it.

    Both ``-inf`` where the text is not wanted, or the model cannot write it.
    """
    for part in _parts(trie, texts):
        _learn(trie, part)
    return [_read(trie, text) for text in texts]


def _parts(trie: Trie, texts: Sequence[Tokens]) -> list[list[Tokens]]:
    """Distinct texts, so many together as memory allows, one at least."""
    parts: list[list[Tokens]] = []
    room = 0
    for text in dict.fromkeys(texts):
        size = len(text) * trie.model.width
        if not parts or size > room:
            parts.append([])
            room = MOST_NUMBERS
        parts[-1].append(text)
        room -= size
    return parts


def _learn(trie: Trie, texts: Sequence[Tokens]) -> None:
    """Give all nodes on the way their laws."""
    pending = [(node, text) for text in texts if (node := _descend(trie, text)).law is None and _goes_on(node)]
    if not pending:
        return
    laws = trie.model.laws([Request(text[: node.depth], text[node.depth : -1]) for node, text in pending])
    for (node, text), rows in zip(pending, laws, strict=True):
        end = node
        for token, row in zip(text[node.depth :], rows, strict=True):
            if end.law is None:
                ids = trie.allowed(end)
                trie.give(end, Law(ids, row[ids]))
            following = _child(trie, end, token)
            if following is None or not _goes_on(following):
                break
            end = following
        trie.settle(end)


def _descend(trie: Trie, text: Tokens) -> Node:
    """The last node on the way that is known."""
    node = trie.root
    for token in text:
        trie.knows(node)  # what was foreseen is taken up
        following = _child(trie, node, token)
        if following is None:
            break
        node = following
    return node


def _read(trie: Trie, text: Tokens) -> tuple[float, float]:
    node, log_mask = trie.root, 0.0
    steps: list[float] = []
    for token in text:
        following = _child(trie, node, token)
        if node.law is None or following is None or following.bound == DEAD:
            return DEAD, DEAD
        steps.append(following.log_p)
        log_mask += following.log_p - node.law.log_mass
        node = following
    return sum(steps), log_mask


def _child(trie: Trie, node: Node, token: int) -> Node | None:
    """The node after ``token``; ``None`` where the law gives it no probability, or is not known."""
    if node.law is None or not node.law.holds(token) or node.law.probability(token) == DEAD:
        return None
    return trie.child(node, token)


def _goes_on(node: Node) -> bool:
    return not node.ended and node.bound > DEAD
