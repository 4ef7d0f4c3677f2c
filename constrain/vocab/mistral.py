"""Tokenizers of ``mistral-common``: Tekken (byte-level BPE behind a block of special ids) and SentencePiece ones.

Recognised by what they offer; neither that package nor its dependencies are imported.
"""

from __future__ import annotations

import base64
from typing import Any

from constrain.vocab.listing import Listing, as_ids
from constrain.vocab.sentencepiece import byte_of_piece, piece_text


def list_tekken(tokenizer: Any) -> Listing:
    """A live ``Tekkenizer``."""
    listing = Listing()
    for token in range(tokenizer.n_words):
        if token < tokenizer.num_special_tokens:
            listing.add_special(token, tokenizer.id_to_piece(token))
        else:
            listing.add_text(token, tokenizer.id_to_byte_piece(token))
    listing.eos = as_ids(tokenizer.eos_id)
    return listing


def list_tekken_json(data: dict[str, Any]) -> Listing:
    """The parsed content of a ``tekken.json``. Old files name no special tokens, hence no end."""
    config, listing = data["config"], Listing()
    reserved: int = config["default_num_special_tokens"]
    special = {entry["rank"]: entry["token_str"] for entry in data.get("special_tokens") or ()}
    for token in range(reserved):
        listing.add_special(token, special.get(token, f"<SPECIAL_{token}>"))
    for entry in data["vocab"][: config["default_vocab_size"] - reserved]:
        listing.add_text(reserved + entry["rank"], base64.b64decode(entry["token_bytes"]))
    listing.eos = tuple(token for token, name in special.items() if name == "</s>")
    return listing


def list_pieces(tokenizer: Any) -> Listing:
    """A live ``SentencePieceTokenizer``, by its public face: pieces, and which of them are control pieces.

    SentencePiece has either all 256 byte pieces or none, which tells whether ``<0x0A>`` is a byte or a text.
    """
    pieces, listing = tokenizer.vocab(), Listing()
    bytes_of = {token: byte for token, piece in enumerate(pieces) if (byte := byte_of_piece(piece)) is not None}
    has_bytes = len(set(bytes_of.values())) == 256
    for token, piece in enumerate(pieces):
        if tokenizer.is_special(token) or token == tokenizer.unk_id:
            listing.add_special(token, piece)
        elif has_bytes and token in bytes_of:
            listing.add_text(token, bytes_of[token])
        else:
            listing.add_text(token, piece_text(piece))
    listing.eos = as_ids(tokenizer.eos_id)
    return listing
