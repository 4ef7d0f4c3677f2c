"""``mcmc``: Markov chains over wanted texts, whose law tends to the target (Gonzalez et al. 2025, arXiv 2506.05754).

A step cuts the text ``x`` before its token ``t``, writes it on under the mask to a text ``y``, and goes there with
probability ``min(1, P(y) g(x|y) / (P(x) g(y|x)))`` (Metropolis-Hastings), else stays. Any cut up to the end of what
``x`` and ``y`` have in common could have led to ``y``, so the density of the move is a sum over all of them,

    ``g(y|x) = sum_{t <= common(x, y)} r_x(t) prod_{i >= t} q(y_i | y_<i)``,

with ``q`` the masked law. (The cuts below weigh a place by what stands before it alone; for such the sums have one
factor in both directions, which cancels. Any other law of the cut would need it, so it is counted.) The
proposals differ in the law ``r_x`` of the cut:

* *uniform* over the tokens of ``x``, its end included;
* *priority*: in proportion to ``exp(H_t) - 1``, with ``H_t`` the entropy of the masked law at ``t`` in nats: where more
  could have come. The definition is that of the authors' code (github.com/pparys/cars, ``mcmc/lib.py``); where no
  entropy is positive there is only one text, and the cut is uniform;
* *restart*: always the beginning. Independent draws of the masked law, then.

A text that breaks off (the cap, the predicate) is a move that is refused: the chain stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import exp, log
from typing import NamedTuple

import numpy as np

from constrain.sampling.masses import Floats, log_sum
from constrain.sampling.problem import Problem
from constrain.sampling.results import Sample, Samples
from constrain.sampling.trie import DEAD, Law

CHAINS = 50  # name of a stream of randomness
STARTS = 1000  # masked draws for the first wanted text of a chain, before it is given up


class Token(NamedTuple):
    """A token of a text; the model's and the mask's log probability of it; ``log(exp(H) - 1)`` where it stands."""

    id: int
    log_p: float
    log_mask: float
    log_choice: float


Text = Sequence[Token]


def mcmc(problem: Problem, steps: int = 10, proposal: str = "uniform") -> Samples:
    """``n`` texts, each the state of a chain of its own after ``steps`` steps from a draw under the mask.

    ``steps``     of each chain, at least 0. Their law tends to the target as they grow; nothing says how fast.
    ``proposal``  "uniform", "priority" or "restart".

    The budget of walks (starts and steps) is shared out equally; without one a chain may try 1,000 times to start, and
    make all its steps. Chains do not depend on each other.

    The certificate's estimate of ``Z`` is the mean weight of the first draw of each chain (unbiased), and with
    "restart" of all its draws (where the number of draws depends on what they are, so biased by one over that number).

    ``facts``: ``acceptance`` (moves not refused, a move to the same text included), ``changes`` (moves to another
    text), ``steps`` (made by all chains), ``proposal``.
    """
    if proposal not in CUTS:
        raise ValueError(f"there is no proposal {proposal!r}: take one of {', '.join(CUTS)}")
    if steps < 0:
        raise ValueError(f"steps must be 0 or more, not {steps}")
    count = problem.n if problem.budget is None else min(problem.n, problem.budget)
    walks = STARTS + steps if problem.budget is None else problem.budget // count
    chains = [Chain(problem, CUTS[proposal], steps, walks, problem.stream(CHAINS, index)) for index in range(count)]
    _run(problem, chains)
    return _result(problem, chains, proposal)


# ---- the density of a move ---------------------------------------------------------------------------------


def uniform(text: Text) -> Floats:
    """``log r_x(t)`` float64 ``[len(text)]``: every token alike."""
    return np.full(len(text), -log(len(text)))


def priority(text: Text) -> Floats:
    """In proportion to ``exp(H) - 1``."""
    choices = np.array([token.log_choice for token in text])
    total = log_sum(choices)
    return choices - total if total > DEAD else uniform(text)


def restart(text: Text) -> Floats:
    """The first token."""
    cuts = np.full(len(text), DEAD)
    cuts[0] = 0.0
    return cuts


Cut = Callable[[Text], Floats]
CUTS: dict[str, Cut] = {"uniform": uniform, "priority": priority, "restart": restart}


def log_density(cut: Cut, x: Text, y: Text) -> float:
    """``log g(y|x)``, over every cut that could have made the move."""
    last = min(common(x, y), len(x) - 1)
    tails = np.cumsum([token.log_mask for token in reversed(y)])[::-1]
    return log_sum(cut(x)[: last + 1] + tails[: last + 1])


def log_acceptance(cut: Cut, x: Text, y: Text) -> float:
    """The log of the probability with which a move from ``x`` to ``y`` is made, once it is proposed."""
    if [token.id for token in x] == [token.id for token in y]:
        return 0.0
    gain = sum(token.log_p for token in y) - sum(token.log_p for token in x)
    return min(0.0, gain + log_density(cut, y, x) - log_density(cut, x, y))


def common(x: Text, y: Text) -> int:
    """How many first tokens two texts have in common."""
    for place, (a, b) in enumerate(zip(x, y, strict=False)):
        if a.id != b.id:
            return place
    return min(len(x), len(y))


# ---- chains ------------------------------------------------------------------------------------------------


@dataclass
class Chain:
    """One chain. ``text`` is its state: empty until a wanted text is found. ``draft`` is what is being written,
    ``node`` where in the trie, ``read`` tokens into it.

    ``log_weights`` are the importance weights of its independent draws under the mask, ``-inf`` where one broke off.
    """

    problem: Problem
    cut: Cut
    steps: int
    walks: int
    rng: np.random.Generator
    text: list[Token] = field(default_factory=list)
    draft: list[Token] = field(default_factory=list)
    read: int = 0
    made: int = 0  # steps
    accepted: int = 0
    changed: int = 0
    log_weights: list[float] = field(default_factory=list)
    _begun: int = 1

    def __post_init__(self) -> None:
        self.node = self.problem.trie.root

    @property
    def over(self) -> bool:
        """Has it made its steps, or been given up?"""
        return (self.made == self.steps and bool(self.text)) or self._begun > self.walks

    def go(self) -> None:
        """On, until a model has to be asked."""
        while not self.over and self.problem.trie.knows(self.node):
            self._write()
            if self.node.bound == DEAD or self.node.ended:
                self._decide(self.node.bound > DEAD)

    def reread(self) -> None:
        """Find the way from the root again: the trie has forgotten some of it."""
        self.node, self.read = self.problem.trie.root, 0

    def _write(self) -> None:
        """Read the next token of the draft, or add one."""
        trie, node = self.problem.trie, self.node
        trie.touch(node)
        if node.law is None or node.law.log_mass == DEAD:
            node.bound = DEAD
            return
        if self.read == len(self.draft):
            self.draft.append(self._draw(node.law))
        self.node = trie.child(node, self.draft[self.read].id)
        self.read += 1

    def _draw(self, law: Law) -> Token:
        token = law.draw_masked(self.rng.random())
        log_p = law.probability(token)
        return Token(token, log_p, log_p - law.log_mass, _log_choice(law) if self.cut is priority else 0.0)

    def _decide(self, wanted: bool) -> None:
        """The draft is a whole text, or broke off: move or stay, and begin the next."""
        problem = self.problem
        problem.trie.settle(self.node)
        problem.evidence.attempts += 1
        if wanted:
            problem.evidence.see(tuple(token.id for token in self.draft), sum(token.log_p for token in self.draft))
        if not self.text or self.cut is restart:
            self.log_weights.append(_log_weight(self.draft) if wanted else DEAD)
        if self.text:
            self._move(wanted)
        elif wanted:
            self.text = self.draft
        self._begun += 1
        self._cut()

    def _move(self, wanted: bool) -> None:
        self.made += 1
        if wanted and self.rng.random() < exp(log_acceptance(self.cut, self.text, self.draft)):
            self.accepted += 1
            self.changed += [token.id for token in self.draft] != [token.id for token in self.text]
            self.text = self.draft

    def _cut(self) -> None:
        place = self.rng.choice(len(self.text), p=np.exp(self.cut(self.text))) if self.text else 0
        self.draft = self.text[:place]
        self.reread()


def _run(problem: Problem, chains: list[Chain]) -> None:
    """Chains in a fixed number of slots, asked about together, to their ends."""
    under_way: list[Chain] = []
    waiting, forgot = chains[::-1], -1
    while under_way or waiting:
        while waiting and len(under_way) < problem.slots:
            under_way.append(waiting.pop())
        if problem.evidence.attempts > forgot and problem.trie.shrink():
            forgot = problem.evidence.attempts  # a walk has to end before more is forgotten, however little may be kept
            for chain in under_way:
                chain.reread()
        problem.trie.expand(chain.node for chain in under_way)
        for chain in under_way:
            chain.go()
        under_way = [chain for chain in under_way if not chain.over]
        problem.report(len(chains) - len(waiting) - len(under_way))


def _result(problem: Problem, chains: list[Chain], proposal: str) -> Samples:
    again = proposal == "restart"
    for chain in chains:
        problem.evidence.terms += chain.log_weights if again else chain.log_weights[:1]
        problem.evidence.masked += [(log_w, log_w) for log_w in chain.log_weights[:1] if log_w > DEAD]
    found = [_sample(problem, chain.text) for chain in chains if chain.text]
    made = sum(chain.made for chain in chains)
    if len(found) < problem.n:
        problem.notes.append(
            f"{problem.n - len(found)} of {problem.n} chains found no text to start from: allow more with budget="
        )
    if made < len(found) * chains[0].steps:
        problem.notes.append(f"the budget allowed {made} of {len(found) * chains[0].steps} steps")
    return problem.result(
        "mcmc",
        "asymptotic",
        found,
        missing=problem.n - len(found),
        unbiased=not again,
        acceptance=sum(chain.accepted for chain in chains) / max(made, 1),
        changes=sum(chain.changed for chain in chains) / max(made, 1),
        steps=made,
        proposal=proposal,
    )


def _sample(problem: Problem, text: Text) -> Sample:
    log_mask = sum(token.log_mask for token in text)
    return problem.read(tuple(token.id for token in text), sum(token.log_p for token in text), 0.0, log_mask)


def _log_weight(text: Text) -> float:
    """``log P - log q``: the product of the masses that masks left."""
    return sum(token.log_p - token.log_mask for token in text)


def _log_choice(law: Law) -> float:
    """``log(exp(H) - 1)`` of the masked law; ``-inf`` where one token is certain."""
    logs = law.log_p - law.log_mass
    logs = logs[logs > DEAD]
    spread = float(np.expm1(-(np.exp(logs) * logs).sum()))
    return log(spread) if spread > 0.0 else DEAD
