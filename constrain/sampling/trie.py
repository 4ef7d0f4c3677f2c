"""The weighted trie: what is known about each prefix, and a bound on the probability that a wanted text follows it.

A node ``u`` is a token prefix. Once a model has been asked, it has the *law* of the tokens that may follow. Its bound
``S(u)`` is never less than ``c(u)``, the probability that a wanted text follows ``u``: 1 before anything is known, and
then ``sum_a p(a|u) S(ua)`` over the tokens that the target allows. Adaptive sampling with approximate expected futures
(Park et al., *Grammar-Aligned Decoding*, 2024), adaptive rejection (Parys et al., *Constrained Adaptive Rejection
Sampling*, 2025) and importance sampling all read the same trie; they differ in how a walk goes down it (``walk.py``).

Everything is a natural logarithm in float64. Sums are made anew whenever a term changes, never by subtraction.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import takewhile
from math import inf, isnan

import numpy as np

from constrain.sampling.lm.model import LanguageModel, Laws, Request
from constrain.sampling.masses import Floats, Masses, log_add, log_sum
from constrain.sampling.target import Ids, Target

DEAD = -inf
BELOW_ONE = 1.0 - 2.0**-53
BYTES_OF_NODE = 400  # measured, as the two below: to a third either way of what is allocated
BYTES_OF_LAW = 2000  # objects, and a block of masses from which something was taken
BYTES_OF_TOKEN = 20  # an id, a logarithm and a mass
SLACK = 1e-4  # by which the probabilities of a law may sum to more than one: single precision, many tokens


class Law:
    """The tokens that may follow a node, with the model's probabilities; those that have a node of their own apart.

    ``ids`` int32 ``[n]``, ascending. ``log_p`` float64 ``[n]``. A change to a child's bound costs the number of
    children; a new child ``n / 256`` besides.
    """

    __slots__ = ("_bound", "_open", "_size", "_weights", "children", "ids", "log_mass", "log_p", "places")

    def __init__(self, ids: Ids, log_p: Floats) -> None:
        self.ids = ids
        self.log_p = log_p
        self.children: dict[int, Node] = {}
        self.places: list[Node] = []  # children in the order in which they came
        self._open = Masses(log_p)  # tokens without a node, whose bound is 1
        self._weights = np.empty(4)  # log p(a) + log S(ua) of children, in their order
        self._size = 0
        self.log_mass = self._open.log_all  # the mass that masking leaves: log Z_u
        self._bound: float | None = None  # remembered until a child changes
        if isnan(self.scaled[0]) or self.log_mass > SLACK:
            raise ValueError(
                f"a model's law must be natural logarithms of probabilities, which sum to at most 1: these sum to "
                f"{np.exp(log_p).sum():.6g} (nan: the model has computed something that is no number)"
            )

    @property
    def scaled(self) -> tuple[float, Floats]:
        """The largest of ``log_p``, and all masses relative to it ``[n]``: not to be changed."""
        return self._open.scaled

    @property
    def bytes(self) -> int:
        """About how much memory it takes, its children apart."""
        return BYTES_OF_LAW + BYTES_OF_TOKEN * len(self.ids)

    def holds(self, token: int) -> bool:
        """May ``token`` follow?"""
        place = int(self.ids.searchsorted(token))
        return place < len(self.ids) and int(self.ids[place]) == token

    def probability(self, token: int) -> float:
        """``log p(token)``; ``token`` must be allowed."""
        return float(self.log_p[self.ids.searchsorted(token)])

    def add(self, child: Node) -> None:
        """Take in a new child."""
        self._open.take(int(self.ids.searchsorted(child.token)))
        if self._size == len(self._weights):
            self._weights = np.concatenate([self._weights, np.empty(self._size)])
        child.place = self._size
        self._size += 1
        self.children[child.token] = child
        self.places.append(child)
        self.note(child)

    def note(self, child: Node) -> None:
        """A child's bound has changed."""
        self._weights[child.place] = child.log_p + child.bound
        self._bound = None

    def bound(self) -> float:
        """``log sum_a p(a) S(a)``, at most 0."""
        if self._bound is None:
            self._bound = min(log_add(self._open.log_total, log_sum(self._weights[: self._size])), 0.0)
        return self._bound

    def draw(self, uniform: float) -> int:
        """A token with probability proportional to ``p(a) S(a)``. ``uniform`` lies in [0, 1); one must be possible.

        By inversion: children come first, in their order, then the others.
        """
        masses = np.exp(self._weights[: self._size] - self.bound()).cumsum()
        mass = float(masses[-1]) if self._size else 0.0
        if uniform < mass:
            return self.places[int(masses.searchsorted(uniform, side="right"))].token
        if self._open.log_total == DEAD:  # rounding has left a little beyond the last child
            return self.places[int(self._weights[: self._size].argmax())].token
        return int(self.ids[self._open.draw(min((uniform - mass) / max(1.0 - mass, 1e-300), BELOW_ONE))])

    def draw_masked(self, uniform: float) -> int:
        """A token with probability proportional to ``p(a)``: the same for the same uniform, whatever was visited."""
        return int(self.ids[self._open.draw_any(uniform)])


