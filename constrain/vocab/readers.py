"""``read_vocabulary``: any tokenizer that we can read exactly -> ``Vocabulary``.

Tokenizers are known by what they offer, not by their classes, so neither transformers nor torch is imported, and
wrappers of other projects work. Bytes come from the tables of a tokenizer, never from ``decode([id])``, which loses
the bytes of tokens that hold part of a character.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from constrain.errors import VocabularyError
from constrain.vocab.files import list_file
from constrain.vocab.listing import Listed, Listing, finish
from constrain.vocab.mistral import list_pieces, list_tekken
from constrain.vocab.python_bpe import (
    list_byte_decoder,
    list_encoding,
    list_ranks,
    list_wrapped_encoding,
)
from constrain.vocab.sentencepiece import list_processor, list_wrapped
from constrain.vocab.token_bytes import TokenBytes
from constrain.vocab.tokenizer_json import list_backend, list_fast
from constrain.vocab.vocabulary import Vocabulary

_READERS: tuple[tuple[tuple[str, ...], Callable[[Any], Listing]], ...] = (
    (("backend_tokenizer", "eos_token_id"), list_fast),
    (("get_added_tokens_decoder", "get_vocab", "decoder"), list_backend),
    (("id_to_byte_piece", "num_special_tokens", "n_words"), list_tekken),
    (("decode_single_token_bytes", "special_tokens_set"), list_encoding),
    (("sp_model", "convert_ids_to_tokens"), list_wrapped),
    (("IdToPiece", "IsByte", "GetPieceSize"), list_processor),
    (("vocab", "is_special", "unk_id", "eos_id"), list_pieces),
    (("mergeable_ranks",), list_ranks),
    (("tokenizer.decode_single_token_bytes",), list_wrapped_encoding),
    (("model.decode_single_token_bytes",), list_wrapped_encoding),
    (("byte_decoder", "convert_ids_to_tokens"), list_byte_decoder),
)
"""What a tokenizer must offer, and who reads it; the first that fits."""


def read_vocabulary(source: Any, *, width: int | None = None, eos: int | Iterable[int] | None = None) -> Vocabulary:
    """The vocabulary of a tokenizer.

    ``source``: a transformers tokenizer (fast, or slow around SentencePiece, tiktoken or a byte-level BPE in Python); a
    ``tokenizers.Tokenizer``; a ``tiktoken.Encoding``; a ``SentencePieceProcessor``; a tokenizer of ``mistral-common``
    or transformers' wrapper of one; a path to a ``tokenizer.json``, a ``tekken.json``, a folder with one of these, or
    a GGUF file; a list of byte strings (``None``: never text); or a ``Vocabulary``.

    ``eos``: the ids that end a text. Left out, they are the tokenizer's ``eos_token_id``, or what the configuration
    beside a file says. Chat models often have several: pass those of the model's ``generation_config``.
    ``width``: the width of the model's logits where it differs from the number of ids (``config.vocab_size``).

    Special tokens never stand for text: their bytes are ``None``, and ``names`` has what they are called. Added
    tokens that are not special stand for their text. Where a decoder drops a space at the very start of a text
    (SentencePiece), tokens keep it: text generated after a prompt has it.

    Raises ``VocabularyError`` for a tokenizer that cannot be read exactly, when no end is known, or when the width
    would cut off text.
    """
    if isinstance(source, Vocabulary):
        return _adjusted(source, width, eos)
    if isinstance(source, (str, Path)):
        return finish(list_file(Path(source)), eos, width)
    if isinstance(source, (list, tuple)):
        return finish(_list_byte_strings(source), eos, width)
    source = _unwrapped(source)
    for wanted, reader in _READERS:
        if all(_has(source, name) for name in wanted):
            return finish(reader(source).listed(), eos, width)
    raise VocabularyError(
        f"{type(source).__module__}.{type(source).__qualname__} is not a tokenizer that constrain knows: pass a "
        "tokenizer of transformers, tokenizers, tiktoken, sentencepiece or mistral-common, the path of a "
        "tokenizer.json, tekken.json or GGUF file, or the byte string of each id as a list with eos=[...]"
    )


def _adjusted(vocabulary: Vocabulary, width: int | None, eos: int | Iterable[int] | None) -> Vocabulary:
    if width is None and eos is None:
        return vocabulary
    listed = Listed(vocabulary.packed, dict(vocabulary.names), tuple(vocabulary.eos))
    return finish(listed, eos, vocabulary.width if width is None else width)


def _list_byte_strings(tokens: Sequence[Any]) -> Listed:
    for token, data in enumerate(tokens):
        if data is not None and not isinstance(data, (bytes, bytearray, memoryview)):
            raise VocabularyError(f"token {token} is {data!r}: each token must be bytes, or None when it is not text")
    return Listed(TokenBytes.of(None if data is None else bytes(data) for data in tokens), {}, ())


def _unwrapped(source: Any) -> Any:
    """The tokenizer of ``mistral-common`` inside its own wrappers (instruct, chat) and transformers' one."""
    for path in ("tokenizer.instruct_tokenizer.tokenizer", "instruct_tokenizer.tokenizer", "tokenizer"):
        if _has(source, path + ".n_words"):
            return attrgetter(path)(source)
    return source


def _has(source: Any, path: str) -> bool:
    try:
        attrgetter(path)(source)
    except AttributeError:
        return False
    return True
