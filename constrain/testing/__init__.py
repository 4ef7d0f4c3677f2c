"""For tests: property-based testing with grammars, comparing languages, and the contract of token automata.

``strings``, ``mutations``, ``prefixes`` and ``tokenizations`` are Hypothesis strategies; ``assert_matches_parser``
hunts for a text about which a grammar and a parser disagree; ``find_difference``, ``assert_subset`` and
``assert_equivalent`` compare two grammars (no Hypothesis needed). ``check_token_automaton`` is for writers of token
automata. docs/testing.md shows them all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from constrain.testing.cases import Case, read_cases, unescape
from constrain.testing.contract import ContractViolation, check_token_automaton
from constrain.testing.difference import (
    Comparison,
    LanguagesDiffer,
    assert_equivalent,
    assert_subset,
    find_difference,
)
from constrain.testing.tokens import byte_vocabulary, respell
from constrain.testing.verdicts import Recogniser, Verdict

if TYPE_CHECKING:
    from constrain.testing.parsers import Disagreement, assert_matches_parser
    from constrain.testing.strategies import Mutation, mutations, prefixes, strings, tokenizations

# Loaded when first asked for: these need Hypothesis, which is an extra.
_LATE = {
    **dict.fromkeys(("Mutation", "mutations", "prefixes", "strings", "tokenizations"), "strategies"),
    **dict.fromkeys(("Disagreement", "assert_matches_parser"), "parsers"),
}


def __getattr__(name: str) -> Any:
    """What needs Hypothesis. Raises ``ImportError`` with what to install where it is missing."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"constrain.testing.{_LATE[name]}")
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        message = f"constrain.testing.{name} needs Hypothesis: pip install 'constrain-lm[testing]'"
        raise ModuleNotFoundError(message, name="hypothesis") from error
    globals()[name] = getattr(module, name)
    return globals()[name]


__all__ = [
    "Case",
    "Comparison",
    "ContractViolation",
    "Disagreement",
    "LanguagesDiffer",
    "Mutation",
    "Recogniser",
    "Verdict",
    "assert_equivalent",
    "assert_matches_parser",
    "assert_subset",
    "byte_vocabulary",
    "check_token_automaton",
    "find_difference",
    "mutations",
    "prefixes",
    "read_cases",
    "respell",
    "strings",
    "tokenizations",
    "unescape",
]
