"""Whole texts for ``awrs_bench``: a model and a program, and both engines' particles on them.

Both are given the very same laws, as rows that are remembered, and the very same program on bytes, which counts how
often it is asked. The time that the model takes is measured and taken off: what is left is the engine's and the
program's.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter_ns
from typing import Any, NamedTuple, Protocol

import numpy as np

from constrain.bits import from_ids
from constrain.predicates.base import Predicate
from constrain.sampling.lm.causal import CausalModel
from constrain.sampling.lm.model import Laws, Request, Usage
from constrain.sampling.lm.prompts import Prompt, encode_prompt
from constrain.sampling.methods.sis import awrs
from constrain.sampling.methods.smc import smc
from constrain.sampling.methods.urn import Floats
from constrain.sampling.problem import Problem
from constrain.sampling.target import Target
from constrain.sampling.trie import Trie
from constrain.vocab.readers import read_vocabulary
from constrain.vocab.vocabulary import Vocabulary

MOST_ROWS = 2000  # of a large model's remembered laws
Context = tuple[int, ...]


class Outcome(NamedTuple):
    """Of one run: a log weight, how often the program was asked, and the model's nanoseconds."""

    log_weight: float
    calls: int
    model: int = 0


Run = Callable[[int], Awaitable[Outcome]]  # of so many particles: an estimate of log Z


class Scene(Protocol):
    """A model over ``tokens``, which differ from each other, and an end; and what is wanted of ``length`` of them."""

    tokens: list[bytes]
    length: int

    def row(self, context: Context) -> Floats:
        """Log probabilities of the tokens, the end last; after ``length`` tokens of the end only."""
        ...

    def prefix_ok(self, text: bytes) -> bool: ...

    def complete_ok(self, text: bytes) -> bool: ...

    def z(self) -> float | None:
        """The probability of a wanted text, where it is known."""
        ...


