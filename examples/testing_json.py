"""A grammar of JSON against Python's own parser: about which text do they disagree?

Run it: python examples/testing_json.py
"""

import json
from pathlib import Path

import constrain
from constrain.testing import Disagreement, assert_matches_parser

GRAMMAR = Path(__file__).parent / "grammars" / "json_with_a_bug.lark"


def refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def parse(text: str) -> None:
    """As RFC 8259 has it: without NaN and Infinity."""
    json.loads(text, parse_constant=refuse)


if __name__ == "__main__":
    try:
        assert_matches_parser(constrain.lark(GRAMMAR), parse, rejects=ValueError)
    except Disagreement as found:
        print(found)
