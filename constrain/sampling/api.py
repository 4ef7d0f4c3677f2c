"""``constrain.sample``: texts of a grammar, distributed as the model's own law conditioned on the grammar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from numbers import Integral
from typing import Any

from constrain.ir.grammar import Grammar
from constrain.predicates.base import Predicate
from constrain.sampling.lm.causal import CausalModel
from constrain.sampling.lm.model import LanguageModel
from constrain.sampling.lm.prompts import Prompt, encode_prompt
from constrain.sampling.lm.warped import Warped
from constrain.sampling.methods.auto import auto
from constrain.sampling.methods.drawing import asap, exact, importance, mask
from constrain.sampling.methods.guard import guard
from constrain.sampling.methods.mcmc import mcmc
from constrain.sampling.methods.sis import awrs
from constrain.sampling.methods.smc import smc
from constrain.sampling.problem import Problem
from constrain.sampling.reach import Reach
from constrain.sampling.results import Samples
from constrain.sampling.target import Target
from constrain.sampling.trie import Trie
from constrain.tokens.base import TokenAutomaton
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.readers import read_vocabulary
from constrain.vocab.vocabulary import Vocabulary

METHODS: dict[str, Callable[..., Samples]] = {
    "auto": auto,
    "mask": mask,
    "asap": asap,
    "importance": importance,
    "exact": exact,
    "awrs": awrs,
    "smc": smc,
    "mcmc": mcmc,
    "guard": guard,
}


def sample(
    model: Any,
    tokenizer: Any,
    prompt: Prompt | None,
    grammar: Grammar | TokenAutomaton[Any],
    n: int = 1,
    *,
    method: str = "auto",
    max_tokens: int = 256,
    budget: int | None = None,
    seed: int = 0,
    predicate: Predicate | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    slots: int = 16,
    max_bytes: int = 1 << 30,
    report: Callable[[int], None] | None = None,
    **options: Any,
) -> Samples:
    """``n`` texts of ``grammar`` by ``model``, distributed as the model's own law given that the text is in the
    grammar.

    ``model``       a causal language model of transformers, or any ``LanguageModel`` (then ``prompt`` is ``None``).
    ``tokenizer``   what ``constrain.vocabulary`` reads, or a ``Vocabulary``.
    ``prompt``      text, chat messages, or token ids.
    ``grammar``     a ``Grammar``, or a compiled automaton over the tokenizer's vocabulary.
    ``method``      one of ``METHODS``; docs/faithful.md says when which.
    ``max_tokens``  the most tokens of a text, its end not counted. Part of the target: longer texts are not wanted.
    ``budget``      the most walks (attempts, particles, steps) that may be begun; ``None``: the method's own default.
    ``predicate``   a program that must accept the texts too (``constrain.predicates``).
    ``temperature``, ``top_k``, ``top_p``  change the model whose law is meant, before it is conditioned.
    ``slots``       walks that go on together, in one forward pass each.
    ``max_bytes``   memory for what is known about prefixes.
    ``options``     of the method.

    For several calls on one prompt make a ``Sampler``, which remembers. Raises ``ValueError`` for arguments that make
    no sense, and what compiling a grammar raises.
    """
    sampler = Sampler(
        model, tokenizer, prompt, grammar, max_tokens=max_tokens, predicate=predicate, temperature=temperature,
        top_k=top_k, top_p=top_p, max_bytes=max_bytes,
    )  # fmt: skip
    return sampler.sample(n, method=method, budget=budget, seed=seed, slots=slots, report=report, **options)


class Sampler:
    """A model behind a prompt, and the texts that are wanted of it; arguments as for ``sample``.

    ``trie`` holds all that was learnt: further calls are cheaper for it, and exact ones are exact all the same. Give
    each call a seed of its own: with equal ones their samples depend on each other. One call at a time: not for several
    threads together.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        prompt: Prompt | None,
        grammar: Grammar | TokenAutomaton[Any],
        *,
        max_tokens: int = 256,
        predicate: Predicate | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        max_bytes: int = 1 << 30,
    ) -> None:
        vocabulary = _vocabulary(tokenizer, model)
        automaton = PushdownAutomaton(grammar, vocabulary) if isinstance(grammar, Grammar) else grammar
        if automaton.vocabulary.fingerprint != vocabulary.fingerprint:
            raise ValueError("the automaton was compiled for another vocabulary than this tokenizer's")
        self.model = Warped(_language_model(model, tokenizer, prompt), temperature, top_k, top_p)
        target = Target(automaton, max_tokens, predicate, Reach.of(automaton))
        self.trie = Trie(self.model, target, max_bytes)

    def sample(
        self,
        n: int = 1,
        *,
        method: str = "auto",
        budget: int | None = None,
        seed: int = 0,
        slots: int = 16,
        report: Callable[[int], None] | None = None,
        **options: Any,
    ) -> Samples:
        """``n`` samples; see ``sample``."""
        if method not in METHODS:
            raise ValueError(f"there is no method {method!r}: take one of {', '.join(METHODS)}")
        for name, number, least in (("n", n, 1), ("slots", slots, 1), ("budget", budget, 1), ("seed", seed, 0)):
            _check_number(name, number, least)
        _check_options(method, options)
        problem = Problem(self.trie, n, seed, slots, budget, report or (lambda found: None))
        return METHODS[method](problem, **options)


def _check_number(name: str, number: object, least: int) -> None:
    if number is None and name == "budget":
        return
    if isinstance(number, bool) or not isinstance(number, Integral) or number < least:
        raise ValueError(f"{name} must be a whole number, {least} or more, not {number!r}")


def _check_options(method: str, options: dict[str, Any]) -> None:
    _, *takes = signature(METHODS[method]).parameters.values()  # the first is the problem
    names = [each.name for each in takes]
    for name in options:
        if name not in names:
            raise ValueError(
                f"method {method!r} has no option {name!r}: "
                + (f"its options are {', '.join(names)}" if names else "it has none")
            )
    for each in takes:
        if each.default is each.empty and each.name not in options:
            raise ValueError(f"method {method!r} needs the option {each.name!r}")


def _language_model(model: Any, tokenizer: Any, prompt: Prompt | None) -> LanguageModel:
    if hasattr(model, "laws"):
        if prompt is not None:
            raise ValueError("a LanguageModel has its prompt already: pass prompt=None")
        return model  # type: ignore[no-any-return]
    if prompt is None:
        raise ValueError("a prompt is needed: text, chat messages, or token ids")
    return CausalModel(model, encode_prompt(tokenizer, prompt))


def _vocabulary(tokenizer: Any, model: Any) -> Vocabulary:
    """The vocabulary, with all the ids that end a text for this model."""
    if isinstance(tokenizer, Vocabulary):
        return tokenizer
    config = getattr(model, "generation_config", None)
    ends = getattr(config, "eos_token_id", None)
    ends = [ends] if isinstance(ends, int) else ends
    return read_vocabulary(tokenizer, eos=ends if isinstance(ends, Sequence) and ends else None)
