"""Sentences that ask for a table in a restaurant, with the record that says the same: made up by rule, endlessly.

>>> sentence, record = draw(np.random.default_rng(7))
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from examples.diffusion.words import WORDS

Record = dict[str, Any]

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DIETS = ("vegan", "vegetarian", "halal", "kosher", "gluten-free")

SCHEMA = {
    "type": "object",
    "properties": {
        "place": {"type": "string", "pattern": "^[A-Z][a-z]+( [A-Z][a-z]+)*$"},
        "people": {"type": "integer", "minimum": 1, "maximum": 20},
        "day": {"enum": list(DAYS)},
        "time": {"type": "string", "pattern": "^(1[0-9]|2[0-3]):(00|15|30|45)$"},
        "name": {"type": "string", "pattern": "^[A-Z][a-z]+$"},
        "outside": {"type": "boolean"},
        "diet": {"type": "array", "items": {"enum": list(DIETS)}, "minItems": 1, "maxItems": 2},
    },
    "required": ["place", "people", "day", "time", "name"],
    "additionalProperties": False,
}

OPENINGS = (
    "Please book a table", "I would like a table", "Can we have a table", "Could you reserve a table",
    "We need a table", "Book us a table", "I want to book a table", "Is there a table",
    "A table, please,", "Reserve a table",
)  # fmt: skip
DIET_LINES = ("One of us is {}.", "We eat {}.", "It must be {}.", "Some of us are {}.", "Please note: {}.")


def draw(rng: np.random.Generator) -> tuple[str, Record]:
    """A sentence or a few, and the record."""
    hour, quarter = int(rng.integers(17, 23)), int(rng.integers(4))
    record: Record = {
        "place": f"{pick(rng, WORDS['colours'])} {pick(rng, WORDS['things'])}",
        "people": int(rng.integers(1, 13)),
        "day": pick(rng, DAYS),
        "time": f"{hour}:{15 * quarter:02}",
        "name": pick(rng, WORDS["surnames"]),
    }
    if rng.random() < 0.4:
        record["outside"] = bool(rng.random() < 0.6)
    if rng.random() < 0.4:
        record["diet"] = [str(diet) for diet in rng.choice(DIETS, size=int(rng.integers(1, 3)), replace=False)]
    return _sentence(record, hour, quarter, rng), record


def text_of(record: Record) -> str:
    """The record as the model writes it: JSON without blanks, members in the schema's order."""
    return json.dumps(record, separators=(",", ":"))


def pick(rng: np.random.Generator, options: tuple[str, ...] | list[str]) -> str:
    """One of them."""
    return options[int(rng.integers(len(options)))]


def _sentence(record: Record, hour: int, quarter: int, rng: np.random.Generator) -> str:
    day = record["day"].capitalize()
    clauses = [
        pick(rng, ["at {}", "at the {}", "in the {}"]).format(record["place"]),
        _people(record["people"], rng),
        pick(rng, ["on {}", "this {}", "next {}"]).format(day),
        _time(hour, quarter, rng),
    ]
    after = [_diet(record["diet"], rng)] if "diet" in record else []
    if "outside" in record:
        words = ["outside", "on the terrace", "in the garden"] if record["outside"] else ["inside", "indoors"]
        clauses.append(pick(rng, words))
    if rng.random() < 0.5:
        clauses.append(pick(rng, ["under the name {}", "in the name of {}"]).format(record["name"]))
    else:
        after.append(pick(rng, ["The name is {}.", "My name is {}.", "Thanks, {}."]).format(record["name"]))
    order = rng.permutation(len(clauses))
    asked = f"{pick(rng, OPENINGS)} {' '.join(clauses[i] for i in order)}."
    return " ".join([asked, *(after[i] for i in rng.permutation(len(after)))])


def _people(count: int, rng: np.random.Generator) -> str:
    number = str(count) if rng.random() < 0.5 else WORDS["numbers"][count - 1]
    return pick(rng, ["for {}", "for a party of {}", "for {} " + ("person" if count == 1 else "people")]).format(number)


def _time(hour: int, quarter: int, rng: np.random.Generator) -> str:
    """19:45, 7:45 pm or quarter to eight."""
    style = rng.integers(3)
    if style == 0:
        return f"at {hour}:{15 * quarter:02}"
    if style == 1:
        return f"at {hour - 12}:{15 * quarter:02} pm"
    this, following = WORDS["numbers"][hour - 13], WORDS["numbers"][hour - 12]
    return "at " + (f"{this} o'clock", f"quarter past {this}", f"half past {this}", f"quarter to {following}")[quarter]


def _diet(diets: list[str], rng: np.random.Generator) -> str:
    return pick(rng, DIET_LINES).format(" and ".join(diets))
