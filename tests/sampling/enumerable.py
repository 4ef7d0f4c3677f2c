"""Worlds so small that everything about them is counted out, in fractions: the oracle of all sampler tests.

A world is a language model, a regular expression and a cap on the number of tokens. Its members are found by trying all
token sequences with Python's ``re``; neither the engine nor a sampler has a part in it.

P is the model's law, the end of the text included (the sum over all ids that end it). pi is P conditioned on the
members. GCD is the law of masked decoding: at each prefix a token is allowed if a member begins so (the cap counts),
and the model's law is conditioned on what is allowed.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import constrain
from constrain.sampling.lm.model import TableModel

Ids = tuple[int, ...]
Law = Callable[[Ids], Sequence[Fraction]]  # prefix -> probabilities of all ids, the ends included


@dataclass(frozen=True)
class World:
    """``tokens[i]`` are the bytes of id ``i``; the ids from ``len(tokens)`` on are the ``ends`` of the text."""

    name: str
    tokens: tuple[bytes, ...]
    pattern: str
    max_tokens: int
    law: Law
    ends: int = 1

    # --- What samplers are given ---

    @property
    def width(self) -> int:
        return len(self.tokens) + self.ends

    @property
    def eos(self) -> range:
        return range(len(self.tokens), self.width)

    def vocabulary(self) -> constrain.Vocabulary:
        return constrain.Vocabulary([*self.tokens, *[None] * self.ends], self.eos)

    def grammar(self) -> constrain.Grammar:
        return constrain.regex(self.pattern)

    def model(self) -> TableModel:
        return TableModel(lambda prefix: [float(p) for p in self.law(prefix)], self.width, f"world {self.name}")

    # --- Members ---

    def text(self, ids: Ids) -> bytes:
        return b"".join(self.tokens[i] for i in ids)

    def accepts(self, ids: Ids) -> bool:
        try:
            return re.fullmatch(self.pattern, self.text(ids).decode()) is not None
        except UnicodeDecodeError:
            return False

    def sequences(self, prefix: Ids = ()) -> Iterator[Ids]:
        """All token sequences up to the cap, members or not."""
        yield prefix
        if len(prefix) < self.max_tokens:
            for token in range(len(self.tokens)):
                yield from self.sequences((*prefix, token))

    @cached_property
    def members(self) -> tuple[Ids, ...]:
        """The token sequences that spell a text of the language, without an end."""
        return tuple(ids for ids in self.sequences() if self.accepts(ids))

    @cached_property
    def children(self) -> Mapping[Ids, tuple[int, ...]]:
        """Every beginning of a member, with the tokens that may follow it."""
        found: dict[Ids, set[int]] = {(): set()}
        for member in self.members:
            for i in range(len(member)):
                found.setdefault(member[:i], set()).add(member[i])
            found.setdefault(member, set())
        return {prefix: tuple(sorted(tokens)) for prefix, tokens in found.items()}

    # --- Probabilities ---

    def end(self, prefix: Ids) -> Fraction:
        """The probability that the text ends here, if it may."""
        law = self.law(prefix)
        return sum((law[i] for i in self.eos), Fraction()) if self.accepts(prefix) else Fraction()

    @cached_property
    def future(self) -> Mapping[Ids, Fraction]:
        """Expected future grammaticality: the probability of a member, given that the text begins so."""
        found: dict[Ids, Fraction] = {}
        for prefix in sorted(self.children, key=len, reverse=True):
            law = self.law(prefix)
            found[prefix] = self.end(prefix) + sum(law[t] * found[(*prefix, t)] for t in self.children[prefix])
        return found

    @cached_property
    def allowed(self) -> Mapping[Ids, Fraction]:
        """The mass of what a mask leaves, at each beginning of a member."""
        return {
            prefix: self.end(prefix) + sum((self.law(prefix)[t] for t in tokens), Fraction())
            for prefix, tokens in self.children.items()
        }

    def probability(self, ids: Ids) -> Fraction:
        """P, whether it is a member or not; for a member the end included, as anywhere."""
        mass = math.prod((self.law(ids[:i])[t] for i, t in enumerate(ids)), start=Fraction(1))
        return mass * sum((self.law(ids)[i] for i in self.eos), Fraction())

    @cached_property
    def mass(self) -> Mapping[Ids, Fraction]:
        """P of each member."""
        return {member: self.probability(member) for member in self.members}

    @cached_property
    def z(self) -> Fraction:
        """The probability that the unconstrained model would have written a member."""
        return sum(self.mass.values(), Fraction())

    @cached_property
    def target(self) -> Mapping[Ids, Fraction]:
        """pi: what faithful samplers draw. Members of probability zero are left out."""
        return {member: mass / self.z for member, mass in self.mass.items() if mass}

    @cached_property
    def weight(self) -> Mapping[Ids, Fraction]:
        """P / GCD of each member that masked decoding can write: the product of the allowed masses."""
        return {
            member: math.prod((self.allowed[member[:i]] for i in range(len(member) + 1)), start=Fraction(1))
            for member in self.target
        }

    @cached_property
    def gcd(self) -> Mapping[Ids, Fraction]:
        """The law of masked decoding. It sums to less than one where a mask may leave nothing the model can write."""
        return {member: self.mass[member] / weight for member, weight in self.weight.items()}

    def texts(self, law: Mapping[Ids, Fraction]) -> dict[bytes, Fraction]:
        """A law over texts, of one over token sequences."""
        found: dict[bytes, Fraction] = defaultdict(Fraction)
        for ids, probability in law.items():
            found[self.text(ids)] += probability
        return dict(found)

    @property
    def relative_variance(self) -> Fraction:
        """Of the weights of masked draws: E[W^2] / Z^2 - 1."""
        return sum(p * self.weight[ids] ** 2 for ids, p in self.gcd.items()) / self.z**2 - 1


def divergence(p: Mapping[Ids, Fraction], q: Mapping[Ids, Fraction]) -> float:
    """KL(p || q) in nats."""
    return math.fsum(float(mass) * (log(mass) - log(q[ids])) for ids, mass in p.items() if mass)


def total_variation(p: Mapping[Ids, Fraction], q: Mapping[Ids, Fraction]) -> Fraction:
    """Half the sum of the differences."""
    return sum((abs(p.get(ids, Fraction()) - q.get(ids, Fraction())) for ids in {*p, *q}), Fraction()) / 2


def log(fraction: Fraction) -> float:
    """The natural logarithm, also of fractions too small for a float."""
    return math.log(fraction.numerator) - math.log(fraction.denominator)


def shares(*weights: Fraction | int) -> tuple[Fraction, ...]:
    """Weights as probabilities."""
    return tuple(Fraction(weight) / sum(weights) for weight in weights)


def bigram(*rows: Sequence[Fraction | int]) -> Law:
    """The law that looks at the last id: row 0 at the start, row ``i + 1`` after id ``i``; rows are weights."""
    laws = [shares(*row) for row in rows]
    return lambda prefix: laws[prefix[-1] + 1 if prefix else 0]


def worlds_of(path: Path) -> Iterator[tuple[World, dict[str, Any]]]:
    """The worlds of a file in the form of ``exact_seq.jsonl``, with the figures stored there."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            names = [*case["tokens"], case["eos"]]
            rows = [[Fraction(case["lm"][before][after]) for after in names] for before in ["", *case["tokens"]]]
            tokens = tuple(token.encode() for token in case["tokens"])
            yield World(case["id"], tokens, case["regex"], case["max_tokens"], bigram(*rows)), case
