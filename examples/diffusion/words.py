"""The words that made-up texts are made of, from ``words.txt``."""

from __future__ import annotations

from pathlib import Path


def read_words(path: Path) -> dict[str, list[str]]:
    """Lists of words by name: a paragraph ``name: word word ...`` for each. Lines with ``#`` first are left out."""
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if not line.startswith("#")]
    paragraphs = [paragraph.split(":") for paragraph in "\n".join(lines).split("\n\n") if paragraph.strip()]
    return {name.strip(): words.split() for name, words in paragraphs}


WORDS = read_words(Path(__file__).with_name("words.txt"))
