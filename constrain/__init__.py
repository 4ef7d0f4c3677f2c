"""Grammar-constrained decoding: text that is always in the language asked for.

A grammar comes from a front end (``regex``, ``lark``, ``gbnf``, ``ebnf``, ``json_schema``), or is put together of
grammars and texts (``choices``, ``sequence``, ``repeat``, ``optional``, ``Rule``); a vocabulary from a tokenizer
(``vocabulary``); ``compile`` makes a token automaton of the two, whose states are values and give masks. A
``Compiler`` remembers automata, for those who compile the same again and again. The transformers plug-in is
``constrain.adapters.transformers``; ``sample`` and ``Sampler`` draw texts that follow the model's own law.
"""

from __future__ import annotations

import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from constrain.compiler import Compiler
from constrain.errors import (
    ConstrainError,
    ConstraintViolation,
    DeadEnd,
    GrammarError,
    GrammarWarning,
    LimitExceeded,
    UnsupportedPattern,
    UnsupportedSchema,
    VocabularyError,
)
from constrain.frontends.combine import choices, optional, repeat, sequence
from constrain.frontends.ebnf import ebnf_grammar as ebnf
from constrain.frontends.embedding import Rule
from constrain.frontends.gbnf import gbnf_grammar as gbnf
from constrain.frontends.json_schema import json_schema_grammar as json_schema
from constrain.frontends.regex import regex_grammar as regex
from constrain.ir.grammar import Grammar
from constrain.kernels import library
from constrain.matcher import Matcher
from constrain.tokens.base import TokenAutomaton
from constrain.tokens.batch import advance_all, fill_masks
from constrain.tokens.index import VocabularyIndex
from constrain.tokens.pushdown import PushdownAutomaton
from constrain.vocab.readers import read_vocabulary as vocabulary
from constrain.vocab.vocabulary import Vocabulary

if TYPE_CHECKING:
    from constrain.frontends.lark import lark_grammar as lark
    from constrain.sampling.api import Sampler, sample

__version__ = "0.1.0"


def compile(grammar: Grammar, vocabulary: Vocabulary) -> PushdownAutomaton:
    """The token automaton of a grammar over a vocabulary. Lazy: most work is done when states are first asked for.

    Every call makes a new automaton (an automaton grows with use, so it lives as long as its owner wants); all share
    the masks of terminals. See ``Compiler`` for one that remembers.

    Raises ``GrammarError`` where the language is empty or a rule is missing, ``VocabularyError`` where the vocabulary
    cannot spell a text that the grammar needs, ``LimitExceeded``; warns (``GrammarWarning``) of unusable rules.
    """
    return PushdownAutomaton(grammar, vocabulary)


def warmup(vocabulary: Vocabulary | None = None) -> float:
    """Compile all kernels, or load them from the cache on disk, and sort a vocabulary; the seconds it took.

    The first use of a fresh installation compiles for some seconds; run this when an image is built.
    """
    begin = time.perf_counter()
    library.prepare()
    if vocabulary is not None:
        VocabularyIndex.of(vocabulary)
    return time.perf_counter() - begin


# Loaded when first asked for: the package lark takes as long to load as all the rest, and torch far longer.
_LATE = {
    "lark": ("constrain.frontends.lark", "lark_grammar"),
    "sample": ("constrain.sampling.api", "sample"),
    "Sampler": ("constrain.sampling.api", "Sampler"),
}


def __getattr__(name: str) -> Any:
    """``lark``, ``sample`` and ``Sampler`` when first asked for."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LATE[name]
    globals()[name] = getattr(import_module(module), attribute)
    return globals()[name]


__all__ = [
    "Compiler",
    "ConstrainError",
    "ConstraintViolation",
    "DeadEnd",
    "Grammar",
    "GrammarError",
    "GrammarWarning",
    "LimitExceeded",
    "Matcher",
    "PushdownAutomaton",
    "Rule",
    "Sampler",
    "TokenAutomaton",
    "UnsupportedPattern",
    "UnsupportedSchema",
    "Vocabulary",
    "VocabularyError",
    "advance_all",
    "choices",
    "compile",
    "ebnf",
    "fill_masks",
    "gbnf",
    "json_schema",
    "lark",
    "optional",
    "regex",
    "repeat",
    "sample",
    "sequence",
    "vocabulary",
    "warmup",
]