class Node:
    """A prefix. ``bound`` is ``log S``; ``law`` is ``None`` until a model was asked; ``ended``: a whole text."""

    __slots__ = ("bound", "depth", "ended", "foreseen", "law", "log_p", "parent", "place", "stamp", "state", "token")

    def __init__(self, parent: Node | None, token: int, log_p: float, state: Hashable, ended: bool = False) -> None:
        self.parent = parent
        self.token = token
        self.log_p = log_p  # log p(token | parent)
        self.state = state
        self.depth: int = 0 if parent is None else parent.depth + (not ended)
        self.ended = ended
        self.bound = 0.0
        self.law: Law | None = None
        self.foreseen: Law | None = None  # a law that came with another's, not used yet
        self.place = 0  # among the parent's children
        self.stamp = 0  # when it was last visited

    def tokens(self) -> tuple[int, ...]:
        """The ids from the root to this node, the end of sequence included where it has one."""
        ids = [node.token for node in self.lineage() if node.parent is not None]
        return tuple(reversed(ids))

    def lineage(self) -> Iterator[Node]:
        """This node, its parent, and so on to the root."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent


class Trie:
    """Nodes for the prefixes that were visited, under one model and one target.

    ``max_bytes`` bounds the memory of laws: what was not visited for longest is forgotten by ``shrink``, and what
    it taught with it: bounds rise again, and stay bounds.
    """

    def __init__(self, model: LanguageModel, target: Target, max_bytes: int = 1 << 30) -> None:
        if model.width < target.vocabulary.width and max(target.vocabulary.eos) >= model.width:
            raise ValueError(
                f"the model's laws have {model.width} entries, the vocabulary's end of sequence is "
                f"{max(target.vocabulary.eos)}: this is another model's vocabulary"
            )
        self.model = model
        self.target = target
        self.max_bytes = max_bytes
        self.bytes = 0
        self.clock = 0
        self.root = self._node(None, -1, 0.0, target.automaton.start())
        self.lowest = 0.0  # the least log S(root) ever: an upper bound on log Z

    # ---- growing -------------------------------------------------------------------------------------------

    def expand(self, nodes: Iterable[Node]) -> None:
        """Give each node its law and its bound, all in one call of the model (none if nothing has to be asked).

        Ancestors keep their bounds until ``settle`` is called.
        """
        fresh = {id(node): node for node in nodes if node.law is None and node.bound > DEAD and not node.ended}
        asked: list[tuple[Node, Ids, tuple[int, ...]]] = []
        for node in fresh.values():
            if node.foreseen is not None:
                self.give(node, node.foreseen)
                continue
            ids = self.allowed(node)
            if len(ids):
                asked.append((node, ids, self._ahead(node, len(ids))))
            else:
                self.lower(node, DEAD)
        if asked:
            laws = self.model.laws([Request(node.tokens(), ahead) for node, _, ahead in asked])
            for (node, ids, ahead), rows in zip(asked, laws, strict=True):
                self.give(node, Law(ids, rows[0][ids]))
                self._foresee(node, ahead, rows[1:])

    def knows(self, node: Node) -> bool:
        """Is a node's law at hand, or nothing wanted below it, without a call of the model?"""
        if node.law is None and node.foreseen is not None:
            self.expand([node])
        return node.law is not None or node.bound == DEAD

    def child(self, node: Node, token: int) -> Node:
        """The node after a token that ``node``'s law allows; made, and asked about, when it is first wanted."""
        law = _known(node)
        found = law.children.get(token)
        return found if found is not None else self._explore(node, law, token)

    def give(self, node: Node, law: Law) -> None:
        """Give a node its law, of exactly the tokens in ``allowed(node)``."""
        if law is not node.foreseen:
            self.bytes += law.bytes
        node.law, node.foreseen = law, None
        self.lower(node, law.bound())

    def settle(self, node: Node) -> None:
        """Bring the bounds from ``node`` up to the root in line with what lies below them."""
        for each in node.lineage():
            if each.law is not None:
                self.lower(each, each.law.bound())
        self.lowest = min(self.lowest, self.root.bound)

    def lower(self, node: Node, bound: float) -> None:
        """Lower a node's bound, unless it is lower; its parent's law knows at once."""
        if bound < node.bound:
            node.bound = bound
            self.note(node)

    def note(self, node: Node) -> None:
        """Tell a node's parent that its bound has changed."""
        if node.parent is not None:
            _known(node.parent).note(node)

    def _explore(self, node: Node, law: Law, token: int) -> Node:
        ended = token in self.target.vocabulary.eos
        state = node.state if ended else self.target.advance(node.state, token)
        child = self._node(node, token, law.probability(token), state, ended)
        if not self._may_be_wanted(child):
            child.bound = DEAD
        law.add(child)
        return child

    def _may_be_wanted(self, node: Node) -> bool:
        text = self.text(node) if self.target.predicate is not None else b""
        return self.target.may_end(text) if node.ended else self.target.may_go_on(node.state, node.depth, text)

    def _foresee(self, node: Node, ahead: Sequence[int], rows: Laws) -> None:
        """Keep the laws of forced text for when it is visited: until then they change no bound, so that the first
        draws of adaptive samplers are what their papers say."""
        for token, row in zip(ahead, rows, strict=True):
            law = node.law or node.foreseen
            if law is None or not law.holds(token):
                return
            node = law.children.get(token) or self._explore(node, law, token)
            if node.bound == DEAD or node.law is not None or node.foreseen is not None:
                return
            ids = self.allowed(node)
            if not len(ids):
                return
            node.foreseen = Law(ids, row[ids])
            self.bytes += node.foreseen.bytes

    def _node(self, parent: Node | None, token: int, log_p: float, state: Hashable, ended: bool = False) -> Node:
        self.bytes += BYTES_OF_NODE
        return Node(parent, token, log_p, state, ended)

    # ---- looking -------------------------------------------------------------------------------------------

    def allowed(self, node: Node) -> Ids:
        """The ids that may follow a node, ascending, as far as the model knows them."""
        ids = self.target.allowed(node.state, node.depth)
        return ids if not len(ids) or int(ids[-1]) < self.model.width else ids[ids < self.model.width]

    def _ahead(self, node: Node, allowed: int) -> tuple[int, ...]:
        """Tokens that are likely to come next, as far as the model knows them."""
        return tuple(
            takewhile(lambda token: token < self.model.width, self.target.ahead(node.state, node.depth, allowed))
        )

    def text(self, node: Node) -> bytes:
        """The bytes of a prefix."""
        return self.target.vocabulary.decode(node.tokens())

    def nodes(self) -> Iterator[Node]:
        """All nodes, parents first."""
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            yield node
            if node.law is not None:
                waiting += reversed(node.law.places)

    def touch(self, node: Node) -> None:
        """Note that a node was visited now."""
        self.clock += 1
        node.stamp = self.clock

    # ---- forgetting ----------------------------------------------------------------------------------------

    def shrink(self) -> bool:
        """Forget half of what is held if it is more than ``max_bytes``: first what was not visited for longest.

        Only while no walk is under way: bounds rise, and a walk relies on those that it has read. (A bound that was
        learnt below a node cannot be kept without the node's law: nothing could be drawn under it.)
        """
        if self.bytes <= self.max_bytes:
            return False
        expanded = sorted((node for node in self.nodes() if node.law is not None), key=lambda node: node.stamp)
        for node in expanded:
            if node.law is not None and node.parent is not None and self.bytes > self.max_bytes // 2:
                self._forget(node)
        for node in reversed(list(self.nodes())):
            if node.law is not None:
                node.bound = node.law.bound()
            self.note(node)
        return True

    def _forget(self, node: Node) -> None:
        """The node's law and all below it; its bound becomes the mass that its mask leaves, as when it was met."""
        law = _known(node)
        below = [node]
        while below:
            each = below.pop()
            held = each.law or each.foreseen
            if held is not None:
                below += held.places
                self.bytes -= held.bytes + BYTES_OF_NODE * len(held.places)
                each.law = each.foreseen = None
        node.bound = min(law.log_mass, 0.0)


def _known(node: Node) -> Law:
    if node.law is None:
        raise ValueError("this node has no law yet: expand it first")
    return node.law
