"""Members of a grammar's language: test data, examples, and inputs for fuzzing parsers.

``expansion.py`` writes members as something decides (a ``Random`` here, Hypothesis in ``constrain.testing``), within a
bound on their bytes; ``costs.py`` and ``strings.py`` know what the shortest way to finish takes.
"""

from __future__ import annotations

from random import Random

from constrain.ir.grammar import Grammar
from constrain.members.choices import Choices, RandomChoices
from constrain.members.expansion import Language

__all__ = ["Choices", "Language", "RandomChoices", "random_member"]


def random_member(grammar: Grammar, rng: Random, *, size: int = 40) -> bytes:
    """A random text of the language, at most ``size`` bytes longer than its shortest; no particular distribution.

    Raises ``GrammarError`` when the language is empty or a rule is missing, ``LimitExceeded`` when a terminal is too
    large to be looked at.
    """
    return Language(grammar).member(RandomChoices(rng), size)
