"""SentencePiece vocabularies: pieces with U+2581 for a space, and byte pieces ``<0x00>`` to ``<0xFF>``.

A space at the very start of a text is a matter of the decoder: those with a "dummy prefix" drop one there. Tokens
here always carry their space, since a generated text goes on after a prompt, where nothing is dropped.
"""

from __future__ import annotations

import re
from typing import Any

from constrain.errors import VocabularyError
from constrain.vocab.listing import Listing, as_ids

SPACE = "\u2581"
_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def byte_of_piece(piece: str) -> bytes | None:
    """The byte that a byte piece names, or ``None`` when it is not spelled as a byte piece."""
    found = _BYTE_PIECE.fullmatch(piece) if piece.startswith("<0x") else None
    return bytes([int(found[1], 16)]) if found else None


def piece_text(piece: str) -> bytes:
    """UTF-8 of an ordinary piece."""
    return piece.replace(SPACE, " ").encode("utf-8")


def add_piece(listing: Listing, model: Any, token: int, piece_id: int) -> None:
    """List piece ``piece_id`` of a ``SentencePieceProcessor`` under the id ``token``."""
    piece = model.IdToPiece(piece_id)
    if model.IsControl(piece_id) or model.IsUnknown(piece_id) or model.IsUnused(piece_id):
        listing.add_special(token, piece)
    elif model.IsByte(piece_id):
        byte = byte_of_piece(piece)
        if byte is None:
            raise VocabularyError(f"id {token}: byte piece {piece!r} is not spelled like <0x0A>")
        listing.add_text(token, byte)
    else:
        listing.add_text(token, piece_text(piece))


def list_processor(model: Any) -> Listing:
    """A bare ``sentencepiece.SentencePieceProcessor``."""
    listing = Listing()
    for piece_id in range(model.GetPieceSize()):
        add_piece(listing, model, piece_id, piece_id)
    listing.eos = as_ids(model.eos_id() if model.eos_id() >= 0 else None)
    return listing


def list_wrapped(tokenizer: Any) -> Listing:
    """A slow transformers tokenizer around a processor (``.sp_model``), whose ids may be shifted or extended."""
    model, listing = tokenizer.sp_model, Listing()
    added, special = tokenizer.added_tokens_decoder, set(tokenizer.all_special_ids)
    for token in sorted({*tokenizer.get_vocab().values(), *added}):
        piece = tokenizer.convert_ids_to_tokens(token)
        piece_id = model.PieceToId(piece)
        if token in special or (token in added and added[token].special):
            listing.add_special(token, piece)
        elif model.IdToPiece(piece_id) == piece:
            add_piece(listing, model, token, piece_id)
        elif token in added:
            listing.add_text(token, piece_text(piece))
        else:
            listing.add_special(token, piece)  # a name that the wrapper made up, such as a language code
    listing.eos = as_ids(tokenizer.eos_token_id)
    return listing
