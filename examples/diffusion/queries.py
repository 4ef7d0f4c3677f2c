"""Questions to the library of ``examples/sql/library.sql``, with the query that answers each: made up by rule.

What a question asks of another table stands in a query in parentheses, as deep as the question goes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from examples.diffusion.bookings import pick
from examples.diffusion.words import WORDS

Rng = np.random.Generator


class Part(NamedTuple):
    """Words about the rows of a table, and the condition that says so."""

    words: str
    condition: str


class Asked(NamedTuple):
    """A table as questions speak of it: its rows, what names one, its parts, its measures with their superlatives."""

    table: str
    rows: str
    label: str
    parts: Callable[[Rng], list[Part]]
    groups: tuple[tuple[str, str], ...]
    measures: tuple[tuple[str, str, str, str], ...]  # column, its word, most, least


def draw(rng: Rng) -> tuple[str, str]:
    """A question, and its query."""
    asked = (BOOKS, AUTHORS, MEMBERS)[int(rng.choice(3, p=(0.5, 0.25, 0.25)))]
    kind = (_which, _how_many, _extreme, _average, _per_group)[int(rng.choice(5, p=(0.35, 0.25, 0.2, 0.1, 0.1)))]
    return kind(asked, rng)


def _which(asked: Asked, rng: Rng) -> tuple[str, str]:
    words, where = _filtered(asked, rng, at_least=1)
    question = pick(rng, ["Which {}?", "List the {}.", "Show me the {}.", "What are the {}?"]).format(words)
    return question, f"SELECT {asked.label} FROM {asked.table}{where}"


def _how_many(asked: Asked, rng: Rng) -> tuple[str, str]:
    words, where = _filtered(asked, rng, at_least=0)
    question = pick(rng, ["How many {} are there?", "Count the {}.", "What is the number of {}?"]).format(words)
    return question, f"SELECT COUNT(*) FROM {asked.table}{where}"


def _extreme(asked: Asked, rng: Rng) -> tuple[str, str]:
    column, _, most, least = asked.measures[int(rng.integers(len(asked.measures)))]
    words, where = _filtered(asked, rng, at_least=0)
    descending = rng.random() < 0.5
    count = int(rng.integers(1, 10))
    superlative = most if descending else least
    many = f"the {superlative}" if count == 1 else f"the {WORDS['numbers'][count - 1]} {superlative}"
    question = pick(rng, ["Which are {} {}?", "Show {} {}.", "List {} {}."]).format(many, words)
    order = f" ORDER BY {column}{' DESC' if descending else ''} LIMIT {count}"
    return question, f"SELECT {asked.label} FROM {asked.table}{where}{order}"


def _average(asked: Asked, rng: Rng) -> tuple[str, str]:
    column, word, _, _ = asked.measures[int(rng.integers(len(asked.measures)))]
    name, function = (("average", "AVG"), ("highest", "MAX"), ("lowest", "MIN"))[int(rng.integers(3))]
    words, where = _filtered(asked, rng, at_least=0)
    question = pick(rng, ["What is the {} {} of the {}?", "Give the {} {} of {}."]).format(name, word, words)
    return question, f"SELECT {function}({column}) FROM {asked.table}{where}"


def _per_group(asked: Asked, rng: Rng) -> tuple[str, str]:
    column, word = asked.groups[int(rng.integers(len(asked.groups)))]
    words, where = _filtered(asked, rng, at_least=0, at_most=1)
    if rng.random() < 0.5:
        question = pick(rng, ["How many {} are there of each {}?", "Count the {} by {}."]).format(words, word)
        return question, f"SELECT {column}, COUNT(*) FROM {asked.table}{where} GROUP BY {column}"
    count = int(rng.integers(2, 10))
    question = f"Which {word} has more than {WORDS['numbers'][count - 1]} {words}?"
    return question, f"SELECT {column} FROM {asked.table}{where} GROUP BY {column} HAVING COUNT(*) > {count}"


def _filtered(asked: Asked, rng: Rng, at_least: int, at_most: int = 2) -> tuple[str, str]:
    """The rows in words, and the ``WHERE`` that picks them."""
    parts = asked.parts(rng)
    chosen = sorted(rng.permutation(len(parts))[: int(rng.integers(at_least, at_most + 1))])
    words = " ".join([asked.rows, " and ".join(parts[i].words for i in chosen)]).strip()
    conditions = " AND ".join(parts[i].condition for i in chosen)
    return words, f" WHERE {conditions}" if conditions else ""


def _book_parts(rng: Rng) -> list[Part]:
    genre = pick(rng, WORDS["genres"])
    return [
        Part(pick(rng, ["in the genre {}", "of the {} kind"]).format(genre), f"genre = '{genre}'"),
        _compared("pages", int(rng.integers(5, 90)) * 10, rng, ("longer than {} pages", "shorter than {} pages")),
        _compared("year", int(rng.integers(1900, 2025)), rng, ("published after {}", "published before {}")),
        _in_table("author_id", "author", "by an author", _author_parts(rng)[:3], rng),
        _in_table("book_id", "loan", "borrowed", _loan_parts(rng), rng),
        pick_part(rng, [
            Part("never borrowed", "book_id NOT IN (SELECT book_id FROM loan)"),
            Part("longer than the average", "pages > (SELECT AVG(pages) FROM book)"),
            Part("shorter than the average", "pages < (SELECT AVG(pages) FROM book)"),
        ]),
    ]  # fmt: skip


def _author_parts(rng: Rng) -> list[Part]:
    country, name = pick(rng, WORDS["countries"]), _name(rng)
    return [
        Part(pick(rng, ["from {}", "of the country {}"]).format(country), f"country = '{country}'"),
        _compared("born", int(rng.integers(1900, 2005)), rng, ("born after {}", "born before {}")),
        Part(pick(rng, ["called {}", "named {}"]).format(name), f"name = '{name}'"),
        _in_table("author_id", "book", "with a book", _simple_book_parts(rng), rng),
    ]


def _simple_book_parts(rng: Rng) -> list[Part]:
    title = f"{pick(rng, WORDS['adjectives'])} {pick(rng, WORDS['nouns'])}"
    return [*_book_parts_alone(rng), Part(pick(rng, ["called {}", "titled {}"]).format(title), f"title = '{title}'")]


def _book_parts_alone(rng: Rng) -> list[Part]:
    genre = pick(rng, WORDS["genres"])
    return [
        Part(f"in the genre {genre}", f"genre = '{genre}'"),
        _compared("year", int(rng.integers(1900, 2025)), rng, ("published after {}", "published before {}")),
    ]


def _member_parts(rng: Rng) -> list[Part]:
    town, name = pick(rng, WORDS["towns"]), _name(rng)
    return [
        Part(pick(rng, ["from {}", "living in {}"]).format(town), f"town = '{town}'"),
        _joined(int(rng.integers(2010, 2025)), rng),
        Part(pick(rng, ["called {}", "named {}"]).format(name), f"name = '{name}'"),
        _in_table("member_id", "loan", "who borrowed", _loan_parts(rng, members=True), rng),
    ]


def _loan_parts(rng: Rng, members: bool = False) -> list[Part]:
    if not members:
        by = _member_parts_alone(rng)
        return [
            Part("and not returned", "returned IS NULL"),
            Part(f"by a member {by.words}", f"member_id IN (SELECT member_id FROM member WHERE {by.condition})"),
        ]
    book = pick_part(rng, _simple_book_parts(rng))
    return [
        Part("something and have not returned it", "returned IS NULL"),
        Part(f"a book {book.words}", f"book_id IN (SELECT book_id FROM book WHERE {book.condition})"),
    ]


def _member_parts_alone(rng: Rng) -> Part:
    town, name = pick(rng, WORDS["towns"]), _name(rng)
    return pick_part(rng, [Part(f"from {town}", f"town = '{town}'"), Part(f"called {name}", f"name = '{name}'")])


def _compared(column: str, value: int, rng: Rng, words: tuple[str, str]) -> Part:
    more = rng.random() < 0.5
    return Part(words[not more].format(value), f"{column} {'>' if more else '<'} {value}")


def _joined(year: int, rng: Rng) -> Part:
    if rng.random() < 0.5:
        return Part(f"who joined after {year}", f"joined > '{year}-12-31'")
    return Part(f"who joined before {year}", f"joined < '{year}-01-01'")


def _in_table(key: str, table: str, words: str, parts: list[Part], rng: Rng) -> Part:
    """Rows that another table knows, by a part of its own."""
    part = pick_part(rng, parts)
    return Part(f"{words} {part.words}", f"{key} IN (SELECT {key} FROM {table} WHERE {part.condition})")


def pick_part(rng: Rng, parts: list[Part]) -> Part:
    """One of them."""
    return parts[int(rng.integers(len(parts)))]


def _name(rng: Rng) -> str:
    return f"{pick(rng, WORDS['first'])} {pick(rng, WORDS['surnames'])}"


BOOKS = Asked(
    "book", "books", "title", _book_parts, (("genre", "genre"), ("year", "year")),
    (("pages", "length", "longest", "shortest"), ("year", "year", "newest", "oldest")),
)  # fmt: skip
AUTHORS = Asked(
    "author", "authors", "name", _author_parts, (("country", "country"),),
    (("born", "year of birth", "youngest", "oldest"),),
)  # fmt: skip
MEMBERS = Asked(
    "member", "members", "name", _member_parts, (("town", "town"),),
    (("joined", "date of joining", "latest", "earliest"),),
)  # fmt: skip
