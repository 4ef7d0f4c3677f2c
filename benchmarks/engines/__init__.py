"""One adapter a file. An engine's module is imported only in the process that runs it."""

from __future__ import annotations

from importlib import import_module

from benchmarks.engines.base import Engine

# name on the command line -> module and keyword arguments of its ``create``
ENGINES: dict[str, tuple[str, dict[str, str]]] = {
    "constrain": ("benchmarks.engines.constrain_lm", {}),
    "llguidance": ("benchmarks.engines.llguidance", {}),
    "xgrammar": ("benchmarks.engines.xgrammar", {}),
    "glrmask": ("benchmarks.engines.glrmask", {"strategy": "AUTO"}),
    "glrmask_trie": ("benchmarks.engines.glrmask", {"strategy": "TOKEN_TRIE"}),
    "outlines_core": ("benchmarks.engines.outlines_core", {}),
    "fake": ("benchmarks.engines.fake", {}),
}


def create(name: str) -> Engine:
    """The engine called ``name``. ``ImportError`` when its library is missing, ``KeyError`` when it is unknown."""
    module, options = ENGINES[name]
    engine: Engine = import_module(module).create(**options)
    return engine
