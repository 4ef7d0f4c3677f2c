"""Tokenizers on disk: which kind of file it is, and the ends that the configuration files beside it name."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from constrain.errors import VocabularyError
from constrain.vocab.gguf_file import MAGIC, list_gguf
from constrain.vocab.listing import Listing, as_ids
from constrain.vocab.mistral import list_tekken_json
from constrain.vocab.tokenizer_json import list_json

_KNOWN = ("tokenizer.json", "tekken.json")


def list_file(path: Path) -> Listing:
    """A ``tokenizer.json``, a ``tekken.json`` or a GGUF file; or a folder that holds one of the first two."""
    if path.is_dir():
        path = next((path / name for name in _KNOWN if (path / name).is_file()), path)
    if not path.is_file():
        raise VocabularyError(f"{path} is not a file, nor a folder with one of {', '.join(_KNOWN)}")
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            return list_gguf(path)
    return _list_json_file(path)


def _list_json_file(path: Path) -> Listing:
    data = _load(path)
    if isinstance(data, dict) and {"model", "decoder", "added_tokens"} <= data.keys():
        listing = list_json(data)
        listing.eos = ends_beside(path, listing)
        return listing
    if isinstance(data, dict) and {"vocab", "config"} <= data.keys():
        return list_tekken_json(data)
    raise VocabularyError(f"{path} is JSON, but neither a tokenizer.json nor a tekken.json")


def ends_beside(path: Path, listing: Listing) -> tuple[int, ...]:
    """End ids by the first of ``generation_config.json``, ``config.json``, ``tokenizer_config.json`` that names any."""
    for name in ("generation_config.json", "config.json"):
        config = _load_beside(path, name)
        ends = as_ids(config.get("eos_token_id", config.get("text_config", {}).get("eos_token_id")))
        if ends:
            return ends
    token = _load_beside(path, "tokenizer_config.json").get("eos_token")
    return _ids_spelled(listing, token["content"] if isinstance(token, dict) else token)


def _ids_spelled(listing: Listing, content: str | None) -> tuple[int, ...]:
    if content is None:
        return ()
    named = tuple(token for token, name in listing.names.items() if name == content)
    return named or tuple(token for token, data in listing.texts.items() if data == content.encode("utf-8"))


def _load_beside(path: Path, name: str) -> dict[str, Any]:
    beside = path.parent / name
    data = _load(beside) if beside.is_file() else {}
    return data if isinstance(data, dict) else {}


def _load(path: Path) -> Any:
    try:
        with _without_gc():
            return json.loads(path.read_bytes())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise VocabularyError(f"{path} is neither a GGUF file nor JSON: {error}") from error


@contextmanager
def _without_gc() -> Iterator[None]:
    """Half a million merges are half a million small lists: collecting garbage meanwhile takes most of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
