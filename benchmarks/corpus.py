"""MaskBench files: a schema with valid and invalid instances each, in a zip or a folder of JSON files."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Instance:
    """``text`` as it is written token by token; ``valid``: does it satisfy the schema?"""

    text: str
    valid: bool


@dataclass(frozen=True)
class Case:
    name: str
    schema: Any
    instances: tuple[Instance, ...]


class Corpus:
    """Names first, files on demand: the whole set does not fit the cache of a small machine."""

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            self.names = sorted(str(p.relative_to(path)) for p in path.rglob("*.json"))
            self._read: Callable[[str], bytes] = lambda name: (path / name).read_bytes()
        else:
            archive = zipfile.ZipFile(path)
            self.names = sorted(n for n in archive.namelist() if n.endswith(".json"))
            self._read = archive.read

    def sample(self, limit: int | None, seed: int) -> list[str]:
        """``limit`` names in random order (all of them when ``None``)."""
        names = list(self.names)
        random.Random(seed).shuffle(names)
        return names if limit is None else names[:limit]

    def case(self, name: str) -> Case:
        data = json.loads(self._read(name))
        return Case(name.removesuffix(".json"), data["schema"], tuple(map(_instance, data["tests"])))


def _instance(test: dict[str, Any]) -> Instance:
    return Instance(json.dumps(test["data"], indent=None, ensure_ascii=False), bool(test["valid"]))
