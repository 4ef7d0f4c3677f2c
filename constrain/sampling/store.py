"""Saved tries: what was learnt about prefixes, for another day.

A file holds laws, with what they depend on: the model's key (model, number format, prompt, warping), the vocabulary,
the cap. The grammar is not named but checked: each law that is loaded must allow exactly what the grammar allows there.
Bounds are worked out anew from the laws, the grammar and the predicate that are here, so they are bounds whatever the
file's were.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np

from constrain.sampling.trie import DEAD, Law, Node, Trie

VERSION = 1


def save(trie: Trie, path: str | Path) -> None:
    """Write what ``trie`` knows to a NumPy ``.npz`` file (NumPy adds the suffix to names without it)."""
    nodes = list(trie.nodes())
    places = {id(node): place for place, node in enumerate(nodes)}
    laws = [node.law for node in nodes]
    np.savez_compressed(
        path,
        facts=np.array(json.dumps(_facts(trie))),
        parents=np.array([-1 if node.parent is None else places[id(node.parent)] for node in nodes], np.int64),
        tokens=np.array([node.token for node in nodes], np.int64),
        sizes=np.array([-1 if law is None else len(law.ids) for law in laws], np.int64),
        ids=np.concatenate([np.empty(0, np.int32), *(law.ids for law in laws if law is not None)]),
        log_p=np.concatenate([np.empty(0), *(law.log_p for law in laws if law is not None)]),
    )


def load(trie: Trie, path: str | Path) -> None:
    """Fill a fresh ``trie`` with what was saved.

    Raises ``ValueError`` where the file belongs to another model, prompt, vocabulary, cap, predicate or grammar, or is
    no such file.
    """
    if trie.root.law is not None:
        raise ValueError("load() fills a fresh trie, and this one has been used")
    if not is_zipfile(path):
        raise ValueError(f"{path} holds no saved trie")
    with np.load(path, allow_pickle=False) as saved:
        if "facts" not in saved:
            raise ValueError(f"{path} holds no saved trie")
        _check(json.loads(str(saved["facts"])), _facts(trie), path)
        arrays = {name: saved[name] for name in saved.files if name != "facts"}
    _rebuild(trie, arrays, path)


def _facts(trie: Trie) -> dict[str, Any]:
    target = trie.target
    return {
        "version": VERSION,
        "model and prompt": trie.model.key,
        "vocabulary": target.vocabulary.fingerprint,
        "max_tokens": target.max_tokens,
        "predicate": None if target.predicate is None else repr(target.predicate),
    }


def _check(saved: dict[str, Any], here: dict[str, Any], path: str | Path) -> None:
    for name, value in here.items():
        if saved.get(name) != value:
            raise ValueError(f"{path} was saved with {name} {saved.get(name)!r}; here it is {value!r}")


def _rebuild(trie: Trie, arrays: dict[str, Any], path: str | Path) -> None:
    ends = np.maximum(arrays["sizes"], 0).cumsum()
    nodes: list[Node] = []
    for place, (parent, token) in enumerate(zip(arrays["parents"].tolist(), arrays["tokens"].tolist(), strict=True)):
        node = trie.root if parent < 0 else trie.child(nodes[parent], token)
        nodes.append(node)
        size = int(arrays["sizes"][place])
        if size >= 0:
            part = slice(int(ends[place]) - size, int(ends[place]))
            ids = arrays["ids"][part]
            if not np.array_equal(ids, trie.allowed(node)):
                raise ValueError(f"{path} was saved with another grammar: it allows other tokens after {node.tokens()}")
            trie.give(node, Law(ids, arrays["log_p"][part]))
    for node in reversed(nodes):
        if node.law is not None:
            trie.lower(node, node.law.bound())
        elif not node.ended and not len(trie.allowed(node)):
            trie.lower(node, DEAD)
    trie.lowest = trie.root.bound
