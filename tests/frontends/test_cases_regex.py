"""Patterns of other projects: each does what Python's ``re`` says of it, or is refused by name.

What is refused, and why, is written to ``REFUSED`` below as counts, so that a change shows.
"""

from __future__ import annotations

import csv
import json
import re
import warnings
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from pattern_oracles import matches

import constrain
from constrain.errors import GrammarError, LimitExceeded, UnsupportedPattern
from constrain.frontends.regex import regex_grammar, regex_to_rx
from constrain.members import random_member
from constrain.testing import byte_vocabulary

MANY_WORDS = "back-reference to a group that matches more than 100 texts, or no fixed ones, is not supported"
BEHIND = "back-reference inside look-behind is not supported"
REFUSED = {  # not regular, or of thousands of states; checked and refused patterns of each file
    "cpython-re": (277, {MANY_WORDS: 9}),
    "greenery": (24, {}),
    "interegular": (48, {}),
    "lm-format-enforcer": (10, {}),
    "patterns": (162, {MANY_WORDS: 64, BEHIND: 1, "steps through a pattern with look-around": 1}),
}


def is_valid(pattern: str, flags: int = 0) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            re.compile(pattern, flags)
    except re.error:
        return False
    return True


def reason(error: UnsupportedPattern | LimitExceeded) -> str:
    return error.message if isinstance(error, UnsupportedPattern) else error.what


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ["cpython-re", "greenery", "interegular", "lm-format-enforcer"])
def test_cases(shared_data: Path, name: str) -> None:
    flags = re.DOTALL if name == "greenery" else 0
    checked, refused = 0, Counter[str]()
    for line in (shared_data / f"cases/{name}.jsonl").read_text().splitlines():
        row = json.loads(line)
        pattern = row["grammar"]
        if row["kind"] != "regex":
            continue
        if not is_valid(pattern, flags):
            with pytest.raises(GrammarError):
                regex_to_rx(pattern, flags)
            continue
        try:
            language = regex_to_rx(pattern, flags)
        except (UnsupportedPattern, LimitExceeded) as error:
            refused[reason(error)] += 1
            continue
        checked += 1
        other_dialect = name == "greenery" and re.search(r"\.|\[\]|&", pattern)
        for text in row["accept"] + row["reject"]:
            truth = bool(re.fullmatch(pattern, text, flags))
            assert matches(language, text) == truth, (pattern, text)
            if truth != (text in row["accept"]) and not other_dialect:
                assert r"\W\D" in pattern, (pattern, text)  # the data's README: their expectation is wrong
    assert (checked, refused) == REFUSED[name]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_hard_patterns(shared_data: Path) -> None:
    """On members, near misses and prefixes, by the engine."""
    vocabulary, rng = byte_vocabulary(), Random(5)
    checked, empty, refused = 0, [], Counter[str]()
    with (shared_data / "eval/patterns/patterns.csv").open() as file:
        patterns = [row["regex"] for row in csv.DictReader(file)]
    for pattern in patterns:
        if not is_valid(pattern):
            with pytest.raises(GrammarError):
                regex_grammar(pattern)
            continue
        try:
            grammar = regex_grammar(pattern)
            automaton = constrain.compile(grammar, vocabulary)
        except (UnsupportedPattern, LimitExceeded) as error:
            refused[reason(error)] += 1
            continue
        except GrammarError as error:
            assert re.search("matches no|no text at all", error.message), pattern
            empty.append(pattern)
            continue
        checked += 1
        for _ in range(3):
            text = random_member(grammar, rng, size=12).decode()
            assert re.fullmatch(pattern, text), (pattern, text)
            for cut in range(len(text) + 1):
                assert automaton.advance_bytes(automaton.start(), text[:cut].encode()) is not None, (pattern, text)
            for near in mutations(text, rng):
                state = automaton.advance_bytes(automaton.start(), near.encode())
                taken = state is not None and automaton.is_accepting(state)
                assert taken == bool(re.fullmatch(pattern, near)), (pattern, near)
    for pattern in empty:
        assert not any(re.fullmatch(pattern, text) for text in ["", "a", "1", "ab", "a b", "abc", "2024"]), pattern
    assert (checked + len(empty), refused) == REFUSED["patterns"]


def mutations(text: str, rng: Random) -> list[str]:
    """The text with something left out, put in, replaced, repeated, and in the other case."""
    found = [text.swapcase(), text + text, text + "\n"]
    for _ in range(4):
        at, other = rng.randrange(len(text) + 1), rng.choice([*"aA1 \n-_.é", *text])
        found += [text[:at] + text[at + 1 :], text[:at] + other + text[at:], text[:at] + other + text[at + 1 :]]
    return found
