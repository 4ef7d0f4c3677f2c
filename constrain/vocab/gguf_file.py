"""The tokenizer in the metadata of a GGUF file (the model files of llama.cpp).

The format (github.com/ggml-org/ggml, docs/gguf.md) starts with key-value pairs, little-endian as a rule; the tokenizer
is a few of them, named ``tokenizer.ggml.*``. Only these are read, from a memory map: tensors are never touched. Tokens
mean what llama.cpp prints for them: user-defined tokens their own text, others by the tokenizer's model.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from constrain.errors import VocabularyError
from constrain.vocab.byte_level import byte_level_bytes
from constrain.vocab.listing import Listing
from constrain.vocab.sentencepiece import byte_of_piece, piece_text

MAGIC = b"GGUF"
_PREFIX = "tokenizer.ggml."
_STRING, _ARRAY = 8, 9
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = range(1, 7)

_MODELS: dict[str, Callable[[str], bytes]] = {"gpt2": byte_level_bytes, "llama": piece_text, "t5": piece_text}


def list_gguf(path: Path) -> Listing:
    """The tokenizer of a GGUF file, its ends (of sequence, turn and message) included."""
    fields = read_tokenizer_fields(path)
    missing = [key for key in ("model", "tokens", "token_type") if key not in fields]
    if missing:
        raise VocabularyError(f"{path}: the GGUF metadata lacks {', '.join(_PREFIX + key for key in missing)}")
    spell = _MODELS.get(fields["model"])
    if spell is None:
        raise VocabularyError(f"{path}: GGUF tokenizer model {fields['model']!r} is not one of {sorted(_MODELS)}")
    listing = Listing()
    for token, (piece, kind) in enumerate(zip(fields["tokens"], fields["token_type"], strict=True)):
        _add(listing, token, piece, kind, spell)
    ends = (fields.get(f"{name}_token_id") for name in ("eos", "eot", "eom"))
    listing.eos = tuple(token for token in ends if token is not None)
    return listing


def _add(listing: Listing, token: int, piece: str, kind: int, spell: Callable[[str], bytes]) -> None:
    if kind == _NORMAL:
        listing.add_text(token, spell(piece))
    elif kind == _USER_DEFINED:
        listing.add_text(token, piece.encode("utf-8"))
    elif kind == _BYTE:
        byte = byte_of_piece(piece)
        if byte is None:
            raise VocabularyError(f"id {token}: byte piece {piece!r} is not spelled like <0x0A>")
        listing.add_text(token, byte)
    elif kind in (_UNKNOWN, _CONTROL, _UNUSED):
        listing.add_special(token, piece)
    else:
        raise VocabularyError(f"id {token}, {piece!r}: unknown GGUF token type {kind}")


def read_tokenizer_fields(path: Path) -> dict[str, Any]:
    """The values of the keys ``tokenizer.ggml.*``, by the rest of the key; texts decoded, arrays as lists."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _Reader(data).tokenizer_fields()
        except (struct.error, UnicodeDecodeError, KeyError) as error:
            raise VocabularyError(f"{path}: the GGUF metadata is damaged: {error!r}") from error


class _Reader:
    """A cursor over the metadata."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = len(MAGIC)

    def tokenizer_fields(self) -> dict[str, Any]:
        version = self.scalar("I")
        if version not in (2, 3):
            raise VocabularyError(f"GGUF version {version} is not supported (2 and 3, little-endian, are)")
        _tensors, pairs = self.scalar("Q"), self.scalar("Q")
        fields = {}
        for _ in range(pairs):
            key = self.text()
            wanted = key.startswith(_PREFIX) and key != _PREFIX + "merges"
            value = self.value(self.scalar("I"), wanted)
            if wanted:
                fields[key.removeprefix(_PREFIX)] = value
        return fields

    def scalar(self, code: str) -> Any:
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def text(self) -> str:
        start = self.at + 8
        self.skip_text()
        return self.data[start : self.at].decode("utf-8")

    def skip_text(self) -> None:
        (length,) = struct.unpack_from("<Q", self.data, self.at)
        self.at += 8 + length
        if self.at > len(self.data):
            raise struct.error("a text goes past the end of the file")

    def value(self, kind: int, wanted: bool) -> Any:
        if kind == _ARRAY:
            return self.array(self.scalar("I"), self.scalar("Q"), wanted)
        if kind == _STRING:
            return self.text()
        return self.scalar(_FORMATS[kind])

    def array(self, kind: int, count: int, wanted: bool) -> Any:
        if kind in (_STRING, _ARRAY):
            if kind == _STRING and not wanted:
                for _ in range(count):
                    self.skip_text()
                return None
            return [self.value(kind, wanted) for _ in range(count)]
        code = f"<{count}{_FORMATS[kind]}"
        start, self.at = self.at, self.at + struct.calcsize(code)
        return list(struct.unpack_from(code, self.data, start)) if wanted else None
