"""A tokenizer file read without the package under measurement: ids of a text, and the bytes of each id.

Kept apart from ``constrain.vocab`` on purpose: the rivals must not depend on our reader, nor hide its mistakes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

SHARED = Path(__file__).parents[1] / "../shared/data/tokenizers"


@dataclass(frozen=True)
class Tokenizer:
    """``tokens[i]``: bytes of id ``i``, ``None`` when it is special. Small enough to send to a worker."""

    path: Path
    tokens: tuple[bytes | None, ...]
    eos: tuple[int, ...]

    @property
    def width(self) -> int:
        return len(self.tokens)


def find_tokenizer(path_or_name: str) -> Path:
    """``tokenizer.json`` as a file, as its folder, or as the name of a folder of ``../shared/data/tokenizers``."""
    given = Path(path_or_name)
    for path in (given, given / "tokenizer.json", SHARED / path_or_name / "tokenizer.json"):
        if path.is_file():
            return path.resolve()
    raise SystemExit(f"no tokenizer.json at {given}, in it, nor at {SHARED / path_or_name}")


def read_tokenizer(path: Path, eos: str | None = None) -> Tokenizer:
    """Read ``tokenizer.json``; ``eos`` is the text of the end token (default: ``tokenizer_config.json`` says)."""
    data = json.loads(path.read_text(encoding="utf-8"))
    backend = Backend.from_file(str(path))
    special = {t["id"] for t in data["added_tokens"] if t["special"]}
    spell = _speller(data)
    texts = map(backend.id_to_token, range(backend.get_vocab_size(with_added_tokens=True)))
    tokens = [None if text is None or i in special else spell(i, text) for i, text in enumerate(texts)]
    end = eos or _configured_end(path)
    end_id = backend.token_to_id(end)
    if end_id is None:
        raise SystemExit(f"{path} has no token {end!r}")
    return Tokenizer(path, tuple(tokens), (end_id,))


def encoder(path: Path) -> Backend:
    """The object that turns text into ids."""
    return Backend.from_file(str(path))


def encode_exactly(backend: Backend, tokenizer: Tokenizer, text: str) -> list[int] | None:
    """Ids whose bytes are exactly those of ``text``, or ``None`` when the tokenizer does not spell it so."""
    ids: list[int] = backend.encode(text, add_special_tokens=False).ids
    parts = [tokenizer.tokens[i] for i in ids]
    if None in parts or b"".join(p for p in parts if p is not None) != text.encode("utf-8", "surrogatepass"):
        return None
    return ids


def _configured_end(path: Path) -> str:
    config = path.with_name("tokenizer_config.json")
    end = json.loads(config.read_text(encoding="utf-8")).get("eos_token") if config.is_file() else None
    if isinstance(end, dict):
        end = end["content"]
    if not end:
        raise SystemExit(f"{config} names no eos_token: pass --eos")
    return str(end)


def _speller(data: dict[str, Any]) -> Callable[[int, str], bytes]:
    """How token texts spell bytes: GPT-2's byte alphabet (but added tokens are written out), or SentencePiece's way."""
    if "ByteLevel" not in json.dumps(data["decoder"]):
        return _sentencepiece_bytes
    table = _byte_alphabet()
    added = {t["id"] for t in data["added_tokens"]}
    return lambda i, text: text.encode() if i in added else bytes(table[c] for c in text)


def _sentencepiece_bytes(_: int, text: str) -> bytes:
    if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
        return bytes([int(text[3:5], 16)])
    return text.replace("▁", " ").encode()


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-in for each byte: itself where printable, else the next code point from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(others)}
