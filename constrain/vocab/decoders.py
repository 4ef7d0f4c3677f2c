"""The ``decoder`` section of a tokenizers JSON, as a function from the spelling of one token to its bytes.

Decoders of the ``tokenizers`` library work on a list of tokens. Those accepted here do the same to each token
wherever it stands, but for spaces that they drop at the very start of a text (``Metaspace``, ``Strip``). Tokens keep
that space: a generated text goes on after a prompt, where nothing is dropped. All others are refused, with the
reason, since no one byte string is right for a token then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from constrain.errors import VocabularyError
from constrain.vocab.byte_level import byte_level_bytes
from constrain.vocab.sentencepiece import byte_of_piece

Speller = Callable[[str], bytes]

_REFUSED = {
    "WordPiece": "the mark of a continued word is dropped from all tokens but the first of a text, "
    "so a token's bytes depend on where it stands",
    "BPEDecoder": "the end-of-word mark is a space, but nothing after the last token, "
    "so a token's bytes depend on where it stands",
    "CTC": "equal neighbours are merged, so a token's bytes depend on its neighbours",
}


def token_speller(section: dict[str, Any] | None) -> Speller:
    """The function that gives the bytes of a token. Raises ``VocabularyError`` where no function can."""
    if section is None:
        raise VocabularyError(
            "the tokenizer has no decoder: its tokens are joined by spaces, so a token's bytes depend on where it "
            "stands; pass the byte string of each id as a list instead"
        )
    chain = _Chain()
    for step in _flatten(section):
        chain.append(step)
    return chain.speller()


def _flatten(section: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if section["type"] == "Sequence":
        for inner in section["decoders"]:
            yield from _flatten(inner)
    else:
        yield section


def _refuse(step: dict[str, Any], reason: str) -> VocabularyError:
    return VocabularyError(f"tokenizer decoder {step['type']!r} cannot be read exactly: {reason}")


class _Chain:
    """Steps read so far: replacements in each token, then at most one step to bytes, then only what sees the text."""

    def __init__(self) -> None:
        self.replacements: list[tuple[str, str]] = []
        self.to_bytes: Speller = str.encode
        self.mixed = False  # may a later step see more or less than one token at a time?
        self.fused = False  # does a later step see the whole text?

    def append(self, step: dict[str, Any]) -> None:
        match step["type"]:
            case "Replace":
                self._need_tokens(step)
                self.replacements.append(_replacement(step))
            case "Metaspace":
                self._need_tokens(step)
                self.replacements.append((step["replacement"], " "))
            case "ByteFallback":
                self._need_tokens(step)
                self.to_bytes, self.mixed = _with_byte_pieces, True
            case "ByteLevel":
                self._need_tokens(step)
                self.to_bytes, self.mixed, self.fused = byte_level_bytes, True, True
            case "Fuse":
                self.mixed = self.fused = True
            case "Strip":
                self._check_strip(step)
            case kind:
                raise _refuse(step, _REFUSED.get(kind, "it is not one of the decoders that constrain knows"))

    def _need_tokens(self, step: dict[str, Any]) -> None:
        if self.mixed:
            raise _refuse(step, "it comes after a step that joins tokens, so it may act across their borders")

    def _check_strip(self, step: dict[str, Any]) -> None:
        if not self.fused:
            raise _refuse(step, "it comes before the tokens are fused, so it cuts inside the text")
        if step["stop"] or (step["start"] and step["content"] != " "):
            raise _refuse(step, "it cuts more than spaces at the start of the text")

    def speller(self) -> Speller:
        replacements, to_bytes = tuple(self.replacements), self.to_bytes

        def spell(token: str) -> bytes:
            for old, new in replacements:
                token = token.replace(old, new)
            return to_bytes(token)

        return spell if replacements else to_bytes


def _replacement(step: dict[str, Any]) -> tuple[str, str]:
    old = step["pattern"].get("String")
    if not old:
        raise _refuse(step, f"its pattern {step['pattern']} is not a plain string")
    return old, step["content"]


def _with_byte_pieces(token: str) -> bytes:
    return byte_of_piece(token) or token.encode("utf-8")
