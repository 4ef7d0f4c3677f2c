"""A trie's heaviest branches, as a tree small enough to be read: chains merged, the rest summed up, dead parts marked.

``heaviest`` chooses and merges; ``outline`` writes lines for a terminal; ``pictures.py`` draws the same tree.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from math import exp, inf, log
from typing import Literal

import numpy as np

from constrain.places import printable
from constrain.sampling.masses import log_sum
from constrain.sampling.trie import DEAD, Node, Trie
from constrain.sampling.views.summary import probability

Kind = Literal["open", "end", "dead", "rest"]

TIPS = 16  # branches without branches of their own, in a tree that fits a page
LIGHT = 4  # what holds less than the share 1 / (4 tips) of all is not looked into, and a rest that small is left out
DEAD_TIPS = 4  # one in four tips may be a dead branch: those weigh more than anything alive
MARKS = {"open": "…", "end": "■", "dead": "✗", "rest": ""}


@dataclass
class Branch:
    """Tokens that follow each other, without a fork that is worth showing.

    ``text``    what they stand for. ``log_p``: the model's log probability of all tokens from the prompt to here.
    ``bound``   ``log S`` here: the log of what may be wanted of it, at most.
    ``kind``    ``open``: goes on, not looked at further; ``end``: a wanted text ends here; ``dead``: nothing wanted
                follows; ``rest``: ``tokens`` other tokens, summed up, whose ``bound`` is their mean.
    """

    text: str
    log_p: float
    bound: float
    kind: Kind = "open"
    tokens: int = 1
    children: list[Branch] = field(default_factory=list)

    @property
    def log_mass(self) -> float:
        """The log of the probability that the model alone comes through here to a wanted text, at most."""
        return self.log_p + self.bound

    def tips(self) -> Iterator[Branch]:
        """The branches without branches of their own, in the order in which they are drawn."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.tips()

    def label(self) -> str:
        """The text as it is shown, with a mark for how it ends."""
        return f"{self.text}{MARKS[self.kind] if not self.children else ''}"


def heaviest(trie: Trie, tips: int = TIPS) -> Branch:
    """The tree of the ``tips`` heaviest branches, children by falling weight.

    A branch weighs what it may still hold, ``P(u) S(u)``; a dead one what the model alone would waste there, ``P(u)``.
    Branches that hold next to nothing are not looked into.
    """
    if tips < 1:
        raise ValueError(f"tips must be 1 or more, not {tips}")
    if trie.root.law is None:
        raise ValueError("nothing is known of this trie yet: sample something first")
    view = _View(trie, _choose(trie, tips), trie.root.bound - log(LIGHT * tips))
    return view.branch(trie.root, 0.0)


def outline(tree: Branch) -> list[str]:
    """Lines of text: of each branch ``P`` and ``S`` of its prefix, its share of wanted text at most, and the tree."""
    lines = ["  P(prefix)  S(prefix)   share"]
    _write(tree, tree.log_mass, "", "", lines)
    return lines


# ---- choosing -------------------------------------------------------------------------------------------------------


def _choose(trie: Trie, tips: int) -> set[int]:
    """The nodes to show, by identity: heaviest first, as long as no more than ``tips`` have none below them."""
    order = count()  # nodes cannot be compared
    waiting: list[tuple[float, int, Node, float]] = [(0.0, next(order), trie.root, 0.0)]
    chosen: set[int] = set()
    forked: set[int] = set()  # nodes with a chosen child: another one is another tip
    shown, dead, least = 1, 0, trie.root.bound - log(LIGHT * tips)
    while waiting:
        _, _, node, log_p = heapq.heappop(waiting)
        more, is_dead = id(node.parent) in forked, node.bound == DEAD
        if (more and shown == tips) or (is_dead and dead >= tips // DEAD_TIPS):
            continue
        shown, dead = shown + more, dead + is_dead
        forked.add(id(node.parent))
        chosen.add(id(node))
        for child in _children(node):
            if (weight := _weight(child, log_p)) >= least:
                heapq.heappush(waiting, (-weight, next(order), child, log_p + child.log_p))
    return chosen


def _children(node: Node) -> list[Node]:
    return [] if node.law is None else node.law.places


def _weight(node: Node, log_p: float) -> float:
    return log_p + node.log_p + (node.bound if node.bound > DEAD else 0.0)


# ---- merging --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _View:
    """What is shown of a trie: the chosen nodes, and rests of more than ``least``."""

    trie: Trie
    chosen: set[int]
    least: float

    def branch(self, node: Node, log_p: float) -> Branch:
        """The branch that begins with ``node``, whose log probability is ``log_p``, and goes on to the next fork."""
        ids = [node.token] if node.parent is not None else []
        while (only := self.only_child(node, log_p)) is not None:
            node, log_p = only, log_p + only.log_p
            ids.append(node.token)
        text = printable(self.trie.target.vocabulary.decode(ids).decode("utf-8", "backslashreplace"))
        branch = Branch(text, log_p, node.bound, _kind(node), len(ids))
        if shown := self.shown(node):
            branch.children = [self.branch(child, log_p + child.log_p) for child in shown]
            branch.children.sort(key=lambda child: -child.log_mass if child.bound > DEAD else inf)
            branch.children += self.rest(node, log_p)
        return branch

    def shown(self, node: Node) -> list[Node]:
        """The chosen ones among a node's children."""
        return [child for child in _children(node) if id(child) in self.chosen]

    def only_child(self, node: Node, log_p: float) -> Node | None:
        """The child with which a chain goes on: the only one shown, beside which nothing is worth a line."""
        shown = self.shown(node)
        return shown[0] if len(shown) == 1 and not self.rest(node, log_p) else None

    def rest(self, node: Node, log_p: float) -> list[Branch]:
        """What may follow besides the children that are shown, as one branch; none if that is next to nothing."""
        law = node.law
        if law is None:
            return []
        hidden = [child for child in law.places if id(child) not in self.chosen]
        unseen = law.log_p[~np.isin(law.ids, [child.token for child in law.places])]
        mass = log_sum(np.concatenate([unseen, [child.log_p + child.bound for child in hidden]]))
        if mass == DEAD or log_p + mass < self.least:
            return []
        wide = log_sum(np.concatenate([unseen, [child.log_p for child in hidden]]))
        number = len(unseen) + len(hidden)
        text = f"{number:,} other token{'' if number == 1 else 's'}"
        return [Branch(text, log_p + wide, mass - wide, "rest", number)]


def _kind(node: Node) -> Kind:
    if node.bound == DEAD:
        return "dead"
    return "end" if node.ended else "open"


# ---- writing --------------------------------------------------------------------------------------------------------


def _write(branch: Branch, log_all: float, first: str, further: str, lines: list[str]) -> None:
    """A line for the branch, behind ``first``; lines for those below it, behind ``further``."""
    share = exp(branch.log_mass - log_all) if branch.bound > DEAD else 0.0
    figures = f"{probability(branch.log_p):>11}  {probability(branch.bound):>9}  {share:>6.1%}"
    name = f"({branch.text})" if branch.kind == "rest" else branch.label()
    lines.append(f"{figures}  {first}{name or '(prompt)'}")
    for child in branch.children:
        last = child is branch.children[-1]
        _write(child, log_all, further + ("└ " if last else "├ "), further + ("  " if last else "│ "), lines)
