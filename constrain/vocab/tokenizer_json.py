"""Tokenizers of the ``tokenizers`` library: live objects (transformers' fast tokenizers too) and ``tokenizer.json``.

What a token stands for is what the library's decoder makes of its spelling, added tokens included; see ``decoders``.
The clean-up that transformers may do on whole texts (``clean_up_tokenization_spaces``) is not part of a token.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from constrain.errors import VocabularyError
from constrain.vocab.decoders import token_speller
from constrain.vocab.listing import Listing, as_ids

Added = Iterable[tuple[int, str, bool]]


def list_json(data: dict[str, Any]) -> Listing:
    """The parsed content of a ``tokenizer.json``. Its ends are elsewhere: ``eos`` stays empty."""
    model = data["model"]
    pieces, unknown = _model_pieces(model)
    added = ((a["id"], a["content"], a["special"]) for a in data["added_tokens"])
    return _list_pieces(pieces, added, data["decoder"], unknown)


def list_backend(backend: Any) -> Listing:
    """A live ``tokenizers.Tokenizer``. It knows no end: ``eos`` stays empty."""
    added = [(i, a.content, a.special) for i, a in backend.get_added_tokens_decoder().items()]
    pieces = backend.get_vocab(with_added_tokens=False)
    return _list_pieces(pieces, added, _live_decoder(backend), _live_unknown(backend.model))


def list_fast(tokenizer: Any) -> Listing:
    """A fast tokenizer of transformers: its backend, plus the special ids and the end that the wrapper knows."""
    listing = list_backend(tokenizer.backend_tokenizer)
    for token in tokenizer.all_special_ids:
        listing.hide(token)
    listing.eos = as_ids(tokenizer.eos_token_id)
    return listing


def _list_pieces(
    pieces: Mapping[str, int], added: Added, decoder: dict[str, Any] | None, unknown: str | None
) -> Listing:
    spell, listing = token_speller(decoder), Listing()
    listing.texts = {token: spell(piece) for piece, token in pieces.items()}
    listing.size = max(listing.texts, default=-1) + 1
    if unknown is not None and unknown in pieces:
        listing.add_special(pieces[unknown], unknown)
    for token, content, special in added:
        if special:
            listing.add_special(token, content)
        else:
            listing.add_text(token, spell(content))
    return listing


def _model_pieces(model: dict[str, Any]) -> tuple[Mapping[str, int], str | None]:
    """Spelling -> id, and the spelling of the unknown token. Old files leave out the type, so the shape decides."""
    vocab = model["vocab"]
    if isinstance(vocab, list):  # Unigram: [spelling, score] by id
        unknown = model.get("unk_id")
        return {piece: i for i, (piece, _) in enumerate(vocab)}, None if unknown is None else vocab[unknown][0]
    return vocab, model.get("unk_token")


def _live_decoder(backend: Any) -> dict[str, Any] | None:
    """The decoder's own JSON: asking for it alone is much cheaper than ``backend.to_str()``, which has all merges."""
    if backend.decoder is None:
        return None
    try:
        section: dict[str, Any] = json.loads(backend.decoder.__getstate__())
    except Exception as error:  # tokenizers raises bare Exception for a decoder written in Python
        raise VocabularyError(f"the tokenizer's decoder cannot be read exactly: {error}") from error
    return section


def _live_unknown(model: Any) -> str | None:
    if hasattr(model, "unk_token"):
        unknown: str | None = model.unk_token
        return unknown
    return _model_pieces(json.loads(model.__getstate__()))[1]  # Unigram does not tell otherwise
