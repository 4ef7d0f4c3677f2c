"""Tokenizers on disk: which kind of file it is, and the ends that the configuration files beside it name.

To parse the half million merges of a ``tokenizer.json`` takes a third of a second, so what was listed is kept
(``disk.py``), under a hash of the file's content and of the code that reads it.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from constrain import disk
from constrain.errors import VocabularyError
from constrain.vocab.gguf_file import MAGIC, list_gguf
from constrain.vocab.listing import Listed, as_ids
from constrain.vocab.mistral import list_tekken_json
from constrain.vocab.token_bytes import TokenBytes
from constrain.vocab.tokenizer_json import list_json

_KNOWN = ("tokenizer.json", "tekken.json")


def list_file(path: Path) -> Listed:
    """A ``tokenizer.json``, a ``tekken.json`` or a GGUF file; or a folder that holds one of the first two."""
    if path.is_dir():
        path = next((path / name for name in _KNOWN if (path / name).is_file()), path)
    if not path.is_file():
        raise VocabularyError(f"{path} is not a file, nor a folder with one of {', '.join(_KNOWN)}")
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            return list_gguf(path).listed()
    return _list_json_file(path)


def _list_json_file(path: Path) -> Listed:
    content = path.read_bytes()
    kept = disk.cache_root() / "tokenizers" / f"{disk.key(__file__, content)}.bin"
    found = disk.load_arrays(kept)
    if found is not None:
        arrays, about = found
        names = {int(token): name for token, name in about["names"].items()}
        listed = Listed(TokenBytes(arrays["starts"], arrays["data"]), names, tuple(about["eos"]))
        has_ends = about["has_ends"]
    else:
        listed, has_ends = _list_json(path, content)
        about = {"names": listed.names, "eos": listed.eos, "has_ends": has_ends}
        disk.save_arrays(kept, {"starts": listed.texts.starts, "data": listed.texts.data}, about)
    return listed if has_ends else replace(listed, eos=ends_beside(path, listed))


def _list_json(path: Path, content: bytes) -> tuple[Listed, bool]:
    """What a JSON file lists, and whether files of this kind name their ends themselves."""
    data = _parse(path, content)
    if isinstance(data, dict) and {"model", "decoder", "added_tokens"} <= data.keys():
        return list_json(data).listed(), False
    if isinstance(data, dict) and {"vocab", "config"} <= data.keys():
        return list_tekken_json(data).listed(), True
    raise VocabularyError(f"{path} is JSON, but neither a tokenizer.json nor a tekken.json")


def ends_beside(path: Path, listed: Listed) -> tuple[int, ...]:
    """End ids by the first of ``generation_config.json``, ``config.json``, ``tokenizer_config.json`` that names any."""
    for name in ("generation_config.json", "config.json"):
        config = _load_beside(path, name)
        ends = as_ids(config.get("eos_token_id", config.get("text_config", {}).get("eos_token_id")))
        if ends:
            return ends
    token = _load_beside(path, "tokenizer_config.json").get("eos_token")
    content = token["content"] if isinstance(token, dict) else token
    return () if content is None else listed.spelled(content)


def _load_beside(path: Path, name: str) -> dict[str, Any]:
    beside = path.parent / name
    data = _parse(beside, beside.read_bytes()) if beside.is_file() else {}
    return data if isinstance(data, dict) else {}


def _parse(path: Path, content: bytes) -> Any:
    try:
        with _without_gc():
            return json.loads(content)
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
