"""Byte-level BPE without the ``tokenizers`` library: tiktoken encodings, wrappers around them, and slow tokenizers
that spell bytes with characters (``byte_decoder``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from constrain.errors import VocabularyError
from constrain.vocab.listing import Listing, as_ids


def list_encoding(encoding: Any) -> Listing:
    """A ``tiktoken.Encoding``. Its end is ``<|endoftext|>``, where it has one."""
    listing = Listing()
    special = {encoding.encode_single_token(name): name for name in encoding.special_tokens_set}
    for token in range(encoding.max_token_value + 1):
        if token in special:
            listing.add_special(token, special[token])
            continue
        try:
            listing.add_text(token, encoding.decode_single_token_bytes(token))
        except KeyError:
            continue  # a gap: no such id
    if "<|endoftext|>" in encoding.special_tokens_set:
        listing.eos = as_ids(encoding.eot_token)
    return listing


def list_wrapped_encoding(tokenizer: Any) -> Listing:
    """A slow tokenizer around an encoding (in ``.tokenizer`` or ``.model``), as remote code of Qwen and Kimi has it."""
    inner = next(x for x in (getattr(tokenizer, n, None) for n in ("tokenizer", "model")) if is_encoding(x))
    return _with_wrapper(list_encoding(inner), tokenizer)


def list_ranks(tokenizer: Any) -> Listing:
    """A tokenizer with ``mergeable_ranks``, bytes -> id."""
    listing = Listing()
    for data, token in tokenizer.mergeable_ranks.items():
        listing.add_text(token, data)
    return _with_wrapper(listing, tokenizer)


def list_byte_decoder(tokenizer: Any) -> Listing:
    """A tokenizer that spells each byte as a character: ``byte_decoder`` maps back, ``convert_ids_to_tokens`` spells.

    Where the tokenizer has ``convert_tokens_to_string``, every token is checked against it, since some decoders of
    this kind do more (end-of-word marks).
    """
    listing, alphabet = Listing(), tokenizer.byte_decoder
    special = set(getattr(tokenizer, "all_special_ids", ()))
    added = set(getattr(tokenizer, "added_tokens_decoder", {}))
    for token in _ids(tokenizer):
        piece = tokenizer.convert_ids_to_tokens(token)
        if piece is None or token in added:
            continue  # a gap, or listed below
        if token in special:
            listing.add_special(token, piece)
            continue
        try:
            data = bytes([alphabet[char] for char in piece])
        except KeyError as error:
            raise VocabularyError(f"token {token}, {piece!r}: byte_decoder lacks the character {error}") from error
        _check_spelling(tokenizer, token, piece, data)
        listing.add_text(token, data)
    return _with_wrapper(listing, tokenizer)


def is_encoding(value: Any) -> bool:
    """Does it look like a ``tiktoken.Encoding``?"""
    return hasattr(value, "decode_single_token_bytes") and hasattr(value, "special_tokens_set")


def _ids(tokenizer: Any) -> Iterable[int]:
    encoder = getattr(tokenizer, "encoder", None)
    if isinstance(encoder, Mapping):
        return sorted(encoder.values())
    return range(len(tokenizer) if hasattr(tokenizer, "__len__") else tokenizer.vocab_size)


def _check_spelling(tokenizer: Any, token: int, piece: str, data: bytes) -> None:
    if not hasattr(tokenizer, "convert_tokens_to_string"):
        return
    text = tokenizer.convert_tokens_to_string([piece])
    if text != data.decode("utf-8", "replace") and text != data.decode("utf-8", "ignore"):
        raise VocabularyError(
            f"token {token}, {piece!r}, is {data!r} by byte_decoder, but the tokenizer decodes it as {text!r}: "
            "its decoder does more than byte_decoder says; pass the byte string of each id as a list instead"
        )


def _with_wrapper(listing: Listing, tokenizer: Any) -> Listing:
    """Add what the object around the vocabulary knows: special and added tokens, and the end."""
    special = getattr(tokenizer, "special_tokens", None)
    for name, token in special.items() if isinstance(special, Mapping) else ():
        listing.add_special(token, name)
    for token, added in getattr(tokenizer, "added_tokens_decoder", {}).items():
        if added.special:
            listing.add_special(token, added.content)
        elif token not in listing.names:
            listing.add_text(token, added.content.encode("utf-8"))
    for token in getattr(tokenizer, "all_special_ids", ()):
        listing.hide(token)
    listing.eos = as_ids(getattr(tokenizer, "eos_token_id", None)) or listing.eos
    return listing
