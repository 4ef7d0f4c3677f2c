"""Members of a grammar's language: test data, examples, and inputs for fuzzing parsers.

``expansion.py`` writes members as something decides (a ``Random`` here, Hypothesis in ``constrain.testing``), within a
bound on their bytes; ``costs.py`` and ``strings.py`` know what the shortest way to finish takes.
"""

from __future__ import annotations

from random import Random

from constrain.errors import LimitExceeded
from constrain.ir.grammar import Grammar
from constrain.members.choices import Choices, RandomChoices
from constrain.members.expansion import Language

TRIES = 500

__all__ = ["Choices", "Language", "RandomChoices", "random_member"]


def random_member(grammar: Grammar, rng: Random, *, size: int = 40) -> bytes:
    """A random text of the language, at most ``size`` bytes longer than its shortest; no particular distribution.

    Raises ``GrammarError`` when the language is empty or a rule is missing, ``LimitExceeded`` when a terminal is too
    large to be looked at.
    """
    language = Language(grammar)
    for _ in range(TRIES):
        text = language.member(RandomChoices(rng), size)
        if language.accepts(text):
            return text
    raise LimitExceeded(
        "texts tried that the lexer cuts otherwise than they were made", TRIES, TRIES, "try another seed"
    )