class Walk:
    """A model and a program with a Z that can be computed.

    The next token's law depends on the class of the last one, and the end comes at ``length`` tokens at the latest.
    Tokens are characters and have values; a beginning is accepted while their sum avoids two residues of seven, a text
    when it ends on one of two others.
    """

    MODULUS, FORBIDDEN, FINAL = 7, (3, 5), (0, 1)
    FIRST = 0x20000  # character

    def __init__(self, size: int, length: int, classes: int = 8, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.size, self.length = size, length
        self.tokens = [chr(self.FIRST + i).encode() for i in range(size)]
        self.kind = rng.integers(classes, size=size)
        self.value = rng.integers(self.MODULUS, size=size)
        self.values = self.value.tolist()
        masses = rng.exponential(size=(classes, size)) ** 4
        self.ending = 0.15
        self.laws = (1 - self.ending) * masses / masses.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore"):
            self.rows = np.log(np.concatenate([self.laws, np.full((classes, 1), self.ending)], axis=1))
        self.last_row = np.append(np.full(size, -math.inf), 0.0)

    def row(self, context: Context) -> Floats:
        """Of the last token's class."""
        if len(context) >= self.length:
            return self.last_row
        return self.rows[self.kind[context[-1]] if context else 0]

    def prefix_ok(self, text: bytes) -> bool:
        return self._residue(text) not in self.FORBIDDEN

    def complete_ok(self, text: bytes) -> bool:
        return self._residue(text) in self.FINAL

    def _residue(self, text: bytes) -> int:
        return sum(self.values[ord(character) - self.FIRST] for character in text.decode()) % self.MODULUS

    def z(self) -> float:
        """Forwards over (class of the last token, residue)."""
        classes, modulus = len(self.laws), self.MODULUS
        cells = self.kind * modulus + self.value
        steps = np.stack([np.bincount(cells, law, classes * modulus) for law in self.laws]).reshape(
            -1, classes, modulus
        )
        here = np.zeros((classes, modulus))
        here[0, 0] = 1.0
        found = 0.0
        for length in range(self.length + 1):
            found += here[:, self.FINAL].sum() * (self.ending if length < self.length else 1.0)
            after = np.zeros_like(here)
            for residue, value in itertools.product(range(modulus), repeat=2):
                after[:, (residue + value) % modulus] += here[:, residue] @ steps[:, :, value]
            after[:, self.FORBIDDEN] = 0.0
            here = after
        return float(found)


class Causal:
    """A causal model of transformers behind a prompt, and any predicate. Its special tokens are never wanted."""

    def __init__(self, model: Any, tokenizer: Any, prompt: Prompt, predicate: Predicate, length: int) -> None:
        vocabulary = read_vocabulary(tokenizer)
        self._model = CausalModel(model, encode_prompt(tokenizer, prompt))
        self._ids = np.array([ids[0] for ids in vocabulary.ids_by_bytes.values()])
        self._ends = sorted(vocabulary.eos)
        self._rows: dict[Context, Floats] = {}
        self.tokens = list(vocabulary.ids_by_bytes)
        self.length = length
        self.prefix_ok, self.complete_ok = predicate.prefix_ok, predicate.complete_ok

    def row(self, context: Context) -> Floats:
        """The model's law; all of its ends are one."""
        if context not in self._rows:
            if len(self._rows) >= MOST_ROWS:
                self._rows.clear()
            [[law]] = self._model.laws([Request(tuple(self._ids[list(context)].tolist()))])
            row = np.append(law[self._ids], np.logaddexp.reduce(law[self._ends]))
            if len(context) >= self.length:
                row[:-1] = -math.inf
            self._rows[context] = row
        return self._rows[context]

    def z(self) -> None:
        return None


class Metered:
    """A scene whose model's time is measured, and whose program counts what it is asked."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.model = self.asked = 0

    def begin(self) -> None:
        """A run."""
        self.model = self.asked = 0

    def row(self, context: Context) -> Floats:
        start = perf_counter_ns()
        row = self.scene.row(context)
        self.model += perf_counter_ns() - start
        return row

    def prefix_ok(self, text: bytes) -> bool:
        self.asked += 1
        return self.scene.prefix_ok(text)

    def complete_ok(self, text: bytes) -> bool:
        self.asked += 1
        return self.scene.complete_ok(text)


# --- Ours ----------------------------------------------------------------------------------------------------------


class Anything:
    """The automaton of all texts: the program alone decides."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._all = from_ids(range(vocabulary.width), vocabulary.width)

    def start(self) -> int:
        return 0

    def advance(self, state: int, token: int) -> int:
        return state

    def fill_mask(self, state: int, words: Any) -> None:
        words[:] = self._all

    def is_accepting(self, state: int) -> bool:
        return True


class Rows:
    """The rows of a scene as a ``LanguageModel``."""

    def __init__(self, scene: Metered) -> None:
        self._scene = scene
        self.width, self.key, self.usage = len(scene.scene.tokens) + 1, "scene", Usage()

    def laws(self, requests: Sequence[Request]) -> list[Laws]:
        return [
            np.stack([self._scene.row(prefix + ahead[:n]) for n in range(len(ahead) + 1)]) for prefix, ahead in requests
        ]


def our_smc(scene: Scene, estimator: str, threshold: float, seed: int) -> Run:
    """``smc``, or ``awrs`` where nothing is resampled (a threshold of 0), each time from a fresh trie."""
    metered = Metered(scene)
    vocabulary = Vocabulary([*scene.tokens, None], [len(scene.tokens)])
    target = Target(Anything(vocabulary), scene.length, metered)
    seeds = itertools.count(1_000_000 * seed)

    async def run(particles: int) -> Outcome:
        metered.begin()
        problem = Problem(Trie(Rows(metered), target), particles, next(seeds), slots=particles)
        found = smc(problem, particles, threshold, estimator=estimator) if threshold else awrs(problem, estimator)
        return Outcome(found.certificate.log_z, metered.asked, metered.model)

    return run


# --- genlm-control's -----------------------------------------------------------------------------------------------


def genlm_smc(scene: Scene, threshold: float, seed: int) -> Run:
    """``AWRS(...).smc`` of genlm-control; resampling as it does by itself."""
    from genlm.control import AWRS, Potential

    metered = Metered(scene)
    number = {token: i for i, token in enumerate(scene.tokens)}

    def ids(context: Sequence[bytes]) -> Context:
        return tuple(number[token] for token in context)

    class Model(Potential):
        async def complete(self, context):
            return await self.prefix(context) + float(metered.row(ids(context))[-1])

        async def prefix(self, context):
            at = ids(context)
            return sum(float(metered.row(at[:i])[token]) for i, token in enumerate(at))

        async def logw_next(self, context):
            return self.make_lazy_weights(metered.row(ids(context)))

    class Accepted(Potential):
        async def complete(self, context):
            return 0.0 if metered.complete_ok(b"".join(context)) else -math.inf

        async def prefix(self, context):
            return 0.0 if metered.prefix_ok(b"".join(context)) else -math.inf

    sampler = AWRS(Model(scene.tokens), Accepted(scene.tokens), seed=seed)

    async def run(particles: int) -> Outcome:
        metered.begin()
        found = await sampler.smc(n_particles=particles, ess_threshold=threshold, max_tokens=scene.length + 2)
        return Outcome(float(found.log_ml), metered.asked, metered.model)

    return run
